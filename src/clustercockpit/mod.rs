//! The client of a running ClusterCockpit server: its login and its REST interface.

pub mod client;
