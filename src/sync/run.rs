//! One sync from the LDAP search to the report.

use std::time::Duration;

use crate::ldap::{GroupScope, LdapSnapshot};
use crate::policy::role_map::Authority;
use crate::util::note::Notes;

use super::database;
use super::error::SyncError;
use super::execute::{execute, preview};
use super::ldap_rights;
use super::report::{SyncCounts, SyncReport};
use super::request::SyncRequest;
use super::rights::Rights;
use super::slurm::rights as slurm_rights;

/// Receives the output of a sync; the command line prints it.
pub trait SyncObserver {
    /// The error of the report's output, or of the sync.
    type Error: From<SyncError>;

    /// The time since the start of the run, by a monotonic clock.
    fn duration(&self) -> Duration;

    /// Receives notes and warnings as they occur.
    fn notes(&mut self, notes: Notes);

    /// Returns the progress of the LDAP search: it receives the number of entries read so far, and is
    /// dropped at the end of the search.
    fn search_progress(&mut self) -> Box<dyn FnMut(u64)>;

    /// Receives the report. After a dry run an error may follow it.
    ///
    /// # Errors
    /// The report cannot be written.
    fn report(&mut self, report: &SyncReport<'_>) -> Result<(), Self::Error>;
}

/// Runs one sync: search, plan, check of the safety limits, execution, report. In a dry run the plan
/// is reported and not executed, and a rejected plan is an error after the report.
///
/// # Errors
/// [`SyncError`], and the errors of the observer. The user table is unchanged, unless only the report
/// failed.
pub fn run<O: SyncObserver>(request: &SyncRequest, observer: &mut O) -> Result<SyncCounts, O::Error> {
    // A database that cannot be opened is an error before the LDAP search.
    let SyncRequest { database: path, dry_run, author, lock_timeout, .. } = request;
    let mut notes = Notes::new();
    let db = database::open(path, *dry_run, author, *lock_timeout, &mut notes);
    observer.notes(notes);
    let mut db = db?;
    let (snapshot, mut rights) = search(request, observer)?;
    if let Some(source) = &request.slurm {
        let usernames = snapshot.users().map(|user| user.username);
        let mut notes = Notes::new();
        let grants = slurm_rights::grants(source, usernames, &mut notes);
        observer.notes(notes);
        rights.get_or_insert_default().grants.push(grants?);
    }
    if request.dry_run {
        let plan = preview(&db, &snapshot, request.rules, rights.as_ref())?;
        publish(&SyncReport::planned(&plan), observer)?;
        plan.check().map_err(SyncError::from)?;
        return Ok(SyncCounts::of(&plan));
    }
    let plan = execute(&mut db, &snapshot, request.rules, rights.as_ref())?;
    publish(&SyncReport::executed(&plan, observer.duration()), observer)?;
    Ok(SyncCounts::of(&plan))
}

/// Reads all users and groups of the LDAP directory; the connection is closed before the database is used.
fn search(
    request: &SyncRequest,
    observer: &mut impl SyncObserver,
) -> Result<(LdapSnapshot, Option<Rights>), SyncError> {
    let mut notes = Notes::new();
    let connection = request.ldap.server.connect(&request.ldap.credentials, &mut notes);
    observer.notes(notes);
    let mut connection = connection?;
    let mut progress = observer.search_progress();
    let Some(map) = &request.map else {
        return Ok((connection.read_all(&request.ldap.search, &mut progress)?, None));
    };
    let mut users = map.user_index();
    let snapshot = connection.read_indexed(&request.ldap.search, &mut users, &mut progress)?;
    let entries = snapshot.entries();
    let mut progress_of_groups = |groups: u64| progress(entries + groups);
    let groups =
        connection.read_groups(&request.ldap, map, &users, GroupScope::All, &mut progress_of_groups)?;
    let (grants, summary) = ldap_rights::grants(map, &users, &groups)?;
    let authority = Authority::of(&map.rules);
    Ok((snapshot, Some(Rights { grants: vec![grants], authority, groups: summary })))
}

fn publish<O: SyncObserver>(report: &SyncReport<'_>, observer: &mut O) -> Result<(), O::Error> {
    observer.notes(report.notes());
    observer.report(report)
}
