//! The context of a login: settings, time, and the password comparison of each rejection.

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

/// The comparison with a password hash. Every rejection does it once, so that its duration does not
/// reveal whether the username exists or which login method it uses.
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

    /// Performs a comparison if there was none.
    pub(super) fn ensure_done(self, given: &SecretText) {
        if !self.done {
            password::verify_unknown(given);
        }
    }
}
