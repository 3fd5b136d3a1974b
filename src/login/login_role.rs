//! Login with a token and a login role of type jwt (`auth.jwt-roles`), as at Stronghold: the role decides which
//! tokens of which issuer are accepted, and which claim is the username.

use std::path::PathBuf;

use super::error::LoginError;
use super::identity::{Identity, Method};
use super::start::LoginGrant;
use crate::config::Settings;
use crate::http::HttpOptions;
use crate::key::KeyStrength;
use crate::oidc::jwks_cache::Cache;
use crate::policy::Verbosity;
use crate::user::{AuthSource, User};
use crate::user_db::UserDb;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Clock;
use crate::verify::{GivenKeys, KeyAccess, LoginRoleRequest, LoginRoleSource, LoginRoleVerifier};

/// The check of the claim with the username.
const USER_CLAIM: &str = "user-claim";

/// A login role and the way to its keys.
#[derive(Debug)]
pub(super) struct RoleLogin<'run> {
    /// The name of the role.
    pub(super) role: &'run str,
    /// The settings, with the roles.
    pub(super) settings: &'run Settings,
    /// The options of the HTTP client that fetches the keys.
    pub(super) http: HttpOptions,
    /// A file with the bearer token for the URLs of the keys.
    pub(super) bearer_token: Option<PathBuf>,
    /// The cache of the keys.
    pub(super) cache: Cache,
    /// The clock.
    pub(super) clock: Clock,
}

impl RoleLogin<'_> {
    /// Logs in the user that the role selects for this token: the row of the user table if there is one. The login
    /// never adds or changes a row.
    ///
    /// # Errors
    /// [`LoginError::TokenRejected`] with the first failed check, [`LoginError::LoginRole`] for the role and its
    /// keys, [`LoginError::Config`] without roles or keys in the settings, [`LoginError::UserDb`].
    pub(super) fn log_in(
        self,
        token: &SecretText,
        store: &UserDb,
        notes: &mut Notes,
    ) -> Result<LoginGrant, LoginError> {
        let settings = self.settings;
        if settings.jwt_roles.is_none() {
            return Err(settings.missing("auth.jwt-roles").into());
        }
        if settings.jwt_config.is_none() {
            return Err(settings.missing("auth.jwt-config").into());
        }
        let access = KeyAccess { options: self.http, cache: self.cache, strength: KeyStrength::Enforce };
        let request = LoginRoleRequest {
            role: LoginRoleSource::Configured(self.role.to_owned()),
            config: None,
            keys: GivenKeys { access, bearer_token: self.bearer_token, ..GivenKeys::none() },
            clock: self.clock,
        };
        let now = self.clock.now();
        let verifier = LoginRoleVerifier::open(&request, settings, now, notes)?;
        let rejected = |reason: String, hint: Option<String>| LoginError::TokenRejected { reason, hint };
        let text = crate::token::text::one(token.expose())
            .map_err(|error| rejected(error.to_string(), error.hint()))?;
        let result = verifier.verify(&text.token, Verbosity::All, now, notes)?;
        if let Some(failure) = super::token::first_failure(&result.verdict) {
            return Err(failure);
        }
        let login = match (result.token, result.login) {
            (Ok(_), Some(login)) => login,
            (Err(error), _) => return Err(rejected(error.to_string(), error.hint())),
            (Ok(_), None) => return Err(rejected("the login role does not accept it".to_owned(), None)),
        };
        super::token::warn_of_username(USER_CLAIM, &result.verdict, notes);
        let user = store.find(&login.username)?.unwrap_or_else(|| User {
            username: login.username,
            name: None,
            roles: Vec::new(),
            projects: Vec::new(),
            email: None,
            source: AuthSource::Token,
        });
        Ok(LoginGrant {
            identity: Identity { user, method: Method::Token },
            max_seconds: login.session_seconds,
            sync_setting: None,
        })
    }
}
