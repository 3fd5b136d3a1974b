//! Disabling users and enabling them again.
//!
//! The roles of a disabled user move to [`DisabledUsers`], and a password hash gets the prefix `!`. The journal
//! has both changes before the user table is changed, so that a process that is killed never loses the roles.

use super::change::{ChangeReport, existing, require_valid, warn_of_last_admin};
use super::error::AccountsErrors;
use super::report::{UserReport, Wording, list};
use super::sessions::{SessionPolicy, UserChange};
use crate::history::{DisabledEntry, DisabledUsers};
use crate::user::{AuthSource, Role};
use crate::user_db::UserDb;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::shell::word as shell_word;

/// A user to disable or to enable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisableRequest {
    /// The user.
    pub username: String,
    /// Check the change and report it without making it.
    pub dry_run: bool,
}

/// Disables a user: the user table has neither roles nor a usable password of the user.
///
/// # Errors
/// An unknown user, an invalid column, and the errors of the database and of the file.
pub fn disable(
    db: &mut UserDb,
    request: &DisableRequest,
    sessions: &SessionPolicy,
) -> Result<ChangeReport, AccountsErrors> {
    let database = db.path().to_owned();
    let mut transaction = db.transaction()?;
    let mut disabled = transaction.disabled_users()?;
    let before = existing(&transaction, &request.username)?;
    require_valid(&before, "roles")?;
    let name = quote(&before.user.username);
    let mut notes = Notes::new();
    let before_report = UserReport::new(&before, &disabled);
    let wording = Wording::of(request.dry_run);
    if let Some(entry) = disabled.entry_of(&before).cloned() {
        if entry.missing_since.is_some() {
            wording.begin(&mut notes);
            let username = before.user.username.as_str();
            notes.note(format!(
                "{name} {} disabled when the LDAP directory has the user again, and is not deleted; 'cc-user enable \
                 {}' restores the roles {}",
                wording.pick("remains", "would remain"),
                shell_word(username),
                list(&entry.roles)
            ));
            let entry = DisabledEntry { missing_since: None, ..entry };
            disabled.set(username, Some(entry.clone()));
            if !request.dry_run {
                transaction.set_disabled(username, Some(entry))?;
                transaction.commit()?;
            }
        } else {
            notes.note(format!("{name} is disabled already"));
        }
        let after = UserReport::new(&before, &disabled);
        return Ok(ChangeReport { before: before_report, after, dry_run: request.dry_run, notes });
    }
    let loses_last_admin =
        before.user.has_role(Role::Admin) && !transaction.has_other_admin(&[&request.username])?;
    let mut after = before.clone();
    let roles = std::mem::take(&mut after.user.roles);
    let entry = DisabledEntry { roles: roles.clone(), missing_since: None };
    disabled.set(&before.user.username, Some(entry.clone()));
    wording.begin(&mut notes);
    if !request.dry_run {
        transaction.disable(&before.user.username, entry)?;
        transaction.commit()?;
    }
    notes.note(format!(
        "{name} {}; 'cc-user enable {}' {} the roles {}",
        wording.pick("is disabled", "would be disabled"),
        shell_word(&before.user.username),
        wording.pick("restores", "would restore"),
        list(&roles)
    ));
    if loses_last_admin {
        warn_of_last_admin(&before.user.username, &mut notes);
    }
    sessions.warn(UserChange::Disabled, &[&before.user.username], &mut notes);
    sessions.warn_of_logins(&before.user, &mut notes);
    if !request.dry_run {
        DisabledUsers::warn_of_owner(&database, &mut notes);
    }
    let after = UserReport::new(&after, &disabled);
    Ok(ChangeReport { before: before_report, after, dry_run: request.dry_run, notes })
}

/// Enables a disabled user: the roles and the password are as before.
///
/// # Errors
/// An unknown user, an invalid column, and the errors of the database and of the file.
pub fn enable(db: &mut UserDb, request: &DisableRequest) -> Result<ChangeReport, AccountsErrors> {
    let mut transaction = db.transaction()?;
    let mut disabled = transaction.disabled_users()?;
    let before = existing(&transaction, &request.username)?;
    require_valid(&before, "roles")?;
    let username = before.user.username.as_str();
    let name = quote(username);
    let before_report = UserReport::new(&before, &disabled);
    let entry = disabled.entry_of(&before);
    let is_missing = entry.is_some_and(|entry| entry.missing_since.is_some());
    let roles = entry.map(|entry| entry.roles.clone());
    let has_entry = disabled.set(username, None);
    let hash = transaction.password_hash(username)?.and_then(|hash| hash.unlocked());
    let mut notes = Notes::new();
    let wording = Wording::of(request.dry_run);
    wording.begin(&mut notes);
    let is_enabled = wording.pick("is enabled", "would be enabled");
    let mut after = before.clone();
    match &roles {
        Some(roles) => {
            after.user.roles.clone_from(roles);
            notes.note(format!(
                "{name} {is_enabled} and {} the roles {}",
                wording.pick("has", "have"),
                list(roles)
            ));
        }
        None if hash.is_some() => {
            notes.note(format!(
                "{name} {is_enabled}: the password {} valid again",
                wording.pick("is", "would be")
            ));
        }
        None => notes.note(format!("{name} is not disabled")),
    }
    if !request.dry_run && (roles.is_some() || hash.is_some() || has_entry) {
        transaction.enable(username, roles.as_deref())?;
        transaction.commit()?;
    }
    if is_missing {
        notes.note(format!(
            "the next synchronization {} {name} again if the LDAP directory still does not have the user, and \
             the grace period begins again",
            wording.pick("disables", "would disable")
        ));
    }
    if roles.is_some() || hash.is_some() {
        if after.user.roles.is_empty() {
            notes.warn_with(
                "no-role",
                format!(
                    "{name} does not have a role: new logins and tokens of this user do not have any rights"
                ),
                format!("cc-user set {} --role ROLE", shell_word(username)),
            );
        }
        if before.user.source == AuthSource::Local && !before.has_password && after.user.roles != ["api"] {
            notes.note(format!(
                "{name} {} not have a password and cannot log in with one",
                wording.pick("does", "would")
            ));
        }
    }
    let after = UserReport::new(&after, &disabled);
    Ok(ChangeReport { before: before_report, after, dry_run: request.dry_run, notes })
}
