//! The writer: one key changes, every other byte stays.

use super::reader::{Dotenv, DotenvErrors, read};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::quote;

/// Why a key could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The file cannot be read as it is, so nothing is changed in it.
    #[error("{0}")]
    Malformed(DotenvErrors),
    /// No name of a variable.
    #[error("invalid name of a variable {}: expected letters, digits and '_', not a digit first", PrintableText::name(.0))]
    Name(String),
    /// No form of quoting reads back as this value.
    #[error("the value of {} cannot be written so that the server reads it back", quote(.0))]
    NotExpressible(String),
}

diagnostics! { SetError:
    Self::Malformed(errors) => Kind::EnvFileMalformed, errors.first().hint();
    Self::Name(_) => Kind::EnvNameMalformed;
    Self::NotExpressible(_) => Kind::EnvValueInexpressible;
}

/// The file with one key set. The effective assignment (the last one) gets the new value, its
/// `export`, its `=` or `:` and its comment stay; a new key gets a line at the end. The value is
/// quoted so that reading it gives it back, which is tried before it is returned.
///
/// Other keys keep their text. One that refers to the key by `$NAME` follows it, as it should.
///
/// # Errors
/// [`SetError::Malformed`] for a file that the server rejects, [`SetError::Name`], and
/// [`SetError::NotExpressible`] for a value no quoting can hold (a NUL, or a line end together
/// with a backslash at the end).
pub fn set(text: &[u8], key: &str, value: &str) -> Result<Vec<u8>, SetError> {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    if !key.bytes().next().is_some_and(letter) || !key.bytes().all(|b| letter(b) || b.is_ascii_digit()) {
        return Err(SetError::Name(key.to_owned()));
    }
    let before = read(text).map_err(SetError::Malformed)?;
    let inexpressible = || SetError::NotExpressible(key.to_owned());
    if value.contains('\0') {
        return Err(inexpressible());
    }
    let count = before.entries().len() + usize::from(before.get(key).is_none());
    forms(value)
        .map(|form| place(text, &before, key, &form))
        .find(|changed| {
            read(changed).is_ok_and(|after| {
                after.entries().len() == count
                    && after.get(key).is_some_and(|entry| entry.value.expose() == value)
            })
        })
        .ok_or_else(inexpressible)
}

fn place(text: &[u8], file: &Dotenv, key: &str, form: &str) -> Vec<u8> {
    let mut changed = Vec::with_capacity(text.len() + key.len() + form.len() + 4);
    if let Some(entry) = file.get(key) {
        changed.extend_from_slice(&text[..entry.span.start]);
        changed.extend_from_slice(form.as_bytes());
        changed.extend_from_slice(&text[entry.span.end..]);
        return changed;
    }
    let line_end: &[u8] = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > 0 && text[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    };
    changed.extend_from_slice(text);
    if !text.is_empty() && !text.ends_with(b"\n") {
        changed.extend_from_slice(line_end);
    }
    changed.extend_from_slice(format!("{key}={form}").as_bytes());
    changed.extend_from_slice(line_end);
    changed
}

/// Ways of writing a value, the plainest first; not every one reads back as the value.
fn forms(value: &str) -> impl Iterator<Item = String> {
    let special = value.contains(['$', '\\', '"']);
    let single = format!("'{value}'");
    let double = format!("\"{}\"", escaped(value));
    let unquoted = value.replace('$', "\\$");
    // A quote at an end cannot be distinguished from the quoting: a name without a value keeps
    // them apart.
    let ended = format!("\"{}${{_}}\"", escaped(value));
    let begun = format!("${{_}}{unquoted}");
    let quoted = if special { [single, double] } else { [double, single] };
    quoted.into_iter().chain([unquoted, ended, begun])
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' | '\\' | '$' => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_value_with_line_ends_writes_them_as_escapes() {
        for (value, line) in
            [("a\nb", "K=\"a\\nb\"\n"), ("a\rb", "K=\"a\\rb\"\n"), ("a\r\nb", "K=\"a\\r\\nb\"\n")]
        {
            assert_eq!(set(b"", "K", value).unwrap(), line.as_bytes(), "{value:?}");
        }
    }
}
