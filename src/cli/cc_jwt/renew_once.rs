//! One run of renewals, with a line for each.

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::renew::output::{raise_file_limit, sweep};
use crate::renew::{RenewAction, RenewEvent, RenewMode, Renewal, RenewalSubject, Renewer, TokenFile};
use crate::util::diagnostic::ExitStatus;
use crate::util::monotonic::SystemMonotonicClock;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::time::{Clock, Timestamp};

/// Runs each job once. `renewed` is called after each token that was renewed.
pub(super) fn run_once<R: Renewer>(
    renewer: &mut R,
    jobs: &[R::Job],
    mode: RenewMode,
    now: Timestamp,
    console: &mut Console,
    renewed: impl Fn(&R::Job, &mut Console),
) -> Result<ExitStatus, Failure>
where
    Failure: From<R::Error>,
{
    raise_file_limit(jobs.len());
    let mut status = ExitStatus::Success;
    let mut failed = |failure: Failure, console: &mut Console| {
        if status == ExitStatus::Success || status == ExitStatus::Negative {
            status = failure.status();
        }
        console.report(&failure);
    };
    let mut locks = Vec::new();
    let mut locked = Vec::new();
    for job in jobs {
        if mode != RenewMode::CheckOnly {
            match R::output(job).lock_waiting(&SystemMonotonicClock) {
                Ok(lock) => locks.push(lock),
                Err(error) => {
                    failed(error.into(), console);
                    continue;
                }
            }
        }
        locked.push((job, mode));
    }
    if mode != RenewMode::CheckOnly {
        let outputs: Vec<&TokenFile> = locked.iter().map(|(job, _)| R::output(job)).collect();
        sweep(&outputs, Clock::System.now());
    }
    let mut notes = Notes::new();
    let results = renewer.run(&locked, now, &mut notes);
    console.notes(notes);
    let mut due = false;
    for ((job, _), result) in locked.iter().zip(results) {
        match result {
            Ok(renewal) => {
                due |= matches!(renewal.action, RenewAction::Due(_));
                if matches!(renewal.action, RenewAction::Renewed(_)) {
                    renewed(job, console);
                }
                show(&R::subject(job), &renewal, now, console)?;
            }
            Err(error) => {
                if mode != RenewMode::CheckOnly && R::is_old_token_left(&error) {
                    note_old_token(&quote(&R::subject(job).label), R::current_expiry(job), console);
                }
                failed(error.into(), console);
            }
        }
    }
    drop(locks);
    if status == ExitStatus::Success && due {
        return Ok(ExitStatus::Negative);
    }
    Ok(status)
}

/// Warns that the old token remains, with its expiry time.
pub(super) fn note_old_token(name: &str, expires_at: Option<Timestamp>, console: &mut Console) {
    let Some(ends) = expires_at else { return };
    let now = Clock::System.now();
    console.warn(
        "token-in-file",
        &if ends <= now {
            format!("{name}: the file still contains the old token, which expired {}", ends.relative_to(now))
        } else {
            format!("{name}: the file still contains the old token, which expires {}", ends.human(now))
        },
    );
}

fn show(
    subject: &RenewalSubject,
    renewal: &Renewal,
    now: Timestamp,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.is_json() {
        return Ok(console.json(&RenewEvent::of(subject, renewal, now))?);
    }
    let name = quote(&subject.label);
    let ends = renewal
        .expires_at
        .map_or_else(String::new, |ends| format!("; the token expires {}", ends.human(now)));
    let command = if renewal.command.is_some() { "; the command succeeded" } else { "" };
    let line = match &renewal.action {
        RenewAction::Fresh => {
            let renewed = renewal
                .renew_at
                .map_or_else(String::new, |at| format!(", to be renewed {}", at.relative_to(now)));
            format!("{name} is fresh{ends}{renewed}{command}")
        }
        RenewAction::Due(reason) => format!("{name} is due: {reason}"),
        RenewAction::Renewed(reason) => format!("{name} was renewed: {reason}{ends}{command}"),
    };
    let is_negative = matches!(renewal.action, RenewAction::Due(_));
    if is_negative {
        console.line(&line)?
    } else {
        console.report_line(&line)?
    }
    Ok(())
}
