//! The login methods in the server's order; the first that applies to the user decides.
//!
//! OpenID and remote logins are not in this chain: they are selected by name.

use super::attempt_limit::Attempt;
use super::context::{LoginContext, PasswordComparison};
use super::error::LoginError;
use super::identity::{Identity, Method};
use super::ldap::{self, UnknownUserLookup};
use super::{local, token};
use crate::user::{AuthSource, User};
use crate::user_db::UserDb;
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// The credentials of a login.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The username as typed.
    pub name: Option<String>,
    /// The password.
    pub password: Option<SecretText>,
    /// A token.
    pub token: Option<SecretText>,
}

/// Logs in by LDAP, token or local password, in this order, or by one of them alone.
///
/// LDAP applies to a known user of source ldap and, with sync-user-on-login, to an unknown user
/// with exactly one LDAP entry. A token applies if there is one. The local password applies to a
/// known user of source local. Each rejection of name or password takes the time of one comparison
/// with a password hash.
///
/// # Errors
/// [`LoginError`]; if a method applies and rejects the login, no other method is tried.
pub fn login(
    only: Option<Method>,
    credentials: &Credentials,
    context: &LoginContext<'_>,
    store: &mut UserDb,
    attempt: Option<&mut Attempt<'_>>,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let mut comparison = PasswordComparison::default();
    let outcome = run_chain(only, credentials, context, store, attempt, &mut comparison, notes);
    if let (Err(LoginError::Rejected(_)), Some(given)) = (&outcome, &credentials.password) {
        comparison.ensure_done(given);
    }
    outcome
}

fn run_chain(
    only: Option<Method>,
    credentials: &Credentials,
    context: &LoginContext<'_>,
    store: &mut UserDb,
    attempt: Option<&mut Attempt<'_>>,
    comparison: &mut PasswordComparison,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let settings = context.settings;
    let permits = |method: Method| only.is_none_or(|only| only == method);
    let by_token = credentials.token.as_ref().filter(|_| permits(Method::Token));
    let (Some(name), Some(given)) = (&credentials.name, &credentials.password) else {
        return match by_token {
            Some(text) => token::login(settings, store, text, context.now, notes),
            None => Err(LoginError::Rejected(credentials.name.clone().unwrap_or_default())),
        };
    };
    // An empty password is always rejected, even if an LDAP server or a stored hash would accept
    // it.
    let known = if name.is_empty() { None } else { store.find(name)? };
    if permits(Method::Ldap)
        && (only.is_some() || settings.ldap.is_some())
        && let Some(outcome) = login_by_ldap(context, store, name, known.as_ref(), given, attempt, notes)?
    {
        return Ok(outcome);
    }
    if let Some(text) = by_token.filter(|text| only.is_some() || token::applies_to(settings, text)) {
        return token::login(settings, store, text, context.now, notes);
    }
    if permits(Method::Local) && !given.is_empty() {
        return local::login(store, name, known, given, comparison);
    }
    Err(LoginError::Rejected(name.clone()))
}

/// Logs in by LDAP; returns `None` if LDAP does not apply.
fn login_by_ldap(
    context: &LoginContext<'_>,
    store: &mut UserDb,
    name: &str,
    known: Option<&User>,
    given: &SecretText,
    attempt: Option<&mut Attempt<'_>>,
    notes: &mut Notes,
) -> Result<Option<Identity>, LoginError> {
    match known {
        Some(user) if user.source == AuthSource::Ldap => {
            if given.is_empty() {
                return Err(LoginError::Rejected(name.to_owned()));
            }
            ldap::login_known(context, store, user.clone(), given, attempt, notes).map(Some)
        }
        Some(_) => Ok(None),
        None if given.is_empty() => Ok(None),
        None => match ldap::find_unknown_user(context, name, notes)? {
            UnknownUserLookup::NotInLdap => Ok(None),
            UnknownUserLookup::Found(entry) => {
                let outcome = ldap::login_unknown(context, store, &entry, given, attempt, notes);
                // The error contains the name as typed.
                outcome.map(Some).map_err(|error| match error {
                    LoginError::Rejected(_) => LoginError::Rejected(name.to_owned()),
                    other => other,
                })
            }
        },
    }
}
