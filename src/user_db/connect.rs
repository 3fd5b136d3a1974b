//! Opening the database file with SQLite.
//!
//! The last reader of a database in WAL mode removes the log and index files if it may write, since
//! it opens the database for writing. A reader without write permission must not create these
//! files, because the account of the server could then not open its own database.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access as Rights, AtFlags, CWD, accessat};

use super::error::{UserDbError, code, is_index_size_error};
use super::identity::{self, DatabaseIdentity, Snapshot};
use super::layout::{Layout, SchemaError};
use crate::history::Author;

/// The offset of the read version in the header of a database; 2 means a write-ahead log.
const READ_VERSION: usize = 19;

/// Default timeout for the lock of another process.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The access mode of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode<'author> {
    /// Read-only access; works without write permission for the database. An account with write
    /// permission also removes empty log and index files when the database is closed.
    Read,
    /// Read-only access that creates, changes and removes no file, for every account.
    ReadOnly,
    /// Read and write access; the journal contains the author of each change.
    Write(&'author Author),
}

/// An open database.
#[derive(Debug)]
pub struct UserDb {
    pub(super) connection: Connection,
    pub(super) layout: Layout,
    pub(super) path: PathBuf,
    pub(super) timeout: Duration,
    pub(super) identity: DatabaseIdentity,
    /// The author of the changes; none with read-only access.
    pub(super) author: Option<Author>,
    /// Set when the file is read without regard to other processes.
    pub(super) snapshot: Option<Snapshot>,
}

impl Drop for UserDb {
    fn drop(&mut self) {
        // The last connection applies the write-ahead log and deletes it by name. The name must not
        // refer to a file that replaced the database.
        if self.identity.check(&self.path).is_ok() {
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

impl UserDb {
    /// Checks that the path still refers to the open file and that no change went unnoticed.
    ///
    /// # Errors
    /// [`UserDbError::Replaced`], [`UserDbError::Locked`].
    pub(super) fn check(&self) -> Result<(), UserDbError> {
        self.identity.check(&self.path)?;
        self.snapshot.as_ref().map_or(Ok(()), |snapshot| snapshot.check(&self.path, self.timeout))
    }
}

/// The SQLite mode of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SqliteMode {
    /// To be changed.
    Write,
    /// Opened for writing, so that the log is applied and deleted on close, but never changed.
    ReadAndCleanUp,
    /// Read-only.
    Read,
}

/// Opens an existing database.
pub(super) fn open(path: &Path, access: OpenMode<'_>, wait: Duration) -> Result<UserDb, UserDbError> {
    let unreadable = |source| UserDbError::NotReadable { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(UserDbError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(UserDbError::Missing(path.to_owned()));
        }
        Err(source) => return Err(unreadable(source)),
    }
    // SQLite reports all failures to open a file alike; the system reports the reason.
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let identity = DatabaseIdentity::of(&file.metadata().map_err(unreadable)?);
    let has_log = has_log(&mut file);
    drop(file);
    log::debug!("reads the database {}", path.display());
    let mode = match access {
        OpenMode::Write(_) => SqliteMode::Write,
        OpenMode::Read if may_write(path) => SqliteMode::ReadAndCleanUp,
        OpenMode::Read | OpenMode::ReadOnly => SqliteMode::Read,
    };
    if let (OpenMode::ReadOnly, Some(error)) = (access, identity::foreign_file(path)) {
        return Err(error);
    }
    // SQLite would create the index and log files and not remove them.
    let would_create =
        mode == SqliteMode::Read && has_log && !identity::companion_file(path, "-shm").exists();
    let mut store = if would_create {
        open_immutable(path, wait, identity)?
    } else {
        match connect(path, mode, wait, identity) {
            Err(lack) if is_inaccessible(&lack) && mode != SqliteMode::Write => {
                open_immutable(path, wait, identity)?
            }
            Err(lack) if is_inaccessible(&lack) => {
                return Err(identity::inaccessible_file(path).unwrap_or_else(|| lack.into_error(path, wait)));
            }
            other => other.map_err(|lack| lack.into_error(path, wait))?,
        }
    };
    if let OpenMode::Write(author) = access {
        store.author = Some(author.clone());
    }
    // SQLite opened the file and the log by name.
    store.check()?;
    Ok(store)
}

/// Returns whether the header declares a write-ahead log.
fn has_log(file: &mut fs::File) -> bool {
    let mut header = [0; READ_VERSION + 1];
    file.read_exact(&mut header).is_ok() && header.last() == Some(&2)
}

/// Returns whether this account may write the database and create files in its directory.
fn may_write(path: &Path) -> bool {
    let may = |path: &Path, rights| accessat(CWD, path, rights, AtFlags::EACCESS).is_ok();
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = real.parent().unwrap_or(&real);
    may(&real, Rights::READ_OK | Rights::WRITE_OK) && may(directory, Rights::WRITE_OK | Rights::EXEC_OK)
}

impl SchemaError {
    fn into_error(self, path: &Path, wait: Duration) -> UserDbError {
        match self {
            Self::Table => UserDbError::NoUserTable(path.to_owned()),
            Self::Column { table, column } => {
                UserDbError::OtherSchema { path: path.to_owned(), table, column }
            }
            Self::Sqlite(error) => UserDbError::from_sqlite(path, wait, &error),
        }
    }
}

/// Returns a path that SQLite does not interpret as a URI or as `:memory:`.
fn as_path(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) }
}

fn connect(
    path: &Path,
    mode: SqliteMode,
    wait: Duration,
    identity: DatabaseIdentity,
) -> Result<UserDb, SchemaError> {
    let flags = match mode {
        SqliteMode::Write | SqliteMode::ReadAndCleanUp => OpenFlags::SQLITE_OPEN_READ_WRITE,
        SqliteMode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection = Connection::open_with_flags(as_path(path), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(SchemaError::Sqlite)?;
    match mode {
        // As the server has it, so that a user's settings go with the user. The library that
        // comes along has it on by default; that is not for others to know.
        SqliteMode::Write => {
            connection.pragma_update(None, "foreign_keys", true).map_err(SchemaError::Sqlite)?
        }
        SqliteMode::ReadAndCleanUp => {
            connection.pragma_update(None, "query_only", true).map_err(SchemaError::Sqlite)?
        }
        SqliteMode::Read => {}
    }
    set_up(connection, path, wait, identity)
}

fn set_up(
    mut connection: Connection,
    path: &Path,
    wait: Duration,
    identity: DatabaseIdentity,
) -> Result<UserDb, SchemaError> {
    connection.busy_handler(Some(busy_handler(wait))).map_err(SchemaError::Sqlite)?;
    // Taken back when the store is closed, if the file is still the same.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(SchemaError::Sqlite)?;
    let path = path.to_owned();
    let mut store = UserDb {
        connection,
        layout: Layout::CURRENT,
        path,
        timeout: wait,
        identity,
        author: None,
        snapshot: None,
    };
    store.layout = Layout::of(&store.connection)?;
    Ok(store)
}

/// Waits for a lock in short, uneven steps. SQLite's own steps of a tenth of a second let many
/// who wait at once miss each other's turns for seconds.
fn busy_handler(wait: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut began = Instant::now();
    move |count| {
        if count == 0 {
            began = Instant::now();
        }
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return false;
        }
        let uneven =
            u64::from(began.elapsed().subsec_nanos() ^ std::process::id().wrapping_mul(2_654_435_761));
        let step = Duration::from_micros(1_000 + uneven % 1_000 * u64::from(count.unsigned_abs().min(20)));
        std::thread::sleep(step.min(left));
        true
    }
}

/// Whether SQLite could not make or open a file beside the database, without permission or free space.
fn is_inaccessible(lack: &SchemaError) -> bool {
    let SchemaError::Sqlite(error) = lack else { return false };
    is_index_size_error(error) || matches!(code(error), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Opens a database as a file that no process changes, where it cannot be read otherwise. Not with
/// a rollback journal or a log beside it: the file alone is not the database's state then.
fn open_immutable(path: &Path, wait: Duration, identity: DatabaseIdentity) -> Result<UserDb, UserDbError> {
    let real = fs::canonicalize(path)
        .map_err(|source| UserDbError::NotReadable { path: path.to_owned(), source })?;
    let snapshot = Snapshot::of(path)?;
    let mut uri = String::from("file:");
    for byte in real.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut store = Connection::open_with_flags(uri, flags)
        .map_err(SchemaError::Sqlite)
        .and_then(|connection| set_up(connection, path, wait, identity))
        .map_err(|lack| lack.into_error(path, wait))?;
    store.snapshot = Some(snapshot);
    Ok(store)
}
