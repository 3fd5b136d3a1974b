//! HTTP responses.

use std::fmt;

use serde::de::DeserializeOwned;
use ureq::http::header::HeaderMap;
use url::Url;
use zeroize::Zeroizing;

use super::error::HttpError;
use super::freshness::http_date;
use super::urls::display_url;
use crate::util::json::{self, JsonErrorKind};
use crate::util::quote::escape;
use crate::util::time::Timestamp;

/// The maximum number of characters of a body's first line in messages.
const SHOWN_CHARS: usize = 160;

/// A complete response.
pub struct Response {
    url: Url,
    status: u16,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Response {
    /// Omits headers and body, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("url", &display_url(&self.url))
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Response {
    pub(super) const fn new(url: Url, status: u16, headers: HeaderMap, body: Zeroizing<Vec<u8>>) -> Self {
        Self { url, status, headers, body }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the URL of the request, after redirects.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the first header with this name, if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the time of the answer, from the header `Date` (RFC 9110 6.6.1).
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?)
    }

    /// Returns all headers with this name whose value is text.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Returns the media type in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the target of a redirect, or `None` for other responses and without a valid `Location`.
    #[must_use]
    pub fn redirect_target(&self) -> Option<Url> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        self.url.join(self.header("location")?).ok()
    }

    /// Returns the response if its status is 2xx.
    ///
    /// # Errors
    /// [`HttpError::Redirected`], [`HttpError::ErrorStatus`].
    pub fn success(self) -> Result<Self, HttpError> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.to_error()),
        }
    }

    /// Returns the error for a response whose status is not 2xx.
    #[must_use]
    pub fn to_error(&self) -> HttpError {
        if let Some(to) = self.redirect_target() {
            return HttpError::Redirected { url: display_url(&self.url), to: display_url(&to) };
        }
        if self.is_plain_on_tls_port() {
            return HttpError::ExpectsTls(display_url(&self.url));
        }
        let readable = matches!(self.media_type().as_str(), "text/plain" | "application/json" | "");
        let text = if readable { self.first_line() } else { String::new() };
        HttpError::ErrorStatus { url: display_url(&self.url), status: self.status, text }
    }

    /// Returns whether this is the response of Go, nginx or Apache to plain http on a TLS port.
    fn is_plain_on_tls_port(&self) -> bool {
        let contains = |words: &str| self.body.windows(words.len()).any(|part| part == words.as_bytes());
        self.status == 400
            && self.url.scheme() == "http"
            && (contains("HTTP request to an HTTPS server")
                || contains("plain HTTP request was sent to HTTPS port")
                || contains("speaking plain HTTP to an SSL-enabled server port"))
    }

    /// Parses the body as JSON; a duplicate member is an error.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        json::typed(&self.body).map_err(|error| self.not_json(&error.to_string(), true))
    }

    /// Parses the body as JSON. The error does not contain the body, which may contain secrets.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn secret_json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        json::typed(&self.body).map_err(|error| {
            let what = match error.problem {
                JsonErrorKind::Syntax(_) | JsonErrorKind::NotUtf8 => "syntax error",
                JsonErrorKind::EarlyEnd(_) => "eof error",
                JsonErrorKind::Type(_) => "data error",
                JsonErrorKind::DuplicateMember(_) => "duplicate member",
                JsonErrorKind::TooDeep => "nested too deeply",
            };
            self.not_json(&format!("{what} in line {}", error.line), false)
        })
    }

    /// Returns the body as text if it is JSON. Duplicate members are not checked.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn json_text(&self) -> Result<String, HttpError> {
        json::check_syntax(&self.body).map_err(|error| self.not_json(&error.to_string(), true))?;
        Ok(String::from_utf8_lossy(&self.body).into_owned())
    }

    fn not_json(&self, why: &str, show: bool) -> HttpError {
        let text = if show && self.media_type() != "text/html" { self.first_line() } else { String::new() };
        let why = match self.media_type().as_str() {
            "text/html" => "the response is a web page".to_owned(),
            _ if self.body.is_empty() => "the response is empty".to_owned(),
            _ => escape(why),
        };
        HttpError::NotJson { url: display_url(&self.url), why, text }
    }

    /// Returns the beginning of the first line of the body.
    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.trim().lines().next().unwrap_or_default();
        line.chars().take(SHOWN_CHARS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Response {
        let url = Url::parse("https://idp.example/token").unwrap();
        Response::new(url, 200, HeaderMap::new(), Zeroizing::new(body.as_bytes().to_vec()))
    }

    #[test]
    fn duplicate_member_of_a_response_is_rejected_also_where_it_is_not_used() {
        let twice = response("{\"a\":1,\n\"unused\":{\"hunter2\":1,\"hunter2\":2}}");
        let error = twice.json::<serde_json::Value>().unwrap_err().to_string();
        assert!(error.contains("duplicate member 'hunter2' at line 2"), "{error}");
        let error = twice.secret_json::<serde_json::Value>().unwrap_err().to_string();
        assert!(error.contains("duplicate member in line 2") && !error.contains("hunter2"), "{error}");
        // The JWKS parser skips this key, not the whole set.
        assert!(twice.json_text().is_ok());
        assert!(response("{\"a\":1}").json::<serde_json::Value>().is_ok());
    }
}
