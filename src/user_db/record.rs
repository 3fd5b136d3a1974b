//! A record of the user table.

use rusqlite::Row;

use super::column::{self, InvalidColumn};
use super::error::UserDbError;
use crate::user::{AuthSource, Role, User};

/// A user and the validity of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The user; an invalid list is empty.
    pub user: User,
    /// Whether the password column has content.
    pub has_password: bool,
    /// The invalid columns.
    pub invalid_columns: Vec<InvalidColumn>,
}

impl UserRecord {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::read(row, row.get(6)?)
    }

    /// The same of a row with the password column itself.
    pub(super) fn of_stored(row: &Row<'_>) -> rusqlite::Result<Self> {
        let has_password = column::lossy(row.get_ref(6)?).is_some_and(|text| !text.is_empty());
        Self::read(row, has_password)
    }

    fn read(row: &Row<'_>, has_password: bool) -> rusqlite::Result<Self> {
        let mut broken = Vec::new();
        let mut list = |index, column| {
            let value = row.get_ref(index)?;
            Ok::<_, rusqlite::Error>(column::list(value).unwrap_or_else(|content| {
                broken.push(InvalidColumn { column, content });
                Vec::new()
            }))
        };
        let roles = list(3, "roles")?;
        let mut projects = list(5, "projects")?;
        // The server stores an empty entry for a user who was added over REST without a project.
        projects.retain(|project| !project.is_empty());
        let number = column::source_number(row.get_ref(1)?);
        Ok(Self {
            user: User {
                username: column::text(row.get_ref(0)?).unwrap_or_default(),
                name: column::text(row.get_ref(2)?),
                roles,
                projects,
                email: column::text(row.get_ref(4)?),
                source: AuthSource::from_number(number),
            },
            has_password,
            invalid_columns: broken,
        })
    }

    /// Returns the user if the whole row is valid.
    ///
    /// # Errors
    /// [`UserDbError::InvalidRow`]: the server cannot read it either and treats the user as unknown.
    pub fn into_valid_user(self) -> Result<User, UserDbError> {
        if self.invalid_columns.is_empty() {
            return Ok(self.user);
        }
        Err(UserDbError::InvalidRow { name: self.user.username, invalid_columns: self.invalid_columns })
    }
}

/// A filter for users; a user must match all given conditions.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only with one of these roles; empty for all users.
    pub roles: Vec<Role>,
    /// Only from this source.
    pub source: Option<AuthSource>,
    /// Only of this project.
    pub project: Option<String>,
}

impl UserFilter {
    /// Whether the record matches the filter.
    #[must_use]
    pub fn matches(&self, record: &UserRecord) -> bool {
        (self.roles.is_empty() || self.roles.iter().any(|role| record.user.has_role(*role)))
            && self.source.is_none_or(|source| record.user.source == source)
            && self.project.as_ref().is_none_or(|project| record.user.projects.contains(project))
    }
}
