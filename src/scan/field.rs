//! The members of a document: path, value and line.

use zeroize::Zeroizing;

/// The maximum number of members of a document that are read. More text is searched without its structure.
const MAX_FIELDS: usize = 200_000;

/// The most memory of the paths of all members, in bytes: a long name may be above many members.
const MAX_PATH_BYTES: usize = 64 << 20;

/// The maximum number of levels of a path; deeper members have the path of the level above them.
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

/// The members of a document while it is read, with limits for their number and for their paths.
#[derive(Debug, Default)]
pub(super) struct FieldList {
    fields: Vec<Field>,
    path_bytes: usize,
}

impl FieldList {
    /// Adds a member. Returns `false` at a limit: the reader ends then.
    pub(super) fn push(&mut self, field: Field) -> bool {
        let bytes: usize = field.path.iter().map(|name| size_of::<String>() + name.len()).sum();
        self.path_bytes = self.path_bytes.saturating_add(bytes);
        if self.fields.len() >= MAX_FIELDS || self.path_bytes > MAX_PATH_BYTES {
            return false;
        }
        self.fields.push(field);
        true
    }

    /// Returns the members.
    pub(super) fn into_fields(self) -> Vec<Field> {
        self.fields
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
