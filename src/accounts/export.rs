//! Exporting users in the form that an import reads.

use crate::user::exchange::{UserFileFormat, csv_header, csv_line, json_line};
use crate::user_db::{UserDb, UserDbError, UserFilter};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Users to export.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// The users.
    pub filter: UserFilter,
    /// The format.
    pub format: UserFileFormat,
    /// Whether password hashes are exported.
    pub with_passwords: bool,
}

/// Exports users in the order of their names, and returns how many. `write` gets each line with its
/// end, and the warnings of its row. A row that the server cannot read is exported unchanged.
///
/// # Errors
/// The errors of the database and of `write`.
pub fn export<E: From<UserDbError>>(
    db: &UserDb,
    request: &ExportRequest,
    mut write: impl FnMut(&str, Notes) -> Result<(), E>,
) -> Result<u64, E> {
    let with_passwords = request.with_passwords;
    if request.format == UserFileFormat::Csv {
        write(&csv_header(with_passwords), Notes::new())?;
    }
    let mut count = 0;
    db.for_each_stored(&request.filter, |record, row| {
        let mut notes = Notes::new();
        if !record.invalid_columns.is_empty() {
            let columns: Vec<String> = record.invalid_columns.iter().map(ToString::to_string).collect();
            notes.warn(
                "user-row-damaged",
                format!(
                    "the row of {} is invalid and was exported unchanged: {}",
                    quote(&record.user.username),
                    columns.join("; ")
                ),
            );
        }
        let line = match request.format {
            UserFileFormat::Csv => csv_line(&row, with_passwords),
            UserFileFormat::JsonLines => json_line(&row, with_passwords) + "\n",
        };
        count += 1;
        write(&line, notes)
    })?;
    Ok(count)
}
