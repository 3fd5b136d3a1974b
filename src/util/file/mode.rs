//! Removing the access of other accounts to a file.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::Mode;

use super::error::FileError;
use super::location::Location;

/// A changed mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeChange {
    /// The permissions before.
    pub before: u32,
    /// The permissions now.
    pub after: u32,
}

/// Removes the permissions of an existing regular file that are not in `permitted`. Returns `None` if the
/// file has no others. A symbolic link that another account can change is not followed.
///
/// # Errors
/// [`FileError`]; [`FileError::WriteFailed`] if the file belongs to another account.
pub fn restrict_mode(path: &Path, permitted: u32) -> Result<Option<ModeChange>, FileError> {
    let (file, metadata) = Location::find_input(path)?.open()?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let before = metadata.mode() & 0o7777;
    let after = before & permitted;
    if before == after {
        return Ok(None);
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(after))
        .map_err(|errno| FileError::WriteFailed { path: path.to_owned(), source: errno.into() })?;
    Ok(Some(ModeChange { before, after }))
}
