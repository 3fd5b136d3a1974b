//! Login by a bind to the directory.

use super::fault::LoginError;
use super::identity::{Identity, Method};
use crate::base::note::Notes;
use crate::base::quote::quote;
use crate::base::secret::SecretText;
use crate::config::Settings;
use crate::directory::escape::bind_name;
use crate::directory::settings::{access, bind_template};
use crate::directory::{Credentials, DirectoryError, Found, Person, Wishes, configured};
use crate::store::{Record, Store, StoreError};
use crate::user::{AuthSource, User, Username};

/// What the directory makes of a name that the table does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// The login is not for the directory.
    NotOurs,
    /// Exactly one entry has the name.
    Person(Person),
}

/// Looks somebody up who is not in the table: the directory serves such a one only with
/// sync-user-on-login, and only when exactly one entry has the name.
///
/// # Errors
/// [`LoginError::Directory`].
pub fn stranger(
    settings: &Settings,
    wishes: &Wishes,
    name: &str,
    notes: &mut Notes,
) -> Result<Stranger, LoginError> {
    let adds = settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_user_on_login.value);
    if !adds || name.chars().any(char::is_control) || name.trim().is_empty() {
        return Ok(Stranger::NotOurs);
    }
    let configured = configured(settings, wishes, notes)?;
    let mut connection = configured.access.connect(&configured.searcher, notes)?;
    match connection.find(&configured.search, name)? {
        Found::One(person) => Ok(Stranger::Person(person)),
        Found::Nobody => {
            log::info!("the directory has nobody called {name}");
            Ok(Stranger::NotOurs)
        }
        Found::Several => {
            log::info!("the directory has several entries called {name}");
            Ok(Stranger::NotOurs)
        }
    }
}

/// Logs a known user of source ldap in.
///
/// # Errors
/// [`LoginError::Refused`] when the directory refuses the bind, [`LoginError::Directory`] when
/// nobody can tell, [`LoginError::Store`].
pub fn login_known(
    settings: &Settings,
    wishes: &Wishes,
    store: &mut Store,
    user: User,
    password: &SecretText,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    bind(settings, wishes, &user.username, password, notes)?;
    let updates = settings.ldap.as_ref().is_some_and(|ldap| ldap.update_user_on_login.value);
    let user = if updates { updated(settings, wishes, store, user, notes)? } else { user };
    Ok(Identity { user, method: Method::Ldap })
}

/// Logs somebody in who is new here, and adds the user, under the directory's own spelling of the
/// name, once the bind was good. The server adds the row before it has looked at the password,
/// and under any spelling.
///
/// # Errors
/// As [`login_known`].
pub fn login_stranger(
    settings: &Settings,
    wishes: &Wishes,
    store: &mut Store,
    person: &Person,
    password: &SecretText,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let refused = || LoginError::Refused(person.username.clone());
    if let Some(user) = store.find(&person.username)? {
        // Asked for in another spelling, but known in the directory's.
        if user.source != Ok(AuthSource::Ldap) {
            log::info!("{} is a user of another source here", person.username);
            return Err(refused());
        }
        return login_known(settings, wishes, store, user, password, notes);
    }
    if let Err(error) = person.username.parse::<Username>() {
        log::info!("nobody is added: {error}");
        return Err(refused());
    }
    bind(settings, wishes, &person.username, password, notes)?;
    let user = User::from_directory(&person.username, person.name.as_deref());
    let mut transaction = store.transaction()?;
    match transaction.add(&user, None) {
        Ok(()) => {
            transaction.commit()?;
            notes.note(format!("added {} from the directory", quote(&user.username)));
            Ok(Identity { user, method: Method::Ldap })
        }
        // Somebody was quicker, such as a sync: what is there counts.
        Err(StoreError::UserExists(_)) => {
            let there = transaction.record(&user.username)?.map(Record::sound).transpose()?;
            match there.filter(|there| there.source == Ok(AuthSource::Ldap)) {
                Some(user) => Ok(Identity { user, method: Method::Ldap }),
                None => Err(refused()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Binds as the person: the only proof there is. An empty password is refused before anything is
/// sent (RFC 4513 5.1.2).
fn bind(
    settings: &Settings,
    wishes: &Wishes,
    username: &str,
    password: &SecretText,
    notes: &mut Notes,
) -> Result<(), LoginError> {
    let access = access(settings, wishes)?;
    let name = bind_name(&bind_template(settings)?, username);
    let proof = Credentials::simple(name, password.clone())
        .and_then(|credentials| access.connect(&credentials, notes));
    match proof {
        Ok(_) => Ok(()),
        Err(
            error @ (DirectoryError::Credentials(_)
            | DirectoryError::EmptyPassword
            | DirectoryError::BindName(_)),
        ) => {
            log::info!("{error}");
            Err(LoginError::Refused(username.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The user with the full name the directory has now. That it can't be looked up spoils no login.
fn updated(
    settings: &Settings,
    wishes: &Wishes,
    store: &mut Store,
    mut user: User,
    notes: &mut Notes,
) -> Result<User, LoginError> {
    let found = configured(settings, wishes, notes).and_then(|configured| {
        configured.access.connect(&configured.searcher, notes)?.find(&configured.search, &user.username)
    });
    let person = match found {
        Ok(Found::One(person)) => person,
        Ok(Found::Nobody | Found::Several) => return Ok(user),
        Err(error) => {
            notes.warn(format!("the full name was not brought up to date: {error}"));
            return Ok(user);
        }
    };
    let Some(name) = person.name.filter(|name| Some(name) != user.name.as_ref()) else { return Ok(user) };
    let mut transaction = store.transaction()?;
    transaction.rename(&user.username, Some(&name))?;
    transaction.commit()?;
    user.name = Some(name);
    Ok(user)
}
