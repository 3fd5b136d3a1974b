//! The requests, and the errors of their answers.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::answer::AnswerDocument;
use super::error::{ServerAction, StrongholdError};
use super::path::is_segment;
use super::settings::{ServerSettings, Setting};
use crate::http::{Client, HttpError, HttpOptions, Proxy, Response, display_url, parse_url};
use crate::util::duration::GoDuration;
use crate::util::environment::Environment;
use crate::util::json;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;

/// The maximum number of reasons of the server in a message, and of characters of each.
const REASONS: usize = 5;
const REASON_CHARS: usize = 300;

/// A client of one server, in one namespace.
#[derive(Debug, Clone)]
pub struct StrongholdClient {
    http: Client,
    settings: ServerSettings,
}

/// The state of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Whether the server is initialized.
    pub initialized: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Whether another server of the cluster is active.
    #[serde(default)]
    pub standby: bool,
    /// The version.
    #[serde(default)]
    pub version: String,
}

/// A request: its action for messages, the path below `/v1`, and what is sent.
pub(super) struct ServerRequest<'a> {
    pub(super) action: ServerAction,
    pub(super) path: Vec<&'a str>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) token: Option<&'a SecretText>,
    pub(super) wrap_ttl: Option<GoDuration>,
    pub(super) body: Option<Value>,
}

impl<'a> ServerRequest<'a> {
    pub(super) fn new(action: ServerAction, path: &'a str) -> Self {
        let path = path.split('/').collect();
        Self { action, path, query: &[], token: None, wrap_ttl: None, body: None }
    }
}

impl StrongholdClient {
    /// Creates a client. The CA certificates are read here.
    ///
    /// # Errors
    /// [`StrongholdError::CaFile`], [`StrongholdError::InvalidCa`]; [`StrongholdError::Connection`] for an
    /// invalid proxy.
    pub fn new(settings: ServerSettings, environment: &Environment) -> Result<Self, StrongholdError> {
        let defaults = HttpOptions::default();
        let http = Client::new(HttpOptions {
            proxy: Proxy::from_environment(environment),
            trust: settings.trust()?,
            connect_timeout: settings.connect_timeout.unwrap_or(defaults.connect_timeout),
            timeout: settings.timeout.unwrap_or(defaults.timeout),
            ..defaults
        });
        let http = http.map_err(|error| match (&settings.ca, error) {
            (Some(ca), error @ HttpError::InvalidCa(_)) => {
                StrongholdError::InvalidCa { setting: ca.source.clone(), source: error }
            }
            (_, source) => StrongholdError::Connection { setting: settings.url.source.clone(), source },
        })?;
        // Report plain http before a secret is read.
        http.check(&settings.url.value).map_err(|error| StrongholdError::InvalidUrl {
            setting: settings.url.source.clone(),
            source: error,
        })?;
        Ok(Self { http, settings })
    }

    /// Returns the settings of the client.
    #[must_use]
    pub const fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Returns the URL of the server for messages.
    #[must_use]
    pub fn display_url(&self) -> String {
        display_url(&self.settings.url.value)
    }

    /// Reads the state of the server. A sealed or standby server is not an error.
    ///
    /// # Errors
    /// [`StrongholdError::Connection`], [`StrongholdError::UnexpectedAnswer`].
    pub fn health(&self) -> Result<Health, StrongholdError> {
        let response = self.send(&ServerRequest::new(ServerAction::ReadHealth, "sys/health"))?;
        match response.status() {
            200 | 429 | 472 | 473 | 501 | 503 => {
                response.json().map_err(|error| self.unexpected(error.to_string()))
            }
            _ => Err(self.error_of(&response, ServerAction::ReadHealth)),
        }
    }

    /// Returns a URL below `/v1`; the segments are percent-encoded.
    pub(super) fn url(&self, path: &[&str]) -> Result<Url, StrongholdError> {
        let mut url = self.settings.url.value.clone();
        url.set_query(None);
        url.set_fragment(None);
        let segments = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().push("v1").extend(path);
        });
        match segments {
            Ok(()) => Ok(url),
            Err(()) => Err(self.unexpected("the URL cannot have a path".to_owned())),
        }
    }

    /// Sends a request and returns its answer.
    ///
    /// # Errors
    /// [`StrongholdError`] for an answer with an error status.
    pub(super) fn request(&self, request: &ServerRequest<'_>) -> Result<AnswerDocument, StrongholdError> {
        let response = self.send(request)?;
        self.document(&response, &request.action)
    }

    /// Returns the document of an answer, or its error.
    pub(super) fn document(
        &self,
        response: &Response,
        action: &ServerAction,
    ) -> Result<AnswerDocument, StrongholdError> {
        match response.status() {
            200 => {
                let document: AnswerDocument =
                    response.secret_json().map_err(|error| self.unexpected(error.to_string()))?;
                for warning in document.warnings() {
                    log::info!("the server warns: {}", escape(warning));
                }
                Ok(document)
            }
            _ => Err(self.error_of(response, action.clone())),
        }
    }

    /// Sends a request. An error status is not an error.
    pub(super) fn send(&self, request: &ServerRequest<'_>) -> Result<Response, StrongholdError> {
        let mut url = self.url(&request.path)?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let wrap_ttl = request.wrap_ttl.map(|ttl| format!("{}s", ttl.seconds()));
        let namespace = self.settings.namespace.as_ref().map(|namespace| namespace.value.as_str());
        let mut headers = vec![("accept", "application/json"), ("x-vault-request", "true")];
        headers.extend(request.token.map(|token| ("x-vault-token", token.expose())));
        headers.extend(namespace.map(|namespace| ("x-vault-namespace", namespace)));
        headers.extend(wrap_ttl.as_deref().map(|ttl| ("x-vault-wrap-ttl", ttl)));
        let response = match &request.body {
            Some(body) => self.http.post_json(&url, &headers, body),
            None => self.http.get(&url, &headers),
        };
        response.map_err(|source| self.connection(source))
    }

    fn connection(&self, source: HttpError) -> StrongholdError {
        StrongholdError::Connection { setting: self.settings.url.source.clone(), source }
    }

    /// Returns the error of an answer that does not have the expected form.
    pub(super) fn unexpected(&self, why: String) -> StrongholdError {
        let setting = self.settings.url.source.clone();
        StrongholdError::UnexpectedAnswer { url: self.display_url(), setting, why }
    }

    /// Returns the error of an answer with an error status.
    pub(super) fn error_of(&self, response: &Response, action: ServerAction) -> StrongholdError {
        let url = self.display_url();
        let Some(errors) = errors(response) else {
            return match (response.to_error(), response.status()) {
                (HttpError::Redirected { to, .. }, _) => self.redirected(action, &to),
                (error @ HttpError::ExpectsTls(_), _) => self.connection(error),
                // A proxy in front of the server answers without reasons.
                (_, 429) => StrongholdError::RateLimited { url, action, errors: Vec::new() },
                (_, status @ 502..=504) => {
                    StrongholdError::Failed { url, action, status, errors: Vec::new() }
                }
                (_, status) => self.unexpected(format!("it responds with status {status}")),
            };
        };
        let has = |text: &str| errors.iter().any(|error| error.to_ascii_lowercase().contains(text));
        match response.status() {
            429 => StrongholdError::RateLimited { url, action, errors },
            404 if has("namespace not found") => self.unknown_namespace(action, errors),
            // The reason of a token that is not valid, or not from this address, is one text without a list; newer
            // servers add an item to the list.
            403 if !action.is_login() && has("* permission denied") && !has("* invalid token") => {
                StrongholdError::DeniedByPolicy { url, action }
            }
            403 => StrongholdError::Denied { url, action },
            404 => StrongholdError::NotFound { url, action, errors },
            503 if has("sealed") => StrongholdError::Sealed(url),
            501 | 503 | 400 if has("not initialized") => StrongholdError::NotInitialized(url),
            500.. => StrongholdError::Failed { url, action, status: response.status(), errors },
            _ => StrongholdError::Rejected { url, action, errors },
        }
    }

    /// Returns the error of a redirect: to the same path of another server, or to any other URL.
    fn redirected(&self, action: ServerAction, to: &str) -> StrongholdError {
        match to.split_once("/v1/") {
            Some((active, _)) if parse_url(active).is_ok() => {
                let active = active.to_owned();
                StrongholdError::Standby { url: self.display_url(), action, active }
            }
            _ => self.unexpected(format!("it redirects to {}", quote(to))),
        }
    }

    fn unknown_namespace(&self, action: ServerAction, errors: Vec<String>) -> StrongholdError {
        let url = self.display_url();
        match &self.settings.namespace {
            Some(Setting { value, source }) => StrongholdError::UnknownNamespace {
                url,
                namespace: value.as_str().to_owned(),
                setting: source.clone(),
            },
            None => StrongholdError::NotFound { url, action, errors },
        }
    }
}

/// Returns the reasons in an answer, or `None` if it is not one of such a server.
pub(super) fn errors(response: &Response) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct ErrorDocument {
        errors: Option<Vec<String>>,
    }
    let document: ErrorDocument = json::typed(response.body()).ok()?;
    let shorten = |text: String| text.trim().chars().take(REASON_CHARS).collect();
    Some(document.errors?.into_iter().take(REASONS).map(shorten).collect())
}

/// Checks that a role name is one segment of a URL.
pub(super) fn role_segment(role: &str) -> Result<&str, StrongholdError> {
    if is_segment(role) { Ok(role) } else { Err(StrongholdError::RoleName(role.to_owned())) }
}
