//! A row of the user table in the journal: all columns, and of the password only whether there is one.
//!
//! Each value reads back as it was stored. Text, NULL and a list in the usual form are written as JSON has
//! them; another value is written in its exact form ([`StoredValue::to_exact`]).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::{AuthSource, PasswordHash};

/// Whether a row has a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PasswordState {
    /// No password.
    None,
    /// A password.
    Set,
    /// A password that no login accepts, as 'cc-user disable' leaves it.
    Locked,
}

impl PasswordState {
    /// The state of a column.
    #[must_use]
    pub fn of(value: &StoredValue) -> Self {
        match value.lossy() {
            None => Self::None,
            Some(text) if text.is_empty() => Self::None,
            Some(text) if PasswordHash::from_stored(text.clone()).is_locked() => Self::Locked,
            Some(_) => Self::Set,
        }
    }
}

/// A row without its username and password.
#[derive(Debug, Clone, PartialEq)]
pub struct RowImage {
    /// The number of the auth source.
    pub source: StoredValue,
    /// The full name.
    pub name: StoredValue,
    /// The mail address.
    pub email: StoredValue,
    /// The roles.
    pub roles: StoredValue,
    /// The projects.
    pub projects: StoredValue,
    /// Whether there is a password.
    pub password: PasswordState,
}

impl RowImage {
    /// The image of a row.
    #[must_use]
    pub fn of(row: &StoredRow) -> Self {
        Self {
            source: row.source.clone(),
            name: row.name.clone(),
            email: row.email.clone(),
            roles: row.roles.clone(),
            projects: row.projects.clone(),
            password: PasswordState::of(row.password.expose()),
        }
    }

    /// Whether the server reads the row like this image.
    #[must_use]
    pub fn reads_like(&self, row: &StoredRow) -> bool {
        self.source == row.source
            && self.name.reads_like(&row.name)
            && self.email.reads_like(&row.email)
            && self.roles.reads_like(&row.roles)
            && self.projects.reads_like(&row.projects)
            && self.password == PasswordState::of(row.password.expose())
    }

    /// The auth source.
    #[must_use]
    pub fn auth_source(&self) -> AuthSource {
        match self.source {
            StoredValue::Integer(number) => AuthSource::from_number(number),
            _ => AuthSource::Unknown(-1),
        }
    }
}

/// The members of a row in the journal.
#[derive(Serialize)]
struct Members<'row> {
    source: SourceOut<'row>,
    name: TextOut<'row>,
    email: TextOut<'row>,
    roles: ListOut<'row>,
    projects: ListOut<'row>,
    password: PasswordState,
}

/// A stored row as it is written into the journal.
pub(super) struct RowOut<'row>(pub(super) &'row StoredRow);

impl Serialize for RowOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        Members {
            source: SourceOut(&row.source),
            name: TextOut(&row.name),
            email: TextOut(&row.email),
            roles: ListOut(&row.roles),
            projects: ListOut(&row.projects),
            password: PasswordState::of(row.password.expose()),
        }
        .serialize(serializer)
    }
}

impl Serialize for RowImage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Members {
            source: SourceOut(&self.source),
            name: TextOut(&self.name),
            email: TextOut(&self.email),
            roles: ListOut(&self.roles),
            projects: ListOut(&self.projects),
            password: self.password,
        }
        .serialize(serializer)
    }
}

/// A text.
pub(super) struct TextOut<'row>(pub(super) &'row StoredValue);

impl Serialize for TextOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            StoredValue::Null => serializer.serialize_unit(),
            StoredValue::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => exact(self.0, serializer),
            },
            _ => exact(self.0, serializer),
        }
    }
}

/// A list in the form in which it is stored as a rule.
struct ListOut<'row>(&'row StoredValue);

impl Serialize for ListOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let usual = match self.0 {
            StoredValue::Text(bytes) => std::str::from_utf8(bytes).ok().filter(|text| is_usual(text)),
            _ => None,
        };
        match usual.map(serde_json::from_str::<&RawValue>) {
            Some(Ok(list)) => list.serialize(serializer),
            _ => exact(self.0, serializer),
        }
    }
}

/// The auth source by its name.
struct SourceOut<'row>(&'row StoredValue);

impl Serialize for SourceOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            StoredValue::Integer(number) => match AuthSource::from_number(*number) {
                AuthSource::Unknown(_) => exact(self.0, serializer),
                known => serializer.serialize_str(known.name()),
            },
            _ => exact(self.0, serializer),
        }
    }
}

fn exact<S: Serializer>(value: &StoredValue, serializer: S) -> Result<S::Ok, S::Error> {
    match RawValue::from_string(value.to_exact()) {
        Ok(raw) => raw.serialize(serializer),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

/// Whether a list reads back as the same text.
fn is_usual(text: &str) -> bool {
    if is_plain(text) {
        return true;
    }
    let Ok(list) = serde_json::from_str::<Vec<String>>(text) else { return false };
    let usual = Value::from(list).to_string();
    usual == text
}

/// Whether a list is in the usual form by its bytes alone: no blanks between the entries, no escapes.
fn is_plain(text: &str) -> bool {
    if text == "[]" {
        return true;
    }
    let entries = text.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]"));
    let is_plain = |entry: &str| !entry.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'));
    entries.is_some_and(|entries| entries.split("\",\"").all(is_plain))
}

/// Reads a value; `None` if it is not one of the journal.
pub(super) fn value_in(value: &Value) -> Option<StoredValue> {
    match value {
        Value::Null => Some(StoredValue::Null),
        Value::String(text) => Some(StoredValue::text(text.as_str())),
        Value::Array(list) if list.iter().all(Value::is_string) => Some(StoredValue::text(value.to_string())),
        Value::Object(_) => StoredValue::from_exact(&value.to_string()),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for RowImage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct In {
            source: Value,
            name: Value,
            email: Value,
            roles: Value,
            projects: Value,
            password: PasswordState,
        }
        let In { source, name, email, roles, projects, password } = In::deserialize(deserializer)?;
        let read = |value: &Value| value_in(value).ok_or_else(|| D::Error::custom("not a value of a column"));
        let source = match &source {
            Value::String(name) => {
                let source: AuthSource = name.parse().map_err(|_| D::Error::custom("not an auth source"))?;
                StoredValue::Integer(source.number())
            }
            other => read(other)?,
        };
        Ok(Self {
            source,
            name: read(&name)?,
            email: read(&email)?,
            roles: read(&roles)?,
            projects: read(&projects)?,
            password,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::exchange::StoredPassword;

    #[test]
    fn row_of_any_values_reads_back_and_has_no_password() {
        let values = [
            StoredValue::Null,
            StoredValue::Integer(7),
            StoredValue::Real(f64::INFINITY),
            StoredValue::text("[\"user\"]"),
            StoredValue::text("[ \"user\",null]"),
            StoredValue::text("[\"a\\u0062\"]"),
            StoredValue::text("[\"a\", \"b\"]"),
            StoredValue::text("[\"a\",\"b\",\"\"]"),
            StoredValue::text("[\"]"),
            StoredValue::text("[\"a\",\"]"),
            StoredValue::text("[\"\\\"]"),
            StoredValue::text("garbage\u{202e}\n"),
            StoredValue::Text(vec![0xff]),
            StoredValue::Blob(b"[\"api\"]".to_vec()),
        ];
        for value in values {
            let row = StoredRow {
                username: StoredValue::text("anna"),
                name: value.clone(),
                email: value.clone(),
                roles: value.clone(),
                projects: value.clone(),
                source: value.clone(),
                password: StoredPassword::new(StoredValue::text("$2a$10$secret")),
            };
            let text = serde_json::to_string(&RowOut(&row)).unwrap();
            assert!(!text.contains("secret"), "{text}");
            let read: RowImage = serde_json::from_str(&text).unwrap();
            assert_eq!(read, RowImage::of(&row), "{text}");
            assert!(read.reads_like(&row));
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn password_state_is_none_set_or_locked() {
        for (value, state) in [
            (StoredValue::Null, PasswordState::None),
            (StoredValue::text(""), PasswordState::None),
            (StoredValue::text("$2a$10$x"), PasswordState::Set),
            (StoredValue::text("!$2a$10$x"), PasswordState::Locked),
        ] {
            assert_eq!(PasswordState::of(&value), state);
        }
    }
}
