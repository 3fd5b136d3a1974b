//! The options of the HTTP client.

use std::time::Duration;

use super::proxy::Proxy;
use crate::util::secret::SecretText;

/// The default limit of a response body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// The limit of the headers of a response, in bytes.
pub(super) const HEADER_LIMIT: usize = 32 << 10;

/// The CA certificates that are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HttpTrust {
    /// Those of the system.
    #[default]
    System,
    /// Those of the system and of this PEM text (`--ca-file`).
    SystemPlus(Vec<u8>),
    /// Only those of this PEM text (`jwks_ca_pem`, `oidc_discovery_ca_pem`).
    Only(Vec<u8>),
}

/// How redirects are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// The response is returned as it is; [`Response::success`](super::Response::success) rejects it.
    #[default]
    Return,
    /// GET follows up to this number of redirects, never to another scheme, host or port.
    SameOrigin(u8),
}

/// A bearer token, sent to one origin only.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The origin of the URL from the command line.
    pub origin: url::Origin,
    /// The token.
    pub token: SecretText,
}

/// The options of a client. The default is the strictest, for token endpoints.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The CA certificates that are trusted. Default: those of the system.
    pub trust: HttpTrust,
    /// Timeout for looking up the name and connecting, TLS included. Default 10 s.
    pub connect_timeout: Duration,
    /// Timeout for the whole request, to the last byte of the response. Default 30 s.
    pub timeout: Duration,
    /// The limit of a response body, in bytes. Default [`BODY_LIMIT`].
    pub body_limit: usize,
    /// How redirects are treated. Default [`Redirects::Return`].
    pub redirects: Redirects,
    /// Permit `http` to other hosts than loopback. DANGER: an on-path attacker can read and change
    /// the data. Default false.
    pub allow_plain: bool,
    /// A proxy for TLS connections. Default none.
    pub proxy: Option<Proxy>,
    /// A bearer token for documents of one origin. Default none.
    pub bearer: Option<Bearer>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            trust: HttpTrust::System,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            body_limit: BODY_LIMIT,
            redirects: Redirects::Return,
            allow_plain: false,
            proxy: None,
            bearer: None,
        }
    }
}
