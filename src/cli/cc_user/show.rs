//! `cc-user show`.

use clap::Args;
use serde::Serialize;

use super::list::{disabled_users, report_invalid_row};
use super::{DatabaseOptions, complete};
use crate::accounts::error::unknown_user;
use crate::accounts::report::list;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::login::UserDetails;
use crate::policy::remedy::describe_rights;
use crate::user::password::HashError;
use crate::user::{AuthSource, PasswordHash};
use crate::user_db::UserDbError;
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::escape;

/// Show users with their endpoints and login methods
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The usernames
    #[arg(value_name = "NAME", required = true, add = complete::usernames())]
    names: Vec<String>,
}

/// The report: one object for one NAME, otherwise an array.
#[derive(Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum ShowReport {
    /// One NAME.
    One(Box<UserDetails>),
    /// Several names: those that exist.
    Several(Vec<UserDetails>),
}

pub(super) fn run(
    show: &Show,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (store, settings) = database.open_with_settings(console)?;
    let disabled = disabled_users(&store, console);
    let mut status = ExitStatus::Success;
    let mut shown = Vec::new();
    let mut is_printed = false;
    for name in &show.names {
        let Some(record) = store.record(name)? else {
            let error = unknown_user(name, store.similar_username(name)?);
            status = fail(error, status, console);
            continue;
        };
        let hash = store.password_hash(name)?;
        let details = UserDetails::new(&record, hash.as_ref(), &disabled, settings.as_ref());
        if console.is_json() {
            shown.push(details);
        } else {
            if std::mem::replace(&mut is_printed, true) {
                console.line("")?;
            }
            print_text(&details, record.user.source, hash.as_ref(), console)?;
        }
        if !record.invalid_columns.is_empty() {
            let name = record.user.username;
            let error = UserDbError::InvalidRow { name, invalid_columns: record.invalid_columns };
            status = fail(error, status, console);
        }
    }
    if console.is_json() {
        match show.names.as_slice() {
            [_] => {
                if let Some(details) = shown.pop() {
                    console.json(&ShowReport::One(Box::new(details)))?;
                }
            }
            _ if shown.is_empty() => {}
            _ => console.json(&ShowReport::Several(shown))?,
        }
    }
    Ok(status)
}

/// Reports an error of one user; the others are shown. The first error determines the exit status.
fn fail(error: UserDbError, before: ExitStatus, console: &mut Console) -> ExitStatus {
    let status = report_invalid_row(error, console);
    if before == ExitStatus::Success { status } else { before }
}

fn print_text(
    details: &UserDetails,
    source: AuthSource,
    hash: Option<&PasswordHash>,
    console: &mut Console,
) -> Result<(), Failure> {
    let UserDetails { user, disabled_roles, endpoints, login_methods } = details;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), escape);
    let roles = match disabled_roles {
        Some(roles) => format!("- (the user is disabled; the roles before: {})", list(roles)),
        None => list(&user.roles),
    };
    let role_names: Vec<&str> = user.roles.iter().map(String::as_str).collect();
    let mut lines = vec![
        ("username", escape(&user.username)),
        ("name", text(&user.name)),
        ("email", text(&user.email)),
        ("roles", roles),
        ("projects", list(&user.projects)),
        ("source", source.to_string()),
        ("password", password(hash, source)),
        ("endpoints", format!("{} ({})", endpoints.join(", "), describe_rights(&role_names))),
    ];
    for (index, login) in login_methods.iter().enumerate() {
        let state = match (login.works, &login.reason) {
            (Some(true), None) => "yes".to_owned(),
            (Some(true), Some(limitation)) => format!("yes ({})", escape(limitation)),
            (Some(false), reason) => format!("no ({})", escape(reason.as_deref().unwrap_or_default())),
            (None, _) => "unknown (the settings cannot be read)".to_owned(),
        };
        lines.push((if index == 0 { "logins" } else { "" }, format!("{:<5} {state}", login.method)));
    }
    for (label, value) in lines {
        let label = console.paint("1", &format!("{label:<9}"));
        console.line(&format!("{label} {value}"))?;
    }
    Ok(())
}

/// The state of the password, without its hash.
fn password(hash: Option<&PasswordHash>, source: AuthSource) -> String {
    let Some(hash) = hash else { return "none".to_owned() };
    let state = match hash.check() {
        Ok(()) => "set".to_owned(),
        Err(HashError::Malformed) if hash.is_locked() => "locked".to_owned(),
        Err(HashError::Malformed) => "unusable: not a bcrypt hash".to_owned(),
        Err(HashError::TooCostly(cost)) => format!("unusable: the cost {cost} exceeds the limit"),
    };
    if source == AuthSource::Local { state } else { format!("{state}, but only local users log in with it") }
}
