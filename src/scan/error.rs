//! Errors that prevent a scan.

use std::path::PathBuf;

use crate::util::diagnostic::diagnostics;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::quote_path;
use crate::verify::VerifyError;

/// Why nothing can be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A path of the request cannot be read, or the metrics file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A path of the request is a FIFO, a socket or a device.
    #[error("{} is a FIFO, a socket or a device: expected a file or a directory", quote_path(.0))]
    NotAFile(PathBuf),
    /// A key that names tokens cannot be used.
    #[error(transparent)]
    Key(#[from] VerifyError),
}

diagnostics! { ScanError:
    Self::File(error) => error.kind(), error.hint();
    Self::NotAFile(_) => Kind::FileUnreadable;
    Self::Key(error) => error.kind(), error.hint();
}
