//! `cc-user show`.

use clap::Args;

use super::error::no_user;
use super::list::report_broken;
use super::report::{RecordReport, list};
use super::{DatabaseOptions, complete};
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
    /// The user's name
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
        return Err(no_user(&show.name, store.similar_username(&show.name)?).into());
    };
    if console.is_json() {
        console.json(&RecordReport(&record))?;
    } else {
        for_people(&store, &record, console)?;
    }
    if record.invalid_columns.is_empty() {
        return Ok(ExitStatus::Success);
    }
    Ok(report_broken(
        UserDbError::InvalidRow { name: record.user.username, invalid_columns: record.invalid_columns },
        console,
    ))
}

fn for_people(store: &UserDb, record: &UserRecord, console: &mut Console) -> Result<(), Failure> {
    let user = &record.user;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), escape);
    let lines = [
        ("username", escape(&user.username)),
        ("name", text(&user.name)),
        ("email", text(&user.email)),
        ("roles", list(&user.roles)),
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

/// What the password column means, without showing it.
fn password(store: &UserDb, record: &UserRecord) -> Result<String, UserDbError> {
    let Some(hash) = store.password_hash(&record.user.username)? else {
        return Ok("none: cannot log in by password".to_owned());
    };
    let state = match hash.check() {
        Ok(()) => "set".to_owned(),
        Err(HashError::Malformed) => "unusable: what is stored is no bcrypt hash".to_owned(),
        Err(HashError::TooCostly(cost)) => format!("unusable: its cost of {cost} is beyond the limit"),
    };
    Ok(if record.user.source == AuthSource::Local {
        state
    } else {
        format!("{state}, but the server asks only local users for one")
    })
}
