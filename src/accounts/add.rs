//! Adding a user.

use super::change::{note_api_with_other_roles, warn_of_many_projects};
use super::error::AccountsErrors;
use super::password::{PasswordInput, PasswordQuery};
use super::report::{UserReport, list};
use crate::user::{PasswordHash, Role, User};
use crate::user_db::{UserDb, UserDbError, UserRecord};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// A user to add, and where the password comes from.
#[derive(Debug)]
pub struct AddRequest {
    /// The user, checked by [`crate::user::AccountDraft::check`].
    pub user: User,
    /// The password.
    pub password: PasswordInput,
}

/// The user that was added.
#[derive(Debug)]
pub struct AddReport {
    /// The user.
    pub user: UserReport,
    /// Notes and warnings.
    pub notes: Notes,
}

/// Adds a user. `prompt` is called after all checks, so that no password is typed in vain; a user
/// with the role api alone does not need a password.
///
/// # Errors
/// [`UserDbError::UserExists`], an invalid password, and the errors of the database and of `prompt`.
pub fn add<E: From<AccountsErrors>>(
    db: &mut UserDb,
    request: AddRequest,
    prompt: impl FnOnce(PasswordQuery) -> Result<Option<SecretText>, E>,
) -> Result<AddReport, E> {
    let AddRequest { user, password: input } = request;
    let mut notes = Notes::new();
    if db.record(&user.username).map_err(AccountsErrors::from)?.is_some() {
        return Err(AccountsErrors::from(UserDbError::UserExists(user.username)).into());
    }
    if let Some(similar) = db.similar_username(&user.username).map_err(AccountsErrors::from)? {
        notes.warn(
            "similar-usernames",
            format!(
                "the new user {} differs from {} only by case or spaces; an LDAP directory does not distinguish them",
                quote(&user.username),
                quote(&similar)
            ),
        );
    }
    let is_api_only = user.roles == [Role::Api.name()];
    let password = match input {
        PasswordInput::Given(password) => Some(password),
        PasswordInput::None => None,
        PasswordInput::Prompt => {
            let username = user.username.clone();
            prompt(PasswordQuery { username, is_required: !is_api_only, notes: std::mem::take(&mut notes) })?
        }
    };
    let hash = password.as_ref().map(PasswordHash::new).transpose().map_err(AccountsErrors::from)?;
    insert(db, &user, hash.as_ref()).map_err(AccountsErrors::from)?;

    notes.note(format!("added {} ({})", quote(&user.username), list(&user.roles)));
    if hash.is_none() && !is_api_only {
        notes.note(format!("{} does not have a password and cannot log in with one", quote(&user.username)));
    }
    note_api_with_other_roles(&user, &mut notes);
    warn_of_many_projects(&user, &mut notes);
    let record = UserRecord { user, has_password: hash.is_some(), invalid_columns: Vec::new() };
    Ok(AddReport { user: UserReport::enabled(&record), notes })
}

fn insert(db: &mut UserDb, user: &User, hash: Option<&PasswordHash>) -> Result<(), UserDbError> {
    let mut transaction = db.transaction()?;
    transaction.add(user, hash)?;
    transaction.commit()
}
