//! A user as reports have it.

use serde::Serialize;

use crate::history::DisabledUsers;
use crate::user::User;
use crate::user_db::UserRecord;
use crate::util::note::Notes;
use crate::util::quote::escape;
use crate::util::time::Timestamp;

/// A user of the user table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserReport {
    /// The username, as in the database.
    pub username: String,
    /// The full name, or null.
    pub name: Option<String>,
    /// The mail address, or null.
    pub email: Option<String>,
    /// The roles as stored; empty if the column is invalid.
    pub roles: Vec<String>,
    /// The projects of a manager.
    pub projects: Vec<String>,
    /// The auth source: local, ldap, token, oidc or unknown.
    pub source: &'static str,
    /// The number of the auth source in the database.
    pub source_number: i64,
    /// Whether the password column has content; null if a running server does not report it.
    pub has_password: Option<bool>,
    /// Whether the user is disabled; null if a running server does not report it.
    pub disabled: Option<bool>,
    /// When a synchronization found that the user is missing from the LDAP directory and disabled the user, in
    /// RFC 3339; otherwise null.
    pub missing_since: Option<String>,
    /// When a synchronization deletes the user, in RFC 3339; null if none does, or if the settings were not read.
    pub delete_at: Option<String>,
    /// The columns that the server cannot read: roles, projects, or both; usually empty.
    pub invalid_columns: Vec<&'static str>,
}

impl UserReport {
    /// The user of a record.
    #[must_use]
    pub fn new(record: &UserRecord, disabled: &DisabledUsers) -> Self {
        let entry = disabled.entry_of(record);
        let missing_since = entry.and_then(|entry| entry.missing_since).map(Timestamp);
        Self {
            disabled: Some(entry.is_some()),
            missing_since: missing_since.map(Timestamp::rfc3339),
            delete_at: entry.and_then(|entry| disabled.delete_at(entry)).map(Timestamp::rfc3339),
            ..Self::enabled(record)
        }
    }

    /// The user of a record who is not disabled.
    #[must_use]
    pub fn enabled(record: &UserRecord) -> Self {
        let UserRecord { user, has_password, invalid_columns } = record;
        Self {
            has_password: Some(*has_password),
            disabled: Some(false),
            invalid_columns: invalid_columns.iter().map(|invalid| invalid.column).collect(),
            ..Self::at_server(user)
        }
    }

    /// A user that a running server reports.
    #[must_use]
    pub fn at_server(user: &User) -> Self {
        Self {
            username: user.username.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            roles: user.roles.clone(),
            projects: user.projects.clone(),
            source: user.source.name(),
            source_number: user.source.number(),
            has_password: None,
            disabled: None,
            missing_since: None,
            delete_at: None,
            invalid_columns: Vec::new(),
        }
    }
}

/// How notes describe a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// The change was made.
    Made,
    /// A dry run plans the change.
    Planned,
}

impl Wording {
    /// The wording of a run or of a dry run.
    #[must_use]
    pub const fn of(dry_run: bool) -> Self {
        if dry_run { Self::Planned } else { Self::Made }
    }

    /// The words for a change that was made, or for a planned one.
    #[must_use]
    pub const fn pick(self, made: &'static str, planned: &'static str) -> &'static str {
        match self {
            Self::Made => made,
            Self::Planned => planned,
        }
    }

    /// Begins the notes of a dry run.
    pub fn begin(self, notes: &mut Notes) {
        if self == Self::Planned {
            notes.note("dry run, nothing is changed: warnings describe the state after the change");
        }
    }
}

/// Roles or projects in a text report: escaped, separated by commas; `-` if there are none.
#[must_use]
pub fn list(entries: &[String]) -> String {
    if entries.is_empty() { "-".to_owned() } else { escape(&entries.join(",")) }
}
