//! Error responses of a provider, and errors of requests to its endpoints.

use serde::Deserialize;
use serde_json::Value;

use super::registration::{ClientAuth, ClientSettings};
use crate::http::{HttpError, Response};
use crate::oidc::discovery::DiscoveryError;
use crate::policy::keycloak_settings::{
    CLIENT_ASSERTION_SIGNATURE, LIGHTWEIGHT_ACCESS_TOKEN, LIGHTWEIGHT_USERINFO, PUSHED_AUTHORIZATION,
    SERVICE_ACCOUNT, STANDARD_FLOW, TOKEN_EXCHANGE as KEYCLOAK_TOKEN_EXCHANGE,
};
use crate::util::diagnostic::diagnostics;
use crate::util::json;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};

/// The purpose of a request for a device code, in messages.
pub(super) const DEVICE_AUTHORIZATION: &str = "the device authorization";

/// The purpose of a request for tokens of the client itself, in messages.
pub(super) const CLIENT_LOGIN: &str = "the login of the client";

/// The purpose of a token exchange, in messages.
pub(super) const TOKEN_EXCHANGE: &str = "the token exchange";

/// An error response of a provider (RFC 6749 4.1.2.1 and 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The code, such as `invalid_grant`.
    pub code: String,
    /// The description for users, if the response has one.
    pub description: Option<String>,
    /// The URL of a page about the error, if the response has one.
    pub uri: Option<String>,
}

impl ErrorResponse {
    /// Formats the error on one line, quoted.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = quote(&self.code);
        if let Some(description) = self.description.as_deref().filter(|text| !text.is_empty()) {
            text.push_str(": ");
            text.push_str(&quote(description));
        }
        if let Some(uri) = self.uri.as_deref().filter(|text| !text.is_empty()) {
            text.push_str(", see ");
            text.push_str(&quote(uri));
        }
        text
    }

    /// Returns whether the provider rejected the client ID or the client secret. Keycloak answers a wrong or
    /// missing secret with the code of a client that may not use the grant; only the description differs.
    fn is_client_unknown(&self) -> bool {
        match self.code.as_str() {
            "invalid_client" => true,
            "unauthorized_client" => self.describes("credential") || self.describes("secret"),
            _ => false,
        }
    }

    /// Returns whether the description contains this text in lower case, in any case.
    fn describes(&self, text: &str) -> bool {
        self.description.as_deref().is_some_and(|own| own.to_ascii_lowercase().contains(text))
    }

    /// Returns whether the provider does not permit this client the grant.
    fn is_grant_disabled(&self) -> bool {
        let is_off = self.description.as_deref().is_some_and(|text| text.contains("not enabled"));
        match self.code.as_str() {
            "unauthorized_client" | "unsupported_grant_type" => !self.is_client_unknown(),
            // Keycloak's answer to a token exchange that the client does not have.
            "invalid_request" => is_off,
            _ => false,
        }
    }

    /// Returns the error kind of a login that fails with this response.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.code.as_str() {
            "server_error" | "temporarily_unavailable" => Kind::ProviderFailed,
            "invalid_client" | "unauthorized_client" => Kind::ProviderRejectedClient,
            "unsupported_grant_type"
            | "unsupported_response_type"
            | "invalid_scope"
            | "invalid_request"
            | "invalid_target" => Kind::ProviderRejectedRequest,
            _ => Kind::ProviderRejectedLogin,
        }
    }

    /// Returns the hint for this response; `redirect_uri` is the request's redirect URI, if it has one.
    #[must_use]
    pub fn hint(&self, redirect_uri: Option<&str>) -> Option<String> {
        let about_redirect = [Some(self.code.as_str()), self.description.as_deref()]
            .into_iter()
            .flatten()
            .any(|text| text.to_ascii_lowercase().replace(['_', '-'], " ").contains("redirect"));
        if let Some(uri) = redirect_uri.filter(|_| about_redirect) {
            return Some(format!("register exactly this redirect URI with the provider: {uri}"));
        }
        let describes = |words: &[&str]| {
            self.description.as_deref().is_some_and(|text| {
                let text = text.to_ascii_lowercase();
                words.iter().all(|word| text.contains(word))
            })
        };
        if describes(&["pushed authorization"]) {
            return Some(format!(
                "switch off '{PUSHED_AUTHORIZATION}' of the client: this login does not use them"
            ));
        }
        if describes(&["lightweight"]) {
            return Some(format!(
                "switch off '{LIGHTWEIGHT_ACCESS_TOKEN}' of the client, or switch on '{LIGHTWEIGHT_USERINFO}'"
            ));
        }
        if describes(&["standard flow"]) {
            return Some(format!(
                "allow logins in a browser in the provider's registration of this client (Keycloak: '{STANDARD_FLOW}')"
            ));
        }
        let text = match self.code.as_str() {
            "invalid_grant" if describes(&["user", "disabled"]) => {
                "the provider has disabled this account: ask its administrator"
            }
            "not_allowed" => {
                "the provider does not permit this: ask its administrator for the settings of the client and the realm"
            }
            "access_denied" => {
                "the login was canceled, or the provider does not accept this account: ask its administrator"
            }
            "expired_token" => "the code has expired: start again",
            "invalid_grant" => "the code or token has expired or was used already: start again",
            "invalid_client" => "check the client ID and its secret against the provider's registration",
            "unauthorized_client" | "unsupported_grant_type" | "unsupported_response_type" => {
                "the provider's registration of this client must allow this kind of login"
            }
            "invalid_scope" => {
                "the provider does not know all requested scopes: check --scope, 'scopes' of the provider entry, and \
                 'oidc_scopes' of the login role"
            }
            // RFC 8693 2.2.2.
            "invalid_target" => {
                "the provider does not issue tokens for this audience or resource: check --parameter and 'parameters' of \
                 the provider entry"
            }
            "login_required" | "interaction_required" | "consent_required" => {
                "log in again with cc-login --method oidc"
            }
            "server_error" | "temporarily_unavailable" => "the provider failed: try again later",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// An error of a request to an endpoint of the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// The HTTP request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The provider does not have the endpoint, or its URL is not permitted.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The provider answered with an error.
    #[error("the provider rejected {what}: {}", refusal.text())]
    ErrorResponse {
        /// The purpose of the request.
        what: &'static str,
        /// The error response.
        refusal: ErrorResponse,
        /// The redirect URI of the request, if it has one.
        redirect_uri: Option<Box<str>>,
        /// The client authentication methods that were tried, in order.
        tried: [Option<ClientAuth>; 2],
        /// The settings of the client, if the request authenticated it.
        client: Option<Box<ClientSettings>>,
    },
    /// The response lacks a required member, or a member is invalid.
    #[error("invalid response of the provider to {what}: {why}")]
    InvalidResponse {
        /// The purpose of the request.
        what: &'static str,
        /// The reason.
        why: String,
    },
    /// The provider supports only client authentication methods that this program does not support.
    #[error("the provider accepts a client secret only by {}: expected client_secret_basic or client_secret_post", quoted_list(.0))]
    NoClientAuth(Vec<String>),
    /// The assertion of the client cannot be signed.
    #[error("the assertion of the client cannot be signed: {0}")]
    Assertion(String),
}

impl OauthError {
    /// Returns whether the provider does not permit this client the grant. With another grant, the login can
    /// still succeed.
    #[must_use]
    pub fn is_grant_disabled(&self) -> bool {
        matches!(self, Self::ErrorResponse { refusal, .. } if refusal.is_grant_disabled())
    }

    /// Adds the names of the client's settings to an error of the provider.
    pub(super) fn of_client(mut self, names: &ClientSettings) -> Self {
        if let Self::ErrorResponse { client, .. } = &mut self {
            *client = Some(Box::new(names.clone()));
        }
        self
    }
}

/// Formats the first names, quoted, and the number of the others.
fn quoted_list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut quoted: Vec<String> = names.iter().take(SHOWN).map(|name| quote(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => quoted.push("no method".to_owned()),
        0 => {}
        more => quoted.push(format!("{more} more")),
    }
    quoted.join(", ")
}

diagnostics! { OauthError:
    Self::Http(error) => error.kind(), error.hint();
    Self::Discovery(error) => error.kind(), error.hint();
    Self::ErrorResponse { what: DEVICE_AUTHORIZATION, refusal, .. } if refusal.is_grant_disabled() => refusal.kind(),
        "allow the device authorization grant in the provider's registration of this client, or use --manual";
    Self::ErrorResponse { what: CLIENT_LOGIN, refusal, .. } if refusal.is_grant_disabled() => refusal.kind(),
        format!("allow the client credentials grant in the provider's registration of this client (Keycloak: '{SERVICE_ACCOUNT}')");
    Self::ErrorResponse { what: TOKEN_EXCHANGE, refusal, .. } if refusal.is_grant_disabled() => refusal.kind(),
        format!("allow the token exchange grant in the provider's registration of this client (Keycloak: '{KEYCLOAK_TOKEN_EXCHANGE}')");
    // RFC 8693 2.2.2: the code of a subject token that is invalid for any reason.
    Self::ErrorResponse { what: TOKEN_EXCHANGE, refusal, .. } if refusal.code == "invalid_request" => refusal.kind(),
        "the provider must trust the issuer of the exchanged token, and its audience must be one that the provider expects";
    Self::ErrorResponse { refusal, redirect_uri, tried, client, .. } => refusal.kind(),
        client.as_deref().and_then(|names| client_hint(refusal, *tried, names)).or_else(|| refusal.hint(redirect_uri.as_deref()));
    Self::InvalidResponse { .. } => Kind::ProviderResponse;
    Self::NoClientAuth(_) => Kind::ProviderClientAuth;
    Self::Assertion(_) => Kind::ProviderClientAuth;
}

/// Returns the hint for a rejected client; `tried` lists the client authentication methods in order.
fn client_hint(
    refusal: &ErrorResponse,
    tried: [Option<ClientAuth>; 2],
    settings: &ClientSettings,
) -> Option<String> {
    let methods = tried.iter().flatten().map(|method| method.name()).collect::<Vec<_>>().join(" and ");
    let [id, secret, key] =
        [&settings.client_id, &settings.client_secret, &settings.client_key].map(|name| escape(name));
    if refusal.is_client_unknown() {
        return Some(match tried {
            [None, _] => {
                format!("no client secret was sent: set {secret} if the client is not public, or check {id}")
            }
            // The answer of Keycloak to an assertion with another algorithm than that of the client.
            [Some(ClientAuth::PrivateKeyJwt), _] if refusal.describes("signature algorithm") => format!(
                "the client must have the algorithm of its key ({key}), or any algorithm, at the provider (Keycloak: \
                 Credentials, '{CLIENT_ASSERTION_SIGNATURE}')"
            ),
            [Some(ClientAuth::PrivateKeyJwt), _] => format!(
                "register the public key of the client ({key}), or the issuer of its assertion (--identity), with the \
                 provider, and check {id}"
            ),
            _ => format!(
                "check {id} and {secret} against the provider's registration; the secret was sent by {methods}"
            ),
        });
    }
    match (refusal.code.as_str(), tried) {
        // The provider accepted the second method, but the first request had used the code.
        ("invalid_grant", [_, Some(accepted)]) => {
            Some(format!("set 'token-endpoint-auth-method' of the provider entry to \"{}\"", accepted.name()))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    /// A value of another type is ignored, so that it does not hide the error itself.
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    error_uri: Value,
}

/// Returns whether client authentication failed (RFC 6749 5.2), in which case the provider did not use
/// the rest of the request.
pub(super) fn is_client_rejected(answer: &Response) -> bool {
    answer.status() == 401
        || (answer.status() >= 400
            && json::typed::<ErrorBody>(answer.body()).is_ok_and(|refusal| refusal.error == "invalid_client"))
}

/// Returns a response with status 2xx; other statuses are errors.
pub(super) fn check_status(
    what: &'static str,
    redirect_uri: Option<&str>,
    tried: [Option<ClientAuth>; 2],
    answer: Response,
) -> Result<Response, OauthError> {
    if (200..300).contains(&answer.status()) {
        return Ok(answer);
    }
    let refusal = match json::typed::<ErrorBody>(answer.body()) {
        Ok(body) => {
            let text = |value: Value| value.as_str().map(str::to_owned);
            ErrorResponse {
                code: body.error,
                description: text(body.error_description),
                uri: text(body.error_uri),
            }
        }
        // RFC 6750 3: UserInfo reports errors in a header.
        Err(_) => match answer.header("www-authenticate").and_then(parse_challenge) {
            Some(refusal) => refusal,
            None => return Err(answer.to_error().into()),
        },
    };
    Err(OauthError::ErrorResponse {
        what,
        refusal,
        redirect_uri: redirect_uri.map(Box::from),
        tried,
        client: None,
    })
}

/// Parses `Bearer error="…", error_description="…"`.
fn parse_challenge(header: &str) -> Option<ErrorResponse> {
    let value = |name: &str| {
        let start = header.find(&format!("{name}=\""))? + name.len() + 2;
        header.get(start..)?.split('"').next().map(str::to_owned)
    };
    Some(ErrorResponse {
        code: value("error")?,
        description: value("error_description"),
        uri: value("error_uri"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_a_provider_are_printed_escaped() {
        let named = |names: &[&str]| {
            OauthError::NoClientAuth(names.iter().map(|name| (*name).to_owned()).collect()).to_string()
        };
        assert!(
            named(&["tls\u{1b}[2J", "\u{202e}"]).contains(r"only by 'tls\u{1b}[2J', '\u{202e}': expected")
        );
        assert!(named(&["x"; 1000]).contains("'x', 'x', 'x', 'x', 'x', 995 more: expected"));
        assert!(named(&[]).contains("only by no method: expected"));
    }

    #[test]
    fn error_text_of_a_provider_is_printed_escaped() {
        let refusal = ErrorResponse {
            code: "access_denied".to_owned(),
            description: Some("no\u{1b}[2J".to_owned()),
            uri: Some("https://idp.example/why".to_owned()),
        };
        assert_eq!(refusal.text(), r"'access_denied': 'no\u{1b}[2J', see 'https://idp.example/why'");
    }

    #[test]
    fn rejected_redirect_hints_at_the_uri_to_register() {
        let refusal = |code: &str, description: &str| ErrorResponse {
            code: code.to_owned(),
            description: Some(description.to_owned()),
            uri: None,
        };
        for refusal in [
            refusal("redirect_uri_mismatch", ""),
            refusal("invalid_request", "redirect_uri did not match"),
            refusal("invalid_grant", "Redirect URI is unknown"),
        ] {
            let hint = refusal.hint(Some("http://localhost:8250/oidc/callback")).unwrap();
            assert!(hint.ends_with("http://localhost:8250/oidc/callback"), "{hint}");
        }
        assert!(refusal("invalid_grant", "code expired").hint(Some("x")).unwrap().contains("start again"));
    }

    #[test]
    fn userinfo_error_is_read_from_the_header() {
        let found =
            parse_challenge("Bearer realm=\"x\", error=\"invalid_token\", error_description=\"gone\"")
                .unwrap();
        assert_eq!((found.code.as_str(), found.description.as_deref()), ("invalid_token", Some("gone")));
        assert_eq!(parse_challenge("Bearer"), None);
    }
}
