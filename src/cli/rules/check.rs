//! Checks a command line against the table of rules.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::RuleCondition::{self, All, Always, Any, Form, Never, With, Without, WithoutTyped};
use super::rules;
use crate::cli::failure::UsageError;

/// Checks that every option on the command line has an effect.
///
/// # Errors
/// [`UsageError`] with the first option that would be ignored and its requirement.
pub(in crate::cli) fn check(
    name: &str,
    program: RuledProgram,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    let mut leaf = matches;
    let mut path = name.to_owned();
    while let Some((name, sub)) = leaf.subcommand() {
        path = format!("{path} {name}");
        leaf = sub;
    }
    let line = Line { program, path: &path, matches: leaf };
    for rule in rules(&path) {
        let given = rule.options.iter().find(|option| line.is_on_command_line(option));
        if let Some(option) = given.filter(|_| !line.holds(&rule.when)) {
            let error = UsageError::new(line.reason(option, &rule.when));
            return Err(match rule.hint {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
    }
    Ok(())
}

/// The parts of a program that the rules need.
#[derive(Clone, Copy)]
pub(in crate::cli) struct RuledProgram {
    /// The arguments of the program.
    pub(in crate::cli) command: fn() -> Command,
    /// Returns the form in which a command is used.
    pub(in crate::cli) form: fn(&str, &ArgMatches) -> Option<&'static str>,
}

/// A parsed command line.
struct Line<'a> {
    program: RuledProgram,
    path: &'a str,
    matches: &'a ArgMatches,
}

impl Line<'_> {
    /// Whether an option is typed. Environment variables apply to all commands and do not count.
    fn is_on_command_line(&self, option: &str) -> bool {
        self.source(option) == Some(ValueSource::CommandLine)
    }

    fn source(&self, option: &str) -> Option<ValueSource> {
        // An identifier that the command does not have is an error of the table, which a test
        // detects.
        self.matches.try_contains_id(option).ok().filter(|found| *found)?;
        self.matches.value_source(option)
    }

    /// Whether an option is set, typed or not. An output to `-` (standard output) does not count.
    fn is_given(&self, option: &str) -> bool {
        let is_stdout = || {
            option == "output"
                && self
                    .matches
                    .try_get_raw(option)
                    .ok()
                    .flatten()
                    .is_some_and(|mut raw| raw.all(|value| value == "-"))
        };
        self.source(option).is_some_and(|source| source != ValueSource::DefaultValue) && !is_stdout()
    }

    fn holds(&self, when: &RuleCondition) -> bool {
        match when {
            Always => true,
            Never => false,
            With(options) => options.iter().any(|option| self.is_given(option)),
            Without(options) => !options.iter().any(|option| self.is_given(option)),
            WithoutTyped(options) => !options.iter().any(|option| self.is_on_command_line(option)),
            Form(forms, _) => {
                (self.program.form)(self.path, self.matches).is_none_or(|form| forms.contains(&form))
            }
            All(conditions) => conditions.iter().all(|when| self.holds(when)),
            Any(conditions, _) => conditions.iter().any(|when| self.holds(when)),
        }
    }

    /// Describes why an option has no effect.
    fn reason(&self, option: &str, when: &RuleCondition) -> String {
        let command = (self.program.command)();
        let name = |option: &str| shown(&command, self.path, option);
        let given =
            |options: &[&str]| options.iter().find(|option| self.is_given(option)).map(|option| name(option));
        match when {
            Always | Never => format!("{} has no effect in '{}'", name(option), self.path),
            With(options) => {
                let names: Vec<String> = options.iter().map(|option| name(option)).collect();
                format!("{} requires {}", name(option), names.join(" or "))
            }
            Without(options) => {
                format!("{} has no effect beside {}", name(option), given(options).unwrap_or_default())
            }
            WithoutTyped(options) => {
                let typed = options.iter().find(|option| self.is_on_command_line(option));
                let typed = typed.map(|option| name(option)).unwrap_or_default();
                format!("{} cannot be used with {typed}", name(option))
            }
            Form(_, phrase) | Any(_, phrase) => format!("{} requires {phrase}", name(option)),
            All(conditions) => match conditions.iter().find(|when| !self.holds(when)) {
                Some(failed) => self.reason(option, failed),
                None => String::new(),
            },
        }
    }
}

/// Formats an option as typed, or the name of an argument.
fn shown(command: &Command, path: &str, option: &str) -> String {
    let mut leaf = Some(command);
    for name in path.split(' ').skip(1) {
        leaf = leaf.and_then(|command| command.find_subcommand(name));
    }
    let found = [leaf, Some(command)]
        .into_iter()
        .flatten()
        .find_map(|command| command.get_arguments().find(|arg| arg.get_id() == option));
    match found {
        Some(arg) => match (arg.get_long(), arg.get_value_names()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some([name, ..])) => name.to_string(),
            (None, _) => option.to_owned(),
        },
        None => option.to_owned(),
    }
}
