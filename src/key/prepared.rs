//! Prepared keys: a key and an algorithm, ready to verify many signatures.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use ed25519_dalek::Verifier as _;

use super::algorithm::Algorithm;
use super::public::{KeyStrength, PublicKey};
use crate::util::secret::SecretBytes;

/// A key that is prepared for one algorithm.
///
/// The expensive steps (decompressing a point, the Montgomery form of a modulus, the first HMAC blocks)
/// run once for all signatures.
#[derive(Clone)]
pub(super) enum PreparedKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    Public(ParsedPublicKey),
    HmacSecret(Box<hmac::Key>),
}

impl PreparedKey {
    /// Prepares a public key; returns `None` if the key does not support the algorithm.
    pub(super) fn public(key: &PublicKey, algorithm: Algorithm) -> Option<Self> {
        if !key.algorithms().contains(&algorithm) {
            return None;
        }
        match key {
            PublicKey::Ed25519(point) => Some(Self::Ed25519(*point)),
            PublicKey::Ec { curve, point } => {
                ParsedPublicKey::new(curve.verification(), point).ok().map(Self::Public)
            }
            PublicKey::Rsa { modulus: n, exponent: e } => {
                let weak = if key.bits() < 2048 { KeyStrength::AllowWeak } else { KeyStrength::Enforce };
                let parameters = rsa_parameters(algorithm, weak)?;
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok().map(Self::Public)
            }
        }
    }

    /// Prepares an HMAC secret; returns `None` if the algorithm is not an HMAC.
    pub(super) fn hmac_secret(secret: &SecretBytes, algorithm: Algorithm) -> Option<Self> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        Some(Self::HmacSecret(Box::new(hmac::Key::new(hash, secret.expose()))))
    }

    /// Returns whether the signature of the message is valid. EC signatures are two fixed-length
    /// numbers (RFC 7518 3.4).
    pub(super) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            // The cofactorless equation, with R compared as bytes and S below the group order (RFC 8032
            // 5.1.7). The result equals that of aws-lc, but this is faster.
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::HmacSecret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// Returns the library's parameters for an algorithm. For RSA keys below 2048 bits, which an option
/// allows, the library supports only two algorithms.
const fn rsa_parameters(algorithm: Algorithm, weak: KeyStrength) -> Option<&'static RsaParameters> {
    Some(match (algorithm, weak) {
        (Algorithm::Rs256, KeyStrength::AllowWeak) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Algorithm::Rs512, KeyStrength::AllowWeak) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (_, KeyStrength::AllowWeak) => return None,
        (Algorithm::Rs256, KeyStrength::Enforce) => &RSA_PKCS1_2048_8192_SHA256,
        (Algorithm::Rs384, KeyStrength::Enforce) => &RSA_PKCS1_2048_8192_SHA384,
        (Algorithm::Rs512, KeyStrength::Enforce) => &RSA_PKCS1_2048_8192_SHA512,
        (Algorithm::Ps256, KeyStrength::Enforce) => &RSA_PSS_2048_8192_SHA256,
        (Algorithm::Ps384, KeyStrength::Enforce) => &RSA_PSS_2048_8192_SHA384,
        (Algorithm::Ps512, KeyStrength::Enforce) => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
