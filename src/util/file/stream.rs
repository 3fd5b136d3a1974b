//! Outputs that are not regular files: open descriptors and devices.

use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags};

use super::error::FileError;
use super::location::Location;
use super::trust;

/// Returns the descriptor that an output path denotes: `-`, `/dev/stdout`, `/dev/stderr`,
/// `/dev/fd/N` or `/proc/self/fd/N`.
pub(super) fn descriptor(path: &Path) -> Option<i32> {
    let number = match path.as_os_str().as_bytes() {
        b"-" | b"/dev/stdout" => return Some(1),
        b"/dev/stderr" => return Some(2),
        other => other.strip_prefix(b"/dev/fd/").or_else(|| other.strip_prefix(b"/proc/self/fd/"))?,
    };
    std::str::from_utf8(number).ok()?.parse().ok().filter(|number| *number >= 0)
}

/// Duplicates an open descriptor; both share the file offset.
pub(super) fn open_descriptor(number: i32) -> Result<File, Errno> {
    let own = rustix::process::getpid();
    let duplicate = rustix::process::pidfd_open(own, PidfdFlags::empty())
        .and_then(|process| rustix::process::pidfd_getfd(process, number, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(Errno::BADF) => Err(Errno::BADF),
        // Linux before 5.6, or a seccomp filter: reopen in append mode to preserve existing content.
        Err(_) => {
            let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY;
            Ok(rustix::fs::open(format!("/proc/self/fd/{number}"), flags, Mode::empty())?.into())
        }
    }
}

/// Opens a character device, such as `/dev/null`. It must belong to root or the caller and be in a
/// directory that no other account can write to. FIFOs and sockets are rejected because their
/// reader is unknown.
pub(super) fn open_device(location: &Location, found: &Metadata) -> Result<File, FileError> {
    let special = || FileError::NotRegular(location.path.clone());
    let is_suitable = |metadata: &Metadata| {
        metadata.file_type().is_char_device() && (metadata.uid() == 0 || trust::is_callers(metadata))
    };
    if !is_suitable(found) || !trust::is_exclusive(&location.directory_metadata) {
        return Err(special());
    }
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let uncreatable =
        |errno: Errno| FileError::CreateFailed { path: location.path.clone(), source: errno.into() };
    let file: File = rustix::fs::openat(&location.directory, &location.name, flags, Mode::empty())
        .map_err(uncreatable)?
        .into();
    if !file.metadata().is_ok_and(|opened| is_suitable(&opened) && opened.rdev() == found.rdev()) {
        return Err(special());
    }
    rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(uncreatable)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_is_parsed_from_known_names_only() {
        let of = |name: &str| descriptor(Path::new(name));
        assert_eq!((of("-"), of("/dev/stdout"), of("/dev/stderr")), (Some(1), Some(1), Some(2)));
        assert_eq!((of("/dev/fd/63"), of("/proc/self/fd/4")), (Some(63), Some(4)));
        for name in ["./-", "/dev/fd/x", "/dev/fd/-1", "/dev/fd/", "stdout", "/dev/null", "--"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
