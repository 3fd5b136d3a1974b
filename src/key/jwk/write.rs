//! Writes keys as JWKs.

use pkcs8::der::Decode as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::algorithm::Algorithm;
use super::super::encoding::encode_url;
use super::super::error::KeyError;
use super::super::private::PrivateKey;
use super::super::public::PublicKey;
use super::super::verifying::thumbprint;
use crate::util::quote::escape_json;
use crate::util::secret::SecretBytes;

/// Writes a public key as a JWK on one line, with `use` and `alg`.
///
/// `kid` defaults to the thumbprint (RFC 7638). An RSA key has no `alg`, since it supports six
/// algorithms.
#[must_use]
pub fn write_public(key: &PublicKey, kid: Option<&str>, algorithm: Option<Algorithm>) -> String {
    let own = match key {
        PublicKey::Rsa { .. } => None,
        other => other.algorithms().first().copied(),
    };
    let mut object = Object::new();
    object.public(key);
    object.purpose(kid.unwrap_or(&thumbprint(key)), algorithm.or(own));
    object.end().to_string()
}

/// Writes a private key as a JWK on one line; see [`write_public`].
///
/// # Errors
/// [`KeyError::Der`], which does not occur for a validated key.
pub fn write_private(
    key: &PrivateKey,
    kid: Option<&str>,
    algorithm: Option<Algorithm>,
) -> Result<Zeroizing<String>, KeyError> {
    let public = key.public();
    let mut object = Object::new();
    object.public(&public);
    match key {
        PrivateKey::Ed25519(key) => object.member("d", &encode_url(key.as_bytes())),
        PrivateKey::Ec { scalar, .. } => object.member("d", &encode_url(scalar.expose())),
        PrivateKey::Rsa { pkcs1, .. } => {
            let key = pkcs1::RsaPrivateKeyRef::from_der(pkcs1.expose())
                .map_err(|error| super::super::error::from_der("RSA private key", error.kind()))?;
            for (name, number) in [
                ("d", key.private_exponent),
                ("p", key.prime1),
                ("q", key.prime2),
                ("dp", key.exponent1),
                ("dq", key.exponent2),
                ("qi", key.coefficient),
            ] {
                object.member(name, &encode_url(number.as_bytes()));
            }
        }
    }
    let own = match &public {
        PublicKey::Rsa { .. } => None,
        other => other.algorithms().first().copied(),
    };
    object.purpose(kid.unwrap_or(&thumbprint(&public)), algorithm.or(own));
    Ok(object.end())
}

/// Writes an HMAC secret as a JWK on one line. Its thumbprint is never used as the key ID, because it
/// is a hash of the secret.
#[must_use]
pub fn write_hmac_secret(secret: &SecretBytes, kid: Option<&str>, algorithm: Algorithm) -> Zeroizing<String> {
    let mut object = Object::new();
    object.member("kty", "oct");
    object.member("k", &encode_url(secret.expose()));
    object.member("use", "sig");
    object.member("alg", algorithm.name());
    if let Some(kid) = kid {
        object.member("kid", kid);
    }
    object.end()
}

/// A JSON object of strings under construction, wiped when dropped.
struct Object(Zeroizing<String>);

impl Object {
    fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(4096)))
    }

    fn member(&mut self, name: &str, value: &str) {
        let before = if self.0.is_empty() { '{' } else { ',' };
        self.0.push(before);
        self.0.push_str(&Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(&escape_json(&Zeroizing::new(Value::from(value).to_string())));
    }

    fn public(&mut self, key: &PublicKey) {
        match key {
            PublicKey::Ed25519(point) => {
                self.member("kty", "OKP");
                self.member("crv", "Ed25519");
                self.member("x", &encode_url(point.as_bytes()));
            }
            PublicKey::Ec { curve, .. } => {
                let (x, y) = key.coordinates().unwrap_or_default();
                self.member("kty", "EC");
                self.member("crv", curve.name());
                self.member("x", &encode_url(x));
                self.member("y", &encode_url(y));
            }
            PublicKey::Rsa { modulus, exponent } => {
                self.member("kty", "RSA");
                self.member("n", &encode_url(modulus));
                self.member("e", &encode_url(exponent));
            }
        }
    }

    fn purpose(&mut self, kid: &str, algorithm: Option<Algorithm>) {
        self.member("use", "sig");
        if let Some(algorithm) = algorithm {
            self.member("alg", algorithm.name());
        }
        self.member("kid", kid);
    }

    fn end(mut self) -> Zeroizing<String> {
        self.0.push('}');
        self.0
    }
}
