//! HTTP as a careful client does it: TLS to everything but loopback, a limit on time and on size,
//! no redirect unless asked for and then only within one origin, no cookie, no `.netrc`, nothing
//! from the process environment.
//!
//! ```no_run
//! use cc_auth::http::{Client, Options, parse_url};
//! let client = Client::new(Options::default())?;
//! let url = parse_url("https://idp.example.org/keys")?;
//! let document: serde_json::Value = client.get(&url, &[])?.success()?.json()?;
//! # Ok::<(), cc_auth::http::HttpError>(())
//! ```

use std::fmt;
use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::proxy::Proxy;
use super::tls;
use crate::util::diagnostic::Diagnostic;
use crate::util::file::reason;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::trust::{self, CaCertificates};

/// The most that is taken of an answer's body, in bytes, unless the options say otherwise.
pub const BODY_LIMIT: usize = 1 << 20;

/// The most that is taken of an answer's headers, in bytes.
const HEADER_LIMIT: usize = 32 << 10;

/// How many redirects within the origin are followed for a document.
const DOCUMENT_REDIRECTS: u8 = 5;

/// How much of an answer that is no JSON is shown, in characters.
const SHOWN_CHARS: usize = 160;

/// Whose certificates are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HttpTrust {
    /// Those the system trusts.
    #[default]
    System,
    /// Those the system trusts and the ones in this PEM text (`--ca-file`).
    SystemPlus(Vec<u8>),
    /// Only the ones in this PEM text (`jwks_ca_pem`, `oidc_discovery_ca_pem`).
    Only(Vec<u8>),
}

/// What happens to an answer that sends the client elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// It comes back as it is; [`Response::success`] refuses it.
    #[default]
    Return,
    /// A GET follows it up to so many times, but never to another scheme, host or port.
    SameOrigin(u8),
}

/// A bearer token that goes along with requests to one origin, and to no other.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The origin of the URL that the user named.
    pub origin: url::Origin,
    /// The token.
    pub token: SecretText,
}

/// How careful the client is. The default is what a token endpoint deserves.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whose certificates are trusted.
    pub trust: HttpTrust,
    /// The time to look up the name and connect, TLS included. Default 10 s.
    pub connect_timeout: Duration,
    /// The time for the whole exchange, to the last byte of the body. Default 30 s.
    pub timeout: Duration,
    /// The largest body that is taken, in bytes. Default [`BODY_LIMIT`].
    pub body_limit: usize,
    /// What happens to redirects. Default: they come back as they are.
    pub redirects: Redirects,
    /// Take `http` to other hosts than loopback. DANGER: whoever is on the way reads and changes
    /// what is said. Default false.
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

/// Why an exchange failed, or its answer is not what was wanted. Addresses are shown without
/// their query, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No address, or none of `http` and `https`, or one with a password in it.
    #[error("{} is no address to fetch from: {why}", quote(.url))]
    InvalidUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// `http` to a host that is not loopback.
    #[error("{} is plain http: whoever is on the way could read and change what is said", quote(.0))]
    PlainHttp(String),
    /// The CA file holds nothing that can be trusted.
    #[error("the CA certificates cannot be used: {0}")]
    InvalidCa(String),
    /// The system trusts nobody, and no CA file was given.
    #[error("this system has no CA certificates, so that no server can be trusted")]
    NoRoots,
    /// The proxy's address is none.
    #[error("{} is no address of a proxy, wanted http://HOST:PORT or https://HOST:PORT", quote(.0))]
    InvalidProxy(String),
    /// No such host.
    #[error("{} cannot be reached: no host of that name", quote(.0))]
    NoHost(String),
    /// Nobody answers there.
    #[error("{} cannot be reached: {why}", quote(.url))]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        why: String,
    },
    /// The server did not answer in time.
    #[error("{} did not answer in time: gave up {phase}", quote(.url))]
    TimedOut {
        /// The address.
        url: String,
        /// What was waited for.
        phase: &'static str,
    },
    /// The server's certificate or its TLS is not right.
    #[error("no safe connection to {}: {why}", quote(.url))]
    Tls {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
        /// Whether a CA file could help.
        unknown_ca: bool,
    },
    /// The answer has more bytes than are taken.
    #[error("{} answered with more than {limit} bytes", quote(.url))]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A plain http request reached a port that speaks TLS.
    #[error("{} expects https: it answers plain http with an error", quote(.0))]
    ExpectsTls(String),
    /// A request through a proxy failed before the server answered.
    #[error("{source}; the connection goes through the proxy {}", quote(.proxy))]
    Proxied {
        /// The URL of the proxy, without credentials.
        proxy: String,
        /// What failed.
        source: Box<HttpError>,
    },
    /// The answer ended in the middle, or is no HTTP.
    #[error("{} broke off or speaks no HTTP: {why}", quote(.url))]
    Malformed {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The answer sends elsewhere, which is not followed.
    #[error("{} redirects to {}, which is not followed", quote(.url), quote(.to))]
    Redirected {
        /// The address.
        url: String,
        /// Where the answer sends to, without its query.
        to: String,
    },
    /// A status that is no success.
    #[error("{} answered with status {status}{}", quote(.url), server_text(.text))]
    ErrorStatus {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, or nothing where it is no plain text.
        text: String,
    },
    /// The body is not the JSON that was wanted.
    #[error("{} did not answer with the JSON that was wanted: {why}{}", quote(.url), server_text(.text))]
    NotJson {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
        /// The beginning of the body, where it is text.
        text: String,
    },
}

impl HttpError {
    /// Whether the same question may be answered later: nobody was reached, or whoever was has a
    /// fault of its own.
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

/// The server's own words as the end of a message.
fn server_text(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", quote(text)) }
}

impl Diagnostic for HttpError {
    fn kind(&self) -> Kind {
        match self {
            Self::InvalidUrl { .. } => Kind::UrlMalformed,
            Self::PlainHttp(_) => Kind::UrlNotHttps,
            Self::InvalidCa(_) => Kind::CaMalformed,
            Self::NoRoots => Kind::CaMissing,
            Self::InvalidProxy(_) => Kind::ProxyMalformed,
            Self::NoHost(_) => Kind::HostNotFound,
            Self::Unreachable { .. } => Kind::ServerUnreachable,
            Self::TimedOut { .. } => Kind::ServerTimeout,
            Self::Tls { .. } => Kind::ServerUntrusted,
            Self::ExpectsTls(_) => Kind::ServerExpectsTls,
            Self::Proxied { source, .. } => source.kind(),
            Self::TooLarge { .. } => Kind::AnswerTooLarge,
            Self::Malformed { .. } => Kind::AnswerMalformed,
            Self::Redirected { .. } => Kind::AnswerRedirect,
            Self::ErrorStatus { .. } => Kind::AnswerErrorStatus,
            Self::NotJson { .. } => Kind::AnswerNotJson,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::PlainHttp(url) => match url.strip_prefix("http://") {
                Some(rest) => format!("use https://{rest}"),
                None => return None,
            },
            Self::NoRoots => "install the package ca-certificates, or name a file with --ca-file".to_owned(),
            Self::Tls { unknown_ca: true, .. } => {
                "if the site has a CA of its own, name its certificate with --ca-file FILE".to_owned()
            }
            Self::ExpectsTls(url) => match url.strip_prefix("http://") {
                Some(rest) => format!("use https://{}", escape(rest)),
                None => return None,
            },
            Self::Proxied { source, .. } => match source.hint() {
                Some(hint) => hint,
                None => "check https_proxy and no_proxy in the environment".to_owned(),
            },
            Self::Redirected { to, .. } => format!("if that is where it lives now, use {}", escape(to)),
            _ => return None,
        })
    }
}

/// Reads an address. Only `http` and `https` are any; a password in it is refused, since
/// addresses are shown and logged.
///
/// # Errors
/// [`HttpError::BadUrl`].
pub fn parse_url(text: &str) -> Result<Url, HttpError> {
    let bad = |why: &str| HttpError::InvalidUrl { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => bad("it must begin with https://"),
        other => bad(&other.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::InvalidUrl {
            url: display_url(&url),
            why: "it must not hold a username or password".to_owned(),
        });
    }
    Ok(url)
}

/// Whether an address leads to this machine: `localhost`, 127.0.0.0/8 or `::1`. Names below
/// `localhost` do not count: the C library asks the network for them (RFC 6761 6.3 notwithstanding).
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address without password, query and fragment, for messages.
#[must_use]
pub fn display_url(url: &Url) -> String {
    let mut plain = url.clone();
    // These fail only for addresses without a host, which have nothing to hide.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.set_query(None);
    plain.set_fragment(None);
    plain.into()
}

/// A client. Connections are kept between requests; certificates are read at the first one that
/// needs them. A copy shares both from then on.
#[derive(Clone)]
pub struct Client {
    options: HttpOptions,
    plain: OnceLock<Agent>,
    safe: OnceLock<Agent>,
    proxied: OnceLock<Agent>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these options.
    ///
    /// # Errors
    /// [`HttpError::BadCa`] when the CA text holds no certificate or a broken one,
    /// [`HttpError::BadProxy`].
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        if let HttpTrust::SystemPlus(pem) | HttpTrust::Only(pem) = &options.trust {
            tls::parse_ca_certificates(pem).map_err(HttpError::InvalidCa)?;
        }
        proxy_of(&options)?;
        Ok(Self { options, plain: OnceLock::new(), safe: OnceLock::new(), proxied: OnceLock::new() })
    }

    /// The options the client was made with.
    #[must_use]
    pub const fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Whether this client would fetch from there: `https`, or `http` to loopback, or to anywhere
    /// when the options allow it.
    ///
    /// # Errors
    /// [`HttpError::PlainHttp`], [`HttpError::BadUrl`].
    pub fn check(&self, url: &Url) -> Result<(), HttpError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.options.allow_plain || is_loopback(url) => Ok(()),
            "http" => Err(HttpError::PlainHttp(display_url(url))),
            _ => Err(HttpError::InvalidUrl {
                url: display_url(url),
                why: "it must begin with https://".to_owned(),
            }),
        }
    }

    /// Asks for what is there, with these headers.
    ///
    /// # Errors
    /// [`HttpError`]; a status that is no success is an answer, not an error.
    pub fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response, HttpError> {
        let left = match self.options.redirects {
            Redirects::Return => 0,
            Redirects::SameOrigin(count) => count,
        };
        self.follow(url, headers, left)
    }

    /// Asks for a public document of this media type: a discovery document or a key set. A
    /// redirect within the origin of the URL is followed, and the bearer token of the options goes
    /// along to its own origin.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_document(&self, url: &Url, accept: &str) -> Result<Response, HttpError> {
        // A token is never sent in plain text, whatever else may be.
        let is_private = url.scheme() == "https" || is_loopback(url);
        let bearer = self
            .options
            .bearer
            .as_ref()
            .filter(|bearer| is_private && bearer.origin == url.origin())
            .map(|bearer| Zeroizing::new(format!("Bearer {}", bearer.token.expose())));
        let mut headers = vec![("accept", accept)];
        headers.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
        self.follow(url, &headers, DOCUMENT_REDIRECTS)
    }

    fn follow(&self, url: &Url, headers: &[(&str, &str)], redirects: u8) -> Result<Response, HttpError> {
        let mut left = redirects;
        let mut url = url.clone();
        loop {
            let response = self.exchange(&url, headers, None)?;
            match response.redirect_target() {
                Some(next) if left > 0 && next.origin() == url.origin() => {
                    log::debug!("{} redirects to {}", quote(&display_url(&url)), quote(&display_url(&next)));
                    url = next;
                    left -= 1;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Sends a form. Redirects are never followed: the form would be sent to somebody else.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post_form(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Result<Response, HttpError> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let body = Zeroizing::new(body.finish());
        self.exchange(url, headers, Some(&body))
    }

    fn exchange(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        form: Option<&str>,
    ) -> Result<Response, HttpError> {
        self.check(url)?;
        let proxy = self.options.proxy.as_ref().filter(|proxy| proxy.applies_to(url));
        let agent = self.agent(url, proxy.is_some())?;
        let mut target = url.clone();
        target.set_fragment(None);
        let method = if form.is_some() { "POST" } else { "GET" };
        match proxy {
            Some(proxy) => {
                log::info!(
                    "{method} {} through the proxy {}",
                    quote(&display_url(url)),
                    quote(&proxy.display_url())
                );
            }
            None => log::info!("{method} {}", quote(&display_url(url))),
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let (name, value) = header(name, value)
                .ok_or_else(|| invalid_url(url, "a header for it has a character that cannot be sent"))?;
            map.insert(name, value);
        }
        let answer = match form {
            None => {
                let mut request = agent.get(target.as_str());
                if let Some(own) = request.headers_mut() {
                    own.extend(map);
                }
                request.call()
            }
            Some(form) => {
                let mut request = agent.post(target.as_str());
                if let Some(own) = request.headers_mut() {
                    own.extend(map);
                }
                request.content_type("application/x-www-form-urlencoded").send(form)
            }
        };
        let through = |source: HttpError| match proxy {
            Some(proxy) => proxied(proxy, source),
            None => source,
        };
        let answer = answer.map_err(|error| through(convert_error(&error, url)))?;
        log::info!("{} answered with status {}", quote(&display_url(url)), answer.status().as_u16());
        self.read(url, answer).map_err(through)
    }

    fn read(&self, url: &Url, answer: ureq::http::Response<ureq::Body>) -> Result<Response, HttpError> {
        let (parts, body) = answer.into_parts();
        let limit = self.options.body_limit;
        let mut bytes = Zeroizing::new(Vec::new());
        body.into_reader()
            .take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| convert_io_error(&error, url))?;
        if bytes.len() > limit {
            return Err(HttpError::TooLarge { url: display_url(url), limit });
        }
        Ok(Response { url: url.clone(), status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    }

    fn agent(&self, url: &Url, proxied: bool) -> Result<&Agent, HttpError> {
        let safe = url.scheme() == "https";
        let cell = match (safe, proxied) {
            (false, _) => &self.plain,
            (true, false) => &self.safe,
            (true, true) => &self.proxied,
        };
        if let Some(agent) = cell.get() {
            return Ok(agent);
        }
        let agent = self.build(safe, proxied)?;
        Ok(cell.get_or_init(|| agent))
    }

    fn build(&self, safe: bool, proxied: bool) -> Result<Agent, HttpError> {
        let options = &self.options;
        let config = Agent::config_builder()
            .proxy(if proxied { proxy_of(options)? } else { None })
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_LIMIT)
            .timeout_global(Some(options.timeout))
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .user_agent(concat!("cc-auth-tools/", env!("CARGO_PKG_VERSION")))
            .build();
        if !safe {
            return Ok(Agent::with_parts(config, TcpConnector::default(), DefaultResolver::default()));
        }
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(tls::Tls(client_config(&options.trust)?));
        Ok(Agent::with_parts(config, connector, DefaultResolver::default()))
    }
}

/// A header; those that hold credentials are marked, so that no log shows them.
fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(name == AUTHORIZATION || name == COOKIE);
    Some((name, value))
}

fn invalid_url(url: &Url, why: &str) -> HttpError {
    HttpError::InvalidUrl { url: display_url(url), why: why.to_owned() }
}

fn proxy_of(options: &HttpOptions) -> Result<Option<ureq::Proxy>, HttpError> {
    let Some(option) = &options.proxy else { return Ok(None) };
    option.build().map(Some).ok_or_else(|| HttpError::InvalidProxy(option.display_url()))
}

/// An error of a request through a proxy: it names the proxy unless the server itself answered.
fn proxied(proxy: &Proxy, source: HttpError) -> HttpError {
    match source {
        HttpError::Unreachable { .. }
        | HttpError::TimedOut { .. }
        | HttpError::Tls { .. }
        | HttpError::Malformed { .. } => {
            HttpError::Proxied { proxy: proxy.display_url(), source: Box::new(source) }
        }
        // The proxy looks up the server's name; what was not found is its own.
        HttpError::NoHost(_) => HttpError::Proxied {
            proxy: proxy.display_url(),
            source: Box::new(HttpError::NoHost(proxy.display_url())),
        },
        other => other,
    }
}

/// The TLS settings with the certificates that are trusted.
fn client_config(trust: &HttpTrust) -> Result<Arc<ClientConfig>, HttpError> {
    let own = |pem: &[u8]| tls::parse_ca_certificates(pem).map_err(HttpError::InvalidCa);
    let certificates = match trust {
        HttpTrust::System => trust::system(),
        HttpTrust::SystemPlus(pem) => trust::system().into_iter().chain(own(pem)?).collect(),
        HttpTrust::Only(pem) => own(pem)?,
    };
    let certificates = Arc::new(CaCertificates::new(certificates));
    if certificates.is_empty() {
        return Err(HttpError::NoRoots);
    }
    certificates.client_config().map_err(|error| HttpError::InvalidCa(escape(&error.to_string())))
}

fn convert_error(error: &ureq::Error, url: &Url) -> HttpError {
    use ureq::Error;
    match error {
        Error::Io(error) => convert_io_error(error, url),
        Error::Timeout(timeout) => HttpError::TimedOut { url: display_url(url), phase: phase(*timeout) },
        Error::HostNotFound => HttpError::NoHost(display_url(url)),
        Error::Rustls(error) => convert_tls_error(error, url),
        Error::Tls(why) => {
            HttpError::Tls { url: display_url(url), why: (*why).to_owned(), unknown_ca: false }
        }
        Error::BadUri(why) => invalid_url(url, why),
        Error::Http(why) => invalid_url(url, &why.to_string()),
        Error::ConnectionFailed => {
            HttpError::Unreachable { url: display_url(url), why: "no address of it answers".to_owned() }
        }
        Error::ConnectProxyFailed(why) => HttpError::Unreachable {
            url: display_url(url),
            why: format!("the proxy refused: {}", escape(why)),
        },
        Error::LargeResponseHeader(..) => HttpError::Malformed {
            url: display_url(url),
            why: format!("headers of more than {HEADER_LIMIT} bytes"),
        },
        other => HttpError::Malformed { url: display_url(url), why: escape(&other.to_string()) },
    }
}

/// An error of the connection; ureq wraps its own and those of TLS into it.
fn convert_io_error(error: &io::Error, url: &Url) -> HttpError {
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
            HttpError::TimedOut { url: display_url(url), phase: "waiting for its answer" }
        }
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable => HttpError::Unreachable { url: display_url(url), why: reason(error) },
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => HttpError::Malformed { url: display_url(url), why: reason(error) },
        // What getaddrinfo says has no kind of its own.
        _ if error.to_string().contains("failed to lookup address") => HttpError::NoHost(display_url(url)),
        _ => HttpError::Malformed { url: display_url(url), why: escape(&reason(error)) },
    }
}

fn convert_tls_error(error: &rustls::Error, url: &Url) -> HttpError {
    let (why, unknown_ca) = tls::describe(error);
    HttpError::Tls { url: display_url(url), why, unknown_ca }
}

const fn phase(timeout: ureq::Timeout) -> &'static str {
    use ureq::Timeout;
    match timeout {
        Timeout::Resolve => "looking up its name",
        Timeout::Connect => "connecting",
        Timeout::SendRequest | Timeout::SendBody => "sending the request",
        _ => "waiting for its answer",
    }
}

/// An answer, read to its end.
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
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The address it came from.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// A header, where it is text; the first one of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of that name that are text.
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

    /// Where a redirect leads to; none for other answers or where it leads to nowhere.
    #[must_use]
    pub fn redirect_target(&self) -> Option<Url> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        self.url.join(self.header("location")?).ok()
    }

    /// The answer itself if its status is a success.
    ///
    /// # Errors
    /// [`HttpError::Redirected`], [`HttpError::ErrorStatus`].
    pub fn success(self) -> Result<Self, HttpError> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.to_error()),
        }
    }

    /// The answer as the refusal that it is.
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

    /// Whether this is how servers answer plain http on a port that speaks TLS (Go, nginx, Apache).
    fn is_plain_on_tls_port(&self) -> bool {
        let says = |words: &str| self.body.windows(words.len()).any(|part| part == words.as_bytes());
        self.status == 400
            && self.url.scheme() == "http"
            && (says("HTTP request to an HTTPS server")
                || says("plain HTTP request was sent to HTTPS port")
                || says("speaking plain HTTP to an SSL-enabled server port"))
    }

    /// The body as JSON of this shape.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_json(&error.to_string(), true))
    }

    /// The same for a body that may hold secrets: nothing of it gets into the error.
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
            "text/html" => "it sent a web page".to_owned(),
            _ if self.body.is_empty() => "it sent nothing".to_owned(),
            _ => escape(why),
        };
        HttpError::NotJson { url: display_url(&self.url), why, text }
    }

    /// The first line of the body, cut, where it is text.
    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.trim().lines().next().unwrap_or_default();
        line.chars().take(SHOWN_CHARS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let url = Url::parse("https://u:p@h.example/a?code=secret#frag").unwrap();
        assert_eq!(display_url(&url), "https://h.example/a");
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        let refused = parse_url("https://u:hunter2@h.example/").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
        assert_eq!(refused.status(), crate::util::diagnostic::ExitStatus::Config);
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for url in
            ["socks5://me:hunter2@p:1080", "http://me:hunter2@:80", "me:hunter2@", "http://me:a@hunter2@p:x"]
        {
            let proxy = Proxy { url: url.to_owned(), no_proxy: String::new() };
            let options = HttpOptions { proxy: Some(proxy), ..HttpOptions::default() };
            assert!(!format!("{options:?}").contains("hunter2"), "{options:?}");
            let refused = Client::new(options).unwrap_err();
            assert!(matches!(refused, HttpError::InvalidProxy(_)), "{url}: {refused:?}");
            assert!(!format!("{refused:?} {refused}").contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn only_web_addresses_are_addresses() {
        for text in ["file:///etc/passwd", "javascript:alert(1)", "ftp://x", "h.example", ""] {
            assert!(matches!(parse_url(text), Err(HttpError::InvalidUrl { .. })), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        let client = Client::new(HttpOptions::default()).unwrap();
        let check = |text: &str| client.check(&parse_url(text).unwrap());
        for text in ["http://localhost:1/", "http://127.8.8.8/", "http://[::1]:8/", "https://h.example"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "http://h.example/",
            "http://localhost.h.example",
            "http://a.localhost",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://[::]",
        ] {
            assert!(matches!(check(text), Err(HttpError::PlainHttp(_))), "{text}");
        }
        let lax = Client::new(HttpOptions { allow_plain: true, ..HttpOptions::default() }).unwrap();
        assert_eq!(lax.check(&parse_url("http://h.example/").unwrap()), Ok(()));
    }

    #[test]
    fn a_ca_file_without_a_proper_certificate_is_refused() {
        for pem in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let options = HttpOptions { trust: HttpTrust::SystemPlus(pem.into()), ..HttpOptions::default() };
            assert!(matches!(Client::new(options), Err(HttpError::InvalidCa(_))), "{pem:?}");
        }
    }

    #[test]
    fn credentials_in_headers_are_marked_for_every_log() {
        let (_, value) = header("Authorization", "Basic eA==").unwrap();
        assert!(value.is_sensitive());
        assert!(header("X", "a\r\nb").is_none(), "no header is smuggled in");
    }
}
