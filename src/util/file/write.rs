//! Atomic writing of files.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::PRIVATE_MODE;
use super::error::FileError;
use super::location::{Location, create_directory_all};
use super::stream;
use super::sweep::{TEMPORARY, sweep_open};
use super::trust::{Ownership, UntrustedReason};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::shell::word as shell_word;
use crate::util::time::Timestamp;

/// What to do if the output file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Fails with [`FileError::Exists`].
    Reject,
    /// Replaces the file.
    Replace,
}

/// Options for writing a file.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// The mode of the new file, regardless of the umask.
    pub mode: u32,
    /// What to do if the file exists.
    pub existing: Existing,
    /// Whether the group permissions of the replaced file are preserved.
    pub keeps_access: bool,
    /// Whether abandoned temporary files in the directory are deleted first; see
    /// [`super::sweep()`].
    pub sweeps: bool,
}

/// Writes a file atomically with exactly the given mode and syncs it to disk.
///
/// As root, the new file belongs to the owner of the file it replaces, or of its directory. Writes
/// directly to `-`, `/dev/stdout`, `/dev/stderr`, `/dev/fd/N` and devices.
///
/// # Errors
/// [`FileError::Exists`], `OutputDirectory`, `NotRegular`, `Link`, `CreateFailed` or `WriteFailed`;
/// existing content is unchanged.
pub fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), FileError> {
    write_in_parts(path, mode, existing, |draft| draft.add(bytes))
}

/// Checks that an output does not exist yet, before work on its content begins.
///
/// # Errors
/// [`FileError::Exists`], and the errors of [`Location::find`].
pub fn check_free(path: &Path) -> Result<(), FileError> {
    if stream::descriptor(path).is_some() {
        return Ok(());
    }
    match Location::find(path)?.found {
        Some(found) if found.is_file() => Err(FileError::Exists(path.to_owned())),
        _ => Ok(()),
    }
}

/// An output file that is not complete yet.
pub struct TemporaryFile<'a> {
    path: &'a Path,
    file: &'a mut File,
}

impl TemporaryFile<'_> {
    /// Appends bytes to the file.
    ///
    /// # Errors
    /// [`FileError::WriteFailed`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file
            .write_all(bytes)
            .map_err(|source| FileError::WriteFailed { path: self.path.to_owned(), source })
    }
}

/// Writes a file as [`write()`] does, with the bytes that `content` appends. No file is created if
/// `content` fails.
///
/// # Errors
/// As [`write()`], and the errors of `content`.
pub fn write_in_parts<E: From<FileError>>(
    path: &Path,
    mode: u32,
    existing: Existing,
    content: impl FnOnce(&mut TemporaryFile<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(number) = stream::descriptor(path) {
        let uncreatable =
            |errno: Errno| FileError::CreateFailed { path: path.to_owned(), source: errno.into() };
        let mut file = stream::open_descriptor(number).map_err(uncreatable)?;
        return content(&mut TemporaryFile { path, file: &mut file });
    }
    let how = WriteOptions { mode, existing, keeps_access: false, sweeps: true };
    Location::find(path)?.write_in_parts(how, content)
}

impl Location {
    /// Writes the file atomically.
    ///
    /// # Errors
    /// As [`write()`].
    pub fn write(&self, bytes: &[u8], how: WriteOptions) -> Result<(), FileError> {
        self.write_in_parts(how, |draft| draft.add(bytes))
    }

    fn write_in_parts<E: From<FileError>>(
        &self,
        how: WriteOptions,
        content: impl FnOnce(&mut TemporaryFile<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = &self.path;
        match &self.found {
            Some(found) if found.is_dir() => return Err(FileError::OutputDirectory(path.clone()).into()),
            Some(found) if !found.is_file() => {
                let mut device = stream::open_device(self, found)?;
                return content(&mut TemporaryFile { path, file: &mut device });
            }
            Some(_) if how.existing == Existing::Reject => return Err(FileError::Exists(path.clone()).into()),
            _ => {}
        }
        let unwritable = |source: io::Error| FileError::WriteFailed { path: path.clone(), source };
        let mut temporary = Temporary::create(&self.directory)
            .map_err(|source| FileError::CreateFailed { path: path.clone(), source })?;
        let opened = self.open_directory().ok();
        if how.sweeps
            && let (Some(directory), Ok(metadata)) = (&opened, temporary.file.metadata())
        {
            // Use the clock of the file system, because the times of the other files come from it.
            sweep_open(directory, Timestamp(metadata.mtime()));
        }
        content(&mut TemporaryFile { path, file: &mut temporary.file })?;
        let directory = (&self.directory, &self.directory_metadata);
        Ownership::of_new(directory, self.found.as_ref(), how.mode, how.keeps_access)
            .give(&temporary.file)
            .map_err(unwritable)?;
        temporary.file.sync_all().map_err(unwritable)?;
        temporary.take_name(&self.name, how.existing).map_err(|errno| match errno {
            Errno::EXIST => FileError::Exists(path.clone()),
            Errno::ISDIR => FileError::OutputDirectory(path.clone()),
            other => unwritable(other.into()),
        })?;
        // Sync the directory so that the rename is on disk. Some file systems do not support this.
        if let Some(directory) = opened {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

/// A temporary file, deleted on drop unless it was renamed to the output.
pub(super) struct Temporary<'a> {
    directory: &'a File,
    name: OsString,
    pub(super) file: File,
    is_named: bool,
}

impl<'a> Temporary<'a> {
    pub(super) fn create(directory: &'a File) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let name =
                OsString::from(format!("{}{:016x}{}", TEMPORARY.0, u64::from_ne_bytes(random), TEMPORARY.1));
            match rustix::fs::openat(directory, &name, flags, Mode::from_raw_mode(PRIVATE_MODE)) {
                Ok(file) => return Ok(Self { directory, name, file: file.into(), is_named: false }),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Renames the temporary file to the output, atomically.
    pub(super) fn take_name(&mut self, name: &OsStr, existing: Existing) -> Result<(), Errno> {
        // In a directory of another account, the name may denote a different file now.
        let now = rustix::fs::statat(self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        let own = rustix::fs::fstat(&self.file)?;
        if (now.st_dev, now.st_ino) != (own.st_dev, own.st_ino) {
            return Err(Errno::STALE);
        }
        match existing {
            Existing::Replace => rustix::fs::renameat(self.directory, &self.name, self.directory, name)?,
            Existing::Reject => self.take_free_name(name)?,
        }
        self.is_named = true;
        Ok(())
    }

    fn take_free_name(&self, name: &OsStr) -> Result<(), Errno> {
        let (directory, own) = (self.directory, &self.name);
        let is_unknown = |errno| matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP);
        match rustix::fs::renameat_with(directory, own, directory, name, RenameFlags::NOREPLACE) {
            Err(errno) if is_unknown(errno) => {}
            other => return other,
        }
        // Unlike a rename, creating a hard link never replaces an existing file.
        match rustix::fs::linkat(directory, own, directory, name, AtFlags::empty()) {
            Ok(()) => return rustix::fs::unlinkat(directory, own, AtFlags::empty()),
            Err(errno) if is_unknown(errno) || errno == Errno::PERM => {}
            Err(errno) => return Err(errno),
        }
        // The file system supports neither method.
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => rustix::fs::renameat(directory, own, directory, name),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = rustix::fs::unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Creates a directory and its missing parents with mode 0700.
///
/// # Errors
/// [`FileError::CreateFailed`], [`FileError::Link`].
pub fn create_private_directory(path: &Path) -> Result<(), FileError> {
    create_directory_all(path, 0o700)
}

/// Creates a directory for data these programs store for the caller: sessions, login attempts,
/// cached keys. A directory that another account controls is rejected, also for root: if `HOME` is
/// another user's home directory, that user could read or replace the files.
///
/// # Errors
/// As [`create_private_directory`], and [`FileError::Untrusted`].
pub fn create_own_directory(path: &Path) -> Result<(), FileError> {
    create_private_directory(path)?;
    // Resolve a name in the directory to check the directory itself.
    let location = Location::find(&path.join("x"))?;
    match UntrustedReason::of_directory(&location.directory_metadata) {
        Some(why) => Err(FileError::Untrusted { path: path.to_owned(), why, option: None }),
        None => Ok(()),
    }
}

/// Deletes a file; returns `false` if it did not exist. A symbolic link itself is deleted, not its
/// target.
///
/// # Errors
/// [`FileError::WriteFailed`].
pub fn remove(path: &Path) -> Result<bool, FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(FileError::WriteFailed { path: path.to_owned(), source }),
    }
}

/// Warns if root wrote a file into a directory of another account that cannot read the file.
pub fn warn_if_not_owner(path: &Path, notes: &mut Notes) {
    if stream::descriptor(path).is_some() || !rustix::process::geteuid().is_root() {
        return;
    }
    let Ok(location) = Location::find(path) else { return };
    let (Some(found), directory) = (&location.found, location.directory_metadata.uid()) else { return };
    if found.is_file() && found.uid() == 0 && directory != 0 {
        notes.warn_with(
            "file-owner",
            format!(
                "{} belongs to root, and its directory to another account (user ID {directory})",
                quote_path(path)
            ),
            format!("chown {directory} {}", shell_word(&path.to_string_lossy())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::file::read;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn write_existing_file_replaces_content_and_sets_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new", PRIVATE_MODE, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE_MODE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn write_existing_file_fails_without_replace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "old").unwrap();
        let rejected = write(&path, b"new", PRIVATE_MODE, Existing::Reject);
        assert!(matches!(rejected, Err(FileError::Exists(_))), "{rejected:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn write_through_symlink_replaces_target() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"new", PRIVATE_MODE, Existing::Replace).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn write_full_device_is_an_error() {
        let full = write(Path::new("/dev/full"), b"x", PRIVATE_MODE, Existing::Replace);
        assert!(matches!(full, Err(FileError::WriteFailed { .. })), "{full:?}");
    }

    #[test]
    fn write_deletes_files_of_killed_writers() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        for name in [".cc-auth-old.tmp", ".cc-auth-new.tmp", ".cc-auth-other", "other.tmp"] {
            fs::write(at(name), "x").unwrap();
            if name != ".cc-auth-new.tmp" {
                File::options().write(true).open(at(name)).unwrap().set_modified(old).unwrap();
            }
        }
        let how = WriteOptions {
            mode: PRIVATE_MODE,
            existing: Existing::Replace,
            keeps_access: false,
            sweeps: false,
        };
        Location::find(&at("a")).unwrap().write(b"x", how).unwrap();
        assert!(at(".cc-auth-old.tmp").exists());
        write(&at("a"), b"x", PRIVATE_MODE, Existing::Replace).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".cc-auth-new.tmp", ".cc-auth-other", "a", "other.tmp"]);
    }

    #[test]
    fn read_endless_file_stops_at_limit() {
        let endless = read(Path::new("/dev/zero"), 1000);
        assert!(matches!(endless, Err(FileError::TooLarge { limit: 1000, .. })), "{endless:?}");
    }
}
