//! One synchronization with Slurm from its answer to the report.

use std::time::Duration;

use super::super::database;
use super::super::error::SyncError;
use super::super::execute::change_rights;
use super::super::limit::DeletionLimit;
use super::super::plan::ChangedRights;
use super::plan::{SlurmAnswerForTable, SlurmPlan, SlurmPlanner};
use super::report::{SlurmSyncCounts, SlurmSyncReport};
use super::request::SlurmSyncRequest;
use crate::history::{DisabledUsers, GivenState};
use crate::slurm::Accounting;
use crate::user::{AuthSource, User};
use crate::user_db::{NewUser, UserDb, UserDbError, UserSummary};
use crate::util::note::Notes;

/// Receives the output of a synchronization; the command line prints it.
pub trait SlurmSyncObserver {
    /// The error of the report's output, or of the synchronization.
    type Error: From<SyncError>;

    /// The time since the start of the run, by a monotonic clock.
    fn duration(&self) -> Duration;

    /// Receives notes and warnings as they occur.
    fn notes(&mut self, notes: Notes);

    /// Receives the report. After a dry run an error may follow it.
    ///
    /// # Errors
    /// The report cannot be written.
    fn report(&mut self, report: &SlurmSyncReport<'_>) -> Result<(), Self::Error>;
}

/// Runs one synchronization: the output of sacctmgr, plan, check of the safety limits, execution, report. In a
/// dry run the plan is reported and not executed, and a rejected plan is an error after the report.
///
/// # Errors
/// [`SyncError`], and the errors of the observer. The user table is unchanged, unless only the report failed.
pub fn run<O: SlurmSyncObserver>(
    request: &SlurmSyncRequest,
    observer: &mut O,
) -> Result<SlurmSyncCounts, O::Error> {
    // A database that cannot be opened is an error before Slurm is asked.
    let SlurmSyncRequest { database: path, dry_run, author, lock_timeout, .. } = request;
    let mut notes = Notes::new();
    let db = database::open(path, *dry_run, author, *lock_timeout, &mut notes);
    observer.notes(notes);
    let mut db = db?;
    let mut notes = Notes::new();
    let accounting = request.slurm.read(&mut notes);
    observer.notes(notes);
    let accounting = accounting.map_err(SyncError::from)?;
    let answer = compare(request, &accounting, |visit| db.scan(visit))?;
    let plan = plan(&answer, request.max_delete, disabled(&db)?, given(&db)?, |visit| db.scan(visit))?;
    if request.dry_run {
        publish(&SlurmSyncReport::planned(&plan, request.add_users), observer)?;
        plan.check().map_err(SyncError::from)?;
        return Ok(SlurmSyncCounts::of(&plan));
    }
    plan.check().map_err(SyncError::from)?;
    if plan.is_empty() {
        return finish(&plan, request, observer);
    }
    drop(plan);
    // The server may have changed the table since: the plan is computed again under the lock.
    let disabled_users = || DisabledUsers::load(&request.database).map_err(SyncError::from);
    let mut transaction = db.transaction().map_err(SyncError::from)?;
    let answer = compare(request, &accounting, |visit| transaction.scan(visit))?;
    let given = transaction.given().map_err(SyncError::from)?;
    let plan =
        self::plan(&answer, request.max_delete, disabled_users()?, given, |visit| transaction.scan(visit))?;
    plan.check().map_err(SyncError::from)?;
    let execute = || {
        let known = plan.rights().filter(|user| user.new.is_none());
        for user in known {
            change_rights(&mut transaction, &user)?;
        }
        if let Some(source) = request.add_users {
            transaction.add_many(&new_users(&plan, source))?;
        }
        transaction.commit()
    };
    execute().map_err(SyncError::from)?;
    finish(&plan, request, observer)
}

fn finish<O: SlurmSyncObserver>(
    plan: &SlurmPlan<'_>,
    request: &SlurmSyncRequest,
    observer: &mut O,
) -> Result<SlurmSyncCounts, O::Error> {
    publish(&SlurmSyncReport::executed(plan, request.add_users, observer.duration()), observer)?;
    Ok(SlurmSyncCounts::of(plan))
}

fn publish<O: SlurmSyncObserver>(report: &SlurmSyncReport<'_>, observer: &mut O) -> Result<(), O::Error> {
    observer.notes(report.notes());
    observer.report(report)
}

/// Receives each user of the table once.
type Visit<'visit> = &'visit mut dyn FnMut(UserSummary<'_>) -> Result<(), UserDbError>;

/// Compares the answer with the usernames of the table.
fn compare(
    request: &SlurmSyncRequest,
    accounting: &Accounting,
    scan: impl FnOnce(Visit<'_>) -> Result<(), UserDbError>,
) -> Result<SlurmAnswerForTable, SyncError> {
    let mut table = Vec::new();
    scan(&mut |user| {
        table.push(user.username.to_owned());
        Ok(())
    })?;
    SlurmAnswerForTable::new(&request.slurm, accounting, table, request.add_users.is_some())
}

fn plan<'answer>(
    answer: &'answer SlurmAnswerForTable,
    limit: DeletionLimit,
    disabled: DisabledUsers,
    given: GivenState,
    scan: impl FnOnce(Visit<'_>) -> Result<(), UserDbError>,
) -> Result<SlurmPlan<'answer>, SyncError> {
    let mut planner = SlurmPlanner::new(answer, limit, disabled, given);
    scan(&mut |user| {
        planner.add_user(user);
        Ok(())
    })?;
    Ok(planner.finish())
}

fn disabled(db: &UserDb) -> Result<DisabledUsers, SyncError> {
    Ok(DisabledUsers::load(db.path())?)
}

fn given(db: &UserDb) -> Result<GivenState, SyncError> {
    Ok(db.given()?)
}

/// The users who are in Slurm only, with the roles and projects of Slurm.
fn new_users(plan: &SlurmPlan<'_>, source: AuthSource) -> Vec<NewUser> {
    let mut rights = plan.rights().filter(|user| user.new.is_some()).peekable();
    let new_user = |username: &String| {
        let mut new = NewUser::from(User { source, ..User::from_ldap(username, None) });
        if let Some(ChangedRights { change, .. }) = rights.next_if(|changed| changed.username == username) {
            new.user.roles = change.roles;
            new.user.projects = change.projects;
            new.given = change.given;
        }
        new
    };
    plan.additions().iter().map(new_user).collect()
}
