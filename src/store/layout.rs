//! Which of its forms the user table has in a database.

use super::error::code;
use rusqlite::{Connection, OptionalExtension as _};

/// The user table's name and whether it has projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// `hpc_user` since schema version 8, `user` before.
    pub(super) table: &'static str,
    /// Versions 1 and 2 have none.
    pub(super) projects: bool,
}

/// The columns that every version has.
const COLUMNS: [&str; 6] = ["username", "password", "ldap", "name", "roles", "email"];

/// What a database without a usable user table lacks.
#[derive(Debug)]
pub(super) enum Lack {
    Table,
    Column { table: &'static str, column: &'static str },
    Sqlite(rusqlite::Error),
}

impl Layout {
    /// The form of today's server.
    pub(super) const TODAY: Self = Self { table: "hpc_user", projects: true };

    /// The form of schema versions 3 to 7, in which a new database begins.
    const BEFORE: Self = Self { table: "user", projects: true };

    /// Finds out; one prepared statement where it is today's, two in a new database.
    pub(super) fn of(connection: &Connection) -> Result<Self, Lack> {
        for layout in [Self::TODAY, Self::BEFORE] {
            match connection.prepare(&format!("{} LIMIT 0", layout.select())) {
                Ok(_) if layout == Self::TODAY || !has_table(connection, Self::TODAY.table)? => {
                    return Ok(layout);
                }
                Err(error) if code(&error) != Some(rusqlite::ErrorCode::Unknown) => {
                    return Err(Lack::Sqlite(error));
                }
                _ => {}
            }
        }
        for table in ["hpc_user", "user"] {
            let columns = columns(connection, table).map_err(Lack::Sqlite)?;
            if columns.is_empty() {
                continue;
            }
            let has = |column: &str| columns.iter().any(|name| name.eq_ignore_ascii_case(column));
            return match COLUMNS.into_iter().find(|column| !has(column)) {
                Some(column) => Err(Lack::Column { table, column }),
                None => Ok(Self { table, projects: has("projects") }),
            };
        }
        Err(Lack::Table)
    }

    /// The start of a query for all columns as they are stored.
    pub(super) fn select_stored(self) -> String {
        let projects = if self.projects { "projects" } else { "'[]'" };
        format!("SELECT username, ldap, name, roles, email, {projects}, password FROM {}", self.table)
    }

    /// The start of a query for all that a record has.
    pub(super) fn select(self) -> String {
        let projects = if self.projects { "projects" } else { "NULL" };
        format!(
            "SELECT username, ldap, name, roles, email, {projects}, password IS NOT NULL AND password <> '' FROM {}",
            self.table
        )
    }
}

fn has_table(connection: &Connection, table: &str) -> Result<bool, Lack> {
    connection.table_exists(None, table).map_err(Lack::Sqlite)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Where the server's migrations of the database stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The schema version.
    pub version: i64,
    /// A migration failed half-way; the server refuses such a database.
    pub dirty: bool,
}

/// Reads the migrations table; none in a database that no server has opened yet.
pub(super) fn migration(connection: &Connection) -> Option<Migration> {
    connection
        .query_row("SELECT version, dirty FROM schema_migrations LIMIT 1", [], |row| {
            Ok(Migration { version: row.get(0)?, dirty: row.get(1)? })
        })
        .optional()
        .ok()
        .flatten()
}
