//! Deletion of temporary files that killed processes left behind.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use crate::util::time::Timestamp;

/// Prefix and suffix of the names of temporary files.
pub const TEMPORARY: (&str, &str) = (".cc-auth-", ".tmp");

/// The minimum age of a temporary file before it is deleted, in seconds. Writing a file takes
/// milliseconds.
const ABANDONED: i64 = 600;

/// Deletes the temporary files of this account that are older than ten minutes, because they may
/// contain secrets. Errors are ignored.
pub fn sweep(directory: &Path, now: Timestamp) {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(directory) = rustix::fs::open(here, flags, Mode::empty()) {
        sweep_open(&directory.into(), now);
    }
}

pub(super) fn sweep_open(directory: &File, now: Timestamp) {
    let own = rustix::process::geteuid().as_raw();
    let Ok(entries) = Dir::read_from(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if !(bytes.starts_with(TEMPORARY.0.as_bytes()) && bytes.ends_with(TEMPORARY.1.as_bytes())) {
            continue;
        }
        let Ok(found) = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if found.st_uid == own && now.since(Timestamp(found.st_mtime)) > ABANDONED {
            // Without `AT_REMOVEDIR`, directories are not deleted.
            let _ = rustix::fs::unlinkat(directory, OsStr::from_bytes(bytes), AtFlags::empty());
        }
    }
}
