//! Opening the database and reading from it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row};

use super::column::{self, Bound};
use super::error::{StoreError, code, has_no_room};
use super::layout::{self, Lack, Layout, Migration};
use super::record::{Filter, Record};
use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::{PasswordHash, User};

/// How long to wait for another process's lock, unless told otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How many rows are read at once.
const PAGE: usize = 1000;

/// What the database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read; works on a database one may not write.
    Read,
    /// To read and change.
    Write,
}

/// An open database.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) layout: Layout,
    pub(super) path: PathBuf,
    pub(super) wait: Duration,
}

impl Store {
    /// Opens a database that is there, waiting up to [`DEFAULT_WAIT`] for locks.
    ///
    /// # Errors
    /// [`StoreError`]: the file is missing, no database, not the server's, or locked. That it can't
    /// be changed turns up with the first transaction.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        Self::open_waiting(path, access, DEFAULT_WAIT)
    }

    /// The same, waiting up to `wait` for locks.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_waiting(path: &Path, access: Access, wait: Duration) -> Result<Self, StoreError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(StoreError::NotAFile(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(path.to_owned()));
            }
            Err(source) => return Err(StoreError::Unreadable { path: path.to_owned(), source }),
        }
        // SQLite tells "can't be opened" for everything; the system says why.
        if let Err(source) = fs::File::open(path) {
            return Err(StoreError::Unreadable { path: path.to_owned(), source });
        }
        log::debug!("reads the database {}", path.display());
        match connect(path, access, wait) {
            // A database in WAL mode wants to make its index file beside it. Where it can't, and
            // no process has changes pending, the file can be read as it is.
            Err(error) if access == Access::Read && is_shut(&error) => connect_immutable(path, wait),
            other => other.map_err(|lack| lack.into_error(path, wait)),
        }
    }

    /// Where the server's migrations of this database stand; none if no server has opened it.
    #[must_use]
    pub fn migration(&self) -> Option<Migration> {
        layout::migration(&self.connection)
    }

    /// The user of exactly this name.
    ///
    /// # Errors
    /// [`StoreError::BrokenRow`] where the server could not read the user, and all that a read can
    /// run into.
    pub fn find(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.record(username)?.map(Record::sound).transpose()
    }

    /// The row of exactly this name, broken or not.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn record(&self, username: &str) -> Result<Option<Record>, StoreError> {
        let query = format!("{} WHERE username = ?1", self.layout.select());
        self.connection
            .query_row(&query, [username], Record::of)
            .optional()
            .map_err(|error| self.fault(&error))
    }

    /// A name that is there and differs from this one by case or blanks only.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn similar(&self, username: &str) -> Result<Option<String>, StoreError> {
        let found =
            similar(&self.connection, self.layout, &[username]).map_err(|error| self.fault(&error))?;
        Ok(found.into_iter().next().flatten())
    }

    /// What stands in the password column; none if there is no such user or nothing there.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn password_hash(&self, username: &str) -> Result<Option<PasswordHash>, StoreError> {
        let query = format!("SELECT password FROM {} WHERE username = ?1", self.layout.table);
        let stored = self
            .connection
            .query_row(&query, [username], |row| Ok(column::text(row.get_ref(0)?)))
            .optional()
            .map_err(|error| self.fault(&error))?;
        Ok(stored.flatten().filter(|text| !text.is_empty()).map(PasswordHash::stored))
    }

    /// Calls `visit` with every record that the filter admits, in the order of the names. Memory
    /// stays flat, and however long `visit` takes, nobody who wants to write waits for it: a page
    /// of rows is read at a time, and nothing is locked between two of them. What others change
    /// meanwhile may be seen or not.
    ///
    /// # Errors
    /// What `visit` returns, and all that a read can run into.
    pub fn each<E: From<StoreError>>(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pages(&self.layout.select(), Record::of, |record| {
            if filter.admits(&record) { visit(record) } else { Ok(()) }
        })
    }

    /// The same with the row as it is stored beside each record.
    ///
    /// # Errors
    /// As [`Store::each`].
    pub fn each_stored<E: From<StoreError>>(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Record, StoredRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = self.layout.select_stored();
        let read = |row: &Row<'_>| Ok((Record::of_stored(row)?, column::stored_row(row, 0)?));
        self.pages(
            &query,
            read,
            |(record, row)| {
                if filter.admits(&record) { visit(record, row) } else { Ok(()) }
            },
        )
    }

    /// Reads the rows of a query whose first column is the name, a page at a time in its order.
    fn pages<T, E: From<StoreError>>(
        &self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut page = Vec::with_capacity(PAGE);
        let mut last = None;
        loop {
            self.page(query, &mut last, &read, &mut page).map_err(|error| self.fault(&error))?;
            let more = page.len() == PAGE;
            page.drain(..).try_for_each(&mut visit)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Reads the rows after the name `last`, which becomes that of the last one.
    fn page<T>(
        &self,
        query: &str,
        last: &mut Option<StoredValue>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        page: &mut Vec<T>,
    ) -> rusqlite::Result<()> {
        // A name that is NULL comes before all others and is equal to none.
        let after = if last.is_some() { "WHERE username > ?1" } else { "WHERE ?1 IS NULL" };
        let query = format!("{query} {after} ORDER BY username LIMIT {PAGE}");
        let mut statement = self.connection.prepare_cached(&query)?;
        let mut rows = statement.query([Bound(last.as_ref().unwrap_or(&StoredValue::Null))])?;
        while let Some(row) = rows.next()? {
            page.push(read(row)?);
            if page.len() == PAGE {
                *last = Some(column::stored(row.get_ref(0)?));
            }
        }
        Ok(())
    }

    /// Names that begin with `prefix`, at most `limit`, in order: for completion.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn beginning(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = format!(
            "SELECT username FROM {} WHERE username >= ?1 AND substr(username, 1, length(?1)) = ?1
             ORDER BY username LIMIT ?2",
            self.layout.table
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.connection
            .prepare(&query)
            .and_then(|mut statement| {
                let rows = statement.query_map((prefix, limit), |row| Ok(column::text(row.get_ref(0)?)))?;
                rows.filter_map(Result::transpose).collect()
            })
            .map_err(|error| self.fault(&error))
    }

    pub(super) fn fault(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.path, self.wait, error)
    }
}

/// The work of [`Store::similar`], also inside a transaction, for many names in one pass over the
/// table: for each of them a name in the table that differs from it by case or blanks only.
pub(super) fn similar(
    connection: &Connection,
    layout: Layout,
    usernames: &[&str],
) -> rusqlite::Result<Vec<Option<String>>> {
    let plain = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let mut positions: HashMap<String, Vec<usize>> = HashMap::with_capacity(usernames.len());
    for (position, username) in usernames.iter().enumerate() {
        positions.entry(plain(username)).or_default().push(position);
    }
    let mut found = vec![None; usernames.len()];
    let mut statement = connection.prepare(&format!("SELECT username FROM {}", layout.table))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(name) = column::text(row.get_ref(0)?) else { continue };
        let Some(alike) = positions.get_mut(&plain(&name)) else { continue };
        // Each name is settled by its first find, so that many spellings of one name stay linear.
        alike.retain(|position| {
            if usernames.get(*position).is_none_or(|username| *username == name) {
                return true;
            }
            if let Some(slot) = found.get_mut(*position) {
                *slot = Some(name.clone());
            }
            false
        });
    }
    Ok(found)
}

impl Lack {
    fn into_error(self, path: &Path, wait: Duration) -> StoreError {
        match self {
            Self::Table => StoreError::NoUserTable(path.to_owned()),
            Self::Column { table, column } => {
                StoreError::OtherSchema { path: path.to_owned(), table, column }
            }
            Self::Sqlite(error) => StoreError::from_sqlite(path, wait, &error),
        }
    }
}

/// A path that SQLite takes for a path: `file:x` and `:memory:` mean something else to it.
fn plain(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) }
}

fn connect(path: &Path, access: Access, wait: Duration) -> Result<Store, Lack> {
    let mode = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection = Connection::open_with_flags(plain(path), mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(Lack::Sqlite)?;
    if access == Access::Write {
        // As the server has it, so that a user's settings go with the user. The library that
        // comes along has it on by default; that is not for others to know.
        connection.pragma_update(None, "foreign_keys", true).map_err(Lack::Sqlite)?;
    }
    finish(connection, path, wait)
}

fn finish(mut connection: Connection, path: &Path, wait: Duration) -> Result<Store, Lack> {
    connection.busy_handler(Some(patience(wait))).map_err(Lack::Sqlite)?;
    let layout = Layout::of(&connection)?;
    Ok(Store { connection, layout, path: path.to_owned(), wait })
}

/// Waits for a lock in short, uneven steps. SQLite's own steps of a tenth of a second let many
/// who wait at once miss each other's turns for seconds.
fn patience(wait: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
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

/// Whether SQLite could not make or open a file beside the database, for want of rights or room.
fn is_shut(lack: &Lack) -> bool {
    let Lack::Sqlite(error) = lack else { return false };
    has_no_room(error) || matches!(code(error), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn connect_immutable(path: &Path, wait: Duration) -> Result<Store, StoreError> {
    let real =
        fs::canonicalize(path).map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })?;
    let mut log = real.clone().into_os_string();
    log.push("-wal");
    if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0) {
        return Err(StoreError::LogUnreadable(path.to_owned()));
    }
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
    Connection::open_with_flags(uri, flags)
        .map_err(Lack::Sqlite)
        .and_then(|connection| finish(connection, path, wait))
        .map_err(|lack| lack.into_error(path, wait))
}
