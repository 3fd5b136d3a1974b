//! The settings of files with one assignment on a line, with the ranges of their values: environment files,
//! systemd units, curl configurations, INI, TOML, HTCondor.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Content, DocumentMember, EditError, Quoting};
use crate::config::dotenv;
use crate::scan::lines::{assignment, section_name, words};

/// Reads an environment file as the server does.
pub(super) fn of_environment_file(text: &str) -> Result<Vec<DocumentMember>, EditError> {
    let file = dotenv::read(text.as_bytes()).map_err(|errors| {
        let reason = errors.into_iter().next().map_or_else(String::new, |error| error.to_string());
        EditError::Malformed(format!("invalid environment file: {reason}"))
    })?;
    Ok(file
        .entries()
        .iter()
        .map(|entry| {
            let range = without_quotes(text, entry.span());
            let quoting = if entry.expanded {
                Quoting::Fixed("contains the value of another variable")
            } else if text.get(range.clone()) != Some(entry.value.expose()) {
                Quoting::Fixed("contains escapes")
            } else {
                Quoting::Verbatim
            };
            let value = Zeroizing::new(entry.value.expose().to_owned());
            DocumentMember { path: vec![entry.key.clone()], content: Content::Text { value, range, quoting } }
        })
        .collect())
}

fn without_quotes(text: &str, range: Range<usize>) -> Range<usize> {
    let written = text.get(range.clone()).unwrap_or_default();
    let is_quoted = written.len() >= 2
        && ['"', '\''].iter().any(|mark| written.starts_with(*mark) && written.ends_with(*mark));
    if is_quoted { range.start + 1..range.end - 1 } else { range }
}

/// Reads the assignments of a text, each with its section.
pub(super) fn of_lines(text: &str) -> Vec<DocumentMember> {
    let mut found = Vec::new();
    let mut section: Option<&str> = None;
    let offset = |piece: &str| (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let mut open_quote: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        // The lines of a string are not assignments.
        if let Some(quote) = open_quote {
            open_quote = open_quote.filter(|_| !line.contains(quote));
            continue;
        }
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = section_name(line) {
            section = Some(name);
            continue;
        }
        let Some((name, value)) = assignment(line) else { continue };
        let mut add = |path: &[&str], written: &str| {
            let (range, quoting) = value_range(written);
            let value = Zeroizing::new(written.get(range.clone()).unwrap_or_default().to_owned());
            let start = offset(written);
            let range = start + range.start..start + range.end;
            let path = section.into_iter().chain(path.iter().copied()).map(str::to_owned).collect();
            found.push(DocumentMember { path, content: Content::Text { value, range, quoting } });
        };
        if matches!(name, "Environment" | "DefaultEnvironment") {
            for (variable, value) in words(value).into_iter().filter_map(|word| word.split_once('=')) {
                add(&[name, variable], value);
            }
        } else {
            add(&[name], value);
            open_quote = quote_of_next_lines(value, section.is_some());
        }
    }
    found
}

/// Returns the quote that ends a string of several lines, if the value begins one: three quotes in TOML, one
/// in a shell file, which does not have sections.
fn quote_of_next_lines(value: &str, is_in_section: bool) -> Option<&'static str> {
    let quote = [r#"""""#, "'''", "\"", "'"].into_iter().find(|quote| value.starts_with(quote))?;
    let is_open = !value.get(quote.len()..).unwrap_or_default().contains(quote);
    (is_open && (quote.len() == 3 || !is_in_section)).then_some(quote)
}

/// Returns the range of a value without its quotes. The programs that read such files differ in comments
/// after a value without quotes, and in escapes.
fn value_range(written: &str) -> (Range<usize>, Quoting) {
    let whole = 0..written.len();
    if let Some(mark) = written.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inside = written.get(1..).unwrap_or_default();
        let Some(length) = inside.find(mark) else {
            return (whole, Quoting::Fixed("does not have a closing quote on its line"));
        };
        let after = inside.get(length + 1..).unwrap_or_default().trim_start();
        let range = 1..1 + length;
        return if inside.get(..length).is_some_and(|inside| inside.contains(['\\', '$', '`'])) {
            (range, Quoting::Fixed("contains escapes or variables"))
        } else if !after.is_empty() && !after.starts_with(['#', ';']) {
            (range, Quoting::Fixed("is followed by other text"))
        } else {
            (range, Quoting::Verbatim)
        };
    }
    if written.contains(char::is_whitespace) {
        (whole, Quoting::Fixed("has blanks and is not in quotes"))
    } else if written.contains(['"', '\'', '\\', '$', '`']) {
        (whole, Quoting::Fixed("contains quotes, escapes or variables"))
    } else {
        (whole, Quoting::Verbatim)
    }
}
