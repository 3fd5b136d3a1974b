//! The things that a scan finds, and their fingerprints.

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

use crate::key::{PrivateKey, PublicKey};
use crate::util::secret::{SecretBytes, SecretText};

/// A token or a key with its secret content.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A signed or unsigned token (RFC 7519).
    Token(SecretText),
    /// The user JWT of a NATS credentials file.
    NatsToken(SecretText),
    /// An encrypted token (RFC 7516).
    EncryptedToken(SecretText),
    /// A private key.
    PrivateKey(KeyMaterial),
    /// A private key that a passphrase protects: the bytes of its PEM block.
    EncryptedKey(SecretBytes),
    /// A public key.
    PublicKey(PublicKey),
    /// The seed of an nkey.
    NkeySeed(KeyMaterial),
    /// An HMAC secret.
    HmacSecret(SecretBytes),
    /// The key of the server's session cookies.
    SessionKey(SecretBytes),
}

/// A private key as its public key and the fingerprint of its raw bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyMaterial {
    pub(super) public: PublicKey,
    fingerprint: String,
}

impl KeyMaterial {
    /// Reads the raw bytes of a private key.
    pub(super) fn new(key: &PrivateKey) -> Self {
        let public = key.public();
        let fingerprint = match key {
            PrivateKey::Ed25519(_) => {
                key.to_ed25519_pair().map_or_else(|_| String::new(), |pair| fingerprint(pair.expose()))
            }
            PrivateKey::Ec { scalar, .. } => fingerprint(scalar.expose()),
            PrivateKey::Rsa { pkcs1, .. } => fingerprint(pkcs1.expose()),
        };
        Self { public, fingerprint }
    }
}

/// The first 12 hexadecimal digits of SHA-256.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    HEXLOWER.encode(digest.as_ref().get(..6).unwrap_or_default())
}

/// The raw bytes of a public key: 32 bytes for Ed25519, both coordinates for EC, the modulus for RSA.
fn public_bytes(key: &PublicKey) -> Vec<u8> {
    match key {
        PublicKey::Rsa { modulus, .. } => modulus.clone(),
        other => match other.coordinates() {
            Some((x, y)) => [x, y].concat(),
            None => other.ed25519_bytes().map_or_else(|_| Vec::new(), |bytes| bytes.to_vec()),
        },
    }
}

impl Item {
    /// Returns the kind, as in reports.
    pub(super) const fn kind(&self) -> OccurrenceKind {
        match self {
            Self::Token(_) => OccurrenceKind::Token,
            Self::NatsToken(_) => OccurrenceKind::NatsToken,
            Self::EncryptedToken(_) => OccurrenceKind::EncryptedToken,
            Self::PrivateKey(_) | Self::EncryptedKey(_) => OccurrenceKind::PrivateKey,
            Self::PublicKey(_) => OccurrenceKind::PublicKey,
            Self::NkeySeed(_) => OccurrenceKind::NkeySeed,
            Self::HmacSecret(_) => OccurrenceKind::HmacSecret,
            Self::SessionKey(_) => OccurrenceKind::SessionKey,
        }
    }

    /// Returns the fingerprint: of the token, or of the raw bytes of the key.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::Token(text) | Self::NatsToken(text) | Self::EncryptedToken(text) => {
                fingerprint(text.expose().as_bytes())
            }
            Self::PrivateKey(key) | Self::NkeySeed(key) => key.fingerprint.clone(),
            Self::PublicKey(key) => fingerprint(&public_bytes(key)),
            Self::EncryptedKey(bytes) | Self::HmacSecret(bytes) | Self::SessionKey(bytes) => {
                fingerprint(bytes.expose())
            }
        }
    }

    /// Returns the public key, if the item is a key pair or a public key.
    pub(super) const fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::PrivateKey(key) | Self::NkeySeed(key) => Some(&key.public),
            Self::PublicKey(key) => Some(key),
            _ => None,
        }
    }

    /// Returns whether other accounts must not read it.
    pub(super) const fn is_secret(&self) -> bool {
        !matches!(self, Self::PublicKey(_))
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum OccurrenceKind {
    /// A signed or unsigned token.
    Token,
    /// The user JWT of NATS credentials.
    NatsToken,
    /// An encrypted token, whose claims cannot be read.
    EncryptedToken,
    /// A private key.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// An HMAC secret.
    HmacSecret,
    /// The key of the server's session cookies.
    SessionKey,
    /// The seed of an nkey.
    NkeySeed,
}

impl OccurrenceKind {
    /// Returns the name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::NatsToken => "nats-token",
            Self::EncryptedToken => "encrypted-token",
            Self::PrivateKey => "private-key",
            Self::PublicKey => "public-key",
            Self::HmacSecret => "hmac-secret",
            Self::SessionKey => "session-key",
            Self::NkeySeed => "nkey-seed",
        }
    }

    /// Returns whether it is a token of any kind.
    #[must_use]
    pub const fn is_token(self) -> bool {
        matches!(self, Self::Token | Self::NatsToken | Self::EncryptedToken)
    }
}
