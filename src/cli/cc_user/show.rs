//! `cc-user show`.

use clap::Args;

use super::list::{disabled_users, report_invalid_row};
use super::{DatabaseOptions, complete};
use crate::accounts::error::unknown_user;
use crate::accounts::report::list;
use crate::accounts::{DisabledUsers, UserReport};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::AuthSource;
use crate::user::password::HashError;
use crate::user_db::{OpenMode, UserDb, UserDbError, UserRecord};
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::escape;

/// Show one user
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,
}

pub(super) fn run(
    show: &Show,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let store = database.open(OpenMode::Read, console)?;
    let Some(record) = store.record(&show.name)? else {
        return Err(unknown_user(&show.name, store.similar_username(&show.name)?).into());
    };
    let disabled = disabled_users(&store, console);
    if console.is_json() {
        console.json(&UserReport::new(&record, &disabled))?;
    } else {
        print_text(&store, &record, &disabled, console)?;
    }
    if record.invalid_columns.is_empty() {
        return Ok(ExitStatus::Success);
    }
    Ok(report_invalid_row(
        UserDbError::InvalidRow { name: record.user.username, invalid_columns: record.invalid_columns },
        console,
    ))
}

fn print_text(
    store: &UserDb,
    record: &UserRecord,
    disabled: &DisabledUsers,
    console: &mut Console,
) -> Result<(), Failure> {
    let user = &record.user;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), escape);
    let roles = match disabled.roles(record) {
        Some(roles) => format!("- (the user is disabled; the roles before: {})", list(roles)),
        None => list(&user.roles),
    };
    let lines = [
        ("username", escape(&user.username)),
        ("name", text(&user.name)),
        ("email", text(&user.email)),
        ("roles", roles),
        ("projects", list(&user.projects)),
        ("source", user.source.to_string()),
        ("password", password(store, record)?),
    ];
    for (label, value) in lines {
        let label = console.paint("1", &format!("{label:<9}"));
        console.line(&format!("{label} {value}"))?;
    }
    Ok(())
}

/// The state of the password, without its hash.
fn password(store: &UserDb, record: &UserRecord) -> Result<String, UserDbError> {
    let Some(hash) = store.password_hash(&record.user.username)? else {
        return Ok("none: login with a password is not possible".to_owned());
    };
    let state = match hash.check() {
        Ok(()) => "set".to_owned(),
        Err(HashError::Malformed) if hash.is_locked() => "locked: login with it is not possible".to_owned(),
        Err(HashError::Malformed) => "unusable: not a bcrypt hash".to_owned(),
        Err(HashError::TooCostly(cost)) => format!("unusable: the cost {cost} exceeds the limit"),
    };
    Ok(if record.user.source == AuthSource::Local {
        state
    } else {
        format!("{state}, but only local users log in with it")
    })
}
