//! The token endpoint, token revocation (RFC 7009), and logout at the provider.

use std::cell::Cell;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::assertion::{JWT_BEARER, sign_assertion};
use super::error::{CLIENT_LOGIN, OauthError, TOKEN_EXCHANGE, check_status, is_client_rejected};
use super::registration::{ClientAuth, ClientCredentials, Registration, basic_credentials};
use crate::http::{Client, HttpError, Response};
use crate::oidc::discovery::{Discovery, ProviderEndpoint};
use crate::util::quote::quote;
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// The response of the token endpoint.
#[derive(Debug, Clone)]
pub struct TokenResponse {
    /// The ID token, not yet verified.
    pub id_token: Option<SecretText>,
    /// The access token, for UserInfo.
    pub access_token: Option<SecretText>,
    /// The lifetime of the access token in seconds, if the provider states it (`expires_in`).
    pub expires_in: Option<i64>,
    /// The refresh token.
    pub refresh_token: Option<SecretText>,
    /// The lifetime of the refresh token in seconds, which Keycloak sends; `None` if it is unknown or unlimited.
    pub refresh_seconds: Option<i64>,
}

/// A grant for the token endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grant<'a> {
    Code {
        code: &'a SecretText,
        redirect_uri: &'a str,
        verifier: &'a SecretText,
    },
    Refresh(&'a SecretText),
    Device {
        code: &'a SecretText,
        verifier: Option<&'a SecretText>,
    },
    ClientCredentials {
        scope: &'a str,
        extra: &'a [(String, String)],
    },
    Exchange {
        token: &'a SecretText,
        token_type: SubjectTokenType,
        scope: &'a str,
        extra: &'a [(String, String)],
    },
}

/// The type of the token that is exchanged (RFC 8693 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectTokenType {
    /// An access token of this provider.
    AccessToken,
    /// A JWT of another issuer that the provider trusts.
    Jwt,
}

impl SubjectTokenType {
    const fn urn(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

/// The endpoints of a provider for one client.
#[derive(Debug, Clone)]
pub struct Provider<'a> {
    /// The HTTP client.
    pub http: &'a Client,
    /// The discovery document with the endpoints.
    pub discovery: &'a Discovery,
    /// The registration of the client.
    pub registration: &'a Registration,
    /// The clock of the assertions of the client.
    clock: Clock,
    /// The client authentication method that the provider accepted.
    accepted: Cell<Option<ClientAuth>>,
}

#[derive(Deserialize)]
struct TokenBody {
    #[serde(default)]
    id_token: Option<SecretString>,
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    token_type: Option<String>,
    /// Part of the answer to a token exchange only.
    #[serde(default)]
    issued_token_type: Value,
    /// Not part of a standard: a value of another type is ignored.
    #[serde(default)]
    refresh_expires_in: Value,
    /// A value of another type is ignored, because it is informative.
    #[serde(default)]
    expires_in: Value,
}

/// A string that the parser stores in memory that is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct SecretString(pub(super) SecretText);

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(SecretText::new(text))
    }
}

/// Returns the seconds of `expires_in`: a number (RFC 6749 5.1) or, as some providers write it, a string.
fn lifetime(expires_in: &Value) -> Option<i64> {
    match expires_in {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// Checks that the issued token of a token exchange is an access token, which the request asks for (RFC 8693
/// 2.2.1). A JWT may be one. The member is required, but an answer without it has only one meaning.
fn check_issued_type(issued: &Value) -> Result<(), String> {
    let accepted = [SubjectTokenType::AccessToken, SubjectTokenType::Jwt].map(SubjectTokenType::urn);
    match issued {
        Value::Null => Ok(()),
        Value::String(urn) if accepted.contains(&urn.as_str()) => Ok(()),
        Value::String(urn) => {
            Err(format!("its issued_token_type is {}, expected an access token", quote(urn)))
        }
        _ => Err("its issued_token_type is not a string".to_owned()),
    }
}

impl<'a> Provider<'a> {
    /// Creates the endpoints of a provider for this client.
    #[must_use]
    pub const fn new(
        http: &'a Client,
        discovery: &'a Discovery,
        registration: &'a Registration,
        clock: Clock,
    ) -> Self {
        Self { http, discovery, registration, clock, accepted: Cell::new(None) }
    }

    /// Exchanges an authorization code for tokens.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn exchange_code(
        &self,
        code: &SecretText,
        redirect_uri: &str,
        verifier: &SecretText,
    ) -> Result<TokenResponse, OauthError> {
        self.tokens("the authorization code", Grant::Code { code, redirect_uri, verifier })
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn refresh(&self, refresh_token: &SecretText) -> Result<TokenResponse, OauthError> {
        self.tokens("the refresh token", Grant::Refresh(refresh_token))
    }

    /// Returns tokens of the client itself, without a user (RFC 6749 4.4). `extra` are further parameters.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn client_tokens(
        &self,
        scopes: &[String],
        extra: &[(String, String)],
    ) -> Result<TokenResponse, OauthError> {
        let scope = scopes.join(" ");
        self.tokens(CLIENT_LOGIN, Grant::ClientCredentials { scope: &scope, extra })
    }

    /// Exchanges a token for tokens of this provider (RFC 8693). `extra` are further parameters, such as
    /// `audience`.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn exchange_token(
        &self,
        token: &SecretText,
        token_type: SubjectTokenType,
        scopes: &[String],
        extra: &[(String, String)],
    ) -> Result<TokenResponse, OauthError> {
        let scope = scopes.join(" ");
        self.tokens(TOKEN_EXCHANGE, Grant::Exchange { token, token_type, scope: &scope, extra })
    }

    /// Revokes a refresh token. Returns `false` if the provider does not have the endpoint.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn revoke(&self, refresh_token: &SecretText) -> Result<bool, OauthError> {
        let Some(endpoint) = self.discovery.find(ProviderEndpoint::Revocation, self.http)? else {
            return Ok(false);
        };
        let form = [("token", refresh_token.expose()), ("token_type_hint", "refresh_token")];
        self.authenticated("the revocation of the refresh token", None, &endpoint, &form)?;
        Ok(true)
    }

    /// Ends the login at the provider (RP-Initiated Logout 1.0). Returns `None` if the provider does not have the
    /// endpoint. The form is sent by POST (section 2), because a URL with the ID token would be in the access log. A
    /// provider that answers 404 or 405 does not support POST there, and gets the URL.
    ///
    /// # Errors
    /// [`DiscoveryError`](crate::oidc::discovery::DiscoveryError) for an endpoint whose URL is not permitted;
    /// [`HttpError`].
    pub fn end_session(&self, id_token: Option<&SecretText>) -> Result<Option<Response>, OauthError> {
        let Some(mut url) = self.discovery.find(ProviderEndpoint::EndSession, self.http)? else {
            return Ok(None);
        };
        let mut form = vec![("client_id", self.registration.client_id.as_str())];
        form.extend(id_token.map(|token| ("id_token_hint", token.expose())));
        let accept = [("accept", "text/html")];
        let answer = self.http.post_form(&url, &accept, &form)?;
        if !matches!(answer.status(), 404 | 405) {
            return Ok(Some(answer));
        }
        url.query_pairs_mut().extend_pairs(form);
        Ok(Some(self.http.get(&url, &accept)?))
    }

    pub(super) fn tokens(&self, what: &'static str, grant: Grant<'_>) -> Result<TokenResponse, OauthError> {
        let endpoint = self.discovery.need(ProviderEndpoint::Token, self.http)?;
        let is_exchange = matches!(grant, Grant::Exchange { .. });
        let (form, redirect_uri) = match grant {
            Grant::Code { code, redirect_uri, verifier } => (
                vec![
                    ("grant_type", "authorization_code"),
                    ("code", code.expose()),
                    ("redirect_uri", redirect_uri),
                    ("code_verifier", verifier.expose()),
                ],
                Some(redirect_uri),
            ),
            Grant::Refresh(token) => {
                (vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())], None)
            }
            Grant::Device { code, verifier } => {
                let mut form = vec![
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("device_code", code.expose()),
                ];
                form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose())));
                (form, None)
            }
            Grant::ClientCredentials { scope, extra } => {
                let mut form = vec![("grant_type", "client_credentials"), ("scope", scope)];
                form.extend(extra.iter().map(|(key, value)| (key.as_str(), value.as_str())));
                (form, None)
            }
            Grant::Exchange { token, token_type, scope, extra } => {
                let mut form = vec![
                    ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                    ("subject_token", token.expose()),
                    ("subject_token_type", token_type.urn()),
                    ("requested_token_type", SubjectTokenType::AccessToken.urn()),
                    ("scope", scope),
                ];
                form.extend(extra.iter().map(|(key, value)| (key.as_str(), value.as_str())));
                (form, None)
            }
        };
        let answer: TokenBody = self.authenticated(what, redirect_uri, &endpoint, &form)?.secret_json()?;
        // RFC 6749 5.1: token_type is required and case-insensitive. UserInfo accepts only bearer
        // tokens.
        let bearer = answer.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !bearer {
            let why = format!("its token_type is {}", quote(&answer.token_type.unwrap_or_default()));
            return Err(OauthError::InvalidResponse { what, why });
        }
        if is_exchange {
            check_issued_type(&answer.issued_token_type)
                .map_err(|why| OauthError::InvalidResponse { what, why })?;
        }
        let text = |token: Option<SecretString>| token.map(|token| token.0).filter(|text| !text.is_empty());
        let access_token = text(answer.access_token);
        if is_exchange && access_token.is_none() {
            return Err(OauthError::InvalidResponse { what, why: "it has no access_token".to_owned() });
        }
        Ok(TokenResponse {
            id_token: text(answer.id_token),
            access_token,
            expires_in: lifetime(&answer.expires_in),
            refresh_token: text(answer.refresh_token),
            // Keycloak sends 0 for an offline token without a limit.
            refresh_seconds: answer.refresh_expires_in.as_i64().filter(|seconds| *seconds > 0),
        })
    }

    /// Sends a form with client authentication, and returns a response with status 2xx.
    ///
    /// A provider may advertise both client authentication methods but accept only one of them from a
    /// client. If it rejects the client, the other method is tried once.
    pub(super) fn authenticated(
        &self,
        what: &'static str,
        redirect_uri: Option<&str>,
        endpoint: &Url,
        form: &[(&str, &str)],
    ) -> Result<Response, OauthError> {
        let (answer, tried) = self.send_authenticated(endpoint, form)?;
        check_status(what, redirect_uri, tried, answer)
            .map_err(|error| error.of_client(&self.registration.names))
    }

    /// Sends a form with client authentication; returns the response and the methods that were tried.
    fn send_authenticated(
        &self,
        endpoint: &Url,
        form: &[(&str, &str)],
    ) -> Result<(Response, [Option<ClientAuth>; 2]), OauthError> {
        const BY_ASSERTION: [Option<ClientAuth>; 2] = [Some(ClientAuth::PrivateKeyJwt), None];
        let (secret, method) = match &self.registration.credentials {
            ClientCredentials::Public => return Ok((self.send(endpoint, form, Sent::Nothing)?, [None; 2])),
            ClientCredentials::PrivateKey(key) => {
                let client_id = &self.registration.client_id;
                let assertion = sign_assertion(client_id, &self.discovery.issuer, key, self.clock.now())
                    .map_err(|error| OauthError::Assertion(error.to_string()))?;
                return Ok((self.send(endpoint, form, Sent::Assertion(&assertion))?, BY_ASSERTION));
            }
            ClientCredentials::Assertion(assertion) => {
                return Ok((self.send(endpoint, form, Sent::Assertion(assertion))?, BY_ASSERTION));
            }
            ClientCredentials::Secret { secret, method } => (secret, *method),
        };
        let (first, second) = self.client_auth(method)?;
        let answer = self.send(endpoint, form, Sent::Secret(first, secret))?;
        let Some(second) = second.filter(|_| is_client_rejected(&answer)) else {
            return Ok((answer, [Some(first), None]));
        };
        log::info!("the provider rejects the client by {}: trying {}", first.name(), second.name());
        let answer = self.send(endpoint, form, Sent::Secret(second, secret))?;
        if !is_client_rejected(&answer) {
            self.accepted.set(Some(second));
        }
        Ok((answer, [Some(first), Some(second)]))
    }

    /// Returns the method for the client secret, and the one to try if the provider rejects the client.
    fn client_auth(
        &self,
        configured: Option<ClientAuth>,
    ) -> Result<(ClientAuth, Option<ClientAuth>), OauthError> {
        if let Some(method) = configured.or(self.accepted.get()) {
            return Ok((method, None));
        }
        let methods = self.discovery.list("token_endpoint_auth_methods_supported");
        let supports = |expected: ClientAuth| match &methods {
            // OpenID Connect Discovery 3: the default is client_secret_basic.
            None => true,
            Some(names) => names.iter().any(|name| name == expected.name()),
        };
        match ClientAuth::WITH_SECRET.into_iter().find(|method| supports(*method)) {
            Some(method) => Ok((method, method.other().filter(|other| supports(*other)))),
            None => Err(OauthError::NoClientAuth(methods.unwrap_or_default())),
        }
    }

    fn send(
        &self,
        endpoint: &Url,
        form: &[(&str, &str)],
        credentials: Sent<'_>,
    ) -> Result<Response, HttpError> {
        let client_id = self.registration.client_id.as_str();
        let mut form = form.to_vec();
        let mut headers = vec![("accept", "application/json")];
        let basic;
        match credentials {
            Sent::Nothing => form.push(("client_id", client_id)),
            Sent::Secret(ClientAuth::Basic, secret) => {
                basic = basic_credentials(client_id, secret);
                headers.push(("authorization", basic.as_str()));
            }
            Sent::Secret(_, secret) => {
                form.push(("client_id", client_id));
                form.push(("client_secret", secret.expose()));
            }
            Sent::Assertion(assertion) => {
                form.push(("client_id", client_id));
                form.push(("client_assertion_type", JWT_BEARER));
                form.push(("client_assertion", assertion.expose()));
            }
        }
        self.http.post_form(endpoint, &headers, &form)
    }
}

/// The credentials of one request.
#[derive(Clone, Copy)]
enum Sent<'a> {
    Nothing,
    Secret(ClientAuth, &'a SecretText),
    Assertion(&'a SecretText),
}
