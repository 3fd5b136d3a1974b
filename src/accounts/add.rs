//! Adding a user.

use super::change::{note_api_with_other_roles, warn_of_many_projects};
use super::error::{AccountsError, AccountsErrors};
use super::password::{PasswordInput, PasswordQuery};
use super::report::{UserReport, list};
use super::server_limit::ServerLimit;
use super::store::UserStore;
use crate::user::{Role, User};
use crate::user_db::{UserDbError, UserRecord};
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

impl AddRequest {
    /// Checks that the requests of a running server can add the user.
    ///
    /// # Errors
    /// [`AccountsError::NotAtServer`].
    pub fn check_for_server(&self) -> Result<(), AccountsError> {
        match self.password {
            PasswordInput::None if !self.user.has_role(Role::Api) => Err(ServerLimit::NoPassword.into()),
            _ => Ok(()),
        }
    }
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
/// [`UserDbError::UserExists`], an invalid password, and the errors of the database or server and of `prompt`.
pub fn add<E: From<AccountsErrors>>(
    store: &mut UserStore,
    request: AddRequest,
    prompt: impl FnOnce(PasswordQuery) -> Result<Option<SecretText>, E>,
) -> Result<AddReport, E> {
    let options = store.options();
    let located = |errors: AccountsErrors| errors.with_options(&options);
    if store.is_server() {
        request.check_for_server().map_err(|error| located(error.into()))?;
    }
    let AddRequest { user, password: input } = request;
    let mut notes = check(store, &user).map_err(located)?;
    let is_api_only = user.roles == [Role::Api.name()];
    let password = match input {
        PasswordInput::Given(password) => Some(password),
        PasswordInput::None => None,
        PasswordInput::Prompt => {
            let username = user.username.clone();
            prompt(PasswordQuery { username, is_required: !is_api_only, notes: std::mem::take(&mut notes) })?
        }
    };
    let user = store.add(user, password.as_ref()).map_err(located)?;

    notes.note(format!("added {} ({})", quote(&user.username), list(&user.roles)));
    if password.is_none() && !is_api_only {
        notes.note(format!("{} does not have a password and cannot log in with one", quote(&user.username)));
    }
    note_api_with_other_roles(&user, &mut notes);
    warn_of_many_projects(&user, &options, &mut notes);
    let record = UserRecord { user, has_password: password.is_some(), invalid_columns: Vec::new() };
    Ok(AddReport { user: UserReport::enabled(&record), notes })
}

/// Checks that the user can be added; warns of a similar username.
fn check(store: &mut UserStore, user: &User) -> Result<Notes, AccountsErrors> {
    let mut notes = Notes::new();
    if store.record(&user.username)?.is_some() {
        return Err(UserDbError::UserExists(user.username.clone()).into());
    }
    if let Some(similar) = store.similar_username(&user.username)? {
        notes.warn(
            "similar-usernames",
            format!(
                "the new user {} differs from {} only by case or spaces; an LDAP directory does not distinguish them",
                quote(&user.username),
                quote(&similar)
            ),
        );
    }
    Ok(notes)
}
