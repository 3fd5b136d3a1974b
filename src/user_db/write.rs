//! The changes that a transaction makes. Each is recorded for the journal.

use rusqlite::{ToSql, ffi, params};

use super::column::{self, SqlValue};
use super::error::UserDbError;
use super::layout::Layout;
use super::transaction::Transaction;
use crate::user::exchange::{StoredPassword, StoredRow, StoredValue};
use crate::user::{GivenRights, PasswordHash, RightsSource, User};

/// Number of rows per insert statement; more is not faster.
const ROWS_PER_STATEMENT: usize = 32;

/// A user to add, with what sources give to the user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user.
    pub user: User,
    /// The roles and projects by source.
    pub given: Vec<(RightsSource, GivenRights)>,
}

impl From<User> for NewUser {
    fn from(user: User) -> Self {
        Self { user, given: Vec::new() }
    }
}

impl Transaction<'_> {
    /// Adds a user.
    ///
    /// # Errors
    /// [`UserDbError::UserExists`]; [`UserDbError::NoProjects`] for one with projects in a database
    /// that cannot hold them; the errors of SQLite.
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
        self.begin_user(&StoredValue::text(user.username.as_str()))?;
        match self.execute(&statement, values.as_slice()) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate_key(&error) => Err(UserDbError::UserExists(user.username.clone())),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }

    /// Adds many users without passwords, several per statement, and records what sources gave to them.
    ///
    /// # Errors
    /// As [`Transaction::add`]; after an error the transaction can only be dropped.
    pub fn add_many(&mut self, users: &[NewUser]) -> Result<(), UserDbError> {
        let Layout { table, has_projects: projects } = self.context.layout;
        let (more, place) = if projects { (", projects", ",?") } else { ("", "") };
        for chunk in users.chunks(ROWS_PER_STATEMENT) {
            let places = vec![format!("(?,?,?,?,?{place})"); chunk.len()].join(",");
            let statement =
                format!("INSERT INTO {table} (username, ldap, name, roles, email{more}) VALUES {places}");
            let lists = chunk
                .iter()
                .map(|NewUser { user, .. }| {
                    Ok((source_number(user), column::to_json(&user.roles), self.projects_column(user)?))
                })
                .collect::<Result<Vec<_>, UserDbError>>()?;
            let mut values: Vec<&dyn ToSql> = Vec::with_capacity(6 * chunk.len());
            for (NewUser { user, .. }, (source, roles, list)) in chunk.iter().zip(&lists) {
                values.extend([&user.username as &dyn ToSql, source, &user.name, roles, &user.email]);
                values.extend(list.as_ref().map(|list| list as &dyn ToSql));
            }
            if let Err(error) = self.execute(&statement, values.as_slice()) {
                if is_duplicate_key(&error) {
                    let mut usernames = chunk.iter().map(|new| &new.user.username);
                    let there = usernames.find(|username| matches!(self.record(username), Ok(Some(_))));
                    let name = there.cloned().unwrap_or_default();
                    return Err(UserDbError::UserExists(name));
                }
                return Err(self.context.sqlite_error(&error));
            }
            self.record_added(chunk)?;
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
        self.begin_user(&row.username)?;
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
        self.begin_user(&row.username)?;
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

    /// Deletes a user and, as the schema requires, the user's settings in the table `configuration`. The state
    /// beside the journal does not have the user afterwards.
    ///
    /// # Errors
    /// [`UserDbError::UnknownUser`], or the error of SQLite.
    pub fn delete(&mut self, username: &str) -> Result<(), UserDbError> {
        let statement = format!("DELETE FROM {} WHERE username = ?1", self.context.layout.table);
        self.execute_one(username, &statement, params![username])?;
        self.forget_state(username)
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
    fn execute_one(
        &mut self,
        username: &str,
        statement: &str,
        values: &[&dyn ToSql],
    ) -> Result<(), UserDbError> {
        self.begin_user(&StoredValue::text(username))?;
        match self.execute(statement, values) {
            Ok(0) => Err(UserDbError::UnknownUser { name: username.to_owned(), similar: None }),
            Ok(_) => Ok(()),
            Err(error) => Err(self.context.sqlite_error(&error)),
        }
    }
}

/// The row of a new user without a password.
pub(super) fn row_of(user: &User) -> StoredRow {
    let text = |text: &Option<String>| match text {
        Some(text) => StoredValue::text(text.as_str()),
        None => StoredValue::Null,
    };
    StoredRow {
        username: StoredValue::text(user.username.as_str()),
        name: text(&user.name),
        email: text(&user.email),
        roles: StoredValue::text(column::to_json(&user.roles)),
        projects: StoredValue::text(column::to_json(&user.projects)),
        source: StoredValue::Integer(source_number(user)),
        password: StoredPassword::new(StoredValue::Null),
    }
}

fn source_number(user: &User) -> i64 {
    user.source.number()
}

/// Whether a row with this primary key exists; false for errors of other constraints.
pub(super) fn is_duplicate_key(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(extended, Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE))
}
