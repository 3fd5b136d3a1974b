//! The user that a transaction changes at the moment.

use crate::history::{DisabledEntry, Recorder, StateChange, UserRights};
use crate::user::exchange::{StoredRow, StoredValue};

/// The recorder of a transaction, and the user who is changed.
#[derive(Debug)]
pub(super) struct TransactionHistory {
    pub(super) recorder: Recorder,
    pub(super) changing: Option<ChangingUser>,
}

/// A user whose change is not complete: the next statement may be for the same user.
#[derive(Debug)]
pub(super) struct ChangingUser {
    pub(super) username: StoredValue,
    pub(super) renamed_to: Option<StoredValue>,
    pub(super) before: Option<StoredRow>,
    pub(super) disabled: Option<StateChange<Option<DisabledEntry>>>,
    pub(super) given: Option<StateChange<UserRights>>,
}
