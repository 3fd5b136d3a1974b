//! The HTTP client: TLS except to loopback, limits of time and size, redirects only on request and
//! only within one origin, no cookies, no `.netrc`, nothing from the process environment.
//!
//! ```no_run
//! use cc_auth::http::{Client, HttpOptions, parse_url};
//! let client = Client::new(HttpOptions::default())?;
//! let url = parse_url("https://idp.example.org/keys")?;
//! let document: serde_json::Value = client.get(&url, &[])?.success()?.json()?;
//! # Ok::<(), cc_auth::http::HttpError>(())
//! ```

use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use ureq::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, RequestBuilder};
use url::Url;
use zeroize::Zeroizing;

use super::convert::{convert_error, convert_io_error, proxied};
use super::error::HttpError;
use super::options::{HEADER_LIMIT, HttpOptions, HttpTrust, Redirects};
use super::response::Response;
use super::tls;
use super::urls::{EXPECTED, display_url, is_loopback};
use crate::util::quote::{escape, quote};
use crate::util::trust::{self, CaCertificates};

/// The maximum number of same-origin redirects that are followed for a document.
const DOCUMENT_REDIRECTS: u8 = 5;

/// An HTTP client.
///
/// It reuses connections and reads the CA certificates at the first request that needs them. Clones
/// share both.
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
    /// Creates a client with these options.
    ///
    /// # Errors
    /// [`HttpError::InvalidCa`] when the CA text has no certificate or an invalid one,
    /// [`HttpError::InvalidProxy`].
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        if let HttpTrust::SystemPlus(pem) | HttpTrust::Only(pem) = &options.trust {
            tls::parse_ca_certificates(pem).map_err(HttpError::InvalidCa)?;
        }
        proxy_of(&options)?;
        Ok(Self { options, plain: OnceLock::new(), safe: OnceLock::new(), proxied: OnceLock::new() })
    }

    /// Returns the options of the client.
    #[must_use]
    pub const fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Checks that the options permit a connection to the URL: `https`, `http` to loopback, or, if
    /// `allow_plain` is set, `http` to any host.
    ///
    /// # Errors
    /// [`HttpError::PlainHttp`], [`HttpError::InvalidUrl`].
    pub fn check(&self, url: &Url) -> Result<(), HttpError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.options.allow_plain || is_loopback(url) => Ok(()),
            "http" => Err(HttpError::PlainHttp(display_url(url))),
            _ => Err(HttpError::InvalidUrl { url: display_url(url), why: EXPECTED.to_owned() }),
        }
    }

    /// Sends a GET request with these headers.
    ///
    /// # Errors
    /// [`HttpError`]; a status other than 2xx is not an error.
    pub fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response, HttpError> {
        let left = match self.options.redirects {
            Redirects::Return => 0,
            Redirects::SameOrigin(count) => count,
        };
        self.follow(url, headers, left)
    }

    /// Fetches a public document of this media type, such as a discovery document or a JWKS.
    ///
    /// Redirects within the URL's origin are followed. The bearer token of the options is sent only to
    /// its own origin.
    ///
    /// # Errors
    /// Same as [`Client::get`].
    pub fn get_document(&self, url: &Url, accept: &str) -> Result<Response, HttpError> {
        // A token is never sent over plain http, even if the options permit plain http.
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
            let response = self.exchange(&url, headers, &Method::Get)?;
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

    /// Sends a form in a POST request. Redirects are not followed, since they would send the form to
    /// another URL.
    ///
    /// # Errors
    /// Same as [`Client::get`].
    pub fn post_form(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Result<Response, HttpError> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let body = Zeroizing::new(body.finish());
        self.exchange(url, headers, &Method::Post { content_type: FORM, body: &body })
    }

    /// Sends a JSON document in a POST request. Redirects are not followed.
    ///
    /// # Errors
    /// Same as [`Client::get`].
    pub fn post_json(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        document: &serde_json::Value,
    ) -> Result<Response, HttpError> {
        let body = document.to_string();
        self.exchange(url, headers, &Method::Post { content_type: "application/json", body: &body })
    }

    /// Sends a DELETE request. Redirects are not followed.
    ///
    /// # Errors
    /// Same as [`Client::get`].
    pub fn delete(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response, HttpError> {
        self.exchange(url, headers, &Method::Delete)
    }

    fn exchange(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        method: &Method<'_>,
    ) -> Result<Response, HttpError> {
        self.check(url)?;
        let proxy = self.options.proxy.as_ref().filter(|proxy| proxy.applies_to(url));
        let agent = self.agent(url, proxy.is_some())?;
        let mut target = url.clone();
        target.set_fragment(None);
        let name = method.name();
        match proxy {
            Some(proxy) => {
                log::info!(
                    "{name} {} through the proxy {}",
                    quote(&display_url(url)),
                    quote(&proxy.display_url())
                );
            }
            None => log::info!("{name} {}", quote(&display_url(url))),
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let (name, value) =
                header(name, value).ok_or_else(|| HttpError::InvalidHeader((*name).to_owned()))?;
            map.insert(name, value);
        }
        let target = target.as_str();
        let answer = match method {
            Method::Get => with_headers(agent.get(target), map).call(),
            Method::Delete => with_headers(agent.delete(target), map).call(),
            Method::Post { content_type, body } => {
                with_headers(agent.post(target), map).content_type(*content_type).send(*body)
            }
        };
        let through = |source: HttpError| match proxy {
            Some(proxy) => proxied(proxy, source),
            None => source,
        };
        let answer = answer.map_err(|error| through(convert_error(&error, url)))?;
        log::info!("{} responded with status {}", quote(&display_url(url)), answer.status().as_u16());
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
        Ok(Response::new(url.clone(), parts.status.as_u16(), parts.headers, bytes))
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

/// The header with the token of a Stronghold, OpenBao or Vault server.
const VAULT_TOKEN: &str = "x-vault-token";

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The method of a request, with its body.
enum Method<'a> {
    Get,
    Delete,
    Post { content_type: &'static str, body: &'a str },
}

impl Method<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Delete => "DELETE",
            Self::Post { .. } => "POST",
        }
    }
}

fn with_headers<B>(mut request: RequestBuilder<B>, headers: HeaderMap) -> RequestBuilder<B> {
    if let Some(own) = request.headers_mut() {
        own.extend(headers);
    }
    request
}

/// Creates a header. Headers with credentials are marked as sensitive, so that logs do not show them.
fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(name == AUTHORIZATION || name == COOKIE || name == VAULT_TOKEN);
    Some((name, value))
}

fn proxy_of(options: &HttpOptions) -> Result<Option<ureq::Proxy>, HttpError> {
    let Some(option) = &options.proxy else { return Ok(None) };
    option.build().map(Some).ok_or_else(|| HttpError::InvalidProxy(option.display_url()))
}

/// Checks that a PEM text has CA certificates and nothing else that a client would reject.
///
/// # Errors
/// [`HttpError::InvalidCa`].
pub fn check_ca_certificates(pem: &[u8]) -> Result<(), HttpError> {
    tls::parse_ca_certificates(pem).map(drop).map_err(HttpError::InvalidCa)
}

/// Creates the TLS configuration with the trusted certificates.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Proxy, parse_url};

    #[test]
    fn invalid_proxy_is_rejected_without_printing_its_password() {
        for url in
            ["socks5://me:hunter2@p:1080", "http://me:hunter2@:80", "me:hunter2@", "http://me:a@hunter2@p:x"]
        {
            let proxy = Proxy { url: url.to_owned(), no_proxy: String::new() };
            let options = HttpOptions { proxy: Some(proxy), ..HttpOptions::default() };
            assert!(!format!("{options:?}").contains("hunter2"), "{options:?}");
            let error = Client::new(options).unwrap_err();
            assert!(matches!(error, HttpError::InvalidProxy(_)), "{url}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn plain_http_is_accepted_for_loopback_only() {
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
    fn ca_file_without_a_valid_certificate_is_rejected() {
        for pem in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let options = HttpOptions { trust: HttpTrust::SystemPlus(pem.into()), ..HttpOptions::default() };
            assert!(matches!(Client::new(options), Err(HttpError::InvalidCa(_))), "{pem:?}");
        }
    }

    #[test]
    fn credentials_in_headers_are_marked_as_sensitive() {
        let (_, value) = header("Authorization", "Basic eA==").unwrap();
        assert!(value.is_sensitive());
        assert!(header("X-Vault-Token", "hvs.x").unwrap().1.is_sensitive());
        assert!(header("X", "a\r\nb").is_none(), "a line end must not add a header");
    }
}
