//! Errors of logins and sessions.

use std::path::PathBuf;

use super::ci_identity::CiIdentityError;
use super::network::CaFileError;
use super::oidc::error::OidcError;
use super::oidc::provider_config::ProviderConfigError;
use super::session_error::SessionError;
use super::session_key::SessionId;
use super::stronghold::error::StrongholdLoginError;
use crate::clustercockpit::ServerError;
use crate::config::ConfigError;
use crate::http::HttpError;
use crate::ldap::LdapError;
use crate::stronghold::StrongholdError;
use crate::token::SignError;
use crate::user::UsernameError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::diagnostics;
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};
use crate::util::time::human_span;
use crate::verify::VerifyError;

/// The maximum length of a username, in bytes: the limit of the column in the user table.
pub const MAX_NAME_BYTES: usize = 255;

/// An error of a login or a session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The username or password is wrong. The message does not distinguish them, and both take the
    /// same time.
    #[error("login of {} rejected: wrong username or password", quote(.0))]
    Rejected(String),
    /// The token is not accepted.
    #[error("login with a token rejected: {reason}")]
    TokenRejected {
        /// The first check that failed.
        reason: String,
        /// The next step for the user.
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
    /// The username is longer than the user table permits.
    #[error("the username has {length} bytes: expected at most {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The name of an LDAP user is not valid for the user table.
    #[error("the LDAP server accepts the login, but the user cannot be added: {0}")]
    NotAddable(UsernameError),
    /// An error of the user table.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// An error of the LDAP server.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// An error of the settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An error of the session file or the file of the attempt limit.
    #[error(transparent)]
    File(#[from] FileError),
    /// The token of the session cannot be issued.
    #[error(transparent)]
    Issue(#[from] SignError),
    /// There is no directory for the session file.
    #[error("no directory for the session: XDG_RUNTIME_DIR, XDG_STATE_HOME and HOME are not set")]
    NoDirectory,
    /// The content of the session file is invalid.
    #[error("invalid session file {}: {why}", quote_path(.path))]
    SessionInvalid {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// The session file belongs to another account.
    #[error("{} belongs to another account and is not read", quote_path(.0))]
    SessionForeign(PathBuf),
    /// The session lifetime is less than a second.
    #[error("invalid session lifetime {}: expected at least 1s", quote(&.0.to_string()))]
    SessionLength(GoDuration),
    /// The username is probably a typing error of a command, and not in the user table.
    #[error("{} is neither a command nor a user in the user table", quote(.name))]
    MistypedCommand {
        /// The username.
        name: String,
        /// The command.
        command: &'static str,
    },
    /// The configuration of the OpenID provider is invalid.
    #[error(transparent)]
    ProviderConfig(#[from] ProviderConfigError),
    /// An OpenID login failed.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The CA certificates of a setting.
    #[error(transparent)]
    Ca(#[from] CaFileError),
    /// A request to a server or provider failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A login at a running server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The token of a running server is not usable.
    #[error(transparent)]
    RemoteToken(#[from] RemoteTokenError),
    /// A request to a Stronghold, OpenBao or Vault server failed.
    #[error(transparent)]
    Stronghold(#[from] StrongholdError),
    /// A login at Stronghold failed.
    #[error(transparent)]
    StrongholdLogin(#[from] StrongholdLoginError),
    /// There is no usable session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The job has no identity.
    #[error(transparent)]
    CiIdentity(#[from] CiIdentityError),
    /// A login role, or its keys.
    #[error(transparent)]
    LoginRole(#[from] VerifyError),
}

diagnostics! { LoginError:
    Self::Rejected(_) => Kind::LoginRejected;
    Self::TokenRejected { hint, .. } => Kind::TokenRejected, hint.clone();
    Self::OtherSubject { .. } => Kind::TokenOtherSubject;
    Self::TooManyAttempts { .. } => Kind::TooManyAttempts;
    Self::NameTooLong { .. } => Kind::UsernameTooLong;
    Self::NotAddable(error) => error.kind();
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Ldap(error) => error.kind(), error.hint();
    Self::Config(error) => error.kind(), error.hint();
    Self::File(error) => error.kind(), error.hint();
    Self::Issue(error) => error.kind(), error.hint();
    Self::NoDirectory => Kind::NoSessionDirectory, "export XDG_STATE_HOME=$(mktemp -d)";
    Self::SessionInvalid { path, .. } => Kind::SessionMalformed, match SessionId::of_path(path) {
        Some(SessionId::Name(name)) => format!("run 'cc-login logout --session {name}', then log in again"),
        _ => "run 'cc-login logout', then log in again".to_owned(),
    };
    Self::SessionForeign(_) => Kind::SessionWrongOwner;
    Self::SessionLength(_) => Kind::SessionLength, "set 'session-max-age' in config.json, as in \"24h\"";
    Self::MistypedCommand { name, command } => Kind::Usage, format!(
                "did you mean 'cc-login {command}'? To log in under this name: cc-login username={}",
                shell_word(name)
            );
    Self::ProviderConfig(error) => error.kind(), error.hint();
    Self::Oidc(error) => error.kind(), error.hint();
    Self::Ca(error) => error.kind(), error.hint();
    Self::Http(error) => error.kind(), error.hint();
    Self::Server(error) => error.kind(), error.hint();
    Self::RemoteToken(error) => error.kind(), error.hint();
    Self::Stronghold(error) => error.kind(), error.hint();
    Self::StrongholdLogin(error) => error.kind(), error.hint();
    Self::Session(error) => error.kind(), error.hint();
    Self::CiIdentity(error) => error.kind(), error.hint();
    Self::LoginRole(error) => error.kind(), error.hint();
}

/// The reason the token of a server is not used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteTokenError {
    /// The response is not a token.
    #[error("the server issued an invalid token: {0}")]
    Malformed(String),
    /// The token is for another user.
    #[error("the server issued a token for {}, expected {}", quote(.found), quote(.expected))]
    OtherSubject {
        /// The subject of the token.
        found: String,
        /// The user that was requested.
        expected: String,
    },
    /// The token is expired.
    #[error(
        "the server issued {}: the session is not stored",
        if *.has_zero_lifetime { "a token with a lifetime of 0" } else { "a token that is already expired" }
    )]
    Expired {
        /// Whether the token was already expired when it was issued.
        has_zero_lifetime: bool,
    },
}

diagnostics! { RemoteTokenError:
    Self::Malformed(_) => Kind::ServerTokenMalformed;
    Self::OtherSubject { .. } => Kind::ServerTokenOtherSubject;
    Self::Expired { has_zero_lifetime: true } => Kind::ServerTokenExpired,
        "remove auth.jwts.max-age from the server's config.json, or set a positive duration such as \"24h\"";
    Self::Expired { has_zero_lifetime: false } => Kind::ServerTokenExpired,
        "compare this computer's clock with the server's";
}
