//! `cc-user rename`.

use clap::Args;

use super::{DatabaseOptions, complete};
use crate::accounts::{self, RenameRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::Username;
use crate::util::diagnostic::ExitStatus;

/// Rename a local user without jobs
#[derive(Debug, Args)]
pub(super) struct Rename {
    /// The username
    #[arg(value_name = "OLD", add = complete::usernames())]
    old: String,

    /// The new username
    #[arg(value_name = "NEW")]
    new: String,

    /// Check the change and print its result without making it
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(
    rename: Rename,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Rename { old, new, dry_run } = rename;
    let request = RenameRequest { old, new: new.parse::<Username>()?, dry_run };
    let (mut db, sessions) = database.open_with_sessions(console)?;
    let report = accounts::rename(&mut db, &request, &sessions)?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    Ok(ExitStatus::Success)
}
