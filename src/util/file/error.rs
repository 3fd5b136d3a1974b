//! Errors of reading and writing files.

use std::io;
use std::path::PathBuf;

use super::trust::UntrustedReason;
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote_path;
use crate::util::shell::word as shell_word;

/// An error of reading or writing a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file does not exist.
    #[error("{} does not exist", quote_path(.0))]
    Missing(PathBuf),
    /// The path is a directory.
    #[error("{} is a directory: expected a file", quote_path(.0))]
    Directory(PathBuf),
    /// The path of an output is a directory.
    #[error("{} is a directory: expected a file", quote_path(.0))]
    OutputDirectory(PathBuf),
    /// The file cannot be opened or read.
    #[error("{} cannot be read: {}", quote_path(.path), reason(.source))]
    ReadFailed {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// The file is larger than the limit for its type.
    #[error("{} is larger than {} bytes", quote_path(.path), .limit)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The content is not UTF-8.
    #[error("{} is not UTF-8 text: byte {}", quote_path(.path), .offset + 1)]
    NotText {
        /// The file.
        path: PathBuf,
        /// The byte offset of the first invalid byte.
        offset: usize,
    },
    /// The output exists and [`Existing::Reject`](super::Existing::Reject) is set.
    #[error("{} exists already", quote_path(.0))]
    Exists(PathBuf),
    /// The output cannot be created.
    #[error("{} cannot be created: {}", quote_path(.path), reason(.source))]
    CreateFailed {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// Writing failed; existing content is unchanged.
    #[error("{} cannot be written: {}", quote_path(.path), reason(.source))]
    WriteFailed {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// The path contains a symbolic link that another account can change.
    #[error("{}: {why}", quote_path(.path))]
    Link {
        /// The path that contains the link.
        path: PathBuf,
        /// The reason the link is not followed.
        why: UntrustedReason,
    },
    /// The path is a FIFO, a socket or a device; a regular file is required.
    #[error("{} is a FIFO, a socket or a device: expected a regular file", quote_path(.0))]
    NotRegular(PathBuf),
    /// Another account can change a file at a default path.
    #[error("{} is not used: {why}", quote_path(.path))]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// The reason the file is not used.
        why: UntrustedReason,
        /// The option that sets the path, if there is one.
        option: Option<&'static str>,
    },
    /// The file has several hard links, and a new file would have one of the names only.
    #[error("{} has several names (hard links): a new file would replace one of them only", quote_path(.0))]
    HardLinks(PathBuf),
    /// Another program changed the file since it was read.
    #[error("{} was changed by another program at the same time: nothing was written", quote_path(.0))]
    Changed(PathBuf),
    /// A property of the replaced file cannot be given to the new one.
    #[error("{}: the new file cannot have the {what} of the old one: {}; nothing was written", quote_path(.path), reason(.source))]
    NotPreserved {
        /// The file.
        path: PathBuf,
        /// The property.
        what: &'static str,
        /// The system error.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("{} is locked by another process", quote_path(.0))]
    Locked(PathBuf),
}

impl FileError {
    /// Adds the option that sets the path to a [`FileError::Untrusted`].
    #[must_use]
    pub fn with_option(mut self, name: &'static str) -> Self {
        if let Self::Untrusted { option, .. } = &mut self {
            *option = Some(name);
        }
        self
    }
}

diagnostics! { FileError:
    Self::Missing(_) => Kind::FileMissing;
    Self::Directory(_) => Kind::FileIsDirectory;
    Self::OutputDirectory(_) => Kind::OutputIsDirectory;
    Self::ReadFailed { .. } => Kind::FileUnreadable;
    Self::TooLarge { .. } => Kind::FileTooLarge;
    Self::NotText { .. } => Kind::FileNotText;
    Self::Exists(_) => Kind::OutputExists, "give --force to replace it, or name another file";
    Self::CreateFailed { .. } => Kind::OutputUncreatable;
    Self::WriteFailed { .. } => Kind::OutputUnwritable;
    Self::Link { .. } => Kind::FileUntrusted, "name the file that the link points to";
    Self::Untrusted { path, option: Some(option), why } => Kind::FileUntrusted, {
                let named = format!("{option} {}", shell_word(&path.to_string_lossy()));
                Some(match why {
                    UntrustedReason::NotRegular => format!("name another one with {option}"),
                    UntrustedReason::Owner(user) if rustix::process::geteuid().is_root() => {
                        format!("run this as that account (sudo -u '#{user}'), or name the file: {named}")
                    }
                    _ => format!("name the file if it is the right one: {named}"),
                })
            };
    Self::Untrusted { .. } => Kind::FileUntrusted;
    Self::NotRegular(_) => Kind::OutputNotAFile;
    Self::HardLinks(_) => Kind::OutputHardLinks;
    Self::Changed(_) => Kind::OutputChanged;
    Self::NotPreserved { .. } => Kind::OutputNotPreserved;
    Self::Locked(_) => Kind::OutputBusy;
}

/// Returns the message of a system error, in lower case and without the error number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = plain.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown reason".to_owned(),
    }
}
