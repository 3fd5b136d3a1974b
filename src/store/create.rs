//! A stand-alone database: the user table of today's server and nothing else.
//!
//! It has no `schema_migrations`: whether the tables of the server's own schema are there is the
//! server's to say, and this file does not pretend. See the manual of `cc-user init` for what that
//! means when a server opens it.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;
use super::open::DEFAULT_WAIT;
use crate::base::file::{self, Existing, FileError, PRIVATE_MODE};

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

/// Where the header of a database names the journal: for writing, and for reading.
const JOURNAL: [usize; 2] = [18, 19];

/// The journal of the server's databases (WAL): readers do not wait for writers.
const WAL: u8 = 2;

/// Creates a stand-alone database with mode 0600, whole or not at all: a file that exists is left
/// alone. Its directory must exist.
///
/// # Errors
/// [`StoreError::Uncreatable`] (also when the file exists), and all that SQLite can run into.
pub fn create(path: &Path) -> Result<(), StoreError> {
    let uncreatable = |source| StoreError::Uncreatable { path: path.to_owned(), source };
    let image = image().map_err(|error| StoreError::from_sqlite(path, DEFAULT_WAIT, &error))?;
    file::write(path, &image, PRIVATE_MODE, Existing::Refuse).map_err(|error| match error {
        FileError::Exists(_) => uncreatable(std::io::ErrorKind::AlreadyExists.into()),
        FileError::Uncreatable { source, .. } | FileError::Unwritable { source, .. } => uncreatable(source),
        other => uncreatable(std::io::Error::other(other)),
    })
}

/// The bytes of the database. SQLite opens files by their names, which is not safe in a directory
/// of another account, so it makes this one in memory.
fn image() -> rusqlite::Result<Vec<u8>> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLE)?;
    let mut image = connection.serialize("main")?.to_vec();
    for place in JOURNAL {
        if let Some(byte) = image.get_mut(place) {
            *byte = WAL;
        }
    }
    Ok(image)
}
