//! Ownership and mode checks of open files.

use std::fmt;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Uid, geteuid};

use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::shell::word as shell_word;

/// The mode bits that permit other accounts to write.
const OTHERS_WRITE: u32 = 0o022;

/// The sticky bit: only the owner of a file can rename or delete it.
const STICKY: u32 = 0o1000;

/// The reason a file or a link is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UntrustedReason {
    /// The file belongs to neither root nor the caller.
    Owner(u32),
    /// Other accounts can write to the file.
    Writable(u32),
    /// A directory of the path belongs to neither root nor the caller.
    DirectoryOwner(u32),
    /// Other accounts can write to a directory of the path.
    DirectoryWritable(u32),
    /// The symbolic link belongs to neither root nor the caller.
    LinkOwner(u32),
    /// The symbolic link is in a directory that other accounts can write to.
    LinkInSharedDirectory,
    /// The file is not a regular file.
    NotRegular,
    /// The file has several hard links, and other accounts can create hard links in its directory.
    HardLinks,
}

impl fmt::Display for UntrustedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(f, "it belongs to another account (user ID {user})"),
            Self::Writable(mode) => write!(f, "other accounts may write to it (mode {:04o})", mode & 0o7777),
            Self::DirectoryOwner(user) => {
                write!(f, "the directory belongs to another account (user ID {user})")
            }
            Self::DirectoryWritable(mode) => {
                write!(f, "other accounts may write to the directory (mode {:04o})", mode & 0o7777)
            }
            Self::LinkOwner(user) => {
                write!(f, "a symbolic link of another account (user ID {user}) is not followed")
            }
            Self::LinkInSharedDirectory => {
                f.write_str("a symbolic link in a directory that other accounts may write to is not followed")
            }
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::HardLinks => f.write_str(
                "it has several names (hard links), in a directory that other accounts may write to",
            ),
        }
    }
}

/// Whether the file belongs to root or the caller.
fn is_own(found: &Metadata) -> bool {
    found.uid() == 0 || is_callers(found)
}

/// Whether the file belongs to the caller.
pub(super) fn is_callers(found: &Metadata) -> bool {
    found.uid() == geteuid().as_raw()
}

/// Whether only root and the caller can create and rename files in this directory.
pub(super) fn is_exclusive(directory: &Metadata) -> bool {
    is_own(directory) && directory.mode() & OTHERS_WRITE == 0
}

impl UntrustedReason {
    /// Checks whether another account can replace files of the caller in this directory.
    pub(super) fn of_directory(directory: &Metadata) -> Option<Self> {
        if !is_own(directory) {
            Some(Self::DirectoryOwner(directory.uid()))
        } else if directory.mode() & OTHERS_WRITE != 0 && directory.mode() & STICKY == 0 {
            Some(Self::DirectoryWritable(directory.mode()))
        } else {
            None
        }
    }

    /// Checks whether another account can have created this link.
    pub(super) fn of_link(directory: &Metadata, link: &Metadata) -> Option<Self> {
        if !is_own(link) {
            Some(Self::LinkOwner(link.uid()))
        } else if !is_exclusive(directory) {
            Some(Self::LinkInSharedDirectory)
        } else {
            None
        }
    }

    /// Checks that the file is a regular file that only the caller or root can change.
    pub(super) fn of_file(file: &Metadata) -> Option<Self> {
        if !file.is_file() {
            Some(Self::NotRegular)
        } else if !is_own(file) {
            Some(Self::Owner(file.uid()))
        } else if file.mode() & OTHERS_WRITE != 0 {
            Some(Self::Writable(file.mode()))
        } else {
            None
        }
    }

    /// Checks whether another account can have created a hard link to this file.
    pub(super) fn of_names(directory: &Metadata, file: &Metadata) -> Option<Self> {
        (directory.mode() & OTHERS_WRITE != 0 && file.nlink() > 1).then_some(Self::HardLinks)
    }
}

/// Returns the account and group of a new file in this directory if it differs from the caller:
/// files that root creates in a directory of another account belong to that account.
///
/// Returns `None` below a directory that all accounts can write to. There, the other account could
/// have created the directory to receive a secret.
pub(super) fn heir(directory: &File, metadata: &Metadata) -> Option<(Uid, Gid)> {
    let user = metadata.uid();
    if !geteuid().is_root() || user == 0 || metadata.mode() & 0o002 != 0 {
        return None;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut above: File = directory.try_clone().ok()?;
    // Bounded by the longest path the kernel accepts.
    for _ in 0..4096 {
        above = rustix::fs::openat(&above, c"..", flags, Mode::empty()).ok()?.into();
        let found = above.metadata().ok()?;
        if found.uid() != user {
            let is_roots = found.uid() == 0 && found.mode() & OTHERS_WRITE == 0;
            return is_roots.then(|| (Uid::from_raw(user), Gid::from_raw(metadata.gid())));
        }
    }
    None
}

/// The owner and mode of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ownership {
    pub(super) user: Option<Uid>,
    pub(super) group: Option<Gid>,
    pub(super) mode: u32,
}

impl Ownership {
    /// Determines the ownership of a new file: that of the file it replaces, unless that file
    /// belongs to an account that may only read it. With `keeps_access`, the group permissions of
    /// the old mode are preserved.
    pub(super) fn of_new(
        directory: (&File, &Metadata),
        old: Option<&Metadata>,
        mode: u32,
        keeps_access: bool,
    ) -> Self {
        let by_root = geteuid().is_root();
        let (opened, directory) = directory;
        let old = old.filter(|old| {
            let is_reader = || keeps_access && old.uid() == directory.uid();
            old.is_file() && (is_own(old) || (by_root && (is_exclusive(directory) || is_reader())))
        });
        if let Some(old) = old {
            let user = (by_root && old.uid() != 0).then(|| Uid::from_raw(old.uid()));
            // A mode that permits access to all accounts was not chosen for a secret.
            let chosen = keeps_access && old.mode() & 0o007 == 0;
            let mode = if chosen { mode | old.mode() & 0o060 } else { mode };
            return Self { user, group: Some(Gid::from_raw(old.gid())), mode };
        }
        match heir(opened, directory) {
            Some((user, group)) => Self { user: Some(user), group: Some(group), mode },
            None => Self { user: None, group: None, mode },
        }
    }

    /// Applies owner and mode to a file. If the group cannot be set, its permissions are removed.
    pub(super) fn give(self, file: &File) -> std::io::Result<()> {
        let now = file.metadata()?;
        let user = self.user.filter(|user| user.as_raw() != now.uid());
        let group = self.group.filter(|group| group.as_raw() != now.gid());
        let mut mode = self.mode;
        if (user.is_some() || group.is_some()) && rustix::fs::fchown(file, user, group).is_err() {
            mode &= !0o070;
        }
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
    }
}

/// What an input file contains, which decides who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileContents {
    /// A key, token or password: other accounts must not read or change it.
    Secret,
    /// Public data such as public keys: other accounts must not change it.
    Public,
}

/// Warns if another account can change an input file, or can read a secret in it.
pub(super) fn warn(path: &Path, file: &File, contents: FileContents, notes: &mut Notes) {
    let Ok(metadata) = file.metadata() else { return };
    if !metadata.is_file() {
        return;
    }
    let mode = metadata.mode() & 0o777;
    let shown = quote_path(path);
    if !is_own(&metadata) {
        notes.danger(
            "file-owner",
            format!(
                "{shown} belongs to another account (user ID {}), which can read and change it",
                metadata.uid()
            ),
        );
    } else if let Some(why) = directory_distrust(path) {
        notes.danger("file-replaceable", format!("{shown} can be exchanged by another account: {why}"));
    }
    let word = || shell_word(&path.to_string_lossy());
    if contents == FileContents::Secret && mode & 0o077 != 0 {
        notes.danger_with(
            "file-mode",
            format!("{shown} contains secrets and others may access it (mode {mode:04o})"),
            format!("chmod 600 {}", word()),
        );
    } else if mode & OTHERS_WRITE != 0 {
        notes.danger_with(
            "file-mode",
            format!("{shown}: other accounts may write to it (mode {mode:04o})"),
            format!("chmod go-w {}", word()),
        );
    }
}

/// Returns the reason the directory of a file is not trusted.
fn directory_distrust(path: &Path) -> Option<UntrustedReason> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    UntrustedReason::of_directory(&std::fs::metadata(parent).ok()?)
}

/// Warns if a file with a secret can be read by other accounts or belongs to another account. For
/// input files, use [`super::read_named`].
pub fn warn_if_exposed(path: &Path, notes: &mut Notes) {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) {
        warn(path, &file.into(), FileContents::Secret, notes);
    }
}
