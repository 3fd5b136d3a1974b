//! CSV as RFC 4180 has it, with a heading; strict, since a forgotten quote would swallow users.

use std::collections::HashSet;

use super::MEMBERS;
use super::entry::{Entry, LineFault, Problem, check, text};
use crate::user::password::PasswordHash;
use crate::user::{AuthSource, User};

/// Reads CSV: a heading that names the columns in any order, then a user a record. Lines end in
/// LF or CRLF, a byte order mark and blank lines are passed over. Roles and projects are
/// separated by commas, or a JSON array. An empty field says nothing of source and password, and
/// "none" of everything else. With `existing_too` a line may leave out what only a new user must
/// have. `place` names the file in messages.
///
/// # Errors
/// Every bad line.
pub fn read_csv(bytes: &[u8], place: &str, existing_too: bool) -> Result<Vec<Entry>, Vec<LineFault>> {
    let fault = |line, problem| LineFault { place: place.to_owned(), line, problem };
    let mut faults = Vec::new();
    let mut records = Records { rest: text(bytes, place)?, line: 1 };
    let heading = match records.next() {
        Some((line, Ok(heading))) => {
            let names: Vec<String> = heading.iter().map(|name| name.trim().to_owned()).collect();
            let mut known = HashSet::new();
            for name in &names {
                if !MEMBERS.contains(&name.as_str()) {
                    faults.push(fault(line, Problem::UnknownColumn(name.clone())));
                } else if !known.insert(name) {
                    faults.push(fault(line, Problem::DoubleColumn(name.clone())));
                }
            }
            if !names.iter().any(|name| name == "username") {
                faults.push(fault(line, Problem::NoHeading));
            }
            names
        }
        Some((line, Err(problem))) => return Err(vec![fault(line, problem)]),
        None => return Err(vec![fault(1, Problem::NoHeading)]),
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut entries = Vec::new();
    for (line, record) in records {
        match record.and_then(|fields| entry(line, &heading, fields)) {
            Ok(entry) => entries.push(entry),
            Err(problem) => faults.push(fault(line, problem)),
        }
    }
    check(&entries, place, existing_too, &mut faults);
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

fn entry(line: u64, heading: &[String], fields: Vec<String>) -> Result<Entry, Problem> {
    if fields.len() != heading.len() {
        return Err(Problem::Fields { found: fields.len(), wanted: heading.len() });
    }
    let mut entry = Entry { line, ..Entry::default() };
    for (name, field) in heading.iter().zip(fields) {
        let said = Some(&field).filter(|field| !field.is_empty());
        match name.as_str() {
            "username" => entry.username = field,
            "name" => entry.name = Some(said.cloned()),
            "email" => entry.email = Some(said.cloned()),
            "roles" => entry.roles = Some(list(&field, "roles")?),
            "projects" => entry.projects = Some(list(&field, "projects")?),
            "source" => entry.source = said.map(|source| source.parse()).transpose()?,
            _ => entry.password = said.map(|hash| Some(PasswordHash::stored(hash.clone()))),
        }
    }
    Ok(entry)
}

fn list(field: &str, what: &'static str) -> Result<Vec<String>, Problem> {
    if field.starts_with('[') {
        return serde_json::from_str(field).map_err(|_| Problem::List(what));
    }
    Ok(field.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
}

/// The records of a file, each with the number of its first line.
struct Records<'text> {
    rest: &'text str,
    line: u64,
}

impl Iterator for Records<'_> {
    type Item = (u64, Result<Vec<String>, Problem>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let record = self.record();
        if record.is_err() {
            self.skip_line();
        }
        Some((line, record))
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Vec<String>, Problem> {
        let mut fields = Vec::new();
        loop {
            fields.push(match self.rest.strip_prefix('"') {
                Some(inside) => self.quoted(inside)?,
                None => self.plain()?,
            });
            let (next, rest) = match self.rest.as_bytes() {
                [] => (None, self.rest),
                [b',', ..] => (Some(','), &self.rest[1..]),
                [b'\n', ..] => (None, &self.rest[1..]),
                [b'\r', b'\n', ..] => (None, &self.rest[2..]),
                _ => return Err(Problem::AfterQuote),
            };
            if next.is_none() {
                self.line += u64::from(!self.rest.is_empty());
                self.rest = rest;
                return Ok(fields);
            }
            self.rest = rest;
        }
    }

    fn plain(&mut self) -> Result<String, Problem> {
        let end = self.rest.find([',', '\n', '"']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        if rest.starts_with('"') {
            return Err(Problem::StrayQuote);
        }
        // The carriage return belongs to the line's end.
        let field = if rest.starts_with(',') { field } else { field.strip_suffix('\r').unwrap_or(field) };
        self.rest = &self.rest[field.len()..];
        if self.rest == "\r" {
            self.rest = "";
        }
        Ok(field.to_owned())
    }

    fn quoted(&mut self, inside: &str) -> Result<String, Problem> {
        let mut field = String::new();
        let mut at = 0;
        while let Some(quote) = inside[at..].find('"') {
            field.push_str(&inside[at..at + quote]);
            at += quote + 1;
            if !inside[at..].starts_with('"') {
                self.line += field.bytes().filter(|byte| *byte == b'\n').count() as u64;
                // The opening quote was before `inside`.
                self.rest = &self.rest[at + 1..];
                return Ok(field);
            }
            field.push('"');
            at += 1;
        }
        // Nothing after this place can be told apart.
        self.rest = "";
        Err(Problem::OpenQuote)
    }

    fn skip_line(&mut self) {
        match self.rest.split_once('\n') {
            Some((_, rest)) => {
                self.rest = rest;
                self.line += 1;
            }
            None => self.rest = "",
        }
    }
}

/// The heading of an export, with its line end.
#[must_use]
pub fn write_csv_heading(with_password: bool) -> String {
    let columns = if with_password { &MEMBERS[..] } else { &MEMBERS[..MEMBERS.len() - 1] };
    columns.join(",") + "\n"
}

/// A user as a CSV record, with its line end; the password's hash only where `password` is
/// given.
#[must_use]
pub fn write_csv(user: &User, password: Option<Option<&PasswordHash>>) -> String {
    let mut line = String::with_capacity(100);
    let source =
        user.source.map_or_else(|number| number.to_string(), |source| AuthSource::name(source).to_owned());
    push(&mut line, &user.username);
    for text in [&user.name, &user.email] {
        line.push(',');
        push(&mut line, text.as_deref().unwrap_or_default());
    }
    for list in [&user.roles, &user.projects] {
        line.push(',');
        push(&mut line, &joined(list));
    }
    line.push(',');
    push(&mut line, &source);
    if let Some(password) = password {
        line.push(',');
        push(&mut line, password.map(PasswordHash::expose).unwrap_or_default());
    }
    line.push('\n');
    line
}

/// Separated by commas where that reads back as the same list.
fn joined(entries: &[String]) -> String {
    let text = entries.join(",");
    let same = list(&text, "").is_ok_and(|read| read == entries) && !text.starts_with('[');
    if same { text } else { serde_json::Value::from(entries).to_string() }
}

fn push(line: &mut String, field: &str) {
    let blank_end = field.starts_with(char::is_whitespace) || field.ends_with(char::is_whitespace);
    if !blank_end && !field.contains(['"', ',', '\n', '\r']) {
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

    fn records(text: &str) -> Vec<(u64, Result<Vec<String>, Problem>)> {
        Records { rest: text, line: 1 }.collect()
    }

    fn own(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn quotes_commas_and_line_ends_inside_a_field_are_kept() {
        let text = "a,\"b,\"\"c\"\"\r\nd\",e\r\n\r\nf,,\"\"\ng,h,i";
        let wanted = [
            (1, Ok(own(&["a", "b,\"c\"\r\nd", "e"]))),
            (4, Ok(own(&["f", "", ""]))),
            (5, Ok(own(&["g", "h", "i"]))),
        ];
        assert_eq!(records(text), wanted);
    }

    #[test]
    fn every_bad_line_is_told_and_the_next_one_read() {
        let text = "a\"b\n\"a\"b\nok\n\"never";
        let wanted = [
            (1, Err(Problem::StrayQuote)),
            (2, Err(Problem::AfterQuote)),
            (3, Ok(own(&["ok"]))),
            (4, Err(Problem::OpenQuote)),
        ];
        assert_eq!(records(text), wanted);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            username in "\\PC{1,20}", name in proptest::option::of("[^\\x00]{1,20}"),
            roles in proptest::collection::vec("[a-z\\[, \"]{1,6}", 0..3),
            projects in proptest::collection::vec("\\PC{1,8}", 0..3),
        ) {
            let user = User { username, name, email: None, roles, projects, source: Ok(AuthSource::Local) };
            let text = write_csv_heading(false) + &write_csv(&user, None);
            let entries = read_csv(text.as_bytes(), "x", true).unwrap();
            prop_assert_eq!(entries.len(), 1);
            let entry = &entries[0];
            prop_assert_eq!(&entry.username, &user.username);
            prop_assert_eq!(entry.name.as_ref().unwrap(), &user.name);
            prop_assert_eq!(entry.roles.as_ref().unwrap(), &user.roles);
            prop_assert_eq!(entry.projects.as_ref().unwrap(), &user.projects);
        }

        #[test]
        fn the_reader_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_csv(&bytes, "x", false);
            let mut text = b"username,roles\n".to_vec();
            text.extend(bytes);
            let _ = read_csv(&text, "x", false);
        }
    }
}
