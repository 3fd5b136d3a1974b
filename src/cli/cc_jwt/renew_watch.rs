//! `cc-jwt renew --watch`.

use std::path::Path;

use super::renew::Renew;
use super::renew_into;
use super::renew_process::run_watch;
use super::resources::published_keys;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::renew::watch::Watch;
use crate::renew::{OsdfRenewer, RenewalJob};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::time::Clock;

pub(super) fn run(
    arguments: &Renew,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    arguments.check()?;
    if arguments.into.is_given() {
        return renew_into::watch(&arguments.into, options, console);
    }
    let environment = console.environment().clone();
    let published = published_keys(arguments.published.as_deref(), console)?;
    let context = arguments.resources.around(&environment, Path::new("."), published.as_ref());
    let resource_files = arguments.spec.iter().filter(|path| *path != Path::new("-"));
    let watch = Watch::new(OsdfRenewer(context), resource_files);
    let mut notes = Notes::new();
    // An error at the start ends the command; later the old tokens remain.
    let jobs = match jobs(arguments, true, &mut notes, console) {
        Ok(jobs) => jobs,
        Err(failure) => {
            console.notes(notes);
            return Err(failure);
        }
    };
    let mut reload = |notes: &mut Notes, console: &mut Console| self::jobs(arguments, false, notes, console);
    run_watch(watch, jobs, notes, &mut reload, console)
}

/// The jobs of the resources, with or without those of standard input, which can be read once only.
fn jobs(
    arguments: &Renew,
    with_stdin: bool,
    notes: &mut Notes,
    console: &mut Console,
) -> Result<Vec<RenewalJob>, Failure> {
    let mut loaded = Vec::new();
    for path in arguments.spec.iter().filter(|path| with_stdin || *path != Path::new("-")) {
        loaded.extend(arguments.resources.load(path, Clock::System.now(), notes)?);
    }
    arguments.jobs(loaded, console)
}
