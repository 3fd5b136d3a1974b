//! A warning after a file was written.

use std::path::Path;

use super::console::Console;
use crate::util::file;
use crate::util::note::Notes;

/// Warns when root wrote a file that the account of its directory can not read.
pub(super) fn warn_if_not_owner<'a>(paths: impl IntoIterator<Item = &'a Path>, console: &mut Console) {
    let mut notes = Notes::new();
    for path in paths {
        file::warn_if_not_owner(path, &mut notes);
    }
    console.notes(notes);
}
