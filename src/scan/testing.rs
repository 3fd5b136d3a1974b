//! Keys and tokens for the tests of this module.

use serde_json::json;

use super::known_keys::{KnownKey, KnownKeys};
use crate::key::{PrivateKey, SigningKey};
use crate::token::{Claims, HeaderParams, sign};

/// The key that signs the tokens.
pub(super) fn signing_key() -> SigningKey {
    SigningKey::private(PrivateKey::ed25519_from_seed(&[7; 32]).unwrap()).unwrap()
}

/// The key, under the name `test`.
pub(super) fn known() -> KnownKeys {
    KnownKeys::new(vec![KnownKey { name: "test".to_owned(), key: signing_key().verifying_key() }])
}

/// A token with the role api that never expires.
pub(super) fn token(subject: &str) -> String {
    let mut claims = Claims::new();
    claims.set("sub", subject);
    claims.set("roles", json!(["api"]));
    let key = signing_key();
    sign(&HeaderParams::for_key(&key), &claims, &key).unwrap().expose().to_owned()
}

/// A private key in the server's form.
pub(super) fn pair_base64(key: &PrivateKey) -> String {
    data_encoding::BASE64.encode(key.to_ed25519_pair().unwrap().expose())
}
