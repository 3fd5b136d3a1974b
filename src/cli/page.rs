//! The manual beside the arguments, as data: rendered into `--help` and the man pages,
//! and the examples are run as tests.

/// The manual of one command.
#[derive(Debug)]
pub struct ManualPage {
    /// The command as typed, without the program: `""` for the program itself, `"role add"`.
    pub path: &'static str,
    /// The description; paragraphs.
    pub description: &'static [&'static str],
    /// Sections of its own between the options and the JSON report: title and paragraphs.
    pub sections: &'static [(&'static str, &'static [&'static str])],
    /// Commands to try.
    pub examples: &'static [Example],
    /// The members of the JSON report: name and meaning.
    pub json: &'static [(&'static str, &'static str)],
    /// Files: name and meaning.
    pub files: &'static [(&'static str, &'static str)],
    /// Environment variables: name and meaning.
    pub environment: &'static [(&'static str, &'static str)],
    /// Further pages, such as `cc-jwt(1)`.
    pub see_also: &'static [&'static str],
}

impl ManualPage {
    /// A page with nothing on it, to fill in what there is.
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

/// A command line to try.
#[derive(Debug)]
pub struct Example {
    /// The line, as typed in a shell.
    pub command: &'static str,
    /// What it is for.
    pub explains: &'static str,
    /// How it is tested.
    pub test: ExampleTest,
}

/// How an example is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleTest {
    /// Run by a shell in a directory with a fresh set-up (keys, database, the user `fritz` with
    /// roles user and api, the token in `token.txt`); it must end with this status.
    Runs(u8),
    /// Only its arguments are parsed: it needs a server or a user.
    Parses,
}

/// The command with the page's examples in the long help of the one that `path` leads to.
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
