//! Why somebody is not logged in.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::ldap::LdapError;
use crate::token::SignError;
use crate::user::UsernameError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::Diagnostic;
use crate::util::duration::GoDuration;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};
use crate::util::time::human_span;

/// The longest name that is looked at, in bytes: the column of the user table has room for 255.
pub const MAX_NAME_BYTES: usize = 255;

/// Why there is no login, or no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The answer is no. Which of name and password is wrong is not told, and takes the same time.
    #[error("the login of {} is refused: name or password is wrong", quote(.0))]
    Rejected(String),
    /// The token is no login, and why.
    #[error("the login by token is refused: {reason}")]
    TokenRejected {
        /// The first check that does not hold.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The token names somebody else.
    #[error("the token is for {}, wanted {}", quote(.found), quote(.expected))]
    OtherSubject {
        /// Whom it names.
        found: String,
        /// Who wants to log in.
        expected: String,
    },
    /// Too many failed attempts.
    #[error("too many failed attempts of {}: wait {}", quote(.name), human_span(*.seconds))]
    TooManyAttempts {
        /// The name.
        name: String,
        /// How long until the next attempt counts, in seconds.
        seconds: u64,
    },
    /// A name that is longer than any in the user table.
    #[error("the username has {length} bytes: expected at most {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A user whom the LDAP server accepts, but whose name no user can have.
    #[error("the LDAP server accepts the login, but the user cannot be added: {0}")]
    NotAddable(UsernameError),
    /// The user table.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// The directory.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The session's or the attempts' file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The session's token cannot be made.
    #[error(transparent)]
    Issue(#[from] SignError),
    /// Nowhere to keep a session.
    #[error("there is no place for the session: neither XDG_RUNTIME_DIR, XDG_STATE_HOME nor HOME names one")]
    NoDirectory,
    /// The session's file is none.
    #[error("{} holds no session: {why}", quote_path(.path))]
    SessionInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The session's file belongs to somebody else.
    #[error("{} belongs to another user and is not read", quote_path(.0))]
    SessionForeign(PathBuf),
    /// A session that would be over when it begins.
    #[error("a session of {} would be over when it begins", quote(&.0.to_string()))]
    SessionLength(GoDuration),
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
            Self::SessionInvalid { .. } => {
                Some("end it with 'cc-login logout', then log in again".to_owned())
            }
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
