//! `cc-user undo`.

use clap::Args;

use super::DatabaseOptions;
use crate::accounts::{self, RunSelector, UndoRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;

/// Undo all changes of a run
#[derive(Debug, Args)]
pub(super) struct Undo {
    /// ID of the run as 'cc-user log' prints it, the beginning of an ID, or LAST for the last run
    #[arg(value_name = "RUN")]
    run: RunSelector,

    /// Check the changes and print their result without making them
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(
    arguments: Undo,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Undo { run, dry_run } = arguments;
    let mut db = database.open_for_change(console)?;
    let report = accounts::undo(&mut db, &UndoRequest { run, dry_run })?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    let is_complete = report.conflicts.is_empty() && report.missing_changes == 0;
    Ok(if is_complete { ExitStatus::Success } else { ExitStatus::Negative })
}
