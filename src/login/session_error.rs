//! Errors of the stored session.

use super::identity::Method;
use crate::user::{Role, User};
use crate::util::diagnostic::diagnostics;
use crate::util::duration::GoDuration;
use crate::util::file::shell_word;
use crate::util::kind::Kind;

/// The commands of `cc-login`. A username that equals one of them is written as `username=NAME`.
pub const COMMANDS: [&str; 5] = ["status", "token", "refresh", "logout", "help"];

/// The reason there is no valid session, no token, or no refresh.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No session is stored.
    #[error("not logged in")]
    NotLoggedIn,
    /// The session is expired.
    #[error("the session expired {expired}")]
    Expired {
        /// The expiry time relative to now, such as `2 hours ago`.
        expired: String,
        /// The command for a new login.
        login: String,
    },
    /// The session expires before the requested time, and cannot be renewed until then.
    #[error("the session expires {expires}: expected a lifetime of at least {min_ttl}")]
    ExpiresSoon {
        /// The expiry time relative to now, such as `in 5 minutes`.
        expires: String,
        /// The requested lifetime.
        min_ttl: GoDuration,
        /// The command for a new login.
        login: String,
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
    Self::Expired { login, .. } => Kind::SessionExpired, login.clone();
    Self::ExpiresSoon { login, .. } => Kind::SessionExpiresSoon, login.clone();
    Self::NoToken { add } => Kind::SessionWithoutToken, format!(
                "add the user with '{add}', or create a key pair with 'gen-keypair --write'; then log in again"
            );
    Self::NoRefresh => Kind::SessionWithoutRefresh,
        "log in with cc-login --method oidc; many providers send one only for --scope offline_access";
    Self::NoProvider { login } => Kind::SessionWithoutRefresh, login.clone();
    Self::Ended => Kind::SessionChanged, "cc-login NAME";
    Self::Replaced => Kind::SessionChanged, "cc-login status";
}

/// Returns the command that adds this user to the user table, with the known roles.
pub(super) fn add_command(user: &User) -> String {
    let roles = user.roles.iter().filter(|role| role.parse::<Role>().is_ok());
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    let roles = if roles.is_empty() { Role::User.name().to_owned() } else { roles.join(",") };
    format!("cc-user add {} --role {roles} --no-password", shell_word(&user.username))
}

/// Returns the command that logs this user in again with the same method.
pub(super) fn login_command(method: Method, username: &str) -> String {
    let mut name = shell_word(username).to_string();
    // A name that looks like a command or a parameter requires its key.
    if username.contains('=') || COMMANDS.contains(&username) {
        name.insert_str(0, "username=");
    }
    match method {
        Method::Local | Method::Ldap => format!("cc-login {name}"),
        Method::Token => "cc-login --method token --token-file FILE".to_owned(),
        Method::Oidc => "cc-login --method oidc".to_owned(),
        Method::Remote => format!("cc-login {name} --method remote --server URL"),
    }
}
