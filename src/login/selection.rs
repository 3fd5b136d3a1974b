//! The selection of a stored session.

/// The session that a command uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionSelection {}
