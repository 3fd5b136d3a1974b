//! The manual of a command as data. It is rendered into `--help` and the man pages, and the
//! examples are run as tests.

/// The manual of one command.
#[derive(Debug)]
pub struct ManualPage {
    /// The command as typed, without the program name: `""` for the program itself, `"role add"`.
    pub path: &'static str,
    /// The description as paragraphs.
    pub description: &'static [&'static str],
    /// Additional sections between the options and the JSON report: title and paragraphs.
    pub sections: &'static [(&'static str, &'static [&'static str])],
    /// The examples.
    pub examples: &'static [Example],
    /// The members of the JSON report: name and meaning.
    pub json: &'static [(&'static str, &'static str)],
    /// Files: name and meaning.
    pub files: &'static [(&'static str, &'static str)],
    /// Environment variables: name and meaning.
    pub environment: &'static [(&'static str, &'static str)],
    /// Related pages, such as `cc-jwt(1)`.
    pub see_also: &'static [&'static str],
}

impl ManualPage {
    /// An empty page, as the base of struct updates.
    pub const EMPTY: Self = Self {
        path: "",
        description: &[],
        sections: &[],
        examples: &[],
        json: &[],
        files: &[],
        environment: &[],
        see_also: &[],
    };
}

/// An example command line.
#[derive(Debug)]
pub struct Example {
    /// The command line as typed in a shell.
    pub command: &'static str,
    /// The purpose of the command.
    pub explains: &'static str,
    /// The way it is tested.
    pub test: ExampleTest,
}

/// The way an example is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleTest {
    /// Run by a shell in a directory with a fresh setup (keys, database, the user `fritz` with the
    /// roles user and api, the token in `token.txt`); it must exit with this status.
    Runs(u8),
    /// Only its arguments are parsed: it needs a server or a user.
    Parses,
}

/// Adds the examples of a page to the long help of the command at `path`.
pub(super) fn decorate(command: clap::Command, path: &[&str], page: &ManualPage) -> clap::Command {
    match path.split_first() {
        Some((name, rest)) if command.find_subcommand(name).is_some() => {
            command.mut_subcommand(name, |sub| decorate(sub, rest, page))
        }
        Some(_) => command,
        None if page.examples.is_empty() => command,
        None => command.after_long_help(examples_text(page.examples)),
    }
}

fn examples_text(examples: &[Example]) -> String {
    let mut text = String::from("Examples:");
    for example in examples {
        text.push_str("\n  ");
        text.push_str(example.explains);
        text.push_str(":\n      ");
        text.push_str(&example.command.replace('\n', "\n      "));
    }
    text
}
