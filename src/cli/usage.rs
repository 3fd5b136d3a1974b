//! Usage errors in the form of all other errors: one line and at most one hint, without possible
//! secrets.
//!
//! Arguments that the parser does not expect are never repeated, because they are often passwords;
//! option values are repeated only as far as [`PrintableText`] permits.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::failure::UsageError;
use super::suggest;
use crate::util::count::one_or;
use crate::util::printable::PrintableText;

/// The other forms of a verb, which the parser does not list: the verb, the arguments that the parser
/// reports as missing, and all forms.
const ALTERNATIVES: &[(&str, &str, &str)] = &[
    ("renew", "--spec and --output", "--spec with --output, --user with --into, or --renewal-file"),
    ("renew", "--output", "--output, --out-dir or --discoverable"),
    ("issue", "NAME", "NAME, --users-from, --with-role or --all"),
    ("role check", "FILE", "FILE or --role-config"),
];

/// Converts a parser error for the command line that caused it.
#[must_use]
pub fn describe(error: &Error, command: Command, arguments: &[OsString]) -> UsageError {
    let mut command = command;
    command.build();
    let (leaf, path) = leaf(&command, arguments);
    let context = Context(error);
    let help = format!("'{path} --help' lists the options");
    let message = match error.kind() {
        ErrorKind::UnknownArgument => return unknown(&context, leaf, &path, help),
        ErrorKind::InvalidSubcommand => return unknown_command(&context, leaf, &path),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let names = verbs(leaf);
            return if names.is_empty() {
                UsageError::new("no argument is given").hint(help)
            } else {
                UsageError::new(format!("missing command: expected {}", list(&names, "or")))
                    .hint(format!("'{path} --help' describes the commands"))
            };
        }
        ErrorKind::InvalidValue => return invalid_value(&context),
        ErrorKind::ValueValidation => {
            let message = format!("invalid value {} for {}", context.value(), context.name());
            // The reason of the parser says what is expected.
            match std::error::Error::source(error) {
                Some(why) => {
                    let why = why.to_string();
                    return UsageError::new(match why.starts_with("invalid ") {
                        true => format!("{}: {why}", context.name()),
                        false => format!("{message}: {why}"),
                    });
                }
                None => message,
            }
        }
        ErrorKind::ArgumentConflict => return conflict(&context),
        ErrorKind::MissingRequiredArgument => {
            let missing = context.strings(ContextKind::InvalidArg);
            let names: Vec<String> = missing.iter().map(|text| argument(text)).collect();
            let what = one_or(names.len(), "argument", "arguments");
            let listed = list(&names, "and");
            let expected = ALTERNATIVES
                .iter()
                .find(|(verb, missing, _)| path.ends_with(&format!(" {verb}")) && *missing == listed)
                .map_or(listed.as_str(), |(_, _, expected)| expected);
            let message = format!("missing {what}: {expected}");
            return UsageError::new(message).hint(format!("'{path} --help' describes the arguments"));
        }
        ErrorKind::NoEquals => {
            let name = context.name();
            format!("{name} needs '=' before its value: {name}=VALUE")
        }
        ErrorKind::TooManyValues => format!("too many values for {}", context.name()),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("the number of values for {} is wrong", context.name())
        }
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        other => format!("invalid arguments: {other}"),
    };
    UsageError::new(message).hint(help)
}

/// Returns the command that the arguments select, and its path.
pub(super) fn leaf<'c>(command: &'c Command, arguments: &[OsString]) -> (&'c Command, String) {
    let (mut leaf, mut path) = (command, command.get_name().to_owned());
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if word == "--" {
            break;
        }
        if let Some(sub) = leaf.find_subcommand(word).filter(|sub| sub.get_name() != "help") {
            path = format!("{path} {}", sub.get_name());
            leaf = sub;
        }
    }
    (leaf, path)
}

fn unknown(context: &Context<'_>, leaf: &Command, path: &str, help: String) -> UsageError {
    let typed = context.text(ContextKind::InvalidArg);
    if let Some(last) =
        leaf.get_positionals().find(|arg| arg.is_last_set()).filter(|_| !typed.starts_with('-'))
    {
        let name = suggest::value_name(last).unwrap_or_default();
        return UsageError::new(format!("missing -- before {name}")).hint(format!("{path} -- {name}"));
    }
    let Some(name) = option_name(typed) else {
        let what = if typed.starts_with('-') { "unknown option" } else { "unexpected argument" };
        return UsageError::new(format!("{what} (it is not shown: it may be a password)")).hint(help);
    };
    let bare = name.trim_start_matches('-');
    let error = UsageError::new(format!("unknown option '{name}'"));
    match suggest::option(bare, leaf) {
        Some(meant) if meant.starts_with('-') => error.hint(format!("did you mean '{meant}'?")),
        Some(meant) => error.hint(format!("{meant} is an argument without an option")),
        None => error.hint(help),
    }
}

/// Returns the name of an option without its value, if it may be printed.
fn option_name(typed: &str) -> Option<&str> {
    let name = typed.split('=').next().unwrap_or_default();
    let bare = name.strip_prefix("--").or_else(|| name.strip_prefix('-'))?;
    let plain = !bare.is_empty()
        && bare.len() <= 24
        && bare.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_' || bare.len() == 1);
    plain.then_some(name)
}

fn unknown_command(context: &Context<'_>, leaf: &Command, path: &str) -> UsageError {
    let typed = context.text(ContextKind::InvalidSubcommand);
    let names = verbs(leaf);
    let plain = typed.len() <= 20 && typed.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let error = if plain {
        UsageError::new(format!("unknown command '{typed}'"))
    } else {
        UsageError::new("unknown command (it is not shown: it may be a password)")
    };
    if let Some(answer) = suggest::answer(typed, path) {
        return error.hint(answer);
    }
    match suggest::command(typed, names.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean '{path} {meant}'?")),
        None => error.hint(format!("the commands are {}", list(&names, "and"))),
    }
}

fn invalid_value(context: &Context<'_>) -> UsageError {
    let name = context.name();
    let valid = context.strings(ContextKind::ValidValue);
    let typed = context.text(ContextKind::InvalidValue);
    let expected =
        if valid.is_empty() { String::new() } else { format!(": expected {}", list(&valid, "or")) };
    if typed.is_empty() {
        return UsageError::new(format!("missing value for {name}{expected}"));
    }
    let error = UsageError::new(format!("invalid value {} for {name}{expected}", context.value()));
    match suggest::near(typed, valid.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean '{meant}'?")),
        None => error,
    }
}

fn conflict(context: &Context<'_>) -> UsageError {
    let prior: Vec<String> =
        context.strings(ContextKind::PriorArg).iter().map(|text| argument(text)).collect();
    let command = context.text(ContextKind::InvalidSubcommand);
    let name = if command.is_empty() { context.name() } else { format!("the command '{command}'") };
    UsageError::new(match prior.as_slice() {
        [] => format!("{name} cannot be used with the other arguments"),
        [one] if *one == name => format!("{name} was given more than once"),
        several => format!("{name} cannot be used with {}", list(several, "and")),
    })
}

/// Returns the names of the subcommands.
fn verbs(command: &Command) -> Vec<String> {
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    subcommands.map(|sub| sub.get_name().to_owned()).filter(|name| name != "help").collect()
}

/// Extracts the name of an argument from the parser's form, `--ttl <DURATION>` or `<NAME>`.
fn argument(shown: &str) -> String {
    if shown.starts_with('-') {
        return shown.split([' ', '=', '[', '.']).next().unwrap_or_default().to_owned();
    }
    shown.trim_end_matches('.').trim_matches(['<', '>', '[', ']']).to_owned()
}

fn list(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// The context that the parser adds to the kind of an error.
struct Context<'e>(&'e Error);

impl Context<'_> {
    fn text(&self, kind: ContextKind) -> &str {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => text,
            _ => "",
        }
    }

    fn strings(&self, kind: ContextKind) -> Vec<String> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    /// Returns the argument that the error is about.
    fn name(&self) -> String {
        argument(self.text(ContextKind::InvalidArg))
    }

    /// Returns the invalid value as far as it may be printed.
    fn value(&self) -> PrintableText {
        PrintableText::value(self.text(ContextKind::InvalidValue))
    }
}
