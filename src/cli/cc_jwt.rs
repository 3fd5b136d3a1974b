//! `cc-jwt`.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-jwt", command, run, pages: &[] };

fn command() -> Command {
    Command::new("cc-jwt").about("Issue, inspect and verify tokens")
}

fn run(_: &ArgMatches, _: &mut Console) -> Result<Status, Failure> {
    Ok(Status::Done)
}
