//! Carrying a plan out: in one transaction, or not at all.

use crate::base::fault::Fault;
use crate::base::kind::Kind;
use crate::directory::Roster;
use crate::store::{Store, StoreError};
use crate::user::User;

use super::plan::{Plan, Planner, Refusal, Rules};

/// How many users are made ready at once: enough for full statements, little memory.
const BATCH: usize = 256;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More users would be deleted than is allowed.
    #[error(
        "{deletions} of {known} users from the directory are no longer in it, and at most {allowed} may be \
         deleted at once: nothing was changed"
    )]
    TooMany {
        /// How many would be deleted.
        deletions: u64,
        /// How many may be.
        allowed: u64,
        /// Of how many.
        known: u64,
    },
    /// The directory has nobody.
    #[error(
        "the directory has nobody, which would delete all {known} users who came from it: nothing was changed"
    )]
    Empty {
        /// How many came from the directory once.
        known: u64,
    },
}

impl From<Refusal> for SyncError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooMany { deletions, allowed, known } => Self::TooMany { deletions, allowed, known },
            Refusal::Empty { known } => Self::Empty { known },
        }
    }
}

impl Fault for SyncError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::TooMany { .. } => Kind::SyncTooManyDeletions,
            Self::Empty { .. } => Kind::SyncNoUsers,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::TooMany { deletions, .. } => Some(format!(
                "see who with 'cc-user sync-ldap --dry-run'; if that is right, allow it once with --max-delete {deletions}"
            )),
            Self::Empty { .. } => {
                Some("check 'user-base' and 'user-filter', and what the search-dn may see".to_owned())
            }
        }
    }
}

/// What a sync would do now; nothing is changed.
///
/// # Errors
/// All that reading the table can run into.
pub fn preview<'roster>(
    store: &Store,
    roster: &'roster Roster,
    rules: Rules,
) -> Result<Plan<'roster>, StoreError> {
    let mut planner = Planner::new(roster, rules);
    store.scan(|known| {
        planner.known(known);
        Ok::<_, StoreError>(())
    })?;
    Ok(planner.finish())
}

/// Does what is to be done, all of it in one transaction, and tells what it was. Where nothing is
/// to be done, the database is only read.
///
/// # Errors
/// [`SyncError`]: nothing has changed then.
pub fn carry_out<'roster>(
    store: &mut Store,
    roster: &'roster Roster,
    rules: Rules,
) -> Result<Plan<'roster>, SyncError> {
    let glance = preview(store, roster, rules)?;
    if let Some(refusal) = glance.refusal() {
        return Err(refusal.into());
    }
    if glance.is_empty() {
        return Ok(glance);
    }
    drop(glance);
    let mut transaction = store.transaction()?;
    // The server may have written since: what is done must be right for the table as it is now.
    let mut planner = Planner::new(roster, rules);
    transaction.scan(|known| {
        planner.known(known);
        Ok::<_, StoreError>(())
    })?;
    let plan = planner.finish();
    if let Some(refusal) = plan.refusal() {
        return Err(refusal.into());
    }
    for username in plan.deletions() {
        transaction.delete(username)?;
    }
    for (username, _, name) in plan.renames() {
        transaction.rename(username, name)?;
    }
    let mut batch = Vec::with_capacity(BATCH);
    for (username, name) in plan.additions() {
        batch.push(User::from_directory(username, name));
        if batch.len() == BATCH {
            transaction.add_many(&batch)?;
            batch.clear();
        }
    }
    transaction.add_many(&batch)?;
    transaction.commit()?;
    Ok(plan)
}
