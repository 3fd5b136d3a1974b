//! URLs of LDAP servers: `ldap://`, `ldaps://` and `ldapi://`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use url::Url;

use super::error::LdapError;

/// Returns the socket path of an `ldapi` URL: either the percent-encoded host, as in libldap
/// (`ldapi://%2Frun%2Fldapi`), or the path of the URL, as in the LDAP library of the server
/// (`ldapi:///run/ldapi`). The default is the socket of OpenLDAP.
fn socket_path(url: &Url) -> Result<PathBuf, &'static str> {
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    if url.port().is_some() {
        return Err("unexpected port in a socket URL");
    }
    let encoded = match (host, path.trim_end_matches('/')) {
        ("", "") => return Ok(PathBuf::from(DEFAULT_SOCKET)),
        ("", path) => path,
        (host, "") => host,
        _ => return Err("expected the path of the socket either as the host or as the path"),
    };
    let decoded = percent_decoded(encoded).ok_or("expected two hexadecimal digits after '%'")?;
    match decoded.first() {
        Some(b'/') if !decoded.contains(&0) => Ok(PathBuf::from(OsString::from_vec(decoded))),
        _ => Err("expected an absolute path of the socket, such as ldapi:///run/ldapi"),
    }
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    Some(decoded)
}

/// The scheme of an LDAP URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TCP, encrypted if StartTLS is configured.
    Ldap,
    /// TLS from the first byte.
    Ldaps,
    /// A local socket.
    Ldapi,
}

/// Default socket of an `ldapi` URL, as in OpenLDAP.
const DEFAULT_SOCKET: &str = "/var/run/slapd/ldapi";

/// The URL of one LDAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUrl {
    url: Url,
    scheme: Scheme,
    /// The socket path of an `ldapi` URL.
    socket: PathBuf,
}

impl LdapUrl {
    /// Parses the setting `url`: one or more URLs, separated by white space or commas, in the order
    /// in which they are tried.
    ///
    /// # Errors
    /// [`LdapError::NotConfigured`] for an empty list, [`LdapError::InvalidUrl`] for an invalid
    /// URL.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, LdapError> {
        let parts = text.split([' ', ',', '\t', '\n']).filter(|part| !part.is_empty());
        let urls: Vec<Self> = parts.map(Self::parse).collect::<Result<_, _>>()?;
        if urls.is_empty() { Err(LdapError::NotConfigured) } else { Ok(urls) }
    }

    /// Parses one URL.
    ///
    /// # Errors
    /// [`LdapError::InvalidUrl`] if the URL is invalid.
    pub fn parse(text: &str) -> Result<Self, LdapError> {
        let error = |why: &'static str| LdapError::InvalidUrl { url: text.to_owned(), why };
        let mut url =
            Url::parse(text).map_err(|_| error("expected a URL such as ldaps://ldap.example.com"))?;
        let scheme = match url.scheme() {
            "ldap" => Scheme::Ldap,
            "ldaps" => Scheme::Ldaps,
            "ldapi" => Scheme::Ldapi,
            _ => return Err(error("expected the scheme ldap, ldaps or ldapi")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("unexpected username or password"));
        }
        let has_path = !url.path().trim_start_matches('/').is_empty();
        if (has_path && scheme != Scheme::Ldapi) || url.query().is_some() || url.fragment().is_some() {
            return Err(error(
                "unexpected text after host and port; the search base and the filter have their own settings",
            ));
        }
        let mut socket = PathBuf::new();
        if scheme == Scheme::Ldapi {
            socket = socket_path(&url).map_err(error)?;
        } else if url.host_str().unwrap_or_default().is_empty() {
            url.set_host(Some("localhost")).map_err(|_| error("expected a host name"))?;
        }
        Ok(Self { url, scheme, socket })
    }

    /// Returns the socket path of an `ldapi` URL; empty for other schemes.
    #[must_use]
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }

    /// Returns the scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host without the brackets of an IPv6 address, or the socket path.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the port of the URL, or the default port of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(if self.scheme == Scheme::Ldaps { 636 } else { 389 })
    }

    /// Returns whether the connection is local to this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self.host();
        self.scheme == Scheme::Ldapi
            || host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_list_keeps_its_order() {
        let list =
            LdapUrl::parse_list("ldaps://a.example, ldap://b.example:3389\nldapi://%2Frun%2Fldapi").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["ldaps://a.example", "ldap://b.example:3389", "ldapi://%2Frun%2Fldapi"]);
        assert_eq!((list[0].port(), list[1].port()), (636, 3389));
    }

    #[test]
    fn invalid_url_is_rejected() {
        for text in [
            "",
            " , ",
            "ldap.example.com",
            "http://x",
            "ldap://u:p@x",
            "ldap://x/dc=y",
            "ldapi://run/ldapi",
            "ldapi://run",
            "ldapi://%2Frun%2Fldapi/ldapi",
            "ldapi://%2Frun:389",
            "ldapi:///run%0",
            "ldapi:///run%zz",
            "ldapi:///run%00",
            "ldapi:///run/ldapi?x",
            "ldap:x",
            "ldap://x:99999",
            "ldap://x?uid",
            "\0",
        ] {
            assert!(LdapUrl::parse_list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn socket_path_is_host_or_path_or_default() {
        for (text, path) in [
            ("ldapi://%2Frun%2Fldapi", "/run/ldapi"),
            ("ldapi://%2frun%2fldapi/", "/run/ldapi"),
            ("ldapi:///run/ldapi", "/run/ldapi"),
            ("ldapi:///%2Frun/my%20socket", "//run/my socket"),
            ("ldapi:///", DEFAULT_SOCKET),
            ("ldapi://", DEFAULT_SOCKET),
        ] {
            let url = LdapUrl::parse(text).unwrap();
            assert_eq!(url.socket_path(), Path::new(path), "{text}");
            assert!(url.is_local(), "{text}");
        }
    }

    #[test]
    fn url_without_host_is_this_machine() {
        for text in ["ldap:///", "ldap://", "ldap://127.0.0.1", "ldap://[::1]", "ldap://localhost"] {
            let url = LdapUrl::parse(text).unwrap();
            assert!(url.is_local(), "{text}");
        }
        assert!(!LdapUrl::parse("ldap://ldap.example.com").unwrap().is_local());
        assert_eq!(LdapUrl::parse("ldap://[::1]").unwrap().host(), "::1");
    }
}
