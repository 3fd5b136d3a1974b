//! Reading with a size limit. Checks use the open file, not its name.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::location::Location;
use super::trust::{self, FileContents, UntrustedReason};
use crate::util::note::Notes;

/// Flags that prevent a FIFO or device of another account from blocking the open.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Reads a file, pipe or device of at most `limit` bytes.
///
/// # Errors
/// [`FileError::Missing`], `Directory`, `ReadFailed` or `TooLarge`.
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

/// Reads a file as [`read`] does and warns if another account can change it, or can read a secret
/// in it.
///
/// # Errors
/// As [`read`].
pub fn read_named(
    path: &Path,
    limit: u64,
    contents: FileContents,
    notes: &mut Notes,
) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    trust::warn(path, &file, contents, notes);
    read_open(path, file, limit)
}

/// Reads a text file as [`read_named`] does.
///
/// # Errors
/// As [`read_text`].
pub fn read_named_text(
    path: &Path,
    limit: u64,
    contents: FileContents,
    notes: &mut Notes,
) -> Result<String, FileError> {
    text(path, read_named(path, limit, contents, notes)?)
}

/// Reads a file at a default path. The file must be a regular file that belongs to the caller or
/// root and that no other account can write to; the same applies to the directories of its path,
/// except that sticky directories are accepted. Never blocks.
///
/// # Errors
/// As [`read`], [`FileError::Untrusted`] and `Link`.
pub fn read_default(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (location, file) = open_default(path)?;
    read_open(&location.path, file, limit)
}

/// Checks a database at a default path, as [`read_default`] does. Sticky directories are not
/// accepted: SQLite applies a journal beside the database, and another account could create one.
///
/// # Errors
/// As [`read_default`]; a missing file is not an error.
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

/// Reads a file that these programs wrote for the caller: a regular file that belongs to the caller
/// or root and that no other account can write to. Never blocks.
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

/// Reads a file that these programs wrote beside a database: a regular one of the caller, of root, or
/// of the owner of the directory, that no other account may write to. Never blocks.
///
/// # Errors
/// As [`read_default`].
pub fn read_beside(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    use std::os::unix::fs::MetadataExt as _;
    let location = Location::find_input(path)?;
    let (file, metadata) = location.open()?;
    let directory = &location.directory_metadata;
    match UntrustedReason::of_file(&metadata).or_else(|| UntrustedReason::of_names(directory, &metadata)) {
        // What root writes in a directory of another account belongs to that account.
        Some(UntrustedReason::Owner(owner)) if owner == directory.uid() && metadata.mode() & 0o022 == 0 => {
            read_open(path, file, limit)
        }
        Some(why) => Err(FileError::Untrusted { path: path.to_owned(), why, option: None }),
        None => read_open(path, file, limit),
    }
}

/// Reads the current content of an output as text, before it is replaced. The file must be regular;
/// the path is resolved as by [`super::write()`]. Never blocks.
///
/// # Errors
/// As [`read_text`], [`FileError::Link`] and `NotRegular`.
pub fn read_output(path: &Path, limit: u64) -> Result<String, FileError> {
    text(path, Location::find_input(path)?.read(limit)?)
}

fn open_default(path: &Path) -> Result<(Location, File), FileError> {
    let untrusted = |why| FileError::Untrusted { path: path.to_owned(), why, option: None };
    let location = match Location::find_input(path) {
        Err(FileError::Link { why, .. }) => return Err(untrusted(why)),
        other => other?,
    };
    // Check the metadata before opening, to report an untrusted file as such even if it is
    // unreadable. The check of the open file below is the one that counts.
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
    /// Opens the file without blocking.
    pub(super) fn open(&self) -> Result<(File, std::fs::Metadata), FileError> {
        let opened = rustix::fs::openat(&self.directory, &self.name, READ, Mode::empty());
        let file = File::from(opened.map_err(|errno| match errno {
            // A socket, or a symbolic link that was created in the meantime.
            Errno::NXIO | Errno::LOOP => FileError::NotRegular(self.path.clone()),
            other => unreadable(&self.path, other.into()),
        })?);
        let metadata = file.metadata().map_err(|error| unreadable(&self.path, error))?;
        Ok((file, metadata))
    }

    /// Reads a regular file of at most `limit` bytes. Never blocks.
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

/// Returns the absolute path of a file without symbolic links.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::ReadFailed`].
pub fn canonical(path: &Path) -> Result<PathBuf, FileError> {
    path.canonicalize().map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => FileError::Directory(path.to_owned()),
        _ => FileError::ReadFailed { path: path.to_owned(), source },
    }
}

pub(super) fn read_open(path: &Path, file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Converts the content of a file to text.
///
/// # Errors
/// [`FileError::NotText`].
pub fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|error| FileError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// Lists the files of a directory with this extension, sorted by name.
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
