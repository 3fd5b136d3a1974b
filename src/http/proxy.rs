//! The proxy for TLS connections, and the hosts that bypass it.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::urls::is_loopback;
use crate::util::environment::Environment;

/// A proxy for TLS connections. Plain http and loopback never use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The URL of the proxy, as in `https_proxy`.
    pub url: String,
    /// The hosts that bypass the proxy, as in `no_proxy`, separated by commas or white space.
    ///
    /// An entry is a domain (with its subdomains), an IP address or a CIDR network, each with an
    /// optional port. `*` matches every host.
    pub no_proxy: String,
}

impl fmt::Debug for Proxy {
    /// Omits the credentials that the URL may contain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOption")
            .field("url", &self.display_url())
            .field("except", &self.no_proxy)
            .finish()
    }
}

impl Proxy {
    /// Reads the proxy from the environment: `https_proxy` or `all_proxy`, and `no_proxy`, each in
    /// lower or upper case.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Option<Self> {
        let either = |name: &str| {
            environment
                .non_empty(name)
                .or_else(|| environment.non_empty(&name.to_ascii_uppercase()))
                .map(str::to_owned)
        };
        let url = either("https_proxy").or_else(|| either("all_proxy"))?;
        Some(Self { url, no_proxy: either("no_proxy").unwrap_or_default() })
    }

    /// Returns the URL without credentials, for messages.
    #[must_use]
    pub fn display_url(&self) -> String {
        without_credentials(&self.url)
    }

    /// Returns whether connections to this URL use the proxy.
    #[must_use]
    pub fn applies_to(&self, url: &Url) -> bool {
        url.scheme() == "https" && !is_loopback(url) && !self.is_excepted(url)
    }

    fn is_excepted(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let port = url.port_or_known_default();
        self.no_proxy
            .split([',', ' ', '\t'])
            .filter(|entry| !entry.is_empty())
            .any(|entry| matches_entry(entry, &host, port))
    }

    /// Creates the proxy for the HTTP library; returns `None` if the URL is invalid.
    #[must_use]
    pub fn build(&self) -> Option<ureq::Proxy> {
        let with_scheme =
            if self.url.contains("://") { self.url.clone() } else { format!("http://{}", self.url) };
        let url = Url::parse(&with_scheme).ok()?;
        let (protocol, default) = match url.scheme() {
            "http" => (ureq::ProxyProtocol::Http, 80),
            "https" => (ureq::ProxyProtocol::Https, 443),
            _ => return None,
        };
        let mut builder =
            ureq::Proxy::builder(protocol).host(url.host_str()?).port(url.port().unwrap_or(default));
        if !url.username().is_empty() {
            builder = builder.username(url.username());
        }
        if let Some(password) = url.password() {
            builder = builder.password(password);
        }
        builder.build().ok()
    }
}

/// Returns whether an entry of `no_proxy` matches this host, by the rules of curl and Go: a domain
/// matches its subdomains, with and without a leading dot or `*.`.
fn matches_entry(entry: &str, host: &Host<&str>, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    let (entry, required_port) = split_port(entry);
    if required_port.is_some() && required_port != port {
        return false;
    }
    match host {
        Host::Domain(name) => {
            let entry = entry.strip_prefix('*').unwrap_or(entry);
            let entry = entry.trim_matches('.').to_ascii_lowercase();
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let above = name.strip_suffix(&entry);
            !entry.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        }
        Host::Ipv4(address) => matches_address(entry, IpAddr::V4(*address)),
        Host::Ipv6(address) => matches_address(entry, IpAddr::V6(*address)),
    }
}

/// Splits `host:port` or `[v6]:port`. Other entries are returned unchanged, since a bare IPv6 address
/// also contains colons.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(inside) = entry.strip_prefix('[') {
        return match inside.split_once(']') {
            Some((address, rest)) => (address, rest.strip_prefix(':').and_then(|port| port.parse().ok())),
            None => (entry, None),
        };
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn matches_address(entry: &str, address: IpAddr) -> bool {
    let (network, prefix) = match entry.split_once('/') {
        Some((network, prefix)) => (network, Some(prefix)),
        None => (entry, None),
    };
    let (Ok(network), address) = (network.parse::<IpAddr>(), address.to_canonical()) else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32_u32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((expected, most), (found, same)) = (bits(network), bits(address));
    let length = match prefix.map(str::parse::<u32>) {
        None => most,
        Some(Ok(length)) if length <= most => length,
        Some(_) => return false,
    };
    let difference = expected ^ found;
    most == same && (length == 0 || difference.leading_zeros() >= length)
}

/// Removes the part before `@` from a proxy URL, which may be invalid.
fn without_credentials(address: &str) -> String {
    let Some((before, host)) = address.rsplit_once('@') else { return address.to_owned() };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_entry_covers_what_curl_and_go_cover() {
        let table = [
            ("example.org", "https://example.org/x", true),
            ("example.org", "https://idp.example.org", true),
            ("example.org", "https://a.b.EXAMPLE.org.", true),
            (".example.org", "https://idp.example.org", true),
            ("*.example.org", "https://idp.example.org", true),
            ("EXAMPLE.ORG.", "https://example.org", true),
            ("example.org", "https://badexample.org", false),
            ("example.org", "https://example.org.evil.net", false),
            ("other.net, example.org", "https://example.org", true),
            ("other.net example.org", "https://example.org", true),
            ("example.org:8443", "https://example.org:8443", true),
            ("example.org:8443", "https://example.org", false),
            ("example.org:443", "https://example.org", true),
            ("*", "https://example.org", true),
            ("", "https://example.org", false),
            (",,", "https://example.org", false),
            (".", "https://example.org", false),
            ("10.0.0.1", "https://10.0.0.1", true),
            ("10.0.0.1", "https://10.0.0.10", false),
            ("10.0.0.0/8", "https://10.200.3.4", true),
            ("10.0.0.0/8", "https://11.0.0.1", false),
            ("0.0.0.0/0", "https://11.0.0.1", true),
            ("10.0.0.0/33", "https://10.0.0.0", false),
            ("0.1", "https://10.0.0.1", false),
            ("2001:db8::/32", "https://[2001:db8::7]", true),
            ("[2001:db8::7]:443", "https://[2001:db8::7]", true),
            ("2001:db8::7", "https://[2001:db8::8]", false),
            ("::/0", "https://10.0.0.1", false),
        ];
        for (except, url, expected) in table {
            let proxy = Proxy { url: "http://p:1".to_owned(), no_proxy: except.to_owned() };
            assert_eq!(!proxy.applies_to(&Url::parse(url).unwrap()), expected, "no_proxy={except} {url}");
        }
    }

    #[test]
    fn proxy_comes_from_the_usual_variables() {
        let proxy = |variables: &[(&str, &str)]| {
            let all = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Proxy::from_environment(&all.collect())
        };
        assert_eq!(proxy(&[("http_proxy", "http://p:1")]), None, "plain http is for loopback only");
        let found = proxy(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", "a,b")]).unwrap();
        assert_eq!((found.url.as_str(), found.no_proxy.as_str()), ("http://p:1", "a,b"));
        assert_eq!(proxy(&[("https_proxy", ""), ("ALL_PROXY", "p:2")]).unwrap().url, "p:2");
    }

    #[test]
    fn loopback_and_plain_http_never_use_the_proxy() {
        let proxy = Proxy { url: "http://p:1".to_owned(), no_proxy: String::new() };
        for url in ["https://localhost:1", "https://127.0.0.9", "https://[::1]:8", "http://example.org"] {
            assert!(!proxy.applies_to(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(proxy.applies_to(&Url::parse("https://example.org").unwrap()));
    }
}
