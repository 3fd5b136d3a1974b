//! The server's user table in SQLite.
