//! Renaming a user, and the rows of the server that contain the username.

use rusqlite::params;

use super::error::UserDbError;
use super::transaction::Transaction;
use super::write::is_duplicate_key;
use crate::history::UserRights;
use crate::user::exchange::StoredValue;

/// Scopes of tags that are not usernames.
const SHARED_SCOPES: [&str; 2] = ["global", "admin"];

/// The rows of the server that contain a username, apart from the user's row and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserReferences {
    /// Jobs: running, finished and cached ones.
    pub jobs: i64,
    /// Private tags, whose scope is the username.
    pub tags: i64,
}

impl UserReferences {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.jobs == 0 && self.tags == 0
    }
}

impl Transaction<'_> {
    /// Counts the rows of the server that contain a username.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn references(&self, username: &str) -> Result<UserReferences, UserDbError> {
        let count = |table: &str, columns: &[&str]| -> rusqlite::Result<i64> {
            let mut count = 0;
            for column in columns {
                if self.inner.column_exists(None, table, *column)? {
                    let query = format!("SELECT count(*) FROM {table} WHERE \"{column}\" = ?1");
                    count += self.inner.query_row(&query, [username], |row| row.get::<_, i64>(0))?;
                }
            }
            Ok(count)
        };
        // The column is `user` before schema version 8.
        let jobs = ["hpc_user", "user"];
        let references = || {
            Ok(UserReferences {
                jobs: count("job", &jobs)? + count("job_cache", &jobs)?,
                tags: if SHARED_SCOPES.contains(&username) { 0 } else { count("tag", &["tag_scope"])? },
            })
        };
        references().map_err(|error| self.context.sqlite_error(&error))
    }

    /// Renames a user, and the settings of the user in the table `configuration`.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], [`UserDbError::UserExists`], or the error of SQLite.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), UserDbError> {
        let table = self.context.layout.table;
        let has_settings = self
            .inner
            .column_exists(None, "configuration", "username")
            .map_err(|error| self.context.sqlite_error(&error))?;
        // The settings refer to the user: both change before the reference is checked.
        self.inner
            .execute_batch("PRAGMA defer_foreign_keys = ON")
            .map_err(|error| self.context.sqlite_error(&error))?;
        let statement = format!("UPDATE {table} SET username = ?2 WHERE username = ?1");
        self.begin_user(&StoredValue::text(old))?;
        match self.execute(&statement, params![old, new]) {
            Ok(0) => return Err(UserDbError::UnknownUser { name: old.to_owned(), similar: None }),
            Ok(_) => {}
            Err(error) if is_duplicate_key(&error) => return Err(UserDbError::UserExists(new.to_owned())),
            Err(error) => return Err(self.context.sqlite_error(&error)),
        }
        if has_settings {
            // Settings of a former user of the new name, whose row was deleted without them.
            self.execute("DELETE FROM configuration WHERE username = ?1", params![new])
                .and_then(|_| {
                    let statement = "UPDATE configuration SET username = ?2 WHERE username = ?1";
                    self.execute(statement, params![old, new])
                })
                .map_err(|error| self.context.sqlite_error(&error))?;
        }
        self.record_renamed(new)?;
        let given = self.given()?.user(old);
        if let Some(rights) = given {
            self.change_given(old, UserRights::clear)?;
            self.change_given(new, |given| *given = rights)?;
        }
        Ok(())
    }
}
