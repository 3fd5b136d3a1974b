//! Errors of the user database.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use super::column::InvalidColumn;
use crate::history::HistoryError;
use crate::util::diagnostic::diagnostics;
use crate::util::file::{reason, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};

/// Error of an access to the database or to a user in it.
#[derive(Debug, thiserror::Error)]
pub enum UserDbError {
    /// There is no such file.
    #[error("the database {} does not exist", quote_path(.0))]
    Missing(PathBuf),
    /// The path is not a regular file.
    #[error("the database {} is not a regular file", quote_path(.0))]
    NotAFile(PathBuf),
    /// The file cannot be read.
    #[error("the database {} cannot be read: {}", quote_path(.path), reason(.source))]
    NotReadable {
        /// The database.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is not an SQLite database.
    #[error("{} is not an SQLite database", quote_path(.0))]
    NotADatabase(PathBuf),
    /// The SQLite database is damaged.
    #[error("the database {} is damaged: {}", quote_path(.path), quote(.message))]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// The error of SQLite.
        message: String,
    },
    /// The database does not have a user table.
    #[error("the database {} has no user table: found neither 'hpc_user' nor 'user'", quote_path(.0))]
    NoUserTable(PathBuf),
    /// The table does not have the server's schema.
    #[error("the database {} is of another schema: its table '{table}' has no column '{column}'", quote_path(.path))]
    OtherSchema {
        /// The database.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The first column that is missing.
        column: &'static str,
    },
    /// Schema versions 1 and 2 have no projects.
    #[error("the database {} is of schema version 1 or 2, which has no projects", quote_path(.0))]
    NoProjects(PathBuf),
    /// The file or its directory cannot be written.
    #[error("the database {} cannot be changed: it or its directory is read-only", quote_path(.0))]
    ReadOnly(PathBuf),
    /// This account cannot use a file beside the database, such as the write-ahead log, so the
    /// state of the database is unknown.
    #[error("the database {} cannot be opened: this account cannot use {}, which belongs to {owner}", quote_path(.path), quote_path(.file))]
    NotPermitted {
        /// The database.
        path: PathBuf,
        /// The file.
        file: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// A file beside the database belongs to another account, and SQLite would change that.
    #[error("the database {} is not read: SQLite would change the owner of {}, which belongs to {owner}", quote_path(.path), quote_path(.file))]
    ForeignFile {
        /// The database.
        path: PathBuf,
        /// The file.
        file: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// Another file replaced the database.
    #[error("the database {} was replaced by another file while it was in use: {}", quote_path(.path), if *.is_committed { "the changes are in the old file only" } else { "nothing was changed" })]
    Replaced {
        /// The database.
        path: PathBuf,
        /// Whether the changes are in the old file.
        is_committed: bool,
    },
    /// The database does not exist, but files that belong to one do.
    #[error("the database {} does not exist, but {} does: a new database would take over its content", quote_path(.path), quote_path(.file))]
    Leftover {
        /// The database.
        path: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// Another process holds the lock.
    #[error("the database {} is locked by another process (waited {waited:?})", quote_path(.path))]
    Locked {
        /// The database.
        path: PathBuf,
        /// How long.
        waited: Duration,
    },
    /// Reading or writing failed.
    #[error("the database {} cannot be used: {}", quote_path(.path), quote(.message))]
    Failed {
        /// The database.
        path: PathBuf,
        /// The error of SQLite.
        message: String,
    },
    /// The journal, or the state beside it.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The new file cannot be created.
    #[error("the database {} cannot be created: {}", quote_path(.path), reason(.source))]
    CreateFailed {
        /// The database.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A user with this name exists.
    #[error("the user {} exists already", quote(.0))]
    UserExists(String),
    /// No user with this name exists.
    #[error("the user {} does not exist", quote(.name))]
    UnknownUser {
        /// The requested name.
        name: String,
        /// A username that differs only in case or blanks.
        similar: Option<String>,
    },
    /// A column of this user is invalid; the server cannot read it either.
    #[error("the user {} has a broken record: {}", quote(.name), .invalid_columns.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    InvalidRow {
        /// The user.
        name: String,
        /// The invalid columns.
        invalid_columns: Vec<InvalidColumn>,
    },
}

impl UserDbError {
    /// Converts an error of SQLite.
    pub(super) fn from_sqlite(path: &Path, waited: Duration, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let message = match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        // SQLite reports this as "disk I/O error", which does not help.
        if is_index_size_error(error) {
            let message = "its index file beside it cannot grow: the disk may be full".to_owned();
            return Self::Failed { path, message };
        }
        match code(error) {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, message },
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Locked { path, waited },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(path),
            _ => Self::Failed { path, message },
        }
    }
}

/// Returns whether the index file of a database in WAL mode cannot be extended.
pub(super) fn is_index_size_error(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// Returns SQLite's error code; the getter of rusqlite omits errors with a statement offset.
pub(super) fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.code)
        }
        _ => None,
    }
}

diagnostics! { UserDbError:
    Self::Missing(path) => Kind::DatabaseMissing, {
                let path = path.to_string_lossy();
                Some(if path == "./var/job.db" || path == "var/job.db" {
                    "run this in the server's directory, or name its database with --db FILE; 'cc-user init' makes a new one".to_owned()
                } else {
                    format!(
                        "name the server's database, or create one: cc-user init --db {}",
                        shell_word(&path)
                    )
                })
            };
    Self::NotAFile(_) => Kind::DatabaseNotSqlite,
        "name the server's database with --db FILE; its configuration calls it 'main.db'"
                        .to_owned();
    Self::NotADatabase(_) => Kind::DatabaseNotSqlite,
        "name the server's database with --db FILE; its configuration calls it 'main.db'"
                        .to_owned();
    Self::NotReadable { .. } => Kind::DatabaseUnreadable;
    Self::NotPermitted { path, .. } => Kind::DatabaseNotPermitted, format!(
                "run 'cc-user list --names --db {}' as that account or as root: it removes the file when no program needs it",
                shell_word(&path.to_string_lossy())
            );
    Self::ForeignFile { path, file, .. } => Kind::DatabaseNotPermitted, format!(
                "chown --reference={} {}",
                shell_word(&path.to_string_lossy()),
                shell_word(&file.to_string_lossy())
            );
    Self::Replaced { is_committed: false, .. } => Kind::DatabaseReplaced, "try again";
    Self::Replaced { .. } => Kind::DatabaseReplaced;
    Self::Leftover { path, .. } => Kind::DatabaseLeftover, format!(
                "restore the database, or move what is left of it away: mkdir -p leftover && mv {}-* leftover",
                shell_word(&path.to_string_lossy())
            );
    Self::Corrupt { .. } => Kind::DatabaseCorrupt, "restore it from a backup, or try 'sqlite3 FILE .recover'";
    Self::NoUserTable(_) => Kind::DatabaseSchema,
        "name the server's database with --db FILE; its configuration calls it 'main.db'"
                        .to_owned();
    Self::OtherSchema { .. } => Kind::DatabaseSchema,
        "name the server's database with --db FILE; its configuration calls it 'main.db'"
                        .to_owned();
    Self::NoProjects(_) => Kind::DatabaseSchema, "run 'cc-backend -migrate-db' in the server's directory";
    Self::ReadOnly(_) => Kind::DatabaseReadOnly, "run this as the user the server runs as";
    Self::Locked { .. } => Kind::DatabaseLocked, "try again, or wait longer, as with --wait 1m";
    Self::Failed { .. } => Kind::DatabaseFailed;
    Self::History(error) => error.kind(), error.hint();
    Self::CreateFailed { .. } => Kind::OutputUncreatable;
    Self::UserExists(_) => Kind::UserExists;
    Self::UnknownUser { similar: Some(similar), .. } => Kind::UserNotFound,
        format!("did you mean {}?", quote(similar));
    Self::UnknownUser { .. } => Kind::UserNotFound;
    // A username that requires escaping in JSON or a shell does not get a hint with a command.
    Self::InvalidRow { name, .. } if shell_word(name) == *name => Kind::UserRowInvalid, format!(
                "write it anew: echo '{{\"username\":\"{name}\",\"roles\":[\"user\"],\"projects\":[]}}' | cc-user import --update -"
            );
    Self::InvalidRow { .. } => Kind::UserRowInvalid,
        "write its roles and projects anew with 'cc-user import --update FILE'";
}
