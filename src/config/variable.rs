//! The server's environment variables for keys and passwords.

use std::path::Path;

use crate::util::file::shell_word;

/// An environment variable of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// Standard base64 of the server's 32-byte Ed25519 public key.
    JwtPublicKey,
    /// Standard base64 of the server's 64-byte private key (seed and public key).
    JwtPrivateKey,
    /// Standard base64 of an external issuer's 32-byte Ed25519 public key.
    CrossLoginJwtPublicKey,
    /// Standard base64 of an HMAC secret.
    CrossLoginJwtHs512Key,
    /// The secret of the web session cookies.
    SessionKey,
    /// The password of LDAP's `search-dn`.
    LdapAdminPassword,
    /// The OpenID Connect client ID.
    OidClientId,
    /// The OpenID Connect client secret.
    OidClientSecret,
}

impl Variable {
    /// All variables.
    pub const ALL: [Self; 8] = [
        Self::JwtPublicKey,
        Self::JwtPrivateKey,
        Self::CrossLoginJwtPublicKey,
        Self::CrossLoginJwtHs512Key,
        Self::SessionKey,
        Self::LdapAdminPassword,
        Self::OidClientId,
        Self::OidClientSecret,
    ];

    /// The name of the variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JwtPublicKey => "JWT_PUBLIC_KEY",
            Self::JwtPrivateKey => "JWT_PRIVATE_KEY",
            Self::CrossLoginJwtPublicKey => "CROSS_LOGIN_JWT_PUBLIC_KEY",
            Self::CrossLoginJwtHs512Key => "CROSS_LOGIN_JWT_HS512_KEY",
            Self::SessionKey => "SESSION_KEY",
            Self::LdapAdminPassword => "LDAP_ADMIN_PASSWORD",
            Self::OidClientId => "OID_CLIENT_ID",
            Self::OidClientSecret => "OID_CLIENT_SECRET",
        }
    }

    /// Whether the value is not secret.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::JwtPublicKey | Self::CrossLoginJwtPublicKey | Self::OidClientId)
    }

    /// The hint for a malformed value; it does not destroy a value that can be repaired.
    pub(super) const fn repair(self) -> Option<&'static str> {
        match self {
            Self::JwtPublicKey | Self::JwtPrivateKey => Some(
                "restore it from a backup ('.env.old' is the file before the last change); \
                 a new pair (gen-keypair --write --force) invalidates all tokens",
            ),
            Self::CrossLoginJwtHs512Key | Self::SessionKey => Some(
                "restore it from a backup ('.env.old' is the file before the last change); a new one invalidates all tokens or sessions of the old one",
            ),
            Self::CrossLoginJwtPublicKey => Some("convert-pem-pubkey --write --force issuer.pem"),
            Self::LdapAdminPassword | Self::OidClientId | Self::OidClientSecret => None,
        }
    }

    /// The variable of the other key of the same pair.
    pub(super) const fn counterpart(self) -> Option<Self> {
        match self {
            Self::JwtPublicKey => Some(Self::JwtPrivateKey),
            Self::JwtPrivateKey => Some(Self::JwtPublicKey),
            _ => None,
        }
    }

    /// The hint for a missing value. `has_counterpart`: the other key of the pair is set.
    pub(super) fn remedy(self, has_counterpart: bool, env_file: Option<&Path>) -> Option<String> {
        let command = match self {
            // The public key can be derived from the private key.
            Self::JwtPublicKey if has_counterpart => "cc-user init",
            // A new pair would replace the public key and invalidate all tokens.
            Self::JwtPrivateKey if has_counterpart => return self.repair().map(str::to_owned),
            Self::JwtPublicKey | Self::JwtPrivateKey => "gen-keypair --write",
            Self::CrossLoginJwtPublicKey => "convert-pem-pubkey --write issuer.pem",
            Self::CrossLoginJwtHs512Key => "gen-keypair --algorithm hs512 --write",
            Self::SessionKey => "gen-keypair --algorithm session --write",
            Self::LdapAdminPassword => {
                return Some(
                    "put LDAP_ADMIN_PASSWORD='…' into .env, or remove 'search-dn' from config.json"
                        .to_owned(),
                );
            }
            Self::OidClientId | Self::OidClientSecret => return None,
        };
        Some(match env_file.filter(|path| !matches!(path.to_str(), Some(".env" | "./.env"))) {
            Some(path) => format!("{command} --env-file {}", shell_word(&path.to_string_lossy())),
            None => command.to_owned(),
        })
    }
}
