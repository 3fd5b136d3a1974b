//! The scopes of WLCG and SciTokens, and whether a `scope` claim permits an operation on a path.
//!
//! A scope is a case-sensitive string of parts separated by single spaces (RFC 6749 3.3). A malformed or
//! unknown part grants nothing.
//!
//! ```
//! use cc_auth::policy::scope::{AccessRequest, Scopes};
//! let scopes = Scopes::parse("storage.read:/foo");
//! let inside: AccessRequest = "storage.read:/foo/x".parse()?;
//! let beside: AccessRequest = "storage.read:/foobar".parse()?;
//! assert!(scopes.permits(&inside).is_permitted());
//! assert!(!scopes.permits(&beside).is_permitted());
//! # Ok::<(), cc_auth::policy::scope::RequestError>(())
//! ```

use std::fmt;
use std::str::FromStr;

pub use super::operation::{Family, Operation, ScopePath, ScopePathError};
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};
use crate::util::suggest::nearest;

/// The reasons why a part of a scope is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A path that is missing or invalid.
    #[error("{} {problem}", quote(.scope))]
    Path {
        /// The part.
        scope: String,
        /// The error of the path.
        problem: ScopePathError,
    },
    /// A path after an operation that does not have one.
    #[error("{} has a path, and {operation} takes none", quote(.scope))]
    UnexpectedPath {
        /// The part.
        scope: String,
        /// Its operation.
        operation: Operation,
    },
    /// `storage.write`, which occurs in a published example.
    #[error("{} is not a scope of any profile", quote(.0))]
    StorageWrite(String),
    /// An unknown operation that starts with `storage.` or `compute.`, or a known one in another case.
    #[error("{} is not a scope of any profile{}", quote(.scope), suggestion(*.near))]
    Misspelled {
        /// The part.
        scope: String,
        /// The nearest known operation.
        near: Option<Operation>,
    },
    /// A character that a scope cannot have (RFC 6749 3.3).
    #[error("{} has the character {}, which no scope has", quote(.scope), quote(&.character.to_string()))]
    Character {
        /// The part.
        scope: String,
        /// The first such character.
        character: char,
    },
}

fn suggestion(near: Option<Operation>) -> String {
    near.map_or_else(String::new, |operation| format!(": did you mean '{operation}'?"))
}

impl ScopeError {
    /// Returns whether the operation is known and its path is invalid. Validators read such a path in
    /// different ways, while all of them ignore an unknown operation.
    #[must_use]
    pub const fn is_about_path(&self) -> bool {
        matches!(self, Self::Path { .. })
    }

    /// Returns a correction.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StorageWrite(_) => Some(
                "write storage.create:/PATH for new files, storage.modify:/PATH to overwrite and delete too"
                    .to_owned(),
            ),
            Self::Path { scope, problem: ScopePathError::Missing | ScopePathError::Relative } => {
                let operation = scope.split(':').next().unwrap_or_default();
                Some(format!("write {}:/ to mean everything", escape(operation)))
            }
            _ => None,
        }
    }
}

/// The grant of one part of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// An operation on a path and on everything below it.
    Path(Operation, ScopePath),
    /// An operation without a path.
    Plain(Operation),
    /// A scope that the profiles do not define, such as `openid`.
    Other,
}

/// One part of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePart {
    /// The text in the claim.
    pub text: String,
    /// The grant, or why the part is malformed.
    pub grant: Result<Grant, ScopeError>,
}

/// A parsed `scope` claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes {
    parts: Vec<ScopePart>,
    extra_spaces: bool,
}

impl Scopes {
    /// Parses a `scope` claim. Each part has its own error.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parts: Vec<ScopePart> = text
            .split(' ')
            .filter(|part| !part.is_empty())
            .map(|part| ScopePart { text: part.to_owned(), grant: grant(part) })
            .collect();
        let spare_blanks = !parts.is_empty() && text.split(' ').any(str::is_empty);
        Self { parts, extra_spaces: spare_blanks }
    }

    /// Returns the parts in order.
    #[must_use]
    pub fn parts(&self) -> &[ScopePart] {
        &self.parts
    }

    /// Returns whether the scope has no parts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Returns whether there are spaces at the ends, or several in a row. RFC 6749 3.3 does not allow them;
    /// validators ignore them.
    #[must_use]
    pub const fn has_extra_spaces(&self) -> bool {
        self.extra_spaces
    }

    /// Returns the errors of the malformed parts.
    pub fn errors(&self) -> impl Iterator<Item = &ScopeError> {
        self.parts.iter().filter_map(|part| part.grant.as_ref().err())
    }

    /// Decides whether the scope permits the request. The operations of both families are accepted in every
    /// token, as validators do; [`super::profile_checks::check`] warns of those outside the token's profile.
    pub fn permits(&self, request: &AccessRequest) -> ScopeDecision {
        let granting = self.parts.iter().find(|part| match &part.grant {
            Ok(Grant::Path(operation, path)) => {
                operation.implies(request.operation)
                    && request.path.as_ref().is_some_and(|expected| path.covers(expected))
            }
            Ok(Grant::Plain(operation)) => *operation == request.operation,
            Ok(Grant::Other) | Err(_) => false,
        });
        if let Some(part) = granting {
            return ScopeDecision::Permitted { by: part.text.clone() };
        }
        let same = |part: &&ScopePart| part.text.split(':').next() == Some(request.operation.name());
        ScopeDecision::Denied(match self.parts.iter().filter(same).map(|part| &part.grant).next() {
            Some(Err(problem)) => ScopeDenial::Malformed(problem.clone()),
            Some(Ok(_)) => ScopeDenial::OtherPaths(
                self.parts.iter().filter(same).map(|part| part.text.clone()).collect::<Vec<_>>().join(" "),
            ),
            None => ScopeDenial::NotGranted,
        })
    }

    /// Returns the parts that permit writing to a path at which no part permits reading. XRootD reads the status
    /// of a file before it writes or deletes it, which requires the right to read.
    #[must_use]
    pub fn writes_without_read(&self) -> Vec<&str> {
        let is_readable = |path: &ScopePath| {
            self.parts.iter().any(|part| match &part.grant {
                Ok(Grant::Path(Operation::StorageRead | Operation::Read, read)) => read.covers(path),
                _ => false,
            })
        };
        self.parts
            .iter()
            .filter(|part| match &part.grant {
                Ok(Grant::Path(operation, path)) => operation.writes() && !is_readable(path),
                _ => false,
            })
            .map(|part| part.text.as_str())
            .collect()
    }

    /// Returns a description of each part for text reports.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.parts
            .iter()
            .map(|part| format!("{}: {}", quote(&part.text), describe_grant(&part.grant)))
            .collect()
    }
}

fn describe_grant(grant: &Result<Grant, ScopeError>) -> String {
    match grant {
        Ok(Grant::Path(operation, path)) => {
            let shown = escape(&path.to_string());
            let reach = match (path.is_root(), path.trailing_slash) {
                (true, _) => "everything".to_owned(),
                (false, true) => format!("what is in {shown}"),
                (false, false) => format!("{shown} and what is in it"),
            };
            format!("may {} {reach}", operation.description())
        }
        Ok(Grant::Plain(operation)) => format!("may {}", operation.description()),
        Ok(Grant::Other) => "no storage or compute right".to_owned(),
        Err(ScopeError::Path { problem, .. }) => format!("grants nothing: {problem}"),
        Err(ScopeError::UnexpectedPath { operation, .. }) => {
            format!("grants nothing: {operation} does not permit a path")
        }
        Err(ScopeError::StorageWrite(_)) => "grants nothing: no such scope".to_owned(),
        Err(ScopeError::Misspelled { near, .. }) => {
            format!("grants nothing: no such scope{}", suggestion(*near))
        }
        Err(ScopeError::Character { .. }) => "grants nothing: it has a character no scope has".to_owned(),
    }
}

/// Returns whether a scope can have this character: `%x21 / %x23-5B / %x5D-7E` (RFC 6749 3.3), or one
/// outside ASCII, which paths have and the profile's checks warn of.
fn is_scope_character(character: char) -> bool {
    matches!(character, '!' | '#'..='[' | ']'..='~')
        || (!character.is_ascii() && !character.is_control() && !character.is_whitespace())
}

fn grant(part: &str) -> Result<Grant, ScopeError> {
    let scope = || part.to_owned();
    let (name, path) = match part.split_once(':') {
        Some((name, path)) => (name, Some(path)),
        None => (part, None),
    };
    let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
    // A backslash or NUL in a path has its own error; any other invalid character is reported first.
    let path_error = |problem| ScopeError::Path { scope: scope(), problem };
    if let Some(character) = part.chars().find(|c| !is_scope_character(*c)) {
        return Err(match (operation, character) {
            (Some(_), '\\') => path_error(ScopePathError::Backslash),
            (Some(_), '\0') => path_error(ScopePathError::Control),
            _ => ScopeError::Character { scope: scope(), character },
        });
    }
    match (operation, path) {
        (Some(operation), path) if operation.takes_path() => {
            let path = ScopePath::parse(path.unwrap_or_default()).map_err(path_error)?;
            Ok(Grant::Path(operation, path))
        }
        (Some(operation), None) => Ok(Grant::Plain(operation)),
        (Some(operation), Some(_)) => Err(ScopeError::UnexpectedPath { scope: scope(), operation }),
        (None, _) if name == "storage.write" => Err(ScopeError::StorageWrite(scope())),
        (None, _) => {
            let lower = name.to_ascii_lowercase();
            let other_case = Operation::ALL.into_iter().find(|operation| operation.name() == lower);
            if other_case.is_some() || lower.starts_with("storage.") || lower.starts_with("compute.") {
                let known = Operation::ALL.map(Operation::name);
                let near = nearest(name, known)
                    .and_then(|near| Operation::ALL.into_iter().find(|operation| operation.name() == near));
                return Err(ScopeError::Misspelled { scope: scope(), near: other_case.or(near) });
            }
            Ok(Grant::Other)
        }
    }
}

/// The decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ScopeDecision {
    /// The scope permits the request.
    Permitted {
        /// The part of the scope that permits it.
        by: String,
    },
    /// The scope does not permit the request.
    Denied(ScopeDenial),
}

impl ScopeDecision {
    /// Returns whether the scope permits the request.
    #[must_use]
    pub const fn is_permitted(&self) -> bool {
        matches!(self, Self::Permitted { .. })
    }
}

/// The reasons why a scope does not permit a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeDenial {
    /// No part grants the operation.
    #[error("nothing in the scope grants it")]
    NotGranted,
    /// The parts that grant the operation have other paths.
    #[error("the scope grants it only as {}", quote(.0))]
    OtherPaths(String),
    /// The part with the operation is malformed.
    #[error("{0}")]
    Malformed(ScopeError),
}

/// A requested operation: `storage.read:/x/y`, `compute.create`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    operation: Operation,
    path: Option<ScopePath>,
}

/// The reasons why a string is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// An unknown operation.
    #[error("unknown operation {}", quote(.0))]
    Unknown(String),
    /// A path that is missing or invalid.
    #[error("{} {problem}", quote(.request))]
    Path {
        /// The request.
        request: String,
        /// The error of the path.
        problem: ScopePathError,
    },
    /// A path after an operation that does not have one.
    #[error("{} has a path, and {operation} takes none", quote(.request))]
    UnexpectedPath {
        /// The request.
        request: String,
        /// Its operation.
        operation: Operation,
    },
}

impl Diagnostic for RequestError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) => Kind::ScopeOperationUnknown,
            Self::Path { .. } => Kind::ScopePathInvalid,
            Self::UnexpectedPath { .. } => Kind::ScopePathNotAllowed,
        }
    }

    fn hint(&self) -> Option<String> {
        let known = Operation::ALL.map(Operation::name);
        match self {
            Self::Unknown(text) => {
                let name = text.split(':').next().unwrap_or_default();
                Some(match nearest(name, known) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("the operations are {}", known.join(", ")),
                })
            }
            Self::Path { .. } => {
                Some("write OPERATION:/an/absolute/path, such as storage.read:/x/y".to_owned())
            }
            Self::UnexpectedPath { operation, .. } => Some(format!("write {operation}")),
        }
    }
}

impl AccessRequest {
    /// Returns the requested operation.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the requested path; `None` if the operation does not have one.
    #[must_use]
    pub const fn path(&self) -> Option<&ScopePath> {
        self.path.as_ref()
    }
}

impl FromStr for AccessRequest {
    type Err = RequestError;

    /// Parses `OPERATION:PATH`, or `OPERATION` for an operation without a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let operation = Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
            .ok_or_else(|| RequestError::Unknown(text.to_owned()))?;
        if operation.takes_path() {
            let path = ScopePath::parse(path.unwrap_or_default())
                .map_err(|problem| RequestError::Path { request: text.to_owned(), problem })?;
            return Ok(Self { operation, path: Some(path) });
        }
        match path {
            None | Some("/") => Ok(Self { operation, path: None }),
            Some(_) => Err(RequestError::UnexpectedPath { request: text.to_owned(), operation }),
        }
    }
}

impl fmt::Display for AccessRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}:{path}", self.operation),
            None => write!(f, "{}", self.operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(scope: &str, request: &str) -> bool {
        request
            .parse::<AccessRequest>()
            .is_ok_and(|request| Scopes::parse(scope).permits(&request).is_permitted())
    }

    #[test]
    fn scope_with_extra_spaces_is_detected() {
        for (text, spare) in
            [("", false), ("a", false), ("a b", false), ("a  b", true), (" a", true), ("a ", true)]
        {
            assert_eq!(Scopes::parse(text).extra_spaces, spare, "{text:?}");
        }
    }

    #[test]
    fn scope_path_covers_whole_segments() {
        assert!(permits("storage.read:/foo", "storage.read:/foo"));
        assert!(permits("storage.read:/foo", "storage.read:/foo/"));
        assert!(permits("storage.read:/foo/", "storage.read:/foo/"));
        assert!(permits("storage.read:/foo/", "storage.read:/foo/x"));
        assert!(!permits("storage.read:/foo/", "storage.read:/foo"));
        assert!(!permits("storage.read:/foo", "storage.read:/foobar"));
        assert!(!permits("storage.read:/foo/bar", "storage.read:/foo"));
    }

    #[test]
    fn scope_denial_has_a_reason() {
        let request: AccessRequest = "storage.read:/x".parse().unwrap();
        let denial = |scope: &str| match Scopes::parse(scope).permits(&request) {
            ScopeDecision::Denied(refusal) => refusal.to_string(),
            ScopeDecision::Permitted { by } => panic!("permitted by {by}"),
        };
        assert_eq!(denial("storage.read"), "'storage.read' has no path");
        assert_eq!(denial("storage.read:/y openid"), "the scope grants it only as 'storage.read:/y'");
        assert_eq!(denial("openid"), "nothing in the scope grants it");
    }
}
