//! Scopes of WLCG and SciTokens: what a `scope` claim grants, and whether that covers an
//! operation on a path.
//!
//! A scope is one text, its parts separated by single blanks (RFC 6749 3.3), case-sensitive. What
//! is malformed grants nothing; what no rule knows grants nothing here either.
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

/// Why a part of a scope grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A path that is missing or not taken.
    #[error("{} {fault}", quote(.scope))]
    Path {
        /// The part.
        scope: String,
        /// What is wrong with its path.
        fault: ScopePathError,
    },
    /// A path where there is none.
    #[error("{} has a path, and {operation} takes none", quote(.scope))]
    UnexpectedPath {
        /// The part.
        scope: String,
        /// Its operation.
        operation: Operation,
    },
    /// `storage.write`, which stands in a published example.
    #[error("{} is not a scope of any profile", quote(.0))]
    StorageWrite(String),
    /// Something under `storage.` or `compute.` that is none, or a known one in another case.
    #[error("{} is not a scope of any profile{}", quote(.scope), suggestion(*.near))]
    Misspelled {
        /// The part.
        scope: String,
        /// The nearest known operation.
        near: Option<Operation>,
    },
    /// A character that no scope has (RFC 6749 3.3).
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
    /// Whether the operation is known and its path is not accepted: validators read such a path in different
    /// ways, while all of them ignore an operation that they do not know.
    #[must_use]
    pub const fn is_about_path(&self) -> bool {
        matches!(self, Self::Path { .. })
    }

    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StorageWrite(_) => Some(
                "write storage.create:/PATH for new files, storage.modify:/PATH to overwrite and delete too"
                    .to_owned(),
            ),
            Self::Path { scope, fault: ScopePathError::Missing | ScopePathError::Relative } => {
                let operation = scope.split(':').next().unwrap_or_default();
                Some(format!("write {}:/ to mean everything", escape(operation)))
            }
            _ => None,
        }
    }
}

/// What one part of a scope grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// An operation on a path and what is under it.
    Path(Operation, ScopePath),
    /// An operation that has no path.
    Plain(Operation),
    /// A scope these rules do not know, such as `openid`.
    Other,
}

/// One part of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePart {
    /// As it stands.
    pub text: String,
    /// What it grants, or why nothing.
    pub grant: Result<Grant, ScopeError>,
}

/// A whole `scope` claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes {
    parts: Vec<ScopePart>,
    spare_blanks: bool,
}

impl Scopes {
    /// Takes a `scope` claim apart. It never fails: each part is good or bad by itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parts: Vec<ScopePart> = text
            .split(' ')
            .filter(|part| !part.is_empty())
            .map(|part| ScopePart { text: part.to_owned(), grant: grant(part) })
            .collect();
        let spare_blanks = !parts.is_empty() && text.split(' ').any(str::is_empty);
        Self { parts, spare_blanks }
    }

    /// The parts in order.
    #[must_use]
    pub fn parts(&self) -> &[ScopePart] {
        &self.parts
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether there are blanks at the ends or several in a row. They grant nothing and change
    /// nothing, but RFC 6749 3.3 has none.
    #[must_use]
    pub const fn has_spare_blanks(&self) -> bool {
        self.spare_blanks
    }

    /// What is wrong with its parts.
    pub fn faults(&self) -> impl Iterator<Item = &ScopeError> {
        self.parts.iter().filter_map(|part| part.grant.as_ref().err())
    }

    /// Whether this scope permits what is asked for. The names of both families count in every
    /// token, as they do for the validators that services are built with; one that its profile
    /// does not have is a remark of [`super::profile_checks::check`].
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
            Some(Err(fault)) => ScopeDenial::Malformed(fault.clone()),
            Some(Ok(_)) => ScopeDenial::OtherPaths(
                self.parts.iter().filter(same).map(|part| part.text.clone()).collect::<Vec<_>>().join(" "),
            ),
            None => ScopeDenial::NotGranted,
        })
    }

    /// The parts that permit to write where no part permits to read: at their path or above it. XRootD asks
    /// for the status of a file before it writes or deletes it, and reading permits that.
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

    /// What the scope permits, a line a part, for people.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        self.parts.iter().map(|part| format!("{}: {}", quote(&part.text), in_words(&part.grant))).collect()
    }
}

fn in_words(grant: &Result<Grant, ScopeError>) -> String {
    match grant {
        Ok(Grant::Path(operation, path)) => {
            let shown = escape(&path.to_string());
            let reach = match (path.is_root(), path.within) {
                (true, _) => "everything".to_owned(),
                (false, true) => format!("what is in {shown}"),
                (false, false) => format!("{shown} and what is in it"),
            };
            format!("may {} {reach}", operation.in_words())
        }
        Ok(Grant::Plain(operation)) => format!("may {}", operation.in_words()),
        Ok(Grant::Other) => "no storage or compute right".to_owned(),
        Err(ScopeError::Path { fault, .. }) => format!("grants nothing: {fault}"),
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

/// RFC 6749 3.3: `%x21 / %x23-5B / %x5D-7E`. Letters beyond ASCII, which paths do have, are let
/// through here and are a remark in the profile.
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
    // A backslash in a path has a name of its own; anything else that no scope has comes first.
    let path_fault = |fault| ScopeError::Path { scope: scope(), fault };
    if let Some(character) = part.chars().find(|c| !is_scope_character(*c)) {
        return Err(match (operation, character) {
            (Some(_), '\\') => path_fault(ScopePathError::Backslash),
            (Some(_), '\0') => path_fault(ScopePathError::Control),
            _ => ScopeError::Character { scope: scope(), character },
        });
    }
    match (operation, path) {
        (Some(operation), path) if operation.takes_path() => {
            let path = ScopePath::parse(path.unwrap_or_default()).map_err(path_fault)?;
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

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ScopeDecision {
    /// Yes.
    Permitted {
        /// The part of the scope that grants it.
        by: String,
    },
    /// No.
    Denied(ScopeDenial),
}

impl ScopeDecision {
    /// Whether the answer is yes.
    #[must_use]
    pub const fn is_permitted(&self) -> bool {
        matches!(self, Self::Permitted { .. })
    }
}

/// Why a scope does not permit something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeDenial {
    /// Nothing in it is about the operation.
    #[error("nothing in the scope grants it")]
    NotGranted,
    /// The operation is granted, but elsewhere.
    #[error("the scope grants it only as {}", quote(.0))]
    OtherPaths(String),
    /// The part that was meant to grant it is malformed.
    #[error("{0}")]
    Malformed(ScopeError),
}

/// A requested operation: `storage.read:/x/y`, `compute.create`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    operation: Operation,
    path: Option<ScopePath>,
}

/// Why a text is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// An operation no profile has.
    #[error("unknown operation {}", quote(.0))]
    Unknown(String),
    /// A path that is missing or not taken.
    #[error("{} {fault}", quote(.request))]
    Path {
        /// The request.
        request: String,
        /// What is wrong with its path.
        fault: ScopePathError,
    },
    /// A path where there is none.
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
    /// The operation asked for.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The path asked for; none for an operation that has none.
    #[must_use]
    pub const fn path(&self) -> Option<&ScopePath> {
        self.path.as_ref()
    }
}

impl FromStr for AccessRequest {
    type Err = RequestError;

    /// Reads `OPERATION:PATH`, or `OPERATION` alone where it has no path; `/` is not a path then, as
    /// for the validators that ask for one always.
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
                .map_err(|fault| RequestError::Path { request: text.to_owned(), fault })?;
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
    fn scope_with_spare_blanks_is_distinguished_from_one_without() {
        for (text, spare) in
            [("", false), ("a", false), ("a b", false), ("a  b", true), (" a", true), ("a ", true)]
        {
            assert_eq!(Scopes::parse(text).spare_blanks, spare, "{text:?}");
        }
    }

    #[test]
    fn a_directory_is_covered_by_whole_segments() {
        assert!(permits("storage.read:/foo", "storage.read:/foo"));
        assert!(permits("storage.read:/foo", "storage.read:/foo/"));
        assert!(permits("storage.read:/foo/", "storage.read:/foo/"));
        assert!(permits("storage.read:/foo/", "storage.read:/foo/x"));
        assert!(!permits("storage.read:/foo/", "storage.read:/foo"));
        assert!(!permits("storage.read:/foo", "storage.read:/foobar"));
        assert!(!permits("storage.read:/foo/bar", "storage.read:/foo"));
    }

    #[test]
    fn a_refused_scope_says_why() {
        let request: AccessRequest = "storage.read:/x".parse().unwrap();
        let refused = |scope: &str| match Scopes::parse(scope).permits(&request) {
            ScopeDecision::Denied(refusal) => refusal.to_string(),
            ScopeDecision::Permitted { by } => panic!("permitted by {by}"),
        };
        assert_eq!(refused("storage.read"), "'storage.read' has no path");
        assert_eq!(refused("storage.read:/y openid"), "the scope grants it only as 'storage.read:/y'");
        assert_eq!(refused("openid"), "nothing in the scope grants it");
    }
}
