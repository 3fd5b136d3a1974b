//! `cc-login`: who is it, and for how long.

mod begin;
mod browser;
mod no_session;
mod oidc;
mod page;
mod parameters;
mod provider;
mod refresh;
mod remote;
mod report;
mod session;
mod start;

use clap::{ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::console::Console;
use super::failure::{Failure, UsageError};
use super::options::{AtOption, OutputOptions, SettingsOptions};
#[cfg(test)]
use super::schema::Report;
use super::tool::Tool;
use crate::util::diagnostic::ExitStatus;

/// The program.
pub static TOOL: Tool =
    Tool { name: "cc-login", command, run, form, single_dash: &["method", "path"], pages: page::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[];

/// Find out who somebody is, and keep the result as a session
#[derive(Debug, Parser)]
#[command(name = "cc-login", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    begin: begin::LoginOptions,

    #[command(flatten)]
    settings: SettingsOptions,

    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Status(StatusArgs),
    Token(Token),
    Refresh(Refresh),
    Logout(Logout),
}

/// Tell who is logged in, how and until when; exit 1 when nobody is
#[derive(Debug, Args)]
#[command(name = "status")]
struct StatusArgs {
    #[command(flatten)]
    at: AtOption,
}

/// Print the session's token; exit 1 when there is none that is good
#[derive(Debug, Args)]
struct Token {
    #[command(flatten)]
    at: AtOption,
}

/// Renew the session with the refresh token that the provider gave
#[derive(Debug, Args)]
struct Refresh {}

/// End the session
#[derive(Debug, Args)]
struct Logout {
    /// End it at the provider as well, where it has a way for that
    #[arg(long)]
    everywhere: bool,
}

fn command() -> Command {
    Arguments::command()
}

/// The method of a login.
fn form(command: &str, matches: &ArgMatches) -> Option<&'static str> {
    (command == "cc-login")
        .then(|| begin::LoginOptions::from_arg_matches(matches).ok()?.method_name())
        .flatten()
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Arguments { verb, begin, settings, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    match verb {
        None => begin::run(&begin, &settings, console),
        Some(Verb::Status(verb)) => session::status(&verb.at, console),
        Some(Verb::Token(verb)) => session::token(&verb.at, &settings, console),
        Some(Verb::Refresh(Refresh {})) => refresh::run(&settings, console),
        Some(Verb::Logout(Logout { everywhere })) => session::logout(everywhere, &settings, console),
    }
}
