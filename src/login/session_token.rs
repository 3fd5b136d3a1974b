//! A token of a session and its expiry.

use super::error::LoginError;
use crate::key::SigningKey;
use crate::token::{Claims, HeaderParams, inspect, sign};
use crate::user::User;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// A token of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The token.
    pub token: SecretText,
    /// The expiry time; `None` if the token does not expire, or if it is not known.
    pub expires_at: Option<Timestamp>,
}

impl SessionToken {
    /// Creates an access token that was received now. `lifetime_seconds` is the `expires_in` of the
    /// provider (RFC 6749 5.1), which is optional: a JWT has `exp` as well.
    #[must_use]
    pub fn access(token: SecretText, lifetime_seconds: Option<i64>, now: Timestamp) -> Self {
        let expires_at = lifetime_seconds.map(|seconds| now.plus_seconds(seconds));
        let expires_at = expires_at.or_else(|| unverified_expiry(&token));
        Self { token, expires_at }
    }

    /// Whether the token is expired; it is from the second of its expiry time.
    pub(super) fn is_expired(&self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| at >= expires_at)
    }
}

/// Returns `exp` of a JWT without verifying it.
pub(super) fn unverified_expiry(token: &SecretText) -> Option<Timestamp> {
    let inspection = inspect(token.expose());
    let (_, claims) = inspection.unproven()?;
    claims.time("exp").ok().flatten().map(|time| time.instant())
}

/// Issues a token with the same claims as a token of the server.
pub(super) fn token_for(
    user: &User,
    expires_at: Option<Timestamp>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SecretText, LoginError> {
    let mut claims = Claims::new();
    if let Some(expires_at) = expires_at {
        claims.set("exp", expires_at.0);
    }
    claims.set("iat", now.0);
    claims.set("roles", user.roles.clone());
    claims.set("sub", user.username.as_str());
    Ok(sign(&HeaderParams::for_key(key), &claims, key)?)
}
