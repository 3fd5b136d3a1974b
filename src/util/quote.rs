//! Untrusted text on its way to a terminal: quoted, and with nothing in it that a terminal
//! would obey or that would make the line read other than it is.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use super::redact::{redact, redact_forms};

/// The longest piece of untrusted text that is shown in a message, in characters.
const SHOWN_CHARS: usize = 200;

/// The text in single quotes, escaped, and cut after 200 characters. What is a private key, token or
/// password hash by its form is not shown.
///
/// ```
/// use cc_auth::util::quote::quote;
/// assert_eq!(quote("fritz"), "'fritz'");
/// assert_eq!(quote("a\x1b[31m\n"), r"'a\u{1b}[31m\n'");
/// assert_eq!(quote("it's"), r"'it\'s'");
/// ```
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for (count, character) in redact_forms(text).chars().enumerate() {
        if count == SHOWN_CHARS {
            out.push('…');
            break;
        }
        if character == '\'' {
            out.push_str("\\'");
        } else {
            push_escaped(&mut out, character);
        }
    }
    out.push('\'');
    out
}

/// A path in single quotes; what is not UTF-8 in it is shown as the replacement character. A name
/// without a directory that looks random is not shown: it may be a secret that was given in the place
/// of a file.
#[must_use]
pub fn quote_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains('/') { quote(&text) } else { quote(&redact(&text)) }
}

/// The whole text with control, direction and invisible characters escaped, without quotes.
/// For claims, names and provider messages that are shown in full.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        push_escaped(&mut out, character);
    }
    out
}

/// Like [`escape`], but keeps line ends and tabs: for pretty-printed JSON and other text of
/// several lines.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\n' | '\t') {
            out.push(character);
        } else {
            push_escaped(&mut out, character);
        }
    }
    out
}

/// A message that was put together of escaped pieces, with each hidden character that is left in it
/// escaped and each secret that is recognized by its form replaced; line ends and backslashes stay.
/// The last barrier before the terminal, not the first.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |character: char| character != '\n' && is_hidden(character);
    let text = redact_forms(text);
    if !text.contains(hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hidden(character) { push_escaped(&mut out, character) } else { out.push(character) }
    }
    Cow::Owned(out)
}

/// JSON text in which every character that a terminal would obey is written as its `\u` escape: it
/// stays the same document. All JSON that the programs write passes through here, on a terminal and
/// in a pipe, since a pipe often ends on a terminal.
///
/// ```
/// use cc_auth::util::quote::escape_json;
/// assert_eq!(escape_json("[\"a\u{202e}b\"]"), r#"["a\u202eb"]"#);
/// ```
#[must_use]
pub fn escape_json(text: &str) -> Cow<'_, str> {
    // The writer of JSON has escaped the controls below U+0020.
    let obeyed = |character: char| character != '\n' && is_hidden(character);
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte) || byte == b'\n';
    if text.bytes().all(is_plain) || !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for character in text.chars() {
        if obeyed(character) {
            for unit in character.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Whether a character must not reach a terminal as it is: controls (C0, C1, DEL), line and
/// paragraph separators, direction marks, and those without width or meaning.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff | 0xe000..=0xf8ff | 0xf0000..=0x0010_ffff)
}

fn push_escaped(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        other if is_hidden(other) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
        }
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        for code in 0..=0x10_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let shown = escape(&character.to_string());
            assert!(!shown.chars().any(is_hidden), "U+{code:04X} shown as {shown:?}");
        }
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["fritz", "Jürgen Müller", "李雷", "a b", "o'brien@x.example"] {
            assert_eq!(escape(name), name);
        }
    }

    #[test]
    fn a_backslash_is_doubled_so_that_an_escape_cannot_be_forged() {
        assert_eq!(quote("\\u{1b}"), "'\\\\u{1b}'");
    }

    #[test]
    fn the_last_barrier_escapes_what_is_hidden_and_nothing_else() {
        assert_eq!(visible("a 'b\\n' c\nd"), "a 'b\\n' c\nd");
        assert_eq!(visible("a\u{1b}[2J\u{9b}\u{202e}\tz"), "a\\u{1b}[2J\\u{9b}\\u{202e}\\tz");
    }

    #[test]
    fn escape_json_every_character_stays_the_same_document() {
        for code in 0..=0x10_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = serde_json::to_string(&format!("a{character}b")).unwrap();
            let escaped = escape_json(&text);
            assert!(!escaped.chars().any(is_hidden), "U+{code:04X}: {escaped:?}");
            let back: String = serde_json::from_str(&escaped).unwrap();
            assert_eq!(back, format!("a{character}b"), "U+{code:04X}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let shown = quote(&"x".repeat(10_000));
        assert_eq!(shown.chars().count(), SHOWN_CHARS + 3);
        assert!(shown.ends_with("…'"));
    }
}
