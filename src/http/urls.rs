//! URL parsing, and the display form of URLs in messages.

use url::{Host, Url};

use super::error::HttpError;

/// The expected form of a URL.
pub(super) const EXPECTED: &str = "expected https://HOST, or http:// for loopback";

/// Parses an `http` or `https` URL. A URL with a username or password is rejected, since URLs are
/// printed and logged.
///
/// # Errors
/// [`HttpError::InvalidUrl`].
pub fn parse_url(text: &str) -> Result<Url, HttpError> {
    let invalid = |why: &str| HttpError::InvalidUrl { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => invalid(EXPECTED),
        other => invalid(&other.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid(EXPECTED));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::InvalidUrl {
            url: display_url(&url),
            why: "expected a URL without a username and password".to_owned(),
        });
    }
    Ok(url)
}

/// Returns whether the URL's host is loopback: `localhost`, 127.0.0.0/8 or `::1`.
///
/// Subdomains of `localhost` do not count, since the C library resolves them over the network, despite
/// RFC 6761 6.3.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns the URL without username, password, query and fragment, for messages and logs.
#[must_use]
pub fn display_url(url: &Url) -> String {
    let mut plain = url.clone();
    // These calls fail only for URLs without a host, which cannot have a username or password.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.set_query(None);
    plain.set_fragment(None);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::diagnostic::Diagnostic as _;

    #[test]
    fn url_is_displayed_without_secrets() {
        let url = Url::parse("https://u:p@h.example/a?code=secret#frag").unwrap();
        assert_eq!(display_url(&url), "https://h.example/a");
    }

    #[test]
    fn url_with_password_is_rejected_without_printing_it() {
        let error = parse_url("https://u:hunter2@h.example/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.status(), crate::util::diagnostic::ExitStatus::Config);
    }

    #[test]
    fn url_of_another_scheme_is_rejected() {
        for text in ["file:///etc/passwd", "javascript:alert(1)", "ftp://x", "h.example", ""] {
            assert!(matches!(parse_url(text), Err(HttpError::InvalidUrl { .. })), "{text}");
        }
    }
}
