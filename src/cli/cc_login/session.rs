//! `cc-login status`, `token` and `logout`: the session that was kept.

use std::path::Path;

use super::no_session::{SessionError, add_command, login_command};
use super::refresh;
use super::{report, start};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::{AtOption, SettingsOptions};
use crate::login::{Session, paths, session};
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::note::Notes;
use crate::util::time::Timestamp;

fn load(console: &mut Console) -> Result<Option<Session>, Failure> {
    let path = paths::session_file(console.environment())?;
    let mut notes = Notes::new();
    let loaded = session::load(&path, &mut notes);
    console.notes(notes);
    Ok(loaded?)
}

fn running(session: Option<Session>, now: Timestamp) -> Result<Session, SessionError> {
    let session = session.ok_or(SessionError::NotLoggedIn)?;
    match session.expires_at {
        Some(until) if session.is_expired(now) => Err(SessionError::Expired {
            ended: until.relative_to(now),
            login: login_command(session.method, &session.user.username),
        }),
        _ => Ok(session),
    }
}

/// Who is logged in, how and until when.
pub(super) fn status(at: &AtOption, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = at.clock()?.now();
    match running(load(console)?, now) {
        Ok(session) => {
            report::status(&session, now, console)?;
            Ok(ExitStatus::Success)
        }
        Err(why) if console.is_json() => {
            report::no_session(why.kind(), console)?;
            Ok(ExitStatus::Negative)
        }
        Err(why) => Err(why.into()),
    }
}

/// The token, for a script. A session that is over and can be renewed is renewed first, unless it
/// is asked about another time than now.
pub(super) fn token(
    at: &AtOption,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let now = at.clock()?.now();
    let loaded = load(console)?;
    let can_renew = at.at.is_none()
        && loaded.as_ref().is_some_and(|session| session.is_expired(now) && session.refresh.is_some());
    let session = if can_renew {
        let renewed = refresh::renew(Some(now), options, console);
        renewed.inspect_err(|failure| {
            if refresh::wants_login(failure) {
                console.note("the session is over and could not be renewed: log in again");
            }
        })?
    } else {
        running(loaded, now)?
    };
    let token =
        session.token.as_ref().ok_or_else(|| SessionError::NoToken { add: add_command(&session.user) })?;
    let mut notes = Notes::new();
    start::warn_of_token(token, &mut notes);
    console.notes(notes);
    if console.is_json() {
        report::token(&session, token, console)?;
    } else {
        console.deliver(&format!("{}\n", token.expose()))?;
    }
    Ok(ExitStatus::Success)
}

/// Removes the session file under its lock; with `reads`, what was in it, for ending the login at
/// the provider. A file that cannot be read is removed all the same.
fn end(path: &Path, reads: bool, console: &mut Console) -> Result<(Option<Session>, bool), Failure> {
    if !path.parent().is_some_and(Path::exists) {
        return Ok((None, false));
    }
    let lock = session::SessionLock::acquire(path)?;
    let mut notes = Notes::new();
    let loaded = if reads { lock.load(&mut notes) } else { Ok(None) };
    let ended = lock.remove()?;
    drop(lock);
    console.notes(notes);
    Ok((loaded?, ended))
}

/// The end.
///
/// The session here ends in any case; that it could not be ended at the provider is told after.
pub(super) fn logout(
    everywhere: bool,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let path = paths::session_file(console.environment())?;
    let (loaded, ended) = end(&path, everywhere, console)?;
    let elsewhere = match &loaded {
        Some(session) => refresh::end_everywhere(session, options, console),
        None => Ok(()),
    };
    report::logout(ended, console)?;
    elsewhere?;
    Ok(ExitStatus::Success)
}
