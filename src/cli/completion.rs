//! Shell completion. `PROGRAM completion SHELL` prints the completion script of the shell, and the
//! script runs `PROGRAM --complete SHELL -- WORDS` at each TAB. The programs without commands print it
//! with `PROGRAM --complete SHELL`, as the others do.
//!
//! Candidates are printed only with this first argument, never by an environment variable.
//! Candidates come from user tables and directories that other accounts can write to:
//! [`crate::util::shell`] quotes each candidate where the shell does not, and a candidate with a
//! terminal control character is not offered.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use clap_complete::engine::{CompletionCandidate, complete};

use super::candidates;
use super::console::Console;
use super::failure::Failure;
use super::page::{Example, ExampleTest, ManualPage};
use super::tool::Tool;
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::is_hidden;
use crate::util::shell;

/// The first argument that requests completion.
const OPTION: &str = "--complete";

/// A shell with completion support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash 4.0 or later.
    Bash,
    /// zsh.
    Zsh,
    /// fish 3.0 or later.
    Fish,
    /// elvish.
    Elvish,
    /// PowerShell.
    #[value(name = "powershell")]
    PowerShell,
}

impl Shell {
    /// All shells.
    pub const ALL: [Self; 5] = [Self::Bash, Self::Zsh, Self::Fish, Self::Elvish, Self::PowerShell];

    /// The name of the shell in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Elvish => "elvish",
            Self::PowerShell => "powershell",
        }
    }

    /// Returns the completion script of a program.
    #[must_use]
    pub fn script(self, program: &str) -> String {
        let template = match self {
            Self::Bash => include_str!("completion/bash"),
            Self::Zsh => include_str!("completion/zsh"),
            Self::Fish => include_str!("completion/fish"),
            Self::Elvish => include_str!("completion/elvish"),
            Self::PowerShell => include_str!("completion/powershell"),
        };
        template.replace("PROGRAM", program).replace("FUNCTION", &program.replace('-', "_"))
    }
}

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub(super) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// The completion script of a shell.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CompletionReport {
    /// The shell: bash, zsh, fish, elvish or powershell.
    shell: &'static str,
    /// The script.
    script: String,
}

/// Prints the completion script of a program.
pub(super) fn run(
    program: &str,
    arguments: &CompletionArguments,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let script = arguments.shell.script(program);
    if console.is_json() {
        console.json(&CompletionReport { shell: arguments.shell.name(), script })?;
    } else {
        console.text(&script)?;
    }
    Ok(ExitStatus::Success)
}

/// The manual page of the command `completion`, with the examples of a program.
pub(super) const fn page(examples: &'static [Example; 4]) -> ManualPage {
    ManualPage {
        path: "completion",
        description: &[
            "Prints the completion script of a shell. The packages install the scripts of bash, zsh and fish; \
             this command is for an installation without a package, and for elvish and PowerShell.",
            "The script runs the program at each TAB, so that options are always those of the installed version. \
             Usernames are completed from the database of the current directory, and the roles to \
             remove are those that the user has.",
            "For zsh, the line in the example is after 'autoload -U compinit; compinit' in ~/.zshrc.",
        ],
        examples,
        ..ManualPage::EMPTY
    }
}

/// An example of the page.
pub(super) const fn example(command: &'static str, explains: &'static str) -> Example {
    Example { command, explains, test: ExampleTest::Runs(0) }
}

/// Returns the response to a completion request, or `None` for any other command line.
pub(super) fn answer(tool: &Tool, arguments: &[OsString]) -> Option<String> {
    let mut rest = arguments.iter().skip(1).map(OsString::as_os_str);
    if rest.next()? != OPTION {
        return None;
    }
    let shell = rest.next()?;
    let shell = Shell::ALL.into_iter().find(|known| shell == known.name())?;
    let rest: Vec<&OsStr> = rest.collect();
    if rest.is_empty() {
        return Some(shell.script(tool.name));
    }
    let (tail, words) = match rest.as_slice() {
        [dashes, words @ ..] if *dashes == "--" => (None, words),
        [tail, dashes, words @ ..] if *dashes == "--" => (tail.to_str(), words),
        _ => return None,
    };
    Some(candidates_for(tool, shell, tail, words))
}

/// Returns the candidates for the last word, one per line. bash passes the words as typed; `tail`
/// is the part of the last word that bash replaces.
fn candidates_for(tool: &Tool, shell: Shell, tail: Option<&str>, words: &[&OsStr]) -> String {
    let Some((last, before)) = words.split_last() else { return String::new() };
    let typed = last.to_str().unwrap_or_default();
    let mut arguments: Vec<OsString> = before.iter().map(|word| plain(shell, word)).collect();
    arguments.push(plain(shell, last));
    let index = arguments.len().saturating_sub(1);
    candidates::set_line(
        arguments.iter().take(index).map(|word| word.to_string_lossy().into_owned()).collect(),
    );
    let directory = std::env::current_dir().ok();
    let found =
        complete(&mut tool.listed_command(), arguments, index, directory.as_deref()).unwrap_or_default();
    let prefix = typed.strip_suffix(tail.unwrap_or(typed)).unwrap_or_default();
    let (prefix, _) = shell::unquoted(prefix);
    let (_, open) = shell::unquoted(typed);
    let mut lines = String::new();
    for candidate in found.iter().filter(|candidate| !candidate.is_hide_set()) {
        let Some(value) = candidate.get_value().to_str() else { continue };
        if value.is_empty() || value.chars().any(is_hidden) {
            continue;
        }
        let written = match shell {
            Shell::Bash => for_bash(value, &prefix, typed, open),
            Shell::PowerShell => shell::powershell_word(value),
            // These shells quote the candidates they insert.
            Shell::Zsh | Shell::Fish | Shell::Elvish => Some(value.to_owned()),
        };
        let Some(written) = written else { continue };
        // Writing to a String cannot fail.
        let _ = match (help(candidate), shell) {
            (Some(help), Shell::Zsh | Shell::Fish | Shell::PowerShell) => {
                writeln!(lines, "{written}\t{help}")
            }
            _ => writeln!(lines, "{written}"),
        };
    }
    lines
}

/// Removes the quotes of a word if the shell passes them.
fn plain(shell: Shell, word: &OsStr) -> OsString {
    match (shell, word.to_str()) {
        (Shell::Bash | Shell::PowerShell, Some(text)) => shell::unquoted(text).0.into(),
        _ => word.to_owned(),
    }
}

/// Returns the text that bash inserts: the candidate after the unreplaced prefix, as an unquoted
/// word. Inside quotation marks, only candidates that need no escapes are returned.
fn for_bash(value: &str, prefix: &str, typed: &str, open: Option<char>) -> Option<String> {
    let rest = value.strip_prefix(prefix)?;
    if open.is_some() {
        return (rest.is_empty() || shell::is_plain_word(rest)).then(|| rest.to_owned());
    }
    match rest.strip_prefix("~/") {
        Some(below) if typed.starts_with("~/") => Some(format!("~/{}", shell::escaped(below))),
        _ => Some(shell::escaped(rest)),
    }
}

/// Returns the first line of a candidate's help.
fn help(candidate: &CompletionCandidate) -> Option<String> {
    let text = candidate.get_help()?.to_string();
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.replace('\t', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_bash_hostile_name_is_one_escaped_word() {
        let name = "mallory;touch owned;:";
        let offered = |prefix, typed| for_bash(name, prefix, typed, shell::unquoted(typed).1);
        assert_eq!(offered("", "mal").as_deref(), Some(r"mallory\;touch\ owned\;:"));
        assert_eq!(offered("mallory;touch owned;:", r"mallory\;touch\ owned\;:").as_deref(), Some(""));
        assert_eq!(offered("", "\"mal"), None, "no escape holds inside double quotes");
        assert_eq!(offered("", "'mal"), None);
        assert_eq!(for_bash("anna", "", "'an", Some('\'')).as_deref(), Some("anna"));
        assert_eq!(for_bash("--key=a b", "--key=", "--key=a", None).as_deref(), Some(r"a\ b"));
        assert_eq!(for_bash("~/a b", "", "~/a", None).as_deref(), Some(r"~/a\ b"));
        assert_eq!(for_bash("~root", "", "~r", None).as_deref(), Some(r"\~root"));
    }

    #[test]
    fn answer_requires_the_option_as_first_argument() {
        let asked = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            answer(&super::super::cc_jwt::TOOL, &arguments)
        };
        assert_eq!(asked(&["cc-jwt", "verify", "--complete", "bash"]), None);
        assert_eq!(asked(&["cc-jwt", "--complete"]), None);
        assert_eq!(asked(&["cc-jwt", "--complete", "tcsh"]), None);
        assert_eq!(asked(&["cc-jwt", "--complete", "bash", "verify"]), None);
        assert!(asked(&["cc-jwt", "--complete", "bash"]).unwrap().contains("complete -o"));
        assert_eq!(
            asked(&["cc-jwt", "--complete", "bash", "ver", "--", "cc-jwt", "ver"]).unwrap(),
            "verify\n"
        );
    }
}
