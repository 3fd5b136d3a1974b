//! One object of the configuration: members looked up as the server does, types checked, what
//! is duplicate or unknown reported.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::json::JsonNode;
use super::origin::{Origin, Value};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::suggest::nearest;

/// How many unknown keys of a section are named.
const SHOWN_UNKNOWN: usize = 10;

/// Errors and notes of a configuration.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<ConfigError>,
    pub(super) notes: Notes,
}

/// The state of a section in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SectionState {
    /// There is no member with this exact name.
    #[default]
    Missing,
    /// The member is `null`.
    Null,
    /// The section exists.
    Present,
}

/// Whether two member names are one for Go's `encoding/json`: equal but for case.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    // Go's folding has two letters outside ASCII that fold into it.
    let plain = |text: &str| text.replace('\u{17f}', "s").replace('\u{212a}', "k");
    let is_ascii = a.is_ascii() && b.is_ascii();
    a.eq_ignore_ascii_case(b) || (!is_ascii && plain(a).eq_ignore_ascii_case(&plain(b)))
}

/// An object; a duplicate one is merged with the first, as in Go.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a Path,
    /// The keys above, such as `auth.jwts`; empty at the root.
    path: String,
    members: Vec<(&'a str, &'a JsonNode)>,
    /// The names that were asked for.
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The section of one or several objects.
    pub(super) fn new(
        file: &'a Path,
        path: &str,
        nodes: impl IntoIterator<Item = &'a JsonNode>,
        findings: &mut Findings,
    ) -> Self {
        let mut members = Vec::new();
        for node in nodes {
            match node {
                JsonNode::Object(object) => {
                    members.extend(object.iter().map(|(name, node)| (name.as_str(), node)))
                }
                JsonNode::Null => {}
                other => findings.errors.push(ConfigError::Type {
                    path: file.to_owned(),
                    key: path.to_owned(),
                    found: other.describe(),
                    expected: "an object",
                }),
            }
        }
        Self { file, path: path.to_owned(), members, known: Vec::new() }
    }

    /// Its file.
    pub(super) const fn file(&self) -> &'a Path {
        self.file
    }

    /// The names of its members, as they stand.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.members.iter().map(|(name, _)| *name)
    }

    /// Its members, as they stand.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, &'a JsonNode)> + '_ {
        self.members.iter().copied()
    }

    /// Its members, each a section of its own.
    pub(super) fn entries(&self, findings: &mut Findings) -> Vec<(&'a str, Self)> {
        self.members
            .iter()
            .map(|(name, node)| (*name, Self::new(self.file, &self.key(name), [*node], findings)))
            .collect()
    }

    /// The state of a section whose name the server compares exactly; the last of several
    /// wins. A member whose name differs by case only is another member for the server.
    pub(super) fn exact_state(&self, name: &str) -> SectionState {
        match self.members.iter().rfind(|(member, _)| *member == name) {
            None => SectionState::Missing,
            Some((_, JsonNode::Null)) => SectionState::Null,
            Some(_) => SectionState::Present,
        }
    }

    /// The names of the members that differ from `name` by case only.
    pub(super) fn misspellings<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.names().filter(move |member| *member != name && same_name(member, name))
    }

    /// The section below whose name the server matches to the letter, and of which only the last
    /// one counts. Warns about duplicates and about names that differ by case.
    pub(super) fn exact_section(&mut self, name: &'static str, findings: &mut Findings) -> Option<Self> {
        self.known.push(name);
        let nodes: Vec<&'a JsonNode> =
            self.members.iter().filter(|(member, _)| *member == name).map(|(_, node)| *node).collect();
        let mut misspelled: Vec<&str> = Vec::new();
        for found in self.misspellings(name) {
            if !misspelled.contains(&found) && misspelled.len() < SHOWN_UNKNOWN {
                misspelled.push(found);
            }
        }
        for found in misspelled {
            findings.notes.warn_with(
                "config-member-case",
                format!(
                    "{}: {} is ignored, by the server as well: the names of sections are case-sensitive",
                    quote_path(self.file),
                    quote(&self.key(found)),
                ),
                format!("rename it to \"{name}\""),
            );
        }
        if nodes.len() > 1 {
            findings.notes.warn(
                "config-duplicate-member",
                format!(
                    "{}: duplicate section {} ({} times): the last one wins, for the server as well",
                    quote_path(self.file),
                    quote(&self.key(name)),
                    nodes.len()
                ),
            );
        }
        let last = nodes.last().filter(|node| ***node != JsonNode::Null)?;
        Some(Section::new(self.file, &self.key(name), [*last], findings))
    }

    /// The member with exactly this name, the last of several.
    pub(super) fn exact_member(&self, name: &str) -> Option<&'a JsonNode> {
        self.members.iter().rfind(|(member, _)| *member == name).map(|(_, node)| *node)
    }

    /// Whether a member of this name exists and is not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, node)| same_name(member, name) && **node != JsonNode::Null)
    }

    /// A member's name with those above it.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn origin(&self, name: &str) -> Origin {
        Origin::File { path: self.file.to_owned(), key: self.key(name) }
    }

    fn type_error(&self, name: &str, node: &JsonNode, expected: &'static str) -> ConfigError {
        ConfigError::Type {
            path: self.file.to_owned(),
            key: self.key(name),
            found: node.describe(),
            expected,
        }
    }

    /// The section below; all objects of that name together.
    pub(super) fn section(&mut self, name: &'static str, findings: &mut Findings) -> Option<Self> {
        self.known.push(name);
        if !self.has(name) {
            return None;
        }
        let nodes: Vec<&JsonNode> = self
            .members
            .iter()
            .filter(|(member, _)| same_name(member, name))
            .map(|(_, node)| *node)
            .collect();
        if nodes.len() > 1 {
            findings.notes.warn(
                "config-duplicate-member",
                format!(
                    "{}: duplicate {} ({} times): they are merged, the last value of a member wins",
                    quote_path(self.file),
                    quote(&self.key(name)),
                    nodes.len()
                ),
            );
        }
        Some(Section::new(self.file, &self.key(name), nodes, findings))
    }

    /// A member that is there and not null. Of several with one name the last counts; of several
    /// spellings the first given here.
    pub(super) fn member(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<(&'a str, &'a JsonNode)> {
        self.known.extend(spellings);
        let mut chosen = None;
        for spelling in spellings {
            let mut found = self.members.iter().filter(|(member, _)| same_name(member, spelling));
            let Some(last) = found.next_back() else { continue };
            let doubles = found.count();
            if doubles > 0 {
                findings.notes.warn(
                    "config-duplicate-member",
                    format!(
                        "{}: duplicate {} ({} times): the last one wins",
                        quote_path(self.file),
                        quote(&self.key(spelling)),
                        doubles + 1
                    ),
                );
            }
            match chosen {
                None => chosen = Some(*last),
                Some((name, _)) => findings.notes.warn(
                    "config-duplicate-member",
                    format!(
                        "{}: both {} and {} are set: the first one wins",
                        quote_path(self.file),
                        quote(&self.key(name)),
                        quote(&self.key(last.0))
                    ),
                ),
            }
        }
        chosen.filter(|(_, node)| **node != JsonNode::Null)
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<String>> {
        let (name, node) = self.member(spellings, findings)?;
        match node {
            JsonNode::Text(text) => Some(Value::new(text.clone(), self.origin(name))),
            other => {
                findings.errors.push(self.type_error(name, other, "a string"));
                None
            }
        }
    }

    /// A string that is not empty; an empty one is treated as unset.
    pub(super) fn some_text(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<String>> {
        self.text(spellings, findings).filter(|text| !text.value.is_empty())
    }

    /// A path.
    pub(super) fn path(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<PathBuf>> {
        self.some_text(spellings, findings).map(|text| Value::new(PathBuf::from(text.value), text.origin))
    }

    /// A boolean; false by default.
    pub(super) fn switch(&mut self, spellings: &[&'static str], findings: &mut Findings) -> Value<bool> {
        match self.member(spellings, findings) {
            None => Value::by_default(false),
            Some((name, JsonNode::Bool(value))) => Value::new(*value, self.origin(name)),
            Some((name, other)) => {
                findings.errors.push(self.type_error(name, other, "true or false"));
                Value::by_default(false)
            }
        }
    }

    /// Strings: an array of them, or one string that is split at commas and spaces.
    pub(super) fn texts(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        let split = |text: &str| {
            let pieces = text.split(|c: char| c == ',' || c.is_whitespace());
            pieces.filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
        };
        self.list(spellings, split, findings)
    }

    /// Distinguished names: a list of them, or one, which has commas of its own.
    pub(super) fn distinguished_names(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        self.list(spellings, |text| vec![text.to_owned()], findings)
    }

    fn list(
        &mut self,
        spellings: &[&'static str],
        split: impl Fn(&str) -> Vec<String>,
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        let (name, node) = self.member(spellings, findings)?;
        let texts = match node {
            JsonNode::Text(text) => Some(split(text)),
            JsonNode::List(items) => items
                .iter()
                .map(|item| match item {
                    JsonNode::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        match texts {
            Some(texts) => Some(Value::new(texts, self.origin(name))),
            None => {
                findings.errors.push(self.type_error(name, node, "a string or an array of strings"));
                None
            }
        }
    }

    /// A list of strings, and nothing else.
    pub(super) fn string_list(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        let (name, node) = self.member(spellings, findings)?;
        if matches!(node, JsonNode::List(_)) {
            return self.texts(spellings, findings);
        }
        findings.errors.push(self.type_error(name, node, "an array of strings"));
        None
    }

    /// Whether an object of this name exists.
    pub(super) fn has_object(&mut self, spellings: &[&'static str], findings: &mut Findings) -> bool {
        match self.member(spellings, findings) {
            None => false,
            Some((_, JsonNode::Object(_))) => true,
            Some((name, other)) => {
                findings.errors.push(self.type_error(name, other, "an object"));
                false
            }
        }
    }

    /// A duration: Go's text form, or the JSON number 0. An empty text is none at all.
    pub(super) fn duration(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Option<GoDuration>>> {
        let (name, node) = self.member(spellings, findings)?;
        let duration = match node {
            JsonNode::Text(text) if text.is_empty() => None,
            JsonNode::Text(text) => match text.parse() {
                Ok(duration) => Some(duration),
                Err(error) => {
                    findings.errors.push(ConfigError::Duration {
                        path: self.file.to_owned(),
                        key: self.key(name),
                        suggestion: super::error::in_go_units(text),
                        error,
                    });
                    return None;
                }
            },
            JsonNode::Number(number) if number.as_f64() == Some(0.0) => None,
            other => {
                findings.errors.push(self.type_error(name, other, "a duration as a string, such as \"24h\""));
                return None;
            }
        };
        Some(Value::new(duration, self.origin(name)))
    }

    /// An object without changes; a duplicate member is an error.
    pub(super) fn raw(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<serde_json::Map<String, serde_json::Value>>> {
        let (name, node) = self.member(spellings, findings)?;
        match node.to_value() {
            Ok(serde_json::Value::Object(object)) => Some(Value::new(object, self.origin(name))),
            Ok(_) => {
                findings.errors.push(self.type_error(name, node, "an object"));
                None
            }
            Err(mut above) => {
                let member = above.pop().unwrap_or_default();
                above.insert(0, self.key(name));
                findings.errors.push(ConfigError::Duplicate {
                    path: self.file.to_owned(),
                    key: above.join("."),
                    member,
                });
                None
            }
        }
    }

    /// Warns about every member that is not known; `old` maps spellings of older versions, which
    /// the server no longer reads here, to today's.
    pub(super) fn warn_unknown(&self, old: &[(&str, &str)], findings: &mut Findings) {
        // A section whose name differs by case only has a warning of its own.
        let unknown = |name: &str| !self.known.iter().any(|known| same_name(known, name));
        let count = self.members.iter().filter(|(name, _)| unknown(name)).count();
        if count > SHOWN_UNKNOWN {
            findings.notes.warn(
                "config-unknown-member",
                format!(
                    "{}: {count} keys of {} are unknown: the first {SHOWN_UNKNOWN} are named",
                    quote_path(self.file),
                    quote(&self.path)
                ),
            );
        }
        for (name, _) in self.members.iter().filter(|(name, _)| unknown(name)).take(SHOWN_UNKNOWN) {
            let today = old.iter().find(|(old, _)| same_name(old, name)).map(|(_, today)| *today);
            let meant = match today {
                Some(today) => format!(": it is spelled {} today", quote(today)),
                None => nearest(name, self.known.iter().copied())
                    .map_or_else(String::new, |known| format!(": did you mean {}?", quote(known))),
            };
            findings.notes.warn(
                "config-unknown-member",
                format!(
                    "{}: unknown key {} is ignored, by the server as well{meant}",
                    quote_path(self.file),
                    quote(&self.key(name)),
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_names_are_compared_as_go_folds_them() {
        for (one, other) in [("Ldap", "ldap"), ("u\u{17f}er", "USER"), ("\u{212a}ey", "key")] {
            assert!(same_name(one, other), "{one} and {other}");
            assert!(same_name(other, one), "{other} and {one}");
        }
        for (one, other) in [("ldap", "ldaps"), ("\u{e9}", "\u{c9}"), ("\u{17f}", "k")] {
            assert!(!same_name(one, other), "{one} and {other}");
        }
    }
}
