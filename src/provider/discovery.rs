//! What a provider says about itself (OpenID Connect Discovery 1.0).
//!
//! The document is believed only if its `issuer` is the configured address byte for byte
//! (section 4.3), and only addresses that the client would fetch from are taken out of it.

use serde::{Deserialize, Serialize};
use url::Url;

use super::http::{Client, HttpError, parse_url};
use crate::base::fault::Fault;
use crate::base::kind::Kind;
use crate::base::quote::quote;

/// What a provider's address is followed by to find its document.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A provider as it describes itself; what is not used here is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// The issuer of its tokens.
    pub issuer: String,
    /// Its public keys.
    pub jwks_uri: Url,
    /// Where a person logs in.
    #[serde(default)]
    pub authorization_endpoint: Option<Url>,
    /// Where codes become tokens.
    #[serde(default)]
    pub token_endpoint: Option<Url>,
    /// Who a token belongs to.
    #[serde(default)]
    pub userinfo_endpoint: Option<Url>,
    /// Where a device asks for a login (RFC 8628).
    #[serde(default)]
    pub device_authorization_endpoint: Option<Url>,
    /// Where a login is ended (RP-Initiated Logout 1.0).
    #[serde(default)]
    pub end_session_endpoint: Option<Url>,
    /// Where a refresh token is given back (RFC 7009).
    #[serde(default)]
    pub revocation_endpoint: Option<Url>,
    /// The algorithms of its ID tokens.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// How a client proves who it is; `client_secret_basic` where nothing is said.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// The PKCE methods.
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// The scopes.
    #[serde(default)]
    pub scopes_supported: Option<Vec<String>>,
    /// Whether its answers name it (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why a provider's document is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It can't be fetched or read.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It speaks for somebody else.
    #[error(
        "the provider at {} calls itself {}: the configured address and its 'issuer' must be the same to the last character",
        quote(.configured), quote(.found)
    )]
    OtherIssuer {
        /// The configured address.
        configured: String,
        /// The `issuer` of the document.
        found: String,
    },
    /// It has an endpoint that must not be used.
    #[error("the provider's {endpoint} must not be used: {source}")]
    Endpoint {
        /// The member of the document.
        endpoint: &'static str,
        /// Why.
        source: HttpError,
    },
    /// It lacks an endpoint that is needed.
    #[error("the provider {} has no {endpoint}", quote(.issuer))]
    Lacks {
        /// The provider.
        issuer: String,
        /// The member of the document.
        endpoint: &'static str,
    },
}

impl Fault for DiscoveryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::OtherIssuer { .. } => Kind::ProviderOtherIssuer,
            Self::Endpoint { .. } => Kind::ProviderEndpointUnsafe,
            Self::Lacks { .. } => Kind::ProviderEndpointMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(error) => error.hint(),
            Self::OtherIssuer { found, .. } => {
                Some(format!("if that is the right provider, write its address as {}", quote(found)))
            }
            Self::Endpoint { .. } | Self::Lacks { .. } => None,
        }
    }
}

/// The address of a provider's document.
///
/// # Errors
/// [`HttpError::BadUrl`].
pub fn address(issuer: &str) -> Result<Url, HttpError> {
    let base = parse_url(issuer)?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err(HttpError::BadUrl {
            url: issuer.to_owned(),
            why: "a provider's address has no query and no fragment".to_owned(),
        });
    }
    parse_url(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)))
}

/// Fetches and checks what the provider at this address says about itself.
///
/// # Errors
/// [`DiscoveryError`].
pub fn discover(client: &Client, issuer: &str) -> Result<Discovery, DiscoveryError> {
    let url = address(issuer)?;
    let document: Discovery = client.get(&url, &[("accept", "application/json")])?.success()?.json()?;
    document.check(client, issuer)?;
    Ok(document)
}

impl Discovery {
    /// Whether the document speaks for this issuer and has only addresses that the client would
    /// fetch from. [`discover`] has asked already; for one that was kept in a file.
    ///
    /// # Errors
    /// [`DiscoveryError::OtherIssuer`], [`DiscoveryError::Endpoint`].
    pub fn check(&self, client: &Client, issuer: &str) -> Result<(), DiscoveryError> {
        if self.issuer != issuer {
            return Err(DiscoveryError::OtherIssuer {
                configured: issuer.to_owned(),
                found: self.issuer.clone(),
            });
        }
        let endpoints = [
            ("jwks_uri", Some(&self.jwks_uri)),
            ("authorization_endpoint", self.authorization_endpoint.as_ref()),
            ("token_endpoint", self.token_endpoint.as_ref()),
            ("userinfo_endpoint", self.userinfo_endpoint.as_ref()),
            ("device_authorization_endpoint", self.device_authorization_endpoint.as_ref()),
            ("end_session_endpoint", self.end_session_endpoint.as_ref()),
            ("revocation_endpoint", self.revocation_endpoint.as_ref()),
        ];
        for (endpoint, url) in endpoints {
            let Some(url) = url else { continue };
            let fit = parse_url(url.as_str()).and_then(|url| client.check(&url));
            fit.map_err(|source| DiscoveryError::Endpoint { endpoint, source })?;
        }
        Ok(())
    }

    /// An endpoint that is needed.
    ///
    /// # Errors
    /// [`DiscoveryError::Lacks`].
    pub fn need<'a>(&self, endpoint: &'static str, url: Option<&'a Url>) -> Result<&'a Url, DiscoveryError> {
        url.ok_or_else(|| DiscoveryError::Lacks { issuer: self.issuer.clone(), endpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lies_under_the_issuer() {
        let table = [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/realms/x", "https://a.example/realms/x/.well-known/openid-configuration"),
        ];
        for (issuer, wanted) in table {
            assert_eq!(address(issuer).unwrap().as_str(), wanted);
        }
        assert!(address("https://a.example/?x=1").is_err());
    }

    #[test]
    fn a_document_of_somebody_else_or_with_a_plain_endpoint_is_refused() {
        let client = Client::new(super::super::http::Options::default()).unwrap();
        let mut document: Discovery = serde_json::from_value(serde_json::json!({
            "issuer": "https://a.example", "jwks_uri": "https://a.example/keys",
        }))
        .unwrap();
        assert_eq!(document.check(&client, "https://a.example"), Ok(()));
        let other = document.check(&client, "https://a.example/");
        assert!(matches!(other, Err(DiscoveryError::OtherIssuer { .. })), "{other:?}");
        for bad in ["http://a.example/token", "javascript:alert(1)", "file:///etc/passwd"] {
            document.token_endpoint = Some(Url::parse(bad).unwrap());
            let refused = document.check(&client, "https://a.example");
            assert!(
                matches!(refused, Err(DiscoveryError::Endpoint { endpoint: "token_endpoint", .. })),
                "{refused:?}"
            );
        }
    }
}
