//! Keys that sign tokens.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::EcdsaKeyPair;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::JwtSigner;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use super::algorithm::Algorithm;
use super::der::write_pkcs8;
use super::encoding::{decode_standard, decode_variable};
use super::error::KeyError;
use super::private::{PrivateKey, signing};
use super::public::{Curve, KeyStrength};
use super::verifying::VerifyingKey;
use crate::util::secret::{SecretBytes, SecretText};

/// A key that signs: a private key or an HMAC secret, with its key ID.
///
/// It is wiped from memory when dropped. `Debug` shows only the public key.
#[derive(Clone)]
pub struct SigningKey {
    /// The private key; `None` for an HMAC secret.
    private: Option<PrivateKey>,
    encoding: EncodingKey,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying.describe())
    }
}

impl SigningKey {
    /// Creates a signing key from a private key.
    ///
    /// # Errors
    /// [`KeyError::Crypto`], which does not occur for a validated key.
    pub fn private(key: PrivateKey) -> Result<Self, KeyError> {
        let encoding = match &key {
            PrivateKey::Ed25519(_) => EncodingKey::from_ed_der(write_pkcs8(&key)?.expose()),
            PrivateKey::Ec { .. } => EncodingKey::from_ec_der(write_pkcs8(&key)?.expose()),
            PrivateKey::Rsa { pkcs1, .. } => EncodingKey::from_rsa_der(pkcs1.expose()),
        };
        let verifying = VerifyingKey::public(key.public());
        Ok(Self { private: Some(key), encoding, verifying })
    }

    /// Parses a private key in the server's format (`JWT_PRIVATE_KEY`): standard base64 of 64 bytes,
    /// the Ed25519 seed and its public key (Go's layout).
    ///
    /// # Errors
    /// [`KeyError::Empty`], [`KeyError::Base64`], and those of [`PrivateKey::ed25519_from_pair`].
    pub fn from_server_base64(text: &SecretText) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty("private key"));
        }
        let bytes = decode_variable(text.expose(), "private key")?;
        Self::private(PrivateKey::ed25519_from_pair(&bytes)?)
    }

    /// Creates a signing key from an HMAC secret for these HMAC algorithms, the default first.
    ///
    /// # Errors
    /// Same as [`VerifyingKey::hmac_secret`].
    pub fn hmac_secret(
        secret: SecretBytes,
        algorithms: &[Algorithm],
        weak: KeyStrength,
    ) -> Result<Self, KeyError> {
        let verifying = VerifyingKey::hmac_secret(secret.clone(), algorithms, weak)?;
        let encoding = EncodingKey::from_secret(secret.expose());
        Ok(Self { private: None, encoding, verifying })
    }

    /// Parses the HMAC secret of `CROSS_LOGIN_JWT_HS512_KEY` in standard base64, for HS512 and HS256.
    ///
    /// # Errors
    /// Same as [`VerifyingKey::hmac_secret_from_base64`].
    pub fn hmac_secret_from_base64(text: &SecretText, weak: KeyStrength) -> Result<Self, KeyError> {
        let algorithms = VerifyingKey::hmac_secret_from_base64(text, weak)?.algorithms().to_vec();
        let bytes = decode_standard(text.expose(), "HMAC secret")?;
        Self::hmac_secret(SecretBytes::new(bytes.to_vec()), &algorithms, weak)
    }

    /// Returns the default algorithm of this key. A key that is restricted to no algorithm returns the
    /// default of its kind.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        let natural = match &self.private {
            Some(key) => key.public().algorithms().first().copied(),
            None => Some(Algorithm::Hs512),
        };
        self.algorithms().first().copied().or(natural).unwrap_or(Algorithm::EdDsa)
    }

    /// Returns the algorithms of this key.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        self.verifying.algorithms()
    }

    /// Restricts the key to these algorithms.
    #[must_use]
    pub fn restrict(mut self, algorithms: &[Algorithm]) -> Self {
        self.verifying = self.verifying.restrict(algorithms);
        self
    }

    /// Returns the key ID.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.verifying.kid()
    }

    /// Returns the key with this key ID.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.verifying = self.verifying.with_kid(kid);
        self
    }

    /// Returns the key that verifies the signatures of this key, with the same key ID and algorithms.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// Returns the private key, or `None` for an HMAC secret.
    #[must_use]
    pub const fn private_key(&self) -> Option<&PrivateKey> {
        self.private.as_ref()
    }

    /// Signs a message, as [`Signer::sign`] does.
    ///
    /// # Errors
    /// As [`SigningKey::signer`] and [`Signer::sign`].
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.signer(algorithm)?.sign(message)
    }

    /// Prepares signatures with one algorithm. The key is parsed once: for an Ed25519 key, this takes
    /// as long as a signature.
    ///
    /// # Errors
    /// [`KeyError::Algorithm`] or [`KeyError::HmacSecretShort`] if the key does not support the
    /// algorithm, [`KeyError::Crypto`] if it cannot be parsed.
    pub fn signer(&self, algorithm: Algorithm) -> Result<Signer, KeyError> {
        if let Some(why) = self.verifying.why_not(algorithm) {
            return Err(why);
        }
        Ok(Signer(match (&self.private, by_jsonwebtoken(algorithm)) {
            (Some(PrivateKey::Ec { curve: curve @ Curve::P521, .. }), _) => SignerKey::P521(
                EcdsaKeyPair::from_pkcs8(signing(*curve), self.encoding.as_bytes()).map_err(|_| FAILED)?,
            ),
            (_, Some(name)) => {
                SignerKey::Jwt((DEFAULT_PROVIDER.signer_factory)(&name, &self.encoding).map_err(|_| FAILED)?)
            }
            (_, None) => return Err(KeyError::Algorithm { kind: self.verifying.kind(), algorithm }),
        }))
    }
}

const FAILED: KeyError = KeyError::Crypto("signing");

/// A key that is prepared for signatures with one algorithm.
pub struct Signer(SignerKey);

enum SignerKey {
    /// P-521, which jsonwebtoken does not have.
    P521(EcdsaKeyPair),
    Jwt(Box<dyn JwtSigner>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Signs a message. EC signatures are two fixed-length numbers (RFC 7518 3.4).
    ///
    /// # Errors
    /// [`KeyError::Crypto`] if signing fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            SignerKey::P521(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| FAILED)?;
                Ok(signature.as_ref().to_vec())
            }
            SignerKey::Jwt(signer) => signer.try_sign(message).map_err(|_| FAILED),
        }
    }
}

const fn by_jsonwebtoken(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Theirs;
    Some(match algorithm {
        Algorithm::EdDsa => Theirs::EdDSA,
        Algorithm::Es256 => Theirs::ES256,
        Algorithm::Es384 => Theirs::ES384,
        Algorithm::Es512 => return None,
        Algorithm::Rs256 => Theirs::RS256,
        Algorithm::Rs384 => Theirs::RS384,
        Algorithm::Rs512 => Theirs::RS512,
        Algorithm::Ps256 => Theirs::PS256,
        Algorithm::Ps384 => Theirs::PS384,
        Algorithm::Ps512 => Theirs::PS512,
        Algorithm::Hs256 => Theirs::HS256,
        Algorithm::Hs384 => Theirs::HS384,
        Algorithm::Hs512 => Theirs::HS512,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing_key(algorithm: Algorithm) -> SigningKey {
        if algorithm.is_symmetric() {
            let secret = super::super::private::generate_hmac_secret(64).unwrap();
            return SigningKey::hmac_secret(secret, &[algorithm], KeyStrength::Enforce).unwrap();
        }
        SigningKey::private(PrivateKey::generate(algorithm).unwrap()).unwrap()
    }

    #[test]
    fn every_algorithm_verifies_what_it_signed_and_nothing_else() {
        for algorithm in Algorithm::ALL {
            if matches!(algorithm, Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps384) {
                // These keys are the same as for RS256, and generating them is slow.
                continue;
            }
            let key = signing_key(algorithm);
            let signature = key.sign(algorithm, b"message").unwrap();
            let verifying = key.verifying_key();
            assert!(verifying.verify(algorithm, b"message", &signature), "{algorithm}");
            assert!(!verifying.verify(algorithm, b"massage", &signature), "{algorithm}");
            assert!(!verifying.verify(algorithm, b"message", &[]), "{algorithm}");
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!verifying.verify(other, b"message", &signature), "{algorithm} as {other}");
            }
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWYwMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSUw==";
        let key =
            SigningKey::hmac_secret_from_base64(&SecretText::new(text.to_owned()), KeyStrength::Enforce)
                .unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(HMAC secret)");
        assert!(!format!("{:?}", key.verifying_key()).contains("65"));
        let private = PrivateKey::ed25519_from_seed(&[7; 32]).unwrap();
        assert!(!format!("{private:?}").contains("7, 7, 7, 7, 7, 7, 7, 7"));
    }

    #[test]
    fn a_key_that_is_restricted_signs_no_more() {
        let key = signing_key(Algorithm::EdDsa).restrict(&[Algorithm::Es256]);
        assert!(matches!(key.sign(Algorithm::EdDsa, b"x"), Err(KeyError::Algorithm { .. })));
        assert!(!key.verifying_key().verify(Algorithm::EdDsa, b"x", &[0; 64]));
    }
}
