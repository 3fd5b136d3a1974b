//! The manual of `cc-user`.

use crate::cli::page::Page;

pub(super) static PAGES: &[Page] = &[];
