//! Variables into the server's environment file: every other byte stays, the file appears whole
//! and private, and the old one is kept beside it.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::fault::Fault;
use crate::base::file::{self, Existing, FileError, PRIVATE_MODE, SETTINGS_LIMIT};
use crate::base::kind::Kind;
use crate::base::quote::quote_path;
use crate::config::dotenv::{self, SetError};

/// How many old files are kept beside a file before one has to be removed by hand.
const MOST_BACKUPS: u32 = 1000;

/// Why the variables could not be put into the file; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileFault {
    /// It can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is nothing the server would read.
    #[error("{}: {fault}", quote_path(.path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        fault: SetError,
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

impl Fault for EnvFileFault {
    fn kind(&self) -> Kind {
        match self {
            Self::File(fault) => fault.kind(),
            Self::Content { fault, .. } => fault.kind(),
            Self::InUse { .. } => Kind::KeyInUse,
            Self::Backups(_) => Kind::OutputUncreatable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(fault) => fault.hint(),
            Self::Content { fault, .. } => fault.hint(),
            Self::InUse { .. } => {
                Some("--force replaces it: tokens and sessions made with the old key end with it".to_owned())
            }
            Self::Backups(_) => None,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The old file, where there was one with anything in it.
    pub backup: Option<PathBuf>,
    /// Whether anything had to be changed.
    pub changed: bool,
}

/// Sets variables in an environment file, which is made if it is not there. Mode 0600, synced;
/// the old file is kept as `.env.old`, `.env.old.1` and so on. Two writers do not lose each
/// other's lines.
///
/// # Errors
/// [`EnvFileFault`]; [`EnvFileFault::InUse`] when one of them is set to something else and
/// `replace` was not said.
pub fn put(path: &Path, variables: &[(&str, &str)], replace: bool) -> Result<Written, EnvFileFault> {
    // Held until the end: the folder can be locked without leaving a lock file behind. Where the
    // file system has no locks, the write is still whole.
    let folder = File::open(folder_of(path)).ok();
    if let Some(folder) = &folder {
        let _ = folder.lock();
    }
    let old = match file::read(path, SETTINGS_LIMIT) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => zeroize::Zeroizing::new(Vec::new()),
        Err(fault) => return Err(fault.into()),
    };
    let content = |fault| EnvFileFault::Content { path: path.to_owned(), fault };
    let parsed = dotenv::read(&old).map_err(|faults| content(SetError::Malformed(faults)))?;
    let current = |name: &str| parsed.get(name).map(|entry| entry.value.expose()).unwrap_or_default();
    if variables.iter().all(|(name, value)| current(name) == *value) {
        return Ok(Written { backup: None, changed: false });
    }
    let names: Vec<String> = variables
        .iter()
        .filter(|(name, value)| !current(name).is_empty() && current(name) != *value)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    if !names.is_empty() && !replace {
        return Err(EnvFileFault::InUse { path: path.to_owned(), names });
    }
    let mut new = old.clone();
    for (name, value) in variables {
        new = zeroize::Zeroizing::new(dotenv::set(&new, name, value).map_err(content)?);
    }
    let backup = if old.is_empty() { None } else { Some(keep(path, &old)?) };
    let owner = std::fs::metadata(path).ok();
    file::write(path, &new, PRIVATE_MODE, Existing::Replace)?;
    give_back(path, owner.as_ref());
    Ok(Written { backup, changed: true })
}

/// The file to whom it belonged: what root writes for the server must stay readable to the server.
/// Where this is not permitted the new file is the writer's own, as any new file.
fn give_back(path: &Path, before: Option<&Metadata>) {
    let Some(before) = before else { return };
    let same =
        std::fs::metadata(path).is_ok_and(|now| (now.uid(), now.gid()) == (before.uid(), before.gid()));
    if !same {
        let _ = std::os::unix::fs::chown(path, Some(before.uid()), Some(before.gid()));
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes the old content beside the file under the first free name.
fn keep(path: &Path, content: &[u8]) -> Result<PathBuf, EnvFileFault> {
    for count in 0..MOST_BACKUPS {
        let mut name = path.as_os_str().to_owned();
        name.push(if count == 0 { ".old".to_owned() } else { format!(".old.{count}") });
        let backup = PathBuf::from(name);
        match file::write(&backup, content, PRIVATE_MODE, Existing::Refuse) {
            Err(FileError::Exists(_)) => {}
            Ok(()) => return Ok(backup),
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(EnvFileFault::Backups(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn two_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = path.clone();
                scope.spawn(move || put(&path, &[(&format!("KEY_{number}"), "x")], false).unwrap());
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 16, "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(folder.path().join(".env.old.14").exists(), "each of the 15 old files is kept");
    }

    #[test]
    fn a_key_in_use_stays_and_an_empty_one_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "# mine\nA=\nB='x' # y\n").unwrap();
        assert!(matches!(put(&path, &[("B", "z")], false), Err(EnvFileFault::InUse { .. })));
        assert_eq!(put(&path, &[("B", "x")], false).unwrap(), Written { backup: None, changed: false });
        put(&path, &[("A", "1")], false).unwrap();
        put(&path, &[("B", "z")], true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nA=\"1\"\nB=\"z\" # y\n");
        assert_eq!(fs::read_to_string(folder.path().join(".env.old")).unwrap(), "# mine\nA=\nB='x' # y\n");
    }
}
