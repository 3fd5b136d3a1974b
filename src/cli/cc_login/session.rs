//! `cc-login status`, `whoami`, `sessions`, `refresh` and `logout`: the stored sessions.

use super::report;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::{AtOption, SettingsOptions};
use crate::login::stored::LogoutOutcome;
use crate::login::{LoginError, SessionSelection, refresh, stored};
use crate::util::diagnostic::{Diagnostic as _, ExitStatus};
use crate::util::note::Notes;
use crate::util::time::Clock;

pub(super) fn status(
    at: &AtOption,
    selection: &SessionSelection,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let now = at.clock()?.now();
    let mut notes = Notes::new();
    let session =
        with_environment(console, |environment, _| stored::status(selection, now, environment, &mut notes));
    console.notes(notes);
    match session {
        Ok(session) => {
            report::status(&session, now, console)?;
            Ok(ExitStatus::Success)
        }
        Err(error) => without_session(error, console),
    }
}

pub(super) fn refresh(
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let now = Clock::System.now();
    let session = with_environment(console, |environment, console| {
        refresh::refresh(selection, environment, &mut TerminalUi::without_secrets(console, settings))
    })?;
    report::logged_in(&session, now, console)?;
    Ok(ExitStatus::Success)
}

/// Prints the username of the session, and nothing else.
pub(super) fn whoami(selection: &SessionSelection, console: &mut Console) -> Result<ExitStatus, Failure> {
    let mut notes = Notes::new();
    let session = with_environment(console, |environment, _| {
        stored::status(selection, environment.clock.now(), environment, &mut notes)
    });
    console.notes(notes);
    match session {
        Ok(session) => {
            report::whoami(&session, console)?;
            Ok(ExitStatus::Success)
        }
        Err(error) => without_session(error, console),
    }
}

/// Reports as JSON that there is no valid session, if JSON is requested.
fn without_session(error: LoginError, console: &mut Console) -> Result<ExitStatus, Failure> {
    match error.status() {
        ExitStatus::Negative if console.is_json() => {
            report::no_session(error.kind(), console)?;
            Ok(ExitStatus::Negative)
        }
        _ => Err(error.into()),
    }
}

/// Lists the sessions of the account.
pub(super) fn sessions(selection: &SessionSelection, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = Clock::System.now();
    let mut notes = Notes::new();
    let list = with_environment(console, |environment, _| stored::list(selection, environment, &mut notes));
    let list = list?;
    for stored in &list.sessions {
        if let Err(error) = &stored.session {
            notes.warn("session-file-skipped", format!("a session file is skipped: {error}"));
        }
    }
    console.notes(notes);
    report::sessions(&list, now, console)?;
    Ok(ExitStatus::Success)
}

pub(super) fn logout(
    everywhere: bool,
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let outcome = with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        stored::log_out(selection, everywhere, environment, &mut ui)
    })?;
    report::logout(&outcome, console)?;
    // The local session has ended in any case.
    outcome.at_provider?;
    Ok(ExitStatus::Success)
}

/// Ends all sessions of the account. Continues after an error; the first one determines the exit
/// status.
pub(super) fn logout_all(
    everywhere: bool,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let outcomes = with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        stored::log_out_all(everywhere, environment, &mut ui)
    })?;
    let mut ended = Vec::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(LogoutOutcome { session, at_provider, ended: true }) => {
                ended.push(session);
                failures.extend(at_provider.err());
            }
            // Another process ended the session meanwhile.
            Ok(LogoutOutcome { ended: false, .. }) => {}
            Err(failure) => failures.push(failure),
        }
    }
    report::logout_all(&ended, console)?;
    match Failure::join(failures) {
        Some(failure) => Err(failure),
        None => Ok(ExitStatus::Success),
    }
}
