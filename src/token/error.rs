//! Why a token is rejected before its claims are checked.

use std::fmt;

use super::MAX_BYTES;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// A part of a compact token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenPart {
    /// Before the first point.
    Header,
    /// Between the points.
    Claims,
    /// After the last point.
    Signature,
}

impl fmt::Display for TokenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a token is rejected because of its form or its signature. The variants up to [`Self::Nested`] mean
/// that it is not a signed token at all, the others that it must not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is empty.
    #[error("the token is empty")]
    Empty,
    /// Over 64 KiB.
    #[error("the token has {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
    /// Not three parts between points (RFC 7515 3.1).
    #[error("{}", parts_message(*.0))]
    Parts(usize),
    /// Five parts with an encryption algorithm in the header (RFC 7516 3.1).
    #[error("the token has 5 parts: it is encrypted (JWE), expected a signed one of 3 parts")]
    Encrypted,
    /// A part that ends or begins in the middle: characters are missing.
    #[error("this is not a complete token: its {0} is truncated")]
    Incomplete(TokenPart),
    /// Several tokens where one is expected.
    #[error("found {0} tokens on {0} lines, expected one")]
    Several(usize),
    /// A part that is not base64url without padding (RFC 7515 2).
    #[error("the token's {part} is not base64url: {problem}")]
    Base64 {
        /// Which part.
        part: TokenPart,
        /// What is wrong with it.
        problem: String,
    },
    /// A part that is not JSON.
    #[error("the token's {part} is not JSON: {problem}")]
    Json {
        /// Which part.
        part: TokenPart,
        /// The error of the JSON reader.
        problem: String,
    },
    /// JSON, but no object.
    #[error("the token's {part} is {found}: expected a JSON object")]
    NotObject {
        /// Which part.
        part: TokenPart,
        /// What it is.
        found: &'static str,
    },
    /// The claims are another token (RFC 7519 A.2).
    #[error("the token holds another token instead of claims (nested)")]
    Nested,
    /// The last character of a part has bits that belong to no byte: another spelling of the same
    /// token (RFC 4648 3.5).
    #[error(
        "the token's {0} ends with a character that has unused bits set: it is another spelling of the token"
    )]
    SpareBits(TokenPart),
    /// An escape of one half of a surrogate pair (RFC 8259 8.2), which the server replaces.
    #[error("the token's {0} has a lone surrogate, which is not a character")]
    Surrogate(TokenPart),
    /// A part that is not UTF-8 (RFC 7515 3).
    #[error("the token's {0} is not UTF-8")]
    NotUtf8(TokenPart),
    /// A duplicate member (RFC 7519 4, RFC 8725 2.4): readers disagree which one counts.
    #[error("the token's {part} has the member {} twice", quote(.name))]
    Duplicate {
        /// Which part.
        part: TokenPart,
        /// The member's name.
        name: String,
    },
    /// Nested deeper than any claim needs.
    #[error("the token's {0} is nested deeper than {limit} levels", limit = super::MAX_DEPTH)]
    TooDeep(TokenPart),
    /// No `alg` in the header (RFC 7515 4.1.1).
    #[error("the token's header does not have an algorithm ('alg')")]
    AlgorithmMissing,
    /// A header member of the wrong type.
    #[error("the token's header has {found} as '{name}': expected {expected}")]
    HeaderType {
        /// The member.
        name: &'static str,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// `alg` is `none`, in any spelling (RFC 8725 3.2).
    #[error("the token is not signed ('alg' is {})", quote(.0))]
    Unsigned(String),
    /// The signature is empty though an algorithm is named.
    #[error("the token's signature is empty")]
    SignatureEmpty,
    /// `alg` is nothing known here.
    #[error("the token names the algorithm {}, which is none known here", quote(.0))]
    AlgorithmUnknown(String),
    /// The header has critical extensions (RFC 7515 4.1.11): none is understood here.
    #[error("the token's header has critical extensions ('crit': {}), none of which is understood", quote(.0))]
    Critical(String),
    /// The header declares unencoded claims (RFC 7797).
    #[error("the token's header has 'b64': its claims are not base64url (RFC 7797)")]
    Unencoded,
    /// The header carries a key or a URL of one: the maker of the token chose it
    /// (RFC 8725 3.10).
    #[error("the token's header brings a key of its own ('{0}'): the maker of the token chose it")]
    EmbeddedKey(&'static str),
    /// There is no key to verify with.
    #[error("no key to verify the token with")]
    NoKey,
    /// No key is one for the token's algorithm: the key decides, never the header (RFC 8725 3.1).
    #[error("the token says {}, the key is for {expected}", quote(.found))]
    AlgorithmMismatch {
        /// The header's `alg`.
        found: String,
        /// What the keys are for.
        expected: String,
    },
    /// No key has the token's `kid`.
    #[error("the token names the key {}, which is not among the keys ({known})", quote(.kid))]
    KeyUnknown {
        /// The header's `kid`.
        kid: String,
        /// The identifiers there are.
        known: String,
    },
    /// The key belongs to another issuer than the token names.
    #[error(
        "{}, but the key belongs to the issuer {}",
        found.as_deref().map_or_else(|| "the token has no issuer ('iss')".to_owned(), |found| format!("the token's issuer is {}", quote(found))),
        quote(.owner)
    )]
    OtherIssuer {
        /// The token's `iss`.
        found: Option<String>,
        /// The issuer of the key.
        owner: String,
    },
    /// More keys match the token than are tried.
    #[error("{found} keys may have signed the token, and none of the first {limit} did")]
    TooManyKeys {
        /// How many there are.
        found: usize,
        /// The number of keys that are tried.
        limit: usize,
    },
    /// The signature does not fit.
    #[error("the signature does not fit {}", if *.0 == 1 { "the key".to_owned() } else { format!("any of the {} keys", .0) })]
    Signature(usize),
}

fn parts_message(parts: usize) -> String {
    match parts {
        1 => "this is not a token: it has no points, expected three parts between two points".to_owned(),
        2 => "the token has 2 parts, expected 3: its signature is missing, or it was truncated".to_owned(),
        many => format!("the token has {many} parts, expected 3"),
    }
}

impl TokenError {
    /// Whether this is not even a signed token, so that nothing can be checked.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::TooLong(_)
                | Self::Parts(_)
                | Self::Encrypted
                | Self::Incomplete(_)
                | Self::Several(_)
                | Self::Base64 { .. }
                | Self::Json { .. }
                | Self::NotObject { .. }
                | Self::Nested
        )
    }
}

impl Diagnostic for TokenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty => Kind::TokenEmpty,
            Self::TooLong(_) => Kind::TokenTooLong,
            Self::Parts(_) | Self::Encrypted => Kind::TokenParts,
            Self::Incomplete(_) => Kind::TokenIncomplete,
            Self::Several(_) => Kind::TokenSeveral,
            Self::Surrogate(_) => Kind::TokenSurrogate,
            Self::TooManyKeys { .. } => Kind::TokenTooManyKeys,
            Self::Base64 { .. } => Kind::TokenBase64,
            Self::SpareBits(_) => Kind::TokenSpareBits,
            Self::NotUtf8(_) => Kind::TokenNotUtf8,
            Self::Json { .. } => Kind::TokenJson,
            Self::NotObject { .. } => Kind::TokenNotObject,
            Self::Nested => Kind::TokenNested,
            Self::Duplicate { .. } => Kind::TokenDuplicateMember,
            Self::TooDeep(_) => Kind::TokenTooDeep,
            Self::AlgorithmMissing => Kind::TokenAlgorithmMissing,
            Self::HeaderType { .. } => Kind::TokenHeaderType,
            Self::Unsigned(_) => Kind::TokenUnsigned,
            Self::SignatureEmpty => Kind::TokenSignatureEmpty,
            Self::AlgorithmUnknown(_) => Kind::TokenAlgorithmUnknown,
            Self::Critical(_) => Kind::TokenCritical,
            Self::Unencoded => Kind::TokenUnencoded,
            Self::EmbeddedKey(_) => Kind::TokenEmbeddedKey,
            Self::NoKey => Kind::TokenNoKey,
            Self::AlgorithmMismatch { .. } => Kind::TokenAlgorithmMismatch,
            Self::KeyUnknown { .. } => Kind::TokenKeyUnknown,
            Self::OtherIssuer { .. } => Kind::TokenOtherIssuer,
            Self::Signature(_) => Kind::TokenSignature,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Empty | Self::TooLong(_) => return None,
                Self::NoKey => "give a key with --key, --jwks or --discovery",
                Self::Encrypted => "only its receiver's private key opens it: ask the issuer for a signed token",
                Self::Parts(1 | 2) => "copy the whole token, with both points",
                Self::Several(_) => "verify each line with --stream, or give one token",
                Self::TooManyKeys { .. } => "give the keys key IDs (kid), and the token the ID of its key",
                Self::Incomplete(_) | Self::Parts(_) | Self::Base64 { .. } | Self::Json { .. } => {
                    "copy the whole token; 'cc-jwt inspect' shows what can be read of it"
                }
                Self::KeyUnknown { .. } => {
                    "fetch or publish the key set again: the key may have been rotated in or out since it was read"
                }
                Self::NotObject { .. } | Self::Nested | Self::TooDeep(_) => {
                    "see it with: cc-jwt inspect"
                }
                Self::Unsigned(_) => "every client can write such a token: never accept it",
                Self::Signature(_) => {
                    "it was changed, or signed with another key: was the key pair replaced after it was issued?"
                }
                Self::AlgorithmMismatch { .. } => {
                    "the server's own tokens are EdDSA; those of an HMAC secret (jwt-login) HS256 or HS512"
                }
                Self::OtherIssuer { .. } => {
                    "compare 'iss' with the issuer in the discovery document, which must be equal in every character"
                }
                _ => "ask the issuer for a token without that",
            }
            .to_owned(),
        )
    }
}
