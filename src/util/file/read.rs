//! Reading with a limit. What is checked is what is read: the open file, not its name.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::location::Location;
use super::trust::{self, FileContents, UntrustedReason};
use crate::util::note::Notes;

/// To read what a FIFO or a device of another account must not be able to stop.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Reads a file that was named, of at most `limit` bytes. Pipes and devices are read likewise.
///
/// # Errors
/// [`FileError::Missing`], `Directory`, `Unreadable` or `TooLarge`.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    read_open(path, file, limit)
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and [`FileError::NotText`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    text(path, read(path, limit)?)
}

/// As [`read`]; warns when another account can change the file, or read it where it holds a secret.
///
/// # Errors
/// As [`read`].
pub fn read_named(
    path: &Path,
    limit: u64,
    holds: FileContents,
    notes: &mut Notes,
) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    trust::warn(path, &file, holds, notes);
    read_open(path, file, limit)
}

/// As [`read_named`], of a text.
///
/// # Errors
/// As [`read_text`].
pub fn read_named_text(
    path: &Path,
    limit: u64,
    holds: FileContents,
    notes: &mut Notes,
) -> Result<String, FileError> {
    text(path, read_named(path, limit, holds, notes)?)
}

/// Reads a file that no option or variable names: a regular file of the caller or root that no
/// other account may write to, reached through directories of which the same is true (a sticky one
/// will do). Never waits.
///
/// # Errors
/// As [`read`], [`FileError::Untrusted`] and `Link`.
pub fn read_default(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (location, file) = open_default(path)?;
    read_open(&location.path, file, limit)
}

/// Checks a database that no option or variable names, as [`read_default`] does. Its directory must
/// not even be a sticky one: a journal that another account puts beside the file becomes a part of
/// it.
///
/// # Errors
/// As [`read_default`]; a file that is missing is none.
pub fn check_default_database(path: &Path) -> Result<(), FileError> {
    match open_default(path) {
        Ok((location, _)) if trust::is_exclusive(&location.directory_metadata) => Ok(()),
        Ok((location, _)) => {
            use std::os::unix::fs::MetadataExt as _;
            let why = UntrustedReason::DirectoryWritable(location.directory_metadata.mode());
            Err(FileError::Untrusted { path: path.to_owned(), why, option: None })
        }
        Err(FileError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads a file that these programs wrote for the caller: a regular one of the caller or root that
/// no other account may write to. Never waits.
///
/// # Errors
/// As [`read_default`].
pub fn read_own(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let location = Location::find_input(path)?;
    let (file, metadata) = location.open()?;
    match UntrustedReason::of_directory(&location.directory_metadata)
        .or_else(|| UntrustedReason::of_file(&metadata))
        .or_else(|| UntrustedReason::of_names(&location.directory_metadata, &metadata))
    {
        Some(why) => Err(FileError::Untrusted { path: path.to_owned(), why, option: None }),
        None => read_open(path, file, limit),
    }
}

/// Reads what an output has before it is replaced, as text: a regular file, by the path as
/// [`super::write()`] follows it. Never waits.
///
/// # Errors
/// As [`read_text`], [`FileError::Link`] and `Special`.
pub fn read_output(path: &Path, limit: u64) -> Result<String, FileError> {
    text(path, Location::find_input(path)?.read(limit)?)
}

fn open_default(path: &Path) -> Result<(Location, File), FileError> {
    let untrusted = |why| FileError::Untrusted { path: path.to_owned(), why, option: None };
    let location = match Location::find_input(path) {
        Err(FileError::Link { why, .. }) => return Err(untrusted(why)),
        other => other?,
    };
    // Its type is read before it is opened, which distinguishes an unreadable file from one that is not
    // trusted; what counts is the open file.
    if let Some(why) = location.found.as_ref().and_then(UntrustedReason::of_file) {
        return Err(untrusted(why));
    }
    let (file, metadata) = location.open()?;
    let why = UntrustedReason::of_file(&metadata)
        .or_else(|| location.distrust.clone())
        .or_else(|| UntrustedReason::of_names(&location.directory_metadata, &metadata));
    why.map_or(Ok((location, file)), |why| Err(untrusted(why)))
}

impl Location {
    /// Opens what has the name, without waiting for it.
    fn open(&self) -> Result<(File, std::fs::Metadata), FileError> {
        let opened = rustix::fs::openat(&self.directory, &self.name, READ, Mode::empty());
        let file = File::from(opened.map_err(|errno| match errno {
            // A socket, or a link that was put there meanwhile.
            Errno::NXIO | Errno::LOOP => FileError::NotRegular(self.path.clone()),
            other => unreadable(&self.path, other.into()),
        })?);
        let metadata = file.metadata().map_err(|error| unreadable(&self.path, error))?;
        Ok((file, metadata))
    }

    /// Reads the file of at most `limit` bytes; only a regular one, and without waiting.
    ///
    /// # Errors
    /// As [`read`], and [`FileError::NotRegular`].
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, FileError> {
        let (file, metadata) = self.open()?;
        if metadata.is_dir() {
            return Err(FileError::Directory(self.path.clone()));
        }
        if !metadata.is_file() {
            return Err(FileError::NotRegular(self.path.clone()));
        }
        read_open(&self.path, file, limit)
    }
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => FileError::Directory(path.to_owned()),
        _ => FileError::ReadFailed { path: path.to_owned(), source },
    }
}

fn read_open(path: &Path, file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The bytes of a file as text.
///
/// # Errors
/// [`FileError::NotText`].
pub fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|error| FileError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// The files of a directory whose names end in `.EXTENSION`, in the order of their names.
///
/// # Errors
/// [`FileError::ReadFailed`] when the directory cannot be read.
pub fn list(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::ReadFailed { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
