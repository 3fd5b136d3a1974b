//! The roles of disabled users, in a file of these programs beside the database.
//!
//! A disabled user is in this file and does not have a role in the user table. An entry of a user who
//! has roles again, such as after an import, has no meaning and is replaced by the next one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::AccountsError;
use crate::user_db::{Transaction, UserDbError, UserRecord};
use crate::util::file::{self, DISABLED_USERS_LIMIT, Existing, FileError, PRIVATE_MODE};
use crate::util::json;
use crate::util::note::Notes;

/// The suffix after the name of the database file.
pub const SUFFIX: &str = ".disabled-users.json";

/// The disabled users of a database.
#[derive(Debug, Default)]
pub struct DisabledUsers {
    path: PathBuf,
    content: Content,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    users: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    roles: Vec<String>,
}

impl DisabledUsers {
    /// Reads the file beside a database; without a file no user is disabled.
    ///
    /// # Errors
    /// [`AccountsError::File`], [`AccountsError::DisabledUsersMalformed`].
    pub fn load(database: &Path) -> Result<Self, AccountsError> {
        // The database may be named by a symbolic link; its own directory has the file.
        let target = if database.is_symlink() { std::fs::canonicalize(database).ok() } else { None };
        let mut path = target.unwrap_or_else(|| database.to_owned()).into_os_string();
        path.push(SUFFIX);
        let path = PathBuf::from(path);
        let bytes = match file::read_beside(&path, DISABLED_USERS_LIMIT) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(Self { path, content: Content::default() }),
            Err(error) => return Err(error.into()),
        };
        match json::typed(&bytes) {
            Ok(content) => Ok(Self { path, content }),
            Err(error) => Err(AccountsError::DisabledUsersMalformed { path, message: error.to_string() }),
        }
    }

    /// The roles of a disabled user before `disable`; `None` if the user is not disabled.
    #[must_use]
    pub fn roles(&self, record: &UserRecord) -> Option<&[String]> {
        let entry = self.content.users.get(&record.user.username)?;
        let is_readable = !record.invalid_columns.iter().any(|invalid| invalid.column == "roles");
        (record.user.roles.is_empty() && is_readable).then_some(&entry.roles)
    }

    /// Whether the user is disabled.
    #[must_use]
    pub fn contains(&self, record: &UserRecord) -> bool {
        self.roles(record).is_some()
    }

    /// Whether the file has an entry of this username. It is the entry of a disabled user if the user
    /// table has no roles of the user.
    #[must_use]
    pub fn has_entry(&self, username: &str) -> bool {
        self.content.users.contains_key(username)
    }

    /// Adds a user with these roles.
    pub(crate) fn insert(&mut self, username: &str, roles: Vec<String>) {
        self.content.users.insert(username.to_owned(), Entry { roles });
    }

    /// Removes a user; whether there was an entry.
    pub(super) fn remove(&mut self, username: &str) -> bool {
        self.content.users.remove(username).is_some()
    }

    /// Warns if root wrote the file and the account of the database cannot read it.
    pub(super) fn warn_of_owner(&self, notes: &mut Notes) {
        file::warn_if_not_owner(&self.path, notes);
    }

    /// Writes the file with a new entry of this user, then commits the user table. After a failure the
    /// file does not have the entry.
    ///
    /// # Errors
    /// [`AccountsError::File`], and the error of the database.
    pub(super) fn save_and_commit(
        &mut self,
        username: &str,
        transaction: Transaction<'_>,
    ) -> Result<(), AccountsError> {
        self.save()?;
        let Err(error) = transaction.commit() else { return Ok(()) };
        if !matches!(error, UserDbError::Replaced { is_committed: true, .. }) {
            self.remove(username);
            // An entry that remains has no meaning: the user has roles in the table.
            self.save().ok();
        }
        Err(error.into())
    }

    /// Writes the file atomically, with mode 0600.
    ///
    /// # Errors
    /// [`AccountsError::File`].
    pub(super) fn save(&self) -> Result<(), AccountsError> {
        let mut text = serde_json::to_vec_pretty(&self.content).map_err(|error| {
            AccountsError::DisabledUsersMalformed { path: self.path.clone(), message: error.to_string() }
        })?;
        text.push(b'\n');
        Ok(file::write(&self.path, &text, PRIVATE_MODE, Existing::Replace)?)
    }
}
