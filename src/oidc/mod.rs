//! OpenID providers: discovery documents, OAuth 2.0 endpoints, and the cached keys of issuers.
//!
//! All requests use [`crate::http::Client`]. [`crate::login`] evaluates the result of a login.

pub mod discovery;
pub mod jwks_cache;
pub mod oauth;
