//! Errors that prevent a comparison.

use crate::scan::ScanError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::diagnostics;

/// Why a planned change cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// Nothing can be scanned.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A user table cannot be read.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
}

diagnostics! { WhatIfError:
    Self::Scan(error) => error.kind(), error.hint();
    Self::UserDb(error) => error.kind(), error.hint();
}
