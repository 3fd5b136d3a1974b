//! OpenID providers: discovery documents, OAuth 2.0 endpoints, and the key sets of issuers with their
//! cache.
//!
//! Everything is fetched through [`crate::http::Client`]. What a login means is decided in
//! [`crate::login`].

pub mod discovery;
pub mod jwks_cache;
pub mod oauth;
