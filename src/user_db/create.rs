//! Creation of a database with the empty tables of schema version 3 of the server.
//!
//! The server's own command completes it: `cc-backend -migrate-db` brings it to the newest version
//! and keeps the users. Version 3 is the first that has all columns of the user table. Later
//! migrations copy rows of `job` by position, so the order of its columns matters; they drop
//! indexes only if they exist, so none are needed.

use std::path::Path;

use rusqlite::Connection;

use super::connect::DEFAULT_TIMEOUT;
use super::error::UserDbError;
use super::identity::{SUFFIXES, companion_file};
use crate::util::file::{self, Existing, FileError, PRIVATE_MODE};

/// The tables of the server's schema.
const TABLES: &str = "
CREATE TABLE job (
    id                INTEGER PRIMARY KEY,
    job_id            BIGINT NOT NULL,
    cluster           VARCHAR(255) NOT NULL,
    subcluster        VARCHAR(255) NOT NULL,
    start_time        BIGINT NOT NULL,
    user              VARCHAR(255) NOT NULL,
    project           VARCHAR(255) NOT NULL,
    partition         VARCHAR(255),
    array_job_id      BIGINT,
    duration          INT NOT NULL,
    walltime          INT NOT NULL,
    job_state         VARCHAR(255) NOT NULL,
    meta_data         TEXT,
    resources         TEXT NOT NULL,
    num_nodes         INT NOT NULL,
    num_hwthreads     INT,
    num_acc           INT,
    smt               TINYINT NOT NULL DEFAULT 1,
    exclusive         TINYINT NOT NULL DEFAULT 1,
    monitoring_status TINYINT NOT NULL DEFAULT 1,
    mem_used_max        REAL NOT NULL DEFAULT 0.0,
    flops_any_avg       REAL NOT NULL DEFAULT 0.0,
    mem_bw_avg          REAL NOT NULL DEFAULT 0.0,
    load_avg            REAL NOT NULL DEFAULT 0.0,
    net_bw_avg          REAL NOT NULL DEFAULT 0.0,
    net_data_vol_total  REAL NOT NULL DEFAULT 0.0,
    file_bw_avg         REAL NOT NULL DEFAULT 0.0,
    file_data_vol_total REAL NOT NULL DEFAULT 0.0
);
CREATE TABLE tag (
    id       INTEGER PRIMARY KEY,
    tag_type VARCHAR(255) NOT NULL,
    tag_name VARCHAR(255) NOT NULL,
    UNIQUE (tag_type, tag_name)
);
CREATE TABLE jobtag (
    job_id INTEGER,
    tag_id INTEGER,
    PRIMARY KEY (job_id, tag_id),
    FOREIGN KEY (job_id) REFERENCES job (id) ON DELETE CASCADE,
    FOREIGN KEY (tag_id) REFERENCES tag (id) ON DELETE CASCADE
);
CREATE TABLE user (
    username varchar(255) PRIMARY KEY NOT NULL,
    password varchar(255) DEFAULT NULL,
    ldap     tinyint      NOT NULL DEFAULT 0,
    name     varchar(255) DEFAULT NULL,
    roles    varchar(255) NOT NULL DEFAULT '[]',
    email    varchar(255) DEFAULT NULL,
    projects varchar(255) NOT NULL DEFAULT '[]'
);
CREATE TABLE configuration (
    username varchar(255),
    confkey  varchar(255),
    value    varchar(255),
    PRIMARY KEY (username, confkey),
    FOREIGN KEY (username) REFERENCES user (username) ON DELETE CASCADE
);
CREATE TABLE schema_migrations (version uint64, dirty bool);
CREATE UNIQUE INDEX version_unique ON schema_migrations (version);
INSERT INTO schema_migrations (version, dirty) VALUES (3, 0);
";

/// Where the header of a database names the journal: for writing, and for reading.
const JOURNAL: [usize; 2] = [18, 19];

/// The journal of the server's databases (WAL): readers do not wait for writers.
const WAL: u8 = 2;

/// Creates a database atomically with mode 0600. An existing file is not changed. The directory
/// must exist.
///
/// # Errors
/// [`UserDbError::CreateFailed`], also if the file exists; otherwise the error of SQLite.
pub fn create(path: &Path) -> Result<(), UserDbError> {
    check_no_leftovers(path)?;
    let uncreatable = |source| UserDbError::CreateFailed { path: path.to_owned(), source };
    let image = image().map_err(|error| UserDbError::from_sqlite(path, DEFAULT_TIMEOUT, &error))?;
    file::write(path, &image, PRIVATE_MODE, Existing::Reject).map_err(|error| match error {
        FileError::Exists(_) => uncreatable(std::io::ErrorKind::AlreadyExists.into()),
        FileError::CreateFailed { source, .. } | FileError::WriteFailed { source, .. } => uncreatable(source),
        other => uncreatable(std::io::Error::other(other)),
    })
}

/// Checks that no files of an earlier database remain: SQLite would apply them to the new one.
///
/// # Errors
/// [`UserDbError::Leftover`].
pub fn check_no_leftovers(path: &Path) -> Result<(), UserDbError> {
    for suffix in SUFFIXES {
        let file = companion_file(path, suffix);
        if std::fs::symlink_metadata(&file).is_ok() {
            return Err(UserDbError::Leftover { path: path.to_owned(), file });
        }
    }
    Ok(())
}

/// Returns the bytes of the database. SQLite opens files by name, which is unsafe in a directory of
/// another account, so the database is created in memory.
fn image() -> rusqlite::Result<Vec<u8>> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    let mut image = connection.serialize("main")?.to_vec();
    for place in JOURNAL {
        if let Some(byte) = image.get_mut(place) {
            *byte = WAL;
        }
    }
    Ok(image)
}
