//! The password of a user.

use serde::Serialize;

use super::change::existing;
use super::error::{AccountsError, AccountsErrors, unknown_user};
use super::sessions::{SessionPolicy, UserChange};
use crate::history::DisabledUsers;
use crate::user::{AuthSource, PasswordError, PasswordHash};
use crate::user_db::{UserDb, UserRecord};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// Where the password of a new user comes from.
#[derive(Debug)]
pub enum PasswordInput {
    /// No password.
    None,
    /// The caller has it.
    Given(SecretText),
    /// The caller reads it when all checks have passed.
    Prompt,
}

/// A request to the caller for a password.
#[derive(Debug)]
pub struct PasswordQuery {
    /// The user.
    pub username: String,
    /// Whether the action fails without a password.
    pub is_required: bool,
    /// What to print before the password is typed.
    pub notes: Notes,
}

/// A change of the password of a local user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRequest {
    /// The user.
    pub username: String,
    /// The change.
    pub change: PasswordChange,
}

/// What happens to the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChange {
    /// The user has a new password.
    Set,
    /// It is removed.
    Delete,
}

/// The user and whether there is a password now.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PasswordReport {
    /// The username.
    pub username: String,
    /// Whether the user has a password now.
    pub has_password: bool,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// Sets or deletes the password of a local user. `prompt` is called if a new one is needed.
///
/// # Errors
/// [`AccountsError::NotLocal`], an unknown user, an invalid password, and the errors of the database
/// and of `prompt`.
pub fn set_password<E: From<AccountsErrors>>(
    db: &mut UserDb,
    request: PasswordRequest,
    sessions: &SessionPolicy,
    prompt: impl FnOnce(PasswordQuery) -> Result<Option<SecretText>, E>,
) -> Result<PasswordReport, E> {
    let PasswordRequest { username, change } = request;
    require_local_user(db, &username)?;
    if change == PasswordChange::Set {
        require_enabled(db, &username)?;
    }
    let hash = match change {
        PasswordChange::Delete => None,
        PasswordChange::Set => {
            let query = PasswordQuery { username: username.clone(), is_required: true, notes: Notes::new() };
            let password = prompt(query)?;
            let hash = password.ok_or(PasswordError::Empty).and_then(|password| PasswordHash::new(&password));
            Some(hash.map_err(AccountsErrors::from)?)
        }
    };
    store(db, &username, hash.as_ref())?;

    let mut notes = Notes::new();
    let state = if hash.is_some() { "has a new password" } else { "no longer has a password" };
    notes.note(format!("{} {state}", quote(&username)));
    sessions.warn(UserChange::Password, &[&username], &mut notes);
    Ok(PasswordReport { username, has_password: hash.is_some(), notes })
}

fn require_local_user(db: &UserDb, username: &str) -> Result<(), AccountsErrors> {
    match db.record(username)? {
        Some(record) => Ok(require_local(record)?),
        None => Err(unknown_user(username, db.similar_username(username)?).into()),
    }
}

/// A new password would permit the login of a disabled user.
fn require_enabled(db: &UserDb, username: &str) -> Result<(), AccountsErrors> {
    match db.record(username)? {
        Some(record) if DisabledUsers::load(db.path())?.contains(&record) => {
            Err(AccountsError::Disabled(record.user.username).into())
        }
        _ => Ok(()),
    }
}

fn store(db: &mut UserDb, username: &str, hash: Option<&PasswordHash>) -> Result<(), AccountsErrors> {
    let mut transaction = db.transaction()?;
    // Another process may have changed the user while the password was typed.
    require_local(existing(&transaction, username)?)?;
    transaction.set_password(username, hash)?;
    Ok(transaction.commit()?)
}

fn require_local(record: UserRecord) -> Result<(), AccountsError> {
    match record.user.source {
        AuthSource::Local => Ok(()),
        auth_source => Err(AccountsError::NotLocal { username: record.user.username, auth_source }),
    }
}
