//! The output file of a token, with a lock and atomic replacement.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, Existing, FileError, Location, PRIVATE_MODE, WriteOptions};
use crate::util::kind::Kind;
use crate::util::monotonic::MonotonicClock;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Maximum number of bytes read from an output file; no token is longer.
const OUTPUT_LIMIT: u64 = 128 << 10;

/// The output file of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The file.
    pub path: PathBuf,
    /// The file mode. By default the file is private, and the permissions of the group are copied
    /// from the replaced file.
    pub mode: Option<u32>,
}

/// The content of an output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// No such file.
    Missing,
    /// Not text, or too long for a token.
    Unreadable,
    /// A text.
    Text(SecretText),
}

/// Why an output file cannot be used.
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
    /// The file is in a directory that all accounts may write to, and is not a regular file of the
    /// caller.
    #[error("{} is {what}: another account can have put it there to get the token", quote_path(.path))]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// The type or the owner of the file.
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

/// The lock of an output file, released on drop or at the end of the process.
#[derive(Debug)]
pub struct OutputLock {
    _file: File,
}

/// The attempts to lock an output file: for half a second.
const LOCK_ATTEMPTS: u32 = 50;

/// The time between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Returns the name of the lock file for a file name.
fn lock_name(name: &std::ffi::OsStr) -> OsString {
    let mut lock = OsString::from(".");
    lock.push(name);
    lock.push(".lock");
    lock
}

/// Returns the path of the lock file, for messages.
fn lock_path(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = lock_name(real.file_name().unwrap_or_default());
    real.with_file_name(name)
}

impl TokenFile {
    /// Locks the output file. A command that a killed run was about to start has the lock until its program
    /// starts: so this function tries again for half a second.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn lock_waiting(&self, clock: &dyn MonotonicClock) -> Result<OutputLock, OutputError> {
        for _ in 1..LOCK_ATTEMPTS {
            match self.lock() {
                Err(OutputError::Busy(_)) => clock.pause(LOCK_PAUSE),
                result => return result,
            }
        }
        self.lock()
    }

    /// Locks the output file.
    ///
    /// # Errors
    /// [`OutputError::Busy`] if another process has the lock; `File` if the directory is not
    /// writable.
    pub fn lock(&self) -> Result<OutputLock, OutputError> {
        let location = self.locate(Location::find)?;
        // The lock belongs to the resolved file, so all paths to the file share one lock.
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

    /// Reads the content of the file.
    ///
    /// # Errors
    /// [`OutputError`] if the path is not a regular file or must not be read.
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

    /// Atomically replaces the content with a token and a line end.
    ///
    /// # Errors
    /// [`OutputError`]; the old content is not changed.
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

    /// Returns the expiry of the current token without verifying its signature; printed if a
    /// renewal fails.
    #[must_use]
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        let Ok(FileContent::Text(text)) = self.read() else { return None };
        let inspection = crate::token::inspect(text.expose().trim_ascii());
        let (_, claims) = inspection.unproven()?;
        claims.time("exp").ok().flatten().map(|time| time.instant())
    }

    /// Resolves the path once, so that the checked file is the one that is read and replaced.
    pub(crate) fn locate(
        &self,
        find: impl Fn(&Path) -> Result<Location, FileError>,
    ) -> Result<Location, OutputError> {
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

    /// Checks that a file in a directory that all accounts may write to is a regular file of the
    /// caller.
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
            FileError::OutputDirectory(path) => OutputError::Directory(path),
            FileError::NotRegular(path) => OutputError::NotAFile(path),
            FileError::Link { .. } => {
                OutputError::WrongOwner { path: self.path.clone(), what: "a symbolic link" }
            }
            other => other.into(),
        }
    }
}

/// Removes temporary files of killed processes beside the outputs, since they contain tokens.
pub fn sweep(outputs: &[&TokenFile], now: Timestamp) {
    let directories: BTreeSet<&Path> = outputs.iter().filter_map(|output| output.path.parent()).collect();
    directories.into_iter().for_each(|directory| file::sweep(directory, now));
}

/// Raises the limit of open files: each output has an open lock file, and many shells have a low
/// default limit.
pub fn raise_file_limit(outputs: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let expected = u64::try_from(outputs).unwrap_or(u64::MAX).saturating_add(256);
    if limit.current.is_some_and(|current| current < expected) {
        let current = limit.maximum.map_or(expected, |maximum| expected.min(maximum));
        // If the limit cannot be raised, opening the lock file reports the error.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    }
}

/// The device, inode, length and modification time of a file, to detect changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// Returns the identity of the file at a path; `None` if it does not exist.
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
