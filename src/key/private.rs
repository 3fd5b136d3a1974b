//! Validated private keys.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RsaKeyPair,
};
use pkcs8::der::{Decode as _, Encode as _};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::public::{Curve, ED25519_PUBLIC_BYTES, KeyStrength, PublicKey};
use crate::util::secret::SecretBytes;

/// The length of an Ed25519 seed, the private key of RFC 8032, in bytes.
pub const ED25519_SEED_BYTES: usize = 32;

/// The length of an Ed25519 private key in Go's format, which the server uses: the seed, then the
/// public key.
pub const ED25519_PAIR_BYTES: usize = ED25519_SEED_BYTES + ED25519_PUBLIC_BYTES;

/// A validated private key with its public key. `Debug` shows only the public key.
#[derive(Clone)]
pub enum PrivateKey {
    /// The seed and its public key.
    Ed25519(ed25519_dalek::SigningKey),
    /// A private scalar on a NIST curve, big-endian in the full length of the curve.
    Ec {
        /// The private scalar.
        scalar: SecretBytes,
        /// The public key.
        public: PublicKey,
        /// The curve.
        curve: Curve,
    },
    /// An RSA key with two primes.
    Rsa {
        /// The DER of PKCS#1 `RSAPrivateKey` (RFC 8017 A.1.2).
        pkcs1: SecretBytes,
        /// The public key.
        public: PublicKey,
    },
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.public()).finish()
    }
}

impl PrivateKey {
    /// Generates a key for an algorithm: Ed25519, P-256, P-384, P-521, or RSA with 3072 bits.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`], [`KeyError::Crypto`]; [`KeyError::Algorithm`] for HMAC algorithms, which
    /// have no key pair.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; ED25519_SEED_BYTES]);
                getrandom::fill(seed.as_mut_slice()).map_err(|_| KeyError::NoRandom)?;
                Ok(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
            Algorithm::Es256 => generate_ec(Curve::P256),
            Algorithm::Es384 => generate_ec(Curve::P384),
            Algorithm::Es512 => generate_ec(Curve::P521),
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => {
                let failed = |_| KeyError::Crypto("making an RSA key");
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                let info = pkcs8::PrivateKeyInfoRef::from_der(der.as_ref())
                    .map_err(|_| KeyError::Crypto("making an RSA key"))?;
                Self::rsa_from_pkcs1(info.private_key.as_bytes())
            }
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Err(KeyError::Algorithm { kind: "private", algorithm })
            }
        }
    }

    /// Creates an Ed25519 private key from its seed.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn ed25519_from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        let exact: &[u8; ED25519_SEED_BYTES] = seed.try_into().map_err(|_| KeyError::Length {
            what: "Ed25519 seed",
            found: seed.len(),
            expected: ED25519_SEED_BYTES,
        })?;
        Ok(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(exact)))
    }

    /// Creates an Ed25519 private key from the 64 bytes of Go's format: seed, then public key.
    ///
    /// # Errors
    /// [`KeyError::Length`], [`KeyError::MissingPublicPart`] for 32 bytes, [`KeyError::Mismatch`].
    pub fn ed25519_from_pair(pair: &[u8]) -> Result<Self, KeyError> {
        if pair.len() == ED25519_SEED_BYTES {
            return Err(KeyError::MissingPublicPart);
        }
        if pair.len() != ED25519_PAIR_BYTES {
            let (found, expected) = (pair.len(), ED25519_PAIR_BYTES);
            return Err(KeyError::Length { what: "Ed25519 private key", found, expected });
        }
        let (seed, public) = pair.split_at(ED25519_SEED_BYTES);
        Self::ed25519_from_seed(seed)?.with_public_half(public)
    }

    /// Returns this Ed25519 key if `public` is its public key. Signing with a public key that does not
    /// match would expose the private key.
    ///
    /// # Errors
    /// [`KeyError::Mismatch`].
    pub fn with_public_half(self, public: &[u8]) -> Result<Self, KeyError> {
        match &self {
            Self::Ed25519(key) if key.verifying_key().as_bytes() == public => Ok(self),
            Self::Ec { public: PublicKey::Ec { point, .. }, .. } if point == public => Ok(self),
            _ => Err(KeyError::Mismatch(self.kind())),
        }
    }

    /// Creates a private key on a NIST curve from its scalar, big-endian in the full length of the
    /// curve.
    ///
    /// # Errors
    /// [`KeyError::Length`]; [`KeyError::InvalidPrivate`] for zero or a scalar not below the group
    /// order.
    pub fn ec(curve: Curve, scalar: &[u8]) -> Result<Self, KeyError> {
        if scalar.len() != curve.bytes() {
            return Err(KeyError::Length {
                what: "EC private key",
                found: scalar.len(),
                expected: curve.bytes(),
            });
        }
        let broken = || KeyError::InvalidPrivate(curve.name());
        let oid = pkcs8::ObjectIdentifier::new_unwrap(match curve {
            Curve::P256 => "1.2.840.10045.3.1.7",
            Curve::P384 => "1.3.132.0.34",
            Curve::P521 => "1.3.132.0.35",
        });
        let bare = EcPrivateKey {
            private_key: scalar,
            parameters: Some(sec1::EcParameters::NamedCurve(oid)),
            public_key: None,
        };
        let der = Zeroizing::new(bare.to_der().map_err(|_| broken())?);
        let pair = EcdsaKeyPair::from_private_key_der(signing(curve), &der).map_err(|_| broken())?;
        let public = PublicKey::ec(curve, pair.public_key().as_ref())?;
        Ok(Self::Ec { scalar: SecretBytes::new(scalar.to_vec()), public, curve })
    }

    /// Parses an RSA private key in PKCS#1 DER.
    ///
    /// # Errors
    /// [`KeyError::Der`], [`KeyError::RsaMultiPrime`], [`KeyError::InvalidPrivate`], and those of
    /// [`PublicKey::rsa`]. Short keys are always rejected, even if weak keys are allowed for
    /// verification.
    pub fn rsa_from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let what = "RSA private key";
        let parsed = pkcs1::RsaPrivateKeyRef::from_der(der)
            .map_err(|error| super::error::from_der(what, error.kind()))?;
        if parsed.other_prime_infos.is_some() {
            return Err(KeyError::RsaMultiPrime);
        }
        let public = PublicKey::rsa(
            parsed.modulus.as_bytes(),
            parsed.public_exponent.as_bytes(),
            KeyStrength::Enforce,
        )?;
        RsaKeyPair::from_der(der).map_err(|_| KeyError::InvalidPrivate("RSA"))?;
        Ok(Self::Rsa { pkcs1: SecretBytes::new(der.to_vec()), public })
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
            Self::Ec { public, .. } | Self::Rsa { public, .. } => public.clone(),
        }
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

    /// Returns the 64 bytes of an Ed25519 key in Go's format: seed, then public key.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedFormat`] for other kinds of keys.
    pub fn to_ed25519_pair(&self) -> Result<SecretBytes, KeyError> {
        match self {
            Self::Ed25519(key) => Ok(SecretBytes::new(key.to_keypair_bytes().to_vec())),
            other => Err(KeyError::UnsupportedFormat { kind: other.kind(), form: "the server's base64" }),
        }
    }
}

/// Generates an HMAC secret of this many random bytes.
///
/// # Errors
/// [`KeyError::NoRandom`].
pub fn generate_hmac_secret(bytes: usize) -> Result<SecretBytes, KeyError> {
    let mut secret = vec![0; bytes];
    getrandom::fill(&mut secret).map_err(|_| KeyError::NoRandom)?;
    Ok(SecretBytes::new(secret))
}

fn generate_ec(curve: Curve) -> Result<PrivateKey, KeyError> {
    let failed = |_| KeyError::Crypto("making an EC key");
    let pair = EcdsaKeyPair::generate(signing(curve)).map_err(failed)?;
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(failed)?;
    PrivateKey::ec(curve, scalar.as_ref())
}

pub(super) fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}
