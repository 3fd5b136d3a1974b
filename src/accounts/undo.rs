//! Undoes a run of the journal: restores each user who was not changed after the run.

use std::collections::HashSet;
use std::str::FromStr;

use serde::Serialize;

use super::error::{AccountsError, AccountsErrors};
use super::report::Wording;
use crate::history::{
    ChangeLine, DisabledUsers, GivenState, Journal, LastRun, PasswordState, RowImage, RunEnd, RunId,
    RunSummary,
};
use crate::user::exchange::{StoredPassword, StoredRow, StoredValue};
use crate::user::{AuthSource, PasswordHash};
use crate::user_db::{Transaction, UserDb};
use crate::util::count::{counted, one_or};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::shell::word as shell_word;

/// How many users a note lists.
const SHOWN: usize = 10;

/// The run to undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSelector {
    /// The last run, which may be an undo itself.
    Last,
    /// The run with this ID, or the only one whose ID begins with it.
    Id(RunId),
}

/// The error of a text that does not select a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected LAST, an ID such as 20261127-133415-3f2a9c, or at least its first 8 characters")]
pub struct RunSelectorError;

impl FromStr for RunSelector {
    type Err = RunSelectorError;

    /// Accepts `LAST` in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("LAST") {
            return Ok(Self::Last);
        }
        text.parse().map(Self::Id).map_err(|_| RunSelectorError)
    }
}

/// A run to undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRequest {
    /// The run.
    pub run: RunSelector,
    /// Check the changes and report them without making them.
    pub dry_run: bool,
}

/// What an undo did, or would do in a dry run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UndoReport {
    /// The ID of the run that was undone.
    pub run: String,
    /// The time of the run.
    pub time: String,
    /// The account that made the changes.
    pub account: String,
    /// The program and its arguments.
    pub command: String,
    /// The usernames of the users who are as before the run.
    pub restored: Vec<String>,
    /// The users who were not changed, because they are not as the run left them.
    pub conflicts: Vec<UndoConflict>,
    /// The usernames of local users whose password could not be restored: they do not have one now.
    pub without_password: Vec<String>,
    /// The number of changes of the run that could not be undone, because the journal does not have their lines or
    /// they are malformed.
    pub missing_changes: u64,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// A user who was changed after the run; the undo skips this user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UndoConflict {
    /// The username.
    pub username: String,
    /// What happened after the run.
    pub reason: ConflictReason,
}

/// What happened to a user after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConflictReason {
    /// The row was changed.
    Changed,
    /// The user was deleted or renamed.
    Deleted,
    /// A user with the username was added.
    Added,
}

impl ConflictReason {
    /// The reason in a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Changed => "changed after the run",
            Self::Deleted => "deleted or renamed after the run",
            Self::Added => "added after the run",
        }
    }
}

/// Returns the run that a selector names.
///
/// # Errors
/// [`AccountsError::UnknownRun`], [`AccountsError::AmbiguousRun`], and the errors of the journal.
pub fn find_run(journal: &Journal, selector: &RunSelector) -> Result<RunSummary, AccountsErrors> {
    let mut found: Vec<RunSummary> = Vec::new();
    journal.for_each_run(None, |run| {
        match selector {
            RunSelector::Last if run.end == Some(RunEnd::RolledBack) => {}
            RunSelector::Last => found = vec![run],
            RunSelector::Id(id) if run.run.as_str().starts_with(id.as_str()) => {
                if found.len() < 2 {
                    found.push(run);
                }
            }
            RunSelector::Id(_) => {}
        }
        Ok::<_, AccountsErrors>(())
    })?;
    match (found.len(), found.pop()) {
        (1, Some(run)) => Ok(run),
        (0, _) => Err(AccountsError::UnknownRun(match selector {
            RunSelector::Last => None,
            RunSelector::Id(id) => Some(id.clone()),
        })
        .into()),
        (_, run) => Err(AccountsError::AmbiguousRun(run.map(|run| run.run)).into()),
    }
}

/// Undoes a run in one transaction, which is a run of its own. The changes are undone from the last one to the
/// first one. A user who is not as the run left the user is not changed.
///
/// # Errors
/// [`find_run`], [`AccountsError::NotLast`], and the errors of the database and the journal.
pub fn undo(db: &mut UserDb, request: &UndoRequest) -> Result<UndoReport, AccountsErrors> {
    let database = db.path().to_owned();
    let last_before = LastRun::read(&database)?;
    let mut transaction = if request.dry_run { db.dry_run_transaction()? } else { db.transaction()? };
    let journal = Journal::open(&database)?;
    if request.run == RunSelector::Last {
        require_same_last(last_before.as_ref(), LastRun::read(&database)?)?;
    }
    let run = find_run(&journal, &request.run)?;
    let mut at_risk = HashSet::new();
    journal.for_each_change(&run, |change| {
        if undo_replaces_password(&change) {
            at_risk.insert(change.renamed_to.unwrap_or(change.user).to_exact());
        }
        Ok::<_, AccountsErrors>(())
    })?;
    let had_admin = transaction.has_other_admin(&[])?;
    let mut undone = UndoProgress {
        disabled: transaction.disabled_users()?,
        given: transaction.given()?,
        later_passwords: later_passwords(&journal, &run, &at_risk)?,
        ..UndoProgress::default()
    };
    let mut missing_changes = run.made();
    for place in journal.places(&run)?.into_iter().rev() {
        if let Some(change) = journal.change(place)? {
            missing_changes = missing_changes.saturating_sub(1);
            undone.change(&mut transaction, &change)?;
        }
    }
    let loses_last_admin = had_admin && !transaction.has_other_admin(&[])?;
    if !request.dry_run {
        transaction.commit()?;
    }
    let mut notes = Notes::new();
    undone.report(&run, request.dry_run, &mut notes);
    if missing_changes > 0 {
        notes.warn(
            "journal-incomplete",
            format!(
                "{missing_changes} of {} of the run {} not undone: the journal does not have their lines, or \
                 they are malformed",
                counted(run.made(), "change"),
                Wording::of(request.dry_run).pick("were", "would be")
            ),
        );
    }
    if loses_last_admin {
        notes.warn("last-admin", "no user has the role admin after the undo".to_owned());
    }
    let UndoProgress { mut restored, conflicts, without_password, .. } = undone;
    restored.sort_unstable();
    restored.dedup();
    Ok(UndoReport {
        command: format!("{} {}", run.program, run.command),
        run: run.run.to_string(),
        time: run.time,
        account: run.account,
        restored,
        conflicts,
        without_password,
        missing_changes,
        dry_run: request.dry_run,
        notes,
    })
}

/// Checks that no run ended between the start of an undo of the last run and its transaction: of two such undos at
/// the same time, the second one would undo the first one.
fn require_same_last(before: Option<&LastRun>, now: Option<LastRun>) -> Result<(), AccountsError> {
    match (before, now) {
        (Some(before), Some(now)) if before.end.run != now.end.run => {
            Err(AccountsError::NotLast(RunId::from_text(now.end.run)))
        }
        _ => Ok(()),
    }
}

/// The changes that were undone.
#[derive(Default)]
struct UndoProgress {
    restored: Vec<String>,
    conflicts: Vec<UndoConflict>,
    conflicting: HashSet<String>,
    without_password: Vec<String>,
    /// The state, as far as the run was undone.
    disabled: DisabledUsers,
    given: GivenState,
    /// The users who were given a password after the run.
    later_passwords: HashSet<String>,
    /// The users who are missing from the LDAP directory again.
    in_grace: u64,
}

impl UndoProgress {
    fn change(
        &mut self,
        transaction: &mut Transaction<'_>,
        change: &ChangeLine,
    ) -> Result<(), AccountsErrors> {
        let name = change.renamed_to.as_ref().unwrap_or(&change.user);
        let username = change.username();
        if self.conflicting.contains(&username) {
            return Ok(());
        }
        let current = transaction.stored_row(name)?;
        let is_free = change.renamed_to.is_none() || !transaction.contains(&change.user)?;
        let reason = conflict(change, current.as_ref(), is_free).or_else(|| {
            let is_later = self.is_state_of_later_change(change, &username)
                || (undo_replaces_password(change) && self.later_passwords.contains(&name.to_exact()));
            is_later.then_some(ConflictReason::Changed)
        });
        if let Some(reason) = reason {
            self.conflicting.insert(username.clone());
            self.conflicts.push(UndoConflict { username, reason });
            return Ok(());
        }
        match (&change.before, current) {
            (None, Some(row)) if change.after.is_some() => transaction.delete(&row.username_text())?,
            (Some(before), None) => {
                transaction.insert_stored(&row_of(&change.user, before, StoredValue::Null))?;
                if before.password != PasswordState::None {
                    self.note_lost_password(before, &username);
                }
            }
            (Some(before), Some(row)) => {
                if change.renamed_to.is_some() {
                    transaction.rename(&row.username_text(), &username)?;
                }
                let password = match earlier_password(change, before, &row) {
                    Some(password) => password,
                    None => {
                        self.note_lost_password(before, &username);
                        StoredValue::Null
                    }
                };
                transaction.replace_stored(&row_of(&change.user, before, password))?;
            }
            _ => {}
        }
        if let Some(state) = &change.disabled {
            self.disabled.set(&username, state.before.clone());
            self.in_grace +=
                u64::from(state.before.as_ref().is_some_and(|entry| entry.missing_since.is_some()));
            transaction.set_disabled(&username, state.before.clone())?;
        }
        if let Some(state) = &change.given {
            self.given.set_user(&username, state.before.clone());
            transaction.change_given(&username, |given| given.clone_from(&state.before))?;
        }
        self.restored.push(username);
        Ok(())
    }

    /// Whether the state of a user is not as the change left it.
    fn is_state_of_later_change(&self, change: &ChangeLine, username: &str) -> bool {
        change.disabled.as_ref().is_some_and(|state| self.disabled.entry(username) != state.after.as_ref())
            || change
                .given
                .as_ref()
                .is_some_and(|state| self.given.user(username).unwrap_or_default() != state.after)
    }

    fn note_lost_password(&mut self, before: &RowImage, username: &str) {
        if before.auth_source() == AuthSource::Local {
            self.without_password.push(username.to_owned());
        }
    }

    fn report(&self, run: &RunSummary, dry_run: bool, notes: &mut Notes) {
        let wording = Wording::of(dry_run);
        wording.begin(notes);
        let users = |count: usize| counted(count, "user");
        let restored: HashSet<&String> = self.restored.iter().collect();
        let mut names: Vec<String> = restored.iter().map(|name| quote(name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.truncate(SHOWN);
        let colon = if count == 0 { "" } else { ": " };
        let more = match count - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (undid, restored) = (wording.pick("undid", "would undo"), wording.pick("restored", "restore"));
        notes.note(format!(
            "{undid} the run {}: {restored} {}{colon}{}{more}",
            run.run,
            users(count),
            names.join(", ")
        ));
        if self.in_grace > 0 {
            let count = usize::try_from(self.in_grace).unwrap_or(usize::MAX);
            notes.note(format!(
                "{} {} in the grace period again, with the same end: the next synchronization may delete such users; \
                 cc-user-enable(1) ends the period",
                users(count),
                wording.pick(one_or(count, "is", "are"), "would be")
            ));
        }
        for conflict in self.conflicts.iter().take(SHOWN) {
            notes.warn(
                "undo-conflict",
                format!(
                    "{} {}: {}",
                    wording.pick("skipped", "would skip"),
                    quote(&conflict.username),
                    conflict.reason.text()
                ),
            );
        }
        let more = self.conflicts.len().saturating_sub(SHOWN);
        if more > 0 {
            let skipped = wording.pick("skipped", "would skip");
            notes.warn("undo-conflict", format!("{skipped} {} more (--json lists all)", users(more)));
        }
        if let Some(first) = self.without_password.first() {
            let names: Vec<String> =
                self.without_password.iter().take(SHOWN).map(|name| quote(name)).collect();
            let more = self.without_password.len().saturating_sub(SHOWN);
            let rest = if more == 0 { String::new() } else { format!(" and {}", users(more)) };
            notes.warn_with(
                "password-not-restored",
                format!(
                    "local users without a password {}, because the journal contains no passwords: {}{rest}",
                    wording.pick("now", "after the undo"),
                    names.join(", ")
                ),
                format!("cc-user passwd {}", shell_word(first)),
            );
        }
    }
}

/// Whether an undo of the change deletes the user or replaces the password.
fn undo_replaces_password(change: &ChangeLine) -> bool {
    let has_password = change.after.as_ref().is_some_and(|after| after.password != PasswordState::None);
    has_password && (change.before.is_none() || change.password_changed)
}

/// The users among `usernames` who were given a password by a later run. The journal does not have passwords, so
/// the row alone does not show this.
fn later_passwords(
    journal: &Journal,
    run: &RunSummary,
    usernames: &HashSet<String>,
) -> Result<HashSet<String>, AccountsErrors> {
    let mut found = HashSet::new();
    if usernames.is_empty() {
        return Ok(found);
    }
    let mut later = Vec::new();
    let mut is_later = false;
    journal.for_each_run(None, |other| {
        if other.run == run.run {
            is_later = true;
        } else if is_later && other.end != Some(RunEnd::RolledBack) {
            later.push(other);
        }
        Ok::<_, AccountsErrors>(())
    })?;
    for run in later {
        journal.for_each_change(&run, |change| {
            if sets_password(&change) {
                let name = change.renamed_to.unwrap_or(change.user).to_exact();
                if usernames.contains(&name) {
                    found.insert(name);
                }
            }
            Ok::<_, AccountsErrors>(())
        })?;
    }
    Ok(found)
}

/// Whether a change gives the user another password, and not only locks or unlocks the old one.
fn sets_password(change: &ChangeLine) -> bool {
    let state = |image: &Option<RowImage>| image.as_ref().map(|image| image.password);
    match (state(&change.before), state(&change.after)) {
        (None, Some(after)) => after != PasswordState::None,
        (Some(PasswordState::Set), Some(PasswordState::Locked))
        | (Some(PasswordState::Locked), Some(PasswordState::Set)) => {
            change.password_changed && change.disabled.is_none()
        }
        _ => change.password_changed,
    }
}

/// Why a change cannot be undone, if the user is not as the run left the user.
fn conflict(change: &ChangeLine, current: Option<&StoredRow>, is_free: bool) -> Option<ConflictReason> {
    match (&change.after, current) {
        _ if !is_free => Some(ConflictReason::Added),
        (None, None) => None,
        (None, Some(_)) if change.before.is_some() => Some(ConflictReason::Added),
        (None, Some(_)) => None,
        (Some(_), None) => Some(ConflictReason::Deleted),
        (Some(after), Some(row)) => (!after.reads_like(row)).then_some(ConflictReason::Changed),
    }
}

/// The password before a change; `None` if the journal does not have enough to restore it.
fn earlier_password(change: &ChangeLine, before: &RowImage, row: &StoredRow) -> Option<StoredValue> {
    let current = row.password.expose();
    if !change.password_changed {
        return Some(current.clone());
    }
    let hash = PasswordHash::from_stored(current.lossy().unwrap_or_default());
    let after = change.after.as_ref().map_or(PasswordState::None, |after| after.password);
    match (before.password, after) {
        (PasswordState::None, _) => Some(StoredValue::Null),
        // What 'cc-user disable' and 'enable' change.
        (PasswordState::Set, PasswordState::Locked) if change.disabled.is_some() => {
            hash.unlocked().map(|hash| StoredValue::text(hash.expose()))
        }
        (PasswordState::Locked, PasswordState::Set) if change.disabled.is_some() => {
            hash.locked().map(|hash| StoredValue::text(hash.expose()))
        }
        _ => None,
    }
}

fn row_of(username: &StoredValue, image: &RowImage, password: StoredValue) -> StoredRow {
    StoredRow {
        username: username.clone(),
        name: image.name.clone(),
        email: image.email.clone(),
        roles: image.roles.clone(),
        projects: image.projects.clone(),
        source: image.source.clone(),
        password: StoredPassword::new(password),
    }
}
