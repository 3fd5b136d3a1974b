//! `cc-login`: logins and sessions.

mod browser;
mod child;
use super::candidates as complete;
mod job;
mod login;
mod page;
mod parameters;
mod provider;
mod remote;
mod report;
mod run;
mod selection;
mod session;
mod stronghold;
mod token;
mod token_helper;
mod ui;

use clap::{ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::completion::{self, CompletionArguments};
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
pub(super) static REPORTS: &[Report] = &[
    Report::of::<report::SessionReport<'static>>("cc-login"),
    Report::of::<report::WrappedReport<'static>>("cc-login").form("wrapped", "with --wrap-ttl"),
    Report::of::<report::SessionReport<'static>>("cc-login status"),
    Report::of::<report::NoSessionReport>("cc-login status").form("no-session", "without a valid session"),
    Report::of::<report::WhoamiReport<'static>>("cc-login whoami"),
    Report::of::<report::NoSessionReport>("cc-login whoami").form("no-session", "without a valid session"),
    Report::of::<report::SessionsReport<'static>>("cc-login sessions"),
    Report::of::<report::TokenReport<'static>>("cc-login token"),
    Report::of::<report::SessionReport<'static>>("cc-login refresh"),
    Report::of::<report::LogoutReport>("cc-login logout"),
    Report::of::<report::LogoutAllReport<'static>>("cc-login logout").form("all", "with --all"),
    Report::of::<completion::CompletionReport>("cc-login completion"),
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
    session: selection::SessionOptions,

    #[command(flatten)]
    settings: SettingsOptions,

    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Status(StatusArgs),
    Whoami(Whoami),
    #[command(aliases = ["ls", "list"])]
    Sessions(Sessions),
    Token(token::Token),
    TokenHelper(token_helper::TokenHelper),
    Run(run::Run),
    Refresh(Refresh),
    Logout(Logout),
    Completion(CompletionArguments),
}

/// Print the user, method and expiry of the session; exit with 1 if there is none
#[derive(Debug, Args)]
#[command(name = "status")]
struct StatusArgs {
    #[command(flatten)]
    at: AtOption,
}

/// Print the username of the session; exit with 1 if there is no valid one
#[derive(Debug, Args)]
struct Whoami {}

/// List the sessions; * marks the one that is used here
#[derive(Debug, Args)]
struct Sessions {}

/// Renew the session with the refresh token of the provider, or its token at Stronghold
#[derive(Debug, Args)]
struct Refresh {}

/// End the session, or all sessions
#[derive(Debug, Args)]
struct Logout {
    /// End all sessions of this account, not only the selected one
    #[arg(long)]
    all: bool,

    /// End the login at the provider as well, if the provider supports it
    #[arg(long)]
    everywhere: bool,
}

fn command() -> Command {
    Arguments::command()
}

/// Returns the method of a login.
fn form(command: &str, matches: &ArgMatches) -> Option<&'static str> {
    match command.strip_prefix(TOOL.name)? {
        "" => login::LoginOptions::from_arg_matches(matches).ok()?.method_name(),
        " run" => job::JobLoginOptions::from_arg_matches(matches).ok()?.method_name(),
        _ => None,
    }
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Arguments { verb, login, session, settings, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    if let Some(Verb::Logout(Logout { all: true, everywhere })) = verb {
        return session::logout_all(everywhere, &settings, console);
    }
    if let Some(Verb::Completion(verb)) = verb {
        return completion::run(TOOL.name, &verb, console);
    }
    let selection = session.selection(&settings, console)?;
    match verb {
        None | Some(Verb::Completion(_)) => login::run(&login, &selection, &settings, console),
        Some(Verb::Status(verb)) => session::status(&verb.at, &selection, console),
        Some(Verb::Token(verb)) => token::run(&verb, &selection, &settings, console),
        Some(Verb::TokenHelper(verb)) => token_helper::run(&verb, &selection, &settings, console),
        Some(Verb::Run(verb)) => run::run(&verb, &selection, &settings, console),
        Some(Verb::Refresh(Refresh {})) => session::refresh(&selection, &settings, console),
        Some(Verb::Logout(verb)) => session::logout(verb.everywhere, &selection, &settings, console),
        Some(Verb::Whoami(Whoami {})) => session::whoami(&selection, console),
        Some(Verb::Sessions(Sessions {})) => session::sessions(&selection, console),
    }
}
