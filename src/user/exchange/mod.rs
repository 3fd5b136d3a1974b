//! Users as text, for backups and for moving accounts between databases: CSV with a header line,
//! or JSON lines.
//!
//! Every row that can be stored can be written, and reads back as a row that the server reads
//! alike. Lines are read one by one; an invalid one is reported with its number and without any of
//! its text.

use std::path::Path;

mod csv;
mod entry;
mod error;
mod json;
mod row;
mod value;

pub use csv::{CsvReader, csv_header, csv_line};
pub use entry::UserEntry;
pub use error::{EntryError, LineError};
pub use json::{ExportedUser, JsonLinesReader, json_line};
pub use row::StoredRow;
pub use value::{StoredPassword, StoredValue};

/// The members of a user, in the order of an export's columns.
pub const MEMBERS: [&str; 7] = ["username", "name", "email", "roles", "projects", "source", "password_hash"];

/// The format of a file of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFileFormat {
    /// CSV with a header line (RFC 4180).
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl UserFileFormat {
    /// The format by the extension of a file name; none for another extension.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// The format by the first character of the content.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        if bytes.starts_with(b"{") { Self::JsonLines } else { Self::Csv }
    }
}

/// A user of a file that is being read, with the number of its line.
pub type Line = (u64, Result<UserEntry, EntryError>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = StoredValue> {
        prop_oneof![
            Just(StoredValue::Null),
            any::<i64>().prop_map(StoredValue::Integer),
            (-4..6_i64).prop_map(StoredValue::Integer),
            any::<f64>().prop_filter("SQLite stores NULL", |real| !real.is_nan()).prop_map(StoredValue::Real),
            "\\PC{0,9}".prop_map(StoredValue::text),
            "[a-z\\[\\]{}\", ;\n\r\\x00:]{0,12}".prop_map(StoredValue::text),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(StoredValue::Text),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(StoredValue::Blob),
            lists().prop_map(StoredValue::Text),
            lists().prop_map(StoredValue::Blob),
            texts().prop_map(StoredValue::text),
        ]
    }

    /// Arrays of strings in many spellings.
    fn lists() -> impl Strategy<Value = Vec<u8>> {
        let entry = prop_oneof![
            "[a-z]{0,4}",
            Just("a,b".to_owned()),
            Just("[".to_owned()),
            Just("null".to_owned()),
            Just(" p ".to_owned()),
            "\\PC{0,4}"
        ];
        let spelling = prop_oneof![Just(","), Just(", "), Just(" ,\n"), Just("\t,")];
        (proptest::collection::vec(entry, 0..4), spelling).prop_map(|(entries, separator)| {
            let entries: Vec<_> =
                entries.into_iter().map(|entry| serde_json::Value::from(entry).to_string()).collect();
            format!("[{}]", entries.join(separator)).into_bytes()
        })
    }

    fn texts() -> impl Strategy<Value = String> {
        proptest::sample::select(vec![
            "",
            " ",
            "null",
            "[]",
            "[\"user\"]",
            "[null]",
            "[\"api\",null]",
            "[\"a\\u0026b\"]",
            " []",
            "[ ]",
            "{\"text\":\"x\"}",
            "{\"null\":true}",
            "{\"blob_hex\":\"00\"}",
            "{BCRYPT}x",
            "user,api",
            "\u{feff}",
            "$2a$04$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa",
            "!",
            "*",
            "$6$salt$hash",
            "-",
            "0",
        ])
        .prop_map(str::to_owned)
    }

    fn rows() -> impl Strategy<Value = StoredRow> {
        (values(), values(), values(), values(), values(), values(), values()).prop_map(
            |(username, name, email, roles, projects, source, password)| StoredRow {
                username,
                name,
                email,
                roles,
                projects,
                source,
                password: StoredPassword::new(password),
            },
        )
    }

    /// The row in a file of one entry; NULL, where the table does not accept it, is the
    /// only thing that may be wrong with it.
    fn read_back(mut lines: impl Iterator<Item = Line>, row: &StoredRow) -> Result<StoredRow, TestCaseError> {
        let (_, entry) = lines.next().ok_or_else(|| TestCaseError::fail("no entry"))?;
        prop_assert!(lines.next().is_none());
        let mut entry = entry.map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        entry.errors.retain(|problem| !matches!(problem, EntryError::Null(_)));
        let read = entry.new_row().map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
        prop_assert!(row.reads_like(&read), "{row:?}\n{read:?}");
        Ok(read)
    }

    proptest! {
        #[test]
        fn any_row_reads_back_from_both_formats(row in rows()) {
            let text = csv_header(true) + &csv_line(&row, true);
            read_back(CsvReader::new(text.as_bytes()).unwrap(), &row)?;
            let line = json_line(&row, true);
            prop_assert!(!line.contains('\n'));
            read_back(JsonLinesReader::new(line.as_bytes()), &row)?;
            let value: Result<serde_json::Value, _> = serde_json::from_str(&line);
            prop_assert!(value.is_ok(), "{line}");
            let _ = row.warnings();
        }
    }
}
