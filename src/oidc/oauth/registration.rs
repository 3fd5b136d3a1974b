//! The registration of the client with the provider, and client authentication.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::key::SigningKey;
use crate::util::secret::SecretText;

/// The registration of this client with the provider.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client ID (`OID_CLIENT_ID`).
    pub client_id: String,
    /// How the client authenticates itself.
    pub credentials: ClientCredentials,
    /// The settings with these values, for hints.
    pub names: ClientSettings,
}

/// The names of the settings of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// The setting with the client ID, such as `OID_CLIENT_ID`.
    pub client_id: String,
    /// The setting with the client secret, such as `OID_CLIENT_SECRET`.
    pub client_secret: String,
    /// The setting with the file of the private key, such as `auth.oidc.client-key-file`.
    pub client_key: String,
}

/// The credentials of a client.
#[derive(Debug, Clone)]
pub enum ClientCredentials {
    /// None: a public client.
    Public,
    /// A secret that the provider knows (`OID_CLIENT_SECRET`).
    Secret {
        /// The secret.
        secret: SecretText,
        /// The client authentication method. `None` selects it from the discovery document, and tries the
        /// other method if the provider rejects the first.
        method: Option<ClientAuth>,
    },
    /// A private key that signs an assertion for each request; the provider knows the public key.
    PrivateKey(Box<SigningKey>),
    /// A token of another issuer that the provider trusts, such as that of a CI job (RFC 7523 2.2).
    Assertion(SecretText),
}

/// A client authentication method (RFC 6749 2.3.1), with the names of OpenID Connect Core 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// The secret is in the `Authorization` header.
    Basic,
    /// The secret is in the form.
    Post,
    /// A signed assertion is in the form.
    PrivateKeyJwt,
}

impl ClientAuth {
    /// The methods with a secret, the preferred one first.
    pub const WITH_SECRET: [Self; 2] = [Self::Basic, Self::Post];

    /// Returns the name in discovery documents and registrations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Returns the method with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Basic, Self::Post, Self::PrivateKeyJwt].into_iter().find(|method| method.name() == name)
    }

    /// Returns the other method with a secret.
    pub(super) const fn other(self) -> Option<Self> {
        match self {
            Self::Basic => Some(Self::Post),
            Self::Post => Some(Self::Basic),
            Self::PrivateKeyJwt => None,
        }
    }
}

/// Creates the `Authorization` header of RFC 6749 2.3.1: both parts form-encoded, then base64.
pub(super) fn basic_credentials(client_id: &str, secret: &SecretText) -> Zeroizing<String> {
    let encode = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let plain = Zeroizing::new(format!("{}:{}", encode(client_id), *Zeroizing::new(encode(secret.expose()))));
    let coded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
    Zeroizing::new(format!("Basic {}", *coded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_form_encoded_before_base64() {
        // RFC 6749 2.3.1; the RFC's example has no characters to encode.
        let header = basic_credentials("s6BhdRkqt3", &SecretText::new("7Fjfp0ZBr1KtDRbnfVdmIw".to_owned()));
        assert_eq!(*header, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
        let header = basic_credentials("a:b", &SecretText::new("c d%".to_owned()));
        assert_eq!(*header, format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25")));
    }
}
