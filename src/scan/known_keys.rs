//! The keys whose tokens and copies a scan reports by name.

use crate::key::{PublicKey, VerifyingKey, published};
use crate::token::{Unverified, verify};
use crate::util::secret::SecretBytes;

/// A key with the name that reports use.
#[derive(Debug, Clone)]
pub(super) struct KnownKey {
    /// The name, such as `own`, `cross-login` or the name of `--key`.
    pub(super) name: String,
    /// The key.
    pub(super) key: VerifyingKey,
}

impl KnownKey {
    /// Returns whether the other key has the same public key or the same HMAC secret.
    pub(super) fn is_same_key(&self, other: &VerifyingKey) -> bool {
        match (self.key.public_key(), self.key.secret()) {
            (Some(public), _) => other.public_key() == Some(public),
            (None, Some(secret)) => other.secret() == Some(secret),
            (None, None) => false,
        }
    }
}

/// The known keys.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownKeys {
    keys: Vec<KnownKey>,
}

impl KnownKeys {
    /// Creates the list.
    #[must_use]
    pub(super) const fn new(keys: Vec<KnownKey>) -> Self {
        Self { keys }
    }

    /// Returns the keys of both lists.
    pub(super) fn union(&self, other: &Self) -> Self {
        Self { keys: [self.keys.as_slice(), &other.keys].concat() }
    }

    /// Returns whether a public key is known or its private key is published.
    pub(super) fn contains(&self, key: &PublicKey) -> bool {
        self.name(key).is_some() || published(key).is_some()
    }

    /// Returns the name of a public key.
    pub(super) fn name(&self, key: &PublicKey) -> Option<&str> {
        self.keys.iter().find(|known| known.key.public_key() == Some(key)).map(|known| known.name.as_str())
    }

    /// Returns the name of an HMAC secret.
    pub(super) fn name_of_secret(&self, secret: &SecretBytes) -> Option<&str> {
        self.keys.iter().find(|known| known.key.secret() == Some(secret)).map(|known| known.name.as_str())
    }

    /// Returns the key that signed a token.
    pub(super) fn signer(&self, token: &str) -> Option<&KnownKey> {
        let verifies = |known: &&KnownKey| {
            Unverified::parse_with_embedded_keys(token)
                .and_then(|token| verify(token, std::slice::from_ref(&known.key)))
                .is_ok()
        };
        self.keys.iter().find(verifies)
    }
}
