//! Where a directory server is: `ldap://`, `ldaps://` and `ldapi://`.

use std::fmt;
use std::net::Ipv6Addr;

use url::{Host, Url};

use super::fault::DirectoryError;

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

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    scheme: Scheme,
}

impl Address {
    /// Reads the addresses of a setting: one or several, separated by blanks or commas, in the
    /// order in which they are to be tried.
    ///
    /// # Errors
    /// [`DirectoryError::NoAddress`] and [`DirectoryError::Address`].
    pub fn list(text: &str) -> Result<Vec<Self>, DirectoryError> {
        let parts = text.split([' ', ',', '\t', '\n']).filter(|part| !part.is_empty());
        let addresses: Vec<Self> = parts.map(Self::parse).collect::<Result<_, _>>()?;
        if addresses.is_empty() { Err(DirectoryError::NoAddress) } else { Ok(addresses) }
    }

    /// Reads one address.
    ///
    /// # Errors
    /// [`DirectoryError::Address`].
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        let refuse = |why: &'static str| DirectoryError::Address { address: text.to_owned(), why };
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
        let rest = url.path().trim_start_matches('/');
        if !rest.is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(if scheme == Scheme::Ldapi {
                "slashes of the socket's path are written %2F, as in ldapi://%2Frun%2Fldapi"
            } else {
                "it must end after host and port; base and filter are settings of their own"
            }));
        }
        match (scheme, url.host_str().unwrap_or_default()) {
            (Scheme::Ldapi, "") => return Err(refuse("the socket's path is missing")),
            (_, "") => url.set_host(Some("localhost")).map_err(|_| refuse("the host is missing"))?,
            _ => {}
        }
        Ok(Self { url, scheme })
    }

    /// How it is reached.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
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

    /// The IPv6 address that stands in brackets in the place of a name.
    pub(super) fn ipv6_literal(&self) -> Option<Ipv6Addr> {
        match self.url.host() {
            Some(Host::Ipv6(address)) => Some(address),
            _ => None,
        }
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
            "ldapi://",
            "ldapi:///run/ldapi",
            "ldap:x",
            "ldap://x:99999",
            "ldap://x?uid",
            "\0",
        ] {
            assert!(Address::list(text).is_err(), "{text:?}");
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
