//! Users as the server knows them: a valid name, roles, projects, and where the record came from.
//!
//! Knows nothing of the database that holds them.

pub mod account;
pub mod exchange;
pub mod name;
pub mod password;
pub mod role;

pub use account::{AccountDraft, AccountError};
pub use name::{Username, UsernameError, plain};
pub use password::{PasswordError, PasswordHash};
pub use role::{Role, RoleError};

/// Where a user's record came from; the number is what the database column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthSource {
    /// Made by hand, with a password of its own.
    Local,
    /// From the directory.
    Ldap,
    /// From a token of a trusted issuer.
    Token,
    /// From an OpenID Connect provider.
    Oidc,
}

impl AuthSource {
    /// All sources, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Local, Self::Ldap, Self::Token, Self::Oidc];

    /// The number in the database.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Local => 0,
            Self::Ldap => 1,
            Self::Token => 2,
            Self::Oidc => 3,
        }
    }

    /// The source with this number, if there is one.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.number() == number)
    }

    /// Its name, as typed and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Token => "token",
            Self::Oidc => "oidc",
        }
    }
}

impl std::str::FromStr for AuthSource {
    type Err = UnknownAuthSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == text)
            .ok_or_else(|| UnknownAuthSource(text.to_owned()))
    }
}

/// A source the server does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown auth source {}, wanted local, ldap, token or oidc", crate::util::quote::quote(.0))]
pub struct UnknownAuthSource(pub String);

/// A user's record, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, as it stands in the database.
    pub username: String,
    /// The full name.
    pub name: Option<String>,
    /// The roles as they stand; they may be unknown to the server or stand twice.
    pub roles: Vec<String>,
    /// The projects; only a manager has any.
    pub projects: Vec<String>,
    /// The mail address.
    pub email: Option<String>,
    /// Where the record came from; the bare number where the server knows no such source.
    pub source: Result<AuthSource, i64>,
}

impl User {
    /// Somebody who comes from the directory for the first time.
    #[must_use]
    pub fn from_directory(username: &str, name: Option<&str>) -> Self {
        Self {
            username: username.to_owned(),
            name: name.map(str::to_owned),
            roles: vec![Role::User.name().to_owned()],
            projects: Vec::new(),
            email: None,
            source: Ok(AuthSource::Ldap),
        }
    }

    /// Whether the user has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|name| name == role.name())
    }
}
