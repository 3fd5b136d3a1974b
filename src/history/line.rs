//! The lines of the journal.

use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::author::{Author, RunId};
use super::change::{StateChange, UserChange};
use super::disabled::DisabledEntry;
use super::given::UserRights;
use super::row::{RowImage, RowOut, TextOut, value_in};
use crate::user::exchange::StoredValue;
use crate::util::json_text::serialize_json;
use crate::util::quote::escape_json;

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// The database has the changes.
    Committed,
    /// The run was interrupted, and the database does not have the changes.
    RolledBack,
    /// The run was interrupted, and the rows do not show whether the database has the changes: only a password
    /// was replaced, or other programs changed the rows before this was checked.
    Unknown,
}

/// The file of the database, independent of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFile {
    /// The number of the device.
    pub device: u64,
    /// The number of the file.
    pub inode: u64,
}

impl DatabaseFile {
    /// The file of these metadata.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The members of all lines of a run.
#[derive(Serialize)]
struct Run<'run> {
    run: &'run str,
    time: String,
    account: &'run str,
    program: &'run str,
    command: &'run str,
}

/// The start of each line of a run, up to the members of the change.
pub(super) fn begin_of_lines(run: &RunId, author: &Author) -> String {
    let members = Run {
        run: run.as_str(),
        time: author.clock.now().rfc3339(),
        account: &author.account,
        program: &author.program,
        command: &author.command,
    };
    let mut text = escape_json(&serialize_json(&members)).into_owned();
    text.pop();
    text.push(',');
    text
}

/// The members of a change after those of the run.
#[derive(Serialize)]
struct Change<'change> {
    user: TextOut<'change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_to: Option<TextOut<'change>>,
    before: Option<RowOut<'change>>,
    after: Option<RowOut<'change>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    password_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<&'change StateChange<Option<DisabledEntry>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<&'change StateChange<UserRights>>,
}

/// Appends the line of a change.
pub(super) fn add_change(begin: &str, change: &UserChange<'_>, lines: &mut Vec<u8>) {
    let text = serialize_json(&Change {
        user: TextOut(change.user),
        renamed_to: change.renamed_to.map(TextOut),
        before: change.before.map(RowOut),
        after: change.after.map(RowOut),
        password_changed: change.changes_password(),
        disabled: change.disabled.as_ref(),
        given: change.given.as_ref(),
    });
    lines.extend_from_slice(begin.as_bytes());
    let members = text.get(1..).unwrap_or_default();
    lines.extend_from_slice(escape_json(members).as_bytes());
    lines.push(b'\n');
}

/// The last line of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndLine {
    /// The run.
    pub run: String,
    /// The time of the line.
    pub time: String,
    /// The end of the run.
    pub end: RunEnd,
    /// The number of lines with changes before this one.
    pub changes: u64,
    /// The file of the database.
    pub database: DatabaseFile,
}

impl EndLine {
    /// The line with its end.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = escape_json(&serialize_json(self)).into_owned().into_bytes();
        line.push(b'\n');
        line
    }
}

/// The change of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeLine {
    /// The run.
    pub run: String,
    /// The time of the run.
    pub time: String,
    /// The account.
    pub account: String,
    /// The program.
    pub program: String,
    /// The arguments.
    pub command: String,
    /// The username before the change.
    pub user: StoredValue,
    /// The new username of a renamed user.
    pub renamed_to: Option<StoredValue>,
    /// The row before the change.
    pub before: Option<RowImage>,
    /// The row after the change.
    pub after: Option<RowImage>,
    /// Whether the password changed.
    pub password_changed: bool,
    /// The change of the entry of a disabled user.
    pub disabled: Option<StateChange<Option<DisabledEntry>>>,
    /// The change of what syncs gave to the user.
    pub given: Option<StateChange<UserRights>>,
}

impl ChangeLine {
    /// The username before the change, for messages and for the files of the state.
    #[must_use]
    pub fn username(&self) -> String {
        self.user.lossy().unwrap_or_default()
    }
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The change of a user.
    Change(Box<ChangeLine>),
    /// The end of a run.
    End(EndLine),
}

/// All members of both kinds of lines. A line with other members, such as one of a newer version, is not read: an
/// undo would not restore their values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn {
    run: String,
    time: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    program: String,
    #[serde(default)]
    command: String,
    user: Option<Value>,
    renamed_to: Option<Value>,
    before: Option<RowImage>,
    after: Option<RowImage>,
    #[serde(default)]
    password_changed: bool,
    disabled: Option<StateChange<Option<DisabledEntry>>>,
    given: Option<StateChange<UserRights>>,
    end: Option<RunEnd>,
    #[serde(default)]
    changes: u64,
    database: Option<DatabaseFile>,
}

impl Line {
    /// Reads a line; `None` if it is malformed.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let read: LineIn = serde_json::from_slice(line).ok()?;
        let LineIn { run, time, account, program, command, password_changed, disabled, given, .. } = read;
        if let Some(end) = read.end {
            let database = read.database?;
            return Some(Self::End(EndLine { run, time, end, changes: read.changes, database }));
        }
        Some(Self::Change(Box::new(ChangeLine {
            run,
            time,
            account,
            program,
            command,
            user: value_in(read.user.as_ref()?)?,
            renamed_to: match &read.renamed_to {
                Some(name) => Some(value_in(name)?),
                None => None,
            },
            before: read.before,
            after: read.after,
            password_changed,
            disabled,
            given,
        })))
    }
}
