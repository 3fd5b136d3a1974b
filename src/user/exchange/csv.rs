//! CSV with a header line (RFC 4180). The parser is strict, since a missing quote would hide users.
//!
//! A field that is empty and not quoted is NULL in a column of text, `""` is empty text. Lists are
//! separated by commas or are a JSON array; a value that has no plain form is written in its exact
//! form ([`StoredValue::to_exact`]).

use super::entry::{self, Column, UserEntry};
use super::error::{EntryError, resembles};
use super::row::StoredRow;
use super::value::{StoredValue, list};

/// Reads the users of a CSV file one by one. Lines end in LF or CRLF; a byte order mark, blank
/// lines and lines of empty fields are skipped. The separator is a comma, or a semicolon where the
/// header line has no comma.
#[derive(Debug)]
pub struct CsvReader<'bytes> {
    records: Records<'bytes>,
    columns: Vec<Column>,
}

impl<'bytes> CsvReader<'bytes> {
    /// Reads the header line, which names the columns in any order.
    ///
    /// # Errors
    /// The line of the header and what is wrong with it.
    pub fn new(bytes: &'bytes [u8]) -> Result<Self, Vec<(u64, EntryError)>> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
        let has = |byte| first.is_some_and(|line| line.contains(&byte));
        let separator = if has(b';') && !has(b',') { b';' } else { b',' };
        let mut records = Records { rest: bytes, line: 1, separator };
        let (line, fields) = match records.next() {
            Some((line, Ok(fields))) => (line, fields),
            Some((line, Err(problem))) => return Err(vec![(line, problem)]),
            None => return Err(vec![(1, EntryError::MissingHeader)]),
        };
        // A line without this column may be data and contain a password.
        if !fields.iter().any(|field| field.text.trim() == Column::Username.name()) {
            return Err(vec![(line, EntryError::MissingHeader)]);
        }
        let mut columns = Vec::with_capacity(fields.len());
        let mut problems = Vec::new();
        for (position, field) in (1..).zip(&fields) {
            match Column::of(field.text.trim()) {
                Some(column) if columns.contains(&column) => {
                    problems.push((line, EntryError::DuplicateColumn(column.name())));
                }
                Some(column) => columns.push(column),
                None => {
                    let (near, is_password) = resembles(&field.text);
                    problems.push((line, EntryError::UnknownColumn { position, near, is_password }));
                }
            }
        }
        if problems.is_empty() { Ok(Self { records, columns }) } else { Err(problems) }
    }

    fn entry(&self, line: u64, fields: Vec<Field>) -> Result<UserEntry, EntryError> {
        if fields.len() != self.columns.len() {
            return Err(EntryError::FieldCount { found: fields.len(), expected: self.columns.len() });
        }
        let mut entry = UserEntry::new(line, StoredValue::Null);
        for (column, field) in self.columns.iter().zip(fields) {
            match read(*column, field) {
                Ok(Some(value)) => entry.set(*column, value),
                Ok(None) if *column == Column::Username => return Err(EntryError::MissingUsername),
                Ok(None) => {}
                Err(problem) => entry.errors.push(problem),
            }
        }
        Ok(entry)
    }
}

impl Iterator for CsvReader<'_> {
    type Item = (u64, Result<UserEntry, EntryError>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, record) = self.records.next()?;
            match record {
                // Spreadsheets write such lines at the end of a file.
                Ok(fields) if fields.iter().all(|field| field.text.is_empty() && !field.is_quoted) => {}
                record => return Some((line, record.and_then(|fields| self.entry(line, fields)))),
            }
        }
    }
}

/// Parses the value of a field; returns `None` if an empty field means that the value is unset.
fn read(column: Column, field: Field) -> Result<Option<StoredValue>, EntryError> {
    let Field { text, is_quoted } = field;
    if let Some(exact) = StoredValue::from_exact(&text) {
        return Ok(Some(exact));
    }
    let is_absent = text.is_empty() && !is_quoted;
    match column {
        Column::Username | Column::Source | Column::Password if is_absent => Ok(None),
        Column::Name | Column::Email if is_absent => Ok(Some(StoredValue::Null)),
        Column::Username | Column::Name | Column::Email => Ok(Some(StoredValue::text(text))),
        Column::Roles | Column::Projects => read_list(text, column).map(Some),
        Column::Source => entry::source(&text).map(Some),
        Column::Password => entry::password(&text).map(Some),
    }
}

fn read_list(text: String, column: Column) -> Result<StoredValue, EntryError> {
    if text == "null" || text.starts_with('[') {
        return match list(&text) {
            Some(_) => Ok(StoredValue::text(text)),
            None => Err(EntryError::InvalidType {
                column: column.name(),
                expected: "a JSON array of strings after '['",
            }),
        };
    }
    let entries: Vec<&str> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    Ok(StoredValue::text(serde_json::Value::from(entries).to_string()))
}

/// A field, and whether it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    text: String,
    is_quoted: bool,
}

/// The records of a file, each with the number of its first line.
#[derive(Debug)]
struct Records<'bytes> {
    rest: &'bytes [u8],
    line: u64,
    separator: u8,
}

impl Iterator for Records<'_> {
    type Item = (u64, Result<Vec<Field>, EntryError>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest.strip_prefix(b"\n").or_else(|| self.rest.strip_prefix(b"\r\n")) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let record = self.record();
        if let Err(problem) = &record
            && *problem != EntryError::NotUtf8
        {
            self.skip_line();
        }
        Some((line, record))
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Vec<Field>, EntryError> {
        let mut fields = Vec::new();
        let mut is_text = true;
        loop {
            let (bytes, is_quoted) = match self.rest.split_first() {
                Some((b'"', inside)) => (self.quoted(inside)?, true),
                _ => (self.plain()?, false),
            };
            match String::from_utf8(bytes) {
                Ok(text) => fields.push(Field { text, is_quoted }),
                // The rest of the record is skipped, so that the next one is found.
                Err(_) => is_text = false,
            }
            let (is_last, rest) = match self.rest {
                [] => (true, self.rest),
                [byte, rest @ ..] if *byte == self.separator => (false, rest),
                [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => (true, rest),
                _ => return Err(EntryError::TextAfterQuote),
            };
            if is_last {
                self.line += u64::from(!self.rest.is_empty());
                self.rest = rest;
                return if is_text { Ok(fields) } else { Err(EntryError::NotUtf8) };
            }
            self.rest = rest;
        }
    }

    fn plain(&mut self) -> Result<Vec<u8>, EntryError> {
        let is_end = |byte: &u8| *byte == self.separator || matches!(byte, b'\n' | b'"');
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        if rest.starts_with(b"\"") {
            return Err(EntryError::StrayQuote);
        }
        // The carriage return belongs to the line's end.
        let is_inner = rest.first() == Some(&self.separator);
        let field = if is_inner { field } else { field.strip_suffix(b"\r").unwrap_or(field) };
        self.rest = self.rest.get(field.len()..).unwrap_or_default();
        if self.rest == b"\r" {
            self.rest = b"";
        }
        Ok(field.to_vec())
    }

    fn quoted(&mut self, mut inside: &[u8]) -> Result<Vec<u8>, EntryError> {
        let whole = inside.len();
        let mut field = Vec::new();
        while let Some(quote) = inside.iter().position(|byte| *byte == b'"') {
            let (before, rest) = inside.split_at(quote);
            field.extend_from_slice(before);
            inside = rest.get(1..).unwrap_or_default();
            if !inside.starts_with(b"\"") {
                self.line += field.iter().filter(|byte| **byte == b'\n').count() as u64;
                // The opening quote was before `inside`.
                self.rest = self.rest.get(whole - inside.len() + 1..).unwrap_or_default();
                return Ok(field);
            }
            field.push(b'"');
            inside = inside.get(1..).unwrap_or_default();
        }
        // The rest of the file cannot be divided into records.
        self.rest = b"";
        Err(EntryError::UnclosedQuote)
    }

    fn skip_line(&mut self) {
        match self.rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.rest = self.rest.get(end + 1..).unwrap_or_default();
                self.line += 1;
            }
            None => self.rest = b"",
        }
    }
}

/// The header line of an export, with its line end.
#[must_use]
pub fn csv_header(with_password: bool) -> String {
    columns(with_password).map(Column::name).collect::<Vec<_>>().join(",") + "\n"
}

fn columns(with_password: bool) -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(move |column| with_password || *column != Column::Password)
}

/// A row as a CSV record, with its line end.
#[must_use]
pub fn csv_line(row: &StoredRow, with_password: bool) -> String {
    let mut line = String::with_capacity(100);
    for (index, column) in columns(with_password).enumerate() {
        if index > 0 {
            line.push(',');
        }
        let value = column.value(row);
        match plain(column, value) {
            Some(text) => {
                let is_empty_text =
                    text.is_empty() && matches!(value, StoredValue::Text(_) | StoredValue::Blob(_));
                push(&mut line, &text, is_empty_text && !matches!(column, Column::Roles | Column::Projects));
            }
            None => push(&mut line, &value.to_exact(), false),
        }
    }
    line.push('\n');
    line
}

/// Returns the plain form of a value if the server reads the imported value identically.
fn plain(column: Column, value: &StoredValue) -> Option<String> {
    match column {
        Column::Source => entry::plain_source(value),
        Column::Name | Column::Email | Column::Password if *value == StoredValue::Null => Some(String::new()),
        Column::Username if !matches!(value, StoredValue::Text(_)) => None,
        Column::Username | Column::Name | Column::Email => {
            value.as_text().filter(|text| StoredValue::from_exact(text).is_none()).map(str::to_owned)
        }
        Column::Password => value.as_text().filter(|text| entry::is_plain_password(text)).map(str::to_owned),
        Column::Roles | Column::Projects => {
            let text = value.as_text()?;
            match text {
                "[]" => return Some(String::new()),
                "[\"user\"]" => return Some("user".to_owned()),
                _ => {}
            }
            let joined = value.as_list()?.join(",");
            [joined, text.to_owned()]
                .into_iter()
                .filter(|field| StoredValue::from_exact(field).is_none())
                .find(|field| read_list(field.clone(), column).is_ok_and(|read| read.reads_like(value)))
        }
    }
}

fn push(line: &mut String, field: &str, is_quoted: bool) {
    let blank_end = field.starts_with(char::is_whitespace) || field.ends_with(char::is_whitespace);
    if !is_quoted && !blank_end && !field.contains(['"', ',', '\n', '\r']) {
        line.push_str(field);
        return;
    }
    line.push('"');
    line.push_str(&field.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(text: &str) -> Vec<(u64, Result<Vec<Field>, EntryError>)> {
        Records { rest: text.as_bytes(), line: 1, separator: b',' }.collect()
    }

    fn fields(fields: &[&str]) -> Vec<Field> {
        let field = |text: &&str| match text.strip_prefix('"') {
            Some(quoted) => Field { text: quoted.to_owned(), is_quoted: true },
            None => Field { text: (*text).to_owned(), is_quoted: false },
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn quoted_field_with_quotes_commas_and_line_ends_is_kept() {
        let text = "a,\"b,\"\"c\"\"\r\nd\",e\r\n\r\nf,,\"\"\ng,h,i";
        let expected = [
            (1, Ok(fields(&["a", "\"b,\"c\"\r\nd", "e"]))),
            (4, Ok(fields(&["f", "", "\""]))),
            (5, Ok(fields(&["g", "h", "i"]))),
        ];
        assert_eq!(records(text), expected);
    }

    #[test]
    fn malformed_line_is_reported_and_the_next_one_read() {
        let text = "a\"b\n\"a\"b\nok\n\"never";
        let expected = [
            (1, Err(EntryError::StrayQuote)),
            (2, Err(EntryError::TextAfterQuote)),
            (3, Ok(fields(&["ok"]))),
            (4, Err(EntryError::UnclosedQuote)),
        ];
        assert_eq!(records(text), expected);
    }

    #[test]
    fn line_that_is_not_utf8_is_reported_alone() {
        let reader = CsvReader::new(b"username,name\na,A\nb,\xff\n\"c\",\"\xfe\n\"\nd,D\n").unwrap();
        let read: Vec<_> = reader.map(|(line, entry)| (line, entry.is_ok())).collect();
        assert_eq!(read, [(2, true), (3, false), (4, false), (6, true)]);
    }

    #[test]
    fn field_with_a_blank_at_one_end_is_written_in_quotes() {
        for (field, written) in
            [("a b", "a b"), (" a", "\" a\""), ("a ", "\"a \""), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\"")]
        {
            let mut line = String::new();
            push(&mut line, field, false);
            assert_eq!(line, written);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CsvReader::new(&bytes).map(Iterator::count);
            let mut text = b"username,roles\n".to_vec();
            text.extend(bytes);
            let _ = CsvReader::new(&text).unwrap().count();
        }
    }
}
