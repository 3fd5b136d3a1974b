//! Keys in DER: SPKI, PKCS#1, PKCS#8 and SEC 1.
//!
//! The parser is strict: no trailing bytes, shortest length encodings, no BIT STRING with unused bits
//! (which Go's tool prints as a shifted key), no parameters for the algorithms of RFC 8410. The writer
//! produces SPKI and PKCS#8 version 1, which every OpenSSL version reads.

use pkcs8::der::asn1::{AnyRef, BitStringRef, Null, OctetStringRef, UintRef};
use pkcs8::der::{Decode as _, Encode as _, Error, Tag, Tagged as _};
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::error::{DerKind, KeyError, from_der};
use super::private::PrivateKey;
use super::public::{Curve, KeyStrength, PublicKey};
use crate::util::printable::PrintableText;
use crate::util::secret::SecretBytes;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Key algorithms that occur in files but are not supported, for the error message.
const OTHERS: [(&str, &str); 12] = [
    ("1.3.101.110", "X25519 (for key agreement, not for signatures)"),
    ("1.3.101.111", "X448 (for key agreement, not for signatures)"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.2.840.10046.2.1", "Diffie-Hellman"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.132.0.10", "EC on secp256k1"),
    ("1.3.132.0.33", "EC on P-224"),
    ("1.2.840.10045.3.1.1", "EC on P-192"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];

fn unknown(oid: ObjectIdentifier) -> KeyError {
    let oid = oid.to_string();
    let name = OTHERS.iter().find(|(known, _)| *known == oid).map(|(_, name)| PrintableText::literal(name));
    let other = || PrintableText::concat(["the algorithm with the OID ".into(), PrintableText::name(&oid)]);
    KeyError::UnknownKind(name.unwrap_or_else(other))
}

const fn oid_of(curve: Curve) -> ObjectIdentifier {
    match curve {
        Curve::P256 => P256,
        Curve::P384 => P384,
        Curve::P521 => P521,
    }
}

fn curve_of(oid: ObjectIdentifier) -> Result<Curve, KeyError> {
    Curve::ALL.into_iter().find(|curve| oid_of(*curve) == oid).ok_or_else(|| unknown(oid))
}

fn named_curve(algorithm: &AlgorithmIdentifierRef<'_>, what: &'static str) -> Result<Curve, KeyError> {
    let parameters = algorithm.parameters.ok_or(KeyError::Der { what, reason: "the curve is not named" })?;
    if parameters.tag() == Tag::Sequence {
        return Err(KeyError::ExplicitCurve(what));
    }
    let oid = parameters.decode_as::<ObjectIdentifier>().ok();
    oid.ok_or(KeyError::Der { what, reason: "the curve is not named" }).and_then(curve_of)
}

/// Returns the algorithms of an RSA key that is restricted to PSS (RFC 4055 1.2, RFC 7518 3.5).
///
/// Without parameters, these are all three PSS algorithms, otherwise the one with the hash of the
/// parameters. The minimum salt length must not exceed the hash length, which is the salt length of a
/// token's signature.
fn pss_algorithms(
    algorithm: &AlgorithmIdentifierRef<'_>,
    what: &'static str,
) -> Result<Vec<Algorithm>, KeyError> {
    let Some(parameters) = algorithm.parameters else {
        return Ok(vec![Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512]);
    };
    let malformed = |_| KeyError::Der { what, reason: "the parameters of PSS are malformed" };
    let parameters = parameters.decode_as::<pkcs1::RsaPssParamsOwned>().map_err(malformed)?;
    let hash = parameters.hash.oid.to_string();
    let same = parameters.mask_gen.parameters.is_some_and(|mask| mask.oid == parameters.hash.oid);
    let found = [
        ("2.16.840.1.101.3.4.2.1", Algorithm::Ps256, 32),
        ("2.16.840.1.101.3.4.2.2", Algorithm::Ps384, 48),
        ("2.16.840.1.101.3.4.2.3", Algorithm::Ps512, 64),
    ]
    .into_iter()
    .find(|(oid, _, length)| *oid == hash && same && parameters.salt_len <= *length);
    match found {
        Some((_, algorithm, _)) => Ok(vec![algorithm]),
        None => {
            Err(KeyError::UnknownKind("RSA restricted to PSS with a hash or salt that no token has".into()))
        }
    }
}

/// A key and the algorithms to which its structure restricts it, or `None` without a restriction.
#[derive(Debug, Clone)]
pub struct Restricted<T> {
    /// The key.
    pub key: T,
    /// The algorithms.
    pub algorithms: Option<Vec<Algorithm>>,
}

/// Splits DER into the first element's tag, its content and the remaining bytes. Returns `None` if the
/// lengths are invalid.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Detects the kind of a binary file from the first elements of its structure.
#[must_use]
pub fn kind_of(der: &[u8]) -> DerKind {
    const INTEGER: u8 = 2;
    const BITS: u8 = 3;
    const OCTETS: u8 = 4;
    const SEQUENCE: u8 = 0x30;
    let Some((SEQUENCE, content, _)) = element(der) else { return DerKind::Other };
    let mut children = Vec::new();
    let mut rest = content;
    while let Some((tag, content, after)) = element(rest).filter(|_| children.len() < 4) {
        children.push((tag, content));
        rest = after;
    }
    match children.as_slice() {
        [(SEQUENCE, _), (BITS, _)] => DerKind::Spki,
        [(SEQUENCE, _), (SEQUENCE, _), (BITS, _), ..] => DerKind::Certificate,
        [(SEQUENCE, _), (OCTETS, _)] => DerKind::Pkcs8,
        [(INTEGER, [3]), (SEQUENCE, _), ..] => DerKind::Pkcs12,
        [(INTEGER, _), (SEQUENCE, _), (OCTETS, _), ..] => DerKind::Pkcs8,
        [(INTEGER, _), (OCTETS, _), ..] => DerKind::Sec1,
        [(INTEGER, _), (INTEGER, _)] => DerKind::Pkcs1Public,
        [(INTEGER, _), (INTEGER, _), (INTEGER, _), ..] => DerKind::Pkcs1Private,
        _ => DerKind::Other,
    }
}

/// Returns whether an `ECPrivateKey` has explicit curve parameters: `[0]` that contains a SEQUENCE.
fn has_explicit_curve(sec1: &[u8]) -> bool {
    let Some((0x30, mut rest, _)) = element(sec1) else { return false };
    while let Some((tag, content, after)) = element(rest) {
        if tag == 0xa0 {
            return content.first() == Some(&0x30);
        }
        rest = after;
    }
    false
}

/// Checks the parameters of an RSA key: NULL (RFC 3279 2.3.1) or absent.
fn check_rsa(algorithm: &AlgorithmIdentifierRef<'_>, what: &'static str) -> Result<(), KeyError> {
    match algorithm.parameters {
        Some(any) if any.decode_as::<Null>().is_err() => Err(KeyError::Parameters(what)),
        _ => Ok(()),
    }
}

fn wrong(what: &'static str) -> impl Fn(Error) -> KeyError {
    move |error| from_der(what, error.kind())
}

/// Parses a `SubjectPublicKeyInfo` (RFC 5280 4.1, RFC 8410, RFC 5480).
///
/// # Errors
/// Returns a [`KeyError`] if the structure or its key is invalid.
pub fn read_spki(der: &[u8], weak: KeyStrength) -> Result<PublicKey, KeyError> {
    let restricted = read_restricted_spki(der, weak)?;
    match restricted.algorithms {
        None => Ok(restricted.key),
        Some(_) => Err(KeyError::UnknownKind("RSA restricted to PSS".into())),
    }
}

/// Parses a `SubjectPublicKeyInfo` and the algorithms to which it restricts its key: those of an RSA
/// key for PSS (RFC 4055 1.2).
///
/// # Errors
/// Same as [`read_spki`].
pub fn read_restricted_spki(der: &[u8], weak: KeyStrength) -> Result<Restricted<PublicKey>, KeyError> {
    let what = "public key (SPKI)";
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(wrong(what))?;
    if spki.algorithm.oid == RSA_PSS {
        let key = spki.subject_public_key.as_bytes().ok_or(KeyError::UnusedBits(what))?;
        let algorithms = Some(pss_algorithms(&spki.algorithm, what)?);
        return Ok(Restricted { key: read_pkcs1_public(key, weak)?, algorithms });
    }
    Ok(Restricted { key: read_plain_spki(&spki, what, weak)?, algorithms: None })
}

fn read_plain_spki(
    spki: &SubjectPublicKeyInfoRef<'_>,
    what: &'static str,
    weak: KeyStrength,
) -> Result<PublicKey, KeyError> {
    let key = spki.subject_public_key.as_bytes().ok_or(KeyError::UnusedBits(what))?;
    match spki.algorithm.oid {
        ED25519 if spki.algorithm.parameters.is_some() => Err(KeyError::Parameters(what)),
        ED25519 => PublicKey::ed25519(key),
        EC => PublicKey::ec(named_curve(&spki.algorithm, what)?, key),
        RSA => {
            check_rsa(&spki.algorithm, what)?;
            read_pkcs1_public(key, weak)
        }
        other => Err(unknown(other)),
    }
}

/// Writes a `SubjectPublicKeyInfo`.
///
/// # Errors
/// [`KeyError::Crypto`], which does not occur for a validated key.
pub fn write_spki(key: &PublicKey) -> Result<Vec<u8>, KeyError> {
    let failed = |_: Error| KeyError::Crypto("writing the public key");
    let numbers;
    let curve_oid;
    let (oid, parameters, bytes) = match key {
        PublicKey::Ed25519(key) => (ED25519, None, key.as_bytes().as_slice()),
        PublicKey::Ec { curve, point } => {
            curve_oid = oid_of(*curve);
            (EC, Some(AnyRef::from(&curve_oid)), point.as_slice())
        }
        PublicKey::Rsa { .. } => {
            numbers = write_pkcs1_public(key)?;
            (RSA, Some(AnyRef::NULL), numbers.as_slice())
        }
    };
    SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(bytes).map_err(failed)?,
    }
    .to_der()
    .map_err(failed)
}

/// Parses a PKCS#1 `RSAPublicKey` (RFC 8017 A.1.1).
///
/// # Errors
/// Returns a [`KeyError`] if the structure or its key is invalid.
pub fn read_pkcs1_public(der: &[u8], weak: KeyStrength) -> Result<PublicKey, KeyError> {
    let what = "RSA public key (PKCS#1)";
    let key = pkcs1::RsaPublicKeyRef::from_der(der).map_err(wrong(what))?;
    PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes(), weak)
}

fn write_pkcs1_public(key: &PublicKey) -> Result<Vec<u8>, KeyError> {
    let failed = |_: Error| KeyError::Crypto("writing the public key");
    let PublicKey::Rsa { modulus, exponent } = key else {
        return Err(KeyError::UnsupportedFormat { kind: key.kind(), form: "PKCS#1" });
    };
    pkcs1::RsaPublicKeyRef {
        modulus: UintRef::new(modulus).map_err(failed)?,
        public_exponent: UintRef::new(exponent).map_err(failed)?,
    }
    .to_der()
    .map_err(failed)
}

/// Parses a PKCS#8 private key, version 1 (RFC 5208) or 2 (RFC 5958).
///
/// If the structure contains a public key, it must match the private key.
///
/// # Errors
/// Returns a [`KeyError`] if the structure or its key is invalid.
pub fn read_pkcs8(der: &[u8]) -> Result<PrivateKey, KeyError> {
    let restricted = read_restricted_pkcs8(der)?;
    match restricted.algorithms {
        None => Ok(restricted.key),
        Some(_) => Err(KeyError::UnknownKind("RSA restricted to PSS".into())),
    }
}

/// Parses PKCS#8 and the algorithms to which it restricts its key: those of an RSA key for PSS (RFC
/// 4055 1.2).
///
/// # Errors
/// Same as [`read_pkcs8`].
pub fn read_restricted_pkcs8(der: &[u8]) -> Result<Restricted<PrivateKey>, KeyError> {
    let what = "private key (PKCS#8)";
    let info = PrivateKeyInfoRef::from_der(der).map_err(wrong(what))?;
    let public = match info.public_key {
        Some(bits) => Some(bits.as_bytes().ok_or(KeyError::UnusedBits(what))?),
        None => None,
    };
    let secret = info.private_key.as_bytes();
    let mut algorithms = None;
    let key = match info.algorithm.oid {
        RSA_PSS => {
            algorithms = Some(pss_algorithms(&info.algorithm, what)?);
            PrivateKey::rsa_from_pkcs1(secret)?
        }
        ED25519 if info.algorithm.parameters.is_some() => return Err(KeyError::Parameters(what)),
        ED25519 => {
            let seed = <&OctetStringRef>::from_der(secret).map_err(wrong(what))?;
            PrivateKey::ed25519_from_seed(seed.as_bytes())?
        }
        EC => read_sec1_on(Some(named_curve(&info.algorithm, what)?), secret)?,
        RSA => {
            check_rsa(&info.algorithm, what)?;
            PrivateKey::rsa_from_pkcs1(secret)?
        }
        other => return Err(unknown(other)),
    };
    let key = match public {
        None => key,
        Some(public) if matches!(key, PrivateKey::Rsa { .. }) => {
            let same = read_pkcs1_public(public, KeyStrength::Enforce)? == key.public();
            if same { key } else { return Err(KeyError::Mismatch("RSA")) }
        }
        Some(public) => key.with_public_half(public)?,
    };
    Ok(Restricted { key, algorithms })
}

/// Writes PKCS#8 version 1 (RFC 5208). OpenSSL 1.1 and 3.0 reject version 2.
///
/// # Errors
/// [`KeyError::Crypto`], which does not occur for a validated key.
pub fn write_pkcs8(key: &PrivateKey) -> Result<SecretBytes, KeyError> {
    let failed = |_: Error| KeyError::Crypto("writing the private key");
    let (oid, parameters, secret) = match key {
        PrivateKey::Ed25519(key) => {
            let seed = OctetStringRef::new(key.as_bytes()).and_then(|seed| seed.to_der()).map_err(failed)?;
            (ED25519, None, Zeroizing::new(seed))
        }
        PrivateKey::Ec { curve, .. } => (EC, Some(oid_of(*curve)), write_sec1(key)?),
        PrivateKey::Rsa { pkcs1, .. } => (RSA, None, Zeroizing::new(pkcs1.expose().to_vec())),
    };
    let parameters = match (&parameters, oid) {
        (Some(curve), _) => Some(AnyRef::from(curve)),
        (None, RSA) => Some(AnyRef::NULL),
        (None, _) => None,
    };
    let private_key = OctetStringRef::new(&secret).map_err(failed)?;
    let info = PrivateKeyInfoRef::new(AlgorithmIdentifierRef { oid, parameters }, private_key);
    info.to_der().map(SecretBytes::new).map_err(failed)
}

/// Parses a SEC 1 `ECPrivateKey` (RFC 5915) that names its curve.
///
/// # Errors
/// Returns a [`KeyError`] if the structure or its key is invalid.
pub fn read_sec1(der: &[u8]) -> Result<PrivateKey, KeyError> {
    read_sec1_on(None, der)
}

fn read_sec1_on(outer: Option<Curve>, der: &[u8]) -> Result<PrivateKey, KeyError> {
    let what = "EC private key (SEC 1)";
    if has_explicit_curve(der) {
        return Err(KeyError::ExplicitCurve(what));
    }
    let parsed = sec1::EcPrivateKey::from_der(der).map_err(wrong(what))?;
    let inner = match parsed.parameters.and_then(sec1::EcParameters::named_curve) {
        Some(oid) => Some(curve_of(oid)?),
        None => None,
    };
    let curve = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(KeyError::Der { what, reason: "it names two different curves" });
        }
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(KeyError::Der { what, reason: "the curve is not named" }),
    };
    let key = PrivateKey::ec(curve, parsed.private_key)?;
    match parsed.public_key {
        None => Ok(key),
        Some(point) => {
            PublicKey::ec(curve, point)?;
            key.with_public_half(point)
        }
    }
}

fn write_sec1(key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |_: Error| KeyError::Crypto("writing the private key");
    match key {
        PrivateKey::Ec { scalar, public: PublicKey::Ec { point, .. }, .. } => {
            let bare = sec1::EcPrivateKey {
                private_key: scalar.expose(),
                // The enclosing PKCS#8 names the curve (RFC 5915 1).
                parameters: None,
                public_key: Some(point),
            };
            bare.to_der().map(Zeroizing::new).map_err(failed)
        }
        other => Err(KeyError::UnsupportedFormat { kind: other.kind(), form: "SEC 1" }),
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes(parts: &[&str]) -> Vec<u8> {
        HEXLOWER.decode(parts.concat().as_bytes()).unwrap()
    }

    /// RFC 8032 7.1, test 1.
    const POINT: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn ed25519_has_no_parameters() {
        let plain = bytes(&["302a300506032b6570032100", POINT]);
        assert!(read_spki(&plain, KeyStrength::Enforce).is_ok());
        let with_null = bytes(&["302c300706032b65700500032100", POINT]);
        assert_eq!(
            read_spki(&with_null, KeyStrength::Enforce),
            Err(KeyError::Parameters("public key (SPKI)"))
        );
    }

    #[test]
    fn the_curve_inside_is_that_outside() {
        let scalar = "01".repeat(32);
        let with_inner = |oid: &str, inner: &str, outer: &str| {
            let sec1 = [inner, "0201010420", &scalar, oid].concat();
            read_pkcs8(&bytes(&[outer, "020100301306072a8648ce3d020106082a8648ce3d030107", &sec1]))
        };
        let same = with_inner("a00a06082a8648ce3d030107", "04333031", "304d");
        assert_eq!(same.map(|key| key.kind()).ok(), Some("P-256"));
        let other = with_inner("a00706052b81040022", "0430302e", "304a");
        assert!(
            matches!(other, Err(KeyError::Der { reason: "it names two different curves", .. })),
            "{other:?}"
        );
    }
}
