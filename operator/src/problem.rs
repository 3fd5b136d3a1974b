//! Why a resource does not have a valid token: the reason of a condition, and a message.

use std::fmt;

use cc_auth::key::KeyError;
use cc_auth::osdf::SigningError;

/// The longest message of a condition or an Event, in bytes: the API server limits an Event's note to
/// 1,024.
const MESSAGE_LIMIT: usize = 1000;

/// The stable name of a problem, as the reason of a condition and of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A Secret of this name belongs to another owner.
    SecretNotOwned,
    /// The Secret is immutable, so that its token cannot be renewed.
    SecretImmutable,
    /// The Secret or ConfigMap of the key, or its member, does not exist.
    KeyNotFound,
    /// The key cannot be read.
    KeyInvalid,
    /// The key does not fit `spec.algorithm`.
    KeyMismatch,
    /// `spec.key` names another namespace.
    KeyNamespaceForbidden,
    /// The library rejects `spec`.
    SpecInvalid,
    /// The token expired, and `spec.resignBefore` is absent.
    Expired,
    /// This computer's clock is behind the time at which the token was signed.
    ClockBehind,
    /// Signing failed.
    SigningFailed,
    /// The operator lacks a right.
    Forbidden,
    /// The API server rejected a request.
    ApiError,
}

impl Reason {
    /// The name, as in conditions and Events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecretNotOwned => "SecretNotOwned",
            Self::SecretImmutable => "SecretImmutable",
            Self::KeyNotFound => "KeyNotFound",
            Self::KeyInvalid => "KeyInvalid",
            Self::KeyMismatch => "KeyMismatch",
            Self::KeyNamespaceForbidden => "KeyNamespaceForbidden",
            Self::SpecInvalid => "SpecInvalid",
            Self::Expired => "Expired",
            Self::ClockBehind => "ClockBehind",
            Self::SigningFailed => "SigningFailed",
            Self::Forbidden => "Forbidden",
            Self::ApiError => "ApiError",
        }
    }

    /// Whether the key is the cause.
    pub const fn is_about_key(self) -> bool {
        matches!(self, Self::KeyNotFound | Self::KeyInvalid | Self::KeyMismatch | Self::KeyNamespaceForbidden)
    }
}

/// A reason with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason.
    pub reason: Reason,
    /// What failed and what to do; no secret.
    pub message: String,
}

impl Problem {
    /// A problem; a long message is cut.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: shortened(message.into()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.message)
    }
}

impl From<SigningError> for Problem {
    fn from(error: SigningError) -> Self {
        let reason = match &error {
            SigningError::Key { source: KeyError::Algorithm { .. }, .. } => Reason::KeyMismatch,
            SigningError::Key { .. } => Reason::KeyInvalid,
            _ => Reason::SigningFailed,
        };
        Self::new(reason, error.to_string())
    }
}

/// A message within the limit, cut between characters.
pub fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT - 3).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}
