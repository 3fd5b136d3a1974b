//! The definition of a program: arguments, the function that runs it, manual.

use std::ffi::OsString;

use clap::{ArgMatches, Command};

use super::console::Console;
use super::failure::{Failure, UsageError};
use super::page::{ManualPage, decorate};
use super::rules;
use crate::util::diagnostic::ExitStatus;

/// The reason a command line is not run.
#[derive(Debug)]
pub enum ParseError {
    /// The parser rejects it, or the user requests help or the version.
    Clap(clap::Error),
    /// An option has no effect.
    Usage(UsageError),
}

/// One of the five programs.
#[derive(Debug)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    /// Returns the arguments of the program.
    pub command: fn() -> Command,
    /// Runs the program.
    pub run: fn(&ArgMatches, &mut Console) -> Result<ExitStatus, Failure>,
    /// Returns the form in which a command is used, such as the output format, if options depend on
    /// it ([`super::rules`]); `None` if it is not known before the command runs.
    pub form: fn(&str, &ArgMatches) -> Option<&'static str>,
    /// Long options that are also accepted with one dash, as in other login tools.
    pub single_dash: &'static [&'static str],
    /// The manual pages, one per subcommand.
    pub pages: &'static [ManualPage],
}

impl Tool {
    /// Parses a command line and checks that every option in it has an effect.
    ///
    /// # Errors
    /// [`ParseError`] of the parser or of the table of rules.
    pub fn parse(&self, arguments: &[OsString]) -> Result<ArgMatches, ParseError> {
        let arguments: Vec<OsString> = arguments.iter().map(|text| self.with_two_dashes(text)).collect();
        let mut matches =
            self.decorated_command().try_get_matches_from(&arguments).map_err(ParseError::Clap)?;
        if let Some(reordered) = self.command_first(&matches, &arguments) {
            matches = self.decorated_command().try_get_matches_from(reordered).map_err(ParseError::Clap)?;
        }
        let program = rules::RuledProgram { command: self.command, form: self.form };
        rules::check(self.name, program, &matches).map_err(ParseError::Usage)?;
        Ok(matches)
    }

    /// Moves the command before the options, if the parser took it for an argument because options
    /// precede it, as in `cc-login -q status`.
    fn command_first(&self, matches: &ArgMatches, arguments: &[OsString]) -> Option<Vec<OsString>> {
        if matches.subcommand().is_some() {
            return None;
        }
        let mut words = matches.try_get_many::<String>("words").ok().flatten()?;
        let (word, None) = (words.next()?, words.next()) else { return None };
        (self.command)().find_subcommand(word)?;
        let at = arguments.iter().rposition(|argument| argument == word.as_str()).filter(|at| *at > 1)?;
        let mut reordered = arguments.to_vec();
        let command = reordered.remove(at);
        reordered.insert(1, command);
        Some(reordered)
    }

    fn with_two_dashes(&self, argument: &OsString) -> OsString {
        let name = argument.to_str().and_then(|text| text.strip_prefix('-'));
        match name.map(|text| (text, text.split('=').next().unwrap_or_default())) {
            Some((text, name)) if self.single_dash.contains(&name) => format!("--{text}").into(),
            _ => argument.clone(),
        }
    }

    /// Returns the command with its version, and with the examples of the manual pages in the long
    /// help.
    #[must_use]
    pub fn decorated_command(&self) -> Command {
        let command = (self.command)().version(VERSION);
        self.pages.iter().fold(command, |command, page| {
            let path: Vec<&str> = page.path.split_whitespace().collect();
            decorate(command, &path, page)
        })
    }
}

/// The version and commit; the commit is omitted if the build had no repository.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CC_AUTH_COMMIT"));
