//! The path of a mounted auth method, and the path of a namespace.

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

/// A namespace other than the root namespace: names separated by `/`.
///
/// ```
/// use cc_auth::stronghold::Namespace;
/// assert_eq!(Namespace::parse("/team/a/").unwrap().unwrap().as_str(), "team/a");
/// assert_eq!(Namespace::parse("root").unwrap(), None);
/// assert!(Namespace::parse("a//b").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

/// The error of a text that is not a [`Namespace`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid namespace {}: expected names separated by '/'", quote(.0))]
pub struct NamespaceError(String);

impl Namespace {
    /// Parses a namespace; `/` at the beginning and the end are removed. The empty text and `root` are
    /// the root namespace, which is `None`.
    ///
    /// # Errors
    /// [`NamespaceError`].
    pub fn parse(text: &str) -> Result<Option<Self>, NamespaceError> {
        let path = text.trim_matches('/');
        if matches!(path, "" | "root") {
            return Ok(None);
        }
        // The header cannot have other characters.
        if path.split('/').all(is_segment) && path.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Ok(Some(Self(path.to_owned())));
        }
        Err(NamespaceError(text.to_owned()))
    }

    /// Returns the namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the namespace above this one; `None` is the root namespace.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }
}

/// Whether a text is one segment of a path: URL parsers remove `.` and `..`.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/') && !text.contains(char::is_control)
}
