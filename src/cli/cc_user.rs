//! `cc-user`.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-user", command, run, pages: &[] };

fn command() -> Command {
    Command::new("cc-user").about("Manage the users of a ClusterCockpit server")
}

fn run(_: &ArgMatches, _: &mut Console) -> Result<Status, Failure> {
    Ok(Status::Done)
}
