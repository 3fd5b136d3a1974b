//! Why there is no session, or no token in it.

use crate::login::Method;
use crate::user::{Role, User};
use crate::util::diagnostic::Diagnostic;
use crate::util::file::shell_word;
use crate::util::kind::Kind;

/// The commands, which no username given alone is taken for.
pub(super) const COMMANDS: [&str; 5] = ["status", "token", "refresh", "logout", "help"];

/// Why there is no token to print.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("not logged in")]
    NotLoggedIn,
    #[error("the session ended {ended}")]
    Expired { ended: String, login: String },
    #[error(
        "the session has no token: at the login the user was not in the user table, or there was no private key"
    )]
    NoToken { add: String },
    #[error("the session cannot be renewed: the provider gave no refresh token")]
    NoRefresh,
    #[error("the session cannot be renewed: only a login at a provider gives a refresh token")]
    NoProvider { login: String },
    #[error("a logout ended the session during the refresh: the new session is not stored")]
    Ended,
    #[error("another login replaced the session during the refresh: the refreshed session is not stored")]
    Replaced,
}

impl Diagnostic for SessionError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotLoggedIn => Kind::NoSession,
            Self::Expired { .. } => Kind::SessionExpired,
            Self::NoToken { .. } => Kind::SessionWithoutToken,
            Self::NoRefresh | Self::NoProvider { .. } => Kind::SessionWithoutRefresh,
            Self::Ended | Self::Replaced => Kind::SessionChanged,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotLoggedIn | Self::Ended => "cc-login NAME".to_owned(),
            Self::Expired { login, .. } | Self::NoProvider { login } => login.clone(),
            Self::Replaced => "cc-login status".to_owned(),
            Self::NoRefresh => {
                "log in with cc-login --method oidc; many providers give one for --scope offline_access"
                    .to_owned()
            }
            Self::NoToken { add } => {
                format!(
                    "add the user with '{add}', or make keys with 'gen-keypair --write'; then log in again"
                )
            }
        })
    }
}

/// The command that adds this user to the user table, with the known roles.
pub(super) fn add_command(user: &User) -> String {
    let roles = user.roles.iter().filter(|role| role.parse::<Role>().is_ok());
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    let roles = if roles.is_empty() { Role::User.name().to_owned() } else { roles.join(",") };
    format!("cc-user add {} --role {roles} --no-password", shell_word(&user.username))
}

/// The command that logs this user in again by the same method.
pub(super) fn login_command(method: Method, username: &str) -> String {
    let mut name = shell_word(username).to_string();
    // What looks like a command or a parameter has its key before it.
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
