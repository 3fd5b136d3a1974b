//! An object of the configuration. Looks up members as the server does, checks types, and reports
//! duplicate and unknown members.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::json::describe;
use super::origin::{Origin, Value};
use crate::util::duration::GoDuration;
use crate::util::json::JsonNode;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::suggest::nearest;

/// The maximum number of unknown keys of a section in a message.
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
    /// The configuration has no member with this exact name.
    #[default]
    Missing,
    /// The member is `null`.
    Null,
    /// The section exists.
    Present,
}

/// Whether Go's `encoding/json` treats two member names as equal: it ignores case.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    // Go's case folding maps two characters outside ASCII to ASCII letters.
    let plain = |text: &str| text.replace('\u{17f}', "s").replace('\u{212a}', "k");
    let is_ascii = a.is_ascii() && b.is_ascii();
    a.eq_ignore_ascii_case(b) || (!is_ascii && plain(a).eq_ignore_ascii_case(&plain(b)))
}

/// An object of the configuration; duplicate objects are merged, as in Go.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a Path,
    /// The parent keys, such as `auth.jwts`; empty at the root.
    path: String,
    members: Vec<(&'a str, &'a JsonNode)>,
    /// The member names that were looked up.
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Creates a section from one or several objects.
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
                    found: describe(other),
                    expected: "an object",
                }),
            }
        }
        Self { file, path: path.to_owned(), members, known: Vec::new() }
    }

    /// The configuration file.
    pub(super) const fn file(&self) -> &'a Path {
        self.file
    }

    /// The names of the members, unchanged.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.members.iter().map(|(name, _)| *name)
    }

    /// The members, with unchanged names.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, &'a JsonNode)> + '_ {
        self.members.iter().copied()
    }

    /// The members as sections.
    pub(super) fn entries(&self, findings: &mut Findings) -> Vec<(&'a str, Self)> {
        self.members
            .iter()
            .map(|(name, node)| (*name, Self::new(self.file, &self.key(name), [*node], findings)))
            .collect()
    }

    /// Returns the state of a section whose name the server compares case-sensitively; the last
    /// duplicate wins. A member whose name differs in case is a different member for the server.
    pub(super) fn exact_state(&self, name: &str) -> SectionState {
        match self.members.iter().rfind(|(member, _)| *member == name) {
            None => SectionState::Missing,
            Some((_, JsonNode::Null)) => SectionState::Null,
            Some(_) => SectionState::Present,
        }
    }

    /// Returns the names of members that differ from `name` only in case.
    pub(super) fn misspellings<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.names().filter(move |member| *member != name && same_name(member, name))
    }

    /// Returns a subsection whose name the server compares case-sensitively and of which the last
    /// duplicate wins. Warns about duplicates and about names that differ only in case.
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

    /// Returns the member with exactly this name; the last duplicate wins.
    pub(super) fn exact_member(&self, name: &str) -> Option<&'a JsonNode> {
        self.members.iter().rfind(|(member, _)| *member == name).map(|(_, node)| *node)
    }

    /// Whether a member with this name exists and is not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, node)| same_name(member, name) && **node != JsonNode::Null)
    }

    /// Returns the full key of a member, with its parent keys.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        Origin::File { path: self.file.to_owned(), key: self.key(name) }
    }

    pub(super) fn type_error(&self, name: &str, node: &JsonNode, expected: &'static str) -> ConfigError {
        ConfigError::Type { path: self.file.to_owned(), key: self.key(name), found: describe(node), expected }
    }

    /// Returns a subsection; all objects with its name are merged.
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

    /// Returns a member that is not null. Of duplicates the last wins; of several spellings the
    /// first in `spellings`.
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

    /// Returns a string member.
    pub(super) fn text(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<String>> {
        let (name, node) = self.member(spellings, findings)?;
        match node {
            JsonNode::String(text) => Some(Value::new(text.clone(), self.origin(name))),
            other => {
                findings.errors.push(self.type_error(name, other, "a string"));
                None
            }
        }
    }

    /// Returns a string member that is not empty; an empty string counts as unset.
    pub(super) fn some_text(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<String>> {
        self.text(spellings, findings).filter(|text| !text.value.is_empty())
    }

    /// Returns a path.
    pub(super) fn path(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<PathBuf>> {
        self.some_text(spellings, findings).map(|text| Value::new(PathBuf::from(text.value), text.origin))
    }

    /// Returns a boolean; false by default.
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

    /// Returns a list of strings: an array, or one string that is split at commas and spaces.
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

    /// Returns a list of distinguished names: an array, or one string, which is not split.
    pub(super) fn distinguished_names(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        self.list(spellings, |text| vec![text.to_owned()], findings)
    }

    pub(super) fn list(
        &mut self,
        spellings: &[&'static str],
        split: impl Fn(&str) -> Vec<String>,
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        let (name, node) = self.member(spellings, findings)?;
        let texts = match node {
            JsonNode::String(text) => Some(split(text)),
            JsonNode::Array(items) => items
                .iter()
                .map(|item| match item {
                    JsonNode::String(text) => Some(text.clone()),
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

    /// Returns a list of strings, which must be an array.
    pub(super) fn string_list(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        let (name, node) = self.member(spellings, findings)?;
        if matches!(node, JsonNode::Array(_)) {
            return self.texts(spellings, findings);
        }
        findings.errors.push(self.type_error(name, node, "an array of strings"));
        None
    }

    /// Whether a member with this name is an object.
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

    /// Returns a duration: a string in Go's syntax, or the JSON number 0. An empty string counts as
    /// unset.
    pub(super) fn duration(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Option<GoDuration>>> {
        let (name, node) = self.member(spellings, findings)?;
        let duration = match node {
            JsonNode::String(text) if text.is_empty() => None,
            JsonNode::String(text) => match text.parse() {
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

    /// Returns an object as JSON; duplicate members are an error.
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

    /// Warns about every unknown member. `old` maps the names of older versions, which the server
    /// no longer reads here, to the current names.
    pub(super) fn warn_unknown(&self, old: &[(&str, &str)], findings: &mut Findings) {
        // A section whose name differs only in case has a warning of its own.
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
    fn same_name_uses_the_case_folding_of_go() {
        for (one, other) in [("Ldap", "ldap"), ("u\u{17f}er", "USER"), ("\u{212a}ey", "key")] {
            assert!(same_name(one, other), "{one} and {other}");
            assert!(same_name(other, one), "{other} and {one}");
        }
        for (one, other) in [("ldap", "ldaps"), ("\u{e9}", "\u{c9}"), ("\u{17f}", "k")] {
            assert!(!same_name(one, other), "{one} and {other}");
        }
    }
}
