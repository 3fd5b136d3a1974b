//! `cc-user passwd`.

use clap::Args;
use serde::Serialize;

use super::effects::{self, UserChange};
use super::error::{UserCommandError, named, no_user};
use super::role::existing;
use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::prompt::PasswordOptions;
use crate::user::{AuthSource, PasswordHash};
use crate::user_db::UserRecord;
use crate::util::diagnostic::ExitStatus;

/// Give a local user a new password
#[derive(Debug, Args)]
pub(super) struct Passwd {
    /// The user's name
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Take the password away: the user cannot log in by one any more
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    delete: bool,

    #[command(flatten)]
    password: PasswordOptions,
}

/// The report: the user and whether a login by password is possible now.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PasswordReport<'a> {
    /// The username.
    username: &'a str,
    /// Whether the user has a password now.
    has_password: bool,
}

pub(super) fn run(
    passwd: &Passwd,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (mut store, settings) = database.open_with_settings(console)?;
    let Some(record) = store.record(&passwd.name)? else {
        return Err(no_user(&passwd.name, store.similar_username(&passwd.name)?).into());
    };
    check(record)?;
    let hash = if passwd.delete {
        None
    } else {
        let prompt = format!("New password for {}", named(&passwd.name));
        Some(PasswordHash::new(&passwd.password.new_one(&prompt, console)?)?)
    };
    let mut action = store.transaction()?;
    // While the password was typed, another process may have made somebody else of the user.
    check(existing(&action, &passwd.name)?)?;
    action.set_password(&passwd.name, hash.as_ref())?;
    action.commit()?;
    let what = if hash.is_some() { "has a new password" } else { "has no password any more" };
    console.note(&format!("{} {what}", named(&passwd.name)));
    effects::warn(UserChange::Password, &[&passwd.name], settings.as_ref(), console);
    if console.is_json() {
        console.json(&PasswordReport { username: &passwd.name, has_password: hash.is_some() })?;
    }
    Ok(ExitStatus::Success)
}

/// Only a local user has a password here.
fn check(record: UserRecord) -> Result<(), Failure> {
    match record.user.source {
        AuthSource::Local => Ok(()),
        _ => Err(UserCommandError::NotLocal(record.user).into()),
    }
}
