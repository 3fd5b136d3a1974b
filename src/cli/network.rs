//! How the programs get out to the network: what the environment says about proxies.

use crate::http::Proxy;
use crate::util::environment::Environment;

/// The proxy for TLS connections, by the usual variables: `https_proxy` or `all_proxy`, and
/// `no_proxy`, in small letters or capitals.
#[must_use]
pub fn proxy(environment: &Environment) -> Option<Proxy> {
    let either = |name: &str| {
        environment
            .non_empty(name)
            .or_else(|| environment.non_empty(&name.to_ascii_uppercase()))
            .map(str::to_owned)
    };
    let url = either("https_proxy").or_else(|| either("all_proxy"))?;
    Some(Proxy { url, no_proxy: either("no_proxy").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_variables_name_the_proxy() {
        let proxy = |variables: &[(&str, &str)]| {
            let all = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            proxy(&all.collect())
        };
        assert_eq!(proxy(&[("http_proxy", "http://p:1")]), None, "plain http goes nowhere but to loopback");
        let found = proxy(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", "a,b")]).unwrap();
        assert_eq!((found.url.as_str(), found.no_proxy.as_str()), ("http://p:1", "a,b"));
        assert_eq!(proxy(&[("https_proxy", ""), ("ALL_PROXY", "p:2")]).unwrap().url, "p:2");
    }
}
