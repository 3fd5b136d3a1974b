//! Unverified compact tokens (RFC 7515 3.1) and their strict parser.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::MAX_BYTES;
use super::claims::Claims;
use super::error::{TokenError, TokenPart};
use super::json;
use crate::util::count::counted;
use crate::util::json::kind;
use crate::util::quote::quote;

/// Header members that contain a key or the URL of one (RFC 7515 4.1.2 to 4.1.6).
const EMBEDDED_KEYS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// A parsed token whose signature is not verified.
///
/// Only [`fn@super::verify`] provides access to the claims. Use [`fn@super::inspect`] to display a token
/// without a key.
#[must_use]
pub struct Unverified<'a> {
    /// The signed bytes: header and claims with the dot between them.
    pub(super) signed: &'a str,
    pub(super) header: Header,
    pub(super) claims: Claims,
    pub(super) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Parses a compact token.
    ///
    /// The parser requires exactly three parts in strict base64url, JSON objects without duplicate
    /// members as header and claims, and an algorithm. It rejects critical extensions and embedded
    /// keys.
    ///
    /// # Errors
    /// [`TokenError`], with a variant for each reason. `typ` is not checked.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        let token = Self::parse_with_embedded_keys(text)?;
        match token.header.embedded_key() {
            Some(name) => Err(TokenError::EmbeddedKey(name)),
            None => Ok(token),
        }
    }

    /// Parses like [`Unverified::parse`], but ignores an embedded key in the header (`jwk`, `jku`,
    /// `x5u`), to reproduce the decision of a server that ignores it.
    ///
    /// The embedded key is never used. Certificates (`x5c`) are rejected.
    ///
    /// # Errors
    /// [`TokenError`], with a variant for each reason.
    pub fn parse_with_embedded_keys(text: &'a str) -> Result<Self, TokenError> {
        let Parts { signed, header, payload, signature } = Parts::of(text)?;
        if looks_like_token(&payload.bytes) {
            return Err(TokenError::Nested);
        }
        let claims = payload.object(TokenPart::Claims)?.into();
        let signature = decode_signature(signature, header.algorithm())?;
        Ok(Self { signed, header, claims, signature })
    }

    /// Returns the unverified key ID of the header (`kid`). Use it only to select keys.
    #[must_use]
    pub fn kid_hint(&self) -> Option<&str> {
        self.header.key_id()
    }

    /// Returns the unverified algorithm of the header (`alg`). Use it only to select keys.
    #[must_use]
    pub fn algorithm_hint(&self) -> &str {
        self.header.algorithm()
    }
}

/// The parts of a compact signature with any payload (RFC 7515 3.1). The signature is not decoded yet.
pub(super) struct Parts<'a> {
    pub(super) signed: &'a str,
    pub(super) header: Header,
    pub(super) payload: Decoded,
    pub(super) signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(TokenError::TooLong(text.len()));
        }
        let dots = text.bytes().filter(|byte| *byte == b'.').count();
        let parts = text.rsplit_once('.').and_then(|(signed, signature)| {
            signed.split_once('.').map(|(header, payload)| (signed, header, payload, signature))
        });
        let (Some((signed, header, payload, signature)), 2) = (parts, dots) else {
            return Err(if is_encrypted(text) { TokenError::Encrypted } else { TokenError::Parts(dots + 1) });
        };
        let header = Header::check(decode(header, TokenPart::Header)?.object(TokenPart::Header)?)?;
        let payload = decode(payload, TokenPart::Claims)?;
        Ok(Self { signed, header, payload, signature })
    }
}

/// Decodes a signature. Nonzero unused bits mean a second encoding if the length matches the algorithm,
/// otherwise a truncated signature.
pub(super) fn decode_signature(text: &str, algorithm: &str) -> Result<Vec<u8>, TokenError> {
    if text.is_empty() {
        return Err(TokenError::SignatureEmpty);
    }
    let Decoded { bytes, spare } = decode(text, TokenPart::Signature)?;
    match spare {
        false => Ok(bytes),
        true if is_truncated(bytes.len(), algorithm) => Err(TokenError::Incomplete(TokenPart::Signature)),
        true => Err(TokenError::SpareBits(TokenPart::Signature)),
    }
}

/// Returns whether a signature is up to 4 bytes shorter than its algorithm requires, which suggests
/// that characters of the token are missing.
pub(super) fn is_truncated(length: usize, algorithm: &str) -> bool {
    let expected = match algorithm {
        "EdDSA" | "Ed25519" | "ES256" | "HS512" => 64,
        "ES384" => 96,
        "ES512" => 132,
        "HS256" => 32,
        "HS384" => 48,
        // The length of the modulus, a multiple of 8 bytes.
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => length.next_multiple_of(8),
        _ => length,
    };
    length < expected && expected - length <= 4
}

impl fmt::Debug for Unverified<'_> {
    /// Prints no content, so that logs do not contain tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unverified(…)")
    }
}

/// A leniently decoded part, which allows the parser to detect a truncated part.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// Whether unused bits are nonzero, which is a second encoding of the same bytes.
    pub(super) spare: bool,
}

impl Decoded {
    /// Parses the part as a JSON object.
    ///
    /// A part with nonzero unused bits is a second encoding only if it is a JSON object; otherwise it
    /// is truncated, as is a header without its beginning.
    fn object(&self, part: TokenPart) -> Result<Map<String, Value>, TokenError> {
        let begins = part != TokenPart::Header || self.bytes.trim_ascii_start().first() == Some(&b'{');
        match json::object(&self.bytes, part) {
            Ok(_) if self.spare => Err(TokenError::SpareBits(part)),
            Err(TokenError::Json { .. } | TokenError::NotUtf8(_)) if self.spare || !begins => {
                Err(TokenError::Incomplete(part))
            }
            other => other,
        }
    }
}

/// Decodes a part, and reports nonzero unused bits instead of rejecting them.
fn decode(text: &str, part: TokenPart) -> Result<Decoded, TokenError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) => Ok(Decoded { bytes, spare: false }),
        Err(base64::DecodeError::InvalidLastSymbol(at, byte))
            if is_base64url(byte) && at + 1 == text.len() =>
        {
            let bytes = LENIENT.decode(text).map_err(|_| TokenError::Incomplete(part))?;
            Ok(Decoded { bytes, spare: true })
        }
        // No number of bytes has an encoding of this length.
        Err(base64::DecodeError::InvalidLength(_)) if text.bytes().all(is_base64url) => {
            Err(TokenError::Incomplete(part))
        }
        Err(other) => Err(TokenError::Base64 { part, problem: problem(text, other) }),
    }
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn problem(text: &str, error: base64::DecodeError) -> String {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol, InvalidLength, InvalidPadding};
    let shown = |at: usize| {
        // Shows a complete character, which may not be ASCII.
        let found = (0..=at).rev().find_map(|at| text.get(at..)).and_then(|rest| rest.chars().next());
        quote(&found.map(String::from).unwrap_or_default())
    };
    match error {
        InvalidByte(_, b'=') | InvalidPadding => "it has padding ('=')".to_owned(),
        InvalidByte(at, b'+' | b'/') => {
            format!("character {} is {}, of the standard alphabet", at + 1, shown(at))
        }
        InvalidByte(at, _) => format!("character {} is {}", at + 1, shown(at)),
        InvalidLength(length) => format!("no data has a length of {}", counted(length, "character")),
        InvalidLastSymbol(at, _) => format!("character {} is {}", at + 1, shown(at)),
    }
}

/// Returns whether a text is an encrypted token: five parts, and `enc` in the header (RFC 7516 4.1.2).
fn is_encrypted(text: &str) -> bool {
    let header = text.split('.').next().unwrap_or_default();
    let header =
        decode(header, TokenPart::Header).and_then(|header| json::object(&header.bytes, TokenPart::Header));
    text.matches('.').count() == 4 && header.is_ok_and(|header| header.contains_key("enc"))
}

/// Returns whether the payload is a compact token: it begins with the base64url of `{"`.
fn looks_like_token(payload: &[u8]) -> bool {
    payload.starts_with(b"eyJ") && payload.contains(&b'.')
}

/// A token's header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    members: Map<String, Value>,
}

impl Header {
    fn check(members: Map<String, Value>) -> Result<Self, TokenError> {
        let wrong =
            |name, value: &Value, expected| TokenError::HeaderType { name, found: kind(value), expected };
        match members.get("alg") {
            None => return Err(TokenError::AlgorithmMissing),
            // RFC 8725 3.2 specifies one spelling, but some libraries have accepted others.
            Some(Value::String(alg)) if alg.trim().eq_ignore_ascii_case("none") => {
                return Err(TokenError::Unsigned(alg.clone()));
            }
            Some(Value::String(_)) => {}
            Some(other) => return Err(wrong("alg", other, "a string")),
        }
        match members.get("kid") {
            None | Some(Value::String(_)) => {}
            Some(other) => return Err(wrong("kid", other, "a string")),
        }
        if let Some(critical) = members.get("crit") {
            return Err(TokenError::Critical(critical.to_string()));
        }
        // RFC 7797 3: only `false` has an effect.
        if members.get("b64").is_some_and(|value| *value != Value::Bool(true)) {
            return Err(TokenError::Unencoded);
        }
        if members.contains_key("x5c") {
            return Err(TokenError::EmbeddedKey("x5c"));
        }
        Ok(Self { members })
    }

    /// Returns the first member that contains a key or the URL of one.
    pub(super) fn embedded_key(&self) -> Option<&'static str> {
        EMBEDDED_KEYS.into_iter().find(|name| self.members.contains_key(*name))
    }

    /// Returns the algorithm name (`alg`), unchanged.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.members.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the key ID (`kid`).
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.members.get("kid").and_then(Value::as_str)
    }

    /// Returns the type of the token (`typ`), if it is a string.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.members.get("typ").and_then(Value::as_str)
    }

    /// Returns the header as a JSON object, in order.
    #[must_use]
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a token with this header, no claims, and a signature of 64 zero bytes.
    fn token(header: &str) -> String {
        format!("{}.e30.{}", URL_SAFE_NO_PAD.encode(header), "A".repeat(86))
    }

    #[test]
    fn hints_are_the_members_of_the_header() {
        for (header, key_id) in [
            (r#"{"alg":"EdDSA"}"#, None),
            (r#"{"alg":"EdDSA","kid":""}"#, Some("")),
            (r#"{"alg":"EdDSA","kid":"k1"}"#, Some("k1")),
        ] {
            let text = token(header);
            let token = Unverified::parse(&text).unwrap();
            assert_eq!((token.kid_hint(), token.algorithm_hint()), (key_id, "EdDSA"), "{header}");
        }
    }

    #[test]
    fn token_without_three_parts_is_rejected_with_their_number() {
        for (text, count) in [("a", 1), ("a.b", 2), ("a.b.c.d", 4), ("....", 5)] {
            assert_eq!(Unverified::parse(text).err(), Some(TokenError::Parts(count)), "{text}");
        }
    }
}
