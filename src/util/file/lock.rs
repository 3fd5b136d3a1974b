//! Locks between processes. The kernel releases a lock when its process exits.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::PRIVATE_MODE;
use super::error::FileError;
use super::location::Location;
use super::trust::Ownership;

/// The interval between two attempts to lock.
const STEP: Duration = Duration::from_millis(5);

/// Opens a lock file and creates it with mode 0600 if it is missing. Only regular files are opened;
/// a symbolic link or a FIFO is an error.
///
/// # Errors
/// [`FileError::CreateFailed`], `NotRegular`, `Link`, `Directory`.
pub fn open_lock(path: &Path) -> Result<File, FileError> {
    Location::find(path)?.open_lock()
}

/// Tries to lock a file exclusively for up to `seconds`. Returns `false` if the file system does
/// not support locks.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if another process holds the lock until the timeout.
pub fn try_for_seconds(file: &File, seconds: u32) -> io::Result<bool> {
    let steps = seconds.saturating_mul(1000) / u32::try_from(STEP.as_millis()).unwrap_or(1);
    for _ in 0..=steps {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

impl Location {
    /// Opens a lock file, as [`open_lock`].
    ///
    /// # Errors
    /// As [`open_lock`].
    pub fn open_lock(&self) -> Result<File, FileError> {
        let uncreatable = |source: io::Error| FileError::CreateFailed { path: self.path.clone(), source };
        let special = || FileError::NotRegular(self.path.clone());
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let open = |flags, mode| rustix::fs::openat(&self.directory, &self.name, flags, mode);
        let file = match open(flags | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(PRIVATE_MODE)) {
            Ok(created) => {
                let file = File::from(created);
                let directory = (&self.directory, &self.directory_metadata);
                Ownership::of_new(directory, None, PRIVATE_MODE, false).give(&file).map_err(uncreatable)?;
                file
            }
            Err(Errno::EXIST) => match open(flags, Mode::empty()) {
                Ok(file) => file.into(),
                Err(Errno::LOOP | Errno::NXIO) => return Err(special()),
                Err(errno) => return Err(uncreatable(errno.into())),
            },
            Err(errno) => return Err(uncreatable(errno.into())),
        };
        let is_file = file.metadata().map_err(uncreatable)?.is_file();
        if is_file { Ok(file) } else { Err(special()) }
    }

    /// Locks the directory of this file, so no lock file is needed. All paths to the file share
    /// this lock. The lock is released when the returned file is dropped.
    ///
    /// # Errors
    /// [`FileError::Locked`].
    pub fn lock_directory(&self, seconds: u32) -> Result<Option<File>, FileError> {
        let Ok(directory) = self.open_directory() else { return Ok(None) };
        match try_for_seconds(&directory, seconds) {
            Ok(true) => Ok(Some(directory)),
            Ok(false) => Ok(None),
            Err(_) => Err(FileError::Locked(self.path.clone())),
        }
    }

    /// Returns the file name with a suffix, such as `.old`.
    #[must_use]
    pub fn name_with(&self, suffix: &str) -> OsString {
        let mut name = self.name.clone();
        name.push(suffix);
        name
    }
}
