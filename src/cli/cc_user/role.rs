//! `cc-user role add` and `cc-user role remove`.

use std::collections::HashSet;

use clap::{Args, Subcommand};

use super::add::api_surprise;
use super::effects::{self, UserChange};
use super::error::{UserCommandError, named, no_user};
use super::report::{RecordReport, list};
use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::{AccountError, AuthSource, Role, account};
use crate::user_db::{Transaction, UserDbError, UserRecord};
use crate::util::diagnostic::ExitStatus;

/// Add roles to a user or take them away
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct RoleArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give a user roles
    Add(Roles),
    /// Take roles away from a user
    Remove(Roles),
}

/// Whose roles, and which.
#[derive(Debug, Args)]
struct Roles {
    /// The user's name
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Roles: admin, support, manager, user, api or anonymous; several with commas between them
    #[arg(value_name = "ROLE", required = true, value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,
}

pub(super) fn run(
    arguments: RoleArguments,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (Verb::Add(wanted) | Verb::Remove(wanted)) = &arguments.verb;
    if let Verb::Add(wanted) = &arguments.verb {
        account::roles(&wanted.roles).map_err(Failure::several)?;
    }
    let (mut store, settings) = database.open_with_settings(console)?;
    let mut action = store.transaction()?;
    let mut record = existing(&action, &wanted.name)?;
    broken(&record, "roles")?;
    let changed = match &arguments.verb {
        Verb::Add(wanted) => added(&mut record, &wanted.roles, console),
        Verb::Remove(wanted) => removed(&mut record, &wanted.roles, console)?,
    };
    if changed {
        action.set_roles(&wanted.name, &record.user.roles)?;
        action.commit()?;
        report(&record, console);
        if matches!(arguments.verb, Verb::Remove(_)) {
            effects::warn(UserChange::Roles, &[&wanted.name], settings.as_ref(), console);
        }
    }
    if console.is_json() {
        console.json(&RecordReport(&record))?;
    }
    Ok(ExitStatus::Success)
}

/// The record, with a hint at a similar name when it is not there.
pub(super) fn existing(action: &Transaction<'_>, name: &str) -> Result<UserRecord, Failure> {
    match action.record(name)? {
        Some(record) => Ok(record),
        None => Err(no_user(name, action.similar_username(name)?).into()),
    }
}

/// Refuses to change a column that cannot be read.
pub(super) fn broken(record: &UserRecord, column: &str) -> Result<(), UserDbError> {
    if record.invalid_columns.iter().any(|broken| broken.column == column) {
        return Err(UserDbError::InvalidRow {
            name: record.user.username.clone(),
            invalid_columns: record.invalid_columns.clone(),
        });
    }
    Ok(())
}

fn added(record: &mut UserRecord, roles: &[String], console: &mut Console) -> bool {
    let mut changed = false;
    let mut held: HashSet<String> = record.user.roles.iter().cloned().collect();
    for role in roles {
        if held.insert(role.clone()) {
            record.user.roles.push(role.clone());
            changed = true;
        } else {
            console.note(&format!("{} already has the role {role}", named(&record.user.username)));
        }
    }
    changed
}

fn removed(record: &mut UserRecord, roles: &[String], console: &mut Console) -> Result<bool, Failure> {
    let user = &mut record.user;
    let mut wrong = Vec::new();
    let mut missing = Vec::new();
    let held: HashSet<&str> = user.roles.iter().map(String::as_str).collect();
    for role in roles {
        // A role the server does not know can be taken away from who has it; one that the user
        // does not have either is a typing error.
        match role.parse::<Role>() {
            _ if held.contains(role.as_str()) => {}
            Err(error) => wrong.push(UserCommandError::Account(AccountError::Role(error))),
            Ok(role) => missing.push(role),
        }
    }
    let loses_manager = user.has_role(Role::Manager) && roles.iter().any(|role| role == Role::Manager.name());
    if loses_manager && record.invalid_columns.iter().any(|broken| broken.column == "projects") {
        wrong.push(UserCommandError::UserDb(UserDbError::InvalidRow {
            name: user.username.clone(),
            invalid_columns: record.invalid_columns.clone(),
        }));
    } else if loses_manager && !user.projects.is_empty() {
        wrong.push(UserCommandError::ProjectsLeft {
            name: user.username.clone(),
            projects: user.projects.clone(),
        });
    }
    if !wrong.is_empty() {
        return Err(Failure::several(wrong));
    }
    for role in missing {
        console.note(&format!("{} does not have the role {role}", named(&user.username)));
    }
    // All of its entries: one that stands twice is a nuisance.
    let before = user.roles.len();
    let removed: HashSet<&String> = roles.iter().collect();
    user.roles.retain(|role| !removed.contains(role));
    Ok(user.roles.len() < before)
}

fn report(record: &UserRecord, console: &mut Console) {
    let user = &record.user;
    console.note(&format!("{} has the roles {}", named(&user.username), list(&user.roles)));
    if user.roles.is_empty() {
        console.warn(
            "no-role",
            &format!(
                "{} has no role any more: at the server, new logins and tokens have no rights",
                named(&user.username)
            ),
        );
    }
    if user.has_role(Role::Manager) && user.projects.is_empty() {
        console.warn(
            "manager-without-project",
            &format!(
                "the manager {0} has no project yet: give one with 'cc-user project add {1} PROJECT'",
                named(&user.username),
                super::error::word(&user.username)
            ),
        );
    }
    if let Some(surprise) = api_surprise(user) {
        console.note(&surprise);
    }
    if matches!(user.source, AuthSource::Token | AuthSource::Oidc) {
        console.note("the next login brings back the roles of the token where update-user-on-login is set");
    }
}
