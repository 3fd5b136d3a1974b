//! The verification of token signatures, the only one in this crate.

use super::claims::Claims;
use super::error::{TokenError, TokenPart};
use super::jws::{Header, Parts, Unverified, decode_signature, is_truncated};
use crate::key::{Algorithm, VerifyingKey};

/// The maximum number of keys that are tried for one token. Without key IDs, any key of the token's
/// algorithm may match, and a JWKS can have thousands.
const MOST_TRIED: usize = 64;

/// A token whose signature is valid for one of the verification keys. Only this module can create one.
///
/// Times, issuer, audience and roles are not checked.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verified {
    header: Header,
    claims: Claims,
    algorithm: Algorithm,
    key: usize,
}

impl Verified {
    /// Returns the verified header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the verified claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the algorithm of the signature, one of the key's algorithms.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the index of the key that verified the token, in the order of the given keys.
    #[must_use]
    pub const fn key(&self) -> usize {
        self.key
    }
}

/// Verifies a token's signature with the first key that matches.
///
/// A key is tried if the header's `alg` is one of the key's algorithms (RFC 8725 3.1: the key decides,
/// never the header), and if the token and the key do not have different key IDs.
///
/// # Errors
/// [`TokenError::NoKey`] without keys, [`TokenError::AlgorithmUnknown`],
/// [`TokenError::AlgorithmMismatch`] if no key supports the token's algorithm,
/// [`TokenError::KeyUnknown`] if no key has its key ID, [`TokenError::Signature`],
/// [`TokenError::Incomplete`] if the signature is truncated, and [`TokenError::TooManyKeys`] if none of
/// the first 64 matching keys verifies it.
pub fn verify<'k>(
    token: Unverified<'_>,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<Verified, TokenError> {
    verify_owned(token, keys.into_iter().map(|key| (None, key)))
}

/// Verifies a token's signature with keys that may belong to an issuer.
///
/// Such a key verifies only tokens of its issuer (`iss`), so that no issuer can sign for another one
/// (RFC 8725 3.8). A key without an issuer verifies any token.
///
/// # Errors
/// Same as [`verify`], and [`TokenError::OtherIssuer`] if the signature is valid only for keys of
/// another issuer.
pub fn verify_owned<'k>(
    token: Unverified<'_>,
    keys: impl IntoIterator<Item = (Option<&'k str>, &'k VerifyingKey)>,
) -> Result<Verified, TokenError> {
    let Unverified { signed, header, claims, signature } = token;
    let (algorithm, key) = fitting(&header, claims.issuer(), signed, &signature, keys)?;
    Ok(Verified { header, claims, algorithm, key })
}

/// Verifies a compact signature with any payload (RFC 7515 5.2) and returns the payload.
///
/// The rules for the header and the signature are those of tokens; like [`Unverified::parse`], it
/// rejects embedded keys.
///
/// # Errors
/// [`TokenError`], same as [`Unverified::parse`] and [`verify`].
pub fn signed_content<'k>(
    text: &str,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<Vec<u8>, TokenError> {
    let Parts { signed, header, payload, signature } = Parts::of(text)?;
    if let Some(name) = header.embedded_key() {
        return Err(TokenError::EmbeddedKey(name));
    }
    let keys = keys.into_iter().map(|key| (None, key));
    fitting(&header, None, signed, &decode_signature(signature, header.algorithm())?, keys)?;
    if payload.spare { Err(TokenError::SpareBits(TokenPart::Claims)) } else { Ok(payload.bytes) }
}

/// Returns the algorithm and the index of the key that verifies the signature.
fn fitting<'k>(
    header: &Header,
    issuer: Option<&str>,
    signed: &str,
    signature: &[u8],
    keys: impl IntoIterator<Item = (Option<&'k str>, &'k VerifyingKey)>,
) -> Result<(Algorithm, usize), TokenError> {
    let name = header.algorithm();
    let algorithm: Algorithm = name.parse().map_err(|_| TokenError::AlgorithmUnknown(name.to_owned()))?;
    let mut tried = 0;
    let mut other_names: Vec<&str> = Vec::new();
    let mut other_algorithms: Vec<Algorithm> = Vec::new();
    let mut other_issuer = None;
    for (position, (owner, key)) in keys.into_iter().enumerate() {
        if let (Some(expected), Some(own)) = (header.key_id(), key.kid())
            && expected != own
        {
            other_names.push(own);
            continue;
        }
        if !key.algorithms().contains(&algorithm) {
            other_algorithms.extend(key.algorithms());
            continue;
        }
        tried += 1;
        if tried <= MOST_TRIED && key.verify(algorithm, signed.as_bytes(), signature) {
            match owner {
                // Another issuer may have published the same key.
                Some(owner) if issuer != Some(owner) => other_issuer = Some(owner),
                _ => return Ok((algorithm, position)),
            }
        }
    }
    Err(if let Some(owner) = other_issuer {
        TokenError::OtherIssuer { found: issuer.map(str::to_owned), owner: owner.to_owned() }
    } else if tried > MOST_TRIED {
        TokenError::TooManyKeys { found: tried, limit: MOST_TRIED }
    } else if tried > 0 && is_truncated(signature.len(), name) {
        TokenError::Incomplete(TokenPart::Signature)
    } else if tried > 0 {
        TokenError::Signature(tried)
    } else if !other_algorithms.is_empty() {
        other_algorithms.sort_unstable();
        other_algorithms.dedup();
        let names: Vec<&str> = other_algorithms.iter().map(|algorithm| algorithm.name()).collect();
        TokenError::AlgorithmMismatch { found: name.to_owned(), expected: names.join(", ") }
    } else if let (Some(kid), false) = (header.key_id(), other_names.is_empty()) {
        TokenError::KeyUnknown { kid: kid.to_owned(), known: shown_names(&other_names) }
    } else {
        TokenError::NoKey
    })
}

fn shown_names(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut quoted: Vec<String> =
        names.iter().take(SHOWN).map(|name| crate::util::quote::quote(name)).collect();
    if names.len() > SHOWN {
        quoted.push(format!("and {} more", names.len() - SHOWN));
    }
    quoted.join(", ")
}
