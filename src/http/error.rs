//! Errors of HTTP requests and responses.

use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};

/// An error of a request or of its response. Messages show URLs without their query, which may
/// contain secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// A URL that is not `http` or `https`, or that contains a password.
    #[error("invalid URL {}: {why}", quote(.url))]
    InvalidUrl {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
    /// The value of a header contains a character that HTTP does not permit.
    #[error("the value of the header {} contains a character that HTTP does not permit, such as a line break", quote(.0))]
    InvalidHeader(String),
    /// Plain `http` to a host that is not loopback.
    #[error("{} is plain http: an on-path attacker can read and change the data", quote(.0))]
    PlainHttp(String),
    /// The CA certificates of the options are invalid.
    #[error("invalid CA certificates: {0}")]
    InvalidCa(String),
    /// Neither the system nor the options provide CA certificates.
    #[error("this system has no CA certificates: no server can be verified")]
    NoRoots,
    /// The proxy URL is invalid.
    #[error("invalid proxy URL {}: expected http://HOST:PORT or https://HOST:PORT", quote(.0))]
    InvalidProxy(String),
    /// The host name does not exist.
    #[error("cannot connect to {}: host name not found", quote(.0))]
    NoHost(String),
    /// The connection failed.
    #[error("cannot connect to {}: {why}", quote(.url))]
    Unreachable {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
    /// The server did not respond within the timeout.
    #[error("{} did not respond in time: timeout while {phase}", quote(.url))]
    TimedOut {
        /// The URL.
        url: String,
        /// The step that timed out.
        phase: &'static str,
    },
    /// The TLS handshake failed, or the server's certificate was rejected.
    #[error("no secure connection to {}: {why}", quote(.url))]
    Tls {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
        /// Whether the CA of the certificate is unknown, in which case `--ca-file` can help.
        unknown_ca: bool,
    },
    /// The body of the response is larger than the limit.
    #[error("the response of {} has more than {limit} bytes", quote(.url))]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A plain http request to a port that expects TLS.
    #[error("{} expects https: it rejected a plain http request", quote(.0))]
    ExpectsTls(String),
    /// A request through a proxy failed before the server responded.
    #[error("{source}; the connection goes through the proxy {}", quote(.proxy))]
    Proxied {
        /// The URL of the proxy, without credentials.
        proxy: String,
        /// The error.
        source: Box<HttpError>,
    },
    /// The response is not valid HTTP, or is incomplete.
    #[error("invalid HTTP response from {}: {why}", quote(.url))]
    Malformed {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
    /// A redirect that is not followed.
    #[error("{} redirects to {}, which is not followed", quote(.url), quote(.to))]
    Redirected {
        /// The URL.
        url: String,
        /// The target, without its query.
        to: String,
    },
    /// A status other than 2xx.
    #[error("{} responded with status {status}{}", quote(.url), server_text(.text))]
    ErrorStatus {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The first line of the body; empty if it is not plain text.
        text: String,
    },
    /// The body is not JSON, or does not have the expected structure.
    #[error("{} did not return the expected JSON: {why}{}", quote(.url), server_text(.text))]
    NotJson {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
        /// The first line of the body; empty if it is a web page or may contain secrets.
        text: String,
    },
}

impl HttpError {
    /// Returns whether the failure may be temporary: no connection, an incomplete response, or a status
    /// of 500 or more.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoHost(_)
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Malformed { .. }
            | Self::ErrorStatus { status: 500.., .. } => true,
            Self::Proxied { source, .. } => source.is_temporary(),
            _ => false,
        }
    }
}

/// Formats the server's text as the end of a message.
fn server_text(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", quote(text)) }
}

diagnostics! { HttpError:
    Self::InvalidUrl { .. } => Kind::UrlMalformed;
    Self::InvalidHeader(_) => Kind::HeaderMalformed;
    Self::PlainHttp(url) => Kind::UrlNotHttps, match url.strip_prefix("http://") {
                Some(rest) => format!("use https://{rest}"),
                None => return None,
            };
    Self::InvalidCa(_) => Kind::CaMalformed;
    Self::NoRoots => Kind::CaMissing, "install the package ca-certificates, or set --ca-file FILE";
    Self::InvalidProxy(_) => Kind::ProxyMalformed;
    Self::NoHost(_) => Kind::HostNotFound;
    Self::Unreachable { .. } => Kind::ServerUnreachable;
    Self::TimedOut { .. } => Kind::ServerTimeout;
    Self::Tls { unknown_ca: true, .. } => Kind::ServerUntrusted,
        "if the site has its own CA, use its certificate: --ca-file FILE";
    Self::Tls { .. } => Kind::ServerUntrusted;
    Self::ExpectsTls(url) => Kind::ServerExpectsTls, match url.strip_prefix("http://") {
                Some(rest) => format!("use https://{}", escape(rest)),
                None => return None,
            };
    Self::Proxied { source, .. } => source.kind(), match source.hint() {
                Some(hint) => hint,
                None => "check https_proxy and no_proxy in the environment".to_owned(),
            };
    Self::TooLarge { .. } => Kind::ResponseTooLarge;
    Self::Malformed { .. } => Kind::ResponseMalformed;
    Self::Redirected { to, .. } => Kind::ResponseRedirect,
        format!("if the URL has changed, use {}", escape(to));
    Self::ErrorStatus { .. } => Kind::ResponseErrorStatus;
    Self::NotJson { .. } => Kind::ResponseNotJson;
}
