//! Why a value in a file cannot be replaced.

use std::fmt;

use super::super::target::{TargetStep, pointer};
use crate::util::quote::quote;
use crate::util::redact::redact_member;
use crate::util::suggest::nearest;

/// The maximum number of members in a message.
const MAX_LISTED: usize = 8;

/// Why a value in a file cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The file is not of the format that the target needs; the reason.
    Malformed(String),
    /// The member does not exist.
    Missing {
        /// The nearest object that exists.
        parent: String,
        /// Its members.
        members: Vec<String>,
        /// A similar member, as a part of a target after the file.
        similar: Option<String>,
    },
    /// Several members have the name of the target.
    Duplicate(usize),
    /// Several objects have the name of one above the target; the name and their number.
    DuplicateParent(String, usize),
    /// The member is not a text; its type.
    NotText(&'static str),
    /// The value cannot be replaced without a change of the rest; the reason.
    Unsafe(&'static str),
    /// The value is a text that is not a token.
    NotAToken,
    /// The file with the new value does not have the same members.
    Verification,
}

impl EditError {
    /// Describes a member that does not exist by its neighbors.
    pub(super) fn missing<'a>(step: &TargetStep, paths: impl Iterator<Item = &'a [String]> + Clone) -> Self {
        let empty = Vec::new();
        let path: &[String] = match step {
            TargetStep::Whole => &empty,
            TargetStep::Pointer(path) => path,
            TargetStep::Setting(name) => {
                let mut members: Vec<String> = paths.map(|path| path.join(".")).collect();
                members.dedup();
                let similar = nearest(name, members.iter().map(String::as_str)).map(str::to_owned);
                return Self::listed(String::new(), members, similar);
            }
        };
        // The longest beginning of the path that exists.
        let exists = |length: usize| {
            length == 0
                || paths.clone().any(|known| path.get(..length).is_some_and(|begin| known.starts_with(begin)))
        };
        let length = (0..path.len()).rev().find(|length| exists(*length)).unwrap_or(0);
        let above = path.get(..length).unwrap_or_default();
        let mut members: Vec<String> = Vec::new();
        for name in paths.filter(|known| known.starts_with(above)).filter_map(|known| known.get(length)) {
            if !members.contains(name) && members.len() < 1000 {
                members.push(name.clone());
            }
        }
        let typed = path.get(length).map_or("", String::as_str);
        let is_index = typed.bytes().all(|byte| byte.is_ascii_digit());
        let similar = nearest(typed, members.iter().map(String::as_str).filter(|_| !is_index))
            .or_else(|| members.first().filter(|_| members.len() == 1).map(String::as_str))
            .map(|name| {
                let rest = path.get(length + 1..).unwrap_or_default();
                pointer(&[above, &[name.to_owned()], rest].concat())
            });
        Self::listed(pointer(above), members, similar)
    }

    /// A name may be a piece of a secret in a damaged file.
    fn listed(parent: String, members: Vec<String>, similar: Option<String>) -> Self {
        let is_shown =
            |name: &String| name.len() <= 100 && redact_member(&format!("/{name}")) == format!("/{name}");
        Self::Missing {
            parent: redact_member(&parent),
            members: members.into_iter().filter(is_shown).collect(),
            similar: similar.filter(|name| is_shown(name)),
        }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::Missing { parent, members, .. } => {
                let place = if parent.is_empty() { "the file".to_owned() } else { quote(parent) };
                if members.is_empty() {
                    return write!(f, "not found: {place} has no members");
                }
                let listed: Vec<String> = members.iter().take(MAX_LISTED).map(|name| quote(name)).collect();
                write!(f, "not found: {place} has {}", listed.join(", "))?;
                match members.len().saturating_sub(MAX_LISTED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Duplicate(count) => write!(f, "found {count} times: expected once"),
            Self::DuplicateParent(parent, count) => {
                write!(
                    f,
                    "{} was found {count} times, expected once: programs differ in the one that they read",
                    quote(parent)
                )
            }
            Self::NotText(kind) => write!(f, "expected a string, found {kind}"),
            Self::Unsafe(why) => write!(f, "the value {why}"),
            Self::NotAToken => f.write_str("the value is not a token"),
            Self::Verification => {
                f.write_str("the new value would change other members: nothing was written")
            }
        }
    }
}
