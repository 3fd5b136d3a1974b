//! The operations of WLCG and SciTokens scopes, and the paths that they apply to.

use std::fmt;

/// An operation that a scope can permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the names of the profiles")]
pub enum Operation {
    StorageRead,
    StorageCreate,
    StorageModify,
    StorageStage,
    StoragePoll,
    ComputeRead,
    ComputeModify,
    ComputeCreate,
    ComputeCancel,
    Read,
    Write,
    Queue,
    Execute,
}

/// A family of token profiles with the same operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `storage.…` and `compute.…` of the WLCG profile.
    Wlcg,
    /// `read`, `write`, `queue` and `execute` of SciTokens. The profile leaves other scopes to the service,
    /// and its validators accept those of WLCG too.
    SciTokens,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 13] = [
        Self::StorageRead,
        Self::StorageCreate,
        Self::StorageModify,
        Self::StorageStage,
        Self::StoragePoll,
        Self::ComputeRead,
        Self::ComputeModify,
        Self::ComputeCreate,
        Self::ComputeCancel,
        Self::Read,
        Self::Write,
        Self::Queue,
        Self::Execute,
    ];

    /// Returns the name in a scope.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StorageRead => "storage.read",
            Self::StorageCreate => "storage.create",
            Self::StorageModify => "storage.modify",
            Self::StorageStage => "storage.stage",
            Self::StoragePoll => "storage.poll",
            Self::ComputeRead => "compute.read",
            Self::ComputeModify => "compute.modify",
            Self::ComputeCreate => "compute.create",
            Self::ComputeCancel => "compute.cancel",
            Self::Read => "read",
            Self::Write => "write",
            Self::Queue => "queue",
            Self::Execute => "execute",
        }
    }

    /// Returns whether the operation requires a path. Some validators treat a missing path as `/`.
    #[must_use]
    pub const fn takes_path(self) -> bool {
        matches!(
            self,
            Self::StorageRead
                | Self::StorageCreate
                | Self::StorageModify
                | Self::StorageStage
                | Self::StoragePoll
                | Self::Read
                | Self::Write
        )
    }

    /// Returns whether a family has this operation.
    #[must_use]
    pub const fn is_known_to(self, family: Family) -> bool {
        let scitokens_only = matches!(self, Self::Read | Self::Write | Self::Queue | Self::Execute);
        match family {
            Family::Wlcg => !scitokens_only,
            Family::SciTokens => true,
        }
    }

    /// Returns whether this operation includes `other` on the same path. In the WLCG profile modify includes
    /// create; no other operation includes another.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self == other || (self == Self::StorageModify && other == Self::StorageCreate)
    }

    /// Returns whether the operation creates or changes files.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::StorageCreate | Self::StorageModify | Self::Write)
    }

    /// Returns a verb phrase for text reports.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::StorageRead | Self::Read => "read",
            Self::StorageCreate => "create new files in, but not overwrite or delete in,",
            Self::StorageModify => "create, overwrite, rename and delete",
            Self::StorageStage => "have staged from tape (not read)",
            Self::StoragePoll => "ask for the staging state of",
            Self::ComputeRead => "see the state of jobs",
            Self::ComputeModify => "change jobs",
            Self::ComputeCreate => "submit jobs",
            Self::ComputeCancel => "cancel jobs",
            Self::Write => "write",
            Self::Queue => "submit and control jobs",
            Self::Execute => "run jobs",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reasons why a path of a scope or request is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopePathError {
    /// The path is empty, or there is no colon.
    #[error("has no path")]
    Missing,
    /// The path does not start with `/`.
    #[error("has a path that is not absolute")]
    Relative,
    /// `//`.
    #[error("has an empty segment in its path")]
    EmptySegment,
    /// `.` or `..`, plain or escaped.
    #[error("has a '.' or '..' in its path")]
    Dots,
    /// `\`, plain or escaped.
    #[error("has a backslash in its path")]
    Backslash,
    /// NUL or another control character, plain or escaped.
    #[error("has a control character in its path")]
    Control,
    /// `%2F`, which only some services read as a slash.
    #[error("has an escaped slash in its path")]
    EscapedSlash,
    /// `%` without two hexadecimal digits.
    #[error("has a broken percent escape in its path")]
    InvalidEscape,
    /// Escapes whose bytes are not UTF-8.
    #[error("has percent escapes in its path that are not UTF-8")]
    NotUtf8,
}

/// An absolute, normalized path with decoded percent escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScopePath {
    segments: Vec<String>,
    /// Whether the path ends with a slash: it covers what is in the directory, but no file of that name.
    pub(super) trailing_slash: bool,
}

impl ScopePath {
    /// Parses the path of a scope or request.
    ///
    /// # Errors
    /// [`ScopePathError`] if the path is not absolute and normalized: services would read it differently.
    pub fn parse(text: &str) -> Result<Self, ScopePathError> {
        let inner = match text.strip_prefix('/') {
            Some(inner) => inner,
            None if text.is_empty() => return Err(ScopePathError::Missing),
            None => return Err(ScopePathError::Relative),
        };
        if inner.is_empty() {
            return Ok(Self { segments: Vec::new(), trailing_slash: true });
        }
        let (inner, within) = match inner.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (inner, false),
        };
        let segments = inner.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, trailing_slash: within })
    }

    /// Returns whether a grant on this path applies to `expected`. Whole segments are compared; `/foo/`
    /// covers what is in the directory but not a file `/foo`.
    #[must_use]
    pub fn covers(&self, expected: &Self) -> bool {
        let length = self.segments.len();
        if expected.segments.len() < length || expected.segments[..length] != self.segments {
            return false;
        }
        expected.segments.len() > length || !self.trailing_slash || expected.trailing_slash
    }

    /// Returns whether the path is `/`.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.segments.is_empty()
    }
}

impl fmt::Display for ScopePath {
    /// Writes the decoded path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{segment}")?;
        }
        if self.trailing_slash { f.write_str("/") } else { Ok(()) }
    }
}

fn segment(text: &str) -> Result<String, ScopePathError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ScopePathError::InvalidEscape) };
        match u8::try_from(high * 16 + low) {
            Ok(b'/') => return Err(ScopePathError::EscapedSlash),
            Ok(decoded) => bytes.push(decoded),
            Err(_) => return Err(ScopePathError::InvalidEscape),
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| ScopePathError::NotUtf8)?;
    match decoded.as_str() {
        "" => Err(ScopePathError::EmptySegment),
        "." | ".." => Err(ScopePathError::Dots),
        other if other.contains('\\') => Err(ScopePathError::Backslash),
        other if other.chars().any(char::is_control) => Err(ScopePathError::Control),
        _ => Ok(decoded),
    }
}
