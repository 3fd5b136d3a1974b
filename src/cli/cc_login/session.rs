//! `cc-login status`, `token`, `refresh` and `logout`: the stored session.

use super::report;
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::token_format::TokenFormatOptions;
use crate::login::{LoginError, SessionSelection, refresh, stored};
use crate::util::diagnostic::{Diagnostic as _, ExitStatus};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::time::Clock;

/// Returns the session that the command uses.
#[expect(clippy::unnecessary_wraps, reason = "the options of the selection may be invalid")]
pub(super) fn selection(
    _settings: &SettingsOptions,
    _console: &Console,
) -> Result<SessionSelection, Failure> {
    Ok(SessionSelection::default())
}

pub(super) fn status(at: &AtOption, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = at.clock()?.now();
    let mut notes = Notes::new();
    let session = with_environment(console, |environment, _| stored::status(now, environment, &mut notes));
    console.notes(notes);
    match session {
        Ok(session) => {
            report::status(&session, now, console)?;
            Ok(ExitStatus::Success)
        }
        Err(error @ LoginError::Session(_)) if console.is_json() => {
            report::no_session(error.kind(), console)?;
            Ok(ExitStatus::Negative)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn token(
    at: &AtOption,
    form: &TokenFormatOptions,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let clock = at.clock()?;
    let selection = selection(settings, console)?;
    let format = form.format(console)?;
    let (session, token) = with_environment(console, |environment, console| {
        let mut ui = TerminalUi::without_secrets(console, settings);
        match clock {
            Clock::System => stored::fresh_token(&selection, GoDuration::ZERO, environment, &mut ui),
            Clock::Fixed(now) => stored::token_at(&selection, now, environment, &mut ui),
        }
    })?;
    if console.is_json() {
        report::token(&session, &token, console)?;
    } else {
        let line = format.render(&token, session.expires_at)?;
        console.deliver(&format!("{}\n", line.expose()))?;
    }
    Ok(ExitStatus::Success)
}

pub(super) fn refresh(settings: &SettingsOptions, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = Clock::System.now();
    let selection = selection(settings, console)?;
    let session = with_environment(console, |environment, console| {
        refresh::refresh(&selection, environment, &mut TerminalUi::without_secrets(console, settings))
    })?;
    report::logged_in(&session, now, console)?;
    Ok(ExitStatus::Success)
}

pub(super) fn logout(
    everywhere: bool,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let outcome = with_environment(console, |environment, console| {
        stored::log_out(everywhere, environment, &mut TerminalUi::without_secrets(console, settings))
    })?;
    report::logout(outcome.ended, console)?;
    // The local session has ended in any case.
    outcome.at_provider?;
    Ok(ExitStatus::Success)
}
