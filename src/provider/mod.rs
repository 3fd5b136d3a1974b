//! What is fetched over HTTP: key sets, discovery documents, OpenID Connect providers, the server.
//!
//! Everything goes through [`http::Client`], which is strict by default: TLS but to loopback,
//! no redirects, limits on time and size. Knows nothing of logins and what they mean.

pub mod discovery;
mod freshness;
pub mod http;
pub mod oauth;
pub mod proxy;
pub mod remote;
pub mod role_keys;
pub mod server;
mod tls;
