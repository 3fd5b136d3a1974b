//! `cc-login refresh`, and the end of a login at its provider.

use super::no_session::{SessionError, login_command};
use super::oidc::{self, OidcRun};
use super::report;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::cli::settings;
use crate::config::Settings;
use crate::login::oidc::id_token::TokenBinding;
use crate::login::oidc::provider_config::{self, ProviderConfig, ProviderParameters};
use crate::login::session::{RefreshGrant, ReplaceOutcome};
use crate::login::{Method, Session, paths, session};
use crate::oidc::oauth::{OauthError, Provider, TokenResponse};
use crate::token::inspect;
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;
use crate::util::time::{Clock, Timestamp};

/// `cc-login refresh`: a new session out of the refresh token.
pub(super) fn run(options: &SettingsOptions, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = Clock::System.now();
    let session = renew(None, options, console)?;
    report::logged_in(&session, now, console)?;
    Ok(ExitStatus::Success)
}

/// Renews the stored session. One process does it at a time, since many providers take a refresh
/// token once only; with `over_at`, a session that another process has renewed meanwhile is taken
/// as it is. The result is stored only while the session that was read is still the stored one: a
/// logout or another login in the meantime counts, and the new refresh token is given back.
pub(super) fn renew(
    over_at: Option<Timestamp>,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<Session, Failure> {
    let path = paths::session_file(console.environment())?;
    let _turn = session::lock_refresh(&path)?;
    let mut notes = Notes::new();
    let loaded = session::SessionLock::acquire(&path).and_then(|lock| lock.load(&mut notes));
    console.notes(notes);
    let before = loaded?.ok_or(SessionError::NotLoggedIn)?;
    if let Some(now) = over_at.filter(|now| !before.is_expired(*now)) {
        log::info!("another process has renewed the session meanwhile ({})", now.rfc3339());
        return Ok(before);
    }
    let refresh = before.refresh.clone().ok_or_else(|| match before.method {
        Method::Oidc => SessionError::NoRefresh,
        method => SessionError::NoProvider { login: login_command(method, &before.user.username) },
    })?;
    let settings = settings::load(options, console)?;
    let plan = plan_of(&refresh, &settings)?;
    let client = oidc::client(&plan, None, console)?;
    let cache = oidc::cache(console.environment());
    let discovery = oidc::discover(&client, &cache, &plan.issuer, console)?;
    let provider = Provider::new(&client, &discovery, &plan.registration);
    let known = OidcRun { provider, plan: &plan, cache: &cache, settings: &settings, name: None };
    let provider = &known.provider;
    let tokens = match provider.refresh(&refresh.token) {
        Ok(tokens) => tokens,
        Err(error) => {
            // A refresh token that the provider takes no more is of no further use.
            if let OauthError::ErrorResponse { refusal, .. } = &error
                && refusal.code == "invalid_grant"
            {
                let without = Session { refresh: None, ..before.clone() };
                if let ReplaceOutcome::Changed(now) =
                    session::SessionLock::acquire(&path)?.replace(&before, &without)?
                {
                    return changed(now, over_at);
                }
            }
            return Err(error.into());
        }
    };
    // What the provider does not give anew stays (RFC 6749 6).
    let rotated_token = tokens.refresh_token.clone().filter(|token| *token != refresh.token);
    let tokens =
        TokenResponse { refresh_token: tokens.refresh_token.or(Some(refresh.token.clone())), ..tokens };
    // A rotated refresh token is kept at once: should what follows fail, it is the one that counts.
    let rotated = Session {
        refresh: tokens.refresh_token.clone().map(|token| RefreshGrant { token, ..refresh.clone() }),
        ..before.clone()
    };
    if let ReplaceOutcome::Changed(now) = session::SessionLock::acquire(&path)?.replace(&before, &rotated)? {
        give_back(provider, rotated_token.as_ref());
        return changed(now, over_at);
    }
    let tie = TokenBinding::Subject(&refresh.subject);
    let mut after = known.conclude(tokens, tie, console)?;
    if after.id_token.is_none() {
        after.id_token.clone_from(&before.id_token);
    }
    match session::SessionLock::acquire(&path)?.replace(&rotated, &after)? {
        ReplaceOutcome::Saved => Ok(after),
        ReplaceOutcome::Changed(now) => {
            // Where the refresh token did not change, the logout saw it and gave it back itself.
            let last = after.refresh.as_ref().map(|refresh| &refresh.token);
            give_back(provider, last.filter(|token| **token != refresh.token));
            changed(now, over_at)
        }
    }
}

/// The outcome of a refresh whose session another process ended or replaced: its session, where
/// one that is valid is all that is asked for.
fn changed(stored: Option<Box<Session>>, over_at: Option<Timestamp>) -> Result<Session, Failure> {
    match (stored, over_at) {
        (Some(session), Some(now)) if !session.is_expired(now) => Ok(*session),
        (Some(_), _) => Err(SessionError::Replaced.into()),
        (None, _) => Err(SessionError::Ended.into()),
    }
}

/// Gives a refresh token back that is stored nowhere. That this fails changes nothing here.
fn give_back(provider: &Provider<'_>, token: Option<&SecretText>) {
    let Some(token) = token else { return };
    if let Err(error) = provider.revoke(token) {
        log::info!("the refresh token that is not stored could not be given back: {error}");
    }
}

fn plan_of(refresh: &RefreshGrant, settings: &Settings) -> Result<ProviderConfig, Failure> {
    let wishes = ProviderParameters {
        entry: Some(refresh.provider.clone()),
        role: refresh.role.clone(),
        ..ProviderParameters::default()
    };
    Ok(provider_config::resolve(settings, &wishes)?)
}

/// Ends the login at its provider as well, after the session here is gone: the refresh token is
/// given back, and the provider's own place for it is told.
pub(super) fn end_everywhere(
    session: &Session,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<(), Failure> {
    if session.method != Method::Oidc {
        console.note("the session is not from a provider: there is nothing else to end");
        return Ok(());
    }
    let settings = settings::load(options, console)?;
    // The role is of no matter here, and may be gone from the configuration.
    let entry = entry_of(session, &settings);
    let plan =
        provider_config::resolve(&settings, &ProviderParameters { entry, ..ProviderParameters::default() })?;
    let client = oidc::client(&plan, None, console)?;
    let cache = oidc::cache(console.environment());
    let discovery = oidc::discover(&client, &cache, &plan.issuer, console)?;
    let provider = Provider::new(&client, &discovery, &plan.registration);
    let mut is_ended = false;
    if let Some(refresh) = &session.refresh {
        let is_revoked = provider.revoke(&refresh.token)?;
        if is_revoked {
            console.note("the provider takes the refresh token no more");
        }
        is_ended |= is_revoked;
    }
    if let Some(url) = provider.end_session_url(session.id_token.as_ref())? {
        let answer = client.get(&url, &[("accept", "text/html")])?;
        if answer.status() >= 400 {
            return Err(answer.to_error().into());
        }
        console.note("the provider was told to end its login; a browser that is logged in there may stay so");
        is_ended = true;
    }
    if !is_ended {
        console.warn(
            "no-logout-at-provider",
            &format!("the provider {} has no way to end a login from here", quote(&plan.issuer)),
        );
    }
    Ok(())
}

/// The provider entry that a session is from: the one it names, or the one of its ID token's
/// issuer.
fn entry_of(session: &Session, settings: &Settings) -> Option<String> {
    if let Some(refresh) = &session.refresh {
        return Some(refresh.provider.clone());
    }
    let seen = inspect(session.id_token.as_ref()?.expose());
    let issuer = seen.unproven()?.1.issuer()?;
    let of_issuer = settings
        .oidc
        .iter()
        .find(|entry| entry.provider.as_ref().is_some_and(|provider| provider.value == issuer));
    of_issuer.map(|entry| entry.name.clone())
}

/// Whether a failure to renew means that the person has to log in again.
pub(super) fn wants_login(failure: &Failure) -> bool {
    failure.errors().first().is_some_and(|fault| fault.status() == ExitStatus::Negative)
}
