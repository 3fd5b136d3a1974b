//! Validated public keys.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    ParsedPublicKey,
};

use super::algorithm::Algorithm;
use super::error::KeyError;
use crate::util::printable::PrintableText;

/// The length of an Ed25519 public key in bytes.
pub const ED25519_PUBLIC_BYTES: usize = 32;

/// Whether short keys are accepted: RSA from 1024 bits, and HMAC secrets shorter than their hash.
///
/// Empty HMAC secrets and points of small order are always rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyStrength {
    /// Reject them (RFC 7518 3.2, 3.3).
    #[default]
    Enforce,
    /// Accept them, for an option that allows weak keys.
    AllowWeak,
}

/// A NIST curve with an algorithm in RFC 7518.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the names of RFC 7518 6.2.1.1")]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Returns the name in a JWK's `crv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Returns the length of a coordinate and of a private scalar in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns the only algorithm for keys on this curve (RFC 7518 3.4).
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    pub(super) fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// A validated public key: on its curve, not weak, not too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A point on edwards25519 in canonical encoding and of prime order.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// An uncompressed point (`04 x y`, SEC 1 2.3.3) on a NIST curve.
    Ec {
        /// The curve.
        curve: Curve,
        /// `04`, x, y.
        point: Vec<u8>,
    },
    /// An RSA key: big-endian numbers without leading zeros.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
}

impl PublicKey {
    /// Creates an Ed25519 public key from its 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`], [`KeyError::NotOnCurve`], [`KeyError::SmallOrder`],
    /// [`KeyError::NonCanonical`], [`KeyError::MixedOrder`].
    pub fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let exact: &[u8; ED25519_PUBLIC_BYTES] = bytes.try_into().map_err(|_| KeyError::Length {
            what: "Ed25519 public key",
            found: bytes.len(),
            expected: ED25519_PUBLIC_BYTES,
        })?;
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(exact).map_err(|_| KeyError::NotOnCurve("Ed25519"))?;
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        let point = key.to_edwards();
        // The library accepts y >= p, and x = 0 with the sign bit set, but these points have another,
        // canonical encoding (RFC 8032 5.1.3).
        if point.compress().as_bytes() != exact {
            return Err(KeyError::NonCanonical);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::MixedOrder);
        }
        Ok(Self::Ed25519(key))
    }

    /// Creates a public key on a NIST curve from its uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Compressed`], [`KeyError::Length`], [`KeyError::NotOnCurve`].
    pub fn ec(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        if matches!(point.first(), Some(2 | 3)) && point.len() == 1 + curve.bytes() {
            return Err(KeyError::Compressed(curve.name()));
        }
        let expected = 1 + 2 * curve.bytes();
        if point.len() != expected {
            return Err(KeyError::Length { what: "EC point", found: point.len(), expected });
        }
        if point.first() != Some(&4) || ParsedPublicKey::new(curve.verification(), point).is_err() {
            return Err(KeyError::NotOnCurve(curve.name()));
        }
        Ok(Self::Ec { curve, point: point.to_vec() })
    }

    /// Creates an RSA public key from its big-endian numbers.
    ///
    /// # Errors
    /// [`KeyError::RsaShort`], [`KeyError::RsaLong`], [`KeyError::RsaEvenModulus`],
    /// [`KeyError::RsaExponent`], [`KeyError::RsaLongExponent`].
    pub fn rsa(modulus: &[u8], exponent: &[u8], weak: KeyStrength) -> Result<Self, KeyError> {
        let modulus = without_leading_zeros(modulus);
        let exponent = without_leading_zeros(exponent);
        let bits = bit_length(modulus);
        let expected = if weak == KeyStrength::AllowWeak { 1024 } else { 2048 };
        if bits < expected {
            return Err(KeyError::RsaShort { bits, expected });
        }
        if bits > 8192 {
            return Err(KeyError::RsaLong(bits));
        }
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::RsaEvenModulus);
        }
        if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] {
            return Err(KeyError::RsaExponent);
        }
        if bit_length(exponent) > 33 {
            return Err(KeyError::RsaLongExponent);
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// Returns the kind of key: `Ed25519`, `P-256`, `RSA`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "Ed25519",
            Self::Ec { curve, .. } => curve.name(),
            Self::Rsa { .. } => "RSA",
        }
    }

    /// Returns the algorithms that a key of this kind verifies, the default first. The key decides,
    /// never a token's header (RFC 8725 3.1).
    #[must_use]
    pub fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Ed25519(_) => &[EdDsa],
            Self::Ec { curve: Curve::P256, .. } => &[Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Es384],
            Self::Ec { curve: Curve::P521, .. } => &[Es512],
            // The library supports only these two for keys this short.
            Self::Rsa { modulus, .. } if bit_length(modulus) < 2048 => &[Rs256, Rs512],
            Self::Rsa { .. } => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
        }
    }

    /// Returns the key length in bits: of the modulus for RSA, of the field for curves.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Ed25519(_) => 256,
            Self::Ec { curve: Curve::P521, .. } => 521,
            Self::Ec { curve, .. } => curve.bytes() * 8,
            Self::Rsa { modulus, .. } => bit_length(modulus),
        }
    }

    /// Returns the 32 bytes of an Ed25519 key.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] for other kinds of keys.
    pub fn ed25519_bytes(&self) -> Result<&[u8; ED25519_PUBLIC_BYTES], KeyError> {
        match self {
            Self::Ed25519(key) => Ok(key.as_bytes()),
            other => Err(KeyError::WrongType {
                found: PrintableText::concat([with_article(other.kind()).into(), " public key".into()]),
                expected: "an Ed25519 public key",
            }),
        }
    }

    /// Returns the coordinates x and y of a point on a NIST curve.
    #[must_use]
    pub fn coordinates(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Ec { curve, point } => point.get(1..).map(|both| both.split_at(curve.bytes())),
            _ => None,
        }
    }
}

/// Returns the kind of key with its indefinite article.
pub(super) const fn with_article(kind: &'static str) -> &'static str {
    match kind.as_bytes() {
        b"Ed25519" => "an Ed25519",
        b"RSA" => "an RSA",
        b"P-256" => "a P-256",
        b"P-384" => "a P-384",
        b"P-521" => "a P-521",
        _ => kind,
    }
}

pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bit_length(number: &[u8]) -> usize {
    let number = without_leading_zeros(number);
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_spelling_of_a_point_is_refused_as_such() {
        // A y coordinate of 2^255 - 19 or more is a second encoding of another point (RFC 8032 5.1.3).
        let mut seen = 0;
        for (beyond, sign) in (0..19_u8).flat_map(|beyond| [(beyond, 0), (beyond, 0x80)]) {
            let mut bytes = [0xff; ED25519_PUBLIC_BYTES];
            (bytes[0], bytes[31]) = (0xed + beyond, 0x7f | sign);
            match PublicKey::ed25519(&bytes) {
                Err(KeyError::NonCanonical) => seen += 1,
                Err(KeyError::NotOnCurve(_) | KeyError::SmallOrder) => {}
                other => panic!("y = p + {beyond}, sign {sign}: {other:?}"),
            }
        }
        assert!(seen > 4, "{seen}");
    }

    #[test]
    fn the_limits_of_rsa_are_to_the_bit() {
        let of_bits = |bits: usize| {
            let mut modulus = vec![0xff; bits.div_ceil(8)];
            modulus[0] >>= (8 - bits % 8) % 8;
            modulus
        };
        let read = |bits, weak| PublicKey::rsa(&of_bits(bits), &[1, 0, 1], weak).map(|key| key.bits());
        assert_eq!(read(2048, KeyStrength::Enforce), Ok(2048));
        assert_eq!(read(2047, KeyStrength::Enforce), Err(KeyError::RsaShort { bits: 2047, expected: 2048 }));
        assert_eq!(read(1024, KeyStrength::AllowWeak), Ok(1024));
        assert_eq!(
            read(1023, KeyStrength::AllowWeak),
            Err(KeyError::RsaShort { bits: 1023, expected: 1024 })
        );
        assert_eq!(read(8192, KeyStrength::Enforce), Ok(8192));
        assert_eq!(read(8193, KeyStrength::Enforce), Err(KeyError::RsaLong(8193)));
    }
}
