//! `convert-pem-pubkey`.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::tool::Tool;
use crate::base::fault::Status;

/// The program.
pub static TOOL: Tool = Tool { name: "convert-pem-pubkey", command, run, pages: &[] };

fn command() -> Command {
    Command::new("convert-pem-pubkey")
        .about("Convert a public key to and from the form a ClusterCockpit server reads")
}

fn run(_: &ArgMatches, _: &mut Console) -> Result<Status, Failure> {
    Ok(Status::Done)
}
