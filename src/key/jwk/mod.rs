//! Parser and writer for JSON Web Keys (RFC 7517, RFC 7518 6, RFC 8037 2).
//!
//! A number that is unambiguous but not in canonical form is accepted with a [`JwkDeviation`], since
//! PyJWT, go-jose and scitokens accept it. A member that is `null` counts as absent.

mod write;

use std::collections::HashSet;
use std::fmt;

use pkcs8::der::{Encode as _, asn1::UintRef};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::encoding::{Base64Deviation, decode_any_url};
use super::error::KeyError;
use super::private::PrivateKey;
use super::public::{Curve, KeyStrength, PublicKey, without_leading_zeros};
use super::signing::SigningKey;
use super::verifying::{VerifyingKey, hash_bytes};
pub use write::{write_hmac_secret, write_private, write_public};

use crate::util::json::{self, JsonError, JsonErrorKind, JsonNode};
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::quote;
use crate::util::secret::SecretBytes;

/// The members registered by RFC 7517 4, RFC 7518 6 and RFC 8037 2.
const MEMBERS: [&str; 24] = [
    "kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "crv", "x", "y", "d", "n", "e",
    "p", "q", "dp", "dq", "qi", "oth", "k", "ext", "keys",
];

/// The registered key types (RFC 7518 6.1, RFC 8037 2).
const KEY_TYPES: [&str; 5] = ["OKP", "EC", "RSA", "oct", "AKP"];

/// The registered curves (RFC 7518 6.2.1.1, RFC 8037 2, RFC 8812 3.1).
const CURVES: [&str; 8] = ["P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448", "X25519", "X448"];

/// Values of `alg` that are not signature algorithms of this crate (RFC 7518 4.1, RFC 8812 3.2).
const OTHER_ALGORITHMS: [&str; 10] = [
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A256KW",
    "A128KW",
    "A256KW",
    "ES256K",
    "Ed25519",
];

/// Members that contain part of a private key or an HMAC secret (RFC 7518 6.2.2, 6.3.2, 6.4.1).
pub const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A deviation of a JWK from RFC 7518 that does not make its content ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwkDeviation {
    /// `=` padding of a member (RFC 7515 2 has none).
    Padding(&'static str),
    /// A member in the standard base64 alphabet.
    StandardAlphabet(&'static str),
    /// A leading zero octet of a number (RFC 7518 6.3.1.1).
    LeadingZero(&'static str),
    /// A number shorter than the length of its curve (RFC 7518 6.2.1.2).
    Short(&'static str),
}

impl fmt::Display for JwkDeviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Padding(name) => write!(f, "member '{name}' has base64 padding ('=')"),
            Self::StandardAlphabet(name) => {
                write!(f, "member '{name}' uses the standard base64 alphabet ('+' and '/')")
            }
            Self::LeadingZero(name) => write!(f, "member '{name}' has a leading zero octet"),
            Self::Short(name) => write!(f, "member '{name}' is shorter than its curve requires"),
        }
    }
}

/// Adds a warning about the repairs of a key, which other programs may reject.
pub(super) fn note_repairs(place: &str, repairs: &[JwkDeviation], notes: &mut Notes) {
    if repairs.is_empty() {
        return;
    }
    let list: Vec<String> = repairs.iter().map(JwkDeviation::to_string).collect();
    notes.warn(
        "jwk-form",
        format!("{place}: {}: accepted here, but some programs reject the key", list.join(", ")),
    );
}

/// The members of a JWK in order, not yet validated.
#[derive(Clone)]
pub struct Jwk {
    members: Vec<(String, JsonNode)>,
    /// The first duplicate member.
    twice: Option<String>,
    /// The type of a JSON value that is not an object.
    other: Option<&'static str>,
}

impl fmt::Debug for Jwk {
    /// Prints only names: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.iter().map(|(name, _)| name)).finish()
    }
}

impl Drop for Jwk {
    fn drop(&mut self) {
        for (_, value) in &mut self.members {
            if let JsonNode::String(text) = value {
                zeroize::Zeroize::zeroize(text);
            }
        }
    }
}

/// Returns the error for a text that is not JSON, with the position but without the content.
pub(super) fn not_json(error: &JsonError) -> KeyError {
    let what = match error.problem {
        JsonErrorKind::EarlyEnd(_) => "it ends too early",
        _ => "a syntax error",
    };
    KeyError::Json(PrintableText::concat([
        what.into(),
        " in line ".into(),
        error.line.into(),
        ", column ".into(),
        error.column.into(),
    ]))
}

/// Removes the byte order mark of a text.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl From<JsonNode> for Jwk {
    fn from(node: JsonNode) -> Self {
        let JsonNode::Object(members) = node else {
            return Self { members: Vec::new(), twice: None, other: Some(node.kind()) };
        };
        // A set, not a linear search: a JWKS is untrusted input.
        let mut known = HashSet::new();
        let twice = members.iter().map(|(name, _)| name).find(|name| !known.insert(name.as_str())).cloned();
        Self { members, twice, other: None }
    }
}

impl Jwk {
    /// Parses one JWK.
    ///
    /// # Errors
    /// [`KeyError::Json`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        json::all_members(without_mark(text)).map(Self::from).map_err(|error| not_json(&error))
    }

    /// Returns whether this is a JWKS rather than a single key.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.get("keys").is_some() && self.get("kty").is_none()
    }

    /// Returns whether the JWK has a secret member.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        SECRET_MEMBERS.iter().any(|name| self.get(name).is_some())
    }

    /// Returns whether `use` states that the key is for encryption.
    #[must_use]
    pub fn is_for_encryption(&self) -> bool {
        self.get("use").and_then(JsonNode::as_str) == Some("enc")
    }

    /// Returns the key ID, quoted, for messages about an unusable key.
    #[must_use]
    pub fn kid_for_message(&self) -> Option<String> {
        // With a duplicate member, the key ID is ambiguous.
        self.get("kid").filter(|_| self.twice.is_none()).and_then(JsonNode::as_str).map(quote)
    }

    fn get(&self, name: &str) -> Option<&JsonNode> {
        let value = self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        value.filter(|value| **value != JsonNode::Null)
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, KeyError> {
        match self.get(name) {
            None => Ok(None),
            Some(JsonNode::String(text)) => Ok(Some(text)),
            Some(other) => Err(KeyError::JwkType { name, found: other.kind(), expected: "a string" }),
        }
    }

    fn required_text(&self, name: &'static str) -> Result<&str, KeyError> {
        self.text(name)?.ok_or(KeyError::JwkMissing(name))
    }

    fn bytes(
        &self,
        name: &'static str,
        repairs: &mut Vec<JwkDeviation>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (bytes, spellings) = decode_any_url(self.required_text(name)?, name)?;
        repairs.extend(spellings.into_iter().map(|spelling| match spelling {
            Base64Deviation::Padding => JwkDeviation::Padding(name),
            Base64Deviation::StandardAlphabet => JwkDeviation::StandardAlphabet(name),
        }));
        Ok(bytes)
    }

    /// Decodes a number, whose canonical form is the shortest (RFC 7518 2, `Base64urlUInt`). Leading
    /// zero octets are removed.
    fn number(
        &self,
        name: &'static str,
        repairs: &mut Vec<JwkDeviation>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name, repairs)?;
        let number = without_leading_zeros(&bytes);
        if number.is_empty() {
            return Err(KeyError::JwkNumber(name));
        }
        if number.len() < bytes.len() {
            repairs.push(JwkDeviation::LeadingZero(name));
        }
        Ok(Zeroizing::new(number.to_vec()))
    }

    /// Decodes a coordinate or private scalar, whose canonical form has the full length of the curve
    /// (RFC 7518 6.2.1.2 and 6.2.2.1). Leading zero octets are removed or added.
    fn field(
        &self,
        name: &'static str,
        curve: Curve,
        repairs: &mut Vec<JwkDeviation>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name, repairs)?;
        if bytes.len() == curve.bytes() {
            return Ok(bytes);
        }
        let number = without_leading_zeros(&bytes);
        let missing = curve.bytes().checked_sub(number.len()).filter(|_| !number.is_empty());
        let missing = missing.ok_or(KeyError::JwkNumber(name))?;
        repairs.push(if bytes.len() > curve.bytes() {
            JwkDeviation::LeadingZero(name)
        } else {
            JwkDeviation::Short(name)
        });
        let mut padded = Zeroizing::new(vec![0; missing]);
        padded.extend_from_slice(number);
        Ok(padded)
    }

    fn check_shape(&self) -> Result<(), KeyError> {
        if let Some(found) = self.other {
            return Err(KeyError::WrongType { found: found.into(), expected: "a JWK, an object" });
        }
        match &self.twice {
            Some(name) => Err(KeyError::JwkDuplicateMember(PrintableText::one_of(name, &MEMBERS))),
            None => Ok(()),
        }
    }

    /// Checks that `use` and `key_ops`, if present, permit the operation (RFC 7517 4.2, 4.3).
    fn check_purpose(&self, operation: &'static str) -> Result<(), KeyError> {
        match self.text("use")? {
            None | Some("sig") => {}
            Some(other) => return Err(KeyError::JwkUse(PrintableText::one_of(other, &["enc"]))),
        }
        match self.get("key_ops") {
            None => Ok(()),
            Some(JsonNode::Array(operations))
                if operations.iter().any(|one| one.as_str() == Some(operation)) =>
            {
                Ok(())
            }
            Some(JsonNode::Array(_)) => Err(KeyError::JwkOps(operation)),
            Some(other) => {
                Err(KeyError::JwkType { name: "key_ops", found: other.kind(), expected: "an array" })
            }
        }
    }

    /// Returns the algorithms of this kind of key, restricted to `alg` if it is present (RFC 7517 4.4).
    fn algorithms(&self, kind: &'static str, all: &[Algorithm]) -> Result<Vec<Algorithm>, KeyError> {
        match self.text("alg")? {
            None => Ok(all.to_vec()),
            Some(name) => match name.parse() {
                Ok(algorithm) if all.contains(&algorithm) => Ok(vec![algorithm]),
                Ok(algorithm) => Err(KeyError::JwkAlgorithm {
                    alg: PrintableText::one_of(name, &[algorithm.name(), "Ed25519"]),
                    kind,
                }),
                Err(_) => {
                    Err(KeyError::JwkAlgorithm { alg: PrintableText::one_of(name, &OTHER_ALGORITHMS), kind })
                }
            },
        }
    }

    fn curve(&self) -> Result<Curve, KeyError> {
        let crv = self.required_text("crv")?;
        Curve::ALL.into_iter().find(|curve| curve.name() == crv).ok_or_else(|| KeyError::JwkCurve {
            kty: "EC",
            crv: PrintableText::one_of(crv, &CURVES),
            expected: "P-256, P-384 or P-521",
        })
    }

    /// Returns the public key, without evaluating the other members.
    fn public_part(&self, weak: KeyStrength, repairs: &mut Vec<JwkDeviation>) -> Result<PublicKey, KeyError> {
        match self.required_text("kty")? {
            "OKP" => match self.required_text("crv")? {
                "Ed25519" => PublicKey::ed25519(&self.bytes("x", repairs)?),
                crv => Err(KeyError::JwkCurve {
                    kty: "OKP",
                    crv: PrintableText::one_of(crv, &CURVES),
                    expected: "Ed25519",
                }),
            },
            "EC" => {
                let curve = self.curve()?;
                let mut point = vec![4];
                point.extend_from_slice(&self.field("x", curve, repairs)?);
                point.extend_from_slice(&self.field("y", curve, repairs)?);
                PublicKey::ec(curve, &point)
            }
            "RSA" => PublicKey::rsa(&self.number("n", repairs)?, &self.number("e", repairs)?, weak),
            "oct" => Err(KeyError::WrongType {
                found: "an HMAC secret (kty oct)".into(),
                expected: "a public key",
            }),
            other => Err(KeyError::JwkKind(PrintableText::one_of(other, &KEY_TYPES))),
        }
    }

    /// Creates a verifying key from a public JWK, restricted by `use`, `key_ops` and `alg`.
    ///
    /// # Errors
    /// Returns a [`KeyError`] if the JWK is invalid; [`KeyError::WrongType`] for a private key or an
    /// HMAC secret (`oct`).
    pub fn verifying_key(&self, weak: KeyStrength) -> Result<VerifyingKey, KeyError> {
        self.verifying_key_with(weak, &mut Vec::new())
    }

    /// Same as [`Jwk::verifying_key`], but also adds the repaired deviations to `repairs`.
    ///
    /// # Errors
    /// Same as [`Jwk::verifying_key`].
    pub fn verifying_key_with(
        &self,
        weak: KeyStrength,
        repairs: &mut Vec<JwkDeviation>,
    ) -> Result<VerifyingKey, KeyError> {
        self.check_shape()?;
        let kty = self.required_text("kty")?;
        if self.get("d").is_some() && kty != "oct" {
            return Err(KeyError::WrongType {
                found: PrintableText::concat([
                    "a private key (kty ".into(),
                    PrintableText::one_of(kty, &KEY_TYPES),
                    " with the member 'd')".into(),
                ]),
                expected: "a public key",
            });
        }
        let public = self.public_part(weak, repairs)?;
        self.check_purpose("verify")?;
        let algorithms = self.algorithms(public.kind(), public.algorithms())?;
        let key = VerifyingKey::public(public).restrict(&algorithms);
        Ok(match self.kid()? {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    /// Creates a signing key from a private key or an HMAC secret (`oct`).
    ///
    /// # Errors
    /// Returns a [`KeyError`] if the JWK is invalid; [`KeyError::JwkMissing`] with `d` for a public
    /// key.
    pub fn signing_key(&self, weak: KeyStrength) -> Result<SigningKey, KeyError> {
        self.signing_key_with(weak, &mut Vec::new())
    }

    /// Same as [`Jwk::signing_key`], but also adds the repaired deviations to `repairs`.
    ///
    /// # Errors
    /// Same as [`Jwk::signing_key`].
    pub fn signing_key_with(
        &self,
        weak: KeyStrength,
        repairs: &mut Vec<JwkDeviation>,
    ) -> Result<SigningKey, KeyError> {
        self.check_shape()?;
        let kty = self.required_text("kty")?;
        let key = if kty == "oct" {
            let secret = SecretBytes::new(self.bytes("k", repairs)?.to_vec());
            let fitting: Vec<Algorithm> = [Algorithm::Hs512, Algorithm::Hs384, Algorithm::Hs256]
                .into_iter()
                .filter(|algorithm| {
                    weak == KeyStrength::AllowWeak
                        || *algorithm == Algorithm::Hs256
                        || hash_bytes(*algorithm).is_some_and(|expected| secret.len() >= expected)
                })
                .collect();
            SigningKey::hmac_secret(secret, &self.algorithms("HMAC", &fitting)?, weak)?
        } else {
            let private = self.private_part(repairs)?;
            let public = private.public();
            let algorithms = self.algorithms(public.kind(), public.algorithms())?;
            SigningKey::private(private)?.restrict(&algorithms)
        };
        self.check_purpose("sign")?;
        Ok(match self.kid()? {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    fn private_part(&self, repairs: &mut Vec<JwkDeviation>) -> Result<PrivateKey, KeyError> {
        let public = self.public_part(KeyStrength::Enforce, repairs)?;
        let private = match &public {
            PublicKey::Ed25519(_) => PrivateKey::ed25519_from_seed(&self.bytes("d", repairs)?)?,
            PublicKey::Ec { curve, .. } => PrivateKey::ec(*curve, &self.field("d", *curve, repairs)?)?,
            PublicKey::Rsa { modulus, exponent } => {
                if self.get("oth").is_some() {
                    return Err(KeyError::RsaMultiPrime);
                }
                let failed = |_| KeyError::InvalidPrivate("RSA");
                let names = ["d", "p", "q", "dp", "dq", "qi"];
                let [d, p, q, dp, dq, qi] = names.map(|name| self.number(name, repairs));
                let (d, p, q, dp, dq, qi) = (d?, p?, q?, dp?, dq?, qi?);
                let der = pkcs1::RsaPrivateKeyRef {
                    modulus: UintRef::new(modulus).map_err(failed)?,
                    public_exponent: UintRef::new(exponent).map_err(failed)?,
                    private_exponent: UintRef::new(&d).map_err(failed)?,
                    prime1: UintRef::new(&p).map_err(failed)?,
                    prime2: UintRef::new(&q).map_err(failed)?,
                    exponent1: UintRef::new(&dp).map_err(failed)?,
                    exponent2: UintRef::new(&dq).map_err(failed)?,
                    coefficient: UintRef::new(&qi).map_err(failed)?,
                    other_prime_infos: None,
                }
                .to_der()
                .map(Zeroizing::new)
                .map_err(failed)?;
                PrivateKey::rsa_from_pkcs1(&der)?
            }
        };
        if private.public() == public { Ok(private) } else { Err(KeyError::Mismatch(private.kind())) }
    }

    /// Returns the key ID, if it is a string.
    #[must_use]
    pub fn kid_or_none(&self) -> Option<&str> {
        self.get("kid").and_then(JsonNode::as_str)
    }

    fn kid(&self) -> Result<Option<&str>, KeyError> {
        self.text("kid")
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn shared(members: &str, weak: KeyStrength) -> Result<Vec<Algorithm>, KeyError> {
        // 16 bytes, fewer than any HMAC algorithm needs.
        let text = format!(r#"{{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA"{members}}}"#);
        Ok(Jwk::parse(&text)?.signing_key(weak)?.algorithms().to_vec())
    }

    #[test]
    fn short_shared_jwk_signs_only_where_weak_keys_are_allowed() {
        for members in ["", r#","alg":"HS256""#] {
            let short = KeyError::HmacSecretShort { found: 16, expected: 32, algorithm: Algorithm::Hs256 };
            assert_eq!(shared(members, KeyStrength::Enforce), Err(short), "{members}");
        }
        let all = [Algorithm::Hs512, Algorithm::Hs384, Algorithm::Hs256];
        assert_eq!(shared("", KeyStrength::AllowWeak), Ok(all.to_vec()));
        assert_eq!(shared(r#","alg":"HS512""#, KeyStrength::AllowWeak), Ok(vec![Algorithm::Hs512]));
    }
}
