//! Login by a password of the server's own.

use super::context::PasswordComparison;
use super::error::LoginError;
use super::identity::{Identity, Method};
use crate::user::{AuthSource, User};
use crate::user_db::UserDb;
use crate::util::secret::SecretText;

/// Logs a user in whose record is a local one. A user who is unknown, of another source or without
/// a password is rejected in the same words.
///
/// # Errors
/// [`LoginError::Rejected`], [`LoginError::UserDb`].
pub(super) fn login(
    store: &UserDb,
    name: &str,
    known: Option<User>,
    given: &SecretText,
    comparison: &mut PasswordComparison,
) -> Result<Identity, LoginError> {
    let refuse = |why: &str| {
        log::info!("no local login of {name}: {why}");
        Err(LoginError::Rejected(name.to_owned()))
    };
    let Some(user) = known.filter(|user| user.source == AuthSource::Local) else {
        return refuse("there is no local user of this name");
    };
    let Some(hash) = store.password_hash(name)? else {
        return refuse("the user has no password");
    };
    match comparison.with(&hash, given) {
        Ok(true) => Ok(Identity { user, method: Method::Local }),
        Ok(false) => refuse("wrong password"),
        // The server cannot compare with it either.
        Err(error) => refuse(&error.to_string()),
    }
}
