//! Operations of WLCG and SciTokens, and the paths that they apply to.

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

/// Whose rules know an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `storage.…` and `compute.…` of the WLCG profile.
    Wlcg,
    /// `read`, `write`, `queue` and `execute` of SciTokens. Its rules leave further scopes to the
    /// service, so those of WLCG count as well, as they do for its validators.
    SciTokens,
}

impl Operation {
    /// All of them.
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

    /// Its name in a scope.
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

    /// Whether it is an operation on a path, which then has to be there: without one, some
    /// validators open the whole tree.
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

    /// Whether the rules of a family know it.
    #[must_use]
    pub const fn is_known_to(self, family: Family) -> bool {
        let scitokens_only = matches!(self, Self::Read | Self::Write | Self::Queue | Self::Execute);
        match family {
            Family::Wlcg => !scitokens_only,
            Family::SciTokens => true,
        }
    }

    /// Whether who may do this may do `other` as well, on the same path. WLCG profile: modify is a
    /// strict superset of create; nothing else implies anything.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self == other || (self == Self::StorageModify && other == Self::StorageCreate)
    }

    /// Whether it permits to create or change files.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::StorageCreate | Self::StorageModify | Self::Write)
    }

    /// What it lets one do, for people.
    pub(super) const fn in_words(self) -> &'static str {
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

/// Why a path is not taken, in a scope or in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopePathError {
    /// Nothing after the colon, or no colon.
    #[error("has no path")]
    Missing,
    /// No `/` at the beginning.
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
    /// `%2F`: a slash that is none for some services.
    #[error("has an escaped slash in its path")]
    EscapedSlash,
    /// `%` without two hexadecimal digits.
    #[error("has a broken percent escape in its path")]
    InvalidEscape,
    /// Escapes whose bytes are not UTF-8.
    #[error("has percent escapes in its path that are not UTF-8")]
    NotUtf8,
}

/// An absolute, normal path; percent escapes are decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScopePath {
    segments: Vec<String>,
    /// A slash at the end: what is in the directory, not a file of that name.
    pub(super) within: bool,
}

impl ScopePath {
    /// Reads a path as it stands in a scope or a request.
    ///
    /// # Errors
    /// [`ScopePathError`] for one that is not absolute and normal: two services could read it
    /// differently.
    pub fn parse(text: &str) -> Result<Self, ScopePathError> {
        let inner = match text.strip_prefix('/') {
            Some(inner) => inner,
            None if text.is_empty() => return Err(ScopePathError::Missing),
            None => return Err(ScopePathError::Relative),
        };
        if inner.is_empty() {
            return Ok(Self { segments: Vec::new(), within: true });
        }
        let (inner, within) = match inner.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (inner, false),
        };
        let segments = inner.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, within })
    }

    /// Whether a right on this path is one on `required`: by whole segments, with `/foo/` covering
    /// what is in the directory but no file `/foo`.
    #[must_use]
    pub fn covers(&self, expected: &Self) -> bool {
        let length = self.segments.len();
        if expected.segments.len() < length || expected.segments[..length] != self.segments {
            return false;
        }
        expected.segments.len() > length || !self.within || expected.within
    }

    /// Whether it is `/`.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.segments.is_empty()
    }
}

impl fmt::Display for ScopePath {
    /// The decoded path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{segment}")?;
        }
        if self.within { f.write_str("/") } else { Ok(()) }
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
