//! Opening and reading the database.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::column::{self, SqlValue};
use super::connect::{self, DEFAULT_TIMEOUT, OpenMode, UserDb};
use super::error::UserDbError;
use super::layout::{self, Layout, Migration};
use super::order::{self, SortKey};
use super::record::{UserFilter, UserRecord};
use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::name::SimilarNames;
use crate::user::{PasswordHash, User};
use crate::util::note::Notes;

/// The newest known schema version: that of server 1.5.4.
const NEWEST_SCHEMA: i64 = 11;

/// Number of rows per read.
const PAGE: usize = 1000;

impl UserDb {
    /// Opens an existing database and waits up to [`DEFAULT_TIMEOUT`] for locks.
    ///
    /// # Errors
    /// [`UserDbError`] if the file does not exist, is not a database of the server, or is locked.
    /// Missing write permission is reported by the first transaction.
    pub fn open(path: &Path, access: OpenMode<'_>) -> Result<Self, UserDbError> {
        Self::open_with_timeout(path, access, DEFAULT_TIMEOUT)
    }

    /// Opens an existing database and waits up to `wait` for locks.
    ///
    /// # Errors
    /// As [`UserDb::open`].
    pub fn open_with_timeout(path: &Path, access: OpenMode<'_>, wait: Duration) -> Result<Self, UserDbError> {
        connect::open(path, access, wait)
    }

    /// Returns the path of the database as it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the state of the server's migrations; `None` if no server has opened the database.
    #[must_use]
    pub fn migration(&self) -> Option<Migration> {
        layout::migration(&self.connection)
    }

    /// Adds a warning if a server may not start with this database, or if its schema is newer than
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

    /// Returns the user with exactly this name.
    ///
    /// # Errors
    /// [`UserDbError::InvalidRow`] where the server could not read the user, and the errors of a read.
    pub fn find(&self, username: &str) -> Result<Option<User>, UserDbError> {
        self.record(username)?.map(UserRecord::into_valid_user).transpose()
    }

    /// Returns the row with exactly this name, even if a column is invalid.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn record(&self, username: &str) -> Result<Option<UserRecord>, UserDbError> {
        let query = format!("{} WHERE username = ?1", self.layout.select());
        self.read(|connection| {
            connection.prepare_cached(&query)?.query_row([username], UserRecord::of).optional()
        })
    }

    /// Returns an existing username that differs from this one only in case or blanks.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn similar_username(&self, username: &str) -> Result<Option<String>, UserDbError> {
        let found = self.read(|connection| similar_usernames(connection, self.layout, &[username]))?;
        Ok(found.into_iter().next().flatten())
    }

    /// Returns the value of the password column; `None` if the user does not exist or the column is
    /// empty.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn password_hash(&self, username: &str) -> Result<Option<PasswordHash>, UserDbError> {
        let query = format!("SELECT password FROM {} WHERE username = ?1", self.layout.table);
        let read = |row: &Row<'_>| Ok(column::text(row.get_ref(0)?));
        let stored = self.read(|connection| connection.query_row(&query, [username], read).optional())?;
        Ok(stored.flatten().filter(|text| !text.is_empty()).map(PasswordHash::from_stored))
    }

    /// Calls `visit` with every record that matches the filter, ordered by username. Rows are read
    /// in pages and no lock is held between two pages, so memory use is constant and a slow `visit`
    /// does not block writers. Concurrent changes may or may not be visible.
    ///
    /// # Errors
    /// What `visit` returns, and [`UserDbError`] if the database cannot be read.
    pub fn for_each<E: From<UserDbError>>(
        &self,
        filter: &UserFilter,
        mut visit: impl FnMut(UserRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_page(&self.layout.select(), UserRecord::of, |record| {
            if filter.matches(&record) { visit(record) } else { Ok(()) }
        })
    }

    /// Calls `visit` with every record that matches the filter, in the given order. SQLite sorts all
    /// rows first, and only their row numbers are in memory; the rows are then read in pages as by
    /// [`UserDb::for_each`]. A row that is deleted in the meantime is left out.
    ///
    /// # Errors
    /// As [`UserDb::for_each`].
    pub fn for_each_sorted<E: From<UserDbError>>(
        &self,
        filter: &UserFilter,
        order: &[SortKey],
        mut visit: impl FnMut(UserRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        if order.is_empty() {
            return self.for_each(filter, visit);
        }
        let order = order::order_by(order, self.layout.has_projects);
        let query = format!("SELECT rowid FROM {} ORDER BY {order}", self.layout.table);
        let numbers: Vec<i64> = self.read(|connection| {
            let mut statement = connection.prepare(&query)?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        let query = format!("{} WHERE rowid = ?1", self.layout.select());
        let mut page = Vec::with_capacity(PAGE.min(numbers.len()));
        for numbers in numbers.chunks(PAGE) {
            self.read(|connection| {
                // One lock for a page: SQLite reads the header of the file again for each lock.
                let transaction = connection.unchecked_transaction()?;
                let mut statement = transaction.prepare_cached(&query)?;
                for number in numbers {
                    page.extend(statement.query_row([number], UserRecord::of).optional()?);
                }
                drop(statement);
                transaction.commit()
            })?;
            page.drain(..).filter(|record| filter.matches(record)).try_for_each(&mut visit)?;
        }
        Ok(())
    }

    /// Calls `visit` as [`UserDb::for_each`] does, with the stored row in addition to each record.
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

    /// Reads the rows of a query whose first column is the username, in pages, ordered by it.
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

    /// Reads the rows after the username `last`, and sets it to the username of the last row.
    fn read_page<T>(
        &self,
        query: &str,
        last: &mut Option<StoredValue>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        page: &mut Vec<T>,
    ) -> rusqlite::Result<()> {
        // NULL usernames sort first and are not equal to anything.
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

    /// Returns at most `limit` usernames that begin with `prefix`, in order; used for completion.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
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

    /// Reads, and then checks that the result is from the current database file.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, UserDbError> {
        let found = read(&self.connection).map_err(|error| self.sqlite_error(&error))?;
        self.check()?;
        Ok(found)
    }

    pub(super) fn sqlite_error(&self, error: &rusqlite::Error) -> UserDbError {
        UserDbError::from_sqlite(&self.path, self.timeout, error)
    }
}

/// Implements [`UserDb::similar_username`] for many usernames in one pass over the table: returns
/// for each one an existing username that differs from it only in case or blanks.
pub(super) fn similar_usernames(
    connection: &Connection,
    layout: Layout,
    usernames: &[&str],
) -> rusqlite::Result<Vec<Option<String>>> {
    let mut similar = SimilarNames::new(usernames);
    let mut statement = connection.prepare(&format!("SELECT username FROM {}", layout.table))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(name) = column::text(row.get_ref(0)?) else { continue };
        similar.compare(&name);
    }
    Ok(similar.into_found())
}
