//! `cc-user passwd`.

use clap::Args;

use super::{DatabaseOptions, complete};
use crate::accounts::{self, PasswordChange, PasswordRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::prompt::PasswordOptions;
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::quote;

/// Set the password of a local user
#[derive(Debug, Args)]
pub(super) struct Passwd {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Delete the password: the user can no longer log in with one
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    delete: bool,

    #[command(flatten)]
    password: PasswordOptions,
}

pub(super) fn run(
    passwd: &Passwd,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (mut db, sessions) = database.open_with_sessions(console)?;
    let change = if passwd.delete { PasswordChange::Delete } else { PasswordChange::Set };
    let request = PasswordRequest { username: passwd.name.clone(), change };
    let report = accounts::set_password(&mut db, request, &sessions, |query| {
        let prompt = format!("New password for {}", quote(&query.username));
        passwd.password.new_one(&prompt, console).map(Some)
    })?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    Ok(ExitStatus::Success)
}
