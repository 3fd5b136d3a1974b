//! The members of a document: path, value and line.

use zeroize::Zeroizing;

/// The most members of a document that are read. More text is searched without its structure.
pub(super) const MAX_FIELDS: usize = 200_000;

/// The most levels of a path; deeper members have the path of the level above them.
pub(super) const MAX_PATH: usize = 64;

/// A member with a text value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The names and indexes that lead to the member.
    pub(super) path: Vec<String>,
    /// The value, decoded.
    pub(super) value: Zeroizing<String>,
    /// The line of the value, counted from 1.
    pub(super) line: u64,
    /// Whether each line of the value is a line of the file.
    pub(super) is_block: bool,
}

impl Field {
    /// Returns the last name of the path.
    pub(super) fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// How the path of a member is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathStyle {
    /// A JSON pointer (RFC 6901).
    Pointer,
    /// Names with dots between them: sections and keys of line formats.
    Dotted,
}

impl PathStyle {
    /// Writes a path.
    pub(super) fn write(self, path: &[String]) -> String {
        match self {
            Self::Dotted => path.join("."),
            Self::Pointer => path
                .iter()
                .flat_map(|name| ["/".to_owned(), name.replace('~', "~0").replace('/', "~1")])
                .collect(),
        }
    }
}

/// The members of a document.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) style: PathStyle,
    pub(super) list: Vec<Field>,
}
