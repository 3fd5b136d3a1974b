//! `gen-keypair`.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "gen-keypair", command, run, pages: &[] };

fn command() -> Command {
    Command::new("gen-keypair").about("Make the keys a ClusterCockpit server signs and checks tokens with")
}

fn run(_: &ArgMatches, _: &mut Console) -> Result<Status, Failure> {
    Ok(Status::Done)
}
