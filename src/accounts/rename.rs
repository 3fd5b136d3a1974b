//! Renaming users.

use super::change::{ChangeReport, existing};
use super::error::{AccountsError, AccountsErrors};
use super::report::{UserReport, Wording};
use super::sessions::{SessionPolicy, UserChange};
use crate::history::DisabledUsers;
use crate::user::{AuthSource, Username};
use crate::user_db::{UserDb, UserDbError};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// A user to rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameRequest {
    /// The user.
    pub old: String,
    /// The new username.
    pub new: Username,
    /// Check the change and report it without making it.
    pub dry_run: bool,
}

/// Renames a local user without jobs and private tags, with the settings of the user and the entry of a
/// disabled user. The jobs are in files of the job archive too, which belong to the server: a change of
/// the table alone would be lost when the server reads the archive again.
///
/// # Errors
/// An unknown user, [`AccountsError::NameOfSource`], [`AccountsError::HasReferences`],
/// [`UserDbError::UserExists`], and the errors of the database and of the file of disabled users.
pub fn rename(
    db: &mut UserDb,
    request: &RenameRequest,
    sessions: &SessionPolicy,
) -> Result<ChangeReport, AccountsErrors> {
    let RenameRequest { old, new, dry_run } = request;
    let database = db.path().to_owned();
    let mut transaction = db.transaction()?;
    let mut disabled = transaction.disabled_users()?;
    let before = existing(&transaction, old)?;
    let before_report = UserReport::new(&before, &disabled);
    if let auth_source @ (AuthSource::Ldap | AuthSource::Token | AuthSource::Oidc) = before.user.source {
        return Err(AccountsError::NameOfSource { username: old.clone(), auth_source }.into());
    }
    if transaction.record(new.as_str())?.is_some() {
        return Err(UserDbError::UserExists(new.to_string()).into());
    }
    let references = transaction.references(old)?;
    if !references.is_empty() {
        return Err(AccountsError::HasReferences { username: old.clone(), references }.into());
    }
    let similar = transaction.similar_username(new.as_str())?.filter(|name| name != old);
    let entry = disabled.entry_of(&before).cloned();
    disabled.set(new.as_str(), entry.clone());
    let mut after = before;
    after.user.username = new.to_string();
    let after = UserReport::new(&after, &disabled);
    if !dry_run {
        transaction.rename(old, new.as_str())?;
        transaction.set_disabled(new.as_str(), entry.clone())?;
        transaction.set_disabled(old, None)?;
        transaction.commit()?;
    }

    let mut notes = Notes::new();
    let wording = Wording::of(*dry_run);
    wording.begin(&mut notes);
    let rename = wording.pick("renamed", "would rename");
    notes.note(format!("{rename} {} to {}", quote(old), quote(new.as_str())));
    if let Some(similar) = similar {
        notes.warn(
            "similar-usernames",
            format!(
                "the new username {} differs from {} only by case or spaces; an LDAP directory does not distinguish them",
                quote(new.as_str()),
                quote(&similar)
            ),
        );
    }
    sessions.warn(UserChange::Renamed, &[old], &mut notes);
    sessions.warn_of_old_username(old, &mut notes);
    if !dry_run && entry.is_some() {
        DisabledUsers::warn_of_owner(&database, &mut notes);
    }
    Ok(ChangeReport { before: before_report, after, dry_run: *dry_run, notes })
}
