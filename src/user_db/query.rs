//! Opening the database and reading from it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::column::{self, SqlValue};
use super::connect::{self, DEFAULT_TIMEOUT, OpenMode, UserDb};
use super::error::UserDbError;
use super::layout::{self, Layout, Migration};
use super::record::{UserFilter, UserRecord};
use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::{PasswordHash, User};
use crate::util::note::Notes;

/// The newest known schema version: that of server 1.5.4.
const NEWEST_SCHEMA: i64 = 11;

/// How many rows are read at once.
const PAGE: usize = 1000;

impl UserDb {
    /// Opens a database that is there, waiting up to [`DEFAULT_TIMEOUT`] for locks.
    ///
    /// # Errors
    /// [`UserDbError`]: the file is missing, no database, not the server's, or locked. That it cannot
    /// be changed turns up with the first transaction.
    pub fn open(path: &Path, access: OpenMode) -> Result<Self, UserDbError> {
        Self::open_with_timeout(path, access, DEFAULT_TIMEOUT)
    }

    /// The same, waiting up to `wait` for locks.
    ///
    /// # Errors
    /// As [`UserDb::open`].
    pub fn open_with_timeout(path: &Path, access: OpenMode, wait: Duration) -> Result<Self, UserDbError> {
        connect::open(path, access, wait)
    }

    /// The path of the database, as it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the server's migrations of this database; `None` if no server has opened it.
    #[must_use]
    pub fn migration(&self) -> Option<Migration> {
        layout::migration(&self.connection)
    }

    /// Warns of a database with which a server may not start, or whose schema is newer than
    /// that of the newest known server.
    pub fn warn_of_migration(&self, notes: &mut Notes) {
        let Some(Migration { version, dirty }) = self.migration() else { return };
        if dirty {
            notes.warn("database-migration-failed", format!(
                "a migration of the database to schema version {version} failed, and the server does not start with it; restore a backup, or see 'cc-backend -migrate-db' and '-force-db'"
            ));
        } else if version > NEWEST_SCHEMA {
            notes.warn("database-schema-newer", format!(
                "the database has schema version {version}, but the newest known version is {NEWEST_SCHEMA}: the server may read the users differently"
            ));
        }
    }

    /// The user of exactly this name.
    ///
    /// # Errors
    /// [`UserDbError::InvalidRow`] where the server could not read the user, and all that a read can
    /// run into.
    pub fn find(&self, username: &str) -> Result<Option<User>, UserDbError> {
        self.record(username)?.map(UserRecord::into_valid_user).transpose()
    }

    /// The row of exactly this name, broken or not.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn record(&self, username: &str) -> Result<Option<UserRecord>, UserDbError> {
        let query = format!("{} WHERE username = ?1", self.layout.select());
        self.read(|connection| connection.query_row(&query, [username], UserRecord::of).optional())
    }

    /// A name that is there and differs from this one by case or blanks only.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn similar_username(&self, username: &str) -> Result<Option<String>, UserDbError> {
        let found = self.read(|connection| similar_usernames(connection, self.layout, &[username]))?;
        Ok(found.into_iter().next().flatten())
    }

    /// The value of the password column; `None` if the user does not exist or the column is empty.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn password_hash(&self, username: &str) -> Result<Option<PasswordHash>, UserDbError> {
        let query = format!("SELECT password FROM {} WHERE username = ?1", self.layout.table);
        let read = |row: &Row<'_>| Ok(column::text(row.get_ref(0)?));
        let stored = self.read(|connection| connection.query_row(&query, [username], read).optional())?;
        Ok(stored.flatten().filter(|text| !text.is_empty()).map(PasswordHash::from_stored))
    }

    /// Calls `visit` with every record that the filter accepts, in the order of the names. Memory
    /// stays flat, and however long `visit` takes, no writer waits for it: a page
    /// of rows is read at a time, and nothing is locked between two of them. What others change
    /// meanwhile may be seen or not.
    ///
    /// # Errors
    /// What `visit` returns, and all that a read can run into.
    pub fn for_each<E: From<UserDbError>>(
        &self,
        filter: &UserFilter,
        mut visit: impl FnMut(UserRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_page(&self.layout.select(), UserRecord::of, |record| {
            if filter.matches(&record) { visit(record) } else { Ok(()) }
        })
    }

    /// The same with the row as it is stored beside each record.
    ///
    /// # Errors
    /// As [`UserDb::for_each`].
    pub fn for_each_stored<E: From<UserDbError>>(
        &self,
        filter: &UserFilter,
        mut visit: impl FnMut(UserRecord, StoredRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = self.layout.select_stored();
        let read = |row: &Row<'_>| Ok((UserRecord::of_stored(row)?, column::stored_row(row, 0)?));
        self.for_each_page(
            &query,
            read,
            |(record, row)| {
                if filter.matches(&record) { visit(record, row) } else { Ok(()) }
            },
        )
    }

    /// Reads the rows of a query whose first column is the name, a page at a time in its order.
    fn for_each_page<T, E: From<UserDbError>>(
        &self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut page = Vec::with_capacity(PAGE);
        let mut last = None;
        loop {
            self.read(|_| self.read_page(query, &mut last, &read, &mut page))?;
            let more = page.len() == PAGE;
            page.drain(..).try_for_each(&mut visit)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Reads the rows after the name `last`, which becomes that of the last one.
    fn read_page<T>(
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
        let mut rows = statement.query([SqlValue(last.as_ref().unwrap_or(&StoredValue::Null))])?;
        while let Some(row) = rows.next()? {
            page.push(read(row)?);
            if page.len() == PAGE {
                *last = Some(column::stored_value(row.get_ref(0)?));
            }
        }
        Ok(())
    }

    /// Names that begin with `prefix`, at most `limit`, in order: for completion.
    ///
    /// # Errors
    /// All that a read can run into.
    pub fn usernames_with_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<String>, UserDbError> {
        let query = format!(
            "SELECT username FROM {} WHERE username >= ?1 AND substr(username, 1, length(?1)) = ?1
             ORDER BY username LIMIT ?2",
            self.layout.table
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map((prefix, limit), |row| Ok(column::text(row.get_ref(0)?)))?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// Reads, and checks after it that what was read is the database's state.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, UserDbError> {
        let found = read(&self.connection).map_err(|error| self.sqlite_error(&error))?;
        self.check()?;
        Ok(found)
    }

    pub(super) fn sqlite_error(&self, error: &rusqlite::Error) -> UserDbError {
        UserDbError::from_sqlite(&self.path, self.timeout, error)
    }
}

/// The work of [`UserDb::similar_username`], also inside a transaction, for many names in one pass over the
/// table: for each of them a name in the table that differs from it by case or blanks only.
pub(super) fn similar_usernames(
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
