//! Deleting users.

use serde::Serialize;

use super::change::warn_of_last_admin;
use super::error::{AccountsError, AccountsErrors, unknown_user};
use super::sessions::UserChange;
use super::store::{UserStore, UserTable};
use crate::user::account::distinct;
use crate::user::{AuthSource, Role, User};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Users to delete: all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The usernames; a duplicate counts once.
    pub usernames: Vec<String>,
    /// The auth source that the users must have. Without it only local users are deleted, and those
    /// of a source that the server does not know: a login or a sync adds the others again.
    pub source: Option<AuthSource>,
}

/// The users that were deleted.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeleteReport {
    /// The usernames of the users that were deleted.
    pub deleted: Vec<String>,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// Deletes users and the settings that the server has for them: in one transaction of the database, or by one request
/// to the server for each user.
///
/// # Errors
/// All users that are unknown or have another auth source, together; the errors of the database or server.
pub fn delete(store: &mut UserStore, request: DeleteRequest) -> Result<DeleteReport, AccountsErrors> {
    let options = store.options();
    delete_users(store, request).map_err(|errors| errors.with_options(&options))
}

fn delete_users(store: &mut UserStore, request: DeleteRequest) -> Result<DeleteReport, AccountsErrors> {
    let DeleteRequest { usernames, source } = request;
    let sessions = store.sessions();
    let mut table = store.begin()?;
    let mut users = Vec::new();
    let mut errors = Vec::new();
    let mut missing = Vec::new();
    let usernames = distinct(usernames);
    for username in &usernames {
        match table.record(username)? {
            None => missing.push(username.as_str()),
            Some(record) if may_delete(record.user.source, source) => users.push(record.user),
            Some(record) => {
                let username = record.user.username;
                errors.push(AccountsError::OtherSource {
                    username,
                    auth_source: record.user.source,
                    requested: source,
                });
            }
        }
    }
    let similar = table.similar_usernames(&missing)?;
    errors.extend(
        missing.iter().zip(similar).map(|(username, similar)| unknown_user(username, similar).into()),
    );
    if !errors.is_empty() {
        return Err(AccountsErrors(errors));
    }
    let admins: Vec<&str> = users.iter().filter(|user| user.has_role(Role::Admin)).map(name_of).collect();
    let loses_last_admin = !admins.is_empty() && !table.has_other_admin(&admins)?;
    delete_from(table, &users)?;

    let mut notes = Notes::new();
    if loses_last_admin {
        warn_of_last_admin(admins.last().copied().unwrap_or_default(), &mut notes);
    }
    for user in &users {
        notes.note(format!("deleted {} (auth source {})", quote(&user.username), user.source));
        match user.source {
            AuthSource::Ldap => {
                notes.note("the next sync adds a user again if the LDAP directory still has the entry");
            }
            AuthSource::Token | AuthSource::Oidc => {
                notes.note("the next login adds the user again if sync-user-on-login is set");
            }
            AuthSource::Local | AuthSource::Unknown(_) => {}
        }
    }
    let deleted: Vec<String> = users.into_iter().map(|user| user.username).collect();
    let names: Vec<&str> = deleted.iter().map(String::as_str).collect();
    sessions.warn(UserChange::Deleted, &names, &mut notes);
    Ok(DeleteReport { deleted, notes })
}

fn delete_from(table: UserTable<'_>, users: &[User]) -> Result<(), AccountsErrors> {
    match table {
        UserTable::Database { mut transaction } => {
            for user in users {
                transaction.delete(&user.username)?;
            }
            Ok(transaction.commit()?)
        }
        UserTable::Server(server) => Ok(server.delete(users)?),
    }
}

fn name_of(user: &User) -> &str {
    &user.username
}

fn may_delete(source: AuthSource, requested: Option<AuthSource>) -> bool {
    match requested {
        Some(requested) => source == requested,
        None => matches!(source, AuthSource::Local | AuthSource::Unknown(_)),
    }
}
