//! Errors of the stored session.

use super::identity::Method;
use super::session_key::{SessionKey, SessionOrigin, SessionRequest};
use crate::user::{Role, User, command_word};
use crate::util::diagnostic::diagnostics;
use crate::util::duration::GoDuration;
use crate::util::file::shell_word;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// The commands of `cc-login`. A username that equals one of them is written as `username=NAME`.
pub const COMMANDS: [&str; 9] =
    ["status", "whoami", "sessions", "token", "token-helper", "run", "refresh", "logout", "help"];

/// Other names of a command, which are not suggested.
const ALIASES: [&str; 2] = ["ls", "list"];

/// The maximum number of stored sessions. A login that would exceed it is rejected.
pub const MAX_SESSIONS: usize = 1000;

/// The number of sessions that a message lists.
const LISTED: usize = 10;

/// The reason there is no valid session, no token, or no refresh.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No session is stored.
    #[error("not logged in")]
    NotLoggedIn,
    /// The requested session is not stored.
    #[error("there is no session {session}")]
    Missing {
        /// The name, or the server or directory.
        session: String,
        /// The command of the next step.
        login: String,
    },
    /// Several sessions can be meant.
    #[error("{}: {}", ambiguity(.origin.as_deref()), listed(.sessions))]
    Ambiguous {
        /// The server or directory to which all of them belong; `None` if none belongs to this one.
        origin: Option<String>,
        /// The sessions, as `--session` accepts them.
        sessions: Vec<String>,
    },
    /// Several sessions of a server have a token for it.
    #[error("{}: {}", ambiguity(Some(.server)), listed(.sessions))]
    SeveralTokens {
        /// The server.
        server: String,
        /// The sessions, as `--session` of `cc-login` accepts them.
        sessions: Vec<String>,
    },
    /// A login requests the session of another server or directory.
    #[error("--session requests the session of {}, and the login is for another server or directory", quote(.requested))]
    OtherOrigin {
        /// The requested server or directory.
        requested: String,
    },
    /// The session would have neither name nor origin.
    #[error("the path of the current directory is not UTF-8 or cannot be read: the session needs a name")]
    NoOrigin,
    /// The limit of stored sessions is reached.
    #[error("{MAX_SESSIONS} sessions are stored: the limit is reached")]
    TooMany,
    /// The session cannot be renewed with the settings of another directory.
    #[error("the session was created in {}: it cannot be renewed with the settings of another directory", quote(.directory))]
    OtherDirectory {
        /// The directory of the session.
        directory: String,
    },
    /// The provider entry in the settings has another issuer than the session.
    #[error("the session is from the provider {}, and the settings have another one", quote(.issuer))]
    OtherProvider {
        /// The issuer of the session.
        issuer: String,
    },
    /// The session is expired.
    #[error("the session expired {expired}")]
    Expired {
        /// The expiry time relative to now, such as `2 hours ago`.
        expired: String,
        /// The command for a new login.
        login: String,
    },
    /// The session expires before the requested time, and cannot be renewed until then.
    #[error("the {what} expires {expires}: expected a lifetime of at least {min_ttl}")]
    ExpiresSoon {
        /// What expires: the session, or a token of the provider.
        what: &'static str,
        /// The expiry time relative to now, such as `in 5 minutes`.
        expires: String,
        /// The requested lifetime.
        min_ttl: GoDuration,
        /// The command for a new login.
        login: String,
    },
    /// A token of the provider is expired and cannot be renewed.
    #[error("the {what} expired {expired}")]
    TokenExpired {
        /// The kind of token.
        what: &'static str,
        /// The expiry time relative to now.
        expired: String,
        /// The command for a new login.
        login: String,
    },
    /// The session has no token of a provider.
    #[error("the session has no {what}: only a login with --method oidc has tokens of a provider")]
    NoProviderToken {
        /// The kind of token.
        what: &'static str,
    },
    /// The session has no token.
    #[error(
        "the session has no token: at the login, the user was not in the user table or JWT_PRIVATE_KEY was not set"
    )]
    NoToken {
        /// The command that adds the user.
        add: String,
    },
    /// The session has no refresh token.
    #[error("the session cannot be renewed: the provider sent no refresh token")]
    NoRefresh,
    /// The provider rejected the refresh token at an earlier refresh.
    #[error("the session cannot be renewed: the provider rejected the refresh token {rejected}")]
    RefreshRejected {
        /// The time of the rejection relative to now, such as `2 hours ago`.
        rejected: String,
        /// The command for a new login.
        login: String,
    },
    /// The server does not permit a renewal of its token.
    #[error("the session cannot be renewed: the server issued a token that cannot be renewed")]
    NotRenewable {
        /// The command for a new login.
        login: String,
    },
    /// The session is not from a provider.
    #[error("the session cannot be renewed: only a login with --method oidc has a refresh token")]
    NoProvider {
        /// The command for a new login.
        login: String,
    },
    /// Another process logged out during the refresh.
    #[error("a logout ended the session during the refresh: the new session is not stored")]
    Ended,
    /// Another login replaced the session during the refresh.
    #[error("another login replaced the session during the refresh: the refreshed session is not stored")]
    Replaced,
}

diagnostics! { SessionError:
    Self::NotLoggedIn => Kind::NoSession, "cc-login NAME";
    Self::Missing { login, .. } => Kind::NoSession, login.clone();
    Self::Ambiguous { .. } => Kind::SessionAmbiguous,
        "select one with --session NAME or the variable CC_SESSION; 'cc-login sessions' lists them";
    Self::SeveralTokens { server, sessions } => Kind::SessionAmbiguous, match sessions.first() {
                Some(session) => format!(
                    "use the token of one: cc-login token --session {} | cc-user list --server {} --token-file -",
                    shell_word(session),
                    shell_word(server)
                ),
                None => return None,
            };
    Self::OtherOrigin { .. } => Kind::Usage, "give the session a name: --session NAME";
    Self::NoOrigin => Kind::Usage, "give the session a name: --session NAME";
    Self::TooMany => Kind::SessionLimit,
        "'cc-login sessions' lists them; end those that are not needed with 'cc-login logout --session NAME'";
    Self::OtherDirectory { directory } => Kind::SessionOtherOrigin,
        format!("run the command in this directory: cd {}", shell_word(directory));
    Self::OtherProvider { .. } => Kind::SessionOtherOrigin, "log in again with cc-login --method oidc";
    Self::Expired { login, .. } => Kind::SessionExpired, login.clone();
    Self::ExpiresSoon { login, .. } => Kind::SessionExpiresSoon, login.clone();
    Self::TokenExpired { login, .. } => Kind::SessionExpired, login.clone();
    Self::NoProviderToken { .. } => Kind::SessionWithoutToken, "log in again with cc-login --method oidc";
    Self::NoToken { add } => Kind::SessionWithoutToken, format!(
                "add the user with '{add}', or create a key pair with 'gen-keypair --write'; then log in again"
            );
    Self::NoRefresh => Kind::SessionWithoutRefresh,
        "log in with cc-login --method oidc; many providers send one only for --scope offline_access";
    Self::RefreshRejected { login, .. } => Kind::SessionWithoutRefresh, login.clone();
    Self::NotRenewable { login } => Kind::SessionWithoutRefresh, login.clone();
    Self::NoProvider { login } => Kind::SessionWithoutRefresh, login.clone();
    Self::Ended => Kind::SessionChanged, "cc-login NAME";
    Self::Replaced => Kind::SessionChanged, "cc-login status";
}

/// Returns the command that adds this user to the user table, with the known roles.
pub(super) fn add_command(user: &User) -> String {
    let roles = user.roles.iter().filter(|role| role.parse::<Role>().is_ok());
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    let roles = if roles.is_empty() { Role::User.name().to_owned() } else { roles.join(",") };
    format!("cc-user add {} --role {roles} --no-password", command_word(&user.username))
}

/// Returns the command that logs a user in again with the same method, server and session name.
pub(super) fn login_command(method: Method, username: &str, key: &SessionKey) -> String {
    let mut name = shell_word(username).to_string();
    // A name that looks like a command or a parameter requires its key.
    if username.contains('=') || COMMANDS.contains(&username) || ALIASES.contains(&username) {
        name.insert_str(0, "username=");
    }
    let mut command = match method {
        Method::Local | Method::Ldap => format!("cc-login {name}"),
        Method::Token => "cc-login --method token --token-file FILE".to_owned(),
        Method::Oidc => "cc-login --method oidc".to_owned(),
        Method::Stronghold => {
            let server = key.server();
            let server = server.as_deref().map_or("URL".into(), shell_word);
            format!("cc-login --method stronghold --server {server}")
        }
        Method::Remote => match &key.origin {
            Some(origin @ SessionOrigin::Server(_)) => {
                format!("cc-login {name} --server {}", shell_word(&origin.text()))
            }
            _ => format!("cc-login {name} --method remote --server URL"),
        },
    };
    if let Some(session) = &key.name {
        command.push_str(" --session ");
        command.push_str(session.as_str());
    }
    command
}

impl SessionError {
    /// Creates the error of a requested session that is not stored.
    pub(super) fn missing(request: &SessionRequest) -> Self {
        let text = request.text();
        match request {
            SessionRequest::Name(_) => {
                Self::Missing { session: quote(&text), login: format!("cc-login NAME --session {text}") }
            }
            SessionRequest::Origin(SessionOrigin::Server(_)) => Self::Missing {
                session: format!("of {}", quote(&text)),
                login: format!("cc-login NAME --server {}", shell_word(&text)),
            },
            SessionRequest::Origin(origin @ SessionOrigin::Namespace(_, namespace)) => {
                let key = SessionKey { name: None, origin: Some(origin.clone()) };
                let namespace = shell_word(namespace.as_str());
                Self::Missing {
                    session: format!("of {}", quote(&text)),
                    login: format!("{} --namespace {namespace}", login_command(Method::Stronghold, "", &key)),
                }
            }
            SessionRequest::Origin(SessionOrigin::Directory(_)) => Self::Missing {
                session: format!("of {}", quote(&text)),
                login: "'cc-login sessions' lists the sessions".to_owned(),
            },
        }
    }
}

fn ambiguity(origin: Option<&str>) -> String {
    match origin {
        Some(origin) => format!("several sessions belong to {}", quote(origin)),
        None => "several sessions are stored, and none belongs to this directory".to_owned(),
    }
}

fn listed(sessions: &[String]) -> String {
    let names: Vec<String> = sessions.iter().take(LISTED).map(|name| quote(name)).collect();
    match sessions.len().saturating_sub(LISTED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
