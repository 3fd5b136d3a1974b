//! Where sessions and counted attempts are kept.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::fault::LoginError;
use crate::util::environment::Environment;
use crate::util::xdg;

/// The session's file: in `$XDG_RUNTIME_DIR`, which the system empties when the last login of the
/// person ends, or else in the state folder. The variable counts only when it names a folder of
/// the person's own that nobody else may enter, as its specification demands.
///
/// # Errors
/// [`LoginError::NoPlace`].
pub fn session_file(environment: &Environment) -> Result<PathBuf, LoginError> {
    let runtime = xdg::runtime_directory(environment).filter(|(_, base)| is_private(base));
    let folder = match runtime {
        Some((folder, _)) => folder,
        None => state_folder(environment)?,
    };
    Ok(folder.join("session.json"))
}

/// The folder for what must outlive a login session: `$XDG_STATE_HOME`, or `~/.local/state`.
///
/// # Errors
/// [`LoginError::NoPlace`].
pub fn state_folder(environment: &Environment) -> Result<PathBuf, LoginError> {
    xdg::state_directory(environment).ok_or(LoginError::NoPlace)
}

fn is_private(folder: &Path) -> bool {
    let owner = rustix::process::geteuid().as_raw();
    fs::metadata(folder)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == owner && metadata.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_runtime_folder_that_others_may_enter_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("run");
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
        assert!(matches!(state_folder(&environment), Err(LoginError::NoPlace)));
    }
}
