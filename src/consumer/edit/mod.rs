//! Changes of one value in a file. Every other byte stays as it is.
//!
//! A reader of the format returns each member with the range of its value (`members`). The new value is
//! put in this range with the same quotes. Then the new text is read again: its members must be the old ones
//! except for the value, otherwise the change is rejected.

mod assignments;
mod json;
mod problem;
mod yaml;

use std::ops::Range;

use data_encoding::BASE64;
use zeroize::Zeroizing;

pub use problem::EditError;

use super::target::{TargetMember, TargetStep, pointer};
use super::value::TokenValue;

/// How a value is written in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// A string of JSON, or in double quotes in YAML. The range includes the quotes.
    Double,
    /// In single quotes in YAML. The range includes the quotes.
    Single,
    /// As it is. The range does not include quotes.
    Verbatim,
    /// The value cannot be replaced; the reason.
    Fixed(&'static str),
}

/// The content of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// A text, with the range of its value in the file.
    Text { value: Zeroizing<String>, range: Range<usize>, quoting: Quoting },
    /// Another type, in words.
    Other(&'static str),
}

/// A member of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DocumentMember {
    path: Vec<String>,
    content: Content,
}

/// The format of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
    /// An environment file that is read like that of the server.
    EnvironmentFile,
    /// One assignment on a line.
    Assignments,
    /// The text is the value.
    Plain,
}

impl Format {
    fn of(text: &str, name: &str, step: &TargetStep) -> Self {
        let name = name.rsplit('/').next().unwrap_or(name);
        match step {
            TargetStep::Whole => Self::Plain,
            TargetStep::Pointer(_)
                if text.trim_start().starts_with(['{', '[']) && !is_flow_style(text, name) =>
            {
                Self::Json
            }
            TargetStep::Pointer(_) => Self::Yaml,
            TargetStep::Setting(_)
                if name == ".env" || name.starts_with(".env.") || name.ends_with(".env") =>
            {
                Self::EnvironmentFile
            }
            TargetStep::Setting(_) => Self::Assignments,
        }
    }

    fn members(self, text: &str) -> Result<Vec<DocumentMember>, EditError> {
        if self != Self::Plain && text.starts_with('\u{feff}') {
            return Err(EditError::Malformed("the file begins with a byte order mark".to_owned()));
        }
        match self {
            Self::Json => json::members(text),
            Self::Yaml => yaml::members(text),
            Self::EnvironmentFile => assignments::of_environment_file(text),
            Self::Assignments => Ok(assignments::of_lines(text)),
            Self::Plain => {
                let value = text.trim();
                let start = if value.is_empty() { 0 } else { text.len() - text.trim_start().len() };
                Ok(vec![DocumentMember {
                    path: Vec::new(),
                    content: Content::Text {
                        value: Zeroizing::new(value.to_owned()),
                        range: start..start + value.len(),
                        quoting: Quoting::Verbatim,
                    },
                }])
            }
        }
    }
}

/// Returns a target with another step, if a token can be written there: a hint must lead to success.
fn similar_target(text: &str, name: &str, steps: &[TargetStep], at: usize, similar: &str) -> Option<String> {
    let member = TargetMember::with_step(steps, at, similar)?;
    let found = FoundValue::search(text, name, member.steps(), &mut 0).ok()?;
    TokenValue::of(&found.value).map(|_| member.to_string())
}

/// Whether a YAML file is written in braces or brackets, but is not JSON.
fn is_flow_style(text: &str, name: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending)) && json::members(text).is_err()
}

/// A text with the member that is changed in it.
struct Level {
    text: Zeroizing<String>,
    format: Format,
    members: Vec<DocumentMember>,
    /// The index of the member.
    index: usize,
    /// Whether the value is base64, as in a Kubernetes Secret.
    is_base64: bool,
}

/// A value that was found in a text, possibly in texts within each other.
pub(super) struct FoundValue {
    levels: Vec<Level>,
    /// The value.
    pub(super) value: Zeroizing<String>,
}

impl FoundValue {
    /// Finds the value of the member that the steps lead to. `name` is the name of the file.
    pub(super) fn find(text: &str, name: &str, steps: &[TargetStep]) -> Result<Self, EditError> {
        let mut at = 0;
        Self::search(text, name, steps, &mut at).map_err(|problem| match problem {
            EditError::Missing { parent, members, similar } => {
                let similar = similar.and_then(|similar| similar_target(text, name, steps, at, &similar));
                EditError::Missing { parent, members, similar }
            }
            other => other,
        })
    }

    /// Finds the value; `at` is the index of the step that is searched.
    fn search(text: &str, name: &str, steps: &[TargetStep], at: &mut usize) -> Result<Self, EditError> {
        let mut levels: Vec<Level> = Vec::new();
        let mut value = Zeroizing::new(text.to_owned());
        let mut name = name.to_owned();
        for (index, step) in steps.iter().enumerate() {
            *at = index;
            let level = Level::find(value, &name, step)?;
            let Content::Text { value: text, quoting, .. } = level.content() else {
                return Err(EditError::Unsafe("is not a string"));
            };
            if let Quoting::Fixed(why) = quoting {
                return Err(EditError::Unsafe(why));
            }
            value = if level.is_base64 { decoded(text)? } else { text.clone() };
            name = level.path().last().cloned().unwrap_or_default();
            levels.push(level);
        }
        Ok(Self { levels, value })
    }

    /// The path of the member in the innermost document.
    pub(super) fn path(&self) -> &[String] {
        self.levels.last().map_or(&[], Level::path)
    }

    /// The value of a member beside the found one.
    pub(super) fn sibling(&self, name: &str) -> Option<&str> {
        let level = self.levels.last()?;
        let (_, above) = level.path().split_last()?;
        level.members.iter().find_map(|member| match (member.path.split_last(), &member.content) {
            (Some((last, parent)), Content::Text { value, .. }) if last == name && parent == above => {
                Some(value.as_str())
            }
            _ => None,
        })
    }

    /// Returns the text of the file with another value.
    pub(super) fn replaced(&self, value: &str) -> Result<Zeroizing<String>, EditError> {
        let mut value = Zeroizing::new(value.to_owned());
        for level in self.levels.iter().rev() {
            if level.is_base64 {
                value = Zeroizing::new(BASE64.encode(value.as_bytes()));
            }
            value = level.replaced(&value)?;
        }
        Ok(value)
    }
}

impl Level {
    fn find(text: Zeroizing<String>, name: &str, step: &TargetStep) -> Result<Self, EditError> {
        let format = Format::of(&text, name, step);
        let members = format.members(&text)?;
        let matching: Vec<usize> = members
            .iter()
            .enumerate()
            .filter(|(_, member)| step.matches(&member.path))
            .map(|(index, _)| index)
            .collect();
        let index = match matching.as_slice() {
            [] => {
                return Err(EditError::missing(step, members.iter().map(|member| member.path.as_slice())));
            }
            [only] => *only,
            several => the_only_header(several, &members).ok_or(EditError::Duplicate(several.len()))?,
        };
        let Some(member) = members.get(index) else { return Err(EditError::Verification) };
        if let Some((parent, count)) = duplicate_parent(&member.path, &members) {
            return Err(EditError::DuplicateParent(parent, count));
        }
        if let Content::Other(kind) = member.content {
            return Err(EditError::NotText(kind));
        }
        let is_base64 = is_secret_value(&member.path, &members);
        Ok(Self { text, format, members, index, is_base64 })
    }

    fn member(&self) -> Option<&DocumentMember> {
        self.members.get(self.index)
    }

    fn content(&self) -> &Content {
        self.member().map_or(&Content::Other("nothing"), |member| &member.content)
    }

    fn path(&self) -> &[String] {
        self.member().map_or(&[], |member| &member.path)
    }

    /// Puts a value into the text and reads it again.
    fn replaced(&self, value: &str) -> Result<Zeroizing<String>, EditError> {
        let Content::Text { range, quoting, .. } = self.content() else {
            return Err(EditError::Verification);
        };
        let written = written(value, *quoting)?;
        let (Some(before), Some(after)) = (self.text.get(..range.start), self.text.get(range.end..)) else {
            return Err(EditError::Verification);
        };
        let new = Zeroizing::new([before, written.as_str(), after].concat());
        self.verify(&new, value)?;
        Ok(new)
    }

    /// Checks that a new text has the same members as the old one, except for the value.
    fn verify(&self, new: &str, value: &str) -> Result<(), EditError> {
        let members = self.format.members(new).map_err(|_| EditError::Verification)?;
        let is_same = members.len() == self.members.len()
            && members.iter().zip(&self.members).enumerate().all(|(index, (new, old))| {
                let text = |member: &DocumentMember| match &member.content {
                    Content::Text { value, .. } => Ok(value.clone()),
                    Content::Other(kind) => Err(*kind),
                };
                let expected =
                    if index == self.index { Ok(Zeroizing::new(value.to_owned())) } else { text(old) };
                new.path == old.path && text(new) == expected
            });
        if is_same && (self.format != Format::Json || json::differs_only_at(&self.text, new, self.path())) {
            Ok(())
        } else {
            Err(EditError::Verification)
        }
    }
}

/// Returns an object or an array above a member whose name occurs several times, and how often: the program may
/// read only the last one.
fn duplicate_parent(path: &[String], members: &[DocumentMember]) -> Option<(String, usize)> {
    (1..path.len()).filter_map(|length| path.get(..length)).find_map(|above| {
        let count = members.iter().filter(|member| member.path == above).count();
        (count > 1).then(|| (pointer(above), count))
    })
}

/// Returns the only one of several settings of the same name that is a header with a token: a curl
/// configuration has a line for each header.
fn the_only_header(several: &[usize], members: &[DocumentMember]) -> Option<usize> {
    let mut found = several.iter().filter(|index| match members.get(**index) {
        Some(DocumentMember { path, content: Content::Text { value, .. } }) => {
            crate::scan::names::is_header(path)
                && TokenValue::of(value).is_some_and(|value| !value.prefix.is_empty())
        }
        _ => false,
    });
    found.next().filter(|_| found.next().is_none()).copied()
}

/// Whether a member is a value in base64: below `data` of a Secret, or `binaryData` of a `ConfigMap`.
fn is_secret_value(path: &[String], members: &[DocumentMember]) -> bool {
    let Some((above, [section, _])) = path.split_last_chunk::<2>() else { return false };
    let expected = match section.as_str() {
        "data" => "Secret",
        "binaryData" => "ConfigMap",
        _ => return false,
    };
    members.iter().any(|member| match (member.path.split_last(), &member.content) {
        (Some((name, parent)), Content::Text { value, .. }) => {
            name == "kind" && parent == above && value.as_str() == expected
        }
        _ => false,
    })
}

fn decoded(text: &str) -> Result<Zeroizing<String>, EditError> {
    BASE64
        .decode(text.trim().as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Zeroizing::new)
        .ok_or(EditError::Unsafe("is not base64 of a text on one line, as the value of a Secret must be"))
}

/// Writes a value in the same way as the old one.
fn written(value: &str, quoting: Quoting) -> Result<Zeroizing<String>, EditError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -._~+/=:".contains(c);
    match quoting {
        Quoting::Double => Ok(Zeroizing::new(serde_json::Value::from(value).to_string())),
        Quoting::Single if !value.contains(['\n', '\r']) => {
            Ok(Zeroizing::new(format!("'{}'", value.replace('\'', "''"))))
        }
        Quoting::Verbatim if value.chars().all(is_plain) => Ok(Zeroizing::new(value.to_owned())),
        Quoting::Single | Quoting::Verbatim => {
            Err(EditError::Unsafe("is not in double quotes and contains characters that need them"))
        }
        Quoting::Fixed(why) => Err(EditError::Unsafe(why)),
    }
}

#[cfg(test)]
mod tests;
