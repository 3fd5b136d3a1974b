//! Quoting of text as shell words.
//!
//! [`word`] is for commands in hints that users paste, [`escaped`] and [`powershell_word`] for
//! completion candidates, [`unquoted`] reads a partly typed word. No other module quotes for
//! shells.

use super::quote::is_hidden;

/// Whether a character has no special meaning in any shell.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-./:@%+=,".contains(character)
}

/// Whether text is a single shell word without quoting.
#[must_use]
pub fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_plain)
}

/// Quotes text as one shell word, for hints that can be pasted. Characters that control a terminal
/// are written as numeric escapes, which bash, zsh and ksh support.
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

/// Escapes text as part of an unquoted word of a POSIX shell: a backslash precedes each ASCII
/// character that may have a meaning, so that a prefix of the text stays a prefix.
///
/// The text must not contain a line end: a backslash would remove it.
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

/// Quotes text as one word of PowerShell; `None` if it contains a typographic quotation mark, which
/// PowerShell treats as a quotation mark.
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

/// Returns the text of a partly typed bash word and the quotation mark that is still open.
/// Expansions such as `$HOME` are unchanged.
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

    /// Lets bash parse the words of a line and returns one word per line.
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
        fn word_round_trips_through_bash(text in "[^\0]{0,24}") {
            prop_assert_eq!(read_by_bash(&word(&text)), format!("<{text}>"));
        }

        #[test]
        fn escaped_round_trips_through_bash(text in "[ -~äß李]{1,24}") {
            prop_assert_eq!(read_by_bash(&escaped(&text)), format!("<{text}>"));
            prop_assert_eq!(unquoted(&escaped(&text)), (text, None));
        }

        #[test]
        fn escaped_prefix_stays_a_prefix(text in "[ -~]{1,24}", cut in 0_usize..24) {
            let start: String = text.chars().take(cut).collect();
            prop_assert!(escaped(&text).starts_with(&escaped(&start)));
        }

        #[test]
        fn unquoted_reverses_word(text in "[ -~]{1,24}") {
            prop_assert_eq!(unquoted(&word(&text)), (text, None));
        }
    }

    #[test]
    fn word_escapes_hidden_characters_as_numbers() {
        assert_eq!(word("a b'c"), r"'a b'\''c'");
        assert_eq!(word("/etc/x.env"), "/etc/x.env");
        assert_eq!(word(r"a\b"), r"'a\b'");
        assert_eq!(word("a\n'\\\u{1b}"), r"$'a\U0000000A\'\\\U0000001B'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn powershell_word_quotes_special_characters() {
        assert_eq!(powershell_word("anna").as_deref(), Some("anna"));
        assert_eq!(powershell_word("a;b 'c'").as_deref(), Some("'a;b ''c'''"));
        assert_eq!(powershell_word("a\u{2019};b"), None);
        assert_eq!(powershell_word("$(x)").as_deref(), Some("'$(x)'"));
    }
}
