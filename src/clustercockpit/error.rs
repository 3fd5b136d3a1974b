//! Errors of requests to a running server.

use crate::http::HttpError;
use crate::policy::Endpoint;
use crate::user::Role;
use crate::util::count::counted;
use crate::util::diagnostic::diagnostics;
use crate::util::file::shell_word;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// The credentials that a server rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectedCredentials {
    /// A token, with the roles in its claims; the signature is not verified.
    Token {
        /// The roles.
        roles: Vec<String>,
    },
    /// The web session of a user who has just logged in.
    Session {
        /// The username.
        name: String,
    },
}

impl RejectedCredentials {
    /// The credentials, for messages.
    fn describe(&self) -> String {
        match self {
            Self::Token { roles } if roles.is_empty() => "the token, which does not have a role".to_owned(),
            Self::Token { roles } => format!("the token with the roles {}", quote(&roles.join(","))),
            Self::Session { name } => format!("the web session of {}", quote(name)),
        }
    }

    /// Why `/api` rejects the credentials (status 401), as far as the roles show it.
    fn reason(&self) -> String {
        match self {
            Self::Token { roles } => {
                let names: Vec<&str> = roles.iter().map(String::as_str).collect();
                if Endpoint::Api.accepts_roles(&names) {
                    "it is expired, or the server did not sign it".to_owned()
                } else {
                    format!("/api accepts {}", Endpoint::Api.accepted_roles())
                }
            }
            Self::Session { .. } => "the user does not have a role".to_owned(),
        }
    }

    /// The next step for the user.
    fn hint(&self, url: &str) -> String {
        match self {
            Self::Token { roles }
                if [Role::Admin, Role::Api]
                    .iter()
                    .all(|role| roles.iter().any(|name| name == role.name())) =>
            {
                format!("request a new token: cc-login NAME --server {}", shell_word(url))
            }
            Self::Token { .. } => {
                "use the token of a user with the roles admin and api, or log in as an administrator with --admin NAME"
                    .to_owned()
            }
            Self::Session { .. } => "log in as a user with the role admin".to_owned(),
        }
    }
}

/// An error of a request to a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The HTTP request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Wrong username or password; the response does not distinguish them.
    #[error("the server at {} rejected the login of {}: wrong username or password", quote(.url), quote(.name))]
    WrongPassword {
        /// The URL of the server.
        url: String,
        /// The username.
        name: String,
    },
    /// The attempt limit of the server is reached.
    #[error("the server at {} reports too many login attempts of {} from this client", quote(.url), quote(.name))]
    TooManyAttempts {
        /// The URL of the server.
        url: String,
        /// The username.
        name: String,
        /// The time to wait, if the response has it, in seconds.
        seconds: Option<u64>,
    },
    /// The user may not request the token of another user.
    #[error("the server at {} does not issue a token for {} to {}{}", quote(.url), quote(.subject), quote(.name), server_text(.text))]
    NotPermitted {
        /// The URL of the server.
        url: String,
        /// The user who logged in.
        name: String,
        /// The user of the token.
        subject: String,
        /// The text of the response.
        text: String,
    },
    /// The server does not know the user of the token, or cannot issue a token.
    #[error("the server at {} did not issue a token for {}: status {status}{}", quote(.url), quote(.subject), server_text(.text))]
    NoToken {
        /// The URL of the server.
        url: String,
        /// The user of the token.
        subject: String,
        /// The HTTP status.
        status: u16,
        /// The text of the response.
        text: String,
    },
    /// The server failed during the login.
    #[error("the server at {} failed during the login: status {status}{}", quote(.url), server_text(.text))]
    Failed {
        /// The URL of the server.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The text of the response.
        text: String,
    },
    /// The server does not accept the credentials (status 401).
    #[error("the server at {} rejects {}: {}", quote(.url), .credentials.describe(), .credentials.reason())]
    CredentialsRejected {
        /// The URL of the server.
        url: String,
        /// The credentials.
        credentials: RejectedCredentials,
    },
    /// The credentials do not permit the management of users (status 403).
    #[error("the server at {} does not permit {} to manage users: the role admin is missing", quote(.url), .credentials.describe())]
    NotAdmin {
        /// The URL of the server.
        url: String,
        /// The credentials.
        credentials: RejectedCredentials,
    },
    /// The server rejects a change of a user (status 400 or 422).
    #[error("the server at {} did not {action}: status {status}{}", quote(.url), server_text(.text))]
    ChangeRejected {
        /// The URL of the server.
        url: String,
        /// The change, such as `add the role api to 'fritz'`.
        action: String,
        /// The HTTP status.
        status: u16,
        /// The reason in the answer.
        text: String,
    },
    /// The server failed to do something.
    #[error("the server at {} failed to {action}: status {status}{}", quote(.url), server_text(.text))]
    RequestFailed {
        /// The URL of the server.
        url: String,
        /// The action, such as `list the users`.
        action: String,
        /// The HTTP status.
        status: u16,
        /// The text of the answer.
        text: String,
    },
    /// A username that cannot be a part of a URL.
    #[error("the server cannot change the user {}: the name cannot be a part of a URL", quote(.0))]
    NameNotInUrl(String),
    /// The server does not authenticate users.
    #[error("authentication is disabled at the server {}: it does not issue tokens", quote(.url))]
    AuthenticationDisabled {
        /// The URL of the server.
        url: String,
    },
    /// The response is not that of a ClusterCockpit server.
    #[error("{} is not a ClusterCockpit server: {why}", quote(.url))]
    UnexpectedResponse {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
}

fn server_text(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", quote(text)) }
}

diagnostics! { ServerError:
    Self::Http(error) => error.kind(), error.hint();
    Self::WrongPassword { .. } => Kind::LoginRejected;
    Self::TooManyAttempts { seconds: Some(seconds), .. } => Kind::TooManyAttempts,
        format!("wait {}", counted(*seconds, "second"));
    Self::TooManyAttempts { seconds: None, .. } => Kind::TooManyAttempts,
        "wait 3 minutes: the server permits 5 attempts in 15 minutes for each client address and username, \
                 successful ones included, and one more every 3 minutes";
    Self::NotPermitted { .. } => Kind::ServerNotPermitted, "--for requires the role admin";
    Self::NoToken { .. } => Kind::ServerTokenRejected,
        "read the log of the server; it needs JWT_PUBLIC_KEY and JWT_PRIVATE_KEY";
    Self::Failed { status: 500, .. } => Kind::ServerFailed,
        "a user with very many projects cannot log in on the web; for other causes read the log of the server";
    Self::Failed { .. } => Kind::ServerFailed;
    Self::CredentialsRejected { url, credentials } => Kind::ServerCredentialsRejected, credentials.hint(url);
    Self::NotAdmin { url, credentials } => Kind::ServerNotPermitted, credentials.hint(url);
    Self::ChangeRejected { .. } => Kind::ServerChangeRejected;
    Self::RequestFailed { .. } => Kind::ServerFailed, "read the log of the server";
    Self::NameNotInUrl(_) => Kind::UsernameNotInUrl,
        "change the user in the directory of the server, without --server";
    Self::AuthenticationDisabled { .. } => Kind::ServerAuthenticationDisabled,
        "set main.disable-authentication to false in the server's config.json and restart it";
    Self::UnexpectedResponse { .. } => Kind::ServerNotClustercockpit,
        "use the URL of the web interface, such as https://cc.example.org";
}
