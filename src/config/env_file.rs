//! Writes variables to the server's environment file: every other byte stays, the file appears
//! whole and private, and the old one remains beside it. Everything that changes the file does it
//! here, under one lock.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::dotenv::{self, Dotenv, SetError};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{Existing, FileError, Location, PRIVATE_MODE, SETTINGS_LIMIT, WriteOptions};
use crate::util::kind::Kind;
use crate::util::quote::quote_path;

/// The number of old files beside a file, at most.
const MOST_BACKUPS: u32 = 1000;

/// Why the variables could not be put into the file; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is nothing the server would read.
    #[error("{}: {error}", quote_path(.path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        error: SetError,
    },
    /// Keys that are in use would be replaced.
    #[error("{} has {} already: nothing was changed", quote_path(.path), .names.join(" and "))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The variables that are set to something.
        names: Vec<String>,
    },
    /// There are too many old files.
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

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The old file, where there was one with anything in it.
    pub backup: Option<PathBuf>,
    /// Whether anything had to be changed.
    pub changed: bool,
}

/// How long to wait for another process that changes the file, in seconds.
const LOCK_TIMEOUT_SECONDS: u32 = 30;

/// Sets variables in an environment file, which is created if it does not exist.
///
/// # Errors
/// [`EnvFileError`]; [`EnvFileError::InUse`] when one of them is set to something else and
/// `replace` is not set.
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

/// Changes an environment file, which is created if it does not exist: `choose` gets what is set
/// and returns the variables to set. Mode 0600, synced; a group keeps its access. The old file is
/// kept as `.env.old`, `.env.old.1` and so on. The directory is locked, so that two
/// writers do not lose each other's lines, also when their paths differ.
///
/// # Errors
/// [`EnvFileError`], and what `choose` returns.
pub fn change<'v, E: From<EnvFileError>>(
    path: &Path,
    choose: impl FnOnce(&Dotenv) -> Result<Vec<(&'v str, Zeroizing<String>)>, E>,
) -> Result<Written, E> {
    let location = Location::find(path).map_err(EnvFileError::from)?;
    // Held until the end. Where the file system has no locks, the write is still whole.
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
    // Looked at again: the file may have been replaced while this waited for the lock.
    let target = location.sibling(location.name()).map_err(EnvFileError::from)?;
    target.write(&new, how(Existing::Replace)).map_err(EnvFileError::from)?;
    Ok(Written { backup, changed: true })
}

const fn how(existing: Existing) -> WriteOptions {
    WriteOptions { mode: PRIVATE_MODE, existing, keeps_access: true, sweeps: true }
}

/// Writes the old content beside the file under the first free name.
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
    fn two_writers_lose_nothing() {
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
    fn a_key_in_use_stays_and_an_empty_one_is_set() {
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
