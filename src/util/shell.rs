//! Text as words of a shell: the only place that writes them.
//!
//! [`word`] is for commands that a reader pastes, [`escaped`] and [`powershell_word`] for what a
//! shell's completion inserts while a command is typed, [`unquoted`] reads what was typed so far.

use super::quote::is_hidden;

/// Characters that no shell gives a meaning, wherever they are in a word.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-./:@%+=,".contains(character)
}

/// Whether a text is one word of a shell as it is, quoted or not.
#[must_use]
pub fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_plain)
}

/// A text as one word of a shell command, for hints that can be pasted. What a terminal would obey
/// is written as its number, which bash, zsh and ksh read.
///
/// ```
/// use cc_auth::util::shell::word;
/// assert_eq!(word("anna"), "anna");
/// assert_eq!(word("a;b"), "'a;b'");
/// ```
#[must_use]
pub fn word(text: &str) -> String {
    if is_plain_word(text) {
        return text.to_owned();
    }
    if !text.chars().any(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = "$'".to_owned();
    for character in text.chars() {
        match character {
            '\'' | '\\' => word.extend(['\\', character]),
            hidden if is_hidden(hidden) => word.push_str(&format!("\\U{:08X}", u32::from(hidden))),
            other => word.push(other),
        }
    }
    word.push('\'');
    word
}

/// A text as an unquoted part of a word of bash or another POSIX shell: every ASCII character that
/// may have a meaning has a backslash before it, so that a beginning of the text stays a beginning.
///
/// The text must not hold a line end: a backslash removes it.
///
/// ```
/// use cc_auth::util::shell::escaped;
/// assert_eq!(escaped("a;touch b"), r"a\;touch\ b");
/// ```
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_ascii() && !is_plain(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A text as one word of PowerShell; none where it holds one of the typographic quotation marks
/// that PowerShell reads as quotation marks.
#[must_use]
pub fn powershell_word(text: &str) -> Option<String> {
    let needs_quotes = text.is_empty()
        || !text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:+=".contains(c) || !c.is_ascii());
    if text.contains(['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}']) {
        None
    } else if needs_quotes {
        Some(format!("'{}'", text.replace('\'', "''")))
    } else {
        Some(text.to_owned())
    }
}

/// The text of a word as it was typed in bash, and the quotation mark that is still open at its
/// end. Expansions such as `$HOME` stay as they are.
///
/// ```
/// use cc_auth::util::shell::unquoted;
/// assert_eq!(unquoted(r"O\'Br"), ("O'Br".to_owned(), None));
/// assert_eq!(unquoted("\"a b"), ("a b".to_owned(), Some('"')));
/// ```
#[must_use]
pub fn unquoted(typed: &str) -> (String, Option<char>) {
    let mut text = String::with_capacity(typed.len());
    let mut open = None;
    let mut characters = typed.chars().peekable();
    while let Some(character) = characters.next() {
        match (open, character) {
            (None, '\'' | '"') => open = Some(character),
            (Some(quote), _) if character == quote => open = None,
            (None, '\\') => text.extend(characters.next()),
            (Some('"'), '\\') if characters.peek().is_some_and(|next| "\"\\$`".contains(*next)) => {
                text.extend(characters.next());
            }
            _ => text.push(character),
        }
    }
    (text, open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// What bash makes of the words of a line: each on a line of its own.
    fn read_by_bash(words: &str) -> String {
        let output = Command::new("bash")
            .args(["--norc", "--noprofile", "-c", &format!("printf '<%s>' {words}")])
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn word_any_text_is_read_back_by_bash(text in "[^\0]{0,24}") {
            prop_assert_eq!(read_by_bash(&word(&text)), format!("<{text}>"));
        }

        #[test]
        fn escaped_any_text_is_read_back_by_bash(text in "[ -~äß李]{1,24}") {
            prop_assert_eq!(read_by_bash(&escaped(&text)), format!("<{text}>"));
            prop_assert_eq!(unquoted(&escaped(&text)), (text, None));
        }

        #[test]
        fn escaped_beginning_is_a_beginning(text in "[ -~]{1,24}", cut in 0_usize..24) {
            let start: String = text.chars().take(cut).collect();
            prop_assert!(escaped(&text).starts_with(&escaped(&start)));
        }

        #[test]
        fn unquoted_word_of_a_hint_is_its_text(text in "[ -~]{1,24}") {
            prop_assert_eq!(unquoted(&word(&text)), (text, None));
        }
    }

    #[test]
    fn word_hidden_characters_are_written_as_numbers() {
        assert_eq!(word("a b'c"), r"'a b'\''c'");
        assert_eq!(word("/etc/x.env"), "/etc/x.env");
        assert_eq!(word(r"a\b"), r"'a\b'");
        assert_eq!(word("a\n'\\\u{1b}"), r"$'a\U0000000A\'\\\U0000001B'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn powershell_word_quotes_what_is_not_plain() {
        assert_eq!(powershell_word("anna").as_deref(), Some("anna"));
        assert_eq!(powershell_word("a;b 'c'").as_deref(), Some("'a;b ''c'''"));
        assert_eq!(powershell_word("a\u{2019};b"), None);
        assert_eq!(powershell_word("$(x)").as_deref(), Some("'$(x)'"));
    }
}
