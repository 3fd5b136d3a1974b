//! The journal of a database: which run changed which user, and the state that belongs to it.
//!
//! The journal is the file `DATABASE.history.jsonl` beside the database, with one JSON object a line. A run
//! of a program is one transaction of the database. Its lines are written in this order:
//!
//! 1. one line for each changed user, with the row before and after the change, on disk before
//! 2. the commit of the database, then
//! 3. the files of the state ([`DisabledUsers`], [`GivenState`]), if the run changes them, and
//! 4. one line with the end of the run.
//!
//! A process that is killed before step 2 has changed nothing; after step 2 the database has all changes. In
//! both cases the journal ends without the line of step 4. The next run that writes finds this, compares the
//! rows of the database with those of the journal, repeats step 3 if the database has the changes, and writes
//! the line. The lock of the file is held from step 1 to step 4, inside the write lock of the database.
//!
//! A password or its hash is never written, only whether there is one.

mod author;
mod change;
mod disabled;
mod error;
mod given;
mod line;
mod read;
mod recorder;
mod row;
mod state;

pub use author::{Author, RunId, RunIdError};
pub use change::{StateChange, UserChange};
pub use disabled::{DisabledEntry, DisabledUsers, GracePeriod};
pub use error::HistoryError;
pub use given::{GivenState, UserRights};
pub use line::{ChangeLine, DatabaseFile, EndLine, Line, RunEnd};
pub use read::{ChangePlace, Journal, LastRun, RunSummary, is_interrupted};
pub use recorder::Recorder;
pub use row::{PasswordState, RowImage};

/// The suffix of the journal after the name of the database.
pub const SUFFIX: &str = ".history.jsonl";

/// The size of the journal, in bytes, above which the next run begins a new file.
pub const ROTATION_SIZE: u64 = 32 << 20;

/// The number of old journals, `DATABASE.history.jsonl.1` (the newest) to `.9`.
pub const ROTATION_COUNT: u32 = 9;
