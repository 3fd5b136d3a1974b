//! Quoting and escaping of untrusted text for terminals.
//!
//! The output contains no characters that control a terminal or change how a line is displayed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use super::redact::{redact, redact_forms};

/// The maximum length of untrusted text in a message, in characters.
const SHOWN_CHARS: usize = 200;

/// Quotes and escapes text, cut after 200 characters. Text with the form of a private key, token or
/// password hash is redacted.
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

/// Quotes a path; invalid UTF-8 becomes the replacement character. A random-looking name without a
/// directory is redacted, because it may be a secret that was passed instead of a file.
#[must_use]
pub fn quote_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains('/') { quote(&text) } else { quote(&redact(&text)) }
}

/// Escapes control, direction and invisible characters, without quotes and without a length limit.
/// For claims, names and provider messages that are printed in full.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        push_escaped(&mut out, character);
    }
    out
}

/// Escapes as [`escape`] does but preserves line ends and tabs, for pretty-printed JSON and other
/// text of several lines.
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

/// Escapes the remaining hidden characters of a composed message and redacts text with the form of
/// a secret. Line ends and backslashes are preserved. This is the last safeguard before the
/// terminal; parts of the message are escaped when they are added.
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

/// Escapes the characters of a JSON text that control a terminal with `\u`; the document is
/// unchanged. All JSON output is escaped this way, also in a pipe, because a pipe often ends on a
/// terminal.
///
/// ```
/// use cc_auth::util::quote::escape_json;
/// assert_eq!(escape_json("[\"a\u{202e}b\"]"), r#"["a\u202eb"]"#);
/// ```
#[must_use]
pub fn escape_json(text: &str) -> Cow<'_, str> {
    // The JSON serializer has escaped the control characters below U+0020.
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

/// Whether a character must be escaped for a terminal: controls (C0, C1, DEL), line and paragraph
/// separators, direction marks, and characters without width or meaning.
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
    fn escape_removes_terminal_control_characters() {
        for code in 0..=0x10_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let shown = escape(&character.to_string());
            assert!(!shown.chars().any(is_hidden), "U+{code:04X} shown as {shown:?}");
        }
    }

    #[test]
    fn quote_ordinary_names_are_unchanged() {
        for name in ["fritz", "Jürgen Müller", "李雷", "a b", "o'brien@x.example"] {
            assert_eq!(escape(name), name);
        }
    }

    #[test]
    fn escape_backslash_is_doubled() {
        assert_eq!(quote("\\u{1b}"), "'\\\\u{1b}'");
    }

    #[test]
    fn visible_escapes_hidden_characters_only() {
        assert_eq!(visible("a 'b\\n' c\nd"), "a 'b\\n' c\nd");
        assert_eq!(visible("a\u{1b}[2J\u{9b}\u{202e}\tz"), "a\\u{1b}[2J\\u{9b}\\u{202e}\\tz");
    }

    #[test]
    fn escape_json_preserves_the_document() {
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
    fn quote_long_text_is_cut() {
        let shown = quote(&"x".repeat(10_000));
        assert_eq!(shown.chars().count(), SHOWN_CHARS + 3);
        assert!(shown.ends_with("…'"));
    }
}
