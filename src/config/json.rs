//! A configuration as JSON with all members, duplicate ones included: which of them wins is
//! decided where they are read.

use crate::util::json::{self, JsonError, JsonErrorKind, JsonNode};
use crate::util::printable::PrintableText;

/// Where a text stops being JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

/// A text that is JSON, and where more follows after it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: JsonNode,
    /// Whether the file begins with a byte order mark, which the server rejects.
    pub(super) mark: bool,
    pub(super) junk: Option<SyntaxError>,
}

/// Parses the first value of a text, at most [`json::MAX_DEPTH`] levels deep.
pub(super) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = bare.len() < text.len();
    let text = bare;
    if text.trim().is_empty() {
        return Err(SyntaxError {
            line: 1,
            column: 1,
            what: "the file is empty: expected an object".to_owned(),
        });
    }
    let (root, more) = json::all_members_of_first(text).map_err(|error| syntax_error(&error))?;
    Ok(Document { root, mark, junk: more.map(|error| syntax_error(&error)) })
}

fn syntax_error(error: &JsonError) -> SyntaxError {
    let what = error.problem.to_string().replace('`', "'");
    let what = match error.problem {
        JsonErrorKind::EarlyEnd(_) => what.replacen("EOF", "the file ends", 1),
        _ => what,
    };
    SyntaxError { line: error.line.max(1), column: error.column.max(1), what }
}

/// What a value is, for a message. A string is shown when it is short, since a longer one may be a
/// secret in the wrong place.
pub(super) fn describe(node: &JsonNode) -> PrintableText {
    match node {
        JsonNode::Bool(true) => "true".into(),
        JsonNode::Bool(false) => "false".into(),
        JsonNode::Number(number) => {
            PrintableText::concat(["the number ".into(), PrintableText::one_of(&number.to_string(), &[])])
        }
        JsonNode::String(text) => {
            PrintableText::concat(["the string ".into(), PrintableText::one_of(text, &[])])
        }
        JsonNode::Null | JsonNode::Array(_) | JsonNode::Object(_) => node.kind().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (usize, usize, String) {
        let error = parse(text).map(|document| document.root).unwrap_err();
        (error.line, error.column, error.what)
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        assert_eq!(error("{\n  \"a\": 1\n  \"b\": 2\n}").0, 3);
        assert_eq!(error(""), (1, 1, "the file is empty: expected an object".to_owned()));
        assert!(parse("\u{feff}{}").unwrap().mark && !parse("{}").unwrap().mark);
        assert_eq!(error(&"[".repeat(100_000)).2, "nested too deeply");
        assert_eq!(error("{\"a\":").2, "the file ends while parsing a value");
    }
}
