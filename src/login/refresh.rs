//! Renewal of a session with its refresh token, and logout at the provider.

use std::path::{Path, PathBuf};

use super::error::LoginError;
use super::identity::Method;
use super::oidc::connection::{ProviderConnection, discover, http_client, key_cache};
use super::oidc::error::OidcError;
use super::oidc::id_token::TokenBinding;
use super::oidc::provider_config::{self, ProviderConfig, ProviderParameters};
use super::selection::SessionSelection;
use super::session::{RefreshGrant, Session, StrongholdGrant};
use super::session_error::SessionError;
use super::session_file::{ReplaceOutcome, SessionLock, lock_refresh};
use super::session_key::SessionOrigin;
use super::session_store::{self, SessionStore};
use super::start::note_changed_user;
use super::stronghold;
use super::token_demand::TimedDemand;
use super::ui::{LoginEnvironment, LoginUi};
use crate::config::Settings;
use crate::oidc::oauth::{OauthError, Provider, TokenResponse};
use crate::token::inspect;
use crate::util::diagnostic::{Diagnostic as _, ExitStatus};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// Renews the stored session, expired or not.
///
/// # Errors
/// [`LoginError`], and errors of the user interface.
pub fn refresh<U: LoginUi>(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    Renewal { selection, environment, demand: None }.run(ui)
}

/// Renews the stored session, which does not meet this demand. If another process has renewed it in
/// the meantime, so that it does, that session is returned.
///
/// # Errors
/// As [`refresh`].
pub(super) fn renew_for<U: LoginUi>(
    selection: &SessionSelection,
    demand: TimedDemand,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    Renewal { selection, environment, demand: Some(demand) }.run(ui)
}

/// One renewal. Only one process renews at a time, because many providers accept a refresh token
/// only once. The result is stored only if the stored session has not changed; after a logout or
/// another login in the meantime, the new refresh token is revoked.
struct Renewal<'run> {
    selection: &'run SessionSelection,
    environment: &'run LoginEnvironment<'run>,
    demand: Option<TimedDemand>,
}

/// The stored session and its refresh token.
struct Stored {
    path: PathBuf,
    session: Session,
    grant: RefreshGrant,
}

impl Renewal<'_> {
    fn run<U: LoginUi>(&self, ui: &mut U) -> Result<Session, U::Error> {
        let store = SessionStore::new(self.environment.variables)?;
        let missing =
            || self.selection.request.as_ref().map_or(SessionError::NotLoggedIn, SessionError::missing);
        let Some(id) = store.choose(self.selection)? else {
            return Err(self.failed(missing().into(), None, ui));
        };
        let path = store.path(&id);
        if path.symlink_metadata().is_err() {
            return Err(self.failed(missing().into(), None, ui));
        }
        let _turn = lock_refresh(&path)?;
        let mut notes = Notes::new();
        let loaded =
            SessionLock::acquire(&path).and_then(|_lock| session_store::load(&id, &path, &mut notes));
        ui.notes(notes);
        let session = match loaded?.ok_or_else(missing) {
            Ok(session) => session,
            Err(error) => return Err(self.failed(error.into(), None, ui)),
        };
        if self.demand.is_some_and(|demand| demand.is_met_by(&session)) {
            log::info!("another process has renewed the session meanwhile");
            return Ok(session);
        }
        if let Some(grant) = &session.stronghold {
            let mut notes = Notes::new();
            let outcome = self.renew_at_stronghold(&path, &session, grant, &mut notes);
            ui.notes(notes);
            return outcome.map_err(|error| self.failed(error, Some(&session), ui));
        }
        let Some(grant) = session.refresh.clone() else {
            let error = match session.method {
                Method::Oidc => match session.refresh_rejected_at {
                    Some(rejected_at) => SessionError::RefreshRejected {
                        rejected: rejected_at.relative_to(self.environment.clock.now()),
                        login: session.login_command(),
                    },
                    None => SessionError::NoRefresh,
                },
                _ => SessionError::NoProvider { login: session.login_command() },
            };
            return Err(self.failed(error.into(), Some(&session), ui));
        };
        // The settings of another server have other users and keys.
        if let Some(origin @ SessionOrigin::Directory(_)) = &session.key.origin
            && self.selection.here.as_ref() != Some(origin)
        {
            return Err(LoginError::from(SessionError::OtherDirectory { directory: origin.text() }).into());
        }
        let settings = ui.settings()?;
        let mut notes = Notes::new();
        let stored = Stored { path, session, grant };
        let outcome = self.renew(&stored, &settings, &mut notes);
        ui.notes(notes);
        outcome.map_err(|error| self.failed(error, Some(&stored.session), ui))
    }

    /// Renews the token of a session at Stronghold. The token does not change.
    fn renew_at_stronghold(
        &self,
        path: &Path,
        before: &Session,
        grant: &StrongholdGrant,
        notes: &mut Notes,
    ) -> Result<Session, LoginError> {
        let after = stronghold::token::renew(before, grant, self.environment, notes)?;
        match SessionLock::acquire(path)?.replace(before, &after)? {
            ReplaceOutcome::Saved => Ok(after),
            ReplaceOutcome::Changed(stored) => self.changed(stored),
        }
    }

    /// Notes that a new login is necessary, if it is.
    fn failed<U: LoginUi>(&self, error: LoginError, session: Option<&Session>, ui: &mut U) -> U::Error {
        if let Some(demand) = self.demand
            && error.status() == ExitStatus::Negative
        {
            let mut notes = Notes::new();
            let state = demand.state(session);
            notes.note(format!("{state} and could not be renewed: log in again"));
            ui.notes(notes);
        }
        error.into()
    }

    fn renew(&self, stored: &Stored, settings: &Settings, notes: &mut Notes) -> Result<Session, LoginError> {
        let Stored { path, session: before, grant } = stored;
        let parameters = ProviderParameters {
            entry: Some(grant.provider.clone()),
            role: grant.role.clone(),
            ca_file: before.ca_file.clone(),
            ..ProviderParameters::default()
        };
        let config = provider_config::resolve(settings, &parameters, notes)?;
        check_issuer(grant, &config)?;
        let variables = self.environment.variables;
        let client = http_client(&config, None, variables)?;
        let cache = key_cache(variables);
        let discovery = discover(&client, &cache, &config, self.environment.clock, notes)?;
        let connection = ProviderConnection {
            provider: Provider::new(&client, &discovery, &config.registration, self.environment.clock),
            config: &config,
            cache: &cache,
            settings,
            clock: self.environment.clock,
            author: self.environment.author,
            expected_username: None,
            key: &before.key,
        };
        let provider = &connection.provider;
        let tokens = match provider.refresh(&grant.token) {
            Ok(tokens) => tokens,
            Err(error) => {
                // A rejected refresh token cannot be used again.
                if let OauthError::ErrorResponse { refusal, .. } = &error
                    && refusal.code == "invalid_grant"
                {
                    let without = Session {
                        refresh: None,
                        refresh_rejected_at: Some(self.environment.clock.now()),
                        ..before.clone()
                    };
                    if let ReplaceOutcome::Changed(stored) =
                        SessionLock::acquire(path)?.replace(before, &without)?
                    {
                        return self.changed(stored);
                    }
                }
                return Err(OidcError::from(error).into());
            }
        };
        // A refresh token that the provider does not replace remains valid (RFC 6749 6).
        let rotated_token = tokens.refresh_token.clone().filter(|token| *token != grant.token);
        let tokens =
            TokenResponse { refresh_token: tokens.refresh_token.or(Some(grant.token.clone())), ..tokens };
        // Store a new refresh token immediately: the old one is invalid even if the next steps
        // fail.
        let rotated = Session {
            refresh: tokens.refresh_token.clone().map(|token| RefreshGrant { token, ..grant.clone() }),
            ..before.clone()
        };
        if let ReplaceOutcome::Changed(stored) = SessionLock::acquire(path)?.replace(before, &rotated)? {
            revoke_unstored(provider, rotated_token.as_ref());
            return self.changed(stored);
        }
        let mut after = connection.session_of(tokens, TokenBinding::Subject(&grant.subject), notes)?;
        if after.id_token.is_none() {
            after.id_token.clone_from(&before.id_token);
        }
        if rotated_token.is_none()
            && let Some(refresh) = &mut after.refresh
        {
            refresh.expires_at = refresh.expires_at.or(grant.expires_at);
        }
        note_changed_user(before, &after, notes);
        if after.access_token.is_none() {
            after.access_token.clone_from(&before.access_token);
        }
        match SessionLock::acquire(path)?.replace(&rotated, &after)? {
            ReplaceOutcome::Saved => Ok(after),
            ReplaceOutcome::Changed(stored) => {
                // The logout has revoked the refresh token unless it was replaced.
                let last = after.refresh.as_ref().map(|refresh| &refresh.token);
                revoke_unstored(provider, last.filter(|token| **token != grant.token));
                self.changed(stored)
            }
        }
    }

    /// Returns the outcome of a renewal during which another process ended or replaced the session:
    /// the new session if it is valid and sufficient.
    fn changed(&self, stored: Option<Box<Session>>) -> Result<Session, LoginError> {
        match (stored, self.demand) {
            (Some(session), Some(demand)) if demand.is_met_by(&session) => Ok(*session),
            (Some(_), _) => Err(SessionError::Replaced.into()),
            (None, _) => Err(SessionError::Ended.into()),
        }
    }
}

/// Revokes a refresh token that is not stored. A failure is only logged.
fn revoke_unstored(provider: &Provider<'_>, token: Option<&SecretText>) {
    let Some(token) = token else { return };
    if let Err(error) = provider.revoke(token) {
        log::info!("cannot revoke the refresh token that is not stored: {error}");
    }
}

/// Ends the login at the provider after the local session has ended: revokes the refresh token and
/// calls the logout endpoint.
pub(super) fn log_out_at_provider(
    session: &Session,
    settings: &Settings,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<(), LoginError> {
    // The login role is not needed here, and may no longer be configured.
    let config = config_of(session, settings, notes)?;
    let client = http_client(&config, None, environment.variables)?;
    let cache = key_cache(environment.variables);
    let discovery = discover(&client, &cache, &config, environment.clock, notes)?;
    let provider = Provider::new(&client, &discovery, &config.registration, environment.clock);
    let mut is_ended = false;
    if let Some(refresh) = &session.refresh
        && provider.revoke(&refresh.token).map_err(OidcError::from)?
    {
        notes.note("the provider has revoked the refresh token");
        is_ended = true;
    }
    if let Some(answer) = provider.end_session(session.id_token.as_ref()).map_err(OidcError::from)? {
        if answer.status() >= 400 {
            return Err(answer.to_error().into());
        }
        notes.note("the provider has received the logout; a browser may remain logged in there");
        is_ended = true;
    }
    if !is_ended {
        notes.warn(
            "no-logout-at-provider",
            format!("the provider {} does not support a logout from here", quote(&config.issuer)),
        );
    }
    Ok(())
}

fn config_of(
    session: &Session,
    settings: &Settings,
    notes: &mut Notes,
) -> Result<ProviderConfig, LoginError> {
    let entry = entry_of(session, settings);
    let ca_file = session.ca_file.clone();
    let parameters = ProviderParameters { entry, ca_file, ..ProviderParameters::default() };
    let config = provider_config::resolve(settings, &parameters, notes)?;
    if let Some(grant) = &session.refresh {
        check_issuer(grant, &config)?;
    }
    Ok(config)
}

/// Checks that a refresh token is not sent to another provider than the one that issued it.
fn check_issuer(grant: &RefreshGrant, config: &ProviderConfig) -> Result<(), SessionError> {
    match &grant.issuer {
        Some(issuer) if *issuer != config.issuer => {
            Err(SessionError::OtherProvider { issuer: issuer.clone() })
        }
        _ => Ok(()),
    }
}

/// Returns the provider entry of a session: that of the refresh token, or the one with the issuer
/// of the ID token.
fn entry_of(session: &Session, settings: &Settings) -> Option<String> {
    if let Some(refresh) = &session.refresh {
        return Some(refresh.provider.clone());
    }
    let inspection = inspect(session.id_token.as_ref()?.expose());
    let issuer = inspection.unproven()?.1.issuer()?;
    let entry = settings
        .oidc
        .iter()
        .find(|entry| entry.provider.as_ref().is_some_and(|provider| provider.value == issuer));
    entry.map(|entry| entry.name.clone())
}
