//! Signing of tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::MAX_BYTES;
use super::claims::Claims;
use crate::key::{Algorithm, KeyError, SigningKey};
use crate::util::diagnostic::diagnostics;
use crate::util::json_text::serialize_json;
use crate::util::kind::Kind;
use crate::util::secret::SecretText;

/// The header of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderParams {
    /// The algorithm of the signature, one of the key's algorithms.
    pub algorithm: Algorithm,
    /// The type of the token (`typ`); usually `JWT`.
    pub typ: String,
    /// The key ID (`kid`), for a verifier with several keys.
    pub kid: Option<String>,
}

impl HeaderParams {
    /// Returns the header that the server writes for this key: its algorithm, `JWT` as `typ`, and its
    /// key ID if it has one.
    #[must_use]
    pub fn for_key(key: &SigningKey) -> Self {
        Self { algorithm: key.algorithm(), typ: "JWT".to_owned(), kid: key.kid().map(str::to_owned) }
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("alg".to_owned(), self.algorithm.name().into());
        members.insert("typ".to_owned(), self.typ.as_str().into());
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), kid.as_str().into());
        }
        members
    }
}

/// Why a token cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key does not support the algorithm.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The token would exceed the maximum length.
    #[error("the token would have {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
}

diagnostics! { SignError:
    Self::Key(error) => error.kind(), error.hint();
    Self::TooLong(_) => Kind::TokenTooLong, "leave out what is long, such as projects";
}

/// Signs the claims, unchanged and in their order, as a compact token.
///
/// # Errors
/// [`SignError::Key`] if the key does not support the algorithm, [`SignError::TooLong`] if the token
/// would exceed [`MAX_BYTES`].
pub fn sign(header: &HeaderParams, claims: &Claims, key: &SigningKey) -> Result<SecretText, SignError> {
    let mut token = String::new();
    for members in [&header.members(), claims.as_object()] {
        let json = serialize_json(members);
        URL_SAFE_NO_PAD.encode_string(json, &mut token);
        token.push('.');
    }
    let signed = token.trim_end_matches('.').len();
    let signature = key.sign(header.algorithm, &token.as_bytes()[..signed])?;
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAX_BYTES {
        return Err(SignError::TooLong(token.len()));
    }
    Ok(SecretText::new(token))
}
