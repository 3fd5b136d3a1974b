//! Login with the password in the user table.

use super::context::PasswordComparison;
use super::error::LoginError;
use super::identity::{Identity, Method};
use crate::user::{AuthSource, User};
use crate::user_db::UserDb;
use crate::util::secret::SecretText;

/// Logs in a user of source local. An unknown user, a user of another source and a user without a
/// password are rejected with the same message.
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
    let reject = |why: &str| {
        log::info!("no local login of {name}: {why}");
        Err(LoginError::Rejected(name.to_owned()))
    };
    let Some(user) = known.filter(|user| user.source == AuthSource::Local) else {
        return reject("no local user has this name");
    };
    let Some(hash) = store.password_hash(name)? else {
        return reject("the user has no password");
    };
    match comparison.with(&hash, given) {
        Ok(true) => Ok(Identity { user, method: Method::Local }),
        Ok(false) => reject("wrong password"),
        // The server cannot compare with this hash either.
        Err(error) => reject(&error.to_string()),
    }
}
