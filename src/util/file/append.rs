//! A file to which lines are appended, beside a database: it has the owner, the group and the mode of the
//! database.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use super::PRIVATE_MODE;
use super::error::FileError;
use super::location::Location;
use super::lock::try_for_seconds;
use super::trust::{self, Ownership, UntrustedReason};

/// The mode bits that a file takes over from the database.
const MODE_BITS: u32 = 0o666;

/// How often a file that another process renames in the meantime is opened again.
const ATTEMPTS: u32 = 16;

/// An open file, locked against other processes until it is dropped.
#[derive(Debug)]
pub struct AppendFile {
    location: Location,
    file: File,
    length: u64,
}

impl AppendFile {
    /// Opens and locks the file beside `database`; `None` if it does not exist. A symbolic link, a file with
    /// several names that another account may have given it, and a file of an account other than the caller, root and the owner of the database are
    /// errors. Waits up to `seconds` for the lock.
    ///
    /// # Errors
    /// [`FileError::ReadFailed`], `NotRegular`, `Untrusted`, `Locked`, and those of [`Location::find`].
    pub fn open(path: &Path, database: &Metadata, seconds: u32) -> Result<Option<Self>, FileError> {
        for _ in 0..ATTEMPTS {
            let location = Location::find(path)?;
            let Some(file) = open_existing(&location, OFlags::RDWR | OFlags::APPEND, database)? else {
                return Ok(None);
            };
            try_for_seconds(&file, seconds).map_err(|_| FileError::Locked(path.to_owned()))?;
            let failed = |source| FileError::ReadFailed { path: path.to_owned(), source };
            let opened = file.metadata().map_err(failed)?;
            // Another process may have renamed the file before this one had the lock.
            let now = location.sibling(location.name())?;
            if now.found().is_some_and(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino())) {
                follow(&file, &opened, database);
                return Ok(Some(Self { location, file, length: opened.len() }));
            }
        }
        Err(FileError::Locked(path.to_owned()))
    }

    /// Creates and locks the file beside `database`, with its owner, group and mode.
    ///
    /// # Errors
    /// [`FileError::CreateFailed`], also if the file exists, and those of [`Location::find`].
    pub fn start(path: &Path, database: &Metadata) -> Result<Self, FileError> {
        let location = Location::find(path)?;
        let failed = |source: io::Error| FileError::CreateFailed { path: path.to_owned(), source };
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        let opened =
            rustix::fs::openat(&location.directory, &location.name, flags, Mode::from_raw_mode(PRIVATE_MODE));
        let file = File::from(opened.map_err(|errno| failed(errno.into()))?);
        try_for_seconds(&file, 0).map_err(failed)?;
        ownership(database).give(&file).map_err(failed)?;
        if let Ok(directory) = location.open_directory() {
            // Some file systems do not support this.
            let _ = directory.sync_all();
        }
        Ok(Self { location, file, length: 0 })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.location.path()
    }

    /// The number of bytes in the file.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes. After an error the file has its earlier length, if it can be shortened.
    ///
    /// # Errors
    /// [`FileError::WriteFailed`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        match (&self.file).write_all(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                let _ = self.file.set_len(self.length);
                Err(FileError::WriteFailed { path: self.location.path.clone(), source })
            }
        }
    }

    /// Writes the content to disk.
    ///
    /// # Errors
    /// [`FileError::WriteFailed`].
    pub fn sync(&self) -> Result<(), FileError> {
        self.file
            .sync_data()
            .map_err(|source| FileError::WriteFailed { path: self.location.path.clone(), source })
    }

    /// Shortens the file to this number of bytes.
    ///
    /// # Errors
    /// [`FileError::WriteFailed`].
    pub fn truncate(&mut self, length: u64) -> Result<(), FileError> {
        self.file
            .set_len(length)
            .map_err(|source| FileError::WriteFailed { path: self.location.path.clone(), source })?;
        self.length = length;
        Ok(())
    }

    /// Reads at most the last `limit` bytes, and returns their offset too.
    ///
    /// # Errors
    /// [`FileError::ReadFailed`].
    pub fn tail(&self, limit: u64) -> Result<(u64, Vec<u8>), FileError> {
        tail(&self.file, self.length, limit)
            .map_err(|source| FileError::ReadFailed { path: self.location.path.clone(), source })
    }

    /// Another descriptor of the same file for reading; it does not have an offset of its own.
    ///
    /// # Errors
    /// [`FileError::ReadFailed`].
    pub fn reader(&self) -> Result<File, FileError> {
        self.file
            .try_clone()
            .map_err(|source| FileError::ReadFailed { path: self.location.path.clone(), source })
    }

    /// Renames the file to NAME.1, after NAME.1 was renamed to NAME.2 and so on; the one with the number
    /// `count` is replaced. Then returns a new, empty file with the old name, which is locked.
    ///
    /// # Errors
    /// [`FileError::WriteFailed`], and those of [`AppendFile::start`].
    pub fn rotate(self, count: u32, database: &Metadata) -> Result<Self, FileError> {
        let location = &self.location;
        let numbered = |number: u32| location.name_with(&format!(".{number}"));
        let rename = |from: &OsString, to: &OsString| match rustix::fs::renameat(
            &location.directory,
            from,
            &location.directory,
            to,
        ) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(FileError::WriteFailed { path: location.path.clone(), source: errno.into() }),
        };
        for number in (1..count).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        rename(&location.name, &numbered(1))?;
        Self::start(&location.path, database)
    }
}

/// Opens a file beside `database` for reading, as [`AppendFile::open`] does but without a lock; `None` if it
/// does not exist.
///
/// # Errors
/// [`FileError::ReadFailed`], `NotRegular`, `Untrusted`, and those of [`Location::find`].
pub fn open_beside(path: &Path, database: &Metadata) -> Result<Option<File>, FileError> {
    open_existing(&Location::find(path)?, OFlags::RDONLY, database)
}

/// Returns the path of a file beside a database, which has the name of the database and a suffix. The
/// database may be named by a symbolic link; the file is in its own directory.
#[must_use]
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let target = if database.is_symlink() { std::fs::canonicalize(database).ok() } else { None };
    let mut path = target.unwrap_or_else(|| database.to_owned()).into_os_string();
    path.push(suffix);
    path.into()
}

/// Reads at most the last `limit` bytes of a file of this length, and returns their offset too.
///
/// # Errors
/// The error of the system.
pub fn tail(file: &File, length: u64, limit: u64) -> io::Result<(u64, Vec<u8>)> {
    let offset = length.saturating_sub(limit);
    let mut bytes = vec![0; usize::try_from(length - offset).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok((offset, bytes))
}

fn open_existing(location: &Location, flags: OFlags, database: &Metadata) -> Result<Option<File>, FileError> {
    let path = &location.path;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file: File = match rustix::fs::openat(&location.directory, &location.name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Err(FileError::NotRegular(path.clone())),
        Err(errno) => return Err(FileError::ReadFailed { path: path.clone(), source: errno.into() }),
    };
    let found = file.metadata().map_err(|source| FileError::ReadFailed { path: path.clone(), source })?;
    if !found.is_file() {
        return Err(FileError::NotRegular(path.clone()));
    }
    match distrust(&location.directory_metadata, &found, database) {
        Some(why) => Err(FileError::Untrusted { path: path.clone(), why, option: None }),
        None => Ok(Some(file)),
    }
}

/// The reason a file beside a database is not used: it could be a file that its owner did not choose.
fn distrust(directory: &Metadata, found: &Metadata, database: &Metadata) -> Option<UntrustedReason> {
    let is_known = found.uid() == 0 || trust::is_callers(found) || found.uid() == database.uid();
    if !is_known {
        Some(UntrustedReason::Owner(found.uid()))
    } else if found.nlink() > 1 && !trust::is_exclusive(directory) {
        Some(UntrustedReason::HardLinks)
    } else if found.mode() & !database.mode() & 0o022 != 0 {
        Some(UntrustedReason::Writable(found.mode()))
    } else {
        None
    }
}

/// The owner, the group and the mode of the database. Only root can give a file to another account.
fn ownership(database: &Metadata) -> Ownership {
    let user = (geteuid().is_root() && database.uid() != 0).then(|| Uid::from_raw(database.uid()));
    Ownership { user, group: Some(Gid::from_raw(database.gid())), mode: database.mode() & MODE_BITS }
}

/// Gives a file the owner, group and mode that the database has now, where this account may.
fn follow(file: &File, opened: &Metadata, database: &Metadata) {
    let differs = (opened.uid(), opened.gid()) != (database.uid(), database.gid())
        || opened.mode() & MODE_BITS != database.mode() & MODE_BITS;
    if differs && (geteuid().is_root() || trust::is_callers(opened)) {
        // The file can be used without this.
        let _ = ownership(database).give(file);
    }
}
