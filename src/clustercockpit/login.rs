//! A login like that of the web page, and the token page.

use std::fmt;

use url::Url;
use zeroize::Zeroizing;

use super::error::ServerError;
use super::request::{error_text, url_below};
use crate::http::{Client, HttpError, Response, display_url};
use crate::util::secret::SecretText;

/// The name of the server's session cookie.
const SESSION_COOKIE: &str = "session";

/// A login at a server. The cookie is only in memory and is wiped with this value.
pub struct ServerSession {
    pub(super) client: Client,
    pub(super) server: Url,
    pub(super) name: String,
    pub(super) cookie: Zeroizing<String>,
}

impl fmt::Debug for ServerSession {
    /// Omits the cookie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Logs in like the form of the web page. No cookie is sent: the server fails with an old one.
///
/// # Errors
/// [`ServerError`].
pub fn log_in(
    client: &Client,
    server: &Url,
    name: &str,
    password: &SecretText,
) -> Result<ServerSession, ServerError> {
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
        status => return Err(unexpected(format!("the login form responds with status {status}"))),
    }
    let Some(cookie) = session_cookie(&answer) else {
        return Err(match answer.redirect_target() {
            Some(to) if to.origin() != server.origin() => answer.to_error().into(),
            _ => unexpected(format!("the login sets no cookie '{SESSION_COOKIE}'")),
        });
    };
    Ok(ServerSession { client: client.clone(), server: server.clone(), name: name.to_owned(), cookie })
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

impl ServerSession {
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
            return Err(ServerError::UnexpectedResponse {
                url,
                why: "its response is not a token".to_owned(),
            });
        }
        Ok(SecretText::new(text.to_owned()))
    }
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
