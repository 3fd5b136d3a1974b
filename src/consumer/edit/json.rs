//! The members of a JSON document with the ranges of their values.

use zeroize::Zeroizing;

use super::{Content, DocumentMember, EditError, Quoting};
use crate::util::json::{JsonNode, all_members};
use crate::util::json_text::positions;

/// An open object or array.
enum Frame {
    /// The name of the member whose value comes next.
    Object(Option<String>),
    /// The index of the next element.
    Array(usize),
}

/// Reads a document as its program does: strictly.
pub(super) fn members(text: &str) -> Result<Vec<DocumentMember>, EditError> {
    all_members(text).map_err(|error| EditError::Malformed(format!("invalid JSON: {error}")))?;
    let mut open: Vec<Frame> = Vec::new();
    let mut found = Vec::new();
    for (at, token) in positions(text) {
        match token {
            "{" => {
                found.push(DocumentMember { path: path(&open), content: Content::Other("an object") });
                open.push(Frame::Object(None));
            }
            "[" => {
                found.push(DocumentMember { path: path(&open), content: Content::Other("an array") });
                open.push(Frame::Array(0));
            }
            "}" | "]" => {
                open.pop();
            }
            "," => match open.last_mut() {
                Some(Frame::Object(name)) => *name = None,
                Some(Frame::Array(index)) => *index += 1,
                None => {}
            },
            ":" => {}
            token if token.starts_with('"') => {
                let value: String = serde_json::from_str(token).map_err(|_| EditError::Verification)?;
                if let Some(Frame::Object(name @ None)) = open.last_mut() {
                    *name = Some(value);
                } else {
                    let content = Content::Text {
                        value: Zeroizing::new(value),
                        range: at..at + token.len(),
                        quoting: Quoting::Double,
                    };
                    found.push(DocumentMember { path: path(&open), content });
                }
            }
            "null" => found.push(DocumentMember { path: path(&open), content: Content::Other("null") }),
            "true" | "false" => {
                found.push(DocumentMember { path: path(&open), content: Content::Other("a boolean") })
            }
            _ => found.push(DocumentMember { path: path(&open), content: Content::Other("a number") }),
        }
    }
    Ok(found)
}

fn path(open: &[Frame]) -> Vec<String> {
    open.iter()
        .map(|frame| match frame {
            Frame::Object(name) => name.clone().unwrap_or_default(),
            Frame::Array(index) => index.to_string(),
        })
        .collect()
}

/// Whether two documents differ at most in the value of one member, as the other reader of JSON reads
/// them.
pub(super) fn differs_only_at(old: &str, new: &str, path: &[String]) -> bool {
    match (all_members(old), all_members(new)) {
        (Ok(old), Ok(new)) => is_same_except(&old, &new, path),
        _ => false,
    }
}

fn is_same_except(old: &JsonNode, new: &JsonNode, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else {
        return old.as_str().is_some() && new.as_str().is_some();
    };
    match (old, new) {
        (JsonNode::Object(old), JsonNode::Object(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|((old_name, old), (new_name, new))| {
                    old_name == new_name
                        && if old_name == name { is_same_except(old, new, rest) } else { old == new }
                })
        }
        (JsonNode::Array(old), JsonNode::Array(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).enumerate().all(|(index, (old, new))| {
                    if index.to_string() == *name { is_same_except(old, new, rest) } else { old == new }
                })
        }
        _ => false,
    }
}
