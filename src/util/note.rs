//! Notes and warnings as values: the library collects them, the command line prints them.

use std::collections::HashSet;

use serde::Serialize;

/// The severity of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Information.
    Note,
    /// Something that is allowed but probably a mistake.
    Warning,
    /// A secret may be disclosed, or other accounts can change a file. Printed even with `-q`.
    Danger,
}

/// A note or a warning that accompanies a result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// The severity.
    pub level: Level,
    /// The name of the check ([`super::check`]); every warning has one.
    pub check: Option<&'static str>,
    /// The message: one line, lower case, untrusted parts quoted.
    pub text: String,
    /// The next step for the user.
    pub hint: Option<String>,
}

/// An ordered list of notes without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    list: Vec<Note>,
    seen: HashSet<Note>,
}

impl Notes {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.add(Note { level: Level::Note, check: None, text: text.into(), hint: None });
    }

    /// Adds a warning.
    pub fn warn(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(Note { level: Level::Warning, check: Some(check), text: text.into(), hint: None });
    }

    /// Adds a warning with a hint.
    pub fn warn_with(&mut self, check: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into());
        self.add(Note { level: Level::Warning, check: Some(check), text: text.into(), hint });
    }

    /// Adds a [`Level::Danger`] warning.
    pub fn danger(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(Note { level: Level::Danger, check: Some(check), text: text.into(), hint: None });
    }

    /// Adds a [`Level::Danger`] warning with a hint.
    pub fn danger_with(&mut self, check: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into());
        self.add(Note { level: Level::Danger, check: Some(check), text: text.into(), hint });
    }

    /// Adds a warning from a report.
    pub fn add_warning(&mut self, warning: Warning) {
        let Warning { check, message, hint } = warning;
        self.add(Note { level: Level::Warning, check: Some(check), text: message, hint });
    }

    /// Adds a note unless the list contains it already.
    pub fn add(&mut self, note: Note) {
        if self.seen.insert(note.clone()) {
            self.list.push(note);
        }
    }

    /// Moves the notes of another list into this one.
    pub fn append(&mut self, other: Self) {
        for note in other.list {
            self.add(note);
        }
    }

    /// Iterates over the notes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Note> {
        self.list.iter()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl FromIterator<Note> for Notes {
    fn from_iter<I: IntoIterator<Item = Note>>(notes: I) -> Self {
        let mut list = Self::new();
        notes.into_iter().for_each(|note| list.add(note));
        list
    }
}

impl IntoIterator for Notes {
    type Item = Note;
    type IntoIter = std::vec::IntoIter<Note>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

/// A warning in a report: something that is allowed but probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warning {
    /// The check that warns, a stable name
    pub check: &'static str,
    /// The condition, in one line
    pub message: String,
    /// The next thing to do
    pub hint: Option<String>,
}

impl Warning {
    /// Creates a warning without a hint.
    pub fn new(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, message: message.into(), hint: None }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_duplicate_is_added_once() {
        let mut notes = Notes::new();
        notes.warn("roles", "a");
        notes.warn("roles", "a");
        notes.note("a");
        assert_eq!(notes.iter().count(), 2);
    }
}
