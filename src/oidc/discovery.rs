//! The discovery document of a provider (OpenID Connect Discovery 1.0).
//!
//! Only `issuer` is required, and it must equal the configured URL byte for byte (section 4.3). Other
//! members are checked when they are used, because documents of issuers that only sign tokens (SPIRE,
//! Vault, Kubernetes) have empty, missing or placeholder endpoints.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::http::{Client, HttpError, parse_url};
use crate::util::diagnostic::diagnostics;
use crate::util::json::kind;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// The path that is appended to the issuer in the URL of its document.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A discovery document with a checked issuer. The other members are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// The issuer of the provider's tokens.
    pub issuer: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// A URL in a discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderEndpoint {
    /// The JWKS.
    Keys,
    /// The authorization endpoint, where a user logs in.
    Authorization,
    /// The token endpoint.
    Token,
    /// The UserInfo endpoint.
    Userinfo,
    /// The device authorization endpoint (RFC 8628).
    DeviceAuthorization,
    /// The endpoint that ends a login (RP-Initiated Logout 1.0).
    EndSession,
    /// The revocation endpoint for refresh tokens (RFC 7009).
    Revocation,
}

impl ProviderEndpoint {
    /// Returns the name of the member in the document.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Keys => "jwks_uri",
            Self::Authorization => "authorization_endpoint",
            Self::Token => "token_endpoint",
            Self::Userinfo => "userinfo_endpoint",
            Self::DeviceAuthorization => "device_authorization_endpoint",
            Self::EndSession => "end_session_endpoint",
            Self::Revocation => "revocation_endpoint",
        }
    }
}

/// Why a discovery document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The document cannot be fetched or parsed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The document is not a JSON object with an issuer.
    #[error("invalid discovery document {}: {why}", quote(.url))]
    Malformed {
        /// The URL of the document.
        url: String,
        /// The reason.
        why: String,
    },
    /// The document belongs to another issuer.
    #[error(
        "the discovery document of {} has the issuer {}: expected the configured URL, equal in every character",
        quote(.configured), quote(.found)
    )]
    OtherIssuer {
        /// The configured URL.
        configured: String,
        /// The `issuer` of the document.
        found: String,
    },
    /// A URL with a placeholder such as `{tenantid}`.
    #[error("the {member} {} is a template: {} stands for a value that differs between organizations", quote(.found), quote(.placeholder))]
    Template {
        /// The member of the document, or `configured URL`.
        member: &'static str,
        /// The URL.
        found: String,
        /// The placeholder with its braces.
        placeholder: String,
    },
    /// An endpoint whose URL is invalid or not permitted.
    #[error("invalid {member} in the discovery document of {}: {why}", quote(.issuer), why = .source)]
    Endpoint {
        /// The issuer.
        issuer: String,
        /// The member of the document.
        member: &'static str,
        /// The reason.
        source: HttpError,
    },
    /// An endpoint in plain http although the issuer uses TLS.
    #[error(
        "the {member} {} of {} is plain http, but the issuer uses https",
        quote(.url), quote(.issuer)
    )]
    Downgrade {
        /// The issuer.
        issuer: String,
        /// The member of the document.
        member: &'static str,
        /// The URL.
        url: String,
    },
    /// A required endpoint is missing.
    #[error("the discovery document of {} has no {member}", quote(.issuer))]
    MissingEndpoint {
        /// The issuer.
        issuer: String,
        /// The member of the document.
        member: &'static str,
    },
}

diagnostics! { DiscoveryError:
    // The document must be at the issuer's own origin; a redirect to another origin leads elsewhere.
    Self::Http(error @ HttpError::Redirected { .. }) => error.kind(),
        "ask the administrator of the provider for the exact issuer";
    Self::Http(error @ HttpError::ErrorStatus { status: 404, .. }) => error.kind(),
        "check the path of the issuer; that of Keycloak is /realms/NAME, and /auth/realms/NAME before version 17";
    Self::Http(error) => error.kind(), error.hint();
    Self::Malformed { .. } => Kind::ProviderDocumentMalformed;
    Self::OtherIssuer { found, .. } => Kind::ProviderOtherIssuer,
        format!("if this is the right provider, configure the issuer as {}", quote(found));
    Self::Template { placeholder, .. } => Kind::ProviderIssuerTemplate, format!(
                "configure the URL of one organization, with its own value instead of {}",
                quote(placeholder)
            );
    Self::Endpoint { .. } | Self::Downgrade { .. } => Kind::ProviderEndpointUnsafe;
    Self::MissingEndpoint { .. } => Kind::ProviderEndpointMissing;
}

/// Returns the issuer of a URL that a user gives: without the path of the discovery document, whose URL
/// providers show beside the issuer.
#[must_use]
pub fn issuer_of(url: &str) -> &str {
    url.strip_suffix(WELL_KNOWN).unwrap_or(url)
}

/// Returns the URL of an issuer's document.
///
/// # Errors
/// [`DiscoveryError::Http`] with [`HttpError::InvalidUrl`], [`DiscoveryError::Template`].
pub fn document_url(issuer: &str) -> Result<Url, DiscoveryError> {
    reject_template("configured URL", issuer)?;
    let base = parse_url(issuer)?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err(HttpError::InvalidUrl {
            url: issuer.to_owned(),
            why: "an issuer has no query and no fragment".to_owned(),
        }
        .into());
    }
    Ok(parse_url(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)))?)
}

/// Fetches and checks the document of the issuer at this URL. Redirects within the URL's origin are
/// followed.
///
/// # Errors
/// [`DiscoveryError`].
pub fn discover(client: &Client, issuer: &str) -> Result<Discovery, DiscoveryError> {
    let url = document_url(issuer)?;
    let answer = client.get_document(&url, "application/json")?.success()?;
    let document = read(answer.json()?, &url)?;
    document.check(issuer)?;
    Ok(document)
}

/// Parses a document from JSON.
///
/// # Errors
/// [`DiscoveryError::Malformed`].
pub fn read(document: Value, url: &Url) -> Result<Discovery, DiscoveryError> {
    let malformed = |why: String| DiscoveryError::Malformed { url: crate::http::display_url(url), why };
    let Value::Object(mut members) = document else {
        return Err(malformed(format!("expected an object, found {}", kind(&document))));
    };
    match members.remove("issuer") {
        Some(Value::String(issuer)) => Ok(Discovery { issuer, members }),
        Some(other) => Err(malformed(format!("invalid 'issuer': expected a string, found {}", kind(&other)))),
        None => Err(malformed("it has no 'issuer'".to_owned())),
    }
}

impl Discovery {
    /// Checks that the document belongs to this issuer. [`discover`] calls this; call it for a document
    /// that was stored in a file.
    ///
    /// # Errors
    /// [`DiscoveryError::OtherIssuer`], [`DiscoveryError::Template`].
    pub fn check(&self, issuer: &str) -> Result<(), DiscoveryError> {
        if self.issuer == issuer {
            return Ok(());
        }
        reject_template("issuer", &self.issuer)?;
        Err(DiscoveryError::OtherIssuer { configured: issuer.to_owned(), found: self.issuer.clone() })
    }

    /// Returns whether the document has this endpoint, valid or not. Null and an empty string count as
    /// missing.
    #[must_use]
    pub fn names(&self, endpoint: ProviderEndpoint) -> bool {
        match self.members.get(endpoint.member()) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        }
    }

    /// Returns an endpoint, if the document has it, after checking that this client may use it.
    ///
    /// The client's options must permit the URL. If the issuer uses https, the endpoint must use https
    /// as well, even on loopback: a document received over TLS must not cause secrets to be sent in
    /// plain text.
    ///
    /// # Errors
    /// [`DiscoveryError::Endpoint`], [`DiscoveryError::Downgrade`], [`DiscoveryError::Template`].
    pub fn find(&self, endpoint: ProviderEndpoint, client: &Client) -> Result<Option<Url>, DiscoveryError> {
        let member = endpoint.member();
        let invalid = |source| DiscoveryError::Endpoint { issuer: self.issuer.clone(), member, source };
        let text = match self.members.get(member) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => {
                let why = format!("expected a string, found {}", kind(other));
                return Err(invalid(HttpError::InvalidUrl { url: other.to_string(), why }));
            }
        };
        reject_template(member, text)?;
        let url = parse_url(text).map_err(invalid)?;
        let may_be_plain = endpoint == ProviderEndpoint::Keys && client.options().allow_plain;
        if !self.permits(&url) && !may_be_plain {
            return Err(DiscoveryError::Downgrade {
                issuer: self.issuer.clone(),
                member,
                url: crate::http::display_url(&url),
            });
        }
        client.check(&url).map_err(invalid)?;
        Ok(Some(url))
    }

    /// Returns whether a URL in a response of the provider is at least as secure as its issuer.
    #[must_use]
    pub fn permits(&self, url: &Url) -> bool {
        url.scheme() == "https" || !is_https(&self.issuer)
    }

    /// Returns a required endpoint, with the checks of [`Discovery::find`].
    ///
    /// # Errors
    /// Same as [`Discovery::find`], and [`DiscoveryError::MissingEndpoint`].
    pub fn need(&self, endpoint: ProviderEndpoint, client: &Client) -> Result<Url, DiscoveryError> {
        self.find(endpoint, client)?.ok_or_else(|| DiscoveryError::MissingEndpoint {
            issuer: self.issuer.clone(),
            member: endpoint.member(),
        })
    }

    /// Returns an array of strings, such as `scopes_supported`; a string counts as an array of one.
    /// Returns `None` if the member is missing or contains no strings.
    #[must_use]
    pub fn list(&self, member: &str) -> Option<Vec<String>> {
        match self.members.get(member)? {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(list) => {
                let texts: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                (list.is_empty() || !texts.is_empty()).then_some(texts)
            }
            _ => None,
        }
    }

    /// Returns the signature algorithms of ID tokens; empty if the document does not list them.
    #[must_use]
    pub fn id_token_algorithms(&self) -> Vec<String> {
        self.list("id_token_signing_alg_values_supported").unwrap_or_default()
    }

    /// Returns whether the authorization responses contain the issuer (RFC 9207 2.4). The string `true`
    /// counts as true, since this makes the check stricter.
    #[must_use]
    pub fn names_issuer_in_response(&self) -> bool {
        match self.members.get("authorization_response_iss_parameter_supported") {
            Some(Value::Bool(is_supported)) => *is_supported,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
}

fn is_https(issuer: &str) -> bool {
    issuer.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

/// Rejects a URL with a placeholder in braces.
fn reject_template(member: &'static str, url: &str) -> Result<(), DiscoveryError> {
    let Some(start) = url.find('{') else { return Ok(()) };
    let Some(length) = url.get(start..).and_then(|rest| rest.find('}')) else { return Ok(()) };
    let placeholder = url.get(start..=start + length).unwrap_or_default().to_owned();
    Err(DiscoveryError::Template { member, found: url.to_owned(), placeholder })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::HttpOptions;
    use crate::util::diagnostic::Diagnostic as _;

    fn client() -> Client {
        Client::new(HttpOptions::default()).unwrap()
    }

    fn document(value: Value) -> Discovery {
        read(value, &Url::parse("https://a.example/d").unwrap()).unwrap()
    }

    #[test]
    fn document_url_is_below_the_issuer() {
        let table = [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/realms/x", "https://a.example/realms/x/.well-known/openid-configuration"),
        ];
        for (issuer, expected) in table {
            assert_eq!(document_url(issuer).unwrap().as_str(), expected);
        }
        assert!(document_url("https://a.example/?x=1").is_err());
    }

    #[test]
    fn document_of_another_issuer_is_rejected() {
        let found = document(json!({"issuer": "https://a.example"}));
        assert_eq!(found.check("https://a.example"), Ok(()));
        let other = found.check("https://a.example/");
        assert!(matches!(other, Err(DiscoveryError::OtherIssuer { .. })), "{other:?}");
        for malformed in [json!([]), json!("x"), json!({}), json!({"issuer": 7}), json!({"issuer": null})] {
            let error = read(malformed.clone(), &Url::parse("https://a.example/d").unwrap());
            assert!(matches!(error, Err(DiscoveryError::Malformed { .. })), "{malformed}: {error:?}");
        }
    }

    #[test]
    fn template_issuer_is_reported_as_a_template() {
        let azure = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let found = document(json!({"issuer": azure, "jwks_uri": "https://x.example/{region}/keys"}));
        let errors = [
            found.check("https://login.microsoftonline.com/common/v2.0").unwrap_err(),
            document_url(azure).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("is a template: '{tenantid}'"), "{error}");
            assert!(error.hint().unwrap().contains("instead of '{tenantid}'"));
        }
        let error = found.find(ProviderEndpoint::Keys, &client()).unwrap_err();
        assert!(
            error.to_string().starts_with("the jwks_uri 'https://x.example/{region}/keys' is a template")
        );
    }

    #[test]
    fn member_that_is_not_used_is_not_checked_and_one_that_is_used_is_named() {
        let odd = [
            json!(""),
            json!(null),
            json!("urn:kubernetes:programmatic_authorization"),
            json!([]),
            json!(7),
            json!({"a": 1}),
            json!("http://a.example/x"),
            json!("javascript:alert(1)"),
            json!("file:///etc/passwd"),
            json!("https://u:p@a.example/"),
        ];
        let others = [
            ProviderEndpoint::Authorization,
            ProviderEndpoint::Token,
            ProviderEndpoint::Userinfo,
            ProviderEndpoint::DeviceAuthorization,
            ProviderEndpoint::EndSession,
            ProviderEndpoint::Revocation,
        ];
        for value in odd {
            let mut members = json!({"issuer": "https://a.example", "jwks_uri": "https://a.example/keys"});
            for endpoint in others {
                members[endpoint.member()] = value.clone();
            }
            for list in [
                "scopes_supported",
                "token_endpoint_auth_methods_supported",
                "something_new",
                "id_token_signing_alg_values_supported",
                "code_challenge_methods_supported",
            ] {
                members[list] = value.clone();
            }
            members["authorization_response_iss_parameter_supported"] = value.clone();
            let found = document(members);
            assert_eq!(found.check("https://a.example"), Ok(()), "{value}");
            assert_eq!(
                found.need(ProviderEndpoint::Keys, &client()).unwrap().as_str(),
                "https://a.example/keys"
            );
            for endpoint in others {
                let error = found.need(endpoint, &client()).unwrap_err();
                assert!(error.to_string().contains(endpoint.member()), "{value}: {error}");
                let is_absent = matches!(&value, Value::Null) || value == json!("");
                assert_eq!(
                    matches!(error, DiscoveryError::MissingEndpoint { .. }),
                    is_absent,
                    "{value}: {error}"
                );
                assert_eq!(found.names(endpoint), !is_absent, "{value}");
            }
        }
    }

    #[test]
    fn https_issuer_with_a_plain_endpoint_is_rejected_on_loopback_as_well() {
        let all = [
            ProviderEndpoint::Keys,
            ProviderEndpoint::Authorization,
            ProviderEndpoint::Token,
            ProviderEndpoint::Userinfo,
            ProviderEndpoint::DeviceAuthorization,
            ProviderEndpoint::EndSession,
            ProviderEndpoint::Revocation,
        ];
        for endpoint in all {
            for url in ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]/x", "HTTP://127.1/x"] {
                for issuer in ["https://a.example", "HTTPS://a.example"] {
                    let mut members = json!({"issuer": issuer});
                    members[endpoint.member()] = json!(url);
                    let error = document(members).need(endpoint, &client()).unwrap_err();
                    assert!(matches!(error, DiscoveryError::Downgrade { .. }), "{url}: {error:?}");
                }
                let mut members = json!({"issuer": "http://localhost:9"});
                members[endpoint.member()] = json!(url);
                assert!(document(members).need(endpoint, &client()).is_ok(), "{url}");
            }
        }
    }

    #[test]
    fn list_is_read_from_an_array_a_string_or_nothing() {
        let list = |value: Value| document(json!({"issuer": "i", "l": value})).list("l");
        assert_eq!(list(json!(["a", "b"])), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(list(json!("a")), Some(vec!["a".to_owned()]));
        assert_eq!(list(json!(["a", 7])), Some(vec!["a".to_owned()]));
        assert_eq!(list(json!([])), Some(Vec::new()));
        for nothing in [json!(null), json!(7), json!({}), json!([7])] {
            assert_eq!(list(nothing.clone()), None, "{nothing}");
        }
    }
}
