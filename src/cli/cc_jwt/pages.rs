//! The manual of `cc-jwt`.

use crate::cli::page::Page;

pub(super) static PAGES: &[Page] = &[];
