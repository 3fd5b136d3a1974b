//! Execution of a plan: in one transaction, or not at all.

use std::path::Path;
use std::rc::Rc;

use crate::history::{DisabledEntry, DisabledUsers, GivenState, HistoryError};
use crate::ldap::LdapSnapshot;
use crate::user::User;
use crate::user_db::{NewUser, Transaction, UserDb, UserDbError};

use super::error::SyncError;
use super::plan::{ChangedRights, Plan};
use super::planner::Planner;
use super::rights::Rights;
use super::rules::{MissingUsers, SyncRules};

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
    let state = StateFiles::load(db.path(), rights)?;
    plan_of(db, &state, snapshot, rules, rights)
}

fn plan_of<'snapshot>(
    db: &UserDb,
    state: &StateFiles,
    snapshot: &'snapshot LdapSnapshot,
    rules: SyncRules,
    rights: Option<&'snapshot Rights>,
) -> Result<Plan<'snapshot>, SyncError> {
    let mut planner = state.planner(snapshot, rules, rights);
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
    let version = db.data_version()?;
    let state = StateFiles::load(db.path(), rights)?;
    let mut plan = plan_of(db, &state, snapshot, rules, rights)?;
    plan.check()?;
    if plan.is_empty() {
        return Ok(plan);
    }
    let database = db.path().to_owned();
    let mut transaction = db.transaction()?;
    // The server or another run may have changed the table since it was read: the plan is then computed
    // again under the lock.
    let locked_state = StateFiles::load(&database, rights)?;
    if transaction.data_version()? != version || locked_state != state {
        drop(plan);
        let mut planner = locked_state.planner(snapshot, rules, rights);
        transaction.scan(|user| {
            planner.add_user(user);
            Ok::<_, UserDbError>(())
        })?;
        plan = planner.finish();
        plan.check()?;
    }
    drop((state, locked_state));
    for username in plan.deletions() {
        transaction.delete(username)?;
    }
    disable_users(&mut transaction, &plan)?;
    change_users(&mut transaction, &plan)?;
    add_users(&mut transaction, &plan)?;
    transaction.commit()?;
    Ok(plan)
}

/// Disables the missing users as of the time of the sync.
fn disable_users(transaction: &mut Transaction<'_>, plan: &Plan<'_>) -> Result<(), UserDbError> {
    let MissingUsers::Disable { now, .. } = plan.rules.missing else { return Ok(()) };
    for (username, roles) in plan.disabled() {
        let entry = DisabledEntry { roles: roles.to_vec(), missing_since: Some(now.0) };
        transaction.disable(username, entry)?;
    }
    Ok(())
}

/// Changes the users of the table who are in the LDAP directory. All changes of one user follow one another, for the
/// journal.
fn change_users(transaction: &mut Transaction<'_>, plan: &Plan<'_>) -> Result<(), UserDbError> {
    let mut returned = plan.returned().peekable();
    let mut renames = plan.renames().peekable();
    let mut rights = plan.rights_of_known().peekable();
    loop {
        let names = [
            returned.peek().map(|(username, _)| *username),
            renames.peek().map(|(username, ..)| *username),
            rights.peek().map(|user| user.username),
        ];
        // The lists have the order of the usernames.
        let Some(next) = names.into_iter().flatten().min() else { return Ok(()) };
        if let Some((username, roles)) = returned.next_if(|(username, _)| *username == next) {
            transaction.enable(username, Some(roles))?;
        }
        if let Some((username, _, name)) = renames.next_if(|(username, ..)| *username == next) {
            transaction.set_name(username, name)?;
        }
        if let Some(user) = rights.next_if(|user| user.username == next) {
            change_rights(transaction, &user)?;
        }
    }
}

/// Changes the roles and projects of a user of the table, and records what each source gave.
pub(super) fn change_rights(
    transaction: &mut Transaction<'_>,
    user: &ChangedRights<'_>,
) -> Result<(), UserDbError> {
    let ChangedRights { username, change, .. } = user;
    if !(change.added_roles.is_empty() && change.removed_roles.is_empty()) {
        transaction.set_roles(username, &change.roles)?;
    }
    if !(change.added_projects.is_empty() && change.removed_projects.is_empty()) {
        transaction.set_projects(username, &change.projects)?;
    }
    for (source, given) in &user.change.given {
        transaction.set_given(username, *source, given.clone())?;
    }
    Ok(())
}

/// Adds the new users in batches, with the roles and projects that the map gives.
fn add_users(transaction: &mut Transaction<'_>, plan: &Plan<'_>) -> Result<(), UserDbError> {
    let mut rights = plan.rights_of_new().peekable();
    let mut batch = Vec::with_capacity(BATCH);
    for (username, name) in plan.additions() {
        let mut new = NewUser::from(User::from_ldap(username, name));
        if let Some(ChangedRights { change, .. }) = rights.next_if(|changed| changed.username == username) {
            new.user.roles = change.roles;
            new.user.projects = change.projects;
            new.given = change.given;
        }
        batch.push(new);
        if batch.len() == BATCH {
            transaction.add_many(&batch)?;
            batch.clear();
        }
    }
    transaction.add_many(&batch)
}

/// The files of the state on which a plan depends, beside the rows of the table.
#[derive(PartialEq, Eq)]
struct StateFiles {
    disabled: DisabledUsers,
    given: Option<Rc<GivenState>>,
}

impl StateFiles {
    /// Reads the files. Only a change of roles needs what sources gave.
    fn load(database: &Path, rights: Option<&Rights>) -> Result<Self, HistoryError> {
        let has_rights = rights.is_some();
        Ok(Self {
            disabled: DisabledUsers::load(database)?,
            given: match has_rights {
                true => Some(Rc::new(GivenState::load(database)?)),
                false => None,
            },
        })
    }

    fn planner<'snapshot>(
        &self,
        snapshot: &'snapshot LdapSnapshot,
        rules: SyncRules,
        rights: Option<&'snapshot Rights>,
    ) -> Planner<'snapshot> {
        Planner::new(snapshot, rules, self.disabled.clone(), rights.zip(self.given.clone()))
    }
}
