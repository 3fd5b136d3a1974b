//! Users of the server: username, roles, projects and auth source.
//!
//! Does not depend on the database that stores them.

use std::fmt;

pub mod account;
pub mod exchange;
pub mod name;
pub mod password;
mod pattern;
pub mod rights;
pub mod role;

pub use account::{AccountDraft, AccountError, EmailAddress, FullName, ProjectName, UserTextError};
pub use name::{Username, UsernameClaim, UsernameError, command_word, is_provider_id, normalized};
pub use password::{PasswordError, PasswordHash};
pub use pattern::UsernamePattern;
pub use rights::{GivenRights, RightsSource};
pub use role::{Role, RoleError};

/// The auth source of a user: how the server created the user and checks the password. The server
/// stores it as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthSource {
    /// Added by an administrator, with a password in the user table.
    Local,
    /// Added from the LDAP directory.
    Ldap,
    /// Added at a login with a token of a trusted issuer.
    Token,
    /// Added at a login with an OpenID provider.
    Oidc,
    /// A number that the server does not know.
    Unknown(i64),
}

impl AuthSource {
    /// All auth sources of the server, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Local, Self::Ldap, Self::Token, Self::Oidc];

    /// The number in the database.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Local => 0,
            Self::Ldap => 1,
            Self::Token => 2,
            Self::Oidc => 3,
            Self::Unknown(number) => number,
        }
    }

    /// The source with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|source| source.number() == number).unwrap_or(Self::Unknown(number))
    }

    /// Returns the name, as used in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for AuthSource {
    /// Writes the name, and the number of an unknown source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "unknown ({number})"),
            known => f.write_str(known.name()),
        }
    }
}

impl std::str::FromStr for AuthSource {
    type Err = UnknownAuthSource;

    /// Parses the name of an auth source of the server.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == text)
            .ok_or_else(|| UnknownAuthSource(text.to_owned()))
    }
}

/// A name that is not an auth source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown auth source {}: expected local, ldap, token or oidc", crate::util::quote::quote(.0))]
pub struct UnknownAuthSource(pub String);

/// A change of an optional value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The value is not changed.
    #[default]
    Keep,
    /// The value is removed.
    Clear,
    /// The value is replaced.
    Set(T),
}

/// A user's record, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The username, as it is in the database.
    pub username: String,
    /// The full name.
    pub name: Option<String>,
    /// The roles as stored: some may be unknown to the server or duplicates.
    pub roles: Vec<String>,
    /// The projects; only a manager has any.
    pub projects: Vec<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The auth source.
    pub source: AuthSource,
}

impl User {
    /// A new user from the LDAP directory, with the role `user`.
    #[must_use]
    pub fn from_ldap(username: &str, name: Option<&str>) -> Self {
        Self {
            username: username.to_owned(),
            name: name.map(str::to_owned),
            roles: vec![Role::User.name().to_owned()],
            projects: Vec::new(),
            email: None,
            source: AuthSource::Ldap,
        }
    }

    /// Whether the user has this role.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.iter().any(|name| name == role.name())
    }
}
