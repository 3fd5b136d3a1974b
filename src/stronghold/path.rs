//! The path of a mounted auth method.

use std::fmt;
use std::str::FromStr;

use crate::util::quote::quote;

/// The maximum length of a mount path, in bytes.
const MAX_BYTES: usize = 512;

/// The path of a mount below `auth/`, such as `jwt` or `team/oidc`: names separated by `/`.
///
/// ```
/// use cc_auth::stronghold::MountPath;
/// assert_eq!("/team/oidc/".parse::<MountPath>().unwrap().as_str(), "team/oidc");
/// assert!("../sys".parse::<MountPath>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPath(String);

/// The error of a text that is not a [`MountPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid mount path {}: expected names separated by '/', such as jwt or team/oidc", quote(.0))]
pub struct MountPathError(String);

impl MountPath {
    /// Returns the path, without `/` at the beginning and the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MountPath {
    type Err = MountPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.trim_matches('/');
        if path.len() <= MAX_BYTES && path.split('/').all(is_segment) {
            Ok(Self(path.to_owned()))
        } else {
            Err(MountPathError(text.to_owned()))
        }
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is one segment of a path: URL parsers remove `.` and `..`.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/') && !text.contains(char::is_control)
}
