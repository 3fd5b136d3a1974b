//! `cc-user project add` and `cc-user project remove`.

use std::collections::HashSet;

use clap::{Args, Subcommand};

use super::add::warn_of_many_projects;
use super::effects::{self, UserChange};
use super::error::{UserCommandError, named};
use super::report::{RecordReport, list};
use super::role::{broken, existing};
use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::{Role, account};
use crate::user_db::UserRecord;
use crate::util::diagnostic::ExitStatus;

/// Give a manager projects or take them away
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct ProjectArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give a manager projects
    Add(Projects),
    /// Take projects away from a manager
    Remove(Projects),
}

/// Whose projects, and which.
#[derive(Debug, Args)]
struct Projects {
    /// The manager's name
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// The projects' names
    #[arg(value_name = "PROJECT", required = true)]
    projects: Vec<String>,
}

pub(super) fn run(
    arguments: ProjectArguments,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (Verb::Add(wanted) | Verb::Remove(wanted)) = &arguments.verb;
    if let Verb::Add(wanted) = &arguments.verb {
        let wrong: Vec<_> =
            wanted.projects.iter().filter_map(|project| account::check_project(project).err()).collect();
        if !wrong.is_empty() {
            return Err(Failure::several(wrong));
        }
    }
    let (mut store, settings) = database.open_with_settings(console)?;
    let mut action = store.transaction()?;
    let mut record = existing(&action, &wanted.name)?;
    broken(&record, "projects")?;
    let changed = match &arguments.verb {
        Verb::Add(wanted) => {
            broken(&record, "roles")?;
            added(&mut record, &wanted.projects, console)?
        }
        Verb::Remove(wanted) => removed(&mut record, &wanted.projects, console),
    };
    if changed {
        action.set_projects(&wanted.name, &record.user.projects)?;
        action.commit()?;
        report(&record, console);
        if matches!(arguments.verb, Verb::Remove(_)) {
            effects::warn(UserChange::Projects, &[&wanted.name], settings.as_ref(), console);
        }
    }
    if console.is_json() {
        console.json(&RecordReport(&record))?;
    }
    Ok(ExitStatus::Success)
}

fn added(record: &mut UserRecord, projects: &[String], console: &mut Console) -> Result<bool, Failure> {
    let user = &mut record.user;
    if !user.has_role(Role::Manager) {
        return Err(UserCommandError::NoManager(user.username.clone()).into());
    }
    let mut held: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    let mut new = Vec::new();
    for project in projects {
        if held.insert(project) {
            new.push(project.clone());
        } else {
            console.note(&format!("{} already has the project {}", named(&user.username), named(project)));
        }
    }
    let changed = !new.is_empty();
    user.projects.extend(new);
    Ok(changed)
}

fn removed(record: &mut UserRecord, projects: &[String], console: &mut Console) -> bool {
    let user = &mut record.user;
    let held: HashSet<&str> = user.projects.iter().map(String::as_str).collect();
    for project in projects.iter().filter(|project| !held.contains(project.as_str())) {
        console.note(&format!("{} does not have the project {}", named(&user.username), named(project)));
    }
    let before = user.projects.len();
    let removed: HashSet<&String> = projects.iter().collect();
    user.projects.retain(|project| !removed.contains(project));
    user.projects.len() < before
}

fn report(record: &UserRecord, console: &mut Console) {
    let user = &record.user;
    console.note(&format!("{} has the projects {}", named(&user.username), list(&user.projects)));
    if user.has_role(Role::Manager) && user.projects.is_empty() {
        console.warn(
            "manager-without-project",
            &format!("the manager {} has no project any more and sees no jobs", named(&user.username)),
        );
    }
    warn_of_many_projects(user, console);
}
