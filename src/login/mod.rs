//! Who is it: the chain of methods, attempts, the session that is kept.
pub mod oidc;
