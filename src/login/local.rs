//! Login by a password of the server's own.

use super::fault::LoginError;
use super::identity::{Identity, Method};
use crate::base::secret::SecretText;
use crate::store::Store;
use crate::user::{AuthSource, User, password};

/// Logs a user in whose record is a local one. Somebody who is unknown, of another source or
/// without a password is refused in the same words, after the same time.
///
/// # Errors
/// [`LoginError::Refused`], [`LoginError::Store`].
pub fn login(
    store: &Store,
    name: &str,
    known: Option<User>,
    given: &SecretText,
) -> Result<Identity, LoginError> {
    let refuse = |why: &str| {
        log::info!("no local login of {name}: {why}");
        Err(LoginError::Refused(name.to_owned()))
    };
    let Some(user) = known.filter(|user| user.source == Ok(AuthSource::Local)) else {
        password::verify_unknown(given);
        return refuse("there is no local user of this name");
    };
    let Some(hash) = store.password_hash(name)? else {
        password::verify_unknown(given);
        return refuse("the user has no password");
    };
    match hash.matches(given) {
        Ok(true) => Ok(Identity { user, method: Method::Local }),
        Ok(false) => refuse("wrong password"),
        // The server can't compare with it either.
        Err(error) => refuse(&error.to_string()),
    }
}
