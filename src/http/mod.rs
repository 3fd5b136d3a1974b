//! The HTTP client: TLS except to loopback, redirects only within one origin, limits of time and
//! size.
//!
//! [`Client`] sends requests and returns a [`Response`]. It does not interpret the body.

mod client;
mod convert;
mod error;
pub(crate) mod freshness;
mod options;
mod proxy;
mod response;
mod tls;
mod urls;

pub use client::{Client, check_ca_certificates};
pub use error::HttpError;
pub use options::{BODY_LIMIT, Bearer, HttpOptions, HttpTrust, Redirects};
pub use proxy::Proxy;
pub use response::Response;
pub use urls::{display_url, is_loopback, parse_url};
