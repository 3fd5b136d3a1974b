//! Reads the fields of a role or configuration and collects all errors.

use serde_json::{Map, Value};

use super::error::LoginRoleError;
use super::seconds;
use crate::util::printable::PrintableText;
use crate::util::quote::quote;
use crate::util::suggest::nearest;

const STRING: &str = "a string";
const STRING_LIST: &str = "an array of strings, or one string with commas";
const BOOLEAN: &str = "true or false";
const INTEGER: &str = "a whole number";
const SECONDS: &str = "whole seconds, or a string such as \"300\", \"5m\" or \"1d\"";
const LIFETIME: &str = "seconds that are not negative";

/// The fields of an object and the errors found so far. `null` counts as a missing field.
pub(super) struct Fields<'a> {
    path: String,
    members: &'a Map<String, Value>,
    errors: Vec<LoginRoleError>,
}

impl<'a> Fields<'a> {
    /// Creates a reader of the fields of an object.
    pub(super) fn of(path: &str, value: &'a Value) -> Result<Self, LoginRoleError> {
        match value {
            Value::Object(members) => Ok(Self { path: path.to_owned(), members, errors: Vec::new() }),
            other => Err(LoginRoleError::Type {
                path: path.to_owned(),
                found: describe(other),
                expected: "an object",
            }),
        }
    }

    /// Returns the path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        member_path(&self.path, name)
    }

    pub(super) fn push_error(&mut self, error: LoginRoleError) {
        self.errors.push(error);
    }

    pub(super) fn conflict(&mut self, name: &str, reason: impl Into<String>) {
        let path = self.path(name);
        self.push_error(LoginRoleError::Conflict { path, reason: reason.into() });
    }

    pub(super) fn wrong_type(&mut self, name: &str, found: &Value, expected: &'static str) {
        let path = self.path(name);
        self.push_error(LoginRoleError::Type { path, found: describe(found), expected });
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Returns the value of a field, including `null`.
    pub(super) fn get_or_null(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// Adds an error for every field that is not in `known`.
    pub(super) fn reject_unknown(&mut self, known: &[&'static str]) {
        for name in self.members.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = nearest(name, known.iter().copied());
            let near = near.and_then(|near| known.iter().copied().find(|candidate| *candidate == near));
            // A secret may have been written instead of a name.
            let shown = PrintableText::member(name);
            let path = if shown.as_str() == name {
                member_path(&self.path, name)
            } else {
                format!("{}.{shown}", self.path)
            };
            self.errors.push(LoginRoleError::UnknownField { path, nearest: near });
        }
    }

    /// Reads a string; an integer is converted to one.
    pub(super) fn string(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let text = scalar_to_string(value);
        if text.is_none() {
            self.wrong_type(name, value, STRING);
        }
        text
    }

    /// Reads a string that no error message shows.
    pub(super) fn secret(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                let path = self.path(name);
                self.push_error(LoginRoleError::Type {
                    path,
                    found: "something else".to_owned(),
                    expected: STRING,
                });
                None
            }
        }
    }

    /// Reads an array of strings, or a string split at commas; surrounding white space is removed.
    pub(super) fn strings(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value {
            Value::String(text) if text.is_empty() => Vec::new(),
            Value::String(text) => text.split(',').map(|piece| piece.trim().to_owned()).collect(),
            Value::Array(elements) => {
                let mut strings = Vec::with_capacity(elements.len());
                for (at, element) in elements.iter().enumerate() {
                    match scalar_to_string(element) {
                        Some(text) => strings.push(text.trim().to_owned()),
                        None => self.wrong_type(&format!("{name}[{at}]"), element, STRING),
                    }
                }
                strings
            }
            other => match scalar_to_string(other) {
                Some(text) => vec![text],
                None => {
                    self.wrong_type(name, other, STRING_LIST);
                    Vec::new()
                }
            },
        }
    }

    /// Reads a boolean, or a string or number that Go's `strconv.ParseBool` accepts.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        let flag = match value {
            Value::Bool(flag) => Some(*flag),
            _ => match scalar_to_string(value).as_deref() {
                Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Some(true),
                Some("" | "0" | "f" | "F" | "FALSE" | "false" | "False") => Some(false),
                _ => None,
            },
        };
        if flag.is_none() {
            self.wrong_type(name, value, BOOLEAN);
        }
        flag
    }

    /// Reads one of the known strings; they are case-sensitive.
    pub(super) fn one_of(&mut self, name: &str, known: &[&str]) -> Option<String> {
        let value = self.string(name)?;
        if known.contains(&value.as_str()) {
            return Some(value);
        }
        let path = self.path(name);
        let names: Vec<&str> = known.iter().copied().filter(|value| !value.is_empty()).collect();
        self.push_error(LoginRoleError::Value {
            path,
            found: PrintableText::value(&value).to_string(),
            expected: names.join(" or "),
        });
        None
    }

    /// Reads an integer, also from a string; the empty string is 0.
    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) if text.is_empty() => Some(0),
            // The reference server reads a number that starts with 0 as octal or hexadecimal.
            Value::String(text) if text.len() > 1 && text.trim_start_matches(['+', '-']).starts_with('0') => {
                None
            }
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(name, value, INTEGER);
        }
        number
    }

    /// Reads a duration in seconds, which may be negative.
    pub(super) fn seconds(&mut self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        let seconds = match value {
            Value::Number(number) => number.as_i64().and_then(seconds::checked),
            Value::String(text) => seconds::from_text(text),
            _ => None,
        };
        if seconds.is_none() {
            self.wrong_type(name, value, SECONDS);
        }
        seconds
    }

    /// Reads a duration in seconds, which must not be negative; 0 counts as a missing field.
    pub(super) fn lifetime(&mut self, name: &str) -> Option<i64> {
        let seconds = self.seconds(name)?;
        if seconds < 0 {
            let value = self.get(name)?;
            self.wrong_type(name, value, LIFETIME);
            return None;
        }
        (seconds > 0).then_some(seconds)
    }

    /// Reads an object.
    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let value = self.get(name)?;
        match value {
            Value::Object(members) => Some(members),
            other => {
                self.wrong_type(name, other, "an object");
                None
            }
        }
    }

    /// Returns `value`, or all errors if there are any.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<LoginRoleError>> {
        if self.errors.is_empty() { Ok(value) } else { Err(self.errors) }
    }
}

/// Returns the path of a member; a name with characters other than letters, digits and `_-[]` is quoted.
pub(super) fn member_path(path: &str, name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-[]".contains(c);
    let shown = if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { quote(name) };
    if path.is_empty() { shown } else { format!("{path}.{shown}") }
}

/// Converts a string or an integer to a string. The reference server also converts `true` to `1`, which
/// is a defect and an error here.
pub(super) fn scalar_to_string(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether the reference server reads a string as an address: IPv4 or IPv6, with or without a
/// port. It accepts every string with a `/`, as a network or as the path of a socket.
pub(super) fn is_address(text: &str) -> bool {
    let is_zoned = text.contains('%');
    text.contains('/')
        || (!is_zoned
            && (text.parse::<std::net::IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok()))
}

/// Describes a JSON value for a message.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {}", PrintableText::value(text)),
        Value::Array(elements) if elements.is_empty() => "an empty list".to_owned(),
        Value::Array(elements) => format!("an array of {}", elements.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
