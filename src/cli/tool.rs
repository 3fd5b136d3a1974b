//! The definition of a program: arguments, the function that runs it, manual.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};

use super::console::Console;
use super::failure::{Failure, UsageError};
use super::page::{ManualPage, decorate};
use super::rules;
use super::usage;
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
        let mut arguments = self.with_two_dashes(arguments);
        // A definition costs more than all other steps of a short command, so it is created once.
        let mut definition = None;
        if arguments.get(1).is_some_and(|first| first.as_encoded_bytes().starts_with(b"-")) {
            let command = (self.command)();
            arguments = command_before_global_options(&command, arguments);
            definition = Some(command);
        }
        let asks_for_help = arguments.iter().any(|word| word == "-h" || word == "--help" || word == "help");
        let mut parse = |arguments: &[OsString]| {
            let command = definition.take().unwrap_or_else(self.command).version(VERSION);
            // Only help shows a difference, and only the commands in the arguments are printed.
            let is_printed = |name: &str| arguments.iter().any(|word| word == name);
            let command = if asks_for_help {
                let command = self.decorated(command, &is_printed);
                without_rejected_options(command, self.name, &[], &is_printed)
            } else {
                command
            };
            command.try_get_matches_from(arguments)
        };
        let mut parsed = parse(&arguments);
        if parsed.as_ref().is_err_and(|error| error.kind() == ErrorKind::UnknownArgument)
            && let Some(joined) = with_negative_values((self.command)(), &arguments)
        {
            arguments = joined;
            parsed = parse(&arguments);
        }
        let mut matches = parsed.map_err(ParseError::Clap)?;
        if let Some(reordered) = self.command_first(&matches, &arguments) {
            matches = parse(&reordered).map_err(ParseError::Clap)?;
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

    /// Adds the second dash to long options that are also accepted with one dash. Arguments after
    /// `--` are not options of this program.
    fn with_two_dashes(&self, arguments: &[OsString]) -> Vec<OsString> {
        let own = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        let mut all = arguments.to_vec();
        for argument in all.iter_mut().take(own) {
            let name = argument.to_str().and_then(|text| text.strip_prefix('-'));
            if let Some(text) = name
                && self.single_dash.contains(&text.split('=').next().unwrap_or_default())
            {
                *argument = format!("--{text}").into();
            }
        }
        all
    }

    /// Returns the command as the manual pages and the completion list it: a subcommand does not list the options of
    /// the program that it rejects.
    #[must_use]
    pub fn listed_command(&self) -> Command {
        without_rejected_options((self.command)(), self.name, &[], &|_| true)
    }

    /// Returns the command with its version, and with the examples of the manual pages in the long
    /// help.
    #[must_use]
    pub fn decorated_command(&self) -> Command {
        self.decorated((self.command)().version(VERSION), &|_| true)
    }

    /// Adds the examples of the manual pages to the long help of the commands that are printed, by their names.
    fn decorated(&self, command: Command, is_printed: &dyn Fn(&str) -> bool) -> Command {
        self.pages.iter().fold(command, |command, page| {
            let path: Vec<&str> = page.path.split_whitespace().collect();
            if path.first().is_some_and(|name| {
                command.find_subcommand(name).is_some_and(|sub| !has_name(sub, is_printed))
            }) {
                return command;
            }
            decorate(command, &path, page)
        })
    }
}

/// Moves the command before the global options that precede it, as in `cc-login -q run -- COMMAND`.
/// Without this, a program that is also used without a command takes the command for an argument.
fn command_before_global_options(command: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1;
    while let Some(text) = arguments.get(at).and_then(|argument| argument.to_str()) {
        let (name, has_value) = match text.split_once('=') {
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        let is_named = |arg: &&Arg| match name.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => name.strip_prefix('-').and_then(|short| short.chars().next()) == arg.get_short(),
        };
        let option = command.get_arguments().filter(|arg| arg.is_global_set()).find(is_named);
        let Some(option) = option.filter(|_| text.starts_with('-')) else { break };
        // `-c FILE` has its value in the next argument, `-cFILE` and `-vv` do not.
        let is_joined = !text.starts_with("--") && text.len() > 2;
        let takes_next = option.get_action().takes_values() && !has_value && !is_joined;
        at += if takes_next { 2 } else { 1 };
    }
    if at > 1 && arguments.get(at).is_some_and(|word| command.find_subcommand(word).is_some()) {
        let verb = arguments.remove(at);
        arguments.insert(1, verb);
    }
    arguments
}

/// Whether a command is printed, by its name or another one.
fn has_name(command: &Command, is_printed: &dyn Fn(&str) -> bool) -> bool {
    is_printed(command.get_name()) || command.get_all_aliases().any(is_printed)
}

/// Hides the global options that a subcommand rejects, in the commands that are printed.
fn without_rejected_options(
    mut command: Command,
    path: &str,
    inherited: &[Arg],
    is_printed: &dyn Fn(&str) -> bool,
) -> Command {
    let mut globals: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let is_own = |other: &Arg| globals.iter().any(|own| own.get_id() == other.get_id());
    let others: Vec<Arg> = inherited.iter().filter(|other| !is_own(other)).cloned().collect();
    globals.extend(others);
    let printed = command.get_subcommands().filter(|sub| has_name(sub, is_printed));
    let names: Vec<String> = printed.map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(&name, |mut sub| {
            let is_leaf = !sub.has_subcommands();
            for arg in
                globals.iter().filter(|arg| is_leaf && rules::is_rejected(&path, arg.get_id().as_str()))
            {
                sub = sub.arg(arg.clone().hide(true));
            }
            without_rejected_options(sub, &path, &globals, is_printed)
        });
    }
    command
}

/// Joins an option and a negative value in the next argument, as in `--expiring -1d`, so that the value is rejected
/// and not taken for an option. Returns `None` if there is no such value. No program has an option that begins with a
/// digit.
fn with_negative_values(mut command: Command, arguments: &[OsString]) -> Option<Vec<OsString>> {
    command.build();
    let (leaf, _) = usage::leaf(&command, arguments);
    let takes_value = |argument: &OsString| {
        let name = argument.to_str()?;
        let is_named = |arg: &&Arg| match name.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => name.len() == 2 && name.starts_with('-') && arg.get_short() == name.chars().nth(1),
        };
        leaf.get_arguments().find(is_named).map(|option| option.get_action().takes_values())
    };
    let is_negative = |argument: &OsString| matches!(argument.as_encoded_bytes(), [b'-', b'0'..=b'9', ..]);
    let own = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let mut joined: Vec<OsString> = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        match joined.last_mut() {
            Some(option) if index < own && is_negative(argument) && takes_value(option) == Some(true) => {
                option.push("=");
                option.push(argument);
            }
            _ => joined.push(argument.clone()),
        }
    }
    (joined.len() < arguments.len()).then_some(joined)
}

/// The version and commit; the commit is omitted if the build had no repository.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CC_AUTH_COMMIT"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::cc_login;

    fn reordered(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let arguments = command_before_global_options(&(cc_login::TOOL.command)(), arguments);
        arguments.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn command_after_global_options_is_moved_before_them() {
        for (typed, expected) in [
            ("cc-login -q token --header", "cc-login token -q --header"),
            ("cc-login -vv --json --config x token", "cc-login token -vv --json --config x"),
            ("cc-login --config=token status", "cc-login status --config=token"),
            ("cc-login -c token status", "cc-login status -c token"),
            ("cc-login -ctoken status", "cc-login status -ctoken"),
        ] {
            assert_eq!(reordered(typed), expected);
        }
        for unchanged in [
            "cc-login",
            "cc-login -q",
            "cc-login token -q",
            "cc-login -q fritz token",
            "cc-login --method token",
            "cc-login -c token",
            "cc-login --path token --json",
            "cc-login -- token",
        ] {
            assert_eq!(reordered(unchanged), unchanged);
        }
    }

    #[test]
    fn argument_after_two_dashes_is_not_an_option_of_the_program() {
        let typed = ["cc-login", "-method=ldap", "--", "-method", "-path"].map(OsString::from);
        let expected = ["cc-login", "--method=ldap", "--", "-method", "-path"].map(OsString::from);
        assert_eq!(cc_login::TOOL.with_two_dashes(&typed), expected);
    }
}
