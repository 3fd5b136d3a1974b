//! The context of a login: settings and time, and the password comparison of each rejection.

use crate::config::Settings;
use crate::ldap::LdapOptions;
use crate::user::password::{self, HashError, PasswordHash};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The context of a login by LDAP, token or local password.
#[derive(Debug, Clone, Copy)]
pub struct LoginContext<'run> {
    /// The settings.
    pub settings: &'run Settings,
    /// How to connect to the LDAP server.
    pub ldap_options: &'run LdapOptions,
    /// The current time.
    pub now: Timestamp,
}

/// The comparison with a password hash that every rejection does once, so that its duration does not
/// reveal whether the username is known, nor its login method.
#[derive(Debug, Default)]
pub(super) struct PasswordComparison {
    done: bool,
}

impl PasswordComparison {
    /// Compares with a hash.
    pub(super) fn with(&mut self, hash: &PasswordHash, given: &SecretText) -> Result<bool, HashError> {
        self.done = true;
        hash.matches(given)
    }

    /// Takes the time of a comparison, if there was none.
    pub(super) fn ensure_done(self, given: &SecretText) {
        if !self.done {
            password::verify_unknown(given);
        }
    }
}
