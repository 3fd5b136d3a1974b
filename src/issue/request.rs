//! The request to issue tokens.

use serde_json::Value;

use super::recipients::RecipientSelector;
use crate::key::Algorithm;
use crate::util::duration::GoDuration;
use crate::util::time::Timestamp;

/// The tokens to issue.
#[derive(Debug, Clone)]
pub struct IssueRequest {
    /// The users.
    pub recipients: RecipientSelector,
    /// The roles of every token; `None` for those of each user in the user table.
    pub roles: Option<Vec<String>>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// From `iat` to `exp`.
    pub lifetime: Lifetime,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`; a string if there is one, an array if there are several.
    pub audience: Vec<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `jti`.
    pub jti: JwtId,
    /// Additional claims in order; none of those above.
    pub claims: Vec<(String, Value)>,
    /// `alg`; `None` for the first algorithm of the key.
    pub algorithm: Option<Algorithm>,
    /// `kid`; `None` for that of the key, if it has one.
    pub kid: Option<String>,
    /// Whose key signs.
    pub key_owner: KeyOwner,
}

/// How long a token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as `auth.jwts.max-age`; without that setting the token does not expire.
    Configured,
    /// The token does not expire.
    Unlimited,
    /// This long.
    Limited(GoDuration),
}

/// The `jti` of the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtId {
    /// No `jti`.
    None,
    /// The same for every token.
    Fixed(String),
    /// Random, different for every token.
    Random,
}

/// Whose key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// The server: the key is from its environment file.
    Server,
    /// Another issuer.
    Other,
}
