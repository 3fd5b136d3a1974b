//! The variants of the user table in different schema versions.

use rusqlite::{Connection, OptionalExtension as _};

/// The user table's name and whether it has projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// `hpc_user` since schema version 8, `user` before.
    pub(super) table: &'static str,
    /// Whether the table has a column for projects; versions 1 and 2 do not.
    pub(super) has_projects: bool,
}

/// The columns that every version has.
const COLUMNS: [&str; 6] = ["username", "password", "ldap", "name", "roles", "email"];

/// What a database without a usable user table lacks.
#[derive(Debug)]
pub(super) enum SchemaError {
    Table,
    Column { table: &'static str, column: &'static str },
    Sqlite(rusqlite::Error),
}

impl Layout {
    /// The layout of the current server.
    pub(super) const CURRENT: Self = Self { table: "hpc_user", has_projects: true };

    /// Determines the layout from the schema that SQLite has read; no statement is prepared.
    pub(super) fn of(connection: &Connection) -> Result<Self, SchemaError> {
        for table in [Self::CURRENT.table, "user"] {
            let has =
                |column: &str| connection.column_exists(None, table, column).map_err(SchemaError::Sqlite);
            let mut missing = None;
            for column in COLUMNS {
                if !has(column)? {
                    missing = Some(column);
                    break;
                }
            }
            match missing {
                None => return Ok(Self { table, has_projects: has("projects")? }),
                Some(column) if connection.table_exists(None, table).map_err(SchemaError::Sqlite)? => {
                    return Err(SchemaError::Column { table, column });
                }
                Some(_) => {}
            }
        }
        Err(SchemaError::Table)
    }

    /// Returns the start of a query for all columns as stored.
    pub(super) fn select_stored(self) -> String {
        let projects = if self.has_projects { "projects" } else { "'[]'" };
        format!("SELECT username, ldap, name, roles, email, {projects}, password FROM {}", self.table)
    }

    /// Returns the start of a query for the columns of a record.
    pub(super) fn select(self) -> String {
        let projects = if self.has_projects { "projects" } else { "NULL" };
        format!(
            "SELECT username, ldap, name, roles, email, {projects}, password IS NOT NULL AND password <> '' FROM {}",
            self.table
        )
    }
}

/// The state of the server's schema migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The schema version.
    pub version: i64,
    /// A migration failed halfway; the server rejects such a database.
    pub dirty: bool,
}

/// Reads the migrations table; returns `None` if no server has opened the database yet.
pub(super) fn migration(connection: &Connection) -> Option<Migration> {
    connection
        .query_row("SELECT version, dirty FROM schema_migrations LIMIT 1", [], |row| {
            Ok(Migration { version: row.get(0)?, dirty: row.get(1)? })
        })
        .optional()
        .ok()
        .flatten()
}
