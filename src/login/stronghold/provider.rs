//! The login through the provider of a mount. The answer to the first request shows the mode of the role:
//! the browser returns to this program (`client`) or to the server (`direct`), or the user enters a code
//! (`device`).

use std::time::Duration;

use super::error::StrongholdLoginError;
use super::explain::RedirectUris;
use super::request::{ProviderLoginOptions, StrongholdRequest};
use super::{explain, redirected};
use crate::login::error::LoginError;
use crate::login::oidc::callback::{self, AuthorizationResponse};
use crate::login::oidc::error::OidcError;
use crate::login::oidc::gate::CallbackGate;
use crate::login::oidc::listener::{Decision, Listener};
use crate::login::oidc::page::BrowserPage;
use crate::login::oidc::redirect::{DEFAULT_PORT, RedirectParts};
use crate::login::oidc::request::{BrowserChoice, PendingAuthorization, random_text};
use crate::login::ui::{LoginEnvironment, LoginStep, LoginUi};
use crate::stronghold::{AuthUrl, AuthUrlRequest, LoginAnswer, MountPath, PollAnswer, StrongholdClient};
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// The time for the browser to fetch the last page.
const LINGER: Duration = Duration::from_secs(3);

/// The default time limit of a login with a browser on this computer.
const BROWSER_TIME_LIMIT: Duration = Duration::from_secs(120);

/// The default time limit of other logins: the lifetime of the state at the server.
const STATE_LIFETIME: Duration = Duration::from_secs(600);

/// The increase of the interval after `slow_down` (RFC 8628 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// The maximum number of attempts to paste the URL.
const PASTE_TRIES: usize = 3;

/// The number of unrelated requests that are reported individually.
const SHOWN_UNRELATED: usize = 3;

/// One login through the provider.
pub(super) struct ProviderLogin<'run> {
    client: &'run StrongholdClient,
    mount: &'run MountPath,
    request: &'run StrongholdRequest,
    options: &'run ProviderLoginOptions,
    environment: &'run LoginEnvironment<'run>,
    client_nonce: SecretText,
}

/// The mode of the role.
enum LoginMode {
    /// The browser returns to this program.
    Client(AuthUrl),
    /// The server receives the response of the provider, and this program polls with the state.
    Poll(AuthUrl, SecretText),
    /// The server rejects the login.
    Rejected,
}

impl<'run> ProviderLogin<'run> {
    pub(super) fn new(
        client: &'run StrongholdClient,
        mount: &'run MountPath,
        request: &'run StrongholdRequest,
        options: &'run ProviderLoginOptions,
        environment: &'run LoginEnvironment<'run>,
    ) -> Result<Self, LoginError> {
        let client_nonce = random_text()?;
        Ok(Self { client, mount, request, options, environment, client_nonce })
    }

    pub(super) fn run<U: LoginUi>(&self, ui: &mut U) -> Result<LoginAnswer, U::Error> {
        let has_browser = self.environment.has_display || self.options.browser_required;
        let listener = if self.options.manual || !has_browser { None } else { Some(self.listener(ui)?) };
        let port = listener.as_ref().map_or_else(|| self.usual_port(), Listener::port);
        let local = self.options.redirect.uri(port).map_err(LoginError::from)?;
        let own = self.client.callback_url(self.mount).map_err(LoginError::from)?;
        match self.mode(&local, own.as_str())? {
            LoginMode::Client(auth_url) => {
                let pending = self.pending(auth_url, local)?;
                match listener {
                    Some(listener) => Ok(self.in_browser(listener, &pending, ui)?),
                    None => self.by_pasted_url(&pending, ui),
                }
            }
            LoginMode::Poll(auth_url, state) => {
                drop(listener);
                Ok(self.at_server(&auth_url, &state, ui)?)
            }
            LoginMode::Rejected => {
                let role = self.request.role.as_deref();
                let uris = RedirectUris { local: &local, server: own.as_str() };
                let error = explain::no_auth_url(self.client, self.mount, role, uris, self.environment);
                Err(LoginError::from(error).into())
            }
        }
    }

    /// Finds the mode of the role. A role of mode `direct` may also allow the redirect URI of this program,
    /// but the server would never receive the response then.
    fn mode(&self, local: &str, own: &str) -> Result<LoginMode, LoginError> {
        let ask = |redirect_uri: &str| {
            self.client.auth_url(&AuthUrlRequest {
                mount: self.mount,
                role: self.request.role.as_deref(),
                redirect_uri,
                client_nonce: &self.client_nonce,
            })
        };
        if let Some(auth_url) = ask(local)? {
            match auth_url.state.clone() {
                None => return Ok(LoginMode::Client(auth_url)),
                Some(state) if auth_url.redirect_uri().is_none_or(|uri| uri != local) => {
                    log::info!("the mode of the role is device");
                    return Ok(LoginMode::Poll(auth_url, state));
                }
                Some(_) => {}
            }
        }
        let direct = ask(own)?.and_then(|auth_url| auth_url.state.clone().map(|state| (auth_url, state)));
        Ok(match direct {
            Some((auth_url, state)) => {
                log::info!("the mode of the role is direct");
                LoginMode::Poll(auth_url, state)
            }
            None => LoginMode::Rejected,
        })
    }

    fn usual_port(&self) -> u16 {
        let ports = self.options.ports.clone().unwrap_or_default();
        ports.numbers().find(|port| *port > 0).unwrap_or(DEFAULT_PORT)
    }

    /// Binds a port for the browser. If the usual one is in use, such as by another user of this computer,
    /// any free port is used: roles that allow a loopback host allow each port of it.
    fn listener(&self, ui: &mut impl LoginUi) -> Result<Listener<'run>, LoginError> {
        let ProviderLoginOptions { listen_address, ports, redirect, .. } = self.options;
        let clock = self.environment.monotonic;
        let bound = Listener::bind(listen_address, &ports.clone().unwrap_or_default(), clock);
        let listener = match bound {
            Err(OidcError::CannotListen { .. })
                if ports.is_none() && *redirect == RedirectParts::default() =>
            {
                let any = "0".parse().map_err(|_| OidcError::EmptyResponse)?;
                let listener = Listener::bind(listen_address, &any, clock)?;
                note(ui, &format!("port {DEFAULT_PORT} is in use: waiting on port {}", listener.port()));
                listener
            }
            bound => bound?,
        };
        if !listener.addresses().iter().all(|address| address.ip().is_loopback()) {
            warn(ui, "redirect-port-public", "other computers can connect to the port for the browser");
        }
        Ok(listener)
    }

    /// Creates the pending authorization from the URL of the server, which contains the state.
    fn pending(&self, auth_url: AuthUrl, redirect_uri: String) -> Result<PendingAuthorization, LoginError> {
        let state = auth_url.url.query_pairs().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| SecretText::new(state.into_owned()));
        Ok(PendingAuthorization {
            state: state.ok_or_else(|| StrongholdLoginError::NoState(self.client.display_url()))?,
            url: auth_url.url,
            redirect_uri,
            // The server has the nonce of the ID token and the verifier of PKCE.
            nonce: self.client_nonce.clone(),
            verifier: self.client_nonce.clone(),
        })
    }

    fn in_browser(
        &self,
        mut listener: Listener<'_>,
        pending: &PendingAuthorization,
        ui: &mut impl LoginUi,
    ) -> Result<LoginAnswer, LoginError> {
        let uids = self.environment.browser_uids.to_vec();
        let mut gate = CallbackGate::new(pending, &self.options.listen_address, uids)?;
        let limit = self.options.time_limit.unwrap_or(BROWSER_TIME_LIMIT);
        let deadline = self.environment.monotonic.now() + limit;
        let start_url = gate.start_url().clone();
        ui.show(LoginStep::Browser { start_url: &start_url, browser: &self.options.browser });
        let mut rejected = 0;
        let response = listener.wait(deadline, &mut gate, |query| {
            match query.and_then(|query| redirected::parse(query, pending)) {
                Err(error) if error.is_unrelated() => {
                    rejected += 1;
                    if rejected <= SHOWN_UNRELATED {
                        warn(ui, "callback-rejected", &error.to_string());
                    }
                    Decision::Reject(BrowserPage::rejected(&error.to_string()))
                }
                outcome => Decision::Accept(outcome),
            }
        })?;
        let Some(response) = response else { return Err(timed_out(limit, rejected, pending).into()) };
        let outcome = self.finish(response, pending);
        listener.finish(&mut gate, &self.last_page(&outcome), LINGER);
        outcome
    }

    fn by_pasted_url<U: LoginUi>(
        &self,
        pending: &PendingAuthorization,
        ui: &mut U,
    ) -> Result<LoginAnswer, U::Error> {
        if !self.options.manual {
            note(ui, "no display on this computer: login with a pasted URL, as with --manual");
        }
        let limit = self.options.time_limit.unwrap_or(STATE_LIFETIME);
        let deadline = self.environment.monotonic.now() + limit;
        ui.show(LoginStep::Manual { url: &pending.url, redirect_uri: &pending.redirect_uri });
        let mut rejected = 0;
        loop {
            let Some(text) = ui.pasted_url(deadline)? else {
                return Err(LoginError::from(timed_out(limit, rejected, pending)).into());
            };
            let response = callback::query_of_pasted_url(text.expose(), &pending.redirect_uri)
                .and_then(|query| redirected::parse(query, pending));
            rejected += 1;
            match response {
                Err(error)
                    if error.is_unrelated() && self.environment.is_interactive && rejected < PASTE_TRIES =>
                {
                    warn(ui, "callback-rejected", &error.to_string());
                    ui.show(LoginStep::PasteAgain);
                }
                response => return Ok(self.finish(response, pending)?),
            }
        }
    }

    /// Sends the code to the server. An error of the provider ends the login with its reason.
    fn finish(
        &self,
        response: Result<AuthorizationResponse, OidcError>,
        pending: &PendingAuthorization,
    ) -> Result<LoginAnswer, LoginError> {
        let code = match response? {
            AuthorizationResponse::Code(code) => code,
            AuthorizationResponse::Error(refusal) => {
                let redirect_uri = pending.redirect_uri.clone();
                return Err(OidcError::ErrorResponse { refusal, redirect_uri }.into());
            }
        };
        let query = [("state", pending.state.expose()), ("code", code.expose())];
        Ok(self.client.callback(self.mount, &query, &self.client_nonce, self.request.wrap_ttl)?)
    }

    /// Waits until the server has received the response of the provider.
    fn at_server(
        &self,
        auth_url: &AuthUrl,
        state: &SecretText,
        ui: &mut impl LoginUi,
    ) -> Result<LoginAnswer, LoginError> {
        let AuthUrl { url, user_code, poll_interval, .. } = auth_url;
        let has_command = matches!(self.options.browser, BrowserChoice::Command(_));
        let opens = (self.environment.has_display || has_command) && !self.options.manual;
        ui.show(LoginStep::AtServer {
            url,
            user_code: user_code.as_deref(),
            browser: if opens { &self.options.browser } else { &BrowserChoice::Skip },
        });
        let clock = self.environment.monotonic;
        let limit = self.options.time_limit.unwrap_or(STATE_LIFETIME);
        let deadline = clock.now() + limit;
        let mut interval = Duration::from_secs(*poll_interval);
        loop {
            clock.pause(interval.min(deadline.saturating_duration_since(clock.now())));
            if clock.now() >= deadline {
                return Err(OidcError::TimedOut {
                    limit,
                    rejected_requests: 0,
                    redirect_uri: None,
                    client_id_setting: None,
                }
                .into());
            }
            match self.client.poll(self.mount, state, &self.client_nonce, self.request.wrap_ttl) {
                Ok(PollAnswer::Done(answer)) => return Ok(answer),
                Ok(PollAnswer::Pending) => log::debug!("the user has not logged in yet"),
                Ok(PollAnswer::SlowDown) => interval += SLOWER_BY,
                Err(error) if error.is_temporary() => {
                    interval = interval.saturating_mul(2);
                    log::info!("{error}: next attempt in {} s", interval.as_secs());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn last_page(&self, outcome: &Result<LoginAnswer, LoginError>) -> BrowserPage {
        let page = |heading: &str, text: String| BrowserPage {
            is_success: true,
            heading: heading.to_owned(),
            text,
            next: "You can close this tab and return to the terminal.".to_owned(),
        };
        match outcome {
            Ok(LoginAnswer::Mfa(_)) => {
                page("Continue in the terminal", "The server requires a second factor.".to_owned())
            }
            Ok(_) => page("You are logged in", format!("Logged in at {}.", self.client.display_url())),
            Err(error) => BrowserPage::failed(&error.to_string(), error.hint().as_deref()),
        }
    }
}

fn timed_out(limit: Duration, rejected_requests: usize, pending: &PendingAuthorization) -> OidcError {
    OidcError::TimedOut {
        limit,
        rejected_requests,
        redirect_uri: Some(pending.redirect_uri.clone()),
        client_id_setting: None,
    }
}

fn note(ui: &mut impl LoginUi, text: &str) {
    let mut notes = Notes::new();
    notes.note(text);
    ui.notes(notes);
}

fn warn(ui: &mut impl LoginUi, check: &'static str, text: &str) {
    let mut notes = Notes::new();
    notes.warn(check, text);
    ui.notes(notes);
}
