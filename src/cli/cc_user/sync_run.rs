//! What `sync-ldap` and `sync-slurm` have in common.

use std::path::Path;
use std::time::Instant;

use super::DatabaseOptions;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::settings;
use crate::config::Settings;
use crate::sync::MetricsFile;
use crate::sync::metrics::RunCounts;
use crate::util::note::Notes;
use crate::util::time::Clock;

/// Runs a sync, and writes its metrics if there is a file for them.
pub(super) fn measured<C: RunCounts>(
    metrics_file: Option<&Path>,
    started: Instant,
    run: impl FnOnce() -> Result<C, Failure>,
) -> Result<C, Failure> {
    let Some(path) = metrics_file else { return run() };
    let elapsed = || started.elapsed();
    MetricsFile { path, clock: Clock::System, elapsed: &elapsed }.measure(Failure::status, run)
}

/// Loads the settings and calls a function with them; its notes are printed before its result is used.
pub(super) fn with_settings<T>(
    database: &DatabaseOptions,
    console: &mut Console,
    run: impl FnOnce(&Settings, &mut Notes) -> T,
) -> Result<T, Failure> {
    let settings = settings::load(&database.settings, console)?;
    let mut notes = Notes::new();
    let result = run(&settings, &mut notes);
    console.notes(notes);
    Ok(result)
}
