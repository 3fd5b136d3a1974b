//! The methods in the server's order; the first that is meant for somebody decides.
//!
//! OpenID Connect and the server itself ask the person elsewhere and are not in the chain: they
//! are chosen by name.

use super::fault::LoginError;
use super::identity::{Identity, Method};
use super::ldap::{self, Stranger};
use super::{local, token};
use crate::base::note::Notes;
use crate::base::secret::SecretText;
use crate::base::time::Timestamp;
use crate::config::Settings;
use crate::directory::Wishes;
use crate::store::Store;
use crate::user::{AuthSource, User, password};

/// What somebody shows to prove who he or she is.
#[derive(Debug, Clone, Default)]
pub struct Presented {
    /// The name, as typed.
    pub name: Option<String>,
    /// The password.
    pub password: Option<SecretText>,
    /// A token.
    pub token: Option<SecretText>,
}

/// Finds out who it is: by LDAP, token or local password, in this order, or by one of them alone.
///
/// LDAP is for a known user of source ldap, and with sync-user-on-login for an unknown one whom
/// the directory has exactly once; a token for whoever shows one; the local password for a known
/// user of source local. Whoever none of them is for is refused after the time of a comparison.
///
/// # Errors
/// [`LoginError`]; a method that is meant for somebody and refuses is the end.
pub fn login(
    only: Option<Method>,
    presented: &Presented,
    settings: &Settings,
    wishes: &Wishes,
    store: &mut Store,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let wants = |method: Method| only.is_none_or(|only| only == method);
    let by_token = presented.token.as_ref().filter(|_| wants(Method::Token));
    let (Some(name), Some(given)) = (&presented.name, &presented.password) else {
        return match by_token {
            Some(text) => token::login(settings, store, text, now, notes),
            None => Err(LoginError::Refused(presented.name.clone().unwrap_or_default())),
        };
    };
    // An empty password is no password, whatever a directory or a stored hash would say.
    let known = if name.is_empty() { None } else { store.find(name)? };
    if wants(Method::Ldap)
        && (only.is_some() || settings.ldap.is_some())
        && let Some(outcome) = by_ldap(settings, wishes, store, name, known.as_ref(), given, notes)?
    {
        return Ok(outcome);
    }
    if let Some(text) = by_token.filter(|text| only.is_some() || token::is_looked_at(settings, text)) {
        return token::login(settings, store, text, now, notes);
    }
    if wants(Method::Local) && !given.is_empty() {
        return local::login(store, name, known, given);
    }
    password::verify_unknown(given);
    Err(LoginError::Refused(name.clone()))
}

/// The login by the directory, or nothing when it is not for the directory to decide.
fn by_ldap(
    settings: &Settings,
    wishes: &Wishes,
    store: &mut Store,
    name: &str,
    known: Option<&User>,
    given: &SecretText,
    notes: &mut Notes,
) -> Result<Option<Identity>, LoginError> {
    match known {
        Some(user) if user.source == Ok(AuthSource::Ldap) => {
            if given.is_empty() {
                return Err(LoginError::Refused(name.to_owned()));
            }
            ldap::login_known(settings, wishes, store, user.clone(), given, notes).map(Some)
        }
        Some(_) => Ok(None),
        None if given.is_empty() => Ok(None),
        None => match ldap::stranger(settings, wishes, name, notes)? {
            Stranger::NotOurs => Ok(None),
            Stranger::Person(person) => {
                let outcome = ldap::login_stranger(settings, wishes, store, &person, given, notes);
                // The refusal names whom the person asked for.
                outcome.map(Some).map_err(|error| match error {
                    LoginError::Refused(_) => LoginError::Refused(name.to_owned()),
                    other => other,
                })
            }
        },
    }
}
