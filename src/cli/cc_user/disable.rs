//! `cc-user disable` and `cc-user enable`.

use clap::Args;

use super::{DatabaseOptions, complete};
use crate::accounts::{self, ChangeReport, DisableRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;

/// Disable a user until 'cc-user enable'
#[derive(Debug, Args)]
pub(super) struct Disable {
    #[command(flatten)]
    user: DisableArguments,
}

/// Enable a disabled user
#[derive(Debug, Args)]
pub(super) struct Enable {
    #[command(flatten)]
    user: DisableArguments,
}

#[derive(Debug, Args)]
struct DisableArguments {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    username: String,

    /// Check the change and print its result without making it
    #[arg(long)]
    dry_run: bool,
}

impl From<DisableArguments> for DisableRequest {
    fn from(arguments: DisableArguments) -> Self {
        Self { username: arguments.username, dry_run: arguments.dry_run }
    }
}

pub(super) fn disable(
    arguments: Disable,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (mut db, sessions) = database.open_with_sessions(console)?;
    print(&accounts::disable(&mut db, &arguments.user.into(), &sessions)?, console)
}

pub(super) fn enable(
    arguments: Enable,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (mut db, _) = database.open_with_sessions(console)?;
    print(&accounts::enable(&mut db, &arguments.user.into())?, console)
}

fn print(report: &ChangeReport, console: &mut Console) -> Result<ExitStatus, Failure> {
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(report)?;
    }
    Ok(ExitStatus::Success)
}
