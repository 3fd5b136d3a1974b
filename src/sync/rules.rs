//! The changes that a sync may make.

use super::limit::DeletionLimit;
use crate::history::GracePeriod;
use crate::util::time::Timestamp;

/// What a sync does with missing users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingUsers {
    /// Nothing.
    #[default]
    Keep,
    /// Delete them.
    Delete,
    /// Disable them, and delete them after the period.
    Disable {
        /// The period.
        period: GracePeriod,
        /// The time of the sync.
        now: Timestamp,
    },
}

/// The changes that a sync may make. By default it adds users and changes full names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncRules {
    /// What happens to LDAP users who are missing from the LDAP directory.
    pub missing: MissingUsers,
    /// Do not change full names.
    pub keep_names: bool,
    /// Disable and delete users with the role admin as well.
    pub delete_admins: bool,
    /// The deletion limit.
    pub max_delete: DeletionLimit,
}

impl SyncRules {
    /// When a sync deletes a user who is missing since a time.
    pub(super) fn delete_at(&self, since: Timestamp) -> Option<Timestamp> {
        match self.missing {
            MissingUsers::Disable { period, .. } => Some(period.end(since)),
            MissingUsers::Keep | MissingUsers::Delete => None,
        }
    }
}
