//! Files: read with a limit, written whole or not at all.
//!
//! A write goes to a new file beside the target, is synced, and takes the target's name in one
//! step; whoever reads the target sees the old content or the new, never a part. A symbolic link
//! is followed, so that the file it points to is replaced and the link stays.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::kind::Kind;
use super::note::Notes;
use super::quote::quote_path;
use super::time::Timestamp;

/// The most that is read of a configuration, key or environment file, in bytes.
pub const SETTINGS_LIMIT: u64 = 4 << 20;

/// How the names of files that are not complete yet begin and end.
pub const TEMPORARY: (&str, &str) = (".cc-auth-", ".tmp");

/// The mode of a file that holds a secret.
pub const PRIVATE_MODE: u32 = 0o600;

/// The mode of a file anybody may read.
pub const PUBLIC_MODE: u32 = 0o644;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("{} does not exist", quote_path(.0))]
    Missing(PathBuf),
    /// A directory stands where a file is wanted.
    #[error("{} is a directory, wanted a file", quote_path(.0))]
    Directory(PathBuf),
    /// The file can't be opened or read.
    #[error("{} can't be read: {}", quote_path(.path), reason(.source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than anything of its kind.
    #[error("{} is larger than {} bytes", quote_path(.path), .limit)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not UTF-8 where text is wanted.
    #[error("{} is no text: byte {} is not UTF-8", quote_path(.path), .offset + 1)]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the first wrong byte is, counted from 0.
        offset: usize,
    },
    /// The output exists and must not be replaced.
    #[error("{} exists already", quote_path(.0))]
    Exists(PathBuf),
    /// The output can't be created.
    #[error("{} can't be created: {}", quote_path(.path), reason(.source))]
    Uncreatable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed; the old content, if any, is still there.
    #[error("{} can't be written: {}", quote_path(.path), reason(.source))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Fault for FileError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) => Kind::FileMissing,
            Self::Directory(_) => Kind::FileIsDirectory,
            Self::Unreadable { .. } => Kind::FileUnreadable,
            Self::TooLarge { .. } => Kind::FileTooLarge,
            Self::NotText { .. } => Kind::FileNotText,
            Self::Exists(_) => Kind::OutputExists,
            Self::Uncreatable { .. } => Kind::OutputUncreatable,
            Self::Unwritable { .. } => Kind::OutputUnwritable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists(_) => Some("give --force to replace it, or name another file".to_owned()),
            _ => None,
        }
    }
}

/// What the system said, in lower case and without its error number.
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

/// Reads a file of at most `limit` bytes. Pipes and devices are read likewise.
///
/// # Errors
/// [`FileError::Missing`], `Directory`, `Unreadable` or `TooLarge`.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => FileError::Directory(path.to_owned()),
        _ => FileError::Unreadable { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and [`FileError::NotText`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, limit)?).map_err(|error| FileError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// Warns when others than the owner may read a file that holds a secret.
pub fn warn_if_exposed(path: &Path, notes: &mut Notes) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        notes.warn_with(
            format!("{} holds secrets and others may access it (mode {mode:04o})", quote_path(path)),
            format!("chmod 600 {}", shell_word(&path.to_string_lossy())),
        );
    }
}

pub use super::shell::word as shell_word;

/// What to do when the output is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Replace it.
    Replace,
}

/// Writes a file whole or not at all, with exactly the given mode, and syncs it to disk; what
/// writers that were killed have left in the folder is taken away (see [`sweep`]).
/// A device or pipe as target (`/dev/stdout`) is written to directly.
///
/// # Errors
/// [`FileError::Exists`], `Directory`, `Uncreatable` or `Unwritable`; the old content stays.
pub fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), FileError> {
    write_in_parts(path, mode, existing, |draft| draft.add(bytes))
}

/// A file that is being written.
pub struct Draft<'a> {
    path: &'a Path,
    file: &'a mut dyn Write,
}

impl Draft<'_> {
    /// Adds these bytes.
    ///
    /// # Errors
    /// [`FileError::Unwritable`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file
            .write_all(bytes)
            .map_err(|source| FileError::Unwritable { path: self.path.to_owned(), source })
    }
}

/// As [`write()`], of what `content` adds piece by piece; when it fails there is no file.
///
/// # Errors
/// As [`write()`], and what `content` returns.
pub fn write_in_parts<E: From<FileError>>(
    path: &Path,
    mode: u32,
    existing: Existing,
    content: impl FnOnce(&mut Draft<'_>) -> Result<(), E>,
) -> Result<(), E> {
    write_into(path, mode, existing, true, content)
}

/// As [`write()`], without looking for what others left: for many files in one folder, which is swept
/// once.
///
/// # Errors
/// As [`write()`].
pub fn write_unswept(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), FileError> {
    write_into(path, mode, existing, false, |draft| draft.add(bytes))
}

fn write_into<E: From<FileError>>(
    path: &Path,
    mode: u32,
    existing: Existing,
    swept: bool,
    content: impl FnOnce(&mut Draft<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let unwritable = |source| FileError::Unwritable { path: path.to_owned(), source };
    let uncreatable = |source| FileError::Uncreatable { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(FileError::Directory(path.to_owned()).into()),
        Ok(metadata) if is_stream(&metadata.file_type()) => {
            let mut stream = OpenOptions::new().write(true).open(path).map_err(uncreatable)?;
            content(&mut Draft { path, file: &mut stream })?;
            return stream.flush().map_err(|source| unwritable(source).into());
        }
        Ok(_) if existing == Existing::Refuse => return Err(FileError::Exists(path.to_owned()).into()),
        _ => {}
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY.0)
        .suffix(TEMPORARY.1)
        .permissions(fs::Permissions::from_mode(PRIVATE_MODE))
        .tempfile_in(folder)
        .map_err(uncreatable)?;
    if swept {
        // By the clock of the file system, which the others' times are from as well.
        if let Ok(metadata) = file.as_file().metadata() {
            sweep(folder, Timestamp(metadata.mtime()));
        }
    }
    content(&mut Draft { path, file: &mut file })?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    let placed = match existing {
        Existing::Replace => file.persist(&target),
        Existing::Refuse => file.persist_noclobber(&target),
    };
    placed.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        io::ErrorKind::IsADirectory => FileError::Directory(path.to_owned()),
        _ => unwritable(error.error),
    })?;
    // The new name must be on disk as well; a file system that can't sync a folder has done
    // what it can.
    if let Ok(opened) = File::open(folder) {
        let _ = opened.sync_all();
    }
    Ok(())
}

/// How old a temporary file must be to be nobody's any more, in seconds: writing one takes
/// milliseconds.
const ABANDONED: i64 = 600;

/// Takes away what writers of this user that were killed have left in a folder more than ten
/// minutes ago: it may hold secrets. What can't be taken away stays.
pub fn sweep(folder: &Path, now: Timestamp) {
    let own = rustix::process::geteuid().as_raw();
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(here) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.uid() == own && now.since(Timestamp(metadata.mtime())) > ABANDONED {
            let _ = match metadata.is_dir() {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
    }
}

fn is_stream(kind: &fs::FileType) -> bool {
    kind.is_char_device() || kind.is_fifo() || kind.is_socket()
}

/// Creates a folder and its parents, readable only to the owner where they are new.
///
/// # Errors
/// [`FileError::Uncreatable`].
pub fn create_private_folder(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| FileError::Uncreatable { path: path.to_owned(), source })
}

/// Opens (and makes, mode 0600) a file to hold a lock on.
///
/// # Errors
/// [`FileError::Uncreatable`].
pub fn open_lock(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_MODE)
        .open(path)
        .map_err(|source| FileError::Uncreatable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_gets_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new", PRIVATE_MODE, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE_MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn an_existing_file_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old").unwrap();
        let refused = write(&path, b"new", PRIVATE_MODE, Existing::Refuse);
        assert!(matches!(refused, Err(FileError::Exists(_))), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"new", PRIVATE_MODE, Existing::Replace).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn a_full_device_is_an_error() {
        let full = write(Path::new("/dev/full"), b"x", PRIVATE_MODE, Existing::Replace);
        assert!(matches!(full, Err(FileError::Unwritable { .. })), "{full:?}");
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        for name in [".cc-auth-old.tmp", ".cc-auth-new.tmp", ".cc-auth-kept", "kept.tmp"] {
            fs::write(at(name), "x").unwrap();
            if name != ".cc-auth-new.tmp" {
                File::options().write(true).open(at(name)).unwrap().set_modified(old).unwrap();
            }
        }
        fs::create_dir(at(".cc-auth-dir.tmp")).unwrap();
        fs::write(at(".cc-auth-dir.tmp/new.db"), "x").unwrap();
        File::open(at(".cc-auth-dir.tmp")).unwrap().set_modified(old).unwrap();
        write_unswept(&at("a"), b"x", PRIVATE_MODE, Existing::Replace).unwrap();
        assert!(at(".cc-auth-old.tmp").exists());
        write(&at("a"), b"x", PRIVATE_MODE, Existing::Replace).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".cc-auth-kept", ".cc-auth-new.tmp", "a", "kept.tmp"]);
    }

    #[test]
    fn an_endless_file_is_refused_at_the_limit() {
        let endless = read(Path::new("/dev/zero"), 1000);
        assert!(matches!(endless, Err(FileError::TooLarge { limit: 1000, .. })), "{endless:?}");
    }
}
