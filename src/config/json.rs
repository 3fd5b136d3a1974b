//! JSON with all members, duplicate ones included: which of them wins is
//! decided where they are read.

use std::fmt;

use crate::util::printable::PrintableText;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonNode {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

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
    /// Whether it begins with a byte order mark, which the server rejects.
    pub(super) mark: bool,
    pub(super) junk: Option<SyntaxError>,
}

/// Parses the first value of a text. The nesting is limited to 128 by the parser.
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
    let mut parser = serde_json::Deserializer::from_str(text);
    let root = JsonNode::deserialize(&mut parser).map_err(|error| syntax_error(&error))?;
    let junk = parser.end().err().map(|error| syntax_error(&error));
    Ok(Document { root, mark, junk })
}

fn syntax_error(error: &serde_json::Error) -> SyntaxError {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text).replace('`', "'");
    let what = match what.as_str() {
        "recursion limit exceeded" => "nested too deeply".to_owned(),
        _ if what.starts_with("EOF ") => what.replacen("EOF", "the file ends", 1),
        _ => what,
    };
    SyntaxError { line: error.line().max(1), column: error.column().max(1), what }
}

impl JsonNode {
    /// What it is, for a message. A string is shown when it is short, since a longer one may be a
    /// secret in the wrong place.
    pub(super) fn describe(&self) -> PrintableText {
        match self {
            Self::Null => "null".into(),
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Number(number) => {
                PrintableText::concat(["the number ".into(), PrintableText::one_of(&number.to_string(), &[])])
            }
            Self::Text(text) => {
                PrintableText::concat(["the string ".into(), PrintableText::one_of(text, &[])])
            }
            Self::List(_) => "an array".into(),
            Self::Object(_) => "an object".into(),
        }
    }

    /// The same without duplicate members, or the path to the first one.
    pub(super) fn to_value(&self) -> Result<serde_json::Value, Vec<String>> {
        Ok(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => serde_json::Value::Bool(*value),
            Self::Number(number) => serde_json::Value::Number(number.clone()),
            Self::Text(text) => serde_json::Value::String(text.clone()),
            Self::List(items) => {
                serde_json::Value::Array(items.iter().map(Self::to_value).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let mut object = serde_json::Map::new();
                for (name, node) in members {
                    let value = node.to_value().map_err(|mut path| {
                        path.insert(0, name.clone());
                        path
                    })?;
                    if object.insert(name.clone(), value).is_some() {
                        return Err(vec![name.clone()]);
                    }
                }
                serde_json::Value::Object(object)
            }
        })
    }
}

impl<'de> Deserialize<'de> for JsonNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = JsonNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<JsonNode, E> {
        Ok(JsonNode::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonNode, E> {
        Ok(JsonNode::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonNode, E> {
        Ok(JsonNode::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonNode, E> {
        Ok(JsonNode::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonNode, E> {
        Ok(serde_json::Number::from_f64(value).map_or(JsonNode::Null, JsonNode::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonNode, E> {
        Ok(JsonNode::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JsonNode, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(JsonNode::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<JsonNode, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(JsonNode::Object(object))
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

    #[test]
    fn json_duplicate_member_is_found() {
        let root = parse(r#"{"a":{"b":1,"b":2}} x"#).unwrap();
        assert!(root.junk.is_some());
        assert_eq!(root.root.to_value(), Err(vec!["a".to_owned(), "b".to_owned()]));
    }
}
