//! The HTTP client: strict by default, with TLS except to loopback, no redirects to another host, and
//! limits on time and size.
//!
//! [`Client`] sends requests and returns responses. It does not interpret what it fetches.

mod client;
pub(crate) mod freshness;
mod proxy;
mod tls;

pub use client::*;
pub use proxy::Proxy;
