//! Where a directory server is: `ldap://`, `ldaps://` and `ldapi://`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use url::Url;

use super::fault::LdapError;

/// The path of the socket: percent-encoded in the place of the host, as libldap reads it
/// (`ldapi://%2Frun%2Fldapi`), or as the path of the URL, as the server's library does
/// (`ldapi:///run/ldapi`). Without either it is the default of OpenLDAP.
fn socket_path(url: &Url) -> Result<PathBuf, &'static str> {
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    if url.port().is_some() {
        return Err("a socket has no port");
    }
    let encoded = match (host, path.trim_end_matches('/')) {
        ("", "") => return Ok(PathBuf::from(DEFAULT_SOCKET)),
        ("", path) => path,
        (host, "") => host,
        _ => return Err("the path of the socket is either in the place of the host or after it"),
    };
    let decoded = percent_decoded(encoded).ok_or("'%' must be followed by two hexadecimal digits")?;
    match decoded.first() {
        Some(b'/') if !decoded.contains(&0) => Ok(PathBuf::from(OsString::from_vec(decoded))),
        _ => Err("the path of the socket must be absolute, as in ldapi:///run/ldapi"),
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

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP, or with StartTLS where it is asked for.
    Ldap,
    /// TLS from the first byte.
    Ldaps,
    /// A socket of this machine.
    Ldapi,
}

/// Where OpenLDAP's server listens when an `ldapi` address has no path.
const DEFAULT_SOCKET: &str = "/var/run/slapd/ldapi";

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    scheme: Scheme,
    /// The path of the socket of an `ldapi` address.
    socket: PathBuf,
}

impl Address {
    /// Reads the addresses of a setting: one or several, separated by blanks or commas, in the
    /// order in which they are to be tried.
    ///
    /// # Errors
    /// [`LdapError::NoAddress`] and [`LdapError::Address`].
    pub fn list(text: &str) -> Result<Vec<Self>, LdapError> {
        let parts = text.split([' ', ',', '\t', '\n']).filter(|part| !part.is_empty());
        let addresses: Vec<Self> = parts.map(Self::parse).collect::<Result<_, _>>()?;
        if addresses.is_empty() { Err(LdapError::NoAddress) } else { Ok(addresses) }
    }

    /// Reads one address.
    ///
    /// # Errors
    /// [`LdapError::Address`].
    pub fn parse(text: &str) -> Result<Self, LdapError> {
        let refuse = |why: &'static str| LdapError::Address { address: text.to_owned(), why };
        let mut url =
            Url::parse(text).map_err(|_| refuse("it is no URL, such as ldaps://ldap.example.com"))?;
        let scheme = match url.scheme() {
            "ldap" => Scheme::Ldap,
            "ldaps" => Scheme::Ldaps,
            "ldapi" => Scheme::Ldapi,
            _ => return Err(refuse("the scheme must be ldap, ldaps or ldapi")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("a name or password has no place in it"));
        }
        let has_path = !url.path().trim_start_matches('/').is_empty();
        if (has_path && scheme != Scheme::Ldapi) || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must end after host and port; base and filter are settings of their own"));
        }
        let mut socket = PathBuf::new();
        if scheme == Scheme::Ldapi {
            socket = socket_path(&url).map_err(refuse)?;
        } else if url.host_str().unwrap_or_default().is_empty() {
            url.set_host(Some("localhost")).map_err(|_| refuse("the host is missing"))?;
        }
        Ok(Self { url, scheme, socket })
    }

    /// The path of the socket of an `ldapi` address; empty for other schemes.
    #[must_use]
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }

    /// How it is reached.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host without the brackets of an IPv6 address, or the path of the socket.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, as given or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(if self.scheme == Scheme::Ldaps { 636 } else { 389 })
    }

    /// Whether what is sent to it stays on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self.host();
        self.scheme == Scheme::Ldapi
            || host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_addresses_keep_their_order() {
        let list = Address::list("ldaps://a.example, ldap://b.example:3389\nldapi://%2Frun%2Fldapi").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["ldaps://a.example", "ldap://b.example:3389", "ldapi://%2Frun%2Fldapi"]);
        assert_eq!((list[0].port(), list[1].port()), (636, 3389));
    }

    #[test]
    fn what_is_no_address_is_refused() {
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
            assert!(Address::list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn socket_path_is_read_in_either_place_and_has_a_default() {
        for (text, path) in [
            ("ldapi://%2Frun%2Fldapi", "/run/ldapi"),
            ("ldapi://%2frun%2fldapi/", "/run/ldapi"),
            ("ldapi:///run/ldapi", "/run/ldapi"),
            ("ldapi:///%2Frun/my%20socket", "//run/my socket"),
            ("ldapi:///", DEFAULT_SOCKET),
            ("ldapi://", DEFAULT_SOCKET),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.socket_path(), Path::new(path), "{text}");
            assert!(address.is_local(), "{text}");
        }
    }

    #[test]
    fn an_address_without_host_is_this_machine() {
        for text in ["ldap:///", "ldap://", "ldap://127.0.0.1", "ldap://[::1]", "ldap://localhost"] {
            let address = Address::parse(text).unwrap();
            assert!(address.is_local(), "{text}");
        }
        assert!(!Address::parse("ldap://ldap.example.com").unwrap().is_local());
        assert_eq!(Address::parse("ldap://[::1]").unwrap().host(), "::1");
    }
}
