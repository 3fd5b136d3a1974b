//! Login methods and the result of a login.

use crate::user::User;

/// A login method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The password in the user table.
    Local,
    /// A bind to the LDAP server.
    Ldap,
    /// A token of the server or of a trusted issuer, or one signed with the HMAC secret.
    Token,
    /// An OpenID Connect provider.
    Oidc,
    /// A running server.
    Remote,
    /// A Stronghold, OpenBao or Vault server.
    Stronghold,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 6] =
        [Self::Local, Self::Ldap, Self::Token, Self::Oidc, Self::Remote, Self::Stronghold];

    /// The name of the method in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Remote => "remote",
            Self::Stronghold => "stronghold",
        }
    }
}

/// The user of a successful login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Identity {
    /// The user, with the roles of the login.
    pub user: User,
    /// The method.
    pub method: Method,
}
