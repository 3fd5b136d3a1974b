//! Carrying a plan out: in one transaction, or not at all.

use crate::ldap::LdapSnapshot;
use crate::user::User;
use crate::user_db::{UserDb, UserDbError};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote;

use super::plan::{Plan, PlanRejection, Planner, SyncRules};

/// How many users are made ready at once: enough for full statements, little memory.
const BATCH: usize = 256;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The database.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// More users would be deleted than is allowed.
    #[error(
        "{deletions} of {known} LDAP users are no longer in the LDAP directory, and the deletion limit is \
         {allowed}: nothing was changed"
    )]
    TooMany {
        /// How many would be deleted.
        deletions: u64,
        /// How many may be.
        allowed: u64,
        /// Of how many.
        known: u64,
    },
    /// The search returned no entry.
    #[error("{}", empty(*.deletions))]
    Empty {
        /// How many would be deleted.
        deletions: u64,
    },
    /// No entry has a name that a user can have.
    #[error("{}", no_username(*.entries, *.without, .attribute))]
    NoUsername {
        /// How many entries.
        entries: u64,
        /// How many of them have no username at all.
        without: u64,
        /// The attribute that was searched for it.
        attribute: String,
    },
}

fn empty(deletions: u64) -> String {
    match deletions {
        0 => "the LDAP search returned no users: nothing was changed".to_owned(),
        _ => format!(
            "the LDAP search returned no users; refusing to delete {deletions} LDAP users: nothing was changed"
        ),
    }
}

fn no_username(entries: u64, without: u64, attribute: &str) -> String {
    let attribute = quote(attribute);
    if without == entries {
        format!(
            "the LDAP search returned {entries} entries, none with the attribute {attribute}: nothing was changed"
        )
    } else {
        format!(
            "the LDAP search returned {entries} entries, none with a usable username in {attribute} (missing in \
             {without}): nothing was changed"
        )
    }
}

impl SyncError {
    /// Why the plan must not be executed, if so.
    #[must_use]
    pub fn of(plan: &Plan<'_>) -> Option<Self> {
        plan.rejection().map(|refusal| match refusal {
            PlanRejection::TooMany { deletions, allowed, known } => {
                Self::TooMany { deletions, allowed, known }
            }
            PlanRejection::Empty { deletions } => Self::Empty { deletions },
            PlanRejection::NoUsername { entries, without } => {
                Self::NoUsername { entries, without, attribute: plan.uid_attribute().to_owned() }
            }
        })
    }
}

diagnostics! { SyncError:
    Self::UserDb(error) => error.kind(), error.hint();
    Self::TooMany { deletions, .. } => Kind::SyncTooManyDeletions, format!(
                "print the users with 'cc-user sync-ldap --dry-run'; if they left, allow it once with --max-delete {deletions}"
            );
    Self::Empty { .. } => Kind::SyncNoUsers,
        "check 'user-base' and 'user-filter', and what the search-dn may see";
    Self::NoUsername { .. } => Kind::SyncNoUsernames,
        "check 'uid-attr' in auth.ldap, and what the search-dn may see";
}

/// What a sync would do now; nothing is changed.
///
/// # Errors
/// All that reading the table can run into.
pub fn preview<'snapshot>(
    store: &UserDb,
    snapshot: &'snapshot LdapSnapshot,
    rules: SyncRules,
) -> Result<Plan<'snapshot>, UserDbError> {
    let mut planner = Planner::new(snapshot, rules);
    store.scan(|known| {
        planner.add_user(known);
        Ok::<_, UserDbError>(())
    })?;
    Ok(planner.finish())
}

/// Executes the plan in one transaction and returns the outcome. Where nothing is
/// to be done, the database is only read.
///
/// # Errors
/// [`SyncError`]: nothing has changed then.
pub fn execute<'snapshot>(
    store: &mut UserDb,
    snapshot: &'snapshot LdapSnapshot,
    rules: SyncRules,
) -> Result<Plan<'snapshot>, SyncError> {
    let glance = preview(store, snapshot, rules)?;
    if let Some(error) = SyncError::of(&glance) {
        return Err(error);
    }
    if glance.is_empty() {
        return Ok(glance);
    }
    drop(glance);
    let mut transaction = store.transaction()?;
    // The server may have written since: what is done must be right for the table as it is now.
    let mut planner = Planner::new(snapshot, rules);
    transaction.scan(|known| {
        planner.add_user(known);
        Ok::<_, UserDbError>(())
    })?;
    let plan = planner.finish();
    if let Some(error) = SyncError::of(&plan) {
        return Err(error);
    }
    for username in plan.deletions() {
        transaction.delete(username)?;
    }
    for (username, _, name) in plan.renames() {
        transaction.set_name(username, name)?;
    }
    let mut batch = Vec::with_capacity(BATCH);
    for (username, name) in plan.additions() {
        batch.push(User::from_ldap(username, name));
        if batch.len() == BATCH {
            transaction.add_many(&batch)?;
            batch.clear();
        }
    }
    transaction.add_many(&batch)?;
    transaction.commit()?;
    Ok(plan)
}
