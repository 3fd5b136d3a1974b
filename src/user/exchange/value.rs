//! The exact value of a column, and its form in a file if it does not have a plain one.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::util::json_text::serialize_json;

/// A column's value as SQLite stores it.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredValue {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text; SQLite does not check that it is UTF-8.
    Text(Vec<u8>),
    /// Bytes. The server writes `roles` and `projects` so when it changes them.
    Blob(Vec<u8>),
}

/// The exact form: a JSON object with one member.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExactValue {
    Null(bool),
    Integer(i64),
    /// As text, since JSON has no infinity.
    Real(String),
    Text(String),
    TextHex(String),
    BlobHex(String),
}

impl From<&StoredValue> for ExactValue {
    fn from(value: &StoredValue) -> Self {
        match value {
            StoredValue::Null => Self::Null(true),
            StoredValue::Integer(number) => Self::Integer(*number),
            StoredValue::Real(number) => Self::Real(format!("{number:?}")),
            StoredValue::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::TextHex(HEX.encode(bytes)),
            },
            StoredValue::Blob(bytes) => Self::BlobHex(HEX.encode(bytes)),
        }
    }
}

impl StoredValue {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    /// The content of text or bytes that are UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Null | Self::Integer(_) | Self::Real(_) => None,
        }
    }

    /// The value as a text for messages and reports; none for NULL.
    #[must_use]
    pub fn lossy(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Real(number) => Some(number.to_string()),
            Self::Text(bytes) | Self::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// Whether the server reads both alike: it does not distinguish text from the same bytes.
    #[must_use]
    pub fn reads_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one) | Self::Blob(one), Self::Text(two) | Self::Blob(two)) => one == two,
            _ => self == other,
        }
    }

    /// The entries of a column with a JSON array of strings, as Go reads one: NULL and `null`
    /// have no entries, and a `null` inside is an empty string. None for anything else.
    #[must_use]
    pub fn as_list(&self) -> Option<Vec<String>> {
        match self {
            Self::Null => Some(Vec::new()),
            _ => list(self.as_text()?),
        }
    }

    /// The exact form.
    #[must_use]
    pub fn to_exact(&self) -> String {
        serialize_json(&ExactValue::from(self))
    }

    /// Reads the exact form; none if the text is something else.
    #[must_use]
    pub fn from_exact(text: &str) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        Some(match serde_json::from_str(text).ok()? {
            ExactValue::Null(true) => Self::Null,
            ExactValue::Null(false) => return None,
            ExactValue::Integer(number) => Self::Integer(number),
            ExactValue::Real(number) => Self::Real(number.parse().ok()?),
            ExactValue::Text(text) => Self::text(text),
            ExactValue::TextHex(digits) => Self::Text(HEX.decode(digits.as_bytes()).ok()?),
            ExactValue::BlobHex(digits) => Self::Blob(HEX.decode(digits.as_bytes()).ok()?),
        })
    }
}

/// A JSON array of strings or nulls, or `null`.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    let entries: Option<Vec<Option<String>>> = serde_json::from_str(text).ok()?;
    Some(entries.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
}

/// The value of the password column. It is never shown and is wiped when it is dropped.
#[derive(Clone, PartialEq)]
pub struct StoredPassword(StoredValue);

impl StoredPassword {
    /// Wraps a value without checking it.
    #[must_use]
    pub const fn new(value: StoredValue) -> Self {
        Self(value)
    }

    /// The value itself: for the database column, and for an export with passwords.
    #[must_use]
    pub const fn expose(&self) -> &StoredValue {
        &self.0
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}

impl Drop for StoredPassword {
    fn drop(&mut self) {
        if let StoredValue::Text(bytes) | StoredValue::Blob(bytes) = &mut self.0 {
            bytes.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_form_of_each_value_reads_back() {
        let values = [
            StoredValue::Null,
            StoredValue::Integer(i64::MIN),
            StoredValue::Real(1.5),
            StoredValue::Real(f64::INFINITY),
            StoredValue::text("a\0\"{}\n"),
            StoredValue::Text(vec![0xff, 0]),
            StoredValue::Blob(Vec::new()),
            StoredValue::Blob(b"[\"api\"]".to_vec()),
        ];
        for value in values {
            let exact = value.to_exact();
            assert_eq!(StoredValue::from_exact(&exact).as_ref(), Some(&value), "{exact}");
        }
        for other in
            ["", "{", "{}", "{BCRYPT}x", "{\"text\":1}", "{\"x\":\"y\"}", "{\"text\":\"a\",\"null\":true}"]
        {
            assert_eq!(StoredValue::from_exact(other), None, "{other}");
        }
    }

    #[test]
    fn password_debug_output_has_no_part_of_it() {
        let password = StoredPassword::new(StoredValue::text("$2a$04$secret"));
        assert!(!format!("{password:?}").contains("secret"));
    }
}
