//! Conversion of column values, in every form that the server has written.

use std::borrow::Cow;
use std::fmt;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use crate::user::exchange::{StoredPassword, StoredRow, StoredValue};
use crate::util::json_text::serialize_json;
use crate::util::quote::quote;

/// A column whose content is not what the server reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidColumn {
    /// The column: `roles` or `projects`.
    pub column: &'static str,
    /// The value of the column.
    pub content: String,
}

impl fmt::Display for InvalidColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected a JSON array of strings", self.column, quote(&self.content))
    }
}

/// Returns the text of a text, BLOB or number value; `None` for NULL.
pub(super) fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
    }
}

/// Returns the same as [`text`], without a copy if the value is UTF-8 text.
pub(super) fn lossy(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
        other => text(other).map(Cow::Owned),
    }
}

/// Whether a list contains this entry, or is unreadable and might contain it.
pub(super) fn may_contain(value: ValueRef<'_>, entry: &str) -> bool {
    match value {
        // The most frequent values are recognized without parsing.
        ValueRef::Text(b"[]" | b"[\"user\"]" | b"[\"api\"]") => false,
        other => list(other).map_or(true, |entries| entries.iter().any(|found| found == entry)),
    }
}

/// Whether a list is empty; false if it is unreadable.
pub(super) fn is_empty_list(value: ValueRef<'_>) -> bool {
    match value {
        // The most frequent values are recognized without parsing.
        ValueRef::Text(b"[]") => true,
        ValueRef::Text(b"[\"user\"]" | b"[\"api\"]") => false,
        other => list(other).is_ok_and(|entries| entries.is_empty()),
    }
}

/// A column with a list, which is parsed when it is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListColumn<'row>(pub(super) ValueRef<'row>);

impl<'row> ListColumn<'row> {
    /// A column with this text.
    #[must_use]
    pub const fn from_text(text: &'row str) -> Self {
        Self(ValueRef::Text(text.as_bytes()))
    }

    /// Returns the entries that are not empty; `None` if the server cannot read the column.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<String>> {
        let mut entries = list(self.0).ok()?;
        entries.retain(|entry| !entry.is_empty());
        Some(entries)
    }
}

/// Returns the value as stored.
pub(super) fn stored_value(value: ValueRef<'_>) -> StoredValue {
    match value {
        ValueRef::Null => StoredValue::Null,
        ValueRef::Integer(number) => StoredValue::Integer(number),
        ValueRef::Real(number) => StoredValue::Real(number),
        ValueRef::Text(bytes) => StoredValue::Text(bytes.to_vec()),
        ValueRef::Blob(bytes) => StoredValue::Blob(bytes.to_vec()),
    }
}

/// A row of [`super::layout::Layout::select_stored`], whose columns begin at `first`.
pub(super) fn stored_row(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredRow> {
    let value = |index: usize| row.get_ref(first + index).map(stored_value);
    Ok(StoredRow {
        username: value(0)?,
        source: value(1)?,
        name: value(2)?,
        roles: value(3)?,
        email: value(4)?,
        projects: value(5)?,
        password: StoredPassword::new(value(6)?),
    })
}

/// A stored value as a parameter of a statement.
pub(super) struct SqlValue<'value>(pub(super) &'value StoredValue);

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            StoredValue::Null => ValueRef::Null,
            StoredValue::Integer(number) => ValueRef::Integer(*number),
            StoredValue::Real(number) => ValueRef::Real(*number),
            StoredValue::Text(bytes) => ValueRef::Text(bytes),
            StoredValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Returns the number of the auth source; -1 if the value is not a number.
pub(super) fn source_number(value: ValueRef<'_>) -> i64 {
    match value {
        ValueRef::Integer(number) => number,
        other => text(other).and_then(|text| text.trim().parse().ok()).unwrap_or(-1),
    }
}

/// Parses a JSON array of strings as Go does: NULL and `null` are an empty list, a `null` entry is
/// an empty string.
///
/// # Errors
/// The unchanged text if it is not such an array.
pub(super) fn list(value: ValueRef<'_>) -> Result<Vec<String>, String> {
    let bytes = match value {
        ValueRef::Null => return Ok(Vec::new()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        other => return Err(text(other).unwrap_or_default()),
    };
    if bytes == b"[]" {
        return Ok(Vec::new());
    }
    let content = String::from_utf8_lossy(bytes);
    match serde_json::from_str::<Option<Vec<Option<String>>>>(&content) {
        Ok(entries) => Ok(entries.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect()),
        Err(_) => Err(content.into_owned()),
    }
}

/// A list as the server expects it in the column.
pub(super) fn to_json(list: &[String]) -> String {
    serialize_json(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_list_reads_as_what_it_means() {
        let readable: [(&str, &[&str]); 5] = [
            ("[]", &[]),
            ("null", &[]),
            (" [\"api\", \"user\"] ", &["api", "user"]),
            ("[\"\"]", &[""]),
            ("[\"api\",null]", &["api", ""]),
        ];
        for (text, expected) in readable {
            let expected: Vec<String> = expected.iter().map(|entry| (*entry).to_owned()).collect();
            assert_eq!(list(ValueRef::Text(text.as_bytes())).as_ref(), Ok(&expected));
            assert_eq!(list(ValueRef::Blob(text.as_bytes())), Ok(expected));
        }
        for text in ["", "\"api\"", "[1]", "garbage", "{}", "[\"api\",1]", "[[]]", "[\"a\"] x"] {
            assert_eq!(list(ValueRef::Text(text.as_bytes())), Err(text.to_owned()));
        }
        assert_eq!(list(ValueRef::Null), Ok(Vec::new()));
        assert!(list(ValueRef::Integer(1)).is_err());
    }
}
