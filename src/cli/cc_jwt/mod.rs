//! `cc-jwt`: tokens.

mod pages;
mod renew;
mod renew_watch;
mod resources;

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::console::Console;
use super::failure::{Failure, UsageFault};
use super::options::OutputOptions;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-jwt", command, run, pages: pages::PAGES };

/// Issue, inspect, verify and renew tokens
#[derive(Debug, Parser)]
#[command(name = "cc-jwt", subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Renew(renew::Renew),
}

fn command() -> Command {
    Arguments::command()
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<Status, Failure> {
    let Arguments { verb, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageFault::new(error.to_string()))?;
    match verb {
        Verb::Renew(verb) => renew::run(&verb, console),
    }
}
