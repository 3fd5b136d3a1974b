//! A running ClusterCockpit server, as a browser would use it: log in with name and password, and
//! have a token made.

use url::Url;
use zeroize::Zeroizing;

use crate::http::{Client, HttpError, Response, display_url};
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The name of the server's session cookie.
const SESSION_COOKIE: &str = "session";

/// Why a server gave no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The exchange failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The password is wrong, or there is no such user; the server does not say which.
    #[error("the server at {} refuses the login of {}: name or password is wrong", quote(.url), quote(.name))]
    WrongPassword {
        /// The server.
        url: String,
        /// Who tried.
        name: String,
    },
    /// The server wants a pause.
    #[error("the server at {} has had too many login attempts of {} from here", quote(.url), quote(.name))]
    TooManyAttempts {
        /// The server.
        url: String,
        /// Who tried.
        name: String,
        /// How long to wait, if the server says, in seconds.
        seconds: Option<u64>,
    },
    /// The login worked, but not the token for somebody else.
    #[error("the server at {} does not let {} have a token for {}{}", quote(.url), quote(.name), quote(.subject), server_text(.text))]
    NotPermitted {
        /// The server.
        url: String,
        /// Who logged in.
        name: String,
        /// Whose token was wanted.
        subject: String,
        /// The server's words.
        text: String,
    },
    /// The server does not know whose token was wanted, or cannot make one.
    #[error("the server at {} has no token for {}: status {status}{}", quote(.url), quote(.subject), server_text(.text))]
    NoToken {
        /// The server.
        url: String,
        /// Whose token was wanted.
        subject: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        text: String,
    },
    /// The server failed at the login itself.
    #[error("the server at {} failed at the login: status {status}{}", quote(.url), server_text(.text))]
    Failed {
        /// The server.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        text: String,
    },
    /// The server checks nobody's identity.
    #[error("authentication is switched off at the server {}: it has no login and issues no tokens", quote(.url))]
    AuthenticationDisabled {
        /// The server.
        url: String,
    },
    /// Whatever answers there, it is not that.
    #[error("{} is no ClusterCockpit server: {why}", quote(.url))]
    UnexpectedResponse {
        /// The address.
        url: String,
        /// What it did.
        why: String,
    },
}

fn server_text(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", quote(text)) }
}

impl Diagnostic for ServerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::WrongPassword { .. } => Kind::LoginRejected,
            Self::TooManyAttempts { .. } => Kind::TooManyAttempts,
            Self::NotPermitted { .. } => Kind::ServerNotPermitted,
            Self::NoToken { .. } => Kind::ServerTokenRejected,
            Self::Failed { .. } => Kind::ServerFailed,
            Self::AuthenticationDisabled { .. } => Kind::ServerAuthenticationDisabled,
            Self::UnexpectedResponse { .. } => Kind::ServerNotClustercockpit,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Http(error) => return error.hint(),
            Self::TooManyAttempts { seconds: Some(seconds), .. } => format!("wait {seconds} seconds"),
            Self::TooManyAttempts { seconds: None, .. } => {
                "wait 3 minutes: the server permits 5 attempts in 15 minutes for each client address and username, \
                 successful ones included, and one more every 3 minutes"
                    .to_owned()
            }
            Self::AuthenticationDisabled { .. } => {
                "set main.disable-authentication to false in the server's config.json and restart it".to_owned()
            }
            Self::NotPermitted { .. } => {
                "without --for the token is for whoever logs in; for others only role admin gets one".to_owned()
            }
            Self::NoToken { .. } => {
                "the server's log says more; its keys JWT_PUBLIC_KEY and JWT_PRIVATE_KEY must be set".to_owned()
            }
            Self::Failed { status: 500, .. } => {
                "somebody with very many projects cannot log in on the web; otherwise the server's log says more"
                    .to_owned()
            }
            Self::UnexpectedResponse { .. } => {
                "give the address that the web interface has in a browser, such as https://cc.example.org".to_owned()
            }
            Self::WrongPassword { .. } | Self::Failed { .. } => return None,
        })
    }
}

/// Somebody who logged in. The cookie lives as long as this value and is kept nowhere.
#[derive(Debug)]
pub struct ServerSession<'c> {
    client: &'c Client,
    server: Url,
    name: String,
    cookie: Zeroizing<String>,
}

/// Logs in as the web page's form does. No cookie is sent: the server fails at an old one.
///
/// # Errors
/// [`ServerError`].
pub fn log_in<'c>(
    client: &'c Client,
    server: &Url,
    name: &str,
    password: &SecretText,
) -> Result<ServerSession<'c>, ServerError> {
    let address = url_below(server, "login")?;
    let form = [("username", name), ("password", password.expose())];
    let answer = client.post_form(&address, &[("accept", "text/html")], &form)?;
    let url = display_url(server);
    let not_that = |why: String| ServerError::UnexpectedResponse { url: url.clone(), why };
    match answer.status() {
        429 => return Err(too_many(&answer, url, name)),
        // The server answers 401 to a wrong password and to too many attempts alike, and says
        // which on the page.
        401 if reports_too_many_attempts(&answer) => return Err(too_many(&answer, url, name)),
        401 | 403 => return Err(ServerError::WrongPassword { url, name: name.to_owned() }),
        500..=599 => {
            return Err(ServerError::Failed { url, status: answer.status(), text: error_text(&answer) });
        }
        301 | 307 | 308 => return Err(answer.to_error().into()),
        302 | 303 => {}
        400 if matches!(answer.to_error(), HttpError::ExpectsTls(_)) => return Err(answer.to_error().into()),
        404 if is_open(client, server) => return Err(ServerError::AuthenticationDisabled { url }),
        status => return Err(not_that(format!("it answers the login form with status {status}"))),
    }
    let Some(cookie) = session_cookie(&answer) else {
        return Err(match answer.redirect_target() {
            Some(to) if to.origin() != server.origin() => answer.to_error().into(),
            _ => not_that(format!("its login sets no cookie '{SESSION_COOKIE}'")),
        });
    };
    Ok(ServerSession { client, server: server.clone(), name: name.to_owned(), cookie })
}

/// Whether GraphQL answers without a login, as at a server that has no login.
fn is_open(client: &Client, server: &Url) -> bool {
    let Ok(mut address) = url_below(server, "query") else { return false };
    address.query_pairs_mut().append_pair("query", "{__typename}");
    let headers = [("accept", "application/json")];
    client.get(&address, &headers).and_then(Response::success).is_ok_and(|answer| {
        answer
            .json::<serde_json::Value>()
            .is_ok_and(|answer| answer.get("data").is_some_and(|data| data.is_object()))
    })
}

impl ServerSession<'_> {
    /// Has the server make a token for this user: the one who logged in, or for an administrator
    /// anybody.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn token(&self, wanted: &str) -> Result<SecretText, ServerError> {
        let mut address = url_below(&self.server, "frontend/jwt/")?;
        address.query_pairs_mut().append_pair("username", wanted);
        let headers = [("cookie", self.cookie.as_str()), ("accept", "text/plain")];
        let answer = self.client.get(&address, &headers)?;
        let url = display_url(&self.server);
        match answer.status() {
            200 => {}
            401 | 403 => {
                return Err(ServerError::NotPermitted {
                    url,
                    name: self.name.clone(),
                    subject: wanted.to_owned(),
                    text: error_text(&answer),
                });
            }
            404 if answer.media_type() == "text/html" => {
                return Err(ServerError::UnexpectedResponse {
                    url,
                    why: "it makes no tokens (/frontend/jwt/)".to_owned(),
                });
            }
            300..=399 => return Err(answer.to_error().into()),
            status => {
                let text = error_text(&answer);
                return Err(ServerError::NoToken { url, subject: wanted.to_owned(), status, text });
            }
        }
        let text = std::str::from_utf8(answer.body()).unwrap_or_default().trim();
        let is_token = text.split('.').count() == 3
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !is_token {
            return Err(ServerError::UnexpectedResponse { url, why: "what it gave is no token".to_owned() });
        }
        Ok(SecretText::new(text.to_owned()))
    }
}

/// An address below the server's own, which may have a path.
fn url_below(server: &Url, path: &str) -> Result<Url, ServerError> {
    let mut base = server.clone();
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", server.path()));
    }
    base.join(path)
        .map_err(|error| HttpError::InvalidUrl { url: display_url(server), why: error.to_string() }.into())
}

/// `session=…` as it is sent back.
fn session_cookie(answer: &Response) -> Option<Zeroizing<String>> {
    answer.headers("set-cookie").find_map(|header| {
        let pair = header.split(';').next()?.trim();
        let value = pair.strip_prefix(SESSION_COOKIE)?.strip_prefix('=')?;
        (!value.is_empty()).then(|| Zeroizing::new(pair.to_owned()))
    })
}

fn reports_too_many_attempts(answer: &Response) -> bool {
    String::from_utf8_lossy(answer.body()).to_lowercase().contains("too many")
}

fn too_many(answer: &Response, url: String, name: &str) -> ServerError {
    let seconds = answer.header("retry-after").and_then(|value| value.parse().ok());
    ServerError::TooManyAttempts { url, name: name.to_owned(), seconds }
}

/// What the server says where it is not a web page.
fn error_text(answer: &Response) -> String {
    match answer.to_error() {
        HttpError::ErrorStatus { text, .. } => text,
        _ => String::new(),
    }
}
