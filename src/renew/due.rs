//! Decides whether a token is due for renewal, based on the token itself. Pure functions; the time
//! is an argument.

use std::fmt;

use serde_json::{Map, Value};

use crate::key::VerifyingKey;
use crate::osdf::resource::Resource;
use crate::token::{TokenError, Unverified, verify};
use crate::util::quote::{escape, quote};
use crate::util::time::Timestamp;

/// The claims that are new in each token, and `iss`, which is the resource's issuer.
const OWN_CLAIMS: [&str; 5] = ["iss", "iat", "nbf", "exp", "jti"];

/// The content of the output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenInFile<'a> {
    /// No file, or only white space.
    Missing,
    /// Something that is not text.
    Unreadable,
    /// A text.
    Text(&'a str),
}

/// Whether a token is due for renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Due {
    /// The token is valid and not due.
    Fresh(TokenTimes),
    /// The token is due.
    Now {
        /// The reason.
        reason: RenewReason,
        /// The expiry of the current token, if it is still valid.
        expires_at: Option<Timestamp>,
    },
}

/// The times of a token that matter for renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// The time of the next renewal.
    pub renew_at: Timestamp,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// Why a token is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewReason {
    /// The file does not exist or is empty.
    Missing,
    /// The member of the file is empty.
    EmptyMember,
    /// The content of the file is not a valid token.
    InvalidToken(String),
    /// The token has expired.
    Expired(Timestamp),
    /// The remaining lifetime is shorter than `resignBefore`.
    ExpiresSoon(Timestamp),
    /// The token is not yet valid: the clock was set back.
    NotYetValid(Timestamp),
    /// The token was issued while the clock was ahead, so that it lives longer than its lifetime.
    IssuedInFuture(Timestamp),
    /// It was signed by another key.
    KeyChanged,
    /// The resource has changed; the changed field.
    ResourceChanged(String),
    /// The token never expires.
    NoExpiry,
    /// The token differs from what the server would issue for the user now; what differs.
    ClaimsChanged(&'static str),
    /// The command after the last change did not end with success yet.
    CommandPending,
    /// It was requested.
    Forced,
}

impl RenewReason {
    /// Its name in events.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing | Self::EmptyMember => "missing",
            Self::InvalidToken(_) => "invalid",
            Self::Expired(_) => "expired",
            Self::ExpiresSoon(_) => "expires-soon",
            Self::NotYetValid(_) | Self::IssuedInFuture(_) => "not-yet-valid",
            Self::KeyChanged => "key-changed",
            Self::ResourceChanged(_) => "resource-changed",
            Self::NoExpiry => "no-expiry",
            Self::ClaimsChanged(_) => "claims-changed",
            Self::CommandPending => "command-pending",
            Self::Forced => "forced",
        }
    }
}

impl fmt::Display for RenewReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the token file does not exist or is empty"),
            Self::EmptyMember => f.write_str("no token found"),
            Self::InvalidToken(why) => write!(f, "the file does not contain a token: {}", escape(why)),
            Self::Expired(at) => write!(f, "the token expired at {}", at.rfc3339()),
            Self::ExpiresSoon(at) => write!(f, "the token expires at {}", at.rfc3339()),
            Self::NotYetValid(at) => write!(f, "the token is not valid before {}", at.rfc3339()),
            Self::IssuedInFuture(at) => {
                write!(f, "the token was issued at {}, which is in the future", at.rfc3339())
            }
            Self::KeyChanged => f.write_str("the token was signed by another key"),
            Self::ResourceChanged(field) => write!(f, "{field} changed"),
            Self::NoExpiry => f.write_str("the token never expires"),
            Self::ClaimsChanged(what) => write!(f, "{what} changed"),
            Self::CommandPending => f.write_str("the command after the last change has not succeeded yet"),
            Self::Forced => f.write_str("a renewal was requested"),
        }
    }
}

/// The difference of two clocks that is not a reason to renew a token, in seconds.
const MAX_CLOCK_DIFFERENCE: i64 = 60;

/// Decides whether the token in the output file is due.
///
/// A token is due if it is missing or invalid, if the resource or the key changed, or if `now` >=
/// `exp` - `resignBefore`. Without `resignBefore` it is due when it has expired.
pub fn check(found: TokenInFile<'_>, resource: &Resource, key: &VerifyingKey, now: Timestamp) -> Due {
    let now_because = |reason| Due::Now { reason, expires_at: None };
    let text = match found {
        TokenInFile::Missing => return now_because(RenewReason::Missing),
        TokenInFile::Unreadable => {
            return now_because(RenewReason::InvalidToken("it is not UTF-8 text".to_owned()));
        }
        TokenInFile::Text(text) if text.trim_ascii().is_empty() => return now_because(RenewReason::Missing),
        TokenInFile::Text(text) => text.trim_ascii(),
    };
    let token = match Unverified::parse(text) {
        Ok(token) => token,
        Err(error) => return now_because(RenewReason::InvalidToken(error.to_string())),
    };
    let key = key.clone().with_kid(&resource.kid).restrict(&[resource.algorithm]);
    let verified = match verify(token, [&key]) {
        Ok(verified) => verified,
        Err(error) => return now_because(reason_for(&error)),
    };
    let claims = verified.claims();
    let (Ok(Some(end)), Ok(Some(issued)), Ok(begin)) =
        (claims.time("exp"), claims.time("iat"), claims.time("nbf"))
    else {
        return now_because(RenewReason::InvalidToken("it has no usable times".to_owned()));
    };
    let (ends, issued) = (end.instant(), issued.instant());
    let valid_until = (now < ends).then_some(ends);
    if let Some(field) = changed(resource, verified.header().key_id(), claims.as_object()) {
        return Due::Now { reason: RenewReason::ResourceChanged(field), expires_at: valid_until };
    }
    if ends.since(issued) != resource.lifetime {
        return Due::Now {
            reason: RenewReason::ResourceChanged("spec.expiryTime".to_owned()),
            expires_at: valid_until,
        };
    }
    // RFC 7519 4.1.4: a token is rejected on or after its expiry.
    if now >= ends {
        return now_because(RenewReason::Expired(ends));
    }
    if let Some(begin) = begin.map(|begin| begin.instant()).filter(|begin| now < *begin) {
        return now_because(RenewReason::NotYetValid(begin));
    }
    if is_in_future(issued, now) {
        return Due::Now { reason: RenewReason::IssuedInFuture(issued), expires_at: valid_until };
    }
    let renew_at = ends.plus_seconds(-resource.resign_before.unwrap_or(0));
    if now >= renew_at {
        return Due::Now { reason: RenewReason::ExpiresSoon(ends), expires_at: valid_until };
    }
    Due::Fresh(TokenTimes { renew_at, expires_at: ends })
}

/// Whether a token was issued while the clock was ahead by more than a minute.
pub fn is_in_future(issued: Timestamp, now: Timestamp) -> bool {
    issued.since(now) > MAX_CLOCK_DIFFERENCE
}

fn reason_for(error: &TokenError) -> RenewReason {
    match error {
        TokenError::Signature(_) => RenewReason::KeyChanged,
        TokenError::KeyUnknown { .. } => RenewReason::ResourceChanged("spec.keyId".to_owned()),
        TokenError::AlgorithmMismatch { .. } | TokenError::AlgorithmUnknown(_) => {
            RenewReason::ResourceChanged("spec.algorithm".to_owned())
        }
        other => RenewReason::InvalidToken(other.to_string()),
    }
}

/// Returns the first field of the resource that differs from the token.
fn changed(resource: &Resource, key_id: Option<&str>, claims: &Map<String, Value>) -> Option<String> {
    if key_id != Some(resource.kid.as_str()) {
        return Some("spec.keyId".to_owned());
    }
    if claims.get("iss").and_then(Value::as_str) != Some(resource.issuer.as_str()) {
        return Some("spec.issuer".to_owned());
    }
    let field = |name: &str| match name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        true => format!("spec.data.{name}"),
        false => format!("spec.data[{}]", quote(name)),
    };
    if let Some((name, _)) = resource.data.iter().find(|(name, value)| claims.get(*name) != Some(value)) {
        return Some(field(name));
    }
    claims
        .keys()
        .find(|name| !OWN_CLAIMS.contains(&name.as_str()) && !resource.data.contains_key(*name))
        .map(|name| field(name))
}
