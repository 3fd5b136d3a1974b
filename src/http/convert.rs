//! Conversion of the HTTP library's errors.

use std::io;

use url::Url;

use super::error::HttpError;
use super::options::HEADER_LIMIT;
use super::proxy::Proxy;
use super::tls;
use super::urls::display_url;
use crate::util::file::reason;
use crate::util::quote::escape;

/// Creates [`HttpError::InvalidUrl`] for this URL.
pub(super) fn invalid_url(url: &Url, why: &str) -> HttpError {
    HttpError::InvalidUrl { url: display_url(url), why: why.to_owned() }
}

/// Adds the proxy to an error of a request through it, unless the server itself responded.
pub(super) fn proxied(proxy: &Proxy, source: HttpError) -> HttpError {
    match source {
        HttpError::Unreachable { .. }
        | HttpError::TimedOut { .. }
        | HttpError::Tls { .. }
        | HttpError::Malformed { .. } => {
            HttpError::Proxied { proxy: proxy.display_url(), source: Box::new(source) }
        }
        // The proxy resolves the server's host name, so the name that was not found is the proxy's.
        HttpError::NoHost(_) => HttpError::Proxied {
            proxy: proxy.display_url(),
            source: Box::new(HttpError::NoHost(proxy.display_url())),
        },
        other => other,
    }
}

/// Converts an error of the HTTP library.
pub(super) fn convert_error(error: &ureq::Error, url: &Url) -> HttpError {
    use ureq::Error;
    match error {
        Error::Io(error) => convert_io_error(error, url),
        Error::Timeout(timeout) => {
            HttpError::TimedOut { url: display_url(url), phase: timeout_phase(*timeout) }
        }
        Error::HostNotFound => HttpError::NoHost(display_url(url)),
        Error::Rustls(error) => convert_tls_error(error, url),
        Error::Tls(why) => {
            HttpError::Tls { url: display_url(url), why: (*why).to_owned(), unknown_ca: false }
        }
        Error::BadUri(why) => invalid_url(url, why),
        Error::Http(why) => invalid_url(url, &why.to_string()),
        Error::ConnectionFailed => HttpError::Unreachable {
            url: display_url(url),
            why: "no IP address of the host responds".to_owned(),
        },
        Error::ConnectProxyFailed(why) => HttpError::Unreachable {
            url: display_url(url),
            why: format!("the proxy rejected the connection: {}", escape(why)),
        },
        Error::LargeResponseHeader(..) => HttpError::Malformed {
            url: display_url(url),
            why: format!("headers of more than {HEADER_LIMIT} bytes"),
        },
        other => HttpError::Malformed { url: display_url(url), why: escape(&other.to_string()) },
    }
}

/// Converts an I/O error of the connection, which may contain an error of ureq or TLS.
pub(super) fn convert_io_error(error: &io::Error, url: &Url) -> HttpError {
    use io::ErrorKind;
    let mut inner = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(cause) = inner {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return convert_tls_error(tls, url);
        }
        if let Some(own) = cause.downcast_ref::<ureq::Error>() {
            return convert_error(own, url);
        }
        inner = cause.source();
    }
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            HttpError::TimedOut { url: display_url(url), phase: "waiting for the response" }
        }
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable => HttpError::Unreachable { url: display_url(url), why: reason(error) },
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => HttpError::Malformed { url: display_url(url), why: reason(error) },
        // getaddrinfo errors have no `ErrorKind`.
        _ if error.to_string().contains("failed to lookup address") => HttpError::NoHost(display_url(url)),
        _ => HttpError::Malformed { url: display_url(url), why: escape(&reason(error)) },
    }
}

fn convert_tls_error(error: &rustls::Error, url: &Url) -> HttpError {
    let (why, unknown_ca) = tls::describe(error);
    HttpError::Tls { url: display_url(url), why, unknown_ca }
}

/// Returns the step of a request in which a timeout occurred.
const fn timeout_phase(timeout: ureq::Timeout) -> &'static str {
    use ureq::Timeout;
    match timeout {
        Timeout::Resolve => "looking up the host name",
        Timeout::Connect => "connecting",
        Timeout::SendRequest | Timeout::SendBody => "sending the request",
        _ => "waiting for the response",
    }
}
