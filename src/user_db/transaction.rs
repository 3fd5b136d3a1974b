//! Transactions that change users.

use std::path::Path;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, ToSql, TransactionBehavior, ffi, params};

use super::column::{self, SqlValue};
use super::connect::UserDb;
use super::error::UserDbError;
use super::identity::{self, DatabaseIdentity};
use super::layout::Layout;
use super::query::similar_usernames;
use super::record::UserRecord;
use crate::user::exchange::{StoredRow, StoredValue};
use crate::user::{AuthSource, PasswordHash, Role, User};

/// Number of rows per insert statement; more is not faster.
const ROWS_PER_STATEMENT: usize = 32;

/// An open transaction. Changes are invisible to other processes until [`Transaction::commit`] and
/// are rolled back on drop.
#[derive(Debug)]
#[must_use = "without commit nothing is kept"]
pub struct Transaction<'store> {
    pub(super) inner: rusqlite::Transaction<'store>,
    pub(super) context: Context<'store>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'store> {
    path: &'store Path,
    timeout: Duration,
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

/// The columns of a user that a sync needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl UserDb {
    /// Begins a transaction and takes the write lock, so that rows cannot change between read and
    /// write. Other processes can still read the earlier state.
    ///
    /// # Errors
    /// [`UserDbError::Locked`] when another process has the lock for longer than the waiting time,
    /// [`UserDbError::ReadOnly`], and all that SQLite can run into.
    pub fn transaction(&mut self) -> Result<Transaction<'_>, UserDbError> {
        let context =
            Context { path: &self.path, timeout: self.timeout, layout: self.layout, identity: self.identity };
        let inner = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| context.begin_error(&error))?;
        context.identity.check(context.path)?;
        Ok(Transaction { inner, context })
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

    /// Adds a user.
    ///
    /// # Errors
    /// [`UserDbError::UserExists`]; [`UserDbError::NoProjects`] for one with projects in a database
    /// that cannot hold them; all that SQLite can run into.
    pub fn add(&mut self, user: &User, password: Option<&PasswordHash>) -> Result<(), UserDbError> {
        let Layout { table, has_projects: projects } = self.context.layout;
        let (more, place) = if projects { (", projects", ", ?7") } else { ("", "") };
        let statement = format!(
            "INSERT INTO {table} (username, password, ldap, name, roles, email{more}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6{place})"
        );
        let roles = column::to_json(&user.roles);
        let password = password.map(PasswordHash::expose);
        let source = source_number(user);
        let mut values: Vec<&dyn ToSql> =
            vec![&user.username, &password, &source, &user.name, &roles, &user.email];
        let list = self.projects_column(user)?;
        if let Some(list) = &list {
            values.push(list);
        }
        match self.execute(&statement, values.as_slice()) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate_key(&error) => Err(UserDbError::UserExists(user.username.clone())),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }

    /// Adds many users without passwords, several per statement.
    ///
    /// # Errors
    /// As [`Transaction::add`]; after an error the transaction can only be dropped.
    pub fn add_many(&mut self, users: &[User]) -> Result<(), UserDbError> {
        let Layout { table, has_projects: projects } = self.context.layout;
        let (more, place) = if projects { (", projects", ",?") } else { ("", "") };
        for chunk in users.chunks(ROWS_PER_STATEMENT) {
            let places = vec![format!("(?,?,?,?,?{place})"); chunk.len()].join(",");
            let statement =
                format!("INSERT INTO {table} (username, ldap, name, roles, email{more}) VALUES {places}");
            let lists = chunk
                .iter()
                .map(|user| {
                    Ok((source_number(user), column::to_json(&user.roles), self.projects_column(user)?))
                })
                .collect::<Result<Vec<_>, UserDbError>>()?;
            let mut values: Vec<&dyn ToSql> = Vec::with_capacity(6 * chunk.len());
            for (user, (source, roles, list)) in chunk.iter().zip(&lists) {
                values.extend([&user.username as &dyn ToSql, source, &user.name, roles, &user.email]);
                values.extend(list.as_ref().map(|list| list as &dyn ToSql));
            }
            if let Err(error) = self.execute(&statement, values.as_slice()) {
                if is_duplicate_key(&error) {
                    let there = chunk.iter().find(|user| matches!(self.record(&user.username), Ok(Some(_))));
                    let name = there.map(|user| user.username.clone()).unwrap_or_default();
                    return Err(UserDbError::UserExists(name));
                }
                return Err(self.context.sqlite_error(&error));
            }
        }
        Ok(())
    }

    /// Updates all columns of an existing user except the password; BLOB values become text.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], [`UserDbError::NoProjects`], or the error of SQLite.
    pub fn update(&mut self, user: &User) -> Result<(), UserDbError> {
        let Layout { table, has_projects: projects } = self.context.layout;
        let more = if projects { ", projects = ?6" } else { "" };
        let statement = format!(
            "UPDATE {table} SET ldap = ?2, name = ?3, roles = ?4, email = ?5{more} WHERE username = ?1"
        );
        let roles = column::to_json(&user.roles);
        let source = source_number(user);
        let mut values: Vec<&dyn ToSql> = vec![&user.username, &source, &user.name, &roles, &user.email];
        let list = self.projects_column(user)?;
        if let Some(list) = &list {
            values.push(list);
        }
        self.execute_one(&user.username, &statement, values.as_slice())
    }

    /// Returns the row with exactly this name, as stored.
    ///
    /// # Errors
    /// [`UserDbError`] if the database cannot be read.
    pub fn stored_row(&self, username: &StoredValue) -> Result<Option<StoredRow>, UserDbError> {
        let query = format!("{} WHERE username = ?1", self.context.layout.select_stored());
        self.inner
            .prepare_cached(&query)
            .and_then(|mut statement| {
                statement.query_row([SqlValue(username)], |row| column::stored_row(row, 0)).optional()
            })
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

    /// Adds a row with exactly these values.
    ///
    /// # Errors
    /// As [`Transaction::add`].
    pub fn insert_stored(&mut self, row: &StoredRow) -> Result<(), UserDbError> {
        let Layout { table, .. } = self.context.layout;
        let (more, place) = if self.stores_projects(row)? { (", projects", ", ?7") } else { ("", "") };
        let statement = format!(
            "INSERT INTO {table} (username, password, ldap, name, roles, email{more}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6{place})"
        );
        match self.write_stored(&statement, row) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate_key(&error) => Err(UserDbError::UserExists(row.username_text())),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }

    /// Replaces all values of the row with this name.
    ///
    /// # Errors
    /// As [`Transaction::update`].
    pub fn replace_stored(&mut self, row: &StoredRow) -> Result<(), UserDbError> {
        let Layout { table, .. } = self.context.layout;
        let more = if self.stores_projects(row)? { ", projects = ?7" } else { "" };
        let statement = format!(
            "UPDATE {table} SET password = ?2, ldap = ?3, name = ?4, roles = ?5, email = ?6{more} WHERE username = ?1"
        );
        match self.write_stored(&statement, row) {
            Ok(0) => Err(UserDbError::UnknownUser { name: row.username_text(), similar: None }),
            Ok(_) => Ok(()),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }

    /// Returns whether the projects of a row can be stored. Without a projects column, the row must
    /// not have projects.
    fn stores_projects(&self, row: &StoredRow) -> Result<bool, UserDbError> {
        let has_none = || row.projects.as_list().is_some_and(|list| list.iter().all(String::is_empty));
        match self.context.layout.has_projects {
            true => Ok(true),
            false if has_none() => Ok(false),
            false => Err(UserDbError::NoProjects(self.context.path.to_owned())),
        }
    }

    fn write_stored(&self, statement: &str, row: &StoredRow) -> rusqlite::Result<usize> {
        let StoredRow { username, name, email, roles, projects, source, password } = row;
        let values = [username, password.expose(), source, name, roles, email, projects].map(SqlValue);
        let mut values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        if !self.context.layout.has_projects {
            values.pop();
        }
        self.execute(statement, values.as_slice())
    }

    /// Updates only the roles, as text.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn set_roles(&mut self, username: &str, roles: &[String]) -> Result<(), UserDbError> {
        let statement = format!("UPDATE {} SET roles = ?2 WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username, column::to_json(roles)])
    }

    /// Updates only the projects, as text.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], [`UserDbError::NoProjects`], or the error of SQLite.
    pub fn set_projects(&mut self, username: &str, projects: &[String]) -> Result<(), UserDbError> {
        if !self.context.layout.has_projects {
            return Err(UserDbError::NoProjects(self.context.path.to_owned()));
        }
        let statement = format!("UPDATE {} SET projects = ?2 WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username, column::to_json(projects)])
    }

    /// Updates only the password column; `None` clears it.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn set_password(&mut self, username: &str, hash: Option<&PasswordHash>) -> Result<(), UserDbError> {
        let statement = format!("UPDATE {} SET password = ?2 WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username, hash.map(PasswordHash::expose)])
    }

    /// Updates only the full name.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn set_name(&mut self, username: &str, name: Option<&str>) -> Result<(), UserDbError> {
        let statement = format!("UPDATE {} SET name = ?2 WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username, name])
    }

    /// Updates only the email address.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn set_email(&mut self, username: &str, email: Option<&str>) -> Result<(), UserDbError> {
        let statement = format!("UPDATE {} SET email = ?2 WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username, email])
    }

    /// Deletes a user and, as the schema requires, the user's settings in the table `configuration`.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn delete(&mut self, username: &str) -> Result<(), UserDbError> {
        let statement = format!("DELETE FROM {} WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username])
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

    /// Commits the changes to disk and makes them visible to all processes.
    ///
    /// # Errors
    /// The error of SQLite; the database is then unchanged.
    pub fn commit(self) -> Result<(), UserDbError> {
        let Self { inner, context } = self;
        // The log of this file must not be applied to another file with the same name.
        context.identity.check(context.path)?;
        inner.commit().map_err(|error| context.sqlite_error(&error))?;
        context
            .identity
            .check(context.path)
            .map_err(|_| UserDbError::Replaced { path: context.path.to_owned(), is_committed: true })
    }

    /// Returns the value of the projects column; `None` if the table does not have the column.
    fn projects_column(&self, user: &User) -> Result<Option<String>, UserDbError> {
        match (self.context.layout.has_projects, user.projects.is_empty()) {
            (true, _) => Ok(Some(column::to_json(&user.projects))),
            (false, true) => Ok(None),
            (false, false) => Err(UserDbError::NoProjects(self.context.path.to_owned())),
        }
    }

    pub(super) fn execute(&self, statement: &str, values: &[&dyn ToSql]) -> rusqlite::Result<usize> {
        self.inner.prepare_cached(statement)?.execute(values)
    }

    /// Runs a statement that must change exactly the row with this name.
    fn execute_one(&self, username: &str, statement: &str, values: &[&dyn ToSql]) -> Result<(), UserDbError> {
        match self.execute(statement, values) {
            Ok(0) => Err(UserDbError::UnknownUser { name: username.to_owned(), similar: None }),
            Ok(_) => Ok(()),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }
}

impl UserDb {
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
    let query = format!("SELECT username, ldap, name, roles FROM {}", context.layout.table);
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
        })?;
    }
    Ok(())
}

fn source_number(user: &User) -> i64 {
    user.source.number()
}

/// Whether a row with this primary key exists; false for errors of other constraints.
pub(super) fn is_duplicate_key(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(extended, Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE))
}
