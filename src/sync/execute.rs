//! Execution of a plan: in one transaction, or not at all.

use std::path::Path;

use crate::history::{DisabledUsers, HistoryError};
use crate::ldap::LdapSnapshot;
use crate::user::User;
use crate::user_db::{Transaction, UserDb, UserDbError};

use super::error::SyncError;
use super::plan::{ChangedRights, Plan, SyncRules};
use super::planner::Planner;
use super::rights::Rights;

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
    rights: Option<&'snapshot Rights>,
) -> Result<Plan<'snapshot>, SyncError> {
    let disabled = disabled_users(db.path(), rules, rights)?;
    let rights = rights.map(|rights| Ok::<_, SyncError>((rights, db.given()?))).transpose()?;
    let mut planner = Planner::new(snapshot, rules, disabled, rights);
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
    rights: Option<&'snapshot Rights>,
) -> Result<Plan<'snapshot>, SyncError> {
    let unlocked = preview(db, snapshot, rules, rights)?;
    unlocked.check()?;
    if unlocked.is_empty() {
        return Ok(unlocked);
    }
    drop(unlocked);
    let database = db.path().to_owned();
    let mut transaction = db.transaction()?;
    // The server may have changed the table since the preview: the plan is computed again under the lock.
    let disabled = disabled_users(&database, rules, rights)?;
    let rights = rights.map(|rights| Ok::<_, SyncError>((rights, transaction.given()?))).transpose()?;
    let mut planner = Planner::new(snapshot, rules, disabled, rights);
    transaction.scan(|user| {
        planner.add_user(user);
        Ok::<_, UserDbError>(())
    })?;
    let plan = planner.finish();
    plan.check()?;
    for username in plan.deletions() {
        transaction.delete(username)?;
    }
    // All changes of one user follow one another, for the journal.
    let mut renames = plan.renames().peekable();
    for user in plan.rights_of_known() {
        while let Some((username, _, name)) = renames.next_if(|(username, ..)| *username <= user.username) {
            transaction.set_name(username, name)?;
        }
        change_rights(&mut transaction, &user)?;
    }
    for (username, _, name) in renames {
        transaction.set_name(username, name)?;
    }
    add_users(&mut transaction, &plan)?;
    transaction.commit()?;
    Ok(plan)
}

/// Changes the roles and projects of a user of the table, and records what each source gave.
fn change_rights(transaction: &mut Transaction<'_>, user: &ChangedRights<'_>) -> Result<(), UserDbError> {
    let ChangedRights { username, change, .. } = user;
    if !(change.added_roles.is_empty() && change.removed_roles.is_empty()) {
        transaction.set_roles(username, &change.roles)?;
    }
    if !(change.added_projects.is_empty() && change.removed_projects.is_empty()) {
        transaction.set_projects(username, &change.projects)?;
    }
    record_given(transaction, user)
}

fn record_given(transaction: &mut Transaction<'_>, user: &ChangedRights<'_>) -> Result<(), UserDbError> {
    for (source, given) in &user.change.given {
        transaction.set_given(user.username, *source, given.clone())?;
    }
    Ok(())
}

/// Adds the new users in batches, with the roles and projects that the map gives.
fn add_users(transaction: &mut Transaction<'_>, plan: &Plan<'_>) -> Result<(), UserDbError> {
    let mut rights = plan.rights_of_new().peekable();
    let mut batch = Vec::with_capacity(BATCH);
    let mut given = Vec::new();
    for (username, name) in plan.additions() {
        let mut user = User::from_ldap(username, name);
        if let Some(changed) = rights.next_if(|changed| changed.username == username) {
            user.roles.clone_from(&changed.change.roles);
            user.projects.clone_from(&changed.change.projects);
            given.push(changed);
        }
        batch.push(user);
        if batch.len() == BATCH {
            add_batch(transaction, &mut batch, &mut given)?;
        }
    }
    add_batch(transaction, &mut batch, &mut given)
}

fn add_batch(
    transaction: &mut Transaction<'_>,
    batch: &mut Vec<User>,
    given: &mut Vec<ChangedRights<'_>>,
) -> Result<(), UserDbError> {
    transaction.add_many(batch)?;
    batch.clear();
    given.drain(..).try_for_each(|user| record_given(transaction, &user))
}

/// The disabled users, which only a deletion and a change of roles need.
fn disabled_users(
    database: &Path,
    rules: SyncRules,
    rights: Option<&Rights>,
) -> Result<DisabledUsers, HistoryError> {
    if rules.delete_missing || rights.is_some() {
        DisabledUsers::load(database)
    } else {
        Ok(DisabledUsers::default())
    }
}
