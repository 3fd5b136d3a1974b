//! What writers that were killed have left behind.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use crate::util::time::Timestamp;

/// How the names of files that are not complete yet begin and end.
pub const TEMPORARY: (&str, &str) = (".cc-auth-", ".tmp");

/// How old a temporary file must be before it is deleted, in seconds: writing one takes
/// milliseconds.
const ABANDONED: i64 = 600;

/// Deletes what writers of this account that were killed have left in a directory more than ten
/// minutes ago: it may hold secrets. What cannot be deleted stays.
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
            // Not a directory: that stays.
            let _ = rustix::fs::unlinkat(directory, OsStr::from_bytes(bytes), AtFlags::empty());
        }
    }
}
