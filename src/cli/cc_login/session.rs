//! `cc-login status`, `token` and `logout`: the session that was kept.

use super::report;
use crate::base::fault::{Fault, Status};
use crate::base::note::Notes;
use crate::base::time::Timestamp;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::AtOption;
use crate::login::{Session, place, session};

/// Why there is no token to print.
#[derive(Debug, thiserror::Error)]
enum NoSession {
    #[error("nobody is logged in")]
    Nobody,
    #[error("the session ended {0}")]
    Over(String),
    #[error("the session has no token: there was no private key when it began")]
    NoToken,
}

impl Fault for NoSession {
    fn status(&self) -> Status {
        Status::No
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Nobody => "no-session",
            Self::Over(_) => "session-over",
            Self::NoToken => "session-without-token",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nobody | Self::Over(_) => "cc-login NAME".to_owned(),
            Self::NoToken => "make keys with gen-keypair --write, then log in again".to_owned(),
        })
    }
}

fn load(console: &mut Console) -> Result<Option<Session>, Failure> {
    let path = place::session_file(console.environment())?;
    let mut notes = Notes::new();
    let loaded = session::load(&path, &mut notes);
    console.notes(notes);
    Ok(loaded?)
}

fn running(session: Option<Session>, now: Timestamp) -> Result<Session, NoSession> {
    let session = session.ok_or(NoSession::Nobody)?;
    match session.until {
        Some(until) if session.is_over(now) => Err(NoSession::Over(until.relative_to(now))),
        _ => Ok(session),
    }
}

/// Who is logged in, how and until when.
pub(super) fn status(at: &AtOption, console: &mut Console) -> Result<Status, Failure> {
    let now = at.clock()?.now();
    match running(load(console)?, now) {
        Ok(session) => {
            report::status(&session, now, console)?;
            Ok(Status::Done)
        }
        Err(why) if console.is_json() => {
            report::nobody(why.kind(), console)?;
            Ok(Status::No)
        }
        Err(why) => Err(why.into()),
    }
}

/// The token, for a script.
pub(super) fn token(at: &AtOption, console: &mut Console) -> Result<Status, Failure> {
    let now = at.clock()?.now();
    let session = running(load(console)?, now)?;
    let token = session.token.as_ref().ok_or(NoSession::NoToken)?;
    if console.is_json() {
        report::token(&session, token, console)?;
    } else {
        console.deliver(&format!("{}\n", token.expose()))?;
    }
    Ok(Status::Done)
}

/// The end.
pub(super) fn logout(console: &mut Console) -> Result<Status, Failure> {
    let path = place::session_file(console.environment())?;
    let ended = session::remove(&path)?;
    if console.is_json() {
        console.json(&serde_json::json!({ "ended": ended }))?;
    } else {
        console.note(if ended { "the session is ended" } else { "nobody was logged in" });
    }
    Ok(Status::Done)
}
