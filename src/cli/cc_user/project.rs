//! `cc-user project add` and `cc-user project remove`.

use clap::{Args, Subcommand};

use super::server::ServerOptions;
use super::set::{change_list, parse_all};
use super::{DatabaseOptions, complete};
use crate::accounts::{ChangeRequest, ListChange};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;

/// Add or remove projects of a manager
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct ProjectArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add projects to a manager
    Add(Projects),
    /// Remove projects from a manager
    #[command(visible_aliases = ["del", "delete", "rm"])]
    Remove(RemovedProjects),
}

/// The manager and the projects.
#[derive(Debug, Args)]
struct Projects {
    /// The username of the manager
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Names of projects; separated by commas
    #[arg(value_name = "PROJECT", required = true, value_delimiter = ',')]
    projects: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

/// The manager and the projects to remove.
#[derive(Debug, Args)]
struct RemovedProjects {
    /// The username of the manager
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Names of projects; separated by commas
    #[arg(value_name = "PROJECT", required = true, value_delimiter = ',', add = complete::projects_of_user())]
    projects: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

pub(super) fn run(
    arguments: ProjectArguments,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (name, projects, server) = match arguments.verb {
        Verb::Add(Projects { name, projects, server }) => {
            (name, ListChange::add(parse_all(&projects).map_err(Failure::several)?), server)
        }
        Verb::Remove(RemovedProjects { name, projects, server }) => {
            (name, ListChange::remove(projects), server)
        }
    };
    let request = ChangeRequest { projects, ..ChangeRequest::new(name) };
    change_list(&request, &server, database, console)
}
