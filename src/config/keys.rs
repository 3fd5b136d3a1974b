//! Keys from environment variables, decoded on first use.

use super::error::ConfigError;
use super::secrets::Secret;
use super::settings::Settings;
use super::variable::Variable;
use crate::key::encoding::decode_variable;
use crate::key::verifying::server_base64;
use crate::key::{KeyError, KeyStrength, PrivateKey, PublicKey, SigningKey, VerifyingKey, published};
use crate::util::note::Notes;

impl Settings {
    /// Returns the server's public key, `JWT_PUBLIC_KEY`. Warns if its private key is publicly
    /// known.
    ///
    /// # Errors
    /// [`ConfigError::Unset`] and [`ConfigError::Key`].
    pub fn verifying_key(&self, notes: &mut Notes) -> Result<VerifyingKey, ConfigError> {
        self.public(Variable::JwtPublicKey, notes).map(VerifyingKey::public)
    }

    /// Returns the external issuer's public key, `CROSS_LOGIN_JWT_PUBLIC_KEY`.
    ///
    /// # Errors
    /// As [`Settings::verifying_key`].
    pub fn cross_login_key(&self, notes: &mut Notes) -> Result<VerifyingKey, ConfigError> {
        self.public(Variable::CrossLoginJwtPublicKey, notes).map(VerifyingKey::public)
    }

    /// Returns the server's private key, `JWT_PRIVATE_KEY`. If `JWT_PUBLIC_KEY` is also set, it
    /// must match, because the server would otherwise reject its own tokens.
    ///
    /// # Errors
    /// [`ConfigError::Unset`], [`ConfigError::Key`] and [`ConfigError::NoPair`].
    pub fn signing_key(&self, notes: &mut Notes) -> Result<SigningKey, ConfigError> {
        let secret = self.secrets.require(Variable::JwtPrivateKey)?;
        let key = decode_variable(secret.text.expose(), "private key")
            .and_then(|pair| PrivateKey::ed25519_from_pair(&pair))
            .map_err(|error| malformed(secret, error))?;
        warn_if_published(secret, &key.public(), notes);
        if let Some(public) = self.secret(Variable::JwtPublicKey) {
            let other = server_base64(public.text.expose()).map_err(|error| malformed(public, error))?;
            if other != key.public() {
                return Err(ConfigError::NoPair { private: secret.place(), public: public.place() });
            }
        }
        SigningKey::private(key).map_err(|error| malformed(secret, error))
    }

    /// Returns the HMAC secret of `/jwt-login`, `CROSS_LOGIN_JWT_HS512_KEY`, for HS512 and HS256.
    /// An empty secret is always an error; a secret shorter than the hash is an error unless `weak`
    /// allows it.
    ///
    /// # Errors
    /// [`ConfigError::Unset`] and [`ConfigError::Key`].
    pub fn hmac_secret(&self, weak: KeyStrength) -> Result<VerifyingKey, ConfigError> {
        let secret = self.secrets.require(Variable::CrossLoginJwtHs512Key)?;
        VerifyingKey::hmac_secret_from_base64(&secret.text, weak).map_err(|error| malformed(secret, error))
    }

    /// Returns the HMAC secret for signing.
    ///
    /// # Errors
    /// As [`Settings::hmac_secret`].
    pub fn hmac_signing_key(&self, weak: KeyStrength) -> Result<SigningKey, ConfigError> {
        let secret = self.secrets.require(Variable::CrossLoginJwtHs512Key)?;
        SigningKey::hmac_secret_from_base64(&secret.text, weak).map_err(|error| malformed(secret, error))
    }

    fn public(&self, variable: Variable, notes: &mut Notes) -> Result<PublicKey, ConfigError> {
        let secret = self.secrets.require(variable)?;
        let key = server_base64(secret.text.expose()).map_err(|error| malformed(secret, error))?;
        warn_if_published(secret, &key, notes);
        Ok(key)
    }
}

fn malformed(secret: &Secret, error: KeyError) -> ConfigError {
    ConfigError::Key { variable: secret.variable, error: error.configured(secret.place()) }
}

fn warn_if_published(secret: &Secret, key: &PublicKey, notes: &mut Notes) {
    if let Some(place) = published(key) {
        let text = format!("{} is {place}: anyone can sign tokens that this key verifies", secret.place());
        if matches!(secret.variable, Variable::JwtPublicKey | Variable::JwtPrivateKey) {
            notes.danger_with(
                "key-compromised",
                text,
                "generate a new key pair, which invalidates all tokens: gen-keypair --write --force",
            );
        } else {
            notes.warn("key-compromised", text);
        }
    }
}
