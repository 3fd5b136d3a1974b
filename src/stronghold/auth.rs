//! Logins: with a JWT, and through the provider of a mount.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::answer::{LoginAnswer, MfaRequirement};
use super::client::{ServerRequest, StrongholdClient, errors};
use super::error::{ServerAction, StrongholdError};
use super::path::MountPath;
use crate::http::parse_url;
use crate::util::duration::GoDuration;
use crate::util::secret::SecretText;

/// A login with a JWT.
#[derive(Debug, Clone)]
pub struct JwtLogin<'a> {
    /// The mount.
    pub mount: &'a MountPath,
    /// The role; `None` selects the default role of the mount.
    pub role: Option<&'a str>,
    /// The JWT.
    pub jwt: &'a SecretText,
    /// The lifetime of the wrapping token, if the answer is to be wrapped.
    pub wrap_ttl: Option<GoDuration>,
}

/// The request for the URL of a login through the provider.
#[derive(Debug, Clone)]
pub struct AuthUrlRequest<'a> {
    /// The mount.
    pub mount: &'a MountPath,
    /// The role; `None` selects the default role of the mount.
    pub role: Option<&'a str>,
    /// The redirect URI.
    pub redirect_uri: &'a str,
    /// The secret that binds the next requests of the login to this one.
    pub client_nonce: &'a SecretText,
}

/// The URL of a login through the provider. The members show the mode of the role.
#[derive(Debug, Clone)]
pub struct AuthUrl {
    /// The URL that the user opens.
    pub url: Url,
    /// The state for [`StrongholdClient::poll`], in the modes `direct` and `device`.
    pub state: Option<SecretText>,
    /// The seconds between two polls.
    pub poll_interval: u64,
    /// The code that the user enters, if the URL does not contain it.
    pub user_code: Option<String>,
}

impl AuthUrl {
    /// Returns the redirect URI in the URL; in mode `device` there is none.
    #[must_use]
    pub fn redirect_uri(&self) -> Option<String> {
        self.url.query_pairs().find(|(name, _)| name == "redirect_uri").map(|(_, uri)| uri.into_owned())
    }
}

/// The answer to a poll.
#[derive(Debug)]
pub enum PollAnswer {
    /// The user has not finished the login.
    Pending,
    /// As [`PollAnswer::Pending`], and the interval has to be five seconds longer.
    SlowDown,
    /// The login is finished.
    Done(LoginAnswer),
}

/// The default interval between two polls, in seconds (RFC 8628 3.2).
const POLL_SECONDS: u64 = 5;

impl StrongholdClient {
    /// Logs in with a JWT.
    ///
    /// # Errors
    /// [`StrongholdError::Rejected`] for an unknown role and for a JWT that the role rejects,
    /// [`StrongholdError::Denied`] for a wrong mount or namespace.
    pub fn log_in_with_jwt(&self, login: &JwtLogin<'_>) -> Result<LoginAnswer, StrongholdError> {
        let mut body = Map::new();
        body.insert("jwt".to_owned(), login.jwt.expose().into());
        if let Some(role) = login.role {
            body.insert("role".to_owned(), role.into());
        }
        let mount = login.mount.as_str();
        let path = format!("auth/{mount}/login");
        let action = ServerAction::JwtLogin { mount: mount.to_owned() };
        let answer = self.request(&ServerRequest {
            wrap_ttl: login.wrap_ttl,
            body: Some(Value::Object(body)),
            ..ServerRequest::new(action, &path)
        })?;
        self.login_of(answer)
    }

    /// Starts a login through the provider. `None` is a rejection whose reason only the log of the server
    /// has: the redirect URI is not in the list of the role, or the role is of type `jwt`.
    ///
    /// # Errors
    /// As [`StrongholdClient::log_in_with_jwt`].
    pub fn auth_url(&self, request: &AuthUrlRequest<'_>) -> Result<Option<AuthUrl>, StrongholdError> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            auth_url: String,
            state: Option<String>,
            // A number as a string.
            poll_interval: Option<String>,
            user_code: Option<String>,
        }
        let mut body = json!({
            "redirect_uri": request.redirect_uri,
            "client_nonce": request.client_nonce.expose(),
        });
        if let (Some(role), Value::Object(body)) = (request.role, &mut body) {
            body.insert("role".to_owned(), role.into());
        }
        let mount = request.mount.as_str();
        let path = format!("auth/{mount}/oidc/auth_url");
        let action = ServerAction::StartLogin { mount: mount.to_owned() };
        let answer =
            self.request(&ServerRequest { body: Some(body), ..ServerRequest::new(action, &path) })?;
        let document: Document = serde_json::from_value(answer.data.unwrap_or_default())
            .map_err(|_| self.unexpected("the response does not have a URL of the provider".to_owned()))?;
        if document.auth_url.is_empty() {
            return Ok(None);
        }
        let url = parse_url(&document.auth_url)
            .map_err(|error| self.unexpected(format!("the URL of the provider: {error}")))?;
        let interval = document.poll_interval.and_then(|text| text.parse().ok());
        Ok(Some(AuthUrl {
            url,
            state: document.state.filter(|state| !state.is_empty()).map(SecretText::new),
            poll_interval: interval.filter(|seconds| *seconds > 0).unwrap_or(POLL_SECONDS),
            user_code: document.user_code.filter(|code| !code.is_empty()),
        }))
    }

    /// Returns the redirect URI of the server itself, for the mode `direct`.
    ///
    /// # Errors
    /// [`StrongholdError::UnexpectedAnswer`] if the URL of the server cannot have a path.
    pub fn callback_url(&self, mount: &MountPath) -> Result<Url, StrongholdError> {
        let namespace = self.settings().namespace.as_ref().map_or("", |namespace| namespace.value.as_str());
        let path = format!("{namespace}/auth/{mount}/oidc/callback");
        self.url(&path.trim_start_matches('/').split('/').collect::<Vec<_>>())
    }

    /// Finishes a login through the provider with the query of the redirected URL, without the `?`. A
    /// state is valid once, for ten minutes.
    ///
    /// # Errors
    /// [`StrongholdError::Rejected`] for an expired state, and for claims that the role rejects.
    pub fn callback(
        &self,
        mount: &MountPath,
        query: &[(&str, &str)],
        client_nonce: &SecretText,
        wrap_ttl: Option<GoDuration>,
    ) -> Result<LoginAnswer, StrongholdError> {
        let path = format!("auth/{mount}/oidc/callback");
        let mut pairs = query.to_vec();
        pairs.push(("client_nonce", client_nonce.expose()));
        let action = ServerAction::FinishLogin { mount: mount.to_string() };
        let answer =
            self.request(&ServerRequest { query: &pairs, wrap_ttl, ..ServerRequest::new(action, &path) })?;
        self.login_of(answer)
    }

    /// Asks whether the user has finished the login, in the modes `direct` and `device`.
    ///
    /// # Errors
    /// As [`StrongholdClient::callback`]; the reason of the provider is in the error.
    pub fn poll(
        &self,
        mount: &MountPath,
        state: &SecretText,
        client_nonce: &SecretText,
        wrap_ttl: Option<GoDuration>,
    ) -> Result<PollAnswer, StrongholdError> {
        let path = format!("auth/{mount}/oidc/poll");
        let body = json!({"state": state.expose(), "client_nonce": client_nonce.expose()});
        let action = ServerAction::FinishLogin { mount: mount.to_string() };
        let request =
            ServerRequest { wrap_ttl, body: Some(body), ..ServerRequest::new(action.clone(), &path) };
        let response = self.send(&request)?;
        if response.status() == 400 {
            let errors = errors(&response).unwrap_or_default();
            let has = |code: &str| errors.iter().any(|error| error == code);
            if has("authorization_pending") {
                return Ok(PollAnswer::Pending);
            }
            if has("slow_down") {
                return Ok(PollAnswer::SlowDown);
            }
        }
        let answer = self.document(&response, &action)?;
        Ok(PollAnswer::Done(self.login_of(answer)?))
    }

    /// Completes a login with second factors: for each method its passcode, or the empty text for a method
    /// without one.
    ///
    /// # Errors
    /// [`StrongholdError::Rejected`] or [`StrongholdError::Denied`] for a wrong passcode.
    pub fn validate_mfa(
        &self,
        requirement: &MfaRequirement,
        passcodes: &[(&str, &SecretText)],
        wrap_ttl: Option<GoDuration>,
    ) -> Result<LoginAnswer, StrongholdError> {
        let payload: Map<String, Value> = passcodes
            .iter()
            .map(|(method, passcode)| ((*method).to_owned(), json!([passcode.expose()])))
            .collect();
        let body = json!({"mfa_request_id": requirement.request_id.expose(), "mfa_payload": payload});
        let answer = self.request(&ServerRequest {
            wrap_ttl,
            body: Some(body),
            ..ServerRequest::new(ServerAction::ValidateMfa, "sys/mfa/validate")
        })?;
        self.login_of(answer)
    }

    fn login_of(&self, answer: super::answer::AnswerDocument) -> Result<LoginAnswer, StrongholdError> {
        answer
            .login()
            .ok_or_else(|| self.unexpected("the response to the login has no valid token".to_owned()))
    }
}
