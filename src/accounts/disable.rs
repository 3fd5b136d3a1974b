//! Disabling users and enabling them again.
//!
//! The roles of a disabled user move to [`DisabledUsers`], and a password hash gets the prefix `!`. The journal
//! has both changes before the user table is changed, so that a process that is killed never loses the roles.

use super::change::{ChangeReport, existing, require_valid, warn_of_last_admin};
use super::error::AccountsErrors;
use super::report::{UserReport, list};
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
    let was_disabled = disabled.contains(&before);
    let mut notes = Notes::new();
    if was_disabled {
        notes.note(format!("{name} is disabled already"));
        let report = UserReport::new(&before, &disabled);
        return Ok(ChangeReport { before: report.clone(), after: report, dry_run: request.dry_run, notes });
    }
    let before_report = UserReport::new(&before, &disabled);
    let loses_last_admin =
        before.user.has_role(Role::Admin) && !transaction.has_other_admin(&[&request.username])?;
    let mut after = before.clone();
    let roles = std::mem::take(&mut after.user.roles);
    let entry = DisabledEntry { roles: roles.clone(), missing_since: None };
    disabled.set(&before.user.username, Some(entry.clone()));
    if request.dry_run {
        notes.note("dry run, nothing is changed: the other messages describe the state after the change");
    } else {
        transaction.set_roles(&before.user.username, &[])?;
        if let Some(hash) = transaction.password_hash(&before.user.username)?.and_then(|hash| hash.locked()) {
            transaction.set_password(&before.user.username, Some(&hash))?;
        }
        transaction.set_disabled(&before.user.username, Some(entry))?;
        transaction.commit()?;
    }
    notes.note(format!(
        "{name} is disabled; 'cc-user enable {}' restores the roles {}",
        shell_word(&before.user.username),
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
    let roles = disabled.entry_of(&before).map(|entry| entry.roles.clone());
    let has_entry = disabled.set(username, None);
    let hash = transaction.password_hash(username)?.and_then(|hash| hash.unlocked());
    let mut notes = Notes::new();
    if request.dry_run {
        notes.note("dry run, nothing is changed: the other messages describe the state after the change");
    }
    let mut after = before.clone();
    match &roles {
        Some(roles) => {
            after.user.roles.clone_from(roles);
            notes.note(format!("{name} is enabled and has the roles {}", list(roles)));
        }
        None if hash.is_some() => {
            notes.note(format!("{name} is enabled: the password is valid again"));
        }
        None => notes.note(format!("{name} is not disabled")),
    }
    if !request.dry_run && (roles.is_some() || hash.is_some() || has_entry) {
        if roles.is_some() {
            transaction.set_roles(username, &after.user.roles)?;
        }
        if let Some(hash) = &hash {
            transaction.set_password(username, Some(hash))?;
        }
        transaction.set_disabled(username, None)?;
        transaction.commit()?;
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
            notes.note(format!("{name} does not have a password and cannot log in with one"));
        }
    }
    let after = UserReport::new(&after, &disabled);
    Ok(ChangeReport { before: before_report, after, dry_run: request.dry_run, notes })
}
