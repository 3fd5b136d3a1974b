//! The client of a running ClusterCockpit server: a login like that of the web page, the tokens it issues.

use url::Url;
use zeroize::Zeroizing;

use crate::http::{Client, HttpError, Response, display_url};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The name of the server's session cookie.
const SESSION_COOKIE: &str = "session";

/// An error of a login at a server, or of the request of a token.
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
        format!("wait {seconds} seconds");
    Self::TooManyAttempts { seconds: None, .. } => Kind::TooManyAttempts,
        "wait 3 minutes: the server permits 5 attempts in 15 minutes for each client address and username, \
                 successful ones included, and one more every 3 minutes";
    Self::NotPermitted { .. } => Kind::ServerNotPermitted, "--for requires the role admin";
    Self::NoToken { .. } => Kind::ServerTokenRejected,
        "read the log of the server; it needs JWT_PUBLIC_KEY and JWT_PRIVATE_KEY";
    Self::Failed { status: 500, .. } => Kind::ServerFailed,
        "a user with very many projects cannot log in on the web; for other causes read the log of the server";
    Self::Failed { .. } => Kind::ServerFailed;
    Self::AuthenticationDisabled { .. } => Kind::ServerAuthenticationDisabled,
        "set main.disable-authentication to false in the server's config.json and restart it";
    Self::UnexpectedResponse { .. } => Kind::ServerNotClustercockpit,
        "use the URL of the web interface, such as https://cc.example.org";
}

/// A login at a server. The cookie is only in memory and is wiped with this value.
#[derive(Debug)]
pub struct ServerSession<'c> {
    client: &'c Client,
    server: Url,
    name: String,
    cookie: Zeroizing<String>,
}

/// Logs in like the form of the web page. No cookie is sent: the server fails with an old one.
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
    let unexpected = |why: String| ServerError::UnexpectedResponse { url: url.clone(), why };
    match answer.status() {
        429 => return Err(too_many(&answer, url, name)),
        // The server answers with 401 to a wrong password and to too many attempts; the page has the
        // difference.
        401 if reports_too_many_attempts(&answer) => return Err(too_many(&answer, url, name)),
        401 | 403 => return Err(ServerError::WrongPassword { url, name: name.to_owned() }),
        500..=599 => {
            return Err(ServerError::Failed { url, status: answer.status(), text: error_text(&answer) });
        }
        301 | 307 | 308 => return Err(answer.to_error().into()),
        302 | 303 => {}
        400 if matches!(answer.to_error(), HttpError::ExpectsTls(_)) => return Err(answer.to_error().into()),
        404 if is_open(client, server) => return Err(ServerError::AuthenticationDisabled { url }),
        status => return Err(unexpected(format!("the login form answers with status {status}"))),
    }
    let Some(cookie) = session_cookie(&answer) else {
        return Err(match answer.redirect_target() {
            Some(to) if to.origin() != server.origin() => answer.to_error().into(),
            _ => unexpected(format!("the login sets no cookie '{SESSION_COOKIE}'")),
        });
    };
    Ok(ServerSession { client, server: server.clone(), name: name.to_owned(), cookie })
}

/// Whether GraphQL answers without a login: authentication is disabled.
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
    /// Requests a token for this user: the one who logged in, or for an administrator any user.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn token(&self, subject: &str) -> Result<SecretText, ServerError> {
        let mut address = url_below(&self.server, "frontend/jwt/")?;
        address.query_pairs_mut().append_pair("username", subject);
        let headers = [("cookie", self.cookie.as_str()), ("accept", "text/plain")];
        let answer = self.client.get(&address, &headers)?;
        let url = display_url(&self.server);
        match answer.status() {
            200 => {}
            401 | 403 => {
                return Err(ServerError::NotPermitted {
                    url,
                    name: self.name.clone(),
                    subject: subject.to_owned(),
                    text: error_text(&answer),
                });
            }
            404 if answer.media_type() == "text/html" => {
                return Err(ServerError::UnexpectedResponse {
                    url,
                    why: "it does not issue tokens at /frontend/jwt/".to_owned(),
                });
            }
            300..=399 => return Err(answer.to_error().into()),
            status => {
                let text = error_text(&answer);
                return Err(ServerError::NoToken { url, subject: subject.to_owned(), status, text });
            }
        }
        let text = std::str::from_utf8(answer.body()).unwrap_or_default().trim();
        let is_token = text.split('.').count() == 3
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !is_token {
            return Err(ServerError::UnexpectedResponse { url, why: "its answer is not a token".to_owned() });
        }
        Ok(SecretText::new(text.to_owned()))
    }
}

/// A URL below that of the server, which may have a path.
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

/// The session cookie of the response, as `session=…`.
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

/// The text of a response that is not a web page.
fn error_text(answer: &Response) -> String {
    match answer.to_error() {
        HttpError::ErrorStatus { text, .. } => text,
        _ => String::new(),
    }
}
