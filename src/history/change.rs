//! The change of one user, as the user table records it.

use super::disabled::DisabledEntry;
use super::given::UserRights;
use crate::user::exchange::{StoredRow, StoredValue};

/// A value of the state before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StateChange<T> {
    /// Before the change.
    pub before: T,
    /// After the change.
    pub after: T,
}

/// The change of one user.
#[derive(Debug)]
pub struct UserChange<'change> {
    /// The username before the change.
    pub user: &'change StoredValue,
    /// The new username of a renamed user.
    pub renamed_to: Option<&'change StoredValue>,
    /// The row before the change; `None` for a new user.
    pub before: Option<&'change StoredRow>,
    /// The row after the change; `None` for a deleted user.
    pub after: Option<&'change StoredRow>,
    /// The entry of a disabled user, if it changes.
    pub disabled: Option<StateChange<Option<DisabledEntry>>>,
    /// What syncs gave to the user, if it changes.
    pub given: Option<StateChange<UserRights>>,
}

impl UserChange<'_> {
    /// Whether the password column changes.
    pub(super) fn changes_password(&self) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => !before.password.expose().reads_like(after.password.expose()),
            _ => false,
        }
    }

    /// Whether there is no change.
    pub(super) fn is_empty(&self) -> bool {
        let is_same_row = match (self.before, self.after) {
            (None, None) => true,
            (Some(before), Some(after)) => before == after,
            _ => false,
        };
        is_same_row && self.disabled.is_none() && self.given.is_none()
    }
}
