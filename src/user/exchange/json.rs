//! JSON lines: an object a line.
//!
//! A list is written as it is stored, so that it reads back byte for byte; a value that has no
//! plain form is written in its exact form ([`StoredValue::to_exact`]).
//!
//! A line is read member by member ([`json::first_value`]) and not as a tree, because the text of a list
//! is stored as it is written and an error has the column of its member. A duplicate member is an
//! error.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::entry::{self, Column, UserEntry};
use super::error::{EntryError, resembles};
use super::row::StoredRow;
use super::value::{ExactValue, StoredValue, list};
use crate::util::json::{self, JsonError, JsonErrorKind};
use crate::util::json_text::serialize_json;
use crate::util::quote::{escape_json, is_hidden};

/// Reads the users of a file of JSON lines one by one; a byte order mark and blank lines are
/// skipped.
#[derive(Debug)]
pub struct JsonLinesReader<'bytes> {
    rest: Option<&'bytes [u8]>,
    line: u64,
}

impl<'bytes> JsonLinesReader<'bytes> {
    /// A reader at the beginning of the file.
    #[must_use]
    pub fn new(bytes: &'bytes [u8]) -> Self {
        Self { rest: Some(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)), line: 0 }
    }
}

impl Iterator for JsonLinesReader<'_> {
    type Item = (u64, Result<UserEntry, EntryError>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest?;
            self.line += 1;
            let line = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let (line, after) = rest.split_at(end);
                    self.rest = after.get(1..);
                    line
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            if !line.trim_ascii().is_empty() {
                let text = std::str::from_utf8(line).map_err(|_| EntryError::NotUtf8);
                return Some((self.line, text.and_then(|text| entry(self.line, text))));
            }
        }
    }
}

/// A place in a line of JSON.
struct Cursor<'text> {
    text: &'text str,
    at: usize,
}

impl<'text> Cursor<'text> {
    fn rest(&self) -> &'text str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    const fn error(&self, message: &'static str) -> EntryError {
        EntryError::Json { column: self.at + 1, message }
    }

    /// Whether this byte follows; it is passed then.
    fn skip_byte(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// The text of the next value.
    fn value(&mut self) -> Result<&'text str, EntryError> {
        self.skip_blanks();
        let begin = self.at;
        match json::first_value(self.rest()) {
            Ok(Some(length)) => {
                self.at = begin + length;
                Ok(self.text.get(begin..self.at).unwrap_or_default())
            }
            Err(JsonError { problem: JsonErrorKind::EarlyEnd(_), .. }) => {
                self.at = self.text.len();
                Err(self.error("the line ends inside a value"))
            }
            Err(error) => {
                self.at = begin + error.column.saturating_sub(1);
                Err(self.error("invalid JSON"))
            }
            Ok(None) => Err(self.error("the line ends too early")),
        }
    }
}

fn entry(line: u64, text: &str) -> Result<UserEntry, EntryError> {
    let mut cursor = Cursor { text, at: 0 };
    if !cursor.skip_byte(b'{') {
        return Err(cursor.error("expected a JSON object"));
    }
    let mut entry = UserEntry::new(line, StoredValue::Null);
    let mut seen = Vec::new();
    if !cursor.skip_byte(b'}') {
        loop {
            cursor.skip_blanks();
            let begin = cursor.at;
            let key = cursor.value()?;
            let Some(key) = parse::<String>(key) else {
                return Err(EntryError::Json { column: begin + 1, message: "expected the name of a member" });
            };
            let Some(column) = Column::of(&key) else {
                let (near, is_password) = resembles(&key);
                return Err(EntryError::UnknownMember { column: begin + 1, near, is_password });
            };
            if seen.contains(&column) {
                return Err(EntryError::DuplicateMember(column.name()));
            }
            seen.push(column);
            if !cursor.skip_byte(b':') {
                return Err(cursor.error("expected ':'"));
            }
            match read(column, cursor.value()?) {
                Ok(Some(value)) => entry.set(column, value),
                Ok(None) => {}
                Err(problem) if column == Column::Username => return Err(problem),
                Err(problem) => entry.errors.push(problem),
            }
            if cursor.skip_byte(b'}') {
                break;
            }
            if !cursor.skip_byte(b',') {
                return Err(cursor.error("expected ',' or '}'"));
            }
        }
    }
    cursor.skip_blanks();
    if !cursor.rest().is_empty() {
        return Err(cursor.error("text after the object"));
    }
    if !seen.contains(&Column::Username) {
        return Err(EntryError::MissingUsername);
    }
    Ok(entry)
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// The value of a member; `None` if `null` means that it is unset.
fn read(column: Column, text: &str) -> Result<Option<StoredValue>, EntryError> {
    if let Some(exact) = StoredValue::from_exact(text) {
        return Ok(Some(exact));
    }
    let wrong = |expected| EntryError::InvalidType { column: column.name(), expected };
    match column {
        Column::Roles | Column::Projects => match list(text) {
            Some(_) => Ok(Some(StoredValue::text(text))),
            None => Err(wrong("an array of strings")),
        },
        Column::Source if text == "null" => Ok(None),
        Column::Name | Column::Email | Column::Password if text == "null" => Ok(Some(StoredValue::Null)),
        Column::Source => {
            let number = parse::<i64>(text).map(|number| number.to_string());
            let text =
                number.or_else(|| parse::<String>(text)).ok_or_else(|| wrong("a string or a number"))?;
            entry::source(&text).map(Some)
        }
        Column::Password => {
            let text = parse::<String>(text).ok_or_else(|| wrong("a string or null"))?;
            entry::password(&text).map(Some)
        }
        Column::Username => match parse::<String>(text) {
            Some(text) => Ok(Some(StoredValue::text(text))),
            None => Err(wrong("a string")),
        },
        Column::Name | Column::Email => match parse::<String>(text) {
            Some(text) => Ok(Some(StoredValue::text(text))),
            None => Err(wrong("a string or null")),
        },
    }
}

/// A user as `cc-user export` writes it and `cc-user import` reads it. A value that has no plain form is
/// an object with one member: text, text_hex, blob_hex, integer, real or null.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExportedUser<'row> {
    /// The username.
    #[cfg_attr(test, schemars(schema_with = "schema::text"))]
    username: ExportedValue<'row>,
    /// The full name, or null.
    #[cfg_attr(test, schemars(schema_with = "schema::text_or_null"))]
    name: ExportedValue<'row>,
    /// The mail address, or null.
    #[cfg_attr(test, schemars(schema_with = "schema::text_or_null"))]
    email: ExportedValue<'row>,
    /// The roles as stored.
    #[cfg_attr(test, schemars(schema_with = "schema::list"))]
    roles: ExportedValue<'row>,
    /// The projects as stored.
    #[cfg_attr(test, schemars(schema_with = "schema::list"))]
    projects: ExportedValue<'row>,
    /// The auth source: local, ldap, token, oidc, or the number of an unknown one.
    #[cfg_attr(test, schemars(schema_with = "schema::text"))]
    source: ExportedValue<'row>,
    /// The password hash, or null; only with `--with-passwords`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "schema::text_or_null"))]
    password_hash: Option<ExportedValue<'row>>,
}

/// A value of an export.
#[derive(Serialize)]
#[serde(untagged)]
enum ExportedValue<'row> {
    Null,
    Text(Cow<'row, str>),
    List(&'row RawValue),
    Exact(ExactValue),
}

/// The types of exported values.
#[cfg(test)]
mod schema {
    use schemars::{Schema, SchemaGenerator, json_schema};

    pub(super) fn text(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "object"]})
    }

    pub(super) fn text_or_null(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "null", "object"]})
    }

    pub(super) fn list(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["null", "object", "array"], "items": {"type": ["string", "null"]}})
    }
}

impl<'row> ExportedUser<'row> {
    fn new(row: &'row StoredRow, with_password: bool) -> Self {
        let exported = |column: Column| {
            let value = column.value(row);
            plain(column, value).unwrap_or_else(|| ExportedValue::Exact(value.into()))
        };
        Self {
            username: exported(Column::Username),
            name: exported(Column::Name),
            email: exported(Column::Email),
            roles: exported(Column::Roles),
            projects: exported(Column::Projects),
            source: exported(Column::Source),
            password_hash: with_password.then(|| exported(Column::Password)),
        }
    }
}

/// A row as a JSON line, without its end.
#[must_use]
pub fn json_line(row: &StoredRow, with_password: bool) -> String {
    let line = serialize_json(&ExportedUser::new(row, with_password));
    escape_json(&line).into_owned()
}

/// The plain form of a value, where that reads back as a value that the server reads alike.
fn plain(column: Column, value: &StoredValue) -> Option<ExportedValue<'_>> {
    let string = |text| ExportedValue::Text(Cow::Borrowed(text));
    match column {
        Column::Source => entry::plain_source(value).map(|text| ExportedValue::Text(text.into())),
        Column::Name | Column::Email | Column::Password if *value == StoredValue::Null => {
            Some(ExportedValue::Null)
        }
        Column::Username if !matches!(value, StoredValue::Text(_)) => None,
        Column::Username | Column::Name | Column::Email => value.as_text().map(string),
        Column::Password => value.as_text().filter(|text| entry::is_plain_password(text)).map(string),
        Column::Roles | Column::Projects => {
            let text = value.as_text()?;
            // Blanks around it would not be a part of the value.
            let is_bare = text.trim() == text && !text.contains(is_hidden) && list(text).is_some();
            let raw = is_bare.then(|| serde_json::from_str(text).ok()).flatten();
            raw.map(ExportedValue::List)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_line_is_reported_with_its_column_and_without_its_text() {
        for (text, column) in [
            ("[1]", 1),
            ("{", 2),
            ("{\"username\"", 12),
            ("{\"username\":\"hunter2", 21),
            ("{\"username\":\"a\" \"hunter2\":1}", 17),
            ("{\"username\":\"a\"} hunter2", 18),
            ("{\"username\":hunter2}", 13),
            ("{5:\"hunter2\"}", 2),
        ] {
            let read: Vec<_> = JsonLinesReader::new(text.as_bytes()).collect();
            let [(1, Err(problem @ EntryError::Json { column: found, .. }))] = read.as_slice() else {
                panic!("{text}: {read:?}")
            };
            assert_eq!(*found, column, "{text}: {problem}");
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn wrong_type_unknown_and_duplicate_members_are_reported_without_their_text() {
        for text in [
            "{\"username\":5}",
            "{\"hunter2\":\"a\"}",
            "{\"username\":\"a\",\"username\":\"hunter2\"}",
            "{\"name\":\"hunter2\"}",
            "{\"username\":\"a\",\"roles\":\"hunter2\"}",
            "{\"username\":\"a\",\"source\":\"hunter2\"}",
            "{\"username\":\"a\",\"password_hash\":\"hunter2\"}",
        ] {
            let (_, read) = JsonLinesReader::new(text.as_bytes()).next().unwrap();
            let problems = match read {
                Ok(entry) => entry.new_row().unwrap_err(),
                Err(problem) => vec![problem],
            };
            for problem in problems {
                assert!(!problem.to_string().contains("hunter2"), "{problem}");
            }
        }
    }

    #[test]
    fn exported_line_has_the_members_of_its_schema_in_order() {
        let schema = schemars::schema_for!(ExportedUser<'_>).to_value();
        let members: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, super::super::MEMBERS);
        let row = StoredRow {
            username: StoredValue::Blob(b"a".to_vec()),
            name: StoredValue::Null,
            email: StoredValue::Real(f64::INFINITY),
            roles: StoredValue::text("[ \"user\",null]"),
            projects: StoredValue::text(" []"),
            source: StoredValue::Integer(9),
            password: super::super::value::StoredPassword::new(StoredValue::text("plain")),
        };
        assert_eq!(
            json_line(&row, true),
            r#"{"username":{"blob_hex":"61"},"name":null,"email":{"real":"inf"},"roles":[ "user",null],"projects":{"text":" []"},"source":"9","password_hash":{"text":"plain"}}"#
        );
    }

    #[test]
    fn null_replaces_a_value_and_a_missing_member_does_not() {
        let text = |text: &str| StoredValue::text(text);
        let there = StoredRow {
            username: text("a"),
            name: text("A"),
            email: text("a@example.org"),
            roles: text("[\"user\"]"),
            projects: text("[]"),
            source: StoredValue::Integer(0),
            password: super::super::value::StoredPassword::new(text("x")),
        };
        let changed = |line: &str| {
            let (_, read) = JsonLinesReader::new(line.as_bytes()).next().unwrap();
            read.unwrap().updated_row(&there).unwrap()
        };
        assert_eq!(changed("{\"username\":\"a\"}"), there);
        let row = changed("{\"username\":\"a\",\"name\":null,\"email\":null,\"password_hash\":null}");
        assert_eq!((row.name, row.email), (StoredValue::Null, StoredValue::Null));
        assert_eq!(*row.password.expose(), StoredValue::Null);
        assert_eq!(changed("{\"username\":\"a\",\"name\":\"B\"}").name, text("B"));
    }
}
