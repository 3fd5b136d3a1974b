//! Operations on the stored session: status, token and logout.

use super::error::LoginError;
use super::identity::Method;
use super::refresh::{log_out_at_provider, renew_expired};
use super::session::{self, Session, SessionLock, session_file};
use super::session_error::{SessionError, add_command, login_command};
use super::start::note_missing_api_role;
use super::ui::{LoginEnvironment, LoginUi};
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

/// Returns the stored session and its token. With `renews`, an expired session with a refresh token
/// is renewed first.
///
/// # Errors
/// As [`status`]; [`SessionError::NoToken`]; errors of a renewal.
pub fn token<U: LoginUi>(
    now: Timestamp,
    renews: bool,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<(Session, SecretText), U::Error> {
    let mut notes = Notes::new();
    let loaded = session::load(&session_file(environment.variables)?, &mut notes);
    ui.notes(notes);
    let loaded = loaded?;
    let can_renew =
        renews && loaded.as_ref().is_some_and(|session| session.is_expired(now) && session.refresh.is_some());
    let session = if can_renew {
        renew_expired(now, environment, ui)?
    } else {
        valid(loaded, now).map_err(LoginError::from)?
    };
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
