//! `cc-user set`.

use std::str::FromStr;

use clap::Args;

use super::server::ServerOptions;
use super::{DatabaseOptions, complete};
use crate::accounts::{self, ChangeRequest, ListChange};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::user::{AccountError, Field};
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::quote;

/// Change the full name, mail address, roles and projects of a user
#[derive(Debug, Args)]
pub(super) struct Set {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    username: String,

    /// Set the full name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Remove the full name
    #[arg(long, conflicts_with = "name")]
    clear_name: bool,

    /// Set the mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Remove the mail address
    #[arg(long, conflicts_with = "email")]
    clear_email: bool,

    /// Replace all roles by these: admin, support, manager, user, api or anonymous; separated by commas
    #[arg(short, long = "role", value_name = "ROLE", value_delimiter = ',', add = complete::roles(),
          conflicts_with_all = ["add_roles", "remove_roles"])]
    roles: Vec<String>,

    /// Add roles
    #[arg(long = "add-role", value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    add_roles: Vec<String>,

    /// Remove roles
    #[arg(long = "remove-role", value_name = "ROLE", value_delimiter = ',', add = complete::roles_of_user())]
    remove_roles: Vec<String>,

    /// Replace all projects of a manager by these; separated by commas
    #[arg(short, long = "project", value_name = "PROJECT", value_delimiter = ',',
          conflicts_with_all = ["add_projects", "remove_projects", "clear_projects"])]
    projects: Vec<String>,

    /// Add projects of a manager
    #[arg(long = "add-project", value_name = "PROJECT", value_delimiter = ',')]
    add_projects: Vec<String>,

    /// Remove projects
    #[arg(long = "remove-project", value_name = "PROJECT", value_delimiter = ',', add = complete::projects_of_user())]
    remove_projects: Vec<String>,

    /// Remove all projects
    #[arg(long, conflicts_with_all = ["add_projects", "remove_projects"])]
    clear_projects: bool,

    /// Check the change and print its result without changing the user
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    server: ServerOptions,
}

pub(super) fn run(
    set: Set,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let server = set.server.clone();
    let request = request(set)?;
    if database.server.is_some() {
        // Before a prompt for the password of the administrator.
        request.check_for_server()?;
    }
    let mut store = database.open_users(&server, console)?;
    let report = accounts::change(&mut store, &request)?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    Ok(ExitStatus::Success)
}

/// Changes the roles or projects of a user. The JSON report is the user after the change.
pub(super) fn change_list(
    request: &ChangeRequest,
    server: &ServerOptions,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let mut store = database.open_users(server, console)?;
    let report = accounts::change(&mut store, request)?;
    console.notes(report.notes);
    if console.is_json() {
        console.json(&report.after)?;
    }
    Ok(ExitStatus::Success)
}

/// The change that the options describe, or all errors in their values together.
fn request(set: Set) -> Result<ChangeRequest, Failure> {
    check_disjoint("role", &set.add_roles, &set.remove_roles)?;
    check_disjoint("project", &set.add_projects, &set.remove_projects)?;
    let mut errors = Vec::new();
    let request = ChangeRequest {
        username: set.username,
        name: field("name", set.name, set.clear_name, &mut errors)?,
        email: field("email", set.email, set.clear_email, &mut errors)?,
        roles: list(&set.roles, false, &set.add_roles, set.remove_roles, &mut errors),
        projects: list(
            &set.projects,
            set.clear_projects,
            &set.add_projects,
            set.remove_projects,
            &mut errors,
        ),
        dry_run: set.dry_run,
    };
    if !errors.is_empty() {
        return Err(Failure::several(errors));
    }
    let without_change =
        ChangeRequest { dry_run: request.dry_run, ..ChangeRequest::new(request.username.clone()) };
    if request == without_change {
        return Err(UsageError::new(
            "no change is given: expected --name, --email, --role, --project or another option",
        )
        .hint("'cc-user set --help' lists the options")
        .into());
    }
    Ok(request)
}

fn field<T: FromStr<Err = AccountError>>(
    option: &str,
    text: Option<String>,
    clear: bool,
    errors: &mut Vec<AccountError>,
) -> Result<Field<T>, UsageError> {
    let Some(text) = text else { return Ok(if clear { Field::Clear } else { Field::Keep }) };
    if text.is_empty() {
        // An empty variable of a script must not remove a value.
        return Err(UsageError::new(format!("the value of --{option} is empty"))
            .hint(format!("--clear-{option} removes the value")));
    }
    match text.parse() {
        Ok(value) => return Ok(Field::Set(value)),
        Err(error) => errors.push(error),
    }
    Ok(Field::Keep)
}

fn list<T: FromStr>(
    all: &[String],
    clear: bool,
    add: &[String],
    remove: Vec<String>,
    errors: &mut Vec<AccountError>,
) -> ListChange<T>
where
    AccountError: From<T::Err>,
{
    let mut parse = |names| {
        parse_all(names).unwrap_or_else(|wrong| {
            errors.extend(wrong);
            Vec::new()
        })
    };
    if clear || !all.is_empty() {
        ListChange::Replace(parse(all))
    } else if add.is_empty() && remove.is_empty() {
        ListChange::Keep
    } else {
        ListChange::Modify { add: parse(add), remove }
    }
}

/// The roles or projects of these names, or all errors together.
pub(super) fn parse_all<T: FromStr>(names: &[String]) -> Result<Vec<T>, Vec<AccountError>>
where
    AccountError: From<T::Err>,
{
    let mut values = Vec::with_capacity(names.len());
    let mut errors = Vec::new();
    for name in names {
        match name.parse() {
            Ok(value) => values.push(value),
            Err(error) => errors.push(AccountError::from(error)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn check_disjoint(option: &str, add: &[String], remove: &[String]) -> Result<(), UsageError> {
    match add.iter().find(|entry| remove.contains(entry)) {
        None => Ok(()),
        Some(entry) => {
            Err(UsageError::new(format!("{} is in --add-{option} and in --remove-{option}", quote(entry))))
        }
    }
}
