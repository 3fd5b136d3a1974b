//! Transactions: begin, reading, commit.

use std::path::Path;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, TransactionBehavior};

use super::changing::TransactionHistory;
use super::column::{self, ListColumn, SqlValue};
use super::connect::UserDb;
use super::error::UserDbError;
use super::identity::{self, DatabaseIdentity};
use super::layout::Layout;
use super::query::similar_usernames;
use super::record::UserRecord;
use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::{AuthSource, PasswordHash, Role};

/// An open transaction. Changes are invisible to other processes until [`Transaction::commit`] and
/// are rolled back on drop.
#[derive(Debug)]
#[must_use = "without commit nothing is kept"]
pub struct Transaction<'store> {
    pub(super) inner: rusqlite::Transaction<'store>,
    pub(super) context: Context<'store>,
    /// The journal; none in a dry run, whose changes are never committed.
    pub(super) history: Option<Box<TransactionHistory>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'store> {
    pub(super) path: &'store Path,
    pub(super) timeout: Duration,
    pub(super) layout: Layout,
    identity: DatabaseIdentity,
}

impl Context<'_> {
    pub(super) fn sqlite_error(&self, error: &rusqlite::Error) -> UserDbError {
        UserDbError::from_sqlite(self.path, self.timeout, error)
    }

    /// Returns the error of a transaction that cannot begin; a file of another account may be the
    /// cause.
    fn begin_error(&self, error: &rusqlite::Error) -> UserDbError {
        match self.sqlite_error(error) {
            error @ (UserDbError::ReadOnly(_) | UserDbError::Failed { .. }) => {
                identity::inaccessible_file(self.path).unwrap_or(error)
            }
            error => error,
        }
    }
}

/// The version of the rows that a connection reads: it is another one after each commit of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataVersion(i64);

fn data_version(connection: &rusqlite::Connection) -> rusqlite::Result<DataVersion> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).map(DataVersion)
}

/// The columns of a user that a sync needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UserSummary<'row> {
    /// The username.
    pub username: &'row str,
    /// The auth source of the record; the bare number if the server does not have this source.
    pub source: AuthSource,
    /// The full name.
    pub name: Option<&'row str>,
    /// Whether the roles contain `admin`, or are unreadable and might contain it.
    pub is_admin: bool,
    /// Whether the list of roles is empty.
    pub is_without_roles: bool,
    /// The roles.
    pub roles: ListColumn<'row>,
    /// The projects.
    pub projects: ListColumn<'row>,
}

impl UserDb {
    /// Begins a transaction and takes the write lock, so that rows cannot change between read and
    /// write. Other processes can still read the earlier state.
    ///
    /// # Errors
    /// [`UserDbError::Locked`] when another process has the lock for longer than the waiting time,
    /// [`UserDbError::ReadOnly`], and the errors of SQLite.
    pub fn transaction(&mut self) -> Result<Transaction<'_>, UserDbError> {
        let author = self.author.clone();
        let mut transaction = self.dry_run_transaction()?;
        transaction.history = match author {
            Some(author) => Some(Box::new(transaction.begin_history(&author)?)),
            None => None,
        };
        Ok(transaction)
    }

    /// Begins a transaction whose changes are checked by the database, and never committed.
    ///
    /// # Errors
    /// As [`UserDb::transaction`].
    pub fn dry_run_transaction(&mut self) -> Result<Transaction<'_>, UserDbError> {
        let context =
            Context { path: &self.path, timeout: self.timeout, layout: self.layout, identity: self.identity };
        let inner = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| context.begin_error(&error))?;
        context.identity.check(context.path)?;
        Ok(Transaction { inner, context, history: None })
    }
}

impl Transaction<'_> {
    /// Returns the row with exactly this name, even if a column is invalid.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn record(&self, username: &str) -> Result<Option<UserRecord>, UserDbError> {
        let query = format!("{} WHERE username = ?1", self.context.layout.select());
        self.inner
            .prepare_cached(&query)
            .and_then(|mut statement| statement.query_row([username], UserRecord::of).optional())
            .map_err(|error| self.context.sqlite_error(&error))
    }

    /// Returns the value of the password column; `None` if the user does not exist or the column is
    /// empty.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn password_hash(&self, username: &str) -> Result<Option<PasswordHash>, UserDbError> {
        let query = format!("SELECT password FROM {} WHERE username = ?1", self.context.layout.table);
        let read = |row: &rusqlite::Row<'_>| Ok(column::text(row.get_ref(0)?));
        let stored = self
            .inner
            .query_row(&query, [username], read)
            .optional()
            .map_err(|error| self.context.sqlite_error(&error))?;
        Ok(stored.flatten().filter(|text| !text.is_empty()).map(PasswordHash::from_stored))
    }

    /// Returns whether a user other than these has the role admin.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn has_other_admin(&self, usernames: &[&str]) -> Result<bool, UserDbError> {
        let query = format!(
            "SELECT username, roles FROM {} WHERE CAST(roles AS TEXT) LIKE '%admin%'",
            self.context.layout.table
        );
        let find = |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let username = column::text(row.get_ref(0)?).unwrap_or_default();
                let roles = column::list(row.get_ref(1)?).unwrap_or_default();
                if roles.iter().any(|role| role == Role::Admin.name())
                    && !usernames.contains(&username.as_str())
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        find(&self.inner).map_err(|error| self.context.sqlite_error(&error))
    }

    /// Returns an existing username that differs from this one only in case or blanks.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn similar_username(&self, username: &str) -> Result<Option<String>, UserDbError> {
        Ok(self.similar_usernames(&[username])?.into_iter().next().flatten())
    }

    /// Returns the result of [`Transaction::similar_username`] for many usernames in one pass over
    /// the table.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn similar_usernames(&self, usernames: &[&str]) -> Result<Vec<Option<String>>, UserDbError> {
        similar_usernames(&self.inner, self.context.layout, usernames)
            .map_err(|error| self.context.sqlite_error(&error))
    }

    /// Returns the row with exactly this name, as stored.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn stored_row(&self, username: &StoredValue) -> Result<Option<StoredRow>, UserDbError> {
        stored_row(&self.inner, self.context.layout, username)
            .map_err(|error| self.context.sqlite_error(&error))
    }

    /// Returns whether a row with exactly this name exists.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn contains(&self, username: &StoredValue) -> Result<bool, UserDbError> {
        let query = format!("SELECT 1 FROM {} WHERE username = ?1", self.context.layout.table);
        self.inner
            .prepare_cached(&query)
            .and_then(|mut statement| statement.exists([SqlValue(username)]))
            .map_err(|error| self.context.sqlite_error(&error))
    }

    /// Returns the version of the rows in the transaction.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn data_version(&self) -> Result<DataVersion, UserDbError> {
        data_version(&self.inner).map_err(|error| self.context.sqlite_error(&error))
    }

    /// Calls `visit` for every user with the columns that a sync needs, in no particular order.
    /// Rows are not kept in memory.
    ///
    /// # Errors
    /// What `visit` returns, and [`UserDbError`] if the database cannot be read.
    pub fn scan<E: From<UserDbError>>(
        &self,
        visit: impl FnMut(UserSummary<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        scan(&self.inner, &self.context, visit)
    }

    /// Commits the changes to disk and makes them visible to all processes. The journal has them before. The
    /// transaction of a dry run is rolled back.
    ///
    /// # Errors
    /// The error of SQLite or of the journal; the database is then unchanged, except after
    /// [`HistoryError::StateNotWritten`](crate::history::HistoryError::StateNotWritten).
    pub fn commit(mut self) -> Result<(), UserDbError> {
        self.end_user()?;
        let Self { inner, context, history: Some(history) } = self else { return Ok(()) };
        let TransactionHistory { mut recorder, .. } = *history;
        recorder.prepare()?;
        // The log of this file must not be applied to another file with the same name.
        context.identity.check(context.path)?;
        if let Err(error) = inner.commit() {
            // The next run compares the rows.
            recorder.leave();
            return Err(context.sqlite_error(&error));
        }
        context
            .identity
            .check(context.path)
            .map_err(|_| UserDbError::Replaced { path: context.path.to_owned(), is_committed: true })?;
        Ok(recorder.finish()?)
    }
}

fn stored_row(
    connection: &rusqlite::Connection,
    layout: Layout,
    username: &StoredValue,
) -> rusqlite::Result<Option<StoredRow>> {
    let query = format!("{} WHERE username = ?1", layout.select_stored());
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_row([SqlValue(username)], |row| column::stored_row(row, 0)).optional()
}

impl UserDb {
    /// Returns the row with exactly this name, as stored.
    pub(super) fn stored_row(&self, username: &StoredValue) -> Result<Option<StoredRow>, UserDbError> {
        stored_row(&self.connection, self.layout, username).map_err(|error| self.sqlite_error(&error))
    }

    /// Returns the version of the rows that the next statement reads, or a later one.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn data_version(&self) -> Result<DataVersion, UserDbError> {
        data_version(&self.connection).map_err(|error| self.sqlite_error(&error))
    }

    /// Calls `visit` for every user with the columns that a sync needs, in no particular order and
    /// without a transaction; used for a dry run.
    ///
    /// # Errors
    /// What `visit` returns, and [`UserDbError`] if the database cannot be read.
    pub fn scan<E: From<UserDbError>>(
        &self,
        visit: impl FnMut(UserSummary<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let context =
            Context { path: &self.path, timeout: self.timeout, layout: self.layout, identity: self.identity };
        scan(&self.connection, &context, visit)?;
        Ok(self.check()?)
    }
}

fn scan<E: From<UserDbError>>(
    connection: &rusqlite::Connection,
    context: &Context<'_>,
    mut visit: impl FnMut(UserSummary<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let fault = |error: rusqlite::Error| context.sqlite_error(&error);
    let projects = if context.layout.has_projects { "projects" } else { "NULL" };
    let query = format!("SELECT username, ldap, name, roles, {projects} FROM {}", context.layout.table);
    let mut statement = connection.prepare(&query).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let username = column::lossy(row.get_ref(0).map_err(fault)?);
        let name = column::lossy(row.get_ref(2).map_err(fault)?);
        let number = column::source_number(row.get_ref(1).map_err(fault)?);
        visit(UserSummary {
            username: username.as_deref().unwrap_or_default(),
            source: AuthSource::from_number(number),
            name: name.as_deref(),
            is_admin: column::may_contain(row.get_ref(3).map_err(fault)?, Role::Admin.name()),
            is_without_roles: column::is_empty_list(row.get_ref(3).map_err(fault)?),
            roles: ListColumn(row.get_ref(3).map_err(fault)?),
            projects: ListColumn(row.get_ref(4).map_err(fault)?),
        })?;
    }
    Ok(())
}
