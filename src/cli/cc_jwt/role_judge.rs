//! What `cc-jwt verify --login-role` judges by: the role, its configuration and its keys.

use serde_json::{Value, json};

use super::keys::{KeyRing, warn_of_weak};
use super::role;
use super::verify_options::Verify;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::config::Settings;
use crate::key::KeySet;
use crate::policy::login_role::{ANY_ISSUER, LoginRole, RoleConfig, config_warnings};
use crate::util::note::Notes;
use crate::util::time::{Clock, Timestamp};
use crate::verify::login_role_keys::LoginRoleKeys;

/// The role, its configuration and its keys: all that is needed to judge tokens.
pub(super) struct LoginRoleVerifier {
    pub(super) config: RoleConfig,
    pub(super) role: LoginRole,
    pub(super) keys: LoginRoleKeys,
}

impl LoginRoleVerifier {
    /// Reads and fetches everything.
    pub(super) fn open(
        verify: &Verify,
        settings: &Settings,
        now: Timestamp,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        refuse_other_demands(verify)?;
        let given = given_keys(verify);
        let config = role::find_config(verify.role_config.as_deref(), settings, given)?;
        let asked = verify.login_role.as_deref().unwrap_or_default();
        let role = role::find_role(asked, config.default_role.as_deref(), settings)?;
        let mut notes = Notes::new();
        // That every issuer is accepted is a line of the report.
        for warning in config_warnings(&config).into_iter().filter(|warning| warning.check != ANY_ISSUER) {
            notes.add_warning(warning);
        }
        let keys = if verify.has_given_keys() {
            let ring = KeyRing::from_files(&verify.key, None, verify.remote.weak(), now, console)?;
            let sets = verify.remote.open(console)?;
            let fixed: KeySet = ring.keys().chain(&sets.files).cloned().collect();
            LoginRoleKeys::given(config.keys.clone(), fixed, sets.remotes)
        } else {
            let access = verify.remote.access(console)?;
            match LoginRoleKeys::open(&config, &access, now, Clock::System.now(), &mut notes) {
                Ok(keys) => keys,
                Err(error) => {
                    console.notes(notes);
                    return Err(error.into());
                }
            }
        };
        warn_of_weak(keys.keys(), &mut notes);
        console.notes(notes);
        Ok(Self { config, role, keys })
    }
}

/// A role says all there is to demand of a token.
fn refuse_other_demands(verify: &Verify) -> Result<(), Failure> {
    for (given, option) in [
        (!verify.endpoint.is_empty(), "--endpoint"),
        (!verify.require_role.is_empty(), "--require-role"),
        (verify.hmac_secret_file.is_some(), "--hmac-secret-file"),
        (verify.issuer.is_some(), "--issuer"),
        (verify.audience.is_some(), "--audience"),
        (verify.from.is_some(), "--from"),
        (verify.osdf.demand()?.is_there(), "--profile and --scope"),
    ] {
        if given {
            let text = format!("{option} cannot be used with --login-role: the role has all requirements");
            return Err(UsageError::new(text).into());
        }
    }
    Ok(())
}

/// The source of keys that the options stand for, in the words of a configuration.
fn given_keys(verify: &Verify) -> Option<(&'static str, Value)> {
    // What is named here is read from the options; it only says which rules hold for `kid`.
    if verify.remote.is_given() {
        Some(("jwks_url", json!("given on the command line")))
    } else if verify.has_given_keys() {
        Some(("jwt_validation_pubkeys", json!(["given on the command line"])))
    } else {
        None
    }
}
