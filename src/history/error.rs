//! Errors of the journal and its state.

use std::path::PathBuf;

use crate::util::diagnostic::diagnostics;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote_path};

/// Error of an access to the journal or to its state.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal cannot be written: the change is not made.
    #[error("{0}: nothing was changed, because the journal must contain each change")]
    NotRecorded(FileError),
    /// A file of the state cannot be written after the database was changed.
    #[error("{0}: the users are changed, and the next change writes this file")]
    StateNotWritten(FileError),
    /// A file of the state is not valid.
    #[error("{} is malformed: {}", quote_path(.path), escape(.message))]
    StateMalformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
}

diagnostics! { HistoryError:
    Self::File(error) | Self::NotRecorded(error) | Self::StateNotWritten(error) => error.kind(), error.hint();
    Self::StateMalformed { .. } => Kind::HistoryStateMalformed;
}
