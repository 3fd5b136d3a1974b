//! `cc-login`.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-login", command, run, pages: &[] };

fn command() -> Command {
    Command::new("cc-login").about("Find out who somebody is, and keep the result as a session")
}

fn run(_: &ArgMatches, _: &mut Console) -> Result<Status, Failure> {
    Ok(Status::Done)
}
