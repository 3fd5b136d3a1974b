//! The settings of files with one assignment on a line, with the ranges of their values: environment files,
//! systemd units, curl configurations, INI, TOML, HTCondor.

use std::ops::Range;

use zeroize::Zeroizing;

use super::super::value::TokenValue;
use super::{Content, DocumentMember, EditError, Quoting};
use crate::config::dotenv;
use crate::scan::lines::{SettingLines, assignment, offset, section_name, words};

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
    let mut open_quote: Option<&str> = None;
    let mut lines = SettingLines::of(text).map(|(_, line)| line).peekable();
    while let Some(raw) = lines.next() {
        let line = raw.trim();
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
        let is_continued = section.is_some() && lines.peek().is_some_and(|next| is_continuation(raw, next));
        let mut add = |path: &[&str], written: &str| {
            let path: Vec<String> =
                section.into_iter().chain(path.iter().copied()).map(str::to_owned).collect();
            let (range, quoting) = match value_range(written) {
                (range, _) if is_continued && range.start == 0 => {
                    (range, Quoting::Fixed("continues on the next line: write it on the line of its name"))
                }
                (range, Quoting::Fixed(_)) if is_header_with_token(&path, written) => {
                    (range, Quoting::Verbatim)
                }
                found => found,
            };
            let value = Zeroizing::new(written.get(range.clone()).unwrap_or_default().to_owned());
            let start = offset(text, written).unwrap_or_default();
            let range = start + range.start..start + range.end;
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

/// Whether a line continues the value of the line before it: INI files mark that by a deeper indentation.
fn is_continuation(line: &str, next: &str) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let content = next.trim();
    indentation(next) > indentation(line)
        && !content.is_empty()
        && !content.starts_with(['#', ';'])
        && section_name(content).is_none()
}

/// Whether a line is the header `Authorization: Bearer TOKEN` itself, as in a file for `curl -H @FILE`.
fn is_header_with_token(path: &[String], written: &str) -> bool {
    matches!(path, [name] if name.eq_ignore_ascii_case("authorization"))
        && TokenValue::of(written).is_some_and(|value| !value.prefix.is_empty())
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
    if written.starts_with(['{', '[']) {
        (whole, Quoting::Fixed("is a table or an array: write its members on lines of their own"))
    } else if written.contains(char::is_whitespace) {
        (whole, Quoting::Fixed("has blanks and is not in quotes"))
    } else if written.contains(['"', '\'', '\\', '$', '`']) {
        (whole, Quoting::Fixed("contains quotes, escapes or variables"))
    } else {
        (whole, Quoting::Verbatim)
    }
}
