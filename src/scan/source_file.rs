//! The files that were searched, each under one name.

use std::collections::HashSet;
use std::path::PathBuf;

use super::document::DocumentFindings;

/// Where findings are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SourceFile {
    /// The path; `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// The name in the archive, if the file is one.
    pub(super) entry: Option<String>,
}

/// The findings of a file.
#[derive(Debug)]
pub(super) struct FileFindings {
    pub(super) file: SourceFile,
    /// The mode, if it is a file or the entry of an archive.
    pub(super) mode: Option<u32>,
    /// The device and inode.
    pub(super) id: Option<(u64, u64)>,
    /// The position among the entries of its archive: several entries can have the same name.
    pub(super) number: usize,
    pub(super) findings: DocumentFindings,
}

/// The files whose findings were received: device, inode and the position in the archive.
pub(super) type SeenFiles = HashSet<((u64, u64), usize)>;

impl FileFindings {
    /// Returns whether no other name of the same file was seen before. Standard input has no name.
    pub(super) fn is_first(&self, seen: &mut SeenFiles) -> bool {
        self.id.is_none_or(|id| seen.insert((id, self.number)))
    }

    /// Sorts by name. So a file with several names is reported under the first one, whichever thread read it.
    pub(super) fn sort(files: &mut [Self]) {
        files.sort_by(|one, other| (&one.file, one.number).cmp(&(&other.file, other.number)));
    }
}
