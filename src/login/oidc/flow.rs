//! A login through an OpenID provider: in a browser, with a pasted URL, or on another device.

use std::time::Duration;

use super::callback::{self, AuthorizationResponse};
use super::connection::{ProviderConnection, discover, http_client, key_cache, open_user_db};
use super::device;
use super::error::OidcError;
use super::gate::CallbackGate;
use super::id_token::TokenBinding;
use super::job::JobGrant;
use super::listener::{Decision, Listener};
use super::page::BrowserPage;
use super::provider_config::{self, ProviderParameters};
use super::redirect::{self, Ports, RedirectParts};
use super::request::{self, BrowserChoice, PendingAuthorization};
use crate::http::Client;
use crate::login::ci_identity::{CiAccess, CiIdentity};
use crate::login::error::LoginError;
use crate::login::selection::SessionPlace;
use crate::login::session::Session;
use crate::login::session_store::SessionTarget;
use crate::login::start::note_end_of_refresh;
use crate::login::ui::{LoginEnvironment, LoginStep, LoginUi};
use crate::oidc::discovery::ProviderEndpoint;
use crate::oidc::oauth::{ClientCredentials, Provider, SubjectTokenType, TokenResponse, pkce};
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// The time for the browser to fetch the last page.
const LINGER: Duration = Duration::from_secs(3);

/// The default time limit of a login with a browser.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(120);

/// The number of unrelated requests that are reported individually.
const SHOWN_UNRELATED: usize = 3;

/// The maximum number of attempts to paste the URL.
const PASTE_TRIES: usize = 3;

/// The way a user reaches the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OidcFlow {
    /// In a browser on this computer.
    Browser,
    /// On another device, with a code.
    Device,
    /// In any browser; the URL of the last page is pasted.
    Manual,
    /// As the client itself, without a user.
    ClientCredentials,
    /// With a token that the provider exchanges for its own.
    TokenExchange,
}

impl OidcFlow {
    /// Whether the flow has no user at a browser.
    const fn is_of_job(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::TokenExchange)
    }
}

/// A login through an OpenID provider.
#[derive(Debug, Clone)]
pub struct OidcRequest {
    /// The user who must log in; `None` accepts any user.
    pub username: Option<String>,
    /// The provider entry, login role and parameters.
    pub provider: ProviderParameters,
    /// The timeout for connections to the provider; `None` selects the default of the HTTP client.
    pub connect_timeout: Option<Duration>,
    /// The flow; `None` selects the best available one.
    pub flow: Option<OidcFlow>,
    /// The identity of a job: the token that is exchanged, or the assertion with which the client authenticates
    /// itself. Without it, a token exchange reads a token of the user.
    pub identity: Option<CiIdentity>,
    /// The address on which the program waits for the browser.
    pub listen_address: String,
    /// The ports to try.
    pub ports: Ports,
    /// The parts of the redirect URI.
    pub redirect: RedirectParts,
    /// The browser to open.
    pub browser: BrowserChoice,
    /// The time limit of the login; `None` means 2 minutes, or the lifetime of the device code.
    pub time_limit: Option<Duration>,
}

/// Logs in through the provider and stores the session.
pub(in crate::login) fn log_in<U: LoginUi>(
    request: &OidcRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let settings = ui.settings()?;
    let mut notes = Notes::new();
    let resolved = provider_config::resolve(&settings, &request.provider, &mut notes);
    ui.notes(notes);
    let mut config = resolved.map_err(LoginError::from)?;
    if let (Some(limit), Some(true)) = (request.time_limit, request.flow.map(OidcFlow::is_of_job)) {
        config.http.timeout = limit;
    }
    let client =
        http_client(&config, request.connect_timeout, environment.variables).map_err(LoginError::from)?;
    let job_token = match &request.identity {
        Some(identity) => Some(job_token(identity, &client, environment, ui)?),
        None => None,
    };
    if let (Some(OidcFlow::ClientCredentials), Some(token)) = (request.flow, &job_token) {
        config.registration.credentials = ClientCredentials::Assertion(token.clone());
    }
    let cache = key_cache(environment.variables);
    // Report errors that the login cannot change before the user is sent to a browser.
    if config.adds_users || config.updates_users {
        open_user_db(&config, &settings, environment.author)?;
    }
    let target = SessionTarget::open(place, None, environment.variables)?;
    let mut notes = Notes::new();
    let discovery = discover(&client, &cache, &config, environment.clock, &mut notes);
    ui.notes(notes);
    let discovery = discovery.map_err(LoginError::from)?;
    let connection = ProviderConnection {
        provider: Provider::new(&client, &discovery, &config.registration, environment.clock),
        config: &config,
        cache: &cache,
        settings: &settings,
        clock: environment.clock,
        author: environment.author,
        expected_username: request.username.as_deref(),
        key: target.key(),
    };
    let login = OidcLogin { connection, request, environment, target: &target };
    let flow = login.flow(ui);
    login.check_endpoints(flow).map_err(LoginError::from)?;
    match flow {
        OidcFlow::Browser => Ok(login.in_browser(ui)?),
        OidcFlow::Device => login.on_device(ui),
        OidcFlow::Manual => login.by_pasted_url(ui),
        OidcFlow::ClientCredentials => Ok(login.as_job(JobGrant::ClientCredentials, ui)?),
        OidcFlow::TokenExchange => match &job_token {
            Some(token) => Ok(login.as_job(JobGrant::Exchange(token, SubjectTokenType::Jwt), ui)?),
            None => {
                let token = ui.token()?;
                Ok(login.as_job(JobGrant::Exchange(&token, SubjectTokenType::AccessToken), ui)?)
            }
        },
    }
}

/// Returns the token of the job.
fn job_token<U: LoginUi>(
    identity: &CiIdentity,
    client: &Client,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<SecretText, LoginError> {
    let access = CiAccess {
        variables: environment.variables,
        http: client.options().clone(),
        monotonic: environment.monotonic,
    };
    let mut notes = Notes::new();
    let token = identity.fetch(&access, &mut notes);
    ui.notes(notes);
    Ok(token?)
}

/// One login through a provider.
struct OidcLogin<'run> {
    connection: ProviderConnection<'run>,
    request: &'run OidcRequest,
    environment: &'run LoginEnvironment<'run>,
    target: &'run SessionTarget,
}

impl OidcLogin<'_> {
    /// Returns the requested flow, or the best available one with a note.
    fn flow(&self, ui: &mut impl LoginUi) -> OidcFlow {
        if let Some(flow) = self.request.flow {
            return flow;
        }
        if self.environment.has_display {
            return OidcFlow::Browser;
        }
        let mut notes = Notes::new();
        let flow = if self.connection.provider.discovery.names(ProviderEndpoint::DeviceAuthorization) {
            notes.note("no display on this computer: login on another device, as with --device");
            OidcFlow::Device
        } else {
            notes.note(
                "no display on this computer, and the provider does not support device authorization: login with \
                 a pasted URL, as with --manual",
            );
            OidcFlow::Manual
        };
        ui.notes(notes);
        flow
    }

    /// Returns the redirect URI if the login role allows it.
    fn redirect_uri(&self, port: u16) -> Result<String, OidcError> {
        let uri = self.request.redirect.uri(port)?;
        match &self.connection.config.role {
            Some((_, role)) if !redirect::is_allowed(&uri, &role.allowed_redirect_uris) => {
                Err(OidcError::RedirectNotAllowed { role: role.name.clone(), uri })
            }
            _ => Ok(uri),
        }
    }

    /// Checks the endpoints that the flow needs, before the user is sent to the provider.
    fn check_endpoints(&self, flow: OidcFlow) -> Result<(), OidcError> {
        let Provider { http, discovery, .. } = &self.connection.provider;
        let first = match flow {
            OidcFlow::Browser | OidcFlow::Manual => Some(ProviderEndpoint::Authorization),
            OidcFlow::Device => Some(ProviderEndpoint::DeviceAuthorization),
            OidcFlow::ClientCredentials | OidcFlow::TokenExchange => None,
        };
        for endpoint in first.into_iter().chain([ProviderEndpoint::Token, ProviderEndpoint::Keys]) {
            discovery.need(endpoint, http)?;
        }
        discovery.find(ProviderEndpoint::Userinfo, http)?;
        Ok(())
    }

    fn begin(&self, redirect_uri: String) -> Result<PendingAuthorization, OidcError> {
        let Provider { http, discovery, registration, .. } = &self.connection.provider;
        let endpoint = discovery.need(ProviderEndpoint::Authorization, http)?;
        request::begin(&endpoint, &registration.client_id, redirect_uri, &self.connection.params())
    }

    fn check_callback(
        &self,
        query: &str,
        pending: &PendingAuthorization,
    ) -> Result<AuthorizationResponse, OidcError> {
        let discovery = self.connection.provider.discovery;
        callback::parse(query, pending, &discovery.issuer, discovery.names_issuer_in_response())
    }

    fn time_limit(&self) -> Duration {
        self.request.time_limit.unwrap_or(DEFAULT_TIME_LIMIT)
    }

    fn in_browser<U: LoginUi>(&self, ui: &mut U) -> Result<Session, LoginError> {
        let request = self.request;
        let mut listener =
            Listener::bind(&request.listen_address, &request.ports, self.environment.monotonic)?;
        for address in listener.addresses() {
            log::info!("waiting for the browser on {address}");
        }
        if !listener.addresses().iter().all(|address| address.ip().is_loopback()) {
            warn(ui, "redirect-port-public", "other computers can connect to the port for the browser");
        }
        let pending = self.begin(self.redirect_uri(listener.port())?)?;
        let uids = self.environment.browser_uids.to_vec();
        let mut gate = CallbackGate::new(&pending, &request.listen_address, uids)?;
        let deadline = self.environment.monotonic.now() + self.time_limit();
        let start_url = gate.start_url().clone();
        ui.show(LoginStep::Browser { start_url: &start_url, browser: &request.browser });
        let mut rejected = 0;
        let answer = listener.wait(deadline, &mut gate, |query| {
            match query.and_then(|query| self.check_callback(query, &pending)) {
                Err(error) if error.is_unrelated() => {
                    rejected += 1;
                    match rejected {
                        0..=SHOWN_UNRELATED => warn(ui, "callback-rejected", &error.to_string()),
                        _ if rejected == SHOWN_UNRELATED + 1 => {
                            warn(ui, "callback-rejected", "more such requests are counted and not shown");
                        }
                        _ => log::info!("{error}"),
                    }
                    Decision::Reject(BrowserPage::rejected(&error.to_string()))
                }
                outcome => Decision::Accept(outcome),
            }
        })?;
        let Some(answer) = answer else {
            return Err(self.timed_out(rejected, pending).into());
        };
        let outcome = self.finish_authorization(answer, &pending, ui);
        listener.finish(&mut gate, &last_page(&outcome), LINGER);
        outcome
    }

    fn by_pasted_url<U: LoginUi>(&self, ui: &mut U) -> Result<Session, U::Error> {
        let mut ports = self.request.ports.numbers();
        let port = ports.find(|port| *port > 0).unwrap_or(redirect::DEFAULT_PORT);
        let redirect_uri = self.redirect_uri(port).map_err(LoginError::from)?;
        let pending = self.begin(redirect_uri).map_err(LoginError::from)?;
        let deadline = self.environment.monotonic.now() + self.time_limit();
        ui.show(LoginStep::Manual { url: &pending.url, redirect_uri: &pending.redirect_uri });
        let mut rejected = 0;
        loop {
            let Some(text) = ui.pasted_url(deadline)? else {
                return Err(LoginError::from(self.timed_out(rejected, pending)).into());
            };
            let outcome = callback::query_of_pasted_url(text.expose(), &pending.redirect_uri)
                .and_then(|query| self.check_callback(query, &pending));
            rejected += 1;
            match outcome {
                Err(error)
                    if error.is_unrelated() && self.environment.is_interactive && rejected < PASTE_TRIES =>
                {
                    warn(ui, "callback-rejected", &error.to_string());
                    ui.show(LoginStep::PasteAgain);
                }
                outcome => return Ok(self.finish_authorization(outcome, &pending, ui)?),
            }
        }
    }

    fn on_device<U: LoginUi>(&self, ui: &mut U) -> Result<Session, U::Error> {
        let params = self.connection.params();
        let provider = &self.connection.provider;
        let verifier = if pkce::is_supported(provider.discovery) {
            Some(request::random_text().map_err(LoginError::from)?)
        } else {
            None
        };
        let parameters = params.parameters().map_err(LoginError::from)?;
        let begun = provider.begin_device(&params.scopes, &parameters, verifier);
        let device = match begun {
            Ok(device) => device,
            Err(error) if self.request.flow.is_none() && error.is_grant_disabled() => {
                let mut notes = Notes::new();
                notes.note(format!("{error}: login with a pasted URL, as with --manual"));
                ui.notes(notes);
                return self.by_pasted_url(ui);
            }
            Err(error) => return Err(LoginError::from(OidcError::from(error)).into()),
        };
        ui.show(LoginStep::Device(&device));
        // The default is the lifetime of the code: a login on another device takes longer.
        let limit = self.request.time_limit.unwrap_or(device.expires_in);
        let tokens =
            device::wait(provider, &device, limit, self.environment.monotonic).map_err(LoginError::from)?;
        Ok(self.store_session(tokens, TokenBinding::Device, ui)?)
    }

    fn timed_out(&self, rejected_requests: usize, pending: PendingAuthorization) -> OidcError {
        OidcError::TimedOut {
            limit: self.time_limit(),
            rejected_requests,
            redirect_uri: Some(pending.redirect_uri),
            client_id_setting: Some(self.connection.provider.registration.names.client_id.clone()),
        }
    }

    /// Exchanges the code for tokens and stores the session.
    fn finish_authorization(
        &self,
        answer: Result<AuthorizationResponse, OidcError>,
        pending: &PendingAuthorization,
        ui: &mut impl LoginUi,
    ) -> Result<Session, LoginError> {
        let code = match answer? {
            AuthorizationResponse::Code(code) => code,
            AuthorizationResponse::Error(refusal) => {
                let redirect_uri = pending.redirect_uri.clone();
                return Err(OidcError::ErrorResponse { refusal, redirect_uri }.into());
            }
        };
        let tokens = self
            .connection
            .provider
            .exchange_code(&code, &pending.redirect_uri, &pending.verifier)
            .map_err(OidcError::from)?;
        self.store_session(tokens, TokenBinding::Nonce(&pending.nonce), ui)
    }

    fn store_session(
        &self,
        tokens: TokenResponse,
        binding: TokenBinding<'_>,
        ui: &mut impl LoginUi,
    ) -> Result<Session, LoginError> {
        let mut notes = Notes::new();
        let session = self.connection.session_of(tokens, binding, &mut notes);
        self.save(session, notes, ui)
    }

    /// Logs in without a browser and stores the session.
    fn as_job(&self, grant: JobGrant<'_>, ui: &mut impl LoginUi) -> Result<Session, LoginError> {
        let mut notes = Notes::new();
        let session = self.connection.session_of_job(grant, &mut notes);
        self.save(session, notes, ui)
    }

    fn save(
        &self,
        session: Result<Session, LoginError>,
        mut notes: Notes,
        ui: &mut impl LoginUi,
    ) -> Result<Session, LoginError> {
        let session = session
            .and_then(|session| self.target.save(&session, self.environment, &mut notes).map(|()| session));
        if let Ok(session) = &session {
            note_end_of_refresh(session, &mut notes);
        }
        ui.notes(notes);
        session
    }
}

fn warn(ui: &mut impl LoginUi, check: &'static str, text: &str) {
    let mut notes = Notes::new();
    notes.warn(check, text);
    ui.notes(notes);
}

fn last_page(outcome: &Result<Session, LoginError>) -> BrowserPage {
    match outcome {
        Ok(session) => BrowserPage::logged_in(&session.user.username),
        Err(error) => BrowserPage::failed(&error.to_string(), error.hint().as_deref()),
    }
}
