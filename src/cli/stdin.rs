//! Reading of standard input with a size limit.

use std::io::{self, Read as _};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::util::file::FileError;

/// Reads at most `limit` bytes from standard input.
///
/// # Errors
/// [`FileError::ReadFailed`], [`FileError::TooLarge`].
pub(super) fn read(limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let path = || PathBuf::from("standard input");
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin()
        .lock()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| FileError::ReadFailed { path: path(), source })?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path(), limit });
    }
    Ok(bytes)
}

/// Reads at most `limit` bytes of text from standard input.
///
/// # Errors
/// The errors of [`read`], and [`FileError::NotText`].
pub(super) fn read_text(limit: u64) -> Result<String, FileError> {
    let bytes = std::mem::take(&mut *read(limit)?);
    String::from_utf8(bytes).map_err(|error| FileError::NotText {
        path: PathBuf::from("standard input"),
        offset: error.utf8_error().valid_up_to(),
    })
}
