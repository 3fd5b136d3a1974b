//! Who somebody turned out to be, and how that was found out.

use crate::user::User;

/// A way of finding out who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A password of the server's own.
    Local,
    /// A bind to the directory.
    Ldap,
    /// A token of the server, of a trusted issuer, or by the shared key.
    Token,
    /// An OpenID Connect provider.
    Oidc,
    /// The server itself, asked over the network.
    Remote,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Local, Self::Ldap, Self::Token, Self::Oidc, Self::Remote];

    /// Its name, as typed and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Remote => "remote",
        }
    }
}

/// Somebody who proved who he or she is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Identity {
    /// The user, with the roles that count.
    pub user: User,
    /// How it was found out.
    pub method: Method,
}
