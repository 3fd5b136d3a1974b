//! Errors of logins and sessions.

use std::path::PathBuf;

use super::oidc::error::OidcError;
use super::oidc::provider_config::ProviderConfigError;
use super::session_error::SessionError;
use crate::clustercockpit::client::ServerError;
use crate::config::ConfigError;
use crate::http::HttpError;
use crate::ldap::LdapError;
use crate::token::SignError;
use crate::user::UsernameError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::Diagnostic;
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};
use crate::util::time::human_span;

/// The longest username, in bytes: the limit of the column in the user table.
pub const MAX_NAME_BYTES: usize = 255;

/// An error of a login or a session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong username or password. The message does not distinguish them, and both take the same time.
    #[error("login of {} rejected: wrong username or password", quote(.0))]
    Rejected(String),
    /// The token is not accepted.
    #[error("login with a token rejected: {reason}")]
    TokenRejected {
        /// The first check that failed.
        reason: String,
        /// The next step.
        hint: Option<String>,
    },
    /// The token is for another user.
    #[error("the token is for {}, expected {}", quote(.found), quote(.expected))]
    OtherSubject {
        /// The subject of the token.
        found: String,
        /// The user who logs in.
        expected: String,
    },
    /// The attempt limit is reached.
    #[error("too many failed logins of {}: wait {}", quote(.name), human_span(*.seconds))]
    TooManyAttempts {
        /// The username.
        name: String,
        /// The time until the next attempt, in seconds.
        seconds: u64,
    },
    /// A username longer than the limit of the user table.
    #[error("the username has {length} bytes: expected at most {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// An LDAP user whose name is not valid for the user table.
    #[error("the LDAP server accepts the login, but the user cannot be added: {0}")]
    NotAddable(UsernameError),
    /// The user table.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// The LDAP server.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The session file, or the file of the attempt limit.
    #[error(transparent)]
    File(#[from] FileError),
    /// The token of the session cannot be issued.
    #[error(transparent)]
    Issue(#[from] SignError),
    /// No directory for the session file.
    #[error("no directory for the session: XDG_RUNTIME_DIR, XDG_STATE_HOME and HOME are not set")]
    NoDirectory,
    /// The content of the session file.
    #[error("invalid session file {}: {why}", quote_path(.path))]
    SessionInvalid {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// The session file of another account.
    #[error("{} belongs to another account and is not read", quote_path(.0))]
    SessionForeign(PathBuf),
    /// A session lifetime of less than a second.
    #[error("invalid session lifetime {}: expected at least 1s", quote(&.0.to_string()))]
    SessionLength(GoDuration),
    /// A username that is a typing error of a command, and not in the user table.
    #[error("{} is neither a command nor a user in the user table", quote(.name))]
    MistypedCommand {
        /// The username.
        name: String,
        /// The command.
        command: &'static str,
    },
    /// The provider of an OpenID login in the settings.
    #[error(transparent)]
    ProviderConfig(#[from] ProviderConfigError),
    /// An OpenID login.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// A request to a server or provider.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A login at a running server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The token of a running server.
    #[error(transparent)]
    RemoteToken(#[from] RemoteTokenError),
    /// The stored session.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Diagnostic for LoginError {
    fn kind(&self) -> Kind {
        match self {
            Self::Rejected(_) => Kind::LoginRejected,
            Self::TokenRejected { .. } => Kind::TokenRejected,
            Self::OtherSubject { .. } => Kind::TokenOtherSubject,
            Self::TooManyAttempts { .. } => Kind::TooManyAttempts,
            Self::NameTooLong { .. } => Kind::UsernameTooLong,
            Self::NotAddable(error) => error.kind(),
            Self::UserDb(error) => error.kind(),
            Self::Ldap(error) => error.kind(),
            Self::Config(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Issue(error) => error.kind(),
            Self::NoDirectory => Kind::NoSessionDirectory,
            Self::SessionInvalid { .. } => Kind::SessionMalformed,
            Self::SessionForeign(_) => Kind::SessionWrongOwner,
            Self::SessionLength(_) => Kind::SessionLength,
            Self::MistypedCommand { .. } => Kind::Usage,
            Self::ProviderConfig(error) => error.kind(),
            Self::Oidc(error) => error.kind(),
            Self::Http(error) => error.kind(),
            Self::Server(error) => error.kind(),
            Self::RemoteToken(error) => error.kind(),
            Self::Session(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TokenRejected { hint, .. } => hint.clone(),
            Self::UserDb(error) => error.hint(),
            Self::Ldap(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Issue(error) => error.hint(),
            Self::NoDirectory => Some("export XDG_STATE_HOME=$HOME/.local/state".to_owned()),
            Self::SessionInvalid { .. } => Some("run 'cc-login logout', then log in again".to_owned()),
            Self::ProviderConfig(error) => error.hint(),
            Self::Oidc(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Server(error) => error.hint(),
            Self::RemoteToken(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::MistypedCommand { name, command } => Some(format!(
                "did you mean 'cc-login {command}'? To log in under this name: cc-login username={}",
                shell_word(name)
            )),
            Self::SessionLength(_) => Some("set 'session-max-age' in config.json, as in \"24h\"".to_owned()),
            Self::Rejected(_)
            | Self::OtherSubject { .. }
            | Self::TooManyAttempts { .. }
            | Self::NameTooLong { .. }
            | Self::NotAddable(_)
            | Self::SessionForeign(_) => None,
        }
    }
}

/// Why the token of the server is not used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteTokenError {
    /// Not a token.
    #[error("the server issued an invalid token: {0}")]
    Malformed(String),
    /// The token of another user.
    #[error("the server issued a token for {}, expected {}", quote(.found), quote(.expected))]
    OtherSubject {
        /// The subject of the token.
        found: String,
        /// The user that was requested.
        expected: String,
    },
    /// An expired token.
    #[error(
        "the server issued {}: the session is not stored",
        if *.has_zero_lifetime { "a token with a lifetime of 0" } else { "a token that is already expired" }
    )]
    Expired {
        /// Whether the token expires when it is issued.
        has_zero_lifetime: bool,
    },
}

impl Diagnostic for RemoteTokenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) => Kind::ServerTokenMalformed,
            Self::OtherSubject { .. } => Kind::ServerTokenOtherSubject,
            Self::Expired { .. } => Kind::ServerTokenExpired,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Expired { has_zero_lifetime: true } => Some(
                "remove auth.jwts.max-age from the server's config.json, or set a positive duration such as \"24h\""
                    .to_owned(),
            ),
            Self::Expired { has_zero_lifetime: false } => {
                Some("compare this computer's clock with the server's".to_owned())
            }
            _ => None,
        }
    }
}
