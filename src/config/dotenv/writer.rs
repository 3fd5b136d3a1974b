//! Setting one key of a `.env` file while preserving all other bytes.

use super::error::DotenvErrors;
use super::reader::{Dotenv, read};
use crate::util::diagnostic::diagnostics;
use crate::util::environment::VariableName;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::quote;

/// An error of setting a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The file is malformed, so it is not changed.
    #[error("{0}")]
    Malformed(DotenvErrors),
    /// The name is not a valid variable name.
    #[error("invalid name of a variable {}: expected letters, digits and '_', not a digit first", PrintableText::name(.0))]
    Name(String),
    /// No form of quoting can represent the value.
    #[error("the value of {} cannot be written so that the server reads it back", quote(.0))]
    NotExpressible(String),
}

diagnostics! { SetError:
    Self::Malformed(errors) => Kind::EnvFileMalformed, errors.first().hint();
    Self::Name(_) => Kind::EnvNameMalformed;
    Self::NotExpressible(_) => Kind::EnvValueInexpressible;
}

/// Returns the file with one key set. The last assignment, which is the effective one, receives the
/// new value; its `export`, its `=` or `:` and its comment are preserved. A new key is appended.
/// The result is parsed to check that it contains the value.
///
/// Other keys are unchanged. Keys that refer to the key with `$NAME` expand to the new value.
///
/// # Errors
/// [`SetError::Malformed`] for a file that the server rejects, [`SetError::Name`], and
/// [`SetError::NotExpressible`] for a value that no quoting can represent (a NUL, or a line end
/// together with a backslash at the end).
pub fn set(text: &[u8], key: &str, value: &str) -> Result<Vec<u8>, SetError> {
    if !VariableName::is_valid(key) {
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

/// Forms of writing a value, the simplest first; not every form represents every value.
fn forms(value: &str) -> impl Iterator<Item = String> {
    let special = value.contains(['$', '\\', '"']);
    let single = format!("'{value}'");
    let double = format!("\"{}\"", escaped(value));
    let unquoted = value.replace('$', "\\$");
    // A quote at the end of the value would be ambiguous; an empty expansion separates it from the
    // closing quote.
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
