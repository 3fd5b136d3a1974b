//! Requests to issue tokens.

use serde_json::Value;

use super::recipients::RecipientSelector;
use crate::key::Algorithm;
use crate::util::duration::GoDuration;
use crate::util::time::Timestamp;

/// A request to issue tokens.
#[derive(Debug, Clone)]
pub struct IssueRequest {
    /// The recipients.
    pub recipients: RecipientSelector,
    /// The roles of every token; `None` for those of each user in the user table.
    pub roles: Option<Vec<String>>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// The lifetime: `exp` minus `iat`.
    pub lifetime: Lifetime,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`: a string for one audience, an array for several.
    pub audience: Vec<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `jti`.
    pub jti: JwtId,
    /// Additional claims in order, none of which is listed above.
    pub claims: Vec<(String, Value)>,
    /// `alg`; `None` for the key's default algorithm.
    pub algorithm: Option<Algorithm>,
    /// `kid`; `None` for the key ID of the key, if it has one.
    pub kid: Option<String>,
    /// The owner of the signing key.
    pub key_owner: KeyOwner,
}

/// The lifetime of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// `auth.jwts.max-age`; without that setting, the token does not expire.
    Configured,
    /// No expiration.
    Unlimited,
    /// A fixed lifetime.
    Limited(GoDuration),
}

/// The `jti` of the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtId {
    /// No `jti`.
    None,
    /// The same `jti` for every token.
    Fixed(String),
    /// A different random `jti` for every token.
    Random,
}

/// The owner of the signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// The server: the key comes from its environment file.
    Server,
    /// Another issuer.
    Other,
}
