//! A stored row of the user table, and checks for values that the server would reject.

use std::collections::HashSet;

use super::value::{StoredPassword, StoredValue};
use crate::user::AuthSource;
use crate::user::account::{AccountDraft, AccountError};
use crate::user::name::UsernameError;

/// A row of the user table with all columns. Every row can be exported, and an import restores the
/// same values.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// The username.
    pub username: StoredValue,
    /// The full name.
    pub name: StoredValue,
    /// The mail address.
    pub email: StoredValue,
    /// The roles, a JSON array as a rule.
    pub roles: StoredValue,
    /// The projects, a JSON array as a rule.
    pub projects: StoredValue,
    /// The number of the auth source.
    pub source: StoredValue,
    /// The password column.
    pub password: StoredPassword,
}

impl StoredRow {
    /// The username for messages.
    #[must_use]
    pub fn username_text(&self) -> String {
        self.username.lossy().unwrap_or_default()
    }

    /// Returns whether the server reads both rows identically.
    #[must_use]
    pub fn reads_like(&self, other: &Self) -> bool {
        self.username == other.username
            && self.name.reads_like(&other.name)
            && self.email.reads_like(&other.email)
            && self.roles.reads_like(&other.roles)
            && self.projects.reads_like(&other.projects)
            && self.source == other.source
            && self.password.expose().reads_like(other.password.expose())
    }

    /// Returns the values that `cc-user add` or the server would reject, each as a stable name and
    /// a message. The messages do not contain values of the row, which may be misplaced secrets.
    #[must_use]
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings = Vec::new();
        for (column, value) in [("roles", &self.roles), ("projects", &self.projects)] {
            match value.as_list() {
                None => warnings.push((
                    "invalid-column",
                    format!("'{column}' is not a JSON array of strings; the server cannot read this user"),
                )),
                Some(list) => {
                    let mut seen = HashSet::new();
                    if !list.iter().all(|entry| seen.insert(entry)) {
                        warnings.push(("duplicate-entry", format!("'{column}' has a duplicate entry")));
                    }
                }
            }
        }
        let columns = [
            ("username", &self.username),
            ("name", &self.name),
            ("email", &self.email),
            ("password_hash", self.password.expose()),
        ];
        for (column, value) in columns {
            let is_text = matches!(value, StoredValue::Null) || value.as_text().is_some();
            if !is_text || (column == "username" && !matches!(value, StoredValue::Text(_))) {
                warnings.push(("invalid-column", format!("'{column}' is not text")));
            }
        }
        match &self.source {
            StoredValue::Integer(number) => {
                if let AuthSource::Unknown(_) = AuthSource::from_number(*number) {
                    warnings.push(("unknown-source", "the server does not know this auth source".to_owned()));
                }
            }
            _ => warnings.push(("invalid-column", "'source' is not a number".to_owned())),
        }
        let list = |value: &StoredValue| value.as_list().unwrap_or_default();
        let draft = AccountDraft {
            username: self.username_text(),
            roles: list(&self.roles),
            // An empty entry is what the server stores for "no project".
            projects: list(&self.projects).into_iter().filter(|project| !project.is_empty()).collect(),
            name: self.name.lossy(),
            email: self.email.lossy(),
        };
        let has_roles = self.roles.as_list().is_some();
        for problem in draft.errors() {
            let is_consequence = matches!(problem, AccountError::MissingRole(_)) && !has_roles;
            if !is_consequence {
                warnings.push(describe(&problem));
            }
        }
        warnings
    }
}

/// Returns the name and the message of an error, without the rejected value.
fn describe(error: &AccountError) -> (&'static str, String) {
    use crate::util::diagnostic::Diagnostic as _;
    let text = match error {
        AccountError::Username(UsernameError::Empty) => "the username is empty".to_owned(),
        AccountError::Username(UsernameError::TooLong { length, .. }) => {
            format!("the username has {length} bytes; the server's limit is {}", crate::user::name::MAX_BYTES)
        }
        AccountError::Username(UsernameError::Hidden { character, .. }) => {
            format!("the username has a control or invisible character (U+{:04X})", u32::from(*character))
        }
        AccountError::Username(UsernameError::OuterWhitespace(_)) => {
            "the username begins or ends with a blank".to_owned()
        }
        AccountError::Role(error) => match error.nearest() {
            Some(near) => format!("unknown role; did you mean '{near}'?"),
            None => "unknown role".to_owned(),
        },
        AccountError::MissingRole(_) => "the user has no role".to_owned(),
        AccountError::ManagerWithoutProject(_) => "the manager has no project".to_owned(),
        AccountError::ProjectWithoutManager { .. } => {
            "the user has projects but not the role manager".to_owned()
        }
        AccountError::InvalidProject { why, .. } => format!("a project is invalid: {why}"),
        AccountError::InvalidText { field: what, why, .. } => format!("the {what} is invalid: {why}"),
        AccountError::InvalidEmail(_) => "the mail address is invalid".to_owned(),
    };
    (error.kind().name(), text)
}
