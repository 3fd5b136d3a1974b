//! The author of changes: the account and the command of this process.

use crate::history::Author;
use crate::util::account::account_name;
use crate::util::redact::redact_argument;
use crate::util::shell::word;
use crate::util::time::Clock;

/// The maximum size of a command in the journal, in bytes.
const COMMAND_LIMIT: usize = 1000;

/// Returns the author of the changes of this process.
pub(super) fn author(program: &str) -> Author {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| word(&redact_argument(&argument.to_string_lossy())))
        .collect();
    Author {
        clock: Clock::System,
        account: account(),
        program: program.to_owned(),
        command: limited(arguments.join(" ")),
    }
}

/// The effective account, and in parentheses the one that sudo(8) was run by.
fn account() -> String {
    let user_id = rustix::process::geteuid().as_raw();
    let name = account_name(user_id).unwrap_or_else(|| user_id.to_string());
    match std::env::var("SUDO_USER") {
        Ok(user) if !user.is_empty() && user != name => format!("{name} ({user})"),
        _ => name,
    }
}

/// The beginning of a long command.
fn limited(mut command: String) -> String {
    if command.len() > COMMAND_LIMIT {
        let end = (0..=COMMAND_LIMIT).rev().find(|end| command.is_char_boundary(*end)).unwrap_or(0);
        command.truncate(end);
        command.push('…');
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_command_is_shortened_at_a_character() {
        assert_eq!(limited("add anna".to_owned()), "add anna");
        let long = limited("ä".repeat(600));
        assert_eq!(long, format!("{}…", "ä".repeat(500)));
    }
}
