//! Where sessions and counted attempts are kept.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::LoginError;
use crate::util::environment::Environment;
use crate::util::xdg;

/// The session's file: in `$XDG_RUNTIME_DIR`, which the system empties when the last login of the
/// person ends, or else in the state directory. The variable counts only when it names a directory of
/// the person's own that nobody else may enter, as its specification demands.
///
/// # Errors
/// [`LoginError::NoDirectory`].
pub fn session_file(environment: &Environment) -> Result<PathBuf, LoginError> {
    let runtime = xdg::runtime_directory(environment).filter(|(_, base)| is_private(base));
    let directory = match runtime {
        Some((directory, _)) => directory,
        None => state_directory(environment)?,
    };
    Ok(directory.join("session.json"))
}

/// The directory for what must outlive a login session: `$XDG_STATE_HOME`, or `~/.local/state`.
///
/// # Errors
/// [`LoginError::NoDirectory`].
pub fn state_directory(environment: &Environment) -> Result<PathBuf, LoginError> {
    xdg::state_directory(environment).ok_or(LoginError::NoDirectory)
}

fn is_private(directory: &Path) -> bool {
    let owner = rustix::process::geteuid().as_raw();
    fs::metadata(directory)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == owner && metadata.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_runtime_directory_that_others_may_enter_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("run");
        fs::create_dir(&runtime).unwrap();
        let environment: Environment = [
            ("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string()),
            ("HOME".to_owned(), "/home/x".to_owned()),
        ]
        .into_iter()
        .collect();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(session_file(&environment).unwrap(), runtime.join("cc-auth/session.json"));
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            session_file(&environment).unwrap(),
            Path::new("/home/x/.local/state/cc-auth/session.json")
        );
    }

    #[test]
    fn relative_paths_do_not_count() {
        let environment: Environment = [("XDG_STATE_HOME", "x"), ("HOME", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        assert!(matches!(state_directory(&environment), Err(LoginError::NoDirectory)));
    }
}
