//! Operations on the stored session: status, token and logout.

use super::error::LoginError;
use super::identity::Method;
use super::refresh::{log_out_at_provider, renew_before};
use super::selection::SessionSelection;
use super::session::{self, Session, SessionLock, session_file};
use super::session_error::{SessionError, add_command, login_command};
use super::start::note_missing_api_role;
use super::ui::{LoginEnvironment, LoginUi};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Returns the stored session if it is valid at this time.
///
/// # Errors
/// [`LoginError::Session`] without a valid session, and the errors of [`session::load`].
pub fn status(
    now: Timestamp,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<Session, LoginError> {
    let loaded = session::load(&session_file(environment.variables)?, notes)?;
    Ok(valid(loaded, now)?)
}

fn valid(session: Option<Session>, now: Timestamp) -> Result<Session, SessionError> {
    let session = session.ok_or(SessionError::NotLoggedIn)?;
    match session.expires_at {
        Some(expires_at) if session.is_expired(now) => Err(SessionError::Expired {
            expired: expires_at.relative_to(now),
            login: login_command(session.method, &session.user.username),
        }),
        _ => Ok(session),
    }
}

/// Returns the stored session and its token if they are valid at this time. Never renews.
///
/// # Errors
/// As [`status`]; [`SessionError::NoToken`].
pub fn token_at<U: LoginUi>(
    selection: &SessionSelection,
    now: Timestamp,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<(Session, SecretText), U::Error> {
    let session = valid(load(selection, environment, ui)?, now).map_err(LoginError::from)?;
    token_of(session, ui)
}

/// Returns the stored session and its token if they are valid now and for at least `min_ttl`. A
/// session with a refresh token is renewed first if it expires before. Zero requires a session that
/// is valid now.
///
/// # Errors
/// As [`status`]; [`SessionError::ExpiresSoon`]; [`SessionError::NoToken`]; errors of a renewal.
pub fn fresh_token<U: LoginUi>(
    selection: &SessionSelection,
    min_ttl: GoDuration,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<(Session, SecretText), U::Error> {
    let now = environment.clock.now();
    let needed_until = now.plus(min_ttl);
    let loaded = load(selection, environment, ui)?;
    let can_renew =
        loaded.as_ref().is_some_and(|session| session.is_expired(needed_until) && session.refresh.is_some());
    let loaded =
        if can_renew { Some(renew_before(selection, needed_until, environment, ui)?) } else { loaded };
    let session = valid(loaded, now).map_err(LoginError::from)?;
    if let Some(expires_at) = session.expires_at.filter(|_| session.is_expired(needed_until)) {
        let error = SessionError::ExpiresSoon {
            expires: expires_at.relative_to(now),
            min_ttl,
            login: login_command(session.method, &session.user.username),
        };
        return Err(LoginError::from(error).into());
    }
    token_of(session, ui)
}

fn load<U: LoginUi>(
    _selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Option<Session>, U::Error> {
    let mut notes = Notes::new();
    let loaded = session::load(&session_file(environment.variables)?, &mut notes);
    ui.notes(notes);
    Ok(loaded?)
}

fn token_of<U: LoginUi>(session: Session, ui: &mut U) -> Result<(Session, SecretText), U::Error> {
    let Some(token) = session.token.clone() else {
        return Err(LoginError::from(SessionError::NoToken { add: add_command(&session.user) }).into());
    };
    let mut notes = Notes::new();
    note_missing_api_role(&token, &mut notes);
    ui.notes(notes);
    Ok((session, token))
}

/// The result of a logout.
#[derive(Debug)]
#[must_use]
pub struct LogoutOutcome<E> {
    /// Whether a session was stored.
    pub ended: bool,
    /// Whether the logout at the provider succeeded, if it was requested.
    pub at_provider: Result<(), E>,
}

/// Removes the stored session. With `everywhere`, also ends the login at the provider; the local
/// session is removed in any case.
///
/// # Errors
/// The session file cannot be removed or, with `everywhere`, cannot be read.
pub fn log_out<U: LoginUi>(
    everywhere: bool,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<LogoutOutcome<U::Error>, U::Error> {
    let path = session_file(environment.variables)?;
    if !path.parent().is_some_and(std::path::Path::exists) {
        return Ok(LogoutOutcome { ended: false, at_provider: Ok(()) });
    }
    let lock = SessionLock::acquire(&path)?;
    let mut notes = Notes::new();
    let loaded = if everywhere { lock.load(&mut notes) } else { Ok(None) };
    let ended = lock.remove()?;
    drop(lock);
    ui.notes(notes);
    let at_provider = match loaded? {
        Some(session) => end_at_provider(&session, environment, ui),
        None => Ok(()),
    };
    Ok(LogoutOutcome { ended, at_provider })
}

fn end_at_provider<U: LoginUi>(
    session: &Session,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<(), U::Error> {
    let mut notes = Notes::new();
    if session.method != Method::Oidc {
        notes.note("the session is not from an OpenID provider: no logout at a provider");
        ui.notes(notes);
        return Ok(());
    }
    let settings = ui.settings()?;
    let outcome = log_out_at_provider(session, &settings, environment, &mut notes);
    ui.notes(notes);
    Ok(outcome?)
}
