//! `cc-user role add` and `cc-user role remove`.

use clap::{Args, Subcommand};

use super::server::ServerOptions;
use super::set::{change_list, parse_all};
use super::{DatabaseOptions, complete};
use crate::accounts::{ChangeRequest, ListChange};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;

/// Add or remove roles of a user
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct RoleArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add roles to a user
    Add(Roles),
    /// Remove roles from a user
    #[command(visible_aliases = ["del", "delete", "rm"])]
    Remove(RemovedRoles),
}

/// The user and the roles.
#[derive(Debug, Args)]
struct Roles {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Roles: admin, support, manager, user, api or anonymous; separated by commas
    #[arg(value_name = "ROLE", required = true, value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

/// The user and the roles to remove.
#[derive(Debug, Args)]
struct RemovedRoles {
    /// The username
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Roles: admin, support, manager, user, api or anonymous; separated by commas
    #[arg(value_name = "ROLE", required = true, value_delimiter = ',', add = complete::roles_of_user())]
    roles: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

pub(super) fn run(
    arguments: RoleArguments,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (name, roles, server) = match arguments.verb {
        Verb::Add(Roles { name, roles, server }) => {
            (name, ListChange::add(parse_all(&roles).map_err(Failure::several)?), server)
        }
        Verb::Remove(RemovedRoles { name, roles, server }) => (name, ListChange::remove(roles), server),
    };
    let request = ChangeRequest { roles, ..ChangeRequest::new(name) };
    change_list(&request, &server, database, console)
}
