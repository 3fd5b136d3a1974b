//! Signing of tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::MAX_BYTES;
use super::claims::Claims;
use crate::key::{Algorithm, KeyError, Signer, SigningKey};
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
/// As [`TokenSigner::new`] and [`TokenSigner::sign`].
pub fn sign(header: &HeaderParams, claims: &Claims, key: &SigningKey) -> Result<SecretText, SignError> {
    TokenSigner::new(header, key)?.sign(claims)
}

/// Signs many tokens with the same header and key.
#[derive(Debug)]
pub struct TokenSigner {
    /// The encoded header with the period after it.
    header: String,
    signer: Signer,
}

impl TokenSigner {
    /// Prepares the header and the key.
    ///
    /// # Errors
    /// [`SignError::Key`] if the key does not support the algorithm.
    pub fn new(header: &HeaderParams, key: &SigningKey) -> Result<Self, SignError> {
        let signer = key.signer(header.algorithm)?;
        let mut header = URL_SAFE_NO_PAD.encode(serialize_json(&header.members()));
        header.push('.');
        Ok(Self { header, signer })
    }

    /// Signs the claims, unchanged and in their order, as a compact token.
    ///
    /// # Errors
    /// [`SignError::TooLong`] if the token would exceed [`MAX_BYTES`], [`SignError::Key`] if signing
    /// fails.
    pub fn sign(&self, claims: &Claims) -> Result<SecretText, SignError> {
        let mut token = self.header.clone();
        URL_SAFE_NO_PAD.encode_string(serialize_json(claims.as_object()), &mut token);
        let signature = self.signer.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_BYTES {
            return Err(SignError::TooLong(token.len()));
        }
        Ok(SecretText::new(token))
    }
}
