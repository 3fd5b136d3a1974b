//! Replacement of a file that belongs to another program: the new file has the owner, group, mode and
//! extended attributes of the old one, such as its SELinux label and its access list.

use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{AtFlags, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::FileError;
use super::location::Location;
use super::write::Temporary;
use crate::util::file::Existing;

/// The maximum size in bytes of the names of all attributes, and of one value, as in Linux.
const MAX_ATTRIBUTE: usize = 64 << 10;

/// A regular file that was read and can be replaced.
#[derive(Debug)]
pub struct ReplaceableFile {
    location: Location,
    metadata: Metadata,
    attributes: Vec<(CString, Vec<u8>)>,
}

impl ReplaceableFile {
    /// Reads a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Location::read`], and [`FileError::HardLinks`]: a replacement would separate the names.
    pub fn read(location: Location, limit: u64) -> Result<(Self, Zeroizing<Vec<u8>>), FileError> {
        let (file, metadata) = location.open()?;
        if metadata.is_dir() {
            return Err(FileError::Directory(location.path));
        }
        if !metadata.is_file() {
            return Err(FileError::NotRegular(location.path));
        }
        if metadata.nlink() > 1 {
            return Err(FileError::HardLinks(location.path));
        }
        let attributes = attributes(&file)
            .map_err(|errno| FileError::ReadFailed { path: location.path.clone(), source: errno.into() })?;
        let bytes = Zeroizing::new(super::read::read_open(&location.path, file, limit)?);
        Ok((Self { location, metadata, attributes }, bytes))
    }

    /// The metadata of the file.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Replaces the file atomically.
    ///
    /// # Errors
    /// [`FileError::CreateFailed`] or `WriteFailed`; [`FileError::NotPreserved`] if the owner, the mode or an
    /// attribute cannot be set; [`FileError::Changed`] if another program changed the file since it was
    /// read. The old file is unchanged.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        let path = &self.location.path;
        let unwritable = |source: io::Error| FileError::WriteFailed { path: path.clone(), source };
        let mut temporary = Temporary::create(&self.location.directory)
            .map_err(|source| FileError::CreateFailed { path: path.clone(), source })?;
        io::Write::write_all(&mut temporary.file, bytes).map_err(unwritable)?;
        self.preserve(&temporary.file)?;
        temporary.file.sync_all().map_err(unwritable)?;
        self.check_unchanged()?;
        temporary
            .take_name(&self.location.name, Existing::Replace)
            .map_err(|errno| unwritable(errno.into()))?;
        // Some file systems cannot sync a directory.
        if let Ok(directory) = self.location.open_directory() {
            let _ = directory.sync_all();
        }
        Ok(())
    }

    /// Gives a new file the owner, group, mode and attributes of the old one.
    fn preserve(&self, file: &File) -> Result<(), FileError> {
        let failed = |what: &'static str| {
            move |errno: Errno| FileError::NotPreserved {
                path: self.location.path.clone(),
                what,
                source: errno.into(),
            }
        };
        let old = &self.metadata;
        let new = file.metadata().map_err(|source| FileError::NotPreserved {
            path: self.location.path.clone(),
            what: "owner",
            source,
        })?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            let user = (new.uid() != old.uid()).then(|| Uid::from_raw(old.uid()));
            let group = (new.gid() != old.gid()).then(|| Gid::from_raw(old.gid()));
            rustix::fs::fchown(file, user, group).map_err(failed("owner"))?;
        }
        // A change of the owner clears some bits of the mode.
        rustix::fs::fchmod(file, Mode::from_raw_mode(old.mode() & 0o7777)).map_err(failed("mode"))?;
        let inherited = attributes(file).map_err(failed("attributes"))?;
        for (name, _) in &inherited {
            let is_kept = self.attributes.iter().any(|(known, _)| known == name);
            if !is_kept && !name.as_bytes().starts_with(b"security.") {
                rustix::fs::fremovexattr(file, name).map_err(failed("attributes"))?;
            }
        }
        for attribute in self.attributes.iter().filter(|attribute| !inherited.contains(attribute)) {
            let (name, value) = attribute;
            rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).map_err(failed("attributes"))?;
        }
        Ok(())
    }

    /// Checks that the name still denotes the file that was read, with the same content.
    fn check_unchanged(&self) -> Result<(), FileError> {
        let old = &self.metadata;
        let now = rustix::fs::statat(
            &self.location.directory,
            self.location.name.as_os_str(),
            AtFlags::SYMLINK_NOFOLLOW,
        );
        let is_same = now.is_ok_and(|now| {
            let changed_at = (now.st_mtime, i64::try_from(now.st_mtime_nsec).unwrap_or(-1));
            (now.st_dev, now.st_ino) == (old.dev(), old.ino())
                && u64::try_from(now.st_size).is_ok_and(|size| size == old.size())
                && changed_at == (old.mtime(), old.mtime_nsec())
                && now.st_mode == old.mode()
        });
        if is_same { Ok(()) } else { Err(FileError::Changed(self.location.path.clone())) }
    }
}

/// The extended attributes of a file; none if the file system does not have them.
fn attributes(file: &File) -> Result<Vec<(CString, Vec<u8>)>, Errno> {
    let mut names = vec![0_u8; MAX_ATTRIBUTE];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Err(errno) if errno == Errno::NOTSUP || errno == Errno::NOSYS => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for name in names.get(..length).unwrap_or_default().split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let mut value = vec![0_u8; MAX_ATTRIBUTE];
        match rustix::fs::fgetxattr(file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_owned(), value));
            }
            Err(errno) if errno == Errno::NODATA => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn read(path: &Path) -> Result<(ReplaceableFile, Zeroizing<Vec<u8>>), FileError> {
        ReplaceableFile::read(Location::find_input(path)?, 1000)
    }

    fn user_attribute(path: &Path) -> Option<Vec<u8>> {
        let file = File::open(path).unwrap();
        attributes(&file)
            .unwrap()
            .into_iter()
            .find(|(name, _)| name.as_c_str() == c"user.test")
            .map(|(_, v)| v)
    }

    #[test]
    fn replaced_file_has_mode_owner_and_attributes_of_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2640)).unwrap();
        let has_attributes =
            rustix::fs::fsetxattr(File::open(&path).unwrap(), c"user.test", b"label", XattrFlags::empty())
                .is_ok();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(4711), Some(4712)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o2640)).unwrap();
        }
        let before = fs::metadata(&path).unwrap();
        let (file, bytes) = read(&path).unwrap();
        assert_eq!(bytes.as_slice(), b"old");
        file.replace(b"new").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_ne!(before.ino(), after.ino(), "the file is a new one");
        assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
        assert_eq!(user_attribute(&path), has_attributes.then(|| b"label".to_vec()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_that_another_program_changed_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        for change in ["content", "file", "mode", "deleted"] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let (file, _) = read(&path).unwrap();
            match change {
                "content" => fs::write(&path, "edited").unwrap(),
                "file" => {
                    fs::write(directory.path().join("other"), "old").unwrap();
                    fs::rename(directory.path().join("other"), &path).unwrap();
                }
                "mode" => fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap(),
                _ => fs::remove_file(&path).unwrap(),
            }
            let replaced = file.replace(b"new");
            assert!(matches!(replaced, Err(FileError::Changed(_))), "{change}: {replaced:?}");
            assert!(fs::read(&path).map_or(true, |bytes| bytes != b"new"), "{change}");
        }
    }

    #[test]
    fn file_with_several_names_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "x").unwrap();
        fs::hard_link(&path, directory.path().join("b")).unwrap();
        assert!(matches!(read(&path), Err(FileError::HardLinks(_))));
    }
}
