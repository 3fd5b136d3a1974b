//! What every login works with: the settings and the present, and the one comparison that each
//! rejection costs.

use crate::config::Settings;
use crate::ldap::LdapOptions;
use crate::user::password::{self, HashError, PasswordHash};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// What every login works with.
#[derive(Debug, Clone, Copy)]
pub struct LoginContext<'run> {
    /// The settings.
    pub settings: &'run Settings,
    /// How the LDAP server is reached.
    pub ldap_options: &'run LdapOptions,
    /// The present.
    pub now: Timestamp,
}

/// The comparison with a password hash that every rejection does once, so that its time does not
/// show whether the name is known, nor by what method it would log in.
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

    /// Spends the time of a comparison, if there was none.
    pub(super) fn ensure_done(self, given: &SecretText) {
        if !self.done {
            password::verify_unknown(given);
        }
    }
}
