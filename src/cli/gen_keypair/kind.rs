//! Kinds of keys and output formats.

use clap::ValueEnum;

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyKind {
    /// The server's own key pair, for EdDSA
    #[value(alias = "eddsa")]
    Ed25519,
    /// A key pair on P-256
    Es256,
    /// A key pair on P-384
    Es384,
    /// An RSA key pair of 3072 bits
    Rs256,
    /// An HMAC secret of 64 bytes for logins with tokens of other systems (CROSS_LOGIN_JWT_HS512_KEY)
    Hs512,
    /// The secret of web session cookies, 32 bytes (SESSION_KEY)
    Session,
}

/// An output format of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Lines NAME="base64" for the server's environment file
    Env,
    /// PKCS#8 and SPKI, for openssl
    Pem,
    /// A JSON Web Key with the private key
    Jwk,
    /// A JSON Web Key Set with this key
    Jwks,
    /// Seed and public key in the format of NATS
    Nkey,
    /// A report with all formats of this kind of key
    Json,
}

impl KeyKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Es256 => "es256",
            Self::Es384 => "es384",
            Self::Rs256 => "rs256",
            Self::Hs512 => "hs512",
            Self::Session => "session",
        }
    }

    /// The formats of this kind; the first one is the default.
    pub(super) const fn formats(self) -> &'static [OutputFormat] {
        use OutputFormat::{Env, Json, Jwk, Jwks, Nkey, Pem};
        match self {
            Self::Ed25519 => &[Env, Pem, Jwk, Jwks, Nkey, Json],
            Self::Es256 | Self::Es384 | Self::Rs256 => &[Pem, Jwk, Jwks, Json],
            Self::Hs512 => &[Env, Jwk, Json],
            Self::Session => &[Env, Json],
        }
    }
}

impl OutputFormat {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Pem => "pem",
            Self::Jwk => "jwk",
            Self::Jwks => "jwks",
            Self::Nkey => "nkey",
            Self::Json => "json",
        }
    }
}
