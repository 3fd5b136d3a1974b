//! `cc-login`: logins and sessions.

mod browser;
mod login;
mod page;
mod parameters;
mod provider;
mod remote;
mod report;
mod session;
mod ui;

use clap::{ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::console::Console;
use super::failure::{Failure, UsageError};
use super::options::{AtOption, OutputOptions, SettingsOptions};
#[cfg(test)]
use super::schema::Report;
use super::token_format::TokenFormatOptions;
use super::tool::Tool;
use crate::util::diagnostic::ExitStatus;

/// The program.
pub static TOOL: Tool =
    Tool { name: "cc-login", command, run, form, single_dash: &["method", "path"], pages: page::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[
    Report::of::<report::SessionReport<'static>>("cc-login"),
    Report::of::<report::SessionReport<'static>>("cc-login status"),
    Report::of::<report::NoSessionReport>("cc-login status").form("no-session", "without a valid session"),
    Report::of::<report::TokenReport<'static>>("cc-login token"),
    Report::of::<report::SessionReport<'static>>("cc-login refresh"),
    Report::of::<report::LogoutReport>("cc-login logout"),
];

/// Log in and save a session for scripts
#[derive(Debug, Parser)]
#[command(name = "cc-login", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    login: login::LoginOptions,

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

/// Print the user, method and expiry of the session; exit with 1 if there is none
#[derive(Debug, Args)]
#[command(name = "status")]
struct StatusArgs {
    #[command(flatten)]
    at: AtOption,
}

/// Print the token of the session; exit with 1 if there is no valid one
#[derive(Debug, Args)]
struct Token {
    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    form: TokenFormatOptions,
}

/// Renew the session with the refresh token of the provider
#[derive(Debug, Args)]
struct Refresh {}

/// End the session
#[derive(Debug, Args)]
struct Logout {
    /// End the login at the provider as well, if the provider supports it
    #[arg(long)]
    everywhere: bool,
}

fn command() -> Command {
    Arguments::command()
}

/// Returns the method of a login.
fn form(command: &str, matches: &ArgMatches) -> Option<&'static str> {
    (command == "cc-login")
        .then(|| login::LoginOptions::from_arg_matches(matches).ok()?.method_name())
        .flatten()
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Arguments { verb, login, settings, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    match verb {
        None => login::run(&login, &settings, console),
        Some(Verb::Status(verb)) => session::status(&verb.at, console),
        Some(Verb::Token(verb)) => session::token(&verb.at, &verb.form, &settings, console),
        Some(Verb::Refresh(Refresh {})) => session::refresh(&settings, console),
        Some(Verb::Logout(Logout { everywhere })) => session::logout(everywhere, &settings, console),
    }
}
