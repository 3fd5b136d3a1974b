//! The files of the state beside the journal.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::disabled::{self, DisabledUsers};
use super::error::HistoryError;
use super::given::{self, GivenState};
use crate::util::file::{self, Existing, FileError};
use crate::util::json;
use crate::util::note::Notes;

/// The maximum size in bytes of a file of the state.
const LIMIT: u64 = 256 << 20;

/// The permissions that a file of the state takes over from the database: other accounts never write it.
const MODE_BITS: u32 = 0o640;

impl DisabledUsers {
    /// Reads the file beside a database; without a file no user is disabled.
    ///
    /// # Errors
    /// [`HistoryError::File`], [`HistoryError::StateMalformed`].
    pub fn load(database: &Path) -> Result<Self, HistoryError> {
        load(&Self::path(database))
    }

    /// Returns the roles that 'cc-user enable' restores to a user with these roles; `None` if the user is not disabled,
    /// or if the file cannot be read.
    #[must_use]
    pub fn restored_roles(database: &Path, username: &str, roles: &[String]) -> Option<Vec<String>> {
        if !roles.is_empty() {
            return None;
        }
        let disabled = Self::load(database);
        let disabled =
            disabled.inspect_err(|error| log::info!("cannot read the disabled users: {error}")).ok()?;
        disabled.entry(username).map(|entry| entry.roles.clone())
    }

    /// The path of the file beside a database.
    #[must_use]
    pub fn path(database: &Path) -> PathBuf {
        file::beside(database, disabled::SUFFIX)
    }

    /// Warns if root wrote the file and the account of the database cannot read it.
    pub fn warn_of_owner(database: &Path, notes: &mut Notes) {
        file::warn_if_not_owner(&Self::path(database), notes);
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`HistoryError::StateNotWritten`].
    pub(super) fn save(&self, database: &Path, mode: u32) -> Result<(), HistoryError> {
        save(&Self::path(database), serde_json::to_vec_pretty(self), mode)
    }
}

impl GivenState {
    /// Reads the file beside a database; without a file no user was given anything.
    ///
    /// # Errors
    /// [`HistoryError::File`], [`HistoryError::StateMalformed`].
    pub fn load(database: &Path) -> Result<Self, HistoryError> {
        load(&Self::path(database))
    }

    fn path(database: &Path) -> PathBuf {
        file::beside(database, given::SUFFIX)
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`HistoryError::StateNotWritten`].
    pub(super) fn save(&self, database: &Path, mode: u32) -> Result<(), HistoryError> {
        save(&Self::path(database), serde_json::to_vec(self), mode)
    }
}

fn load<T: Default + DeserializeOwned>(path: &Path) -> Result<T, HistoryError> {
    match file::read_beside(path, LIMIT) {
        Ok(bytes) => json::typed(&bytes).map_err(|error| HistoryError::StateMalformed {
            path: path.to_owned(),
            message: error.to_string(),
        }),
        Err(FileError::Missing(_)) => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the file atomically.
fn save(path: &Path, text: serde_json::Result<Vec<u8>>, mode: u32) -> Result<(), HistoryError> {
    let mut text = text.map_err(|error| HistoryError::StateMalformed {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    text.push(b'\n');
    file::write(path, &text, mode & MODE_BITS, Existing::Replace).map_err(HistoryError::StateNotWritten)
}
