//! Token resources, their signing and re-signing.

pub mod place;
pub mod resource;
mod tree;

pub use place::{FieldPath, Origin, Problem, ResourceFault};
pub use resource::{Change, KeySource, Resource};
