//! The database of a sync.

use std::path::Path;
use std::time::Duration;

use super::error::SyncError;
use crate::history::Author;
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;

/// Opens the database for a sync. An interrupted run of the journal is ended before, since a sync without a change
/// does not begin a transaction, and its plan depends on the state that the run left.
///
/// # Errors
/// [`SyncError::UserDb`].
pub(super) fn open(
    database: &Path,
    dry_run: bool,
    author: &Author,
    lock_timeout: Duration,
    notes: &mut Notes,
) -> Result<UserDb, SyncError> {
    let mode = if dry_run { OpenMode::Read } else { OpenMode::Write(author) };
    let mut db = UserDb::open_with_timeout(database, mode, lock_timeout)?;
    if !dry_run {
        db.warn_of_migration(notes);
        db.warn_of_replacement(notes);
        db.complete_interrupted_run()?;
    }
    Ok(db)
}
