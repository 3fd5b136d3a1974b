//! The one JSON reader that reports duplicate members (RFC 8259 4: their meaning is undefined).
//!
//! One visitor reads a document into the tree that its user needs:
//! - [`unique`]: a [`Value`]; a duplicate member is an error (tokens, roles, sessions, responses).
//! - [`last_wins`]: a [`Value`] with the last of duplicate members, and a list of the others (reports).
//! - [`all_members`]: a [`JsonNode`] with all members in order (configuration, keys).
//! - [`typed`]: a type that derives `Deserialize`; a duplicate member is an error.
//! - [`first_value`]: only the end of the next value in a text (streams of documents).

mod tree;

use std::cell::RefCell;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::quote::quote;
use tree::{AllMembers, Tree, UniqueNames, Values};

/// The depth to which any document is read, in arrays and objects inside each other.
pub const MAX_DEPTH: usize = 127;

/// An error of a JSON document, with its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonErrorKind,
    /// The line, from 1; 0 where the text is empty or no position is known.
    pub line: usize,
    /// The column in bytes, from 1; 0 before the first byte of a line. A duplicate member and a limit
    /// are noticed a little later.
    pub column: usize,
}

/// What is wrong with a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// A syntax error, in the words of the parser; they contain nothing of the document.
    #[error("{0}")]
    Syntax(String),
    /// The document ends inside a value, in the words of the parser.
    #[error("{0}")]
    EarlyEnd(String),
    /// The document is not UTF-8 (RFC 8259 8.1).
    #[error("invalid UTF-8")]
    NotUtf8,
    /// An object has two members of this name.
    #[error("duplicate member {}", quote(.0))]
    DuplicateMember(String),
    /// More arrays and objects inside each other than the limit.
    #[error("nested too deeply")]
    TooDeep,
    /// A value of another type than expected; the text may contain a part of the document.
    #[error("{0}")]
    Type(String),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
        let problem = match error.classify() {
            // The parser's own limit is the one at MAX_DEPTH.
            Category::Syntax if what == "recursion limit exceeded" => JsonErrorKind::TooDeep,
            Category::Eof => JsonErrorKind::EarlyEnd(what),
            Category::Data => JsonErrorKind::Type(what),
            Category::Syntax | Category::Io => JsonErrorKind::Syntax(what),
        };
        Self { problem, line, column }
    }
}

/// A duplicate member.
#[derive(Debug, Clone, PartialEq)]
pub struct DuplicateMember {
    /// Its name.
    pub name: String,
    /// The earlier value; the later one is in the object.
    pub earlier: Value,
}

/// A JSON value with all members of its objects, duplicate ones included.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonNode {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order of the document.
    Object(Vec<(String, Self)>),
}

impl JsonNode {
    /// The type in words: `a number`, `null`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same value without duplicate members, or the path to the first one.
    ///
    /// # Errors
    /// The names of the members that lead to the first duplicate one, its own last.
    pub fn to_value(&self) -> Result<Value, Vec<String>> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::to_value).collect::<Result<_, _>>()?),
            Self::Object(members) => {
                let mut object = Map::new();
                for (name, node) in members {
                    let value = node.to_value().map_err(|mut path| {
                        path.insert(0, name.clone());
                        path
                    })?;
                    if object.insert(name.clone(), value).is_some() {
                        return Err(vec![name.clone()]);
                    }
                }
                Value::Object(object)
            }
        })
    }
}

/// The type of a JSON value in words: `a number`, `null`.
#[must_use]
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads a document in which every member is unique, at most `max_depth` levels deep.
///
/// # Errors
/// [`JsonError`]: not JSON, a duplicate member at any depth, too deep.
pub fn unique(text: &str, max_depth: usize) -> Result<Value, JsonError> {
    whole(text, max_depth, Values(None))
}

/// Reads a document for showing it: the last of duplicate members wins, and the earlier ones are
/// returned beside it.
///
/// # Errors
/// [`JsonError`]: not JSON, too deep.
pub fn last_wins(text: &str, max_depth: usize) -> Result<(Value, Vec<DuplicateMember>), JsonError> {
    let duplicates = RefCell::new(Vec::new());
    let value = whole(text, max_depth, Values(Some(&duplicates)))?;
    Ok((value, duplicates.into_inner()))
}

/// Reads a document with all members, at most [`MAX_DEPTH`] levels deep.
///
/// # Errors
/// [`JsonError`]: not JSON, too deep.
pub fn all_members(text: &str) -> Result<JsonNode, JsonError> {
    whole(text, MAX_DEPTH, AllMembers)
}

/// Reads the first value of a text with all members, and the position of more text after it.
///
/// # Errors
/// [`JsonError`]: not JSON, too deep.
pub fn all_members_of_first(text: &str) -> Result<(JsonNode, Option<JsonError>), JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = tree::read(&mut deserializer, MAX_DEPTH, AllMembers)?;
    Ok((node, deserializer.end().err().map(JsonError::from)))
}

/// Reads a document in which every member is unique, also where the type ignores it.
///
/// # Errors
/// [`JsonError`]: as [`unique`], and [`JsonErrorKind::Type`] for another structure.
pub fn typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        JsonError { problem: JsonErrorKind::NotUtf8, line, column: before.len() - line_start + 1 }
    })?;
    // Read twice: serde's derived readers do not see duplicate members that they ignore.
    whole(text, MAX_DEPTH, UniqueNames)?;
    Ok(serde_json::from_str(text)?)
}

/// Checks that a text is JSON; duplicate members are not looked for.
///
/// # Errors
/// [`JsonError`]: not JSON.
pub fn check_syntax(bytes: &[u8]) -> Result<(), JsonError> {
    serde_json::from_slice::<IgnoredAny>(bytes)?;
    Ok(())
}

/// The end of the first value of a text, in bytes; none where only blanks are left.
///
/// # Errors
/// [`JsonError`]: not JSON.
pub fn first_value(text: &str) -> Result<Option<usize>, JsonError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(Some(values.byte_offset())),
        Some(Err(error)) => Err(error.into()),
        None => Ok(None),
    }
}

fn whole<T: Tree>(text: &str, max_depth: usize, tree: T) -> Result<T::Node, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = tree::read(&mut deserializer, max_depth, tree)?;
    deserializer.end()?;
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicate(name: &str) -> JsonErrorKind {
        JsonErrorKind::DuplicateMember(name.to_owned())
    }

    #[test]
    fn unique_duplicate_member_is_rejected_at_any_depth_and_in_any_spelling() {
        for (text, name, line) in [
            (r#"{"a":1,"a":1}"#, "a", 1),
            (r#"{"a":1,"\u0061":1}"#, "a", 1),
            ("{\"x\":{\"b\":1,\n\"c\":2,\n\"b\":3}}", "b", 3),
            (r#"{"x":[[{"":1,"":1}]]}"#, "", 1),
        ] {
            let error = unique(text, MAX_DEPTH).unwrap_err();
            assert_eq!((&error.problem, error.line), (&duplicate(name), line), "{text}");
            assert_eq!(typed::<IgnoredAny>(text.as_bytes()).map(drop), Err(error), "{text}");
            assert!(all_members(text).is_ok() && last_wins(text, MAX_DEPTH).is_ok(), "{text}");
        }
        assert!(unique(r#"{"a":{"a":1},"A":2,"b":{"a":1}}"#, MAX_DEPTH).is_ok());
    }

    #[test]
    fn depth_is_limited_for_every_tree() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for depth in [1, 2, 64, MAX_DEPTH] {
            assert!(unique(&nested(depth), depth).is_ok(), "{depth}");
            let error = unique(&nested(depth + 1), depth).unwrap_err();
            assert_eq!((error.problem, error.line), (JsonErrorKind::TooDeep, 1), "{depth}");
        }
        assert!(all_members(&nested(MAX_DEPTH)).is_ok());
        for depth in [MAX_DEPTH + 1, 100_000] {
            assert_eq!(all_members(&nested(depth)).unwrap_err().problem, JsonErrorKind::TooDeep);
            assert_eq!(last_wins(&nested(depth), MAX_DEPTH).unwrap_err().problem, JsonErrorKind::TooDeep);
        }
    }

    #[test]
    fn error_has_its_position_and_nothing_of_the_document() {
        for (text, error) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\n \"hunter2\": hunter2}", "expected value at line 2 column 13"),
            ("{} hunter2", "trailing characters at line 1 column 4"),
            ("[1e400]", "number out of range at line 1 column 6"),
        ] {
            assert_eq!(unique(text, MAX_DEPTH).unwrap_err().to_string(), error, "{text}");
        }
        let error = typed::<Value>(b"{\n\"a\xff\"}").unwrap_err();
        assert_eq!(error.to_string(), "invalid UTF-8 at line 2 column 3");
        let error = typed::<Vec<u8>>(b"{}").unwrap_err();
        assert!(matches!(error.problem, JsonErrorKind::Type(_)), "{error}");
    }

    #[test]
    fn last_wins_returns_the_earlier_values() {
        let (value, duplicates) = last_wins(r#"{"a":1,"b":{"c":2,"c":3},"a":4}"#, MAX_DEPTH).unwrap();
        assert_eq!(value.to_string(), r#"{"a":4,"b":{"c":3}}"#);
        let earlier: Vec<_> =
            duplicates.iter().map(|member| (member.name.as_str(), member.earlier.to_string())).collect();
        assert_eq!(earlier, [("c", "2".to_owned()), ("a", "1".to_owned())]);
    }

    #[test]
    fn first_of_several_values_is_read_and_the_position_of_the_next_returned() {
        let (node, more) = all_members_of_first(r#"{"a":{"b":1,"b":2}} x"#).unwrap();
        assert_eq!(more.map(|error| error.column), Some(21));
        assert_eq!(node.to_value(), Err(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(first_value(" {\"a\":[1]} 5"), Ok(Some(10)));
        assert_eq!(first_value(" \n"), Ok(None));
        assert!(first_value("5x").is_err());
    }
}
