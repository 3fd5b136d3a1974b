//! The redirect URI and the ports for it.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use super::error::OidcError;
use crate::util::quote::quote;

/// The path of the redirect URI.
pub const CALLBACK_PATH: &str = "/oidc/callback";

/// The default port.
pub const DEFAULT_PORT: u16 = 8250;

/// Ports that are tried in order: `8250`, `8250,8251`, `8250-8260`, or `0` for any free port.
///
/// ```
/// use cc_auth::login::oidc::redirect::Ports;
/// let ports: Ports = "9000,8250-8252".parse()?;
/// assert_eq!(ports.numbers().collect::<Vec<_>>(), [9000, 8250, 8251, 8252]);
/// # Ok::<(), cc_auth::login::oidc::redirect::PortsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

/// The text is not a list of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid ports {}: expected a number from 0 to 65535, a list (8250,8251) or a range (8250-8260)", quote(.0))]
pub struct PortsError(pub String);

impl Ports {
    /// Iterates over the ports in the order in which they are tried.
    pub fn numbers(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self(vec![(DEFAULT_PORT, DEFAULT_PORT)])
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || PortsError(text.to_owned());
        let number = |part: &str| -> Option<u16> {
            let part = part.trim();
            (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let range = match part.split_once('-') {
                None => number(part).map(|port| (port, port)),
                // A range from 0 would start with any free port.
                Some((first, last)) => {
                    number(first).zip(number(last)).filter(|(first, last)| *first > 0 && first <= last)
                }
            };
            ranges.push(range.ok_or_else(invalid)?);
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (first, last)) in self.0.iter().enumerate() {
            if count > 0 {
                f.write_str(",")?;
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}

/// The parts of the redirect URI, for a browser that returns through a forwarded port or a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectParts {
    /// `http` or `https`.
    pub method: String,
    /// The host.
    pub host: String,
    /// The port; `None` means the port of the listener.
    pub port: Option<u16>,
}

impl Default for RedirectParts {
    fn default() -> Self {
        Self { method: "http".to_owned(), host: "localhost".to_owned(), port: None }
    }
}

impl RedirectParts {
    /// Returns the redirect URI `METHOD://HOST:PORT/oidc/callback`. It always contains the port,
    /// because providers compare strings (RFC 9700 4.1.3).
    ///
    /// # Errors
    /// [`OidcError::InvalidCallbackUrl`].
    pub fn uri(&self, bound: u16) -> Result<String, OidcError> {
        let invalid = |what, found: &str, expected| OidcError::InvalidCallbackUrl {
            what,
            found: found.to_owned(),
            expected,
        };
        if !matches!(self.method.as_str(), "http" | "https") {
            return Err(invalid("--callback-method", &self.method, "http or https"));
        }
        let expected = "a host name or IP address, without port and path";
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        let host = match bare.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        match Host::parse(&host) {
            Ok(parsed) if parsed.to_string().eq_ignore_ascii_case(&host) => {}
            _ => return Err(invalid("--callback-host", &self.host, expected)),
        }
        if self.port == Some(0) {
            return Err(invalid("--callback-port", "0", "1 to 65535"));
        }
        Ok(format!("{}://{host}:{}{CALLBACK_PATH}", self.method, self.port.unwrap_or(bound)))
    }
}

/// Whether the redirect URI equals one of those that a login role allows; for a loopback host, the
/// port is ignored (RFC 8252 7.3).
#[must_use]
pub fn is_allowed(uri: &str, allowed: &[String]) -> bool {
    let portless = |text: &str| -> Option<String> {
        let mut url = Url::parse(text).ok()?;
        let loopback = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
        url.set_port(None).ok()?;
        loopback.then(|| url.into())
    };
    let own = portless(uri);
    allowed.iter().any(|allowed| allowed == uri || (own.is_some() && own == portless(allowed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_parse_numbers_lists_and_ranges() {
        for text in ["8250", "0", "1,2,3", "8250-8260", "9000,8250-8252"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        for text in ["", "x", "65536", "-1", "1-", "-", "2-1", "0-5", "1,,2", "+1", "1-2-3"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn redirect_uri_is_composed_of_its_parts() {
        let uri = |method: &str, host: &str, port| {
            RedirectParts { method: method.to_owned(), host: host.to_owned(), port }.uri(8250)
        };
        assert_eq!(uri("http", "localhost", None).unwrap(), "http://localhost:8250/oidc/callback");
        assert_eq!(
            uri("https", "login.example", Some(443)).unwrap(),
            "https://login.example:443/oidc/callback"
        );
        assert_eq!(uri("http", "::1", None).unwrap(), "http://[::1]:8250/oidc/callback");
        assert_eq!(uri("http", "[::1]", None).unwrap(), "http://[::1]:8250/oidc/callback");
        for (method, host, port) in [
            ("ftp", "localhost", None),
            ("http", "a/b", None),
            ("http", "a:1", None),
            ("http", "u@h", None),
            ("http", "", None),
            ("http", "localhost", Some(0)),
        ] {
            assert!(
                matches!(uri(method, host, port), Err(OidcError::InvalidCallbackUrl { .. })),
                "{method} {host}"
            );
        }
    }

    #[test]
    fn is_allowed_ignores_the_port_of_loopback_uris_only() {
        let allowed = ["http://localhost:8250/oidc/callback", "https://a.example:8250/oidc/callback"];
        let allowed: Vec<String> = allowed.map(str::to_owned).to_vec();
        for uri in [
            "http://localhost:8250/oidc/callback",
            "http://localhost:1/oidc/callback",
            "https://a.example:8250/oidc/callback",
        ] {
            assert!(is_allowed(uri, &allowed), "{uri}");
        }
        for uri in [
            "https://localhost:8250/oidc/callback",
            "http://127.0.0.1:8250/oidc/callback",
            "http://localhost:8250/other",
            "http://localhost.a.example:8250/oidc/callback",
            "https://a.example:1/oidc/callback",
            "https://a.example:8250/oidc/callback/",
        ] {
            assert!(!is_allowed(uri, &allowed), "{uri}");
        }
        assert!(!is_allowed("http://localhost:8250/oidc/callback", &[]));
    }
}
