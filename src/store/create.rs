//! A stand-alone database: the user table of today's server and nothing else.
//!
//! It has no `schema_migrations`: whether the tables of the server's own schema are there is the
//! server's to say, and this file does not pretend. See the manual of `cc-user init` for what that
//! means when a server opens it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::open::DEFAULT_WAIT;
use crate::base::file::{self, PRIVATE_MODE};
use crate::base::time::Timestamp;

/// The table as the server has it since schema version 8 (facts of its schema, spelled here).
const TABLE: &str = "CREATE TABLE hpc_user (
    username varchar(255) PRIMARY KEY NOT NULL,
    password varchar(255) DEFAULT NULL,
    ldap     tinyint      NOT NULL DEFAULT 0,
    name     varchar(255) DEFAULT NULL,
    roles    varchar(255) NOT NULL DEFAULT '[]',
    email    varchar(255) DEFAULT NULL,
    projects varchar(255) NOT NULL DEFAULT '[]'
);";

/// Makes a stand-alone database with mode 0600, whole or not at all: a file that is there already
/// is left alone. Its folder must exist.
///
/// # Errors
/// [`StoreError::Uncreatable`] (also when the file exists), and all that SQLite can run into.
pub fn create(path: &Path) -> Result<(), StoreError> {
    let uncreatable = |source| StoreError::Uncreatable { path: path.to_owned(), source };
    let failed = |error: rusqlite::Error| StoreError::from_sqlite(path, DEFAULT_WAIT, &error);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Made beside its place under another name, so that nobody ever opens a half-made one.
    let workshop = tempfile::Builder::new()
        .prefix(file::TEMPORARY.0)
        .suffix(file::TEMPORARY.1)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(uncreatable)?;
    if let Ok(metadata) = fs::metadata(workshop.path()) {
        file::sweep(folder, Timestamp(metadata.mtime()));
    }
    let made = workshop.path().join("new.db");
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_MODE)
        .open(&made)
        .map_err(uncreatable)?;
    let connection = Connection::open_with_flags(
        &made,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(failed)?;
    // The server's own mode, kept in the file: readers do not wait for writers.
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.execute_batch(TABLE).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    fs::File::open(&made).and_then(|file| file.sync_all()).map_err(uncreatable)?;
    // A hard link, unlike a rename, never replaces what is there.
    match fs::hard_link(&made, path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(1) => {
            rename_if_absent(&made, path).map_err(uncreatable)?;
        }
        other => other.map_err(uncreatable)?,
    }
    if let Ok(opened) = fs::File::open(folder) {
        let _ = opened.sync_all();
    }
    Ok(())
}

/// For file systems without hard links.
fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}
