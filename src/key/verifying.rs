//! Keys that verify tokens.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;

use super::algorithm::Algorithm;
use super::encoding::{decode_variable, encode_url};
use super::error::KeyError;
use super::prepared::PreparedKey;
use super::public::{KeyStrength, PublicKey};
use crate::util::quote::quote;
use crate::util::secret::{SecretBytes, SecretText};

/// The algorithms that the server accepts with `CROSS_LOGIN_JWT_HS512_KEY`.
const CROSS_LOGIN_ALGORITHMS: [Algorithm; 2] = [Algorithm::Hs512, Algorithm::Hs256];

#[derive(Clone)]
enum Material {
    Public(PublicKey),
    HmacSecret(SecretBytes),
}

/// A key that verifies signatures: a public key, or an HMAC secret, with its key ID.
/// The key decides which algorithms it verifies, never a token (RFC 8725 3.1).
///
/// ```
/// use cc_auth::key::{Algorithm, VerifyingKey};
/// let key = VerifyingKey::from_server_base64("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")?;
/// assert_eq!(key.algorithms(), [Algorithm::EdDsa]);
/// assert!(!key.verify(Algorithm::Hs256, b"message", b"signature"));
/// # Ok::<(), cc_auth::key::KeyError>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    material: Material,
    /// The prepared key of each algorithm, prepared at first use: a JWKS may have thousands of keys, of
    /// which a token uses one. Clones of the key share it.
    checks: Arc<[(Algorithm, OnceLock<Option<PreparedKey>>)]>,
    algorithms: Vec<Algorithm>,
    kid: Option<String>,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.describe())
    }
}

impl VerifyingKey {
    /// Creates a verifying key from a public key, for every algorithm of its kind.
    #[must_use]
    pub fn public(key: PublicKey) -> Self {
        let algorithms = key.algorithms().to_vec();
        let checks = unprepared(&algorithms);
        Self { material: Material::Public(key), checks, algorithms, kid: None }
    }

    /// Parses a public key in the server's format: standard base64 of the 32 bytes of an Ed25519 key,
    /// as in `JWT_PUBLIC_KEY` and `CROSS_LOGIN_JWT_PUBLIC_KEY`.
    ///
    /// # Errors
    /// [`KeyError::Empty`], [`KeyError::Base64`], [`KeyError::PrivateForPublic`] and those of
    /// [`PublicKey::ed25519`].
    pub fn from_server_base64(text: &str) -> Result<Self, KeyError> {
        server_base64(text).map(Self::public)
    }

    /// Creates a verifying key from an HMAC secret for these HMAC algorithms.
    ///
    /// # Errors
    /// [`KeyError::HmacSecretEmpty`] regardless of `weak`; [`KeyError::HmacSecretShort`] if the secret
    /// is shorter than the hash of one of the algorithms (RFC 7518 3.2) and weak keys are rejected;
    /// [`KeyError::Algorithm`] for an algorithm that is not an HMAC.
    pub fn hmac_secret(
        secret: SecretBytes,
        algorithms: &[Algorithm],
        weak: KeyStrength,
    ) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::HmacSecretEmpty);
        }
        for algorithm in algorithms {
            let Some(expected) = hash_bytes(*algorithm) else {
                return Err(KeyError::Algorithm { kind: "HMAC", algorithm: *algorithm });
            };
            if weak == KeyStrength::Enforce && secret.len() < expected {
                return Err(KeyError::HmacSecretShort {
                    found: secret.len(),
                    expected,
                    algorithm: *algorithm,
                });
            }
        }
        let checks = unprepared(algorithms);
        Ok(Self {
            material: Material::HmacSecret(secret),
            checks,
            algorithms: algorithms.to_vec(),
            kid: None,
        })
    }

    /// Parses the HMAC secret of `CROSS_LOGIN_JWT_HS512_KEY` in standard base64.
    ///
    /// It verifies HS512 and HS256. A secret that is too short for HS512 verifies only HS256 (see
    /// [`Self::why_not`]).
    ///
    /// # Errors
    /// [`KeyError::Base64`], and those of [`VerifyingKey::hmac_secret`].
    pub fn hmac_secret_from_base64(text: &SecretText, weak: KeyStrength) -> Result<Self, KeyError> {
        let bytes = decode_variable(text.expose(), "HMAC secret")?;
        let secret = SecretBytes::new(bytes.to_vec());
        match Self::hmac_secret(secret.clone(), &CROSS_LOGIN_ALGORITHMS, weak) {
            Err(KeyError::HmacSecretShort { .. }) => Self::hmac_secret(secret, &[Algorithm::Hs256], weak),
            other => other,
        }
    }

    /// Returns the key ID, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the key with this key ID.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Returns the algorithms that this key verifies, the default first.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Restricts the key to these algorithms; the result may have none.
    #[must_use]
    pub fn restrict(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms.retain(|algorithm| algorithms.contains(algorithm));
        self
    }

    /// Returns why this key does not verify an algorithm, or `None` if it does.
    #[must_use]
    pub fn why_not(&self, algorithm: Algorithm) -> Option<KeyError> {
        if self.algorithms.contains(&algorithm) {
            return None;
        }
        match (&self.material, hash_bytes(algorithm)) {
            (Material::HmacSecret(secret), Some(expected)) if secret.len() < expected => {
                Some(KeyError::HmacSecretShort { found: secret.len(), expected, algorithm })
            }
            _ => Some(KeyError::Algorithm { kind: self.kind(), algorithm }),
        }
    }

    /// Returns the public key, or `None` for an HMAC secret.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match &self.material {
            Material::Public(key) => Some(key),
            Material::HmacSecret(_) => None,
        }
    }

    /// Returns the HMAC secret, or `None` for a public key.
    pub(crate) const fn secret(&self) -> Option<&SecretBytes> {
        match &self.material {
            Material::Public(_) => None,
            Material::HmacSecret(secret) => Some(secret),
        }
    }

    /// Returns the Ed25519 key, for batch verification.
    #[must_use]
    pub const fn ed25519(&self) -> Option<&ed25519_dalek::VerifyingKey> {
        match &self.material {
            Material::Public(PublicKey::Ed25519(key)) => Some(key),
            _ => None,
        }
    }

    /// Returns the kind of key: `Ed25519`, `P-256`, `RSA`, `shared`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.material {
            Material::Public(key) => key.kind(),
            Material::HmacSecret(_) => "HMAC",
        }
    }

    /// Describes the key for messages: its kind and its key ID or, without one, the start of its
    /// thumbprint.
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = match &self.material {
            Material::HmacSecret(_) => "HMAC secret".to_owned(),
            Material::Public(PublicKey::Rsa { .. }) => format!("RSA key of {} bits", self.bits()),
            Material::Public(key) => format!("{} key", key.kind()),
        };
        match (&self.kid, &self.material) {
            (Some(kid), _) => format!("{kind} {}", quote(kid)),
            (None, Material::Public(key)) => {
                let print = thumbprint(key);
                format!("{kind} {}…", print.get(..11).unwrap_or(&print))
            }
            (None, Material::HmacSecret(_)) => kind,
        }
    }

    /// Returns the key length in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        match &self.material {
            Material::Public(key) => key.bits(),
            Material::HmacSecret(secret) => secret.len() * 8,
        }
    }

    /// Returns whether the signature of the message is valid; `false` if the key does not support the
    /// algorithm. EC signatures are two fixed-length numbers (RFC 7518 3.4).
    #[must_use]
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.algorithms.contains(&algorithm)
            && self
                .checks
                .iter()
                .find(|(own, _)| *own == algorithm)
                .and_then(|(_, check)| check.get_or_init(|| self.prepare(algorithm)).as_ref())
                .is_some_and(|check| check.holds(message, signature))
    }

    fn prepare(&self, algorithm: Algorithm) -> Option<PreparedKey> {
        match &self.material {
            Material::Public(key) => PreparedKey::public(key, algorithm),
            Material::HmacSecret(secret) => PreparedKey::hmac_secret(secret, algorithm),
        }
    }
}

fn unprepared(algorithms: &[Algorithm]) -> Arc<[(Algorithm, OnceLock<Option<PreparedKey>>)]> {
    algorithms.iter().map(|algorithm| (*algorithm, OnceLock::new())).collect()
}

/// Parses a public key in the server's base64.
///
/// # Errors
/// Same as [`VerifyingKey::from_server_base64`].
pub fn server_base64(text: &str) -> Result<PublicKey, KeyError> {
    if text.is_empty() {
        return Err(KeyError::Empty("public key"));
    }
    let bytes = decode_variable(text, "public key")?;
    if bytes.len() == super::private::ED25519_PAIR_BYTES {
        return Err(KeyError::PrivateForPublic);
    }
    PublicKey::ed25519(&bytes)
}

/// Returns the SHA-256 thumbprint (RFC 7638, for Ed25519 RFC 8037 A.3) in base64url.
#[must_use]
pub fn thumbprint(key: &PublicKey) -> String {
    // RFC 7638 3.3: the required members in alphabetical order without white space. Base64url and these
    // names need no escapes.
    let canonical = match key {
        PublicKey::Ed25519(point) => {
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, *encode_url(point.as_bytes()))
        }
        PublicKey::Ec { curve, .. } => {
            let (x, y) = key.coordinates().unwrap_or_default();
            let (x, y) = (encode_url(x), encode_url(y));
            format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), *x, *y)
        }
        PublicKey::Rsa { modulus, exponent } => {
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, *encode_url(exponent), *encode_url(modulus))
        }
    };
    encode_url(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref()).to_string()
}

/// Returns the hash length of an HMAC algorithm in bytes, or `None` for other algorithms.
#[must_use]
pub const fn hash_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hs256 => Some(32),
        Algorithm::Hs384 => Some(48),
        Algorithm::Hs512 => Some(64),
        _ => None,
    }
}
