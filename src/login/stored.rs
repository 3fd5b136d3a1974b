//! Operations on the stored sessions: status, list, token and logout.

use std::path::Path;

use super::error::LoginError;
use super::identity::Method;
use super::refresh::{log_out_at_provider, refresh, renew_for};
use super::selection::SessionSelection;
use super::session::Session;
use super::session_error::{SessionError, add_command};
use super::session_file::SessionLock;
use super::session_key::{SessionId, SessionOrigin, SessionRequest};
use super::session_store::{SessionStore, StoredSession};
use super::session_token::SessionToken;
use super::start::note_missing_api_role;
use super::stronghold;
use super::token_demand::{TimedDemand, TokenDemand, TokenKind};
use super::ui::{LoginEnvironment, LoginUi};
use crate::util::environment::Environment;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Returns the selected session if it is valid at this time.
///
/// # Errors
/// [`LoginError::Session`] without a valid session, and the errors of [`SessionStore::load`].
pub fn status(
    selection: &SessionSelection,
    now: Timestamp,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<Session, LoginError> {
    let session = SessionStore::new(environment.variables)?.load(selection, notes)?;
    Ok(valid(session, now)?)
}

/// Returns the token of the session of this server, if it is valid at this time. The session of another server or
/// directory is never used. In a namespace of a server it is the session of this namespace, otherwise of the
/// nearest one above it.
///
/// # Errors
/// [`SessionError::Missing`], [`SessionError::Ambiguous`], [`SessionError::Expired`], [`SessionError::NoToken`], and
/// the errors of [`SessionStore::load`].
pub fn server_token(
    server: &SessionOrigin,
    now: Timestamp,
    variables: &Environment,
    notes: &mut Notes,
) -> Result<SecretText, LoginError> {
    let store = SessionStore::new(variables)?;
    let selection = selection_in_namespace(&store, server)?;
    let session = store.load(&selection, notes).map_err(|error| match error {
        LoginError::Session(SessionError::Ambiguous { sessions, .. }) => {
            SessionError::SeveralTokens { server: server.text(), sessions }.into()
        }
        other => other,
    })?;
    let session = valid(session, now)?;
    let missing = || SessionError::NoToken { add: add_command(&session.user) };
    Ok(session.token.clone().ok_or_else(missing)?)
}

/// Returns the selection of the session for a server or one of its namespaces: a token is valid in the
/// namespaces below its own. Without such a session, it is the selection of the namespace itself.
pub(super) fn selection_in_namespace(
    store: &SessionStore,
    origin: &SessionOrigin,
) -> Result<SessionSelection, LoginError> {
    let selection = |origin| SessionSelection { request: Some(SessionRequest::Origin(origin)), here: None };
    for origin in origin.clone().with_parents() {
        let selection = selection(origin);
        match store.choose(&selection) {
            Err(LoginError::Session(SessionError::Missing { .. })) => {}
            Err(LoginError::Session(SessionError::Ambiguous { .. })) | Ok(_) => return Ok(selection),
            Err(error) => return Err(error),
        }
    }
    Ok(selection(origin.clone()))
}

fn valid(session: Session, now: Timestamp) -> Result<Session, SessionError> {
    match session.expires_at {
        Some(expires_at) if session.is_expired(now) => Err(SessionError::Expired {
            expired: expires_at.relative_to(now),
            login: session.login_command(),
        }),
        _ => Ok(session),
    }
}

/// The stored sessions.
#[derive(Debug)]
pub struct SessionList {
    /// The session files, those without a valid session included.
    pub sessions: Vec<StoredSession>,
    /// The session that the commands use; `None` if none is selected.
    pub chosen: Option<SessionId>,
}

/// Returns all stored sessions of the account, expired or not.
///
/// # Errors
/// [`LoginError::NoDirectory`], [`LoginError::File`].
pub fn list(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<SessionList, LoginError> {
    let sessions = SessionStore::new(environment.variables)?.list(notes)?;
    let candidates: Vec<_> = sessions.iter().map(StoredSession::candidate).collect();
    // Without an unambiguous selection, no session is marked.
    let chosen = selection.choose(&candidates).ok().flatten();
    Ok(SessionList { sessions, chosen })
}

/// Returns the token of the selected session if it is valid at this time. Never renews.
///
/// # Errors
/// As [`status`]; [`SessionError::NoToken`], [`SessionError::NoProviderToken`],
/// [`SessionError::TokenExpired`].
pub fn token_at<U: LoginUi>(
    selection: &SessionSelection,
    kind: TokenKind,
    now: Timestamp,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<SessionToken, U::Error> {
    let session = load(selection, environment, ui)?;
    let demand = TokenDemand { kind, ..TokenDemand::default() };
    token_from(&session, demand, now, ui)
}

/// Returns the token of the selected session that a command requires. A session with a refresh token
/// is renewed first if its token does not meet the demand.
///
/// # Errors
/// As [`token_at`]; [`SessionError::ExpiresSoon`]; errors of a renewal.
pub fn fresh_token<U: LoginUi>(
    selection: &SessionSelection,
    demand: TokenDemand,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<SessionToken, U::Error> {
    Ok(fresh_session(selection, demand, environment, ui)?.1)
}

/// Returns the selected session, and its token as [`fresh_token`] does.
///
/// # Errors
/// As [`fresh_token`].
pub fn fresh_session<U: LoginUi>(
    selection: &SessionSelection,
    demand: TokenDemand,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<(Session, SessionToken), U::Error> {
    let now = environment.clock.now();
    let timed = TimedDemand::new(demand, now);
    let loaded = load(selection, environment, ui)?;
    let session = if timed.is_met_by(&loaded) {
        renew_if_due(loaded, selection, now, environment, ui)
    } else if loaded.can_be_renewed(now) {
        renew_for(selection, timed, environment, ui)?
    } else {
        loaded
    };
    let token = token_from(&session, demand, now, ui)?;
    Ok((session, token))
}

/// Returns the token of a session that is not stored.
///
/// # Errors
/// As [`token_at`]; [`SessionError::ExpiresSoon`].
pub fn token_in_memory<U: LoginUi>(
    session: &Session,
    demand: TokenDemand,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<SessionToken, U::Error> {
    token_from(session, demand, environment.clock.now(), ui)
}

/// Renews a session at Stronghold whose token is valid but expires soon, because an expired token cannot
/// be renewed. A failure is only a warning.
fn renew_if_due<U: LoginUi>(
    session: Session,
    selection: &SessionSelection,
    now: Timestamp,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Session {
    if !stronghold::token::is_renewal_due(&session, now) {
        return session;
    }
    match refresh(selection, environment, ui) {
        Ok(renewed) => renewed,
        Err(_) => {
            let expiry = session.expires_at.map(|expires_at| expires_at.relative_to(now)).unwrap_or_default();
            let mut notes = Notes::new();
            notes.warn(
                "session-not-renewed",
                format!("the session cannot be renewed now: it expires {expiry}"),
            );
            ui.notes(notes);
            session
        }
    }
}

fn load<U: LoginUi>(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let mut notes = Notes::new();
    let loaded = SessionStore::new(environment.variables)?.load(selection, &mut notes);
    ui.notes(notes);
    Ok(loaded?)
}

fn token_from<U: LoginUi>(
    session: &Session,
    demand: TokenDemand,
    now: Timestamp,
    ui: &mut U,
) -> Result<SessionToken, U::Error> {
    let token = TimedDemand::new(demand, now).token_from(session).map_err(LoginError::from)?;
    if demand.kind == TokenKind::Server {
        let mut notes = Notes::new();
        note_missing_api_role(&token.token, &mut notes);
        ui.notes(notes);
    }
    Ok(token)
}

/// The result of the logout of one session.
#[derive(Debug)]
#[must_use]
pub struct LogoutOutcome<E> {
    /// The session as `--session` accepts it; `None` for the session of this directory, without a
    /// session, or if it is not known.
    pub session: Option<String>,
    /// Whether a session was stored.
    pub ended: bool,
    /// Whether the logout at the provider succeeded, if it was requested.
    pub at_provider: Result<(), E>,
}

/// The result of the logout of one session of several.
pub type LogoutResult<E> = Result<LogoutOutcome<E>, E>;

/// Removes the selected session. With `everywhere`, also ends the login at the provider; the local
/// session is removed in any case. A session that is not stored is not an error.
///
/// # Errors
/// [`SessionError::Ambiguous`]; the session file cannot be removed.
pub fn log_out<U: LoginUi>(
    selection: &SessionSelection,
    everywhere: bool,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<LogoutOutcome<U::Error>, U::Error> {
    let store = SessionStore::new(environment.variables)?;
    let chosen = match store.choose(selection) {
        Err(LoginError::Session(SessionError::Missing { .. })) => None,
        chosen => chosen?,
    };
    match chosen.map(|id| store.path(&id)).filter(|path| path.symlink_metadata().is_ok()) {
        Some(path) => {
            let outcome = end(&path, everywhere, environment, ui)?;
            // The session of this directory needs no description.
            let is_own = selection.request.is_none()
                && outcome.session == selection.here.as_ref().map(SessionOrigin::text);
            Ok(if is_own { LogoutOutcome { session: None, ..outcome } } else { outcome })
        }
        None => Ok(LogoutOutcome {
            session: selection.request.as_ref().map(SessionRequest::text),
            ended: false,
            at_provider: Ok(()),
        }),
    }
}

/// Removes all sessions, the expired and malformed ones included. Continues after an error.
///
/// # Errors
/// The directory of the sessions cannot be read.
pub fn log_out_all<U: LoginUi>(
    everywhere: bool,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Vec<LogoutResult<U::Error>>, U::Error> {
    let files = SessionStore::new(environment.variables)?.files()?;
    Ok(files.iter().map(|(_, path)| end(path, everywhere, environment, ui)).collect())
}

fn end<U: LoginUi>(
    path: &Path,
    everywhere: bool,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<LogoutOutcome<U::Error>, U::Error> {
    let lock = SessionLock::acquire(path)?;
    let mut notes = Notes::new();
    let loaded = lock.load(&mut notes);
    let ended = lock.remove()?;
    drop(lock);
    let session = match (&loaded, SessionId::of_path(path)) {
        (Ok(Some(session)), _) => session.key.text(),
        (_, Some(SessionId::Name(name))) => Some(name.to_string()),
        _ => None,
    };
    // A malformed file is removed, and only the logout at the provider needs its content.
    let at_provider = if let Ok(Some(session)) = &loaded
        && let Some(grant) = &session.stronghold
    {
        let outcome = stronghold::token::revoke(session, grant, environment, &mut notes);
        ui.notes(notes);
        outcome.map_err(U::Error::from)
    } else if everywhere {
        ui.notes(notes);
        match loaded {
            Ok(Some(session)) => end_at_provider(&session, environment, ui),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        }
    } else {
        if loaded.is_ok_and(|session| session.is_some_and(|session| session.method == Method::Oidc)) {
            let mut notes = Notes::new();
            notes.note("the login at the provider continues: 'cc-login logout --everywhere' ends both");
            ui.notes(notes);
        }
        Ok(())
    };
    Ok(LogoutOutcome { session, ended, at_provider })
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
