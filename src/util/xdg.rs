//! Directories of the XDG Base Directory specification.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::environment::Environment;

/// The name of this toolkit's directory in each base directory.
const DIRECTORY: &str = "cc-auth";

/// Returns the directory in a variable. Relative paths are ignored, as the specification requires.
fn absolute(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.non_empty(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn of(environment: &Environment, name: &str, below_home: &str) -> Option<PathBuf> {
    let named = absolute(environment, name);
    let base = named.or_else(|| Some(absolute(environment, "HOME")?.join(below_home)))?;
    Some(base.join(DIRECTORY))
}

/// The directory for data that can be downloaded again: in `$XDG_CACHE_HOME`, or `~/.cache`.
#[must_use]
pub fn cache_directory(environment: &Environment) -> Option<PathBuf> {
    of(environment, "XDG_CACHE_HOME", ".cache")
}

/// The directory for data that persists across logins: in `$XDG_STATE_HOME`, or `~/.local/state`.
#[must_use]
pub fn state_directory(environment: &Environment) -> Option<PathBuf> {
    of(environment, "XDG_STATE_HOME", ".local/state")
}

/// The directory in `$XDG_RUNTIME_DIR`, which the system empties at the end of the user's last
/// session. `None` unless it belongs to the user and no other account can access it, as the
/// specification requires.
#[must_use]
pub fn runtime_directory(environment: &Environment) -> Option<PathBuf> {
    absolute(environment, "XDG_RUNTIME_DIR").filter(|base| is_private(base)).map(|base| base.join(DIRECTORY))
}

fn is_private(directory: &Path) -> bool {
    let owner = rustix::process::geteuid().as_raw();
    fs::metadata(directory)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == owner && metadata.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn directories_have_the_same_name_and_ignore_relative_paths() {
        let named = environment(&[("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "/s")]);
        assert_eq!(cache_directory(&named), Some(PathBuf::from("/c/cc-auth")));
        assert_eq!(state_directory(&named), Some(PathBuf::from("/s/cc-auth")));
        let relative = environment(&[
            ("XDG_CACHE_HOME", "c"),
            ("XDG_STATE_HOME", "./s"),
            ("XDG_RUNTIME_DIR", "r"),
            ("HOME", "/home/x"),
        ]);
        assert_eq!(cache_directory(&relative), Some(PathBuf::from("/home/x/.cache/cc-auth")));
        assert_eq!(state_directory(&relative), Some(PathBuf::from("/home/x/.local/state/cc-auth")));
        assert_eq!(runtime_directory(&relative), None);
        for home in ["", "home", "."] {
            let none = environment(&[("HOME", home)]);
            assert_eq!((cache_directory(&none), state_directory(&none)), (None, None), "{home}");
        }
    }

    #[test]
    fn runtime_directory_accessible_to_others_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().display().to_string();
        let variables = environment(&[("XDG_RUNTIME_DIR", &runtime)]);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(runtime_directory(&variables), Some(directory.path().join("cc-auth")));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(runtime_directory(&variables), None);
    }
}
