//! Login with a bind to the LDAP server.

use super::attempt_limit::Attempt;
use super::context::LoginContext;
use super::error::LoginError;
use super::identity::{Identity, Method};
use crate::ldap::config::bind_template;
use crate::ldap::escape::bind_name;
use crate::ldap::{BindCredentials, LdapConfig, LdapError, LdapServer, LdapUser, UserSearchResult};
use crate::sync::user_rights::{UserAnswer, ask_for_login};
use crate::user::{AuthSource, User, Username};
use crate::user_db::{Transaction, UserDb, UserDbError, UserRecord};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The result of looking up a user that is not in the user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownUserLookup {
    /// LDAP does not decide about the login.
    NotInLdap,
    /// Exactly one entry has the name.
    Found(LdapUser),
}

/// Looks up a user that is not in the table. The LDAP server is used only with sync-user-on-login,
/// and only if exactly one entry has the name.
///
/// # Errors
/// [`LoginError::Ldap`].
pub fn find_unknown_user(
    context: &LoginContext<'_>,
    name: &str,
    notes: &mut Notes,
) -> Result<UnknownUserLookup, LoginError> {
    let adds = context.settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_user_on_login.value);
    if !adds || name.chars().any(char::is_control) || name.trim().is_empty() {
        return Ok(UnknownUserLookup::NotInLdap);
    }
    match find(context, name, notes)? {
        UserSearchResult::One(entry) => Ok(UnknownUserLookup::Found(entry)),
        UserSearchResult::None => {
            log::info!("no LDAP entry has the name {name}");
            Ok(UnknownUserLookup::NotInLdap)
        }
        UserSearchResult::Ambiguous => {
            log::info!("several LDAP entries have the name {name}");
            Ok(UnknownUserLookup::NotInLdap)
        }
    }
}

/// Logs in a known user of source ldap.
///
/// # Errors
/// [`LoginError::Rejected`] if the LDAP server rejects the bind, [`LoginError::Ldap`] if the LDAP
/// server fails, [`LoginError::UserDb`].
pub fn login_known(
    context: &LoginContext<'_>,
    store: &mut UserDb,
    user: User,
    password: &SecretText,
    attempt: Option<&mut Attempt<'_>>,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let rejected = || LoginError::Rejected(user.username.clone());
    let dn = if bind_template(context.settings)?.is_some() {
        None
    } else {
        match find(context, &user.username, notes)? {
            UserSearchResult::One(entry) => {
                count_names(attempt, &entry)?;
                Some(entry.dn)
            }
            UserSearchResult::None | UserSearchResult::Ambiguous => {
                log::info!("not exactly one LDAP entry has the name {}", user.username);
                return Err(rejected());
            }
        }
    };
    bind(context, &user.username, dn.as_deref(), password, notes)?;
    // The row may have changed during the bind.
    let current = store.find(&user.username)?.filter(|user| user.source == AuthSource::Ldap);
    let user = current.ok_or_else(rejected)?;
    let updates = context.settings.ldap.as_ref().is_some_and(|ldap| ldap.update_user_on_login.value);
    let user = if updates { update(context, store, user, notes)? } else { user };
    Ok(Identity { user, method: Method::Ldap })
}

/// Logs in a user that is not in the table, and adds the user with the spelling of the LDAP entry
/// after the bind has succeeded. The server adds the row before it checks the password, and with
/// any spelling.
///
/// # Errors
/// The errors of [`login_known`]; [`LoginError::NotAddable`] for an accepted user whose name is not
/// valid for a new user.
pub fn login_unknown(
    context: &LoginContext<'_>,
    store: &mut UserDb,
    entry: &LdapUser,
    password: &SecretText,
    mut attempt: Option<&mut Attempt<'_>>,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let rejected = || LoginError::Rejected(entry.username.clone());
    count_names(attempt.as_deref_mut(), entry)?;
    if let Some(user) = store.find(&entry.username)? {
        // The user table contains the spelling of the entry, not the typed one.
        if user.source != AuthSource::Ldap {
            log::info!("{} is a user of another source in the user table", entry.username);
            return Err(rejected());
        }
        return login_known(context, store, user, password, attempt, notes);
    }
    bind(context, &entry.username, Some(&entry.dn), password, notes)?;
    entry.username.parse::<Username>().map_err(LoginError::NotAddable)?;
    let mut user = User::from_ldap(&entry.username, entry.name.as_deref());
    let rights = ask_for_rights(context, &entry.username, &entry.dn, notes);
    let mut transaction = store.transaction()?;
    match transaction.add(&user, None) {
        Ok(()) => {
            apply_rights(rights.as_ref(), &mut transaction, &mut user)?;
            transaction.commit()?;
            notes.note(format!("added the LDAP user {}", quote(&user.username)));
            Ok(Identity { user, method: Method::Ldap })
        }
        // Another process, such as a synchronization, has added the user in the meantime.
        Err(UserDbError::UserExists(_)) => {
            let current = transaction.record(&user.username)?.map(UserRecord::into_valid_user).transpose()?;
            match current.filter(|user| user.source == AuthSource::Ldap) {
                Some(user) => Ok(Identity { user, method: Method::Ldap }),
                None => Err(rejected()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn count_names(attempt: Option<&mut Attempt<'_>>, entry: &LdapUser) -> Result<(), LoginError> {
    attempt.map_or(Ok(()), |attempt| attempt.count_names(&entry.names))
}

fn find(context: &LoginContext<'_>, name: &str, notes: &mut Notes) -> Result<UserSearchResult, LdapError> {
    let config = LdapConfig::from_settings(context.settings, context.ldap_options, notes)?;
    config.server.connect(&config.credentials, notes)?.find(&config.search, name)
}

/// Binds as the user, with the name of `user-bind`, or otherwise with the DN of the entry. An empty
/// password is rejected before anything is sent (RFC 4513 5.1.2).
fn bind(
    context: &LoginContext<'_>,
    username: &str,
    dn: Option<&str>,
    password: &SecretText,
    notes: &mut Notes,
) -> Result<(), LoginError> {
    let server = LdapServer::from_settings(context.settings, context.ldap_options)?;
    let name = match bind_template(context.settings)? {
        Some(template) => bind_name(&template, username),
        None => dn.unwrap_or_default().to_owned(),
    };
    let outcome = BindCredentials::simple(name, password.clone())
        .and_then(|credentials| server.connect(&credentials, notes));
    match outcome {
        Ok(_) => Ok(()),
        Err(
            error @ (LdapError::BindRejected(_) | LdapError::EmptyPassword | LdapError::InvalidBindName(_)),
        ) => {
            log::info!("{error}");
            Err(LoginError::Rejected(username.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks for the roles and projects that groups give to a user. A failed search does not reject the login.
fn ask_for_rights(
    context: &LoginContext<'_>,
    username: &str,
    dn: &str,
    notes: &mut Notes,
) -> Option<UserAnswer> {
    match ask_for_login(context.settings, context.ldap_options, username, dn, notes) {
        Ok(answer) => answer,
        Err(error) => {
            notes.warn("rights-not-updated", format!("roles and projects were not updated: {error}"));
            None
        }
    }
}

/// Applies roles and projects as a synchronization does.
fn apply_rights(
    rights: Option<&UserAnswer>,
    transaction: &mut Transaction<'_>,
    user: &mut User,
) -> Result<(), UserDbError> {
    let Some(rights) = rights else { return Ok(()) };
    if let Some(change) = rights.apply(transaction, &user.username)? {
        user.roles = change.roles;
        user.projects = change.projects;
    }
    Ok(())
}

/// Returns the user with the current full name of the LDAP entry, and the roles and projects that groups
/// give. A failed search does not reject the login.
fn update(
    context: &LoginContext<'_>,
    store: &mut UserDb,
    mut user: User,
    notes: &mut Notes,
) -> Result<User, LoginError> {
    let entry = match find(context, &user.username, notes) {
        Ok(UserSearchResult::One(entry)) => entry,
        Ok(UserSearchResult::None | UserSearchResult::Ambiguous) => return Ok(user),
        Err(error) => {
            notes.warn("full-name-not-updated", format!("the full name was not updated: {error}"));
            return Ok(user);
        }
    };
    let name = entry.name.filter(|name| Some(name) != user.name.as_ref());
    let rights = ask_for_rights(context, &user.username, &entry.dn, notes);
    if name.is_none() && rights.is_none() {
        return Ok(user);
    }
    let mut transaction = store.transaction()?;
    // Skip the update if another process has changed the user during the search.
    let current = transaction.record(&user.username)?.map(UserRecord::into_valid_user).transpose()?;
    if current.is_some_and(|row| row.source == AuthSource::Ldap && row.name == user.name) {
        if let Some(name) = name {
            transaction.set_name(&user.username, Some(&name))?;
            user.name = Some(name);
        }
        apply_rights(rights.as_ref(), &mut transaction, &mut user)?;
        transaction.commit()?;
    }
    Ok(user)
}
