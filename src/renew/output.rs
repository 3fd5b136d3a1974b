//! The file with a token: written by one process at a time, and replaced atomically.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, Existing, FileError, Location, PRIVATE_MODE, WriteOptions};
use crate::util::kind::Kind;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The most that is read of an output, in bytes: more than any token has.
const OUTPUT_LIMIT: u64 = 128 << 10;

/// The output file of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The file.
    pub path: PathBuf,
    /// Its mode; without one it is private, and the group keeps what it may do with the file that
    /// is replaced.
    pub mode: Option<u32>,
}

/// The content of an output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// No such file.
    Missing,
    /// No text, or far longer than any token.
    Unreadable,
    /// A text.
    Text(SecretText),
}

/// Why an output cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Another process renews this file.
    #[error("{}: another process already renews this file", quote_path(.0))]
    Busy(PathBuf),
    /// The path is a directory.
    #[error("{} is a directory: expected a file", quote_path(.0))]
    Directory(PathBuf),
    /// The path is a pipe or a device, whose content cannot be read again.
    #[error("{} is a FIFO or a device: expected a file", quote_path(.0))]
    NotAFile(PathBuf),
    /// In a directory that all accounts may write to: not a file of the caller.
    #[error("{} is {what}: another account can have put it there to get the token", quote_path(.path))]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file cannot be locked.
    #[error("{} cannot be locked: {}", quote_path(.path), file::reason(.source))]
    Lock {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

diagnostics! { OutputError:
    Self::Busy(path) => Kind::OutputBusy, {
                let word = file::shell_word(&lock_path(path).to_string_lossy());
                Some(format!("find the process: fuser -v {word}"))
            };
    Self::Directory(_) => Kind::OutputIsDirectory;
    Self::NotAFile(_) => Kind::OutputNotAFile, "to print a token: cc-jwt spec issue FILE";
    Self::WrongOwner { path, .. } => Kind::OutputWrongOwner,
        format!("check the file: ls -l {}", file::shell_word(&path.to_string_lossy()));
    Self::File(error) => error.kind();
    Self::Lock { .. } => Kind::OutputLock;
}

/// The right to write an output, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct OutputLock {
    _file: File,
}

/// The name of the lock beside a file of this name.
fn lock_name(name: &std::ffi::OsStr) -> OsString {
    let mut lock = OsString::from(".");
    lock.push(name);
    lock.push(".lock");
    lock
}

/// Where the lock of an output is, for messages.
fn lock_path(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = lock_name(real.file_name().unwrap_or_default());
    real.with_file_name(name)
}

impl TokenFile {
    /// Takes the right to write this file.
    ///
    /// # Errors
    /// [`OutputError::Busy`] when another process has it; `File` when the directory cannot be written.
    pub fn lock(&self) -> Result<OutputLock, OutputError> {
        let location = self.locate(Location::find)?;
        // Of the file after all links: every path that leads to it has the same lock.
        let lock = location.sibling(&lock_name(location.name()))?;
        self.check_owner(&lock)?;
        let path = lock.path().to_owned();
        let file = lock.open_lock()?;
        match file.try_lock() {
            Ok(()) => Ok(OutputLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OutputError::Busy(self.path.clone())),
            Err(TryLockError::Error(source)) => Err(OutputError::Lock { path, source }),
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// [`OutputError`] when it is not a file or must not be read.
    pub fn read(&self) -> Result<FileContent, OutputError> {
        let location = match self.locate(Location::find_input) {
            Err(OutputError::File(FileError::Missing(_))) => return Ok(FileContent::Missing),
            other => other?,
        };
        match location.read(OUTPUT_LIMIT) {
            Ok(bytes) => Ok(String::from_utf8(bytes)
                .map_or(FileContent::Unreadable, |text| FileContent::Text(SecretText::new(text)))),
            Err(FileError::Missing(_)) => Ok(FileContent::Missing),
            Err(FileError::TooLarge { .. }) => Ok(FileContent::Unreadable),
            Err(other) => Err(self.unfit(other)),
        }
    }

    /// Replaces what is there with a token and a line end, in one step.
    ///
    /// # Errors
    /// [`OutputError`]; what was there still is.
    pub fn write(&self, token: &SecretText) -> Result<(), OutputError> {
        let location = self.locate(Location::find)?;
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(token.expose().len() + 1));
        bytes.extend_from_slice(token.expose().as_bytes());
        bytes.push(b'\n');
        let how = WriteOptions {
            mode: self.mode.unwrap_or(PRIVATE_MODE),
            existing: Existing::Replace,
            keeps_access: self.mode.is_none(),
            sweeps: false,
        };
        location.write(&bytes, how).map_err(|error| self.unfit(error))
    }

    /// The expiry of the present token, with any signature; printed if a renewal fails.
    #[must_use]
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        let Ok(FileContent::Text(text)) = self.read() else { return None };
        let inspection = crate::token::inspect(text.expose().trim_ascii());
        let (_, claims) = inspection.unproven()?;
        claims.time("exp").ok().flatten().map(|time| time.instant())
    }

    /// Follows the path. What is checked is what is read and replaced.
    fn locate(&self, find: impl Fn(&Path) -> Result<Location, FileError>) -> Result<Location, OutputError> {
        if self.path == Path::new("-") || self.path.starts_with("/dev/fd") {
            return Err(OutputError::NotAFile(self.path.clone()));
        }
        let location = find(&self.path).map_err(|error| self.unfit(error))?;
        if location.found().is_some_and(|found| !found.is_file()) {
            return Err(OutputError::NotAFile(self.path.clone()));
        }
        self.check_owner(&location)?;
        Ok(location)
    }

    /// In a directory of all accounts, only a regular file of the caller is used.
    fn check_owner(&self, location: &Location) -> Result<(), OutputError> {
        let not_own = |what| Err(OutputError::WrongOwner { path: location.path().to_owned(), what });
        match location.found().filter(|_| location.is_in_shared_directory()) {
            Some(found) if found.is_symlink() => not_own("a symbolic link"),
            Some(found) if found.uid() != rustix::process::geteuid().as_raw() => {
                not_own("a file of another account")
            }
            _ => Ok(()),
        }
    }

    fn unfit(&self, error: FileError) -> OutputError {
        match error {
            FileError::Directory(path) => OutputError::Directory(path),
            FileError::NotRegular(path) => OutputError::NotAFile(path),
            FileError::Link { .. } => {
                OutputError::WrongOwner { path: self.path.clone(), what: "a symbolic link" }
            }
            other => other.into(),
        }
    }
}

/// Removes temporary files of killed writers beside the outputs: they contain tokens.
pub fn sweep(outputs: &[&TokenFile], now: Timestamp) {
    let directories: BTreeSet<&Path> = outputs.iter().filter_map(|output| output.path.parent()).collect();
    directories.into_iter().for_each(|directory| file::sweep(directory, now));
}

/// Raises the limit of open files: every output has a lock, and so an open file, and a thousand of them are more
/// than most shells allow at first.
pub fn raise_file_limit(outputs: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let expected = u64::try_from(outputs).unwrap_or(u64::MAX).saturating_add(256);
    if limit.current.is_some_and(|current| current < expected) {
        let current = limit.maximum.map_or(expected, |maximum| expected.min(maximum));
        // If it cannot be raised, opening the lock reports the error.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    }
}

/// What a file is, to notice that it changed: by device, inode, length and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// The identity of what a path leads to; none where there is nothing.
#[must_use]
pub fn identity(path: &Path) -> Option<FileIdentity> {
    let metadata = fs::metadata(path).ok()?;
    Some(FileIdentity {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(path: &Path) -> TokenFile {
        TokenFile { path: path.to_owned(), mode: None }
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let output = output(&directory.path().join("token"));
        let first = output.lock().unwrap();
        assert!(matches!(output.lock(), Err(OutputError::Busy(_))));
        drop(first);
        assert!(output.lock().is_ok());
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_away_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let output = output(&directory.path().join("token"));
        for name in [".cc-auth-x.tmp", "token", ".cc-auth-y", "z.tmp"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let now = crate::util::time::Clock::System.now();
        sweep(&[&output], now);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "it may be in use");
        sweep(&[&output], now.plus_seconds(1000));
        assert!(!directory.path().join(".cc-auth-x.tmp").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_link_in_a_shared_directory_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let path = directory.path().join("token");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        let shared = output(&path);
        assert!(matches!(shared.write(&SecretText::default()), Err(OutputError::WrongOwner { .. })));
        assert!(matches!(shared.lock(), Err(OutputError::WrongOwner { .. })));
    }
}
