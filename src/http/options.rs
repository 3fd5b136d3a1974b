//! The options of the HTTP client.

use std::time::Duration;

use super::proxy::Proxy;
use crate::util::secret::SecretText;

/// The default maximum size of a response body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// The maximum size of a response's headers, in bytes.
pub(super) const HEADER_LIMIT: usize = 32 << 10;

/// The trusted CA certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HttpTrust {
    /// The certificates of the system.
    #[default]
    System,
    /// The certificates of the system and of this PEM text (`--ca-file`).
    SystemPlus(Vec<u8>),
    /// Only the certificates of this PEM text (`jwks_ca_pem`, `oidc_discovery_ca_pem`).
    Only(Vec<u8>),
}

/// The handling of redirects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Returns the redirect as a response, which [`Response::success`](super::Response::success)
    /// rejects.
    #[default]
    Return,
    /// Follows up to this number of redirects of a GET request within the same scheme, host and port.
    SameOrigin(u8),
}

/// A bearer token that is sent to one origin only.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The origin of the URL from the command line.
    pub origin: url::Origin,
    /// The token.
    pub token: SecretText,
}

/// The options of a client. The defaults are the strictest, for token endpoints.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The trusted CA certificates. Default: those of the system.
    pub trust: HttpTrust,
    /// Timeout for name lookup, connection and TLS handshake. Default: 10 s.
    pub connect_timeout: Duration,
    /// Timeout for the whole request, including the response body. Default: 30 s.
    pub timeout: Duration,
    /// The maximum size of a response body, in bytes. Default: [`BODY_LIMIT`].
    pub body_limit: usize,
    /// The handling of redirects. Default: [`Redirects::Return`].
    pub redirects: Redirects,
    /// Whether `http` to hosts other than loopback is permitted. Default: `false`.
    ///
    /// DANGER: an on-path attacker can read and change the data.
    pub allow_plain: bool,
    /// The proxy for TLS connections. Default: none.
    pub proxy: Option<Proxy>,
    /// The bearer token for documents of one origin. Default: none.
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
