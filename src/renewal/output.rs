//! The file a token is kept in: one process at a time, replaced whole, never a part.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::fault::Fault;
use crate::base::file::{self, Existing, FileError};
use crate::base::kind::Kind;
use crate::base::quote::quote_path;
use crate::base::secret::SecretText;
use crate::base::time::Timestamp;

/// The most that is read of an output, in bytes: more than any token has.
const OUTPUT_LIMIT: u64 = 128 << 10;

/// Where a token is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Whether it stands in a folder that others write to as well, such as `/tmp`.
    pub shared_folder: bool,
}

/// What stands in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// No such file.
    Missing,
    /// No text, or far longer than any token.
    Unreadable,
    /// A text.
    Text(SecretText),
}

/// Why an output can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Another process keeps this file.
    #[error("{} is kept by another process already", quote_path(.0))]
    Busy(PathBuf),
    /// A directory stands where the token should.
    #[error("{} is a directory, wanted a file", quote_path(.0))]
    Directory(PathBuf),
    /// A pipe or a device stands where the token should: what went in can't be looked at again.
    #[error("{} is a pipe or a device, wanted a file", quote_path(.0))]
    NotAFile(PathBuf),
    /// In a folder of everybody's: a file of somebody else, or a link that leads elsewhere.
    #[error("{} is {what}: somebody may have put it there to get at the token", quote_path(.path))]
    NotOwn {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock can't be had for another reason.
    #[error("{} can't be locked: {}", quote_path(.path), file::reason(.source))]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Fault for OutputError {
    fn kind(&self) -> Kind {
        match self {
            Self::Busy(_) => Kind::OutputBusy,
            Self::Directory(_) => Kind::OutputIsDirectory,
            Self::NotAFile(_) => Kind::OutputNotAFile,
            Self::NotOwn { .. } => Kind::OutputWrongOwner,
            Self::File(error) => error.kind(),
            Self::Lock { .. } => Kind::OutputLock,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Busy(path) => {
                let word = file::shell_word(&lock_path(path).to_string_lossy());
                Some(format!("who it is: fuser -v {word}"))
            }
            Self::NotAFile(_) => Some("to print a token: cc-jwt issue --spec FILE".to_owned()),
            Self::NotOwn { path, .. } => {
                Some(format!("look at it: ls -l {}", file::shell_word(&path.to_string_lossy())))
            }
            _ => None,
        }
    }
}

/// The right to write an output, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

fn lock_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.lock"))
}

impl Output {
    /// Takes the right to write this file.
    ///
    /// # Errors
    /// [`OutputError::Busy`] when another process has it; `File` when the folder can't be written.
    pub fn lock(&self) -> Result<Lock, OutputError> {
        self.must_be_fit()?;
        let path = lock_path(&self.path);
        if self.shared_folder {
            must_be_own(&path)?;
        }
        let file = file::open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OutputError::Busy(self.path.clone())),
            Err(TryLockError::Error(source)) => Err(OutputError::Lock { path, source }),
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// [`OutputError`] when it is no file or must not be read.
    pub fn read(&self) -> Result<Content, OutputError> {
        self.must_be_fit()?;
        match file::read_text(&self.path, OUTPUT_LIMIT) {
            Ok(text) => Ok(Content::Text(SecretText::new(text))),
            Err(FileError::Missing(_)) => Ok(Content::Missing),
            Err(FileError::Directory(path)) => Err(OutputError::Directory(path)),
            Err(FileError::TooLarge { .. } | FileError::NotText { .. }) => Ok(Content::Unreadable),
            Err(other) => Err(other.into()),
        }
    }

    /// Replaces what is there with a token and a line end, in one step.
    ///
    /// # Errors
    /// [`OutputError`]; what was there still is.
    pub fn write(&self, token: &SecretText) -> Result<(), OutputError> {
        self.must_be_fit()?;
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(token.expose().len() + 1));
        bytes.extend_from_slice(token.expose().as_bytes());
        bytes.push(b'\n');
        file::write_unswept(&self.path, &bytes, self.mode, Existing::Replace).map_err(|error| match error {
            FileError::Directory(path) => OutputError::Directory(path),
            other => other.into(),
        })
    }

    /// When the token that is there ends, whatever signed it; for saying so when renewal failed.
    #[must_use]
    pub fn ends_unproven(&self) -> Option<Timestamp> {
        let Ok(Content::Text(text)) = self.read() else { return None };
        let inspection = crate::token::inspect(text.expose().trim_ascii());
        let (_, claims) = inspection.unproven()?;
        claims.time("exp").ok().flatten().map(|time| time.instant())
    }

    /// Reading a pipe could wait for ever.
    fn must_be_fit(&self) -> Result<(), OutputError> {
        if fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(OutputError::NotAFile(self.path.clone()));
        }
        if self.shared_folder { must_be_own(&self.path) } else { Ok(()) }
    }
}

/// Takes away what writers that were killed have left beside the outputs: they hold tokens.
pub fn sweep(outputs: &[&Output], now: Timestamp) {
    let folders: BTreeSet<&Path> = outputs.iter().filter_map(|output| output.path.parent()).collect();
    folders.into_iter().for_each(|folder| file::sweep(folder, now));
}

/// In a folder of everybody's, only a plain file of one's own is used.
fn must_be_own(path: &Path) -> Result<(), OutputError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let not_own = |what| Err(OutputError::NotOwn { path: path.to_owned(), what });
    if metadata.is_symlink() {
        not_own("a symbolic link")
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        not_own("somebody else's file")
    } else {
        Ok(())
    }
}

/// What a file is, to notice that it changed: by device, inode, length and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// The identity of what a path leads to; none where there is nothing.
#[must_use]
pub fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(path: &Path) -> Output {
        Output { path: path.to_owned(), mode: 0o600, shared_folder: false }
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let output = output(&folder.path().join("token"));
        let first = output.lock().unwrap();
        assert!(matches!(output.lock(), Err(OutputError::Busy(_))));
        drop(first);
        assert!(output.lock().is_ok());
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let output = output(&folder.path().join("token"));
        for name in [".cc-auth-x.tmp", "token", ".cc-auth-y", "z.tmp"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let now = crate::base::time::Clock::System.now();
        sweep(&[&output], now);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "it may be somebody's still");
        sweep(&[&output], now.plus_seconds(1000));
        assert!(!folder.path().join(".cc-auth-x.tmp").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_link_in_a_shared_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        let shared = Output { shared_folder: true, ..output(&path) };
        assert!(matches!(shared.write(&SecretText::default()), Err(OutputError::NotOwn { .. })));
        assert!(matches!(shared.lock(), Err(OutputError::NotOwn { .. })));
    }
}
