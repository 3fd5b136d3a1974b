//! Atomic changes of the server's environment file.
//!
//! All other bytes of the file are preserved, and the old file is stored as a backup beside it. All
//! programs change the file with these functions, under one lock.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::dotenv::{self, Dotenv, SetError};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{Existing, FileError, Location, PRIVATE_MODE, SETTINGS_LIMIT, WriteOptions};
use crate::util::kind::Kind;
use crate::util::quote::quote_path;

/// The maximum number of backups of a file.
const MOST_BACKUPS: u32 = 1000;

/// An error of changing the environment file; the file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The server would reject the file.
    #[error("{}: {error}", quote_path(.path))]
    Content {
        /// The file.
        path: PathBuf,
        /// The error in it.
        error: SetError,
    },
    /// The file already contains keys that would be replaced.
    #[error("{} has {} already: nothing was changed", quote_path(.path), .names.join(" and "))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The variables that are not empty.
        names: Vec<String>,
    },
    /// The maximum number of backups is reached.
    #[error("{} has {MOST_BACKUPS} old files beside it: remove some", quote_path(.0))]
    Backups(PathBuf),
}

diagnostics! { EnvFileError:
    Self::File(error) => error.kind(), error.hint();
    Self::Content { error, .. } => error.kind(), error.hint();
    Self::InUse { .. } => Kind::KeyInUse,
        "--force replaces it and invalidates all tokens and sessions of the old key";
    Self::Backups(_) => Kind::OutputUncreatable;
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The backup of the old file, if the file existed and was not empty.
    pub backup: Option<PathBuf>,
    /// Whether the file was changed.
    pub changed: bool,
}

/// The timeout for the lock of another process, in seconds.
const LOCK_TIMEOUT_SECONDS: u32 = 30;

/// Sets variables in an environment file, which is created if it does not exist.
///
/// # Errors
/// [`EnvFileError`]; [`EnvFileError::InUse`] if a variable has another value and `replace` is
/// false.
pub fn put(path: &Path, variables: &[(&str, &str)], replace: bool) -> Result<Written, EnvFileError> {
    change(path, |parsed| {
        let current = |name: &str| parsed.get(name).map(|entry| entry.value.expose()).unwrap_or_default();
        let names: Vec<String> = variables
            .iter()
            .filter(|(name, value)| !current(name).is_empty() && current(name) != *value)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        if !names.is_empty() && !replace {
            return Err(EnvFileError::InUse { path: path.to_owned(), names });
        }
        let new = variables.iter().filter(|(name, value)| current(name) != *value);
        Ok(new.map(|(name, value)| (*name, Zeroizing::new((*value).to_owned()))).collect())
    })
}

/// Changes an environment file, which is created if it does not exist. `choose` receives the
/// current variables and returns the new ones.
///
/// The file is written with mode 0600 and synced; existing group permissions are preserved. The old
/// file is stored as `.env.old`, `.env.old.1` and so on. The directory is locked, so concurrent
/// writers do not lose each other's lines, even with different paths.
///
/// # Errors
/// [`EnvFileError`], and the errors of `choose`.
pub fn change<'v, E: From<EnvFileError>>(
    path: &Path,
    choose: impl FnOnce(&Dotenv) -> Result<Vec<(&'v str, Zeroizing<String>)>, E>,
) -> Result<Written, E> {
    let location = Location::find(path).map_err(EnvFileError::from)?;
    // Held until the end. If the file system does not support locks, the write is still atomic.
    let _lock = location.lock_directory(LOCK_TIMEOUT_SECONDS).map_err(EnvFileError::from)?;
    let old = match location.read(SETTINGS_LIMIT) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => Zeroizing::new(Vec::new()),
        Err(error) => return Err(EnvFileError::from(error).into()),
    };
    let content = |error| EnvFileError::Content { path: path.to_owned(), error };
    let parsed = dotenv::read(&old).map_err(|errors| content(SetError::Malformed(errors)))?;
    let variables = choose(&parsed)?;
    if variables.is_empty() {
        return Ok(Written { backup: None, changed: false });
    }
    let mut new = old.clone();
    for (name, value) in &variables {
        new = Zeroizing::new(dotenv::set(&new, name, value).map_err(content)?);
    }
    let backup = if old.is_empty() { None } else { Some(back_up(&location, &old)?) };
    // Resolve again: the file may have been replaced during the wait for the lock.
    let target = location.sibling(location.name()).map_err(EnvFileError::from)?;
    target.write(&new, how(Existing::Replace)).map_err(EnvFileError::from)?;
    Ok(Written { backup, changed: true })
}

const fn how(existing: Existing) -> WriteOptions {
    WriteOptions { mode: PRIVATE_MODE, existing, keeps_access: true, sweeps: true }
}

/// Writes the old content to the first unused backup name.
fn back_up(location: &Location, content: &[u8]) -> Result<PathBuf, EnvFileError> {
    for count in 0..MOST_BACKUPS {
        let suffix = if count == 0 { ".old".to_owned() } else { format!(".old.{count}") };
        let backup = location.sibling(&location.name_with(&suffix))?;
        if backup.found().is_some() {
            continue;
        }
        match backup.write(content, how(Existing::Reject)) {
            Err(FileError::Exists(_)) => {}
            Ok(()) => return Ok(backup.path().to_owned()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(EnvFileError::Backups(location.path().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn change_concurrent_writers_lose_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = path.clone();
                scope.spawn(move || put(&path, &[(&format!("KEY_{number}"), "x")], false).unwrap());
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 16, "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(directory.path().join(".env.old.14").exists(), "each of the 15 old files remains");
    }

    #[test]
    fn put_rejects_key_in_use_and_sets_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        fs::write(&path, "# mine\nA=\nB='x' # y\n").unwrap();
        assert!(matches!(put(&path, &[("B", "z")], false), Err(EnvFileError::InUse { .. })));
        assert_eq!(put(&path, &[("B", "x")], false).unwrap(), Written { backup: None, changed: false });
        put(&path, &[("A", "1")], false).unwrap();
        put(&path, &[("B", "z")], true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nA=\"1\"\nB=\"z\" # y\n");
        assert_eq!(fs::read_to_string(directory.path().join(".env.old")).unwrap(), "# mine\nA=\nB='x' # y\n");
    }
}
