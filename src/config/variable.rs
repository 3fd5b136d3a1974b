//! The variables of the server's environment that hold keys and passwords.

use std::path::Path;

use crate::util::file::shell_word;

/// A variable of the server's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// Standard base64 of the own 32-byte Ed25519 public key.
    JwtPublicKey,
    /// Standard base64 of the own seed and public key, 64 bytes.
    JwtPrivateKey,
    /// Standard base64 of an external issuer's 32-byte Ed25519 public key.
    CrossLoginJwtPublicKey,
    /// Standard base64 of an HMAC secret.
    CrossLoginJwtHs512Key,
    /// Secret of the web session cookies.
    SessionKey,
    /// Password of LDAP's `search-dn`.
    LdapAdminPassword,
    /// OpenID Connect client.
    OidClientId,
    /// Its secret.
    OidClientSecret,
}

impl Variable {
    /// All of them.
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

    /// Its name.
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

    /// Whether others may know it.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::JwtPublicKey | Self::CrossLoginJwtPublicKey | Self::OidClientId)
    }

    /// What to do where its value is malformed: nothing that destroys a value which can be repaired.
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

    /// The other key of the pair that it is a part of.
    pub(super) const fn counterpart(self) -> Option<Self> {
        match self {
            Self::JwtPublicKey => Some(Self::JwtPrivateKey),
            Self::JwtPrivateKey => Some(Self::JwtPublicKey),
            _ => None,
        }
    }

    /// What to do where it is missing, in this environment file; `has_counterpart`: the other key
    /// of its pair is set.
    pub(super) fn remedy(self, has_counterpart: bool, env_file: Option<&Path>) -> Option<String> {
        let command = match self {
            // It is computed from the private key.
            Self::JwtPublicKey if has_counterpart => "cc-user init",
            // A new pair would replace the public key, and with it invalidate all tokens.
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
