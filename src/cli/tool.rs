//! What a program is: its arguments, what it does with them, its manual.

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::Failure;
use super::page::{Page, decorate};
use crate::base::fault::Status;

/// One of the programs.
#[derive(Debug)]
pub struct Tool {
    /// Its name, as typed.
    pub name: &'static str,
    /// Its arguments.
    pub command: fn() -> Command,
    /// What it does with them.
    pub run: fn(&ArgMatches, &mut Console) -> Result<Status, Failure>,
    /// What its manual says beyond the arguments, a page a subcommand.
    pub pages: &'static [Page],
}

impl Tool {
    /// The program's command as people meet it: with its version, and with the examples of its
    /// pages in the long help.
    #[must_use]
    pub fn decorated_command(&self) -> Command {
        let command = (self.command)().version(VERSION);
        self.pages.iter().fold(command, |command, page| {
            let path: Vec<&str> = page.path.split_whitespace().collect();
            decorate(command, &path, page)
        })
    }
}

/// Version and commit; the commit is left out where the build had no repository.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CC_AUTH_COMMIT"));
