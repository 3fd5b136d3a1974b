//! A user as reports have it.

use serde::Serialize;

use crate::history::DisabledUsers;
use crate::user::User;
use crate::user_db::UserRecord;
use crate::util::quote::escape;

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
    /// Whether 'cc-user disable' disabled the user; null if a running server does not report it.
    pub disabled: Option<bool>,
    /// The columns that the server cannot read: roles, projects, or both; usually empty.
    pub invalid_columns: Vec<&'static str>,
}

impl UserReport {
    /// The user of a record.
    #[must_use]
    pub fn new(record: &UserRecord, disabled: &DisabledUsers) -> Self {
        Self { disabled: Some(disabled.contains(record)), ..Self::enabled(record) }
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
            invalid_columns: Vec::new(),
        }
    }
}

/// Roles or projects in a text report: escaped, separated by commas; `-` if there are none.
#[must_use]
pub fn list(entries: &[String]) -> String {
    if entries.is_empty() { "-".to_owned() } else { escape(&entries.join(",")) }
}
