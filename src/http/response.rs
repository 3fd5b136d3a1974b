//! HTTP responses.

use std::fmt;

use serde::de::DeserializeOwned;
use ureq::http::header::HeaderMap;
use url::Url;
use zeroize::Zeroizing;

use super::error::HttpError;
use super::urls::display_url;
use crate::util::quote::escape;

/// The part of the first line of a body that messages show, in characters.
const SHOWN_CHARS: usize = 160;

/// A complete response.
pub struct Response {
    url: Url,
    status: u16,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Response {
    /// Without headers and body, which may hold secrets.
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

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The URL of the request, after redirects.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The first header of this name, if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of this name whose value is text.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The media type, without parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The target of a redirect; none for other responses and without a valid `Location`.
    #[must_use]
    pub fn redirect_target(&self) -> Option<Url> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        self.url.join(self.header("location")?).ok()
    }

    /// The response itself, if its status is 2xx.
    ///
    /// # Errors
    /// [`HttpError::Redirected`], [`HttpError::ErrorStatus`].
    pub fn success(self) -> Result<Self, HttpError> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.to_error()),
        }
    }

    /// The error that a response without success stands for.
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

    /// Whether this is the response of Go, nginx or Apache to plain http on a TLS port.
    fn is_plain_on_tls_port(&self) -> bool {
        let contains = |words: &str| self.body.windows(words.len()).any(|part| part == words.as_bytes());
        self.status == 400
            && self.url.scheme() == "http"
            && (contains("HTTP request to an HTTPS server")
                || contains("plain HTTP request was sent to HTTPS port")
                || contains("speaking plain HTTP to an SSL-enabled server port"))
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_json(&error.to_string(), true))
    }

    /// Parses the body as JSON; the error contains no part of the body, which may contain secrets.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn secret_json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let why = format!("{:?} error in line {}", error.classify(), error.line()).to_lowercase();
            self.not_json(&why, false)
        })
    }

    fn not_json(&self, why: &str, show: bool) -> HttpError {
        let text = if show && self.media_type() != "text/html" { self.first_line() } else { String::new() };
        let why = match self.media_type().as_str() {
            "text/html" => "the answer is a web page".to_owned(),
            _ if self.body.is_empty() => "the answer is empty".to_owned(),
            _ => escape(why),
        };
        HttpError::NotJson { url: display_url(&self.url), why, text }
    }

    /// The beginning of the first line of the body.
    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.trim().lines().next().unwrap_or_default();
        line.chars().take(SHOWN_CHARS).collect()
    }
}
