//! `cc-user`: the users of a server, on its own database.

mod add;
mod columns;
use super::candidates as complete;
mod database;
mod del;
mod disable;
mod doctor;
mod error;
mod export;
mod import;
mod init;
mod list;
mod log;
mod page_doctor;
mod pages;
mod pages_history;
mod passwd;
mod project;
mod rename;
mod rights;
mod role;
mod server;
mod set;
mod show;
mod sync_ldap;
mod sync_run;
mod sync_slurm;
mod undo;

use clap::{ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::completion::{self, CompletionArguments};
use super::console::Console;
use super::failure::{Failure, UsageError};
use super::options::{OutputOptions, SettingsOptions};
#[cfg(test)]
use super::schema::Report;
use super::tool::Tool;
#[cfg(test)]
use crate::accounts;
#[cfg(test)]
use crate::sync;
#[cfg(test)]
use crate::user::exchange::ExportedUser;
use crate::util::diagnostic::ExitStatus;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-user", command, run, form, single_dash: &[], pages: pages::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[
    Report::of::<accounts::InitReport>("cc-user init"),
    Report::of::<accounts::UserReport>("cc-user add"),
    Report::of::<accounts::DeleteReport>("cc-user del"),
    Report::of::<Vec<accounts::UserReport>>("cc-user list"),
    Report::of::<show::ShowReport>("cc-user show"),
    Report::of::<accounts::ChangeReport>("cc-user set"),
    Report::of::<accounts::ChangeReport>("cc-user rename"),
    Report::of::<accounts::ChangeReport>("cc-user disable"),
    Report::of::<accounts::ChangeReport>("cc-user enable"),
    Report::of::<accounts::PasswordReport>("cc-user passwd"),
    Report::of::<accounts::UserReport>("cc-user role add"),
    Report::of::<accounts::UserReport>("cc-user role remove"),
    Report::of::<accounts::UserReport>("cc-user project add"),
    Report::of::<accounts::UserReport>("cc-user project remove"),
    Report::of::<accounts::ImportReport>("cc-user import"),
    Report::of::<ExportedUser<'static>>("cc-user export").stream(),
    Report::of::<accounts::RunReport>("cc-user log").stream(),
    Report::of::<accounts::UndoReport>("cc-user undo"),
    Report::of::<sync::SyncReport<'static>>("cc-user sync-ldap"),
    Report::of::<sync::CheckReport>("cc-user sync-ldap").form("check", "with --check"),
    Report::of::<sync::slurm::SlurmSyncReport<'static>>("cc-user sync-slurm"),
    Report::of::<sync::slurm::SlurmCheckReport>("cc-user sync-slurm").form("check", "with --check"),
    Report::of::<crate::doctor::DoctorReport>("cc-user doctor"),
    Report::of::<completion::CompletionReport>("cc-user completion"),
];

/// Manage the users of a ClusterCockpit server
#[derive(Debug, Parser)]
#[command(name = "cc-user", subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    database: DatabaseOptions,

    #[command(flatten)]
    output: OutputOptions,
}

/// The database and the timeout for its lock.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
struct DatabaseOptions {
    #[command(flatten)]
    settings: SettingsOptions,

    /// Timeout for another process that is writing, such as 30s or 1m
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", allow_hyphen_values = true)]
    wait: String,

    /// Use the running server at URL instead of a database: for add, set, del, list, show, role and project;
    /// doctor examines it in addition
    #[arg(long, global = true, value_name = "URL", value_hint = clap::ValueHint::Url)]
    server: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    #[command(visible_alias = "create")]
    Add(add::Add),
    #[command(visible_aliases = ["edit", "mod", "modify"])]
    Set(set::Set),
    #[command(visible_alias = "mv")]
    Rename(rename::Rename),
    #[command(visible_alias = "lock")]
    Disable(disable::Disable),
    #[command(visible_alias = "unlock")]
    Enable(disable::Enable),
    #[command(visible_aliases = ["delete", "remove", "rm"])]
    Del(del::Del),
    #[command(visible_alias = "ls")]
    List(list::List),
    #[command(visible_alias = "get")]
    Show(show::Show),
    Passwd(passwd::Passwd),
    Role(role::RoleArguments),
    Project(project::ProjectArguments),
    Import(import::Import),
    Export(export::Export),
    Log(log::Log),
    Undo(undo::Undo),
    SyncLdap(sync_ldap::SyncLdap),
    SyncSlurm(sync_slurm::SyncSlurm),
    Doctor(doctor::Doctor),
    Completion(CompletionArguments),
}

fn command() -> Command {
    Arguments::command()
}

/// Whether `add` has a username, or username, roles and password in one argument.
fn form(command: &str, matches: &ArgMatches) -> Option<&'static str> {
    if command != "cc-user add" {
        return None;
    }
    let mut names = matches.try_get_many::<String>("names").ok().flatten()?;
    Some(if names.any(|name| name.contains(':')) { "server-form" } else { "plain" })
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Arguments { verb, database, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    database.check_verb(&verb)?;
    match verb {
        Verb::Init(verb) => init::run(&verb, &database, console),
        Verb::Add(verb) => add::run(verb, &database, console),
        Verb::Set(verb) => set::run(verb, &database, console),
        Verb::Disable(verb) => disable::disable(verb, &database, console),
        Verb::Enable(verb) => disable::enable(verb, &database, console),
        Verb::Rename(verb) => rename::run(verb, &database, console),
        Verb::List(verb) => list::run(verb, &database, console),
        Verb::Show(verb) => show::run(&verb, &database, console),
        Verb::Del(verb) => del::run(verb, &database, console),
        Verb::Passwd(verb) => passwd::run(&verb, &database, console),
        Verb::Role(verb) => role::run(verb, &database, console),
        Verb::Project(verb) => project::run(verb, &database, console),
        Verb::Import(verb) => import::run(&verb, &database, console),
        Verb::Export(verb) => export::run(verb, &database, console),
        Verb::Log(verb) => log::run(verb, &database, console),
        Verb::Undo(verb) => undo::run(verb, &database, console),
        Verb::Doctor(verb) => doctor::run(&verb, &database, console),
        Verb::Completion(verb) => completion::run(TOOL.name, &verb, console),
        Verb::SyncLdap(verb) => sync_ldap::run(&verb, &database, console),
        Verb::SyncSlurm(verb) => sync_slurm::run(&verb, &database, console),
    }
}
