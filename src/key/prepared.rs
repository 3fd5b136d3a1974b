//! How a signature is checked: by one key and one algorithm, the key read once.

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

/// A key made ready for one algorithm. What is costly about a key (finding a point's second
/// coordinate, a modulus's Montgomery form, the first blocks of an HMAC) is done once for all
/// signatures.
#[derive(Clone)]
pub(super) enum PreparedKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    Public(ParsedPublicKey),
    HmacSecret(Box<hmac::Key>),
}

impl PreparedKey {
    /// By a public key; `None` when it is not for the algorithm.
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

    /// By an HMAC secret; `None` when the algorithm is not an HMAC.
    pub(super) fn hmac_secret(secret: &SecretBytes, algorithm: Algorithm) -> Option<Self> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        Some(Self::HmacSecret(Box::new(hmac::Key::new(hash, secret.expose()))))
    }

    /// Whether the signature is the key's over the message. EC signatures are the two numbers in
    /// full length (RFC 7518 3.4).
    pub(super) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            // The equation without cofactor, R compared as bytes and S below the order (RFC 8032
            // 5.1.7): the result is the same as that of aws-lc, but faster.
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::HmacSecret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// What the library has for an algorithm; for keys that are too short and were allowed on purpose
/// no more than two.
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
