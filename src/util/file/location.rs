//! Path resolution on open descriptors.
//!
//! A path is resolved once, one component at a time. Renames during or after the resolution have no
//! effect, because the parent directory stays open. A symbolic link is followed only if no other
//! account can have created it; see [`Location::find`].

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::trust::{self, UntrustedReason};

/// The maximum number of symbolic links in one path, as in Linux.
const MOST_LINKS: u32 = 40;

/// The type of a file system that is mounted on demand (`AUTOFS_SUPER_MAGIC`).
const AUTOFS: rustix::fs::FsWord = 0x0187;

/// Opens a name for `fstat` and as a base of `openat`; needs no permission on the file.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A file name in an open directory; the file may be missing.
#[derive(Debug)]
pub struct Location {
    pub(super) path: PathBuf,
    pub(super) directory: File,
    pub(super) directory_metadata: Metadata,
    pub(super) name: OsString,
    /// The metadata of the file, `None` if it does not exist.
    pub(super) found: Option<Metadata>,
    /// The first directory of the path that another account controls.
    pub(super) distrust: Option<UntrustedReason>,
    /// Whether the path contained a symbolic link, so the directory differs from the one in `path`.
    followed: bool,
}

/// The reason a path cannot be resolved.
#[derive(Debug)]
pub(super) enum PathError {
    /// A system error.
    System(Errno),
    /// A symbolic link that may not be followed.
    Link(UntrustedReason),
}

impl From<Errno> for PathError {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<io::Error> for PathError {
    fn from(error: io::Error) -> Self {
        Self::System(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl PathError {
    /// Converts the error for an output file.
    pub(super) fn of_output(self, path: &Path) -> FileError {
        match self {
            Self::System(Errno::ISDIR) => FileError::OutputDirectory(path.to_owned()),
            Self::System(errno) => FileError::CreateFailed { path: path.to_owned(), source: errno.into() },
            Self::Link(why) => FileError::Link { path: path.to_owned(), why },
        }
    }

    /// Converts the error for an input file.
    pub(super) fn of_input(self, path: &Path) -> FileError {
        match self {
            Self::System(Errno::NOENT) => FileError::Missing(path.to_owned()),
            Self::System(Errno::ISDIR) => FileError::Directory(path.to_owned()),
            Self::System(errno) => FileError::ReadFailed { path: path.to_owned(), source: errno.into() },
            Self::Link(why) => FileError::Link { path: path.to_owned(), why },
        }
    }
}

impl Location {
    /// Resolves a path to an open directory and a file name. The file may be missing.
    ///
    /// A symbolic link is followed only in a directory that belongs to root or the caller and that
    /// no other account may write to, and only when the link belongs to root or the caller.
    ///
    /// # Errors
    /// [`FileError::Link`] for a link that may not be followed, `OutputDirectory`, `CreateFailed`.
    pub fn find(path: &Path) -> Result<Self, FileError> {
        Self::walk(path, None).map_err(|obstacle| obstacle.of_output(path))
    }

    /// Resolves the path of an input file, as [`Location::find`].
    ///
    /// # Errors
    /// [`FileError::Link`], `Directory`, `ReadFailed`, and `Missing` if a directory is missing.
    pub fn find_input(path: &Path) -> Result<Self, FileError> {
        Self::walk(path, None).map_err(|obstacle| obstacle.of_input(path))
    }

    /// Resolves a path; with `create`, creates missing parent directories with this mode.
    pub(super) fn walk(path: &Path, create: Option<u32>) -> Result<Self, PathError> {
        let mut steps = Steps::default();
        let mut directory = steps.start(path.as_os_str())?;
        let mut metadata = directory.metadata()?;
        let mut distrust = UntrustedReason::of_directory(&metadata);
        let mut links = 0;
        while let Some(step) = steps.next() {
            let found = match look(&directory, &step) {
                Ok(found) => found,
                Err(Errno::NOENT) => match create {
                    Some(mode) => {
                        create_directory(&directory, &metadata, &step, mode)?;
                        look(&directory, &step)?
                    }
                    None if !steps.is_empty() => return Err(Errno::NOENT.into()),
                    None if steps.requires_directory => return Err(Errno::ISDIR.into()),
                    None => return Ok(Self::new(path, directory, metadata, step, None, distrust, links > 0)),
                },
                Err(errno) => return Err(errno.into()),
            };
            let found_metadata = found.metadata()?;
            if found_metadata.is_symlink() {
                if let Some(why) = UntrustedReason::of_link(&metadata, &found_metadata) {
                    return Err(PathError::Link(why));
                }
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(&found, c"", Vec::new())?;
                let target = OsString::from_vec(target.into_bytes());
                if target.as_bytes().starts_with(b"/") {
                    directory = steps.start(&target)?;
                    metadata = directory.metadata()?;
                    distrust = distrust.or_else(|| UntrustedReason::of_directory(&metadata));
                } else {
                    steps.push(&target);
                }
            } else if found_metadata.is_dir() {
                directory = mount(&directory, &metadata, &step, found);
                metadata = directory.metadata()?;
                distrust = distrust.or_else(|| UntrustedReason::of_directory(&metadata));
            } else if steps.is_empty() && !steps.requires_directory {
                return Ok(Self::new(
                    path,
                    directory,
                    metadata,
                    step,
                    Some(found_metadata),
                    distrust,
                    links > 0,
                ));
            } else {
                return Err(Errno::NOTDIR.into());
            }
        }
        Err(Errno::ISDIR.into())
    }

    fn new(
        path: &Path,
        directory: File,
        directory_metadata: Metadata,
        name: OsString,
        found: Option<Metadata>,
        distrust: Option<UntrustedReason>,
        followed: bool,
    ) -> Self {
        Self { path: path.to_owned(), directory, directory_metadata, name, found, distrust, followed }
    }

    /// The original path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns another name in the same directory. A symbolic link of this name is not followed.
    ///
    /// # Errors
    /// [`FileError::ReadFailed`].
    pub fn sibling(&self, name: &OsStr) -> Result<Self, FileError> {
        let path = self.path_of(name);
        let unreadable = |source: io::Error| FileError::ReadFailed { path: path.clone(), source };
        let found = match look(&self.directory, name) {
            Ok(found) => Some(found.metadata().map_err(unreadable)?),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(unreadable(errno.into())),
        };
        Ok(Self {
            directory: self.directory.try_clone().map_err(unreadable)?,
            directory_metadata: self.directory_metadata.clone(),
            name: name.to_owned(),
            found,
            distrust: self.distrust.clone(),
            followed: self.followed,
            path,
        })
    }

    /// The path of a name in this directory, for messages.
    fn path_of(&self, name: &OsStr) -> PathBuf {
        if name == self.name {
            return self.path.clone();
        }
        let opened = format!("/proc/self/fd/{}", self.directory.as_raw_fd());
        match std::fs::read_link(opened) {
            Ok(directory) if self.followed => directory.join(name),
            _ => self.path.with_file_name(name),
        }
    }

    /// The file name in the directory, after all links are resolved.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether all accounts can write to the directory, such as `/tmp`.
    #[must_use]
    pub fn is_in_shared_directory(&self) -> bool {
        self.directory_metadata.mode() & 0o002 != 0
    }

    /// The metadata of the file, `None` if it does not exist.
    #[must_use]
    pub const fn found(&self) -> Option<&Metadata> {
        self.found.as_ref()
    }

    /// Opens the directory for locking, listing or syncing.
    pub(super) fn open_directory(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.directory, c".", flags, Mode::empty())?.into())
    }
}

/// Opens a name in a directory without following a link.
fn look(directory: &File, name: &OsStr) -> Result<File, Errno> {
    Ok(rustix::fs::openat(directory, name, LOOK, Mode::empty())?.into())
}

/// Mounts a directory that is an automount point, because opening it with `O_PATH` does not mount
/// it. Does nothing if another account could replace the name in the meantime.
fn mount(parent: &File, parent_metadata: &Metadata, name: &OsStr, found: File) -> File {
    let is_on_demand = rustix::fs::fstatfs(&found).is_ok_and(|system| system.f_type == AUTOFS);
    if !is_on_demand || !trust::is_exclusive(parent_metadata) {
        return found;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, Path::new(name).join("."), flags, Mode::empty()) {
        Ok(mounted) => mounted.into(),
        Err(_) => found,
    }
}

/// The remaining components of a path, including those of resolved symbolic links.
#[derive(Default)]
struct Steps {
    /// The components in reverse order: the next one is the last.
    left: Vec<OsString>,
    /// Whether the path can only be a directory, for example because it ends in `/`.
    requires_directory: bool,
}

impl Steps {
    /// Sets the path and opens its first directory (`/` or `.`).
    fn start(&mut self, path: &OsStr) -> Result<File, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let begin = match path.as_bytes() {
            [] => return Err(Errno::NOENT),
            [b'/', ..] => c"/",
            _ => c".",
        };
        self.push(path);
        Ok(rustix::fs::open(begin, flags, Mode::empty())?.into())
    }

    /// Inserts the components of a path before the remaining ones.
    fn push(&mut self, path: &OsStr) {
        let bytes = path.as_bytes();
        if self.left.is_empty() {
            self.requires_directory = [&b"/"[..], b"/.", b"/.."].iter().any(|end| bytes.ends_with(end))
                || matches!(bytes, b"." | b"..");
        }
        let components = bytes.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        self.left.extend(components.rev().map(|part| OsStr::from_bytes(part).to_owned()));
    }

    fn next(&mut self) -> Option<OsString> {
        self.left.pop()
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

/// Creates a directory with exactly this mode. An existing directory is not an error.
fn create_directory(
    parent: &File,
    parent_metadata: &Metadata,
    name: &OsStr,
    mode: u32,
) -> Result<(), PathError> {
    /// The umask is process-wide.
    static MASK: Mutex<()> = Mutex::new(());
    let guard = MASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = rustix::process::umask(Mode::from_raw_mode(0o022));
    let created = rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(mode));
    rustix::process::umask(before);
    drop(guard);
    match created {
        Err(Errno::EXIST) => return Ok(()),
        other => other?,
    }
    if let Some((user, group)) = trust::heir(parent, parent_metadata) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        // Change only the directory of this call: another process may have taken the name.
        if File::from(directory.try_clone()?).metadata().is_ok_and(|found| trust::is_callers(&found)) {
            let _ = rustix::fs::fchown(&directory, Some(user), Some(group));
        }
    }
    Ok(())
}

/// Creates a directory and its missing parents with this mode, regardless of the umask.
///
/// # Errors
/// [`FileError::Link`], [`FileError::CreateFailed`].
pub fn create_directory_all(path: &Path, mode: u32) -> Result<(), FileError> {
    match Location::walk(path, Some(mode)) {
        // All components exist and are directories.
        Err(PathError::System(Errno::ISDIR)) => Ok(()),
        Ok(_) => Err(FileError::CreateFailed { path: path.to_owned(), source: Errno::NOTDIR.into() }),
        Err(PathError::Link(why)) => Err(FileError::Link { path: path.to_owned(), why }),
        Err(PathError::System(errno)) => {
            Err(FileError::CreateFailed { path: path.to_owned(), source: errno.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// The real directory and the file name of a path.
    fn place(path: &Path) -> Result<(PathBuf, OsString), FileError> {
        let location = Location::find(path)?;
        let directory = format!("/proc/self/fd/{}", location.directory.as_raw_fd());
        Ok((fs::read_link(directory).unwrap(), location.name))
    }

    #[test]
    fn path_resolution_matches_the_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "x").unwrap();
        symlink("a/b", root.join("inner")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("../b/file", root.join("a/b/link")).unwrap();
        symlink("inner/link", root.join("chain")).unwrap();
        symlink("missing", root.join("dangling")).unwrap();
        for (path, directory, name) in [
            ("a/b/file", "a/b", "file"),
            ("./a//b/./new", "a/b", "new"),
            ("a/b/../new", "a", "new"),
            ("inner/file", "a/b", "file"),
            ("inner/../new", "a", "new"),
            ("absolute/b/file", "a/b", "file"),
            ("a/b/link", "a/b", "file"),
            ("chain", "a/b", "file"),
            ("dangling", ".", "missing"),
        ] {
            let (found, last) = place(&root.join(path)).unwrap();
            let expected = if directory == "." { root.clone() } else { root.join(directory) };
            assert_eq!((found, last), (expected, OsString::from(name)), "{path}");
        }
    }

    #[test]
    fn path_without_file_name_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("file"), "x").unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for path in ["", "/", ".", "..", "new/", "new/.", "a/.."] {
            let path = if path.is_empty() || path == "/" { PathBuf::from(path) } else { root.join(path) };
            assert!(place(&path).is_err(), "{}", path.display());
        }
        assert!(matches!(place(&root.join("new/")), Err(FileError::OutputDirectory(_))));
        for (path, errno) in [
            ("loop", Errno::LOOP),
            ("file/x", Errno::NOTDIR),
            ("file/", Errno::NOTDIR),
            ("missing/x", Errno::NOENT),
        ] {
            match place(&root.join(path)) {
                Err(FileError::CreateFailed { source, .. }) => {
                    assert_eq!(Errno::from_io_error(&source), Some(errno), "{path}");
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn symlink_in_shared_directory_is_never_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("shared")).unwrap();
        fs::create_dir(root.join("own")).unwrap();
        fs::set_permissions(root.join("shared"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("../own", root.join("shared/directory")).unwrap();
        symlink("../own/new", root.join("shared/file")).unwrap();
        symlink("shared/file", root.join("indirect")).unwrap();
        for path in ["shared/directory/new", "shared/file", "indirect", "own/../shared/file"] {
            let found = place(&root.join(path));
            let is_link =
                matches!(found, Err(FileError::Link { why: UntrustedReason::LinkInSharedDirectory, .. }));
            assert!(is_link, "{path}: {found:?}");
        }
        assert!(place(&root.join("shared/new")).is_ok());
    }

    #[test]
    fn create_directory_all_sets_mode_and_rejects_shared_symlink() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        create_directory_all(&root.join("a/b/c"), 0o700).unwrap();
        create_directory_all(&root.join("a/b/c"), 0o700).unwrap();
        create_directory_all(&root.join("a/public/"), 0o755).unwrap();
        let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("a/b/c"), mode("a/public")), (0o700, 0o700, 0o755));
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o777)).unwrap();
        symlink("b", root.join("a/link")).unwrap();
        let created = create_directory_all(&root.join("a/link/d"), 0o700);
        assert!(matches!(created, Err(FileError::Link { .. })), "{created:?}");
        assert!(!root.join("a/b/d").exists());
        fs::write(root.join("file"), "x").unwrap();
        assert!(create_directory_all(&root.join("file"), 0o700).is_err());
    }
}
