//! The journal of a transaction: each changed user with the row before and after.

use super::changing::{ChangingUser, TransactionHistory};
use super::error::UserDbError;
use super::transaction::Transaction;
use super::write::{NewUser, row_of};
use crate::history::{
    Author, DatabaseFile, DisabledEntry, DisabledUsers, GivenState, LastRun, Recorder, RowImage, RunEnd,
    StateChange, UserChange, UserRights, is_interrupted,
};
use crate::user::exchange::StoredValue;
use crate::user::{GivenRights, RightsSource};
use crate::util::note::Notes;
use crate::util::quote::quote;

impl Transaction<'_> {
    /// Locks the journal, and ends an earlier run that was interrupted.
    pub(super) fn begin_history(&self, author: &Author) -> Result<TransactionHistory, UserDbError> {
        let seconds = u32::try_from(self.context.timeout.as_secs()).unwrap_or(u32::MAX);
        let mut recorder = Recorder::begin(self.context.path, author, seconds)?;
        recorder.complete_interrupted(&mut |username| self.stored_row(username))?;
        Ok(TransactionHistory { recorder, changing: None })
    }

    /// Reads the row of a user before a statement changes it.
    pub(super) fn begin_user(&mut self, username: &StoredValue) -> Result<(), UserDbError> {
        let is_changing = |history: &TransactionHistory| {
            history
                .changing
                .as_ref()
                .is_some_and(|user| user.username == *username && user.renamed_to.is_none())
        };
        if self.history.as_deref().is_none_or(is_changing) {
            return Ok(());
        }
        self.end_user()?;
        let before = self.stored_row(username)?;
        if let Some(history) = &mut self.history {
            history.changing = Some(ChangingUser {
                username: username.clone(),
                renamed_to: None,
                before,
                disabled: None,
                given: None,
            });
        }
        Ok(())
    }

    /// Records the change of the user whose row was changed last.
    pub(super) fn end_user(&mut self) -> Result<(), UserDbError> {
        let Some(user) = self.history.as_mut().and_then(|history| history.changing.take()) else {
            return Ok(());
        };
        let after = self.stored_row(user.renamed_to.as_ref().unwrap_or(&user.username))?;
        self.record_change(&UserChange {
            user: &user.username,
            renamed_to: user.renamed_to.as_ref(),
            before: user.before.as_ref(),
            after: after.as_ref(),
            disabled: user.disabled,
            given: user.given,
        })
    }

    fn record_change(&mut self, change: &UserChange<'_>) -> Result<(), UserDbError> {
        match &mut self.history {
            Some(history) => Ok(history.recorder.add(change)?),
            None => Ok(()),
        }
    }

    /// Records users that were added, and what sources gave to them.
    pub(super) fn record_added(&mut self, users: &[NewUser]) -> Result<(), UserDbError> {
        self.end_user()?;
        let Some(history) = &mut self.history else { return Ok(()) };
        for NewUser { user, given } in users {
            let given = match given.is_empty() {
                true => None,
                false => {
                    history.recorder.set_given(&user.username, |all| all.extend(given.iter().cloned()))?
                }
            };
            let row = row_of(user);
            history.recorder.add(&UserChange {
                user: &row.username,
                renamed_to: None,
                before: None,
                after: Some(&row),
                disabled: None,
                given,
            })?;
        }
        Ok(())
    }

    /// Records the new username of a user after the row has it.
    pub(super) fn record_renamed(&mut self, new: &str) -> Result<(), UserDbError> {
        if let Some(user) = self.history.as_mut().and_then(|history| history.changing.as_mut()) {
            user.renamed_to = Some(StoredValue::text(new));
        }
        self.end_user()
    }

    /// The disabled users.
    ///
    /// # Errors
    /// [`UserDbError::History`].
    pub fn disabled_users(&self) -> Result<DisabledUsers, UserDbError> {
        Ok(match &self.history {
            Some(history) => history.recorder.disabled()?,
            None => DisabledUsers::load(self.context.path)?,
        })
    }

    /// Replaces or removes the entry of a disabled user. The file is written with the commit.
    ///
    /// # Errors
    /// [`UserDbError::History`], and the error of SQLite.
    pub fn set_disabled(&mut self, username: &str, entry: Option<DisabledEntry>) -> Result<(), UserDbError> {
        self.begin_user(&StoredValue::text(username))?;
        let Some(history) = &mut self.history else { return Ok(()) };
        let change = history.recorder.set_disabled(username, entry)?;
        if let Some(user) = &mut history.changing {
            merge(&mut user.disabled, change);
        }
        Ok(())
    }

    /// Disables a user: the roles move to the entry, and a password hash is locked.
    ///
    /// # Errors
    /// [`UserDbError::History`], [`UserDbError::UnknownUser`], and the error of SQLite.
    pub fn disable(&mut self, username: &str, entry: DisabledEntry) -> Result<(), UserDbError> {
        self.set_roles(username, &[])?;
        if let Some(hash) = self.password_hash(username)?.and_then(|hash| hash.locked()) {
            self.set_password(username, Some(&hash))?;
        }
        self.set_disabled(username, Some(entry))
    }

    /// Enables a user: the entry is removed, and a locked password hash is unlocked. Without roles the roles are not
    /// changed.
    ///
    /// # Errors
    /// As [`Transaction::disable`].
    pub fn enable(&mut self, username: &str, roles: Option<&[String]>) -> Result<(), UserDbError> {
        if let Some(roles) = roles {
            self.set_roles(username, roles)?;
        }
        if let Some(hash) = self.password_hash(username)?.and_then(|hash| hash.unlocked()) {
            self.set_password(username, Some(&hash))?;
        }
        self.set_disabled(username, None)
    }

    /// What syncs gave to users.
    ///
    /// # Errors
    /// [`UserDbError::History`].
    pub fn given(&self) -> Result<GivenState, UserDbError> {
        Ok(match &self.history {
            Some(history) => history.recorder.given()?,
            None => GivenState::load(self.context.path)?,
        })
    }

    /// Replaces what a source gave to a user; empty rights remove the entry. The file is written with the
    /// commit.
    ///
    /// # Errors
    /// [`UserDbError::History`], and the error of SQLite.
    pub fn set_given(
        &mut self,
        username: &str,
        source: RightsSource,
        rights: GivenRights,
    ) -> Result<(), UserDbError> {
        self.change_given(username, |given| {
            given.insert(source, rights);
        })
    }

    /// Changes what all sources gave to a user, as [`Transaction::set_given`] does.
    ///
    /// # Errors
    /// As [`Transaction::set_given`].
    pub fn change_given(
        &mut self,
        username: &str,
        change: impl FnOnce(&mut UserRights),
    ) -> Result<(), UserDbError> {
        self.begin_user(&StoredValue::text(username))?;
        let Some(history) = &mut self.history else { return Ok(()) };
        let change = history.recorder.set_given(username, change)?;
        if let Some(user) = &mut history.changing {
            merge(&mut user.given, change);
        }
        Ok(())
    }

    /// Removes a deleted user from the state. A file that cannot be read does not prevent the deletion.
    pub(super) fn forget_state(&mut self, username: &str) -> Result<(), UserDbError> {
        for outcome in [self.set_disabled(username, None), self.change_given(username, UserRights::clear)] {
            match outcome {
                Err(UserDbError::History(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Adds a later change of a value to an earlier one.
fn merge<T: PartialEq>(earlier: &mut Option<StateChange<T>>, later: Option<StateChange<T>>) {
    let Some(later) = later else { return };
    *earlier = match earlier.take() {
        Some(earlier) if earlier.before == later.after => None,
        Some(earlier) => Some(StateChange { before: earlier.before, after: later.after }),
        None => Some(later),
    };
}

impl super::connect::UserDb {
    /// Warns if the database is another file than at the last run of the journal, or if it does not have the last
    /// change of that run: a backup may have been restored.
    pub fn warn_of_replacement(&self, notes: &mut Notes) {
        let Ok(Some(last)) = LastRun::read(self.path()) else { return };
        let run = &last.end.run;
        if std::fs::metadata(self.path()).is_ok_and(|found| DatabaseFile::of(&found) != last.end.database) {
            notes.warn(
                "database-replaced",
                format!("the database was replaced or moved after the run {run} of its journal; the journal is continued"),
            );
            return;
        }
        let Some(change) = last.change.filter(|change| change.renamed_to.is_none() && change.run == *run)
        else {
            return;
        };
        let Ok(row) = self.stored_row(&change.user) else { return };
        let is = |image: &Option<RowImage>| match (image, &row) {
            (None, None) => true,
            (Some(image), Some(row)) => image.reads_like(row),
            _ => false,
        };
        if last.end.end == RunEnd::Committed && is(&change.before) && !is(&change.after) {
            notes.warn(
                "database-replaced",
                format!(
                    "{} is as before the run {run} of the journal: a backup of the database may have been restored",
                    quote(&change.username())
                ),
            );
        }
    }

    /// Ends a run of the journal that was interrupted, as the next change does: the state of the disabled users and
    /// of what syncs gave belongs to the rows afterwards.
    ///
    /// # Errors
    /// [`UserDbError::Locked`] if another process is writing, [`UserDbError::History`].
    pub fn complete_interrupted_run(&mut self) -> Result<(), UserDbError> {
        if is_interrupted(self.path())? {
            drop(self.transaction()?);
        }
        Ok(())
    }

    /// What syncs gave to users.
    ///
    /// # Errors
    /// [`UserDbError::History`].
    pub fn given(&self) -> Result<GivenState, UserDbError> {
        Ok(GivenState::load(self.path())?)
    }
}

impl DisabledUsers {
    /// The entry of a disabled user; `None` if the user is not disabled.
    #[must_use]
    pub fn entry_of(&self, record: &super::UserRecord) -> Option<&DisabledEntry> {
        let entry = self.entry(&record.user.username)?;
        let is_readable = !record.invalid_columns.iter().any(|invalid| invalid.column == "roles");
        (record.user.roles.is_empty() && is_readable).then_some(entry)
    }

    /// Whether the user is disabled.
    #[must_use]
    pub fn contains(&self, record: &super::UserRecord) -> bool {
        self.entry_of(record).is_some()
    }
}
