//! Execution of a plan: in one transaction, or not at all.

use std::path::Path;

use crate::history::{DisabledUsers, HistoryError};
use crate::ldap::LdapSnapshot;
use crate::user::User;
use crate::user_db::{UserDb, UserDbError};

use super::error::SyncError;
use super::plan::{Plan, SyncRules};
use super::planner::Planner;

/// The number of users in one statement: enough for a fast insert, in little memory.
const BATCH: usize = 256;

/// Returns the changes that a sync would make now, and changes nothing.
///
/// # Errors
/// [`SyncError::UserDb`], [`SyncError::History`]: the user table or the file of disabled users
/// cannot be read.
pub fn preview<'snapshot>(
    db: &UserDb,
    snapshot: &'snapshot LdapSnapshot,
    rules: SyncRules,
) -> Result<Plan<'snapshot>, SyncError> {
    let mut planner = Planner::new(snapshot, rules, disabled_users(db.path(), rules)?);
    db.scan(|user| {
        planner.add_user(user);
        Ok::<_, UserDbError>(())
    })?;
    Ok(planner.finish())
}

/// Executes the plan in one transaction and returns it. If there is nothing to change, the database is
/// only read.
///
/// # Errors
/// [`SyncError::Rejected`] if a safety limit rejects the plan, and those of [`preview`]. The table is
/// then unchanged.
pub fn execute<'snapshot>(
    db: &mut UserDb,
    snapshot: &'snapshot LdapSnapshot,
    rules: SyncRules,
) -> Result<Plan<'snapshot>, SyncError> {
    let unlocked = preview(db, snapshot, rules)?;
    unlocked.check()?;
    if unlocked.is_empty() {
        return Ok(unlocked);
    }
    drop(unlocked);
    let database = db.path().to_owned();
    let mut transaction = db.transaction()?;
    // The server may have changed the table since the preview: the plan is computed again under the lock.
    let mut planner = Planner::new(snapshot, rules, disabled_users(&database, rules)?);
    transaction.scan(|user| {
        planner.add_user(user);
        Ok::<_, UserDbError>(())
    })?;
    let plan = planner.finish();
    plan.check()?;
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

/// The disabled users, which only a deletion needs.
fn disabled_users(database: &Path, rules: SyncRules) -> Result<DisabledUsers, HistoryError> {
    if rules.delete_missing { DisabledUsers::load(database) } else { Ok(DisabledUsers::default()) }
}
