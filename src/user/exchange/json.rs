//! JSON lines: an object a line.

use serde::{Deserialize, Deserializer, Serialize};

use super::entry::{Entry, LineFault, Problem, check, text};
use crate::user::password::PasswordHash;
use crate::user::{AuthSource, User};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    username: String,
    #[serde(default, deserialize_with = "said")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "list")]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list")]
    projects: Option<Vec<String>>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default, deserialize_with = "said")]
    password_hash: Option<Option<String>>,
}

/// Tells a member that is `null` from one that is not there.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `null` is an empty list.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(|list| Some(list.unwrap_or_default()))
}

/// Reads JSON lines; blank lines are passed over. With `existing_too` a line may leave out what
/// only a new user must have. `place` names the file in messages.
///
/// # Errors
/// Every bad line.
pub fn read_json_lines(bytes: &[u8], place: &str, existing_too: bool) -> Result<Vec<Entry>, Vec<LineFault>> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text(bytes, place)?.split('\n')) {
        if line.trim().is_empty() {
            continue;
        }
        match entry(number, line) {
            Ok(entry) => entries.push(entry),
            Err(problem) => faults.push(LineFault { place: place.to_owned(), line: number, problem }),
        }
    }
    check(&entries, place, existing_too, &mut faults);
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

fn entry(number: u64, line: &str) -> Result<Entry, Problem> {
    // The derived reader would take an array for an object without names.
    if !line.trim_start().starts_with('{') {
        return Err(Problem::Json { column: 1, message: "found no JSON object".to_owned() });
    }
    let line: Line = serde_json::from_str(line).map_err(|error| {
        let message = error.to_string();
        let message = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            _ => message.rsplit_once(" at line ").map_or(message.as_str(), |(before, _)| before),
        };
        Problem::Json { column: error.column(), message: message.replace('`', "'") }
    })?;
    Ok(Entry {
        line: number,
        username: line.username,
        name: line.name,
        email: line.email,
        roles: line.roles,
        projects: line.projects,
        source: line.source.map(|source| source.parse()).transpose()?,
        password: line.password_hash.map(|hash| hash.map(PasswordHash::stored)),
    })
}

#[derive(Serialize)]
struct Out<'user> {
    username: &'user str,
    name: Option<&'user str>,
    email: Option<&'user str>,
    roles: &'user [String],
    projects: &'user [String],
    source: &'user str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<Option<&'user str>>,
}

/// A user as a JSON line, without its end; the password's hash only where `password` is given.
#[must_use]
pub fn write_json_line(user: &User, password: Option<Option<&PasswordHash>>) -> String {
    let number;
    let source = match user.source {
        Ok(source) => AuthSource::name(source),
        Err(unknown) => {
            number = unknown.to_string();
            &number
        }
    };
    let line = Out {
        username: &user.username,
        name: user.name.as_deref(),
        email: user.email.as_deref(),
        roles: &user.roles,
        projects: &user.projects,
        source,
        password_hash: password.map(|hash| hash.map(PasswordHash::expose)),
    };
    // Texts and lists of texts always have a JSON form.
    serde_json::to_string(&line).unwrap_or_default()
}
