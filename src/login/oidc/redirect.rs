//! Where the browser comes back to: the address that is listened on, its port, and the redirect
//! URI that the provider is told.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use super::error::OidcError;
use crate::util::quote::quote;

/// The path that is listened on.
pub const CALLBACK_PATH: &str = "/oidc/callback";

/// The port where nobody names one.
pub const DEFAULT_PORT: u16 = 8250;

/// Ports to try in order: `8250`, `8250,8251`, `8250-8260`, or `0` for any free one.
///
/// ```
/// use cc_auth::login::oidc::redirect::Ports;
/// let ports: Ports = "9000,8250-8252".parse()?;
/// assert_eq!(ports.numbers().collect::<Vec<_>>(), [9000, 8250, 8251, 8252]);
/// # Ok::<(), cc_auth::login::oidc::redirect::PortsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

/// A text that names no ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} names no ports: a number from 0 to 65535 is wanted, a list (8250,8251) or a range (8250-8260)", quote(.0))]
pub struct PortsError(pub String);

impl Ports {
    /// The ports in the order in which they are tried.
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
        let refuse = || PortsError(text.to_owned());
        let number = |part: &str| -> Option<u16> {
            let part = part.trim();
            (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let range = match part.split_once('-') {
                None => number(part).map(|port| (port, port)),
                // A range with 0 in it would begin with "any free one".
                Some((first, last)) => {
                    number(first).zip(number(last)).filter(|(first, last)| *first > 0 && first <= last)
                }
            };
            ranges.push(range.ok_or_else(refuse)?);
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

/// How the redirect URI is made up, for a browser that comes back through something else than
/// loopback (a forwarded port, a proxy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectParts {
    /// `http` or `https`.
    pub method: String,
    /// The host, as the browser knows it.
    pub host: String,
    /// The port; none is the one that is listened on.
    pub port: Option<u16>,
}

impl Default for RedirectParts {
    fn default() -> Self {
        Self { method: "http".to_owned(), host: "localhost".to_owned(), port: None }
    }
}

impl RedirectParts {
    /// The redirect URI `METHOD://HOST:PORT/oidc/callback`. The port is written even where it is
    /// the scheme's own, since providers compare texts (RFC 9700 4.1.3).
    ///
    /// # Errors
    /// [`OidcError::InvalidCallbackUrl`].
    pub fn uri(&self, bound: u16) -> Result<String, OidcError> {
        let bad = |what, found: &str, wanted| OidcError::InvalidCallbackUrl {
            what,
            found: found.to_owned(),
            wanted,
        };
        if !matches!(self.method.as_str(), "http" | "https") {
            return Err(bad("callback method", &self.method, "http or https"));
        }
        let wanted = "a host name or address, without port and path";
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        let host = match bare.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        match Host::parse(&host) {
            Ok(parsed) if parsed.to_string().eq_ignore_ascii_case(&host) => {}
            _ => return Err(bad("callback host", &self.host, wanted)),
        }
        if self.port == Some(0) {
            return Err(bad("callback port", "0", "the port the browser comes back to"));
        }
        Ok(format!("{}://{host}:{}{CALLBACK_PATH}", self.method, self.port.unwrap_or(bound)))
    }
}

/// Whether a login role lets the browser come back there: one of its addresses to the letter; for
/// a loopback host whatever the port (RFC 8252 7.3).
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
    fn ports_are_numbers_lists_and_ranges() {
        for text in ["8250", "0", "1,2,3", "8250-8260", "9000,8250-8252"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        for text in ["", "x", "65536", "-1", "1-", "-", "2-1", "0-5", "1,,2", "+1", "1-2-3"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_redirect_uri_is_made_of_its_parts() {
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
    fn a_role_lets_loopback_come_back_on_any_port_and_others_only_to_the_letter() {
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
