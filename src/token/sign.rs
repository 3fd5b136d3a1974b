//! Tokens that are made here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::MAX_BYTES;
use super::claims::Claims;
use crate::key::{Algorithm, KeyError, SigningKey};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::secret::SecretText;

/// The header of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderParams {
    /// How to sign; it must be one of the key's algorithms.
    pub algorithm: Algorithm,
    /// `typ`: what the token is; `JWT` where nothing else is agreed.
    pub typ: String,
    /// `kid`: the key's name, where a verifier has several.
    pub kid: Option<String>,
}

impl HeaderParams {
    /// The header the server writes, for this key: its algorithm, `typ` JWT, its `kid` if it has
    /// one.
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

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key does not sign this way.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It would be longer than any token may be here.
    #[error("the token would have {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
}

diagnostics! { SignError:
    Self::Key(error) => error.kind(), error.hint();
    Self::TooLong(_) => Kind::TokenTooLong, "leave out what is long, such as projects";
}

/// Signs claims, unchanged and in their order, into a compact token.
///
/// # Errors
/// [`SignError::Key`] when the key does not do the algorithm, [`SignError::TooLong`] when
/// the token is longer than the limit of every reader.
pub fn sign(header: &HeaderParams, claims: &Claims, key: &SigningKey) -> Result<SecretText, SignError> {
    let mut token = String::new();
    // A map of texts and a map of claims always serialize.
    for members in [&header.members(), claims.as_object()] {
        let json = serde_json::to_string(members).unwrap_or_default();
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
