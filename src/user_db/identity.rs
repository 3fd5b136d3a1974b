//! The identity of the database file, and the files of SQLite beside it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access as Rights, AtFlags, CWD, accessat};

use super::error::UserDbError;
use crate::util::account;

/// The suffixes of the files beside the database: write-ahead log, its index, rollback journal.
pub(super) const SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Returns the path of the file with this suffix. SQLite resolves symbolic links first.
pub(super) fn companion_file(path: &Path, suffix: &str) -> PathBuf {
    let mut name = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(suffix);
    name.into()
}

/// Returns the paths of SQLite's files beside a database, whether they exist or not.
pub fn companion_files(path: &Path) -> impl Iterator<Item = PathBuf> {
    SUFFIXES.into_iter().map(move |suffix| companion_file(path, suffix))
}

/// Returns the error for a file beside the database that this account cannot use.
pub(super) fn inaccessible_file(path: &Path) -> Option<UserDbError> {
    let rights = Rights::READ_OK | Rights::WRITE_OK;
    SUFFIXES.into_iter().find_map(|suffix| {
        let file = companion_file(path, suffix);
        let owner = fs::symlink_metadata(&file).ok()?.uid();
        let is_closed = accessat(CWD, &file, rights, AtFlags::EACCESS).is_err();
        is_closed.then(|| UserDbError::NotPermitted {
            path: path.to_owned(),
            file,
            owner: account_name(owner),
        })
    })
}

/// Returns the error for a file beside the database that does not belong to its owner: SQLite in a process of root
/// gives it to the owner when it opens the file, also for reading.
pub(super) fn foreign_file(path: &Path) -> Option<UserDbError> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let database = fs::metadata(path).ok()?.uid();
    SUFFIXES.into_iter().find_map(|suffix| {
        let file = companion_file(path, suffix);
        let owner = fs::symlink_metadata(&file).ok()?.uid();
        (owner != database).then(|| UserDbError::ForeignFile {
            path: path.to_owned(),
            file,
            owner: account_name(owner),
        })
    })
}

/// Returns the name of an account from the local account list, or else its number.
fn account_name(user: u32) -> String {
    match account::account_name(user) {
        Some(name) => format!("the account '{name}'"),
        None => format!("the account with the user ID {user}"),
    }
}

/// The identity of a file, independent of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DatabaseIdentity {
    device: u64,
    inode: u64,
}

impl DatabaseIdentity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Checks that the path still refers to this file.
    ///
    /// # Errors
    /// [`UserDbError::Replaced`].
    pub(super) fn check(self, path: &Path) -> Result<(), UserDbError> {
        match fs::metadata(path) {
            Ok(metadata) if Self::of(&metadata) == self => Ok(()),
            _ => Err(UserDbError::Replaced { path: path.to_owned(), is_committed: false }),
        }
    }
}

/// The state of a file that was opened without locks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Snapshot {
    /// # Errors
    /// [`UserDbError::NotPermitted`] when there is a journal, or a log with changes, beside it.
    pub(super) fn of(path: &Path) -> Result<Self, UserDbError> {
        for (suffix, is_harmless_when_empty) in [("-journal", false), ("-wal", true)] {
            let file = companion_file(path, suffix);
            if let Ok(metadata) = fs::symlink_metadata(&file)
                && !(is_harmless_when_empty && metadata.len() == 0)
            {
                let owner = account_name(metadata.uid());
                return Err(UserDbError::NotPermitted { path: path.to_owned(), file, owner });
            }
        }
        let metadata = fs::metadata(path)
            .map_err(|source| UserDbError::NotReadable { path: path.to_owned(), source })?;
        Ok(Self { size: metadata.len(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() })
    }

    /// Checks that the file was not written since.
    ///
    /// # Errors
    /// [`UserDbError::Locked`]: another process is writing.
    pub(super) fn check(&self, path: &Path, waited: Duration) -> Result<(), UserDbError> {
        match Self::of(path) {
            Ok(now) if now == *self => Ok(()),
            _ => Err(UserDbError::Locked { path: path.to_owned(), waited }),
        }
    }
}
