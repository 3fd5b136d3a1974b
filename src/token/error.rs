//! Errors of tokens before their claims are checked.

use std::fmt;

use super::MAX_BYTES;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// A part of a compact token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenPart {
    /// The part before the first dot.
    Header,
    /// The part between the dots.
    Claims,
    /// The part after the last dot.
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

/// Why the format or the signature of a token is rejected.
///
/// The variants up to [`Self::Nested`] mean that the text is not a signed token. The other variants
/// mean that the token must not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The text is empty.
    #[error("the token is empty")]
    Empty,
    /// The token is longer than 64 KiB.
    #[error("the token has {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
    /// The text does not have three parts separated by dots (RFC 7515 3.1).
    #[error("{}", parts_message(*.0))]
    Parts(usize),
    /// An encrypted token: five parts, and an encryption algorithm in the header (RFC 7516 3.1).
    #[error("the token has 5 parts: it is encrypted (JWE), expected a signed one of 3 parts")]
    Encrypted,
    /// A truncated part: characters are missing at its beginning or end.
    #[error("this is not a complete token: its {0} is truncated")]
    Incomplete(TokenPart),
    /// Several tokens where one is expected.
    #[error("found {0} tokens on {0} lines, expected one")]
    Several(usize),
    /// A part is not base64url without padding (RFC 7515 2).
    #[error("the token's {part} is not base64url: {problem}")]
    Base64 {
        /// The part.
        part: TokenPart,
        /// The reason.
        problem: String,
    },
    /// A part is not JSON.
    #[error("the token's {part} is not JSON: {problem}")]
    Json {
        /// The part.
        part: TokenPart,
        /// The error of the JSON parser.
        problem: String,
    },
    /// A part is JSON, but not an object.
    #[error("the token's {part} is {found}: expected a JSON object")]
    NotObject {
        /// The part.
        part: TokenPart,
        /// The type of the JSON value.
        found: &'static str,
    },
    /// A nested token: the claims are another token (RFC 7519 A.2).
    #[error("the token holds another token instead of claims (nested)")]
    Nested,
    /// The last character of a part has nonzero unused bits, a second encoding of the same token (RFC
    /// 4648 3.5).
    #[error(
        "the token's {0} ends with a character that has unused bits set: it is another spelling of the token"
    )]
    SpareBits(TokenPart),
    /// A part has an escaped lone surrogate (RFC 8259 8.2), which the server replaces.
    #[error("the token's {0} has a lone surrogate, which is not a character")]
    Surrogate(TokenPart),
    /// A part is not UTF-8 (RFC 7515 3).
    #[error("the token's {0} is not UTF-8")]
    NotUtf8(TokenPart),
    /// A duplicate member (RFC 7519 4, RFC 8725 2.4): parsers disagree on which one wins.
    #[error("the token's {part} has the member {} twice", quote(.name))]
    Duplicate {
        /// The part.
        part: TokenPart,
        /// The name of the member.
        name: String,
    },
    /// A part is nested too deeply.
    #[error("the token's {0} is nested deeper than {limit} levels", limit = super::MAX_DEPTH)]
    TooDeep(TokenPart),
    /// The header has no `alg` (RFC 7515 4.1.1).
    #[error("the token's header does not have an algorithm ('alg')")]
    AlgorithmMissing,
    /// A header member of the wrong type.
    #[error("the token's header has {found} as '{name}': expected {expected}")]
    HeaderType {
        /// The member.
        name: &'static str,
        /// The type of the value.
        found: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// `alg` is `none`, in any capitalization (RFC 8725 3.2).
    #[error("the token is not signed ('alg' is {})", quote(.0))]
    Unsigned(String),
    /// The signature is empty although `alg` names an algorithm.
    #[error("the token's signature is empty")]
    SignatureEmpty,
    /// An unknown algorithm in `alg`.
    #[error("the token names the algorithm {}, which is none known here", quote(.0))]
    AlgorithmUnknown(String),
    /// The header has critical extensions (RFC 7515 4.1.11), none of which is supported.
    #[error("the token's header has critical extensions ('crit': {}), none of which is understood", quote(.0))]
    Critical(String),
    /// The header declares unencoded claims (RFC 7797).
    #[error("the token's header has 'b64': its claims are not base64url (RFC 7797)")]
    Unencoded,
    /// The header contains a key or the URL of a key, which the creator of the token chose (RFC 8725
    /// 3.10).
    #[error("the token's header brings a key of its own ('{0}'): the maker of the token chose it")]
    EmbeddedKey(&'static str),
    /// No verification key is available.
    #[error("no key to verify the token with")]
    NoKey,
    /// No key supports the token's algorithm. The keys decide, never the header (RFC 8725 3.1).
    #[error("the token has 'alg' {}, the key is for {expected}", quote(.found))]
    AlgorithmMismatch {
        /// The header's `alg`.
        found: String,
        /// The algorithms of the keys.
        expected: String,
    },
    /// No key has the token's `kid`.
    #[error("the token names the key {}, which is not among the keys ({known})", quote(.kid))]
    KeyUnknown {
        /// The header's `kid`.
        kid: String,
        /// The available key IDs.
        known: String,
    },
    /// The key belongs to another issuer than the one that the token names.
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
    /// More keys match the token than the limit allows.
    #[error("{found} keys may have signed the token, and none of the first {limit} did")]
    TooManyKeys {
        /// The number of matching keys.
        found: usize,
        /// The maximum number of keys that are tried.
        limit: usize,
    },
    /// The signature is not valid for any of the keys.
    #[error("the signature does not fit {}", match .0 { 1 => "the key".to_owned(), number => format!("any of the {number} keys") })]
    Signature(usize),
}

fn parts_message(parts: usize) -> String {
    match parts {
        1 => "this is not a token: it has no dots, expected three parts separated by dots".to_owned(),
        2 => "the token has 2 parts, expected 3: its signature is missing, or it was truncated".to_owned(),
        many => format!("the token has {many} parts, expected 3"),
    }
}

impl TokenError {
    /// Returns whether the text is not a signed token, so that nothing can be verified.
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
                Self::Parts(1 | 2) => "copy the whole token, with both dots",
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
