//! Users as text, for moving accounts between databases: CSV with a heading, or JSON lines.
//!
//! What is read is checked line by line; every bad line is told with its number. A password
//! travels as its bcrypt hash and is never shown in a message.

mod csv;
mod entry;
mod json;

pub use csv::{read_csv, write_csv, write_csv_heading};
pub use entry::{Entry, LineFault, Problem};
pub use json::{read_json_lines, write_json_line};

/// The members of a user, in the order of an export's columns.
pub const MEMBERS: [&str; 7] = ["username", "name", "email", "roles", "projects", "source", "password_hash"];
