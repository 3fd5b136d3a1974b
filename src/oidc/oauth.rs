//! The endpoints of an OpenID Connect provider: codes, refresh tokens and devices become tokens
//! (RFC 6749, 7636, 8628), userinfo, giving a token back (RFC 7009), ending a login.
//!
//! Written here rather than with the crate `oauth2`, because that keeps secrets in plain strings,
//! draws them from its own generator, and hides an answer that it cannot read; and it would bring
//! some twenty crates (a second calendar, generator and SHA-2 among them).

use std::cell::Cell;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::discovery::{Discovery, DiscoveryError, ProviderEndpoint};
use crate::http::{Client, HttpError, Response, parse_url};
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The longest that a device's login is waited for, in seconds, whatever the provider says: a day.
const LONGEST_DEVICE_LOGIN: u64 = 86_400;

/// How this client is known to the provider.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client's name (`OID_CLIENT_ID`).
    pub client_id: String,
    /// Its secret (`OID_CLIENT_SECRET`); a public client has none.
    pub client_secret: Option<SecretText>,
    /// How the secret is sent; nothing means as the provider's document says, and the other way
    /// where the provider rejects that.
    pub client_auth: Option<ClientAuth>,
}

/// How a client secret is sent (RFC 6749 2.3.1), under the names of OpenID Connect Core 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
}

impl ClientAuth {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Basic, Self::Post];

    /// The name in discovery documents and registrations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    const fn other(self) -> Self {
        match self {
            Self::Basic => Self::Post,
            Self::Post => Self::Basic,
        }
    }
}

/// What a provider refused, in its own words (RFC 6749 4.1.2.1 and 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The code, such as `invalid_grant`.
    pub code: String,
    /// What it says to people, if anything.
    pub description: Option<String>,
    /// Where more is to be read, if anywhere.
    pub uri: Option<String>,
}

impl ErrorResponse {
    /// The provider's words on one line, quoted.
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

    /// The kind of a login error that ends with this.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.code.as_str() {
            "server_error" | "temporarily_unavailable" => Kind::ProviderFailed,
            "invalid_client" | "unauthorized_client" => Kind::ProviderRejectedClient,
            "unsupported_grant_type" | "unsupported_response_type" | "invalid_scope" | "invalid_request" => {
                Kind::ProviderRejectedRequest
            }
            _ => Kind::ProviderRejectedLogin,
        }
    }

    /// The next step after this refusal; `redirect_uri` is the one that was used, if one was.
    #[must_use]
    pub fn hint(&self, redirect_uri: Option<&str>) -> Option<String> {
        let about_redirect = [Some(self.code.as_str()), self.description.as_deref()]
            .into_iter()
            .flatten()
            .any(|text| text.to_ascii_lowercase().replace(['_', '-'], " ").contains("redirect"));
        if let Some(uri) = redirect_uri.filter(|_| about_redirect) {
            return Some(format!("register exactly this redirect URI with the provider: {uri}"));
        }
        let text = match self.code.as_str() {
            "access_denied" => {
                "the login was declined, or the provider does not let this account in: ask its administrator"
            }
            "expired_token" => "the code was not entered in time: start again",
            "invalid_grant" => "what the provider gave has expired or was used already: start again",
            "invalid_client" => {
                "check OID_CLIENT_ID and OID_CLIENT_SECRET against the provider's registration"
            }
            "unauthorized_client" | "unsupported_grant_type" | "unsupported_response_type" => {
                "the provider's registration of this client must allow this kind of login"
            }
            "invalid_scope" => {
                "the provider knows not all scopes that were asked for: see -v, and the provider entry's 'scopes'"
            }
            "login_required" | "interaction_required" | "consent_required" => {
                "log in again with cc-login --method oidc"
            }
            "server_error" | "temporarily_unavailable" => {
                "the provider has a fault of its own: try again later"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Why a request to a provider's endpoint failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// The exchange failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The provider has no such endpoint, or must not be used.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The provider said no, in its own words.
    #[error("the provider refused {what}: {}", refusal.text())]
    ErrorResponse {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        refusal: ErrorResponse,
        /// The redirect URI that was used, if one was.
        redirect_uri: Option<String>,
        /// How the client secret was sent: the ways that were tried, in order.
        tried: [Option<ClientAuth>; 2],
    },
    /// An answer that lacks what it must have.
    #[error("the provider's answer to {what} is of no use: {why}")]
    InvalidResponse {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        why: String,
    },
    /// The provider wants a way of proving who the client is that is not known here.
    #[error("the provider takes a client secret only by {}, wanted client_secret_basic or client_secret_post", quoted_list(.0))]
    NoClientAuth(Vec<String>),
}

/// Names of a provider's, quoted; of many the first.
fn quoted_list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut quoted: Vec<String> = names.iter().take(SHOWN).map(|name| quote(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => quoted.push("no method at all".to_owned()),
        0 => {}
        more => quoted.push(format!("{more} more")),
    }
    quoted.join(", ")
}

impl Diagnostic for OauthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Discovery(error) => error.kind(),
            Self::ErrorResponse { refusal, .. } => refusal.kind(),
            Self::InvalidResponse { .. } => Kind::ProviderAnswer,
            Self::NoClientAuth(_) => Kind::ProviderClientAuth,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(error) => error.hint(),
            Self::Discovery(error) => error.hint(),
            Self::ErrorResponse { refusal, redirect_uri, tried, .. } => {
                client_hint(refusal, *tried).or_else(|| refusal.hint(redirect_uri.as_deref()))
            }
            Self::InvalidResponse { .. } | Self::NoClientAuth(_) => None,
        }
    }
}

/// What to do about a client that the provider rejects, by how the secret was sent.
fn client_hint(refusal: &ErrorResponse, tried: [Option<ClientAuth>; 2]) -> Option<String> {
    let names = tried.iter().flatten().map(|method| method.name()).collect::<Vec<_>>().join(" and ");
    match (refusal.code.as_str(), tried) {
        ("invalid_client", [None, _]) => Some(
            "no client secret was sent: set OID_CLIENT_SECRET if the client is not public, or check OID_CLIENT_ID"
                .to_owned(),
        ),
        ("invalid_client", _) => Some(format!(
            "check OID_CLIENT_ID and OID_CLIENT_SECRET against the provider's registration; the secret was sent by \
             {names}"
        )),
        // The second way was accepted, but the first attempt had used the code up.
        ("invalid_grant", [_, Some(accepted)]) => {
            Some(format!("set 'token-endpoint-auth-method' of the provider entry to \"{}\"", accepted.name()))
        }
        _ => None,
    }
}

/// What a token endpoint gives.
#[derive(Debug, Clone)]
pub struct TokenResponse {
    /// Says who logged in; not verified yet.
    pub id_token: Option<SecretText>,
    /// Opens userinfo.
    pub access_token: Option<SecretText>,
    /// Gets new tokens later.
    pub refresh_token: Option<SecretText>,
}

/// A login that a device has begun (RFC 8628 3.2).
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    code: SecretText,
    /// What the person types.
    pub user_code: String,
    /// Where the person types it.
    pub verification_uri: Url,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: Option<Url>,
    /// How long the code holds, at most a day.
    pub expires_in: Duration,
    /// How long to wait between two questions: a second to a day.
    pub interval: Duration,
}

/// What userinfo answered.
#[derive(Debug, Clone)]
pub enum Userinfo {
    /// What it tells, as it came over TLS.
    Plain(Map<String, Value>),
    /// A token that the provider signed (OpenID Connect Core 5.3.2); not verified yet.
    Signed(SecretText),
}

/// How a device's login stands.
#[derive(Debug)]
pub enum DevicePoll {
    /// The person has not finished yet.
    Pending,
    /// The provider wants fewer questions: 5 seconds longer between two (RFC 8628 3.5).
    SlowDown,
    /// It is done.
    Tokens(TokenResponse),
}

/// What grants a token endpoint's tokens.
#[derive(Debug, Clone, Copy)]
enum Grant<'a> {
    Code { code: &'a SecretText, redirect_uri: &'a str, verifier: &'a SecretText },
    Refresh(&'a SecretText),
    Device(&'a SecretText),
}

/// A provider as one client talks to it.
#[derive(Debug, Clone)]
pub struct Provider<'a> {
    /// How it is talked to.
    pub http: &'a Client,
    /// Where its endpoints are.
    pub discovery: &'a Discovery,
    /// How this client is known to it.
    pub registration: &'a Registration,
    /// The way to send the secret that the provider accepted.
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
}

/// A text that is wiped from where the parser put it.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretString(SecretText);

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(SecretText::new(text))
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    /// A string; what else a provider sends here must not hide the error itself.
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    error_uri: Value,
}

#[derive(Deserialize)]
struct DeviceBody {
    device_code: SecretString,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "seconds")]
    interval: Option<u64>,
}

/// A number of seconds, which some providers send as a string or with a fraction. Go reads them
/// too.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error as _;
    let invalid = || D::Error::custom("expected a number of seconds");
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Err(invalid()),
    };
    if let Ok(seconds) = text.parse() {
        return Ok(Some(seconds));
    }
    let number: f64 = text.parse().map_err(|_| invalid())?;
    // Of a number over the limit only its size counts.
    match number {
        0.0..1e15 => Ok(text.split('.').next().and_then(|whole| whole.parse().ok()).or(Some(0))),
        _ if number.is_finite() && number >= 1e15 => Ok(Some(u64::MAX)),
        _ => Err(invalid()),
    }
}

impl<'a> Provider<'a> {
    /// A provider for this client.
    #[must_use]
    pub const fn new(http: &'a Client, discovery: &'a Discovery, registration: &'a Registration) -> Self {
        Self { http, discovery, registration, accepted: Cell::new(None) }
    }

    /// A code from a login in the browser becomes tokens.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn exchange_code(
        &self,
        code: &SecretText,
        redirect_uri: &str,
        verifier: &SecretText,
    ) -> Result<TokenResponse, OauthError> {
        self.tokens("the code", Grant::Code { code, redirect_uri, verifier })
    }

    /// A refresh token becomes new tokens.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn refresh(&self, refresh_token: &SecretText) -> Result<TokenResponse, OauthError> {
        self.tokens("the refresh token", Grant::Refresh(refresh_token))
    }

    /// Begins a login on another device.
    ///
    /// # Errors
    /// [`OauthError`]; [`DiscoveryError::MissingEndpoint`] when the provider has no such endpoint.
    pub fn begin_device(
        &self,
        scopes: &[String],
        extra: &[(String, String)],
    ) -> Result<DeviceAuthorization, OauthError> {
        const WHAT: &str = "a device login";
        let endpoint = self.discovery.need(ProviderEndpoint::DeviceAuthorization, self.http)?;
        let scope = scopes.join(" ");
        let mut form = vec![("scope", scope.as_str())];
        form.extend(extra.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let answer: DeviceBody = self.authenticated(WHAT, None, &endpoint, &form)?.secret_json()?;
        let useless = |why: String| OauthError::InvalidResponse { what: WHAT, why };
        let address = |text: &str| {
            let url = parse_url(text).map_err(|error| useless(error.to_string()))?;
            self.http.check(&url).map_err(|error| useless(error.to_string()))?;
            if !self.discovery.permits(&url) {
                return Err(useless(format!(
                    "{} is plain http, but the issuer uses https",
                    quote(url.as_str())
                )));
            }
            Ok::<_, OauthError>(url)
        };
        if answer.user_code.is_empty() || answer.device_code.0.is_empty() {
            return Err(useless("it has no code".to_owned()));
        }
        Ok(DeviceAuthorization {
            verification_uri: address(&answer.verification_uri)?,
            verification_uri_complete: answer
                .verification_uri_complete
                .as_deref()
                .map(address)
                .transpose()?,
            code: answer.device_code.0,
            user_code: answer.user_code,
            // RFC 8628 3.2 requires it; without one, the device code does not expire for Go.
            expires_in: Duration::from_secs(
                answer.expires_in.unwrap_or(LONGEST_DEVICE_LOGIN).min(LONGEST_DEVICE_LOGIN),
            ),
            // RFC 8628 3.2: 5 seconds where nothing is said. Less than one would be a flood.
            interval: Duration::from_secs(answer.interval.unwrap_or(5).clamp(1, LONGEST_DEVICE_LOGIN)),
        })
    }

    /// Asks how a device's login stands.
    ///
    /// # Errors
    /// [`OauthError`]; `access_denied` and `expired_token` come as [`OauthError::ErrorResponse`].
    pub fn poll_device(&self, device: &DeviceAuthorization) -> Result<DevicePoll, OauthError> {
        match self.tokens("the device login", Grant::Device(&device.code)) {
            Ok(tokens) => Ok(DevicePoll::Tokens(tokens)),
            Err(OauthError::ErrorResponse { refusal, .. }) if refusal.code == "authorization_pending" => {
                Ok(DevicePoll::Pending)
            }
            Err(OauthError::ErrorResponse { refusal, .. }) if refusal.code == "slow_down" => {
                Ok(DevicePoll::SlowDown)
            }
            Err(error) => Err(error),
        }
    }

    /// What the provider tells about the owner of an access token (OpenID Connect Core 5.3).
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn userinfo(&self, access_token: &SecretText) -> Result<Userinfo, OauthError> {
        const WHAT: &str = "userinfo";
        let endpoint = self.discovery.need(ProviderEndpoint::Userinfo, self.http)?;
        let bearer = Zeroizing::new(format!("Bearer {}", access_token.expose()));
        let headers =
            [("authorization", bearer.as_str()), ("accept", "application/json, application/jwt;q=0.5")];
        let answer = check_status(WHAT, None, [None; 2], self.http.get(&endpoint, &headers)?)?;
        if answer.media_type() != "application/jwt" {
            return Ok(Userinfo::Plain(answer.json()?));
        }
        match std::str::from_utf8(answer.body()) {
            Ok(token) => Ok(Userinfo::Signed(SecretText::new(token.trim().to_owned()))),
            Err(_) => Err(OauthError::InvalidResponse { what: WHAT, why: "it is no text".to_owned() }),
        }
    }

    /// Gives a refresh token back, so that nobody can use it any more. A provider that knows no
    /// such thing is no fault: `false`.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn revoke(&self, refresh_token: &SecretText) -> Result<bool, OauthError> {
        let Some(endpoint) = self.discovery.find(ProviderEndpoint::Revocation, self.http)? else {
            return Ok(false);
        };
        let form = [("token", refresh_token.expose()), ("token_type_hint", "refresh_token")];
        self.authenticated("the end of the refresh token", None, &endpoint, &form)?;
        Ok(true)
    }

    /// Where a browser goes to end the login at the provider (RP-Initiated Logout 1.0), if the
    /// provider has such an endpoint.
    ///
    /// # Errors
    /// [`DiscoveryError`] for an endpoint that must not be used.
    pub fn end_session_url(&self, id_token: Option<&SecretText>) -> Result<Option<Url>, DiscoveryError> {
        let Some(mut url) = self.discovery.find(ProviderEndpoint::EndSession, self.http)? else {
            return Ok(None);
        };
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &self.registration.client_id);
        if let Some(token) = id_token {
            query.append_pair("id_token_hint", token.expose());
        }
        drop(query);
        Ok(Some(url))
    }

    fn tokens(&self, what: &'static str, grant: Grant<'_>) -> Result<TokenResponse, OauthError> {
        let endpoint = self.discovery.need(ProviderEndpoint::Token, self.http)?;
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
            Grant::Device(code) => (
                vec![
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("device_code", code.expose()),
                ],
                None,
            ),
        };
        let answer: TokenBody = self.authenticated(what, redirect_uri, &endpoint, &form)?.secret_json()?;
        // RFC 6749 5.1: token_type is required, and in any case; a token of another kind is none
        // that could be shown to userinfo.
        let bearer = answer.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !bearer {
            let why = format!("its token_type is {}", quote(&answer.token_type.unwrap_or_default()));
            return Err(OauthError::InvalidResponse { what, why });
        }
        let word = |word: Option<SecretString>| word.map(|word| word.0).filter(|text| !text.is_empty());
        Ok(TokenResponse {
            id_token: word(answer.id_token),
            access_token: word(answer.access_token),
            refresh_token: word(answer.refresh_token),
        })
    }

    /// Sends a form with the proof of who this client is, and gives the answer if it is a success.
    ///
    /// A provider may support both ways to send a secret and accept only one of them from a
    /// client, so that a client that is rejected tries the other one too, once.
    fn authenticated(
        &self,
        what: &'static str,
        redirect_uri: Option<&str>,
        endpoint: &Url,
        form: &[(&str, &str)],
    ) -> Result<Response, OauthError> {
        let Some(secret) = &self.registration.client_secret else {
            return check_status(what, redirect_uri, [None; 2], self.send(endpoint, form, None)?);
        };
        let (first, second) = self.client_auth()?;
        let answer = self.send(endpoint, form, Some((first, secret)))?;
        let Some(second) = second.filter(|_| is_client_rejected(&answer)) else {
            return check_status(what, redirect_uri, [Some(first), None], answer);
        };
        log::info!("the provider rejects the client by {}: trying {}", first.name(), second.name());
        let answer = self.send(endpoint, form, Some((second, secret)))?;
        if !is_client_rejected(&answer) {
            self.accepted.set(Some(second));
        }
        check_status(what, redirect_uri, [Some(first), Some(second)], answer)
    }

    /// The way to send the secret, and the one to try where the provider rejects the client.
    fn client_auth(&self) -> Result<(ClientAuth, Option<ClientAuth>), OauthError> {
        if let Some(method) = self.registration.client_auth.or(self.accepted.get()) {
            return Ok((method, None));
        }
        let methods = self.discovery.list("token_endpoint_auth_methods_supported");
        let supports = |wanted: ClientAuth| match &methods {
            // OpenID Connect Discovery 3: client_secret_basic where nothing is said.
            None => true,
            Some(names) => names.iter().any(|name| name == wanted.name()),
        };
        match ClientAuth::ALL.into_iter().find(|method| supports(*method)) {
            Some(method) => Ok((method, Some(method.other()).filter(|other| supports(*other)))),
            None => Err(OauthError::NoClientAuth(methods.unwrap_or_default())),
        }
    }

    fn send(
        &self,
        endpoint: &Url,
        form: &[(&str, &str)],
        proof: Option<(ClientAuth, &SecretText)>,
    ) -> Result<Response, HttpError> {
        let client_id = self.registration.client_id.as_str();
        let mut form = form.to_vec();
        let mut headers = vec![("accept", "application/json")];
        let basic;
        match proof {
            None => form.push(("client_id", client_id)),
            Some((ClientAuth::Basic, secret)) => {
                basic = basic_credentials(client_id, secret);
                headers.push(("authorization", basic.as_str()));
            }
            Some((ClientAuth::Post, secret)) => {
                form.push(("client_id", client_id));
                form.push(("client_secret", secret.expose()));
            }
        }
        self.http.post_form(endpoint, &headers, &form)
    }
}

/// Whether an answer means that the client was not authenticated (RFC 6749 5.2), so that nothing
/// else of the request was looked at.
fn is_client_rejected(answer: &Response) -> bool {
    answer.status() == 401
        || (answer.status() >= 400
            && serde_json::from_slice::<ErrorBody>(answer.body())
                .is_ok_and(|refusal| refusal.error == "invalid_client"))
}

/// The `Authorization` header of RFC 6749 2.3.1: both parts form-encoded, then base64.
fn basic_credentials(client_id: &str, secret: &SecretText) -> Zeroizing<String> {
    let encode = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let plain = Zeroizing::new(format!("{}:{}", encode(client_id), *Zeroizing::new(encode(secret.expose()))));
    let coded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
    Zeroizing::new(format!("Basic {}", *coded))
}

/// The answer itself if it is a success, otherwise the provider's words.
fn check_status(
    what: &'static str,
    redirect_uri: Option<&str>,
    tried: [Option<ClientAuth>; 2],
    answer: Response,
) -> Result<Response, OauthError> {
    if (200..300).contains(&answer.status()) {
        return Ok(answer);
    }
    let refusal = match serde_json::from_slice::<ErrorBody>(answer.body()) {
        Ok(said) => {
            let text = |value: Value| value.as_str().map(str::to_owned);
            ErrorResponse {
                code: said.error,
                description: text(said.error_description),
                uri: text(said.error_uri),
            }
        }
        // RFC 6750 3: userinfo says it in a header.
        Err(_) => match answer.header("www-authenticate").and_then(parse_challenge) {
            Some(refusal) => refusal,
            None => return Err(answer.to_error().into()),
        },
    };
    Err(OauthError::ErrorResponse { what, refusal, redirect_uri: redirect_uri.map(str::to_owned), tried })
}

/// `Bearer error="…", error_description="…"`.
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
    fn credentials_are_form_encoded_before_base64() {
        // RFC 6749 2.3.1; the example of the RFC has nothing to encode.
        let header = basic_credentials("s6BhdRkqt3", &SecretText::new("7Fjfp0ZBr1KtDRbnfVdmIw".to_owned()));
        assert_eq!(*header, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
        let header = basic_credentials("a:b", &SecretText::new("c d%".to_owned()));
        assert_eq!(*header, format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25")));
    }

    #[test]
    fn the_methods_of_a_provider_come_through_escaped() {
        let named = |names: &[&str]| {
            OauthError::NoClientAuth(names.iter().map(|name| (*name).to_owned()).collect()).to_string()
        };
        assert!(named(&["tls\u{1b}[2J", "\u{202e}"]).contains(r"only by 'tls\u{1b}[2J', '\u{202e}', wanted"));
        assert!(named(&["x"; 1000]).contains("'x', 'x', 'x', 'x', 'x', 995 more, wanted"));
        assert!(named(&[]).contains("only by no method at all, wanted"));
    }

    #[test]
    fn the_words_of_a_provider_come_through_escaped() {
        let refusal = ErrorResponse {
            code: "access_denied".to_owned(),
            description: Some("no\u{1b}[2J".to_owned()),
            uri: Some("https://idp.example/why".to_owned()),
        };
        assert_eq!(refusal.text(), r"'access_denied': 'no\u{1b}[2J', see 'https://idp.example/why'");
    }

    #[test]
    fn a_refused_redirect_names_the_address_to_register() {
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
    fn seconds_are_read_from_numbers_and_strings_as_go_reads_them() {
        let read = |value: Value| {
            let answer = serde_json::json!({
                "device_code": "d", "user_code": "u", "verification_uri": "v", "expires_in": value,
            });
            serde_json::from_value::<DeviceBody>(answer).map(|answer| answer.expires_in).ok()
        };
        for (value, wanted) in [
            (serde_json::json!(900), Some(Some(900))),
            (serde_json::json!("900"), Some(Some(900))),
            (serde_json::json!(" 900 "), Some(Some(900))),
            (serde_json::json!(900.7), Some(Some(900))),
            (serde_json::json!("900.0"), Some(Some(900))),
            (serde_json::json!(u64::MAX), Some(Some(u64::MAX))),
            (serde_json::json!(1e300), Some(Some(u64::MAX))),
            (serde_json::json!(null), Some(None)),
            (serde_json::json!("soon"), None),
            (serde_json::json!(""), None),
            (serde_json::json!(-1), None),
            (serde_json::json!("NaN"), None),
            (serde_json::json!("inf"), None),
            (serde_json::json!([900]), None),
        ] {
            assert_eq!(read(value.clone()), wanted, "{value}");
        }
    }

    #[test]
    fn userinfo_refuses_in_a_header() {
        let found =
            parse_challenge("Bearer realm=\"x\", error=\"invalid_token\", error_description=\"gone\"")
                .unwrap();
        assert_eq!((found.code.as_str(), found.description.as_deref()), ("invalid_token", Some("gone")));
        assert_eq!(parse_challenge("Bearer"), None);
    }
}
