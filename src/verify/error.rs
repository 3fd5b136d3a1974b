//! Errors that prevent a verification, caused by the request, the keys or the user table.

use crate::config::ConfigError;
use crate::http::HttpError;
use crate::key::KeyFileError;
use crate::oidc::discovery::DiscoveryError;
use crate::oidc::jwks_cache::RemoteJwksError;
use crate::policy::login_role::LoginRoleError;
use crate::token::TokenError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::{Diagnostic, diagnostics};
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};

/// Why a token cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key in a file or in a login role's configuration cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A key in the configuration of login roles cannot be used.
    #[error(transparent)]
    RoleKey(KeyFileError),
    /// A configured key cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys cannot be fetched.
    #[error(transparent)]
    Remote(#[from] RemoteJwksError),
    /// The keys of login roles cannot be fetched.
    #[error("{}: {error}", escape(.setting))]
    RoleKeySet {
        /// The setting with their URL.
        setting: String,
        /// The reason.
        error: Box<RemoteJwksError>,
    },
    /// No JWKS has a usable key.
    #[error("the key set{} has no usable key", if *is_fetched { " from the URL" } else { "" })]
    UnusableSets {
        /// Whether one of the JWKSs was fetched.
        is_fetched: bool,
    },
    /// The user table is required but cannot be read.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// The input is not a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The login role or its configuration has errors.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    LoginRole(Vec<LoginRoleError>),
    /// A file with a login role is not JSON.
    #[error("{file}: {problem}")]
    NotJson {
        /// The file, quoted.
        file: String,
        /// The reason, with line and column.
        problem: String,
    },
    /// A file with a login role has a duplicate member.
    #[error("{file}: duplicate member {}", quote(.name))]
    DuplicateMember {
        /// The file, quoted.
        file: String,
        /// The member.
        name: String,
    },
    /// The name is neither a configured login role nor a file.
    #[error("unknown login role {}: auth.jwt-roles is not set, and the file does not exist", quote(.name))]
    UnknownRole {
        /// The name.
        name: String,
    },
    /// No keys for login roles are configured or given.
    #[error("no keys for login roles: the settings have no auth.jwt-config")]
    NoRoleKeys,
}

impl From<HttpError> for VerifyError {
    fn from(error: HttpError) -> Self {
        Self::Remote(error.into())
    }
}

impl From<DiscoveryError> for VerifyError {
    fn from(error: DiscoveryError) -> Self {
        Self::Remote(error.into())
    }
}

impl From<Vec<LoginRoleError>> for VerifyError {
    fn from(errors: Vec<LoginRoleError>) -> Self {
        Self::LoginRole(errors)
    }
}

diagnostics! { VerifyError:
    Self::File(error) => error.kind(), error.hint();
    Self::Key(error) => error.kind(), error.hint();
    Self::RoleKey(error) => error.kind().in_configuration(), error.hint();
    Self::Config(error) => error.kind(), error.hint();
    Self::Remote(error) => error.kind(), error.hint();
    Self::RoleKeySet { error, .. } => error.kind(), error.hint();
    Self::UnusableSets { is_fetched: true } => Kind::RemoteKeySetUnusable;
    Self::UnusableSets { is_fetched: false } => Kind::KeySetUnusable;
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Token(error) => error.kind(), error.hint();
    Self::LoginRole(errors) => errors.first().map_or(Kind::LoginRoleValue, Diagnostic::kind),
        errors.first().and_then(Diagnostic::hint);
    Self::NotJson { .. } => Kind::LoginRoleNotJson;
    Self::DuplicateMember { .. } => Kind::LoginRoleDuplicateMember;
    Self::UnknownRole { .. } => Kind::LoginRoleMissing, "name a file: --login-role ./ROLE.json";
    Self::NoRoleKeys => Kind::LoginRoleConfigMissing,
        "give the keys: --key FILE, --jwks FILE|URL, --discovery URL or --role-config FILE"
                    .to_owned();
}
