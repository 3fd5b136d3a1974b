//! Verification of tokens on request.
//!
//! [`VerifyRequest`] -> [`KeyRing`] -> verified token with the owner of its key -> a verdict for each
//! endpoint -> [`VerifyOutcome`]. [`LoginRoleVerifier`] does the same for a login role.
//!
//! If no key verifies a token, [`verify_with_refetch`] fetches the keys again. This module does not
//! print and does not read the clock.

mod context;
mod error;
mod key_ring;
mod lines;
mod login_role;
mod login_role_keys;
mod published_keys;
mod refetch;
mod role_pull;
mod scope_requirement;
mod stored;

use std::sync::RwLock;

pub use context::{EndpointResult, VerifyRequest, server_notes};
pub use error::VerifyError;
pub use key_ring::{
    GivenKeys, KeyAccess, KeyOwner, KeyRing, KeySetSource, OwnedToken, read_known_keys, warn_of_short_secret,
};
pub use lines::{Line, StreamError, StreamOutput, StreamSummary, check_lines, open_lines};
pub use login_role::{
    LoginRoleRequest, LoginRoleResult, LoginRoleSource, LoginRoleVerifier, RoleDocument, RoleFindings,
};
pub use login_role_keys::LoginRoleKeys;
pub use published_keys::{PublishedKeys, PublishedKeysError};
pub use refetch::{Attempt, VerificationKeys, verify_with_refetch};
pub use role_pull::{FileChange, PulledFile, RolePullError, RolePullRequest, is_role_file_name, pull_roles};
pub use scope_requirement::{ProfileChoice, RequiredOperation, ScopeRequirement};
pub use stored::{RejectionReasons, StoredTokenResult, StoredTokenVerifier, open_user_table};

use context::{SubjectRow, VerifyContext};

use crate::config::Settings;
use crate::policy::{Finding, Verbosity};
use crate::token::TokenError;
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// The result of a verification.
#[derive(Debug)]
pub struct VerifyOutcome {
    /// The verified token, or the reason why its signature is not valid.
    pub token: Result<OwnedToken, TokenError>,
    /// A result for each requested endpoint or, without endpoints, one for the token itself.
    pub results: Vec<EndpointResult>,
}

impl VerifyOutcome {
    /// Returns whether the token is valid and every requested endpoint accepts it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.results.iter().all(|result| result.verdict.accepts())
    }
}

/// Verifies one token. `system` is the system's clock, for the cache of fetched keys.
///
/// # Errors
/// [`VerifyError`], including [`VerifyError::Token`] for input that is not a token; the notes explain
/// it.
pub fn verify_token(
    request: &VerifyRequest,
    settings: &Settings,
    token: &SecretText,
    system: Clock,
    notes: &mut Notes,
) -> Result<VerifyOutcome, VerifyError> {
    let keys = open_keys(request, settings, system, notes)?;
    let context = VerifyContext::new(request, settings, &keys);
    let token =
        verify_with_refetch(&RwLock::new(keys), token.expose(), system.now(), notes).require_keys()?;
    if let Err(error) = &token
        && error.is_malformed()
    {
        return Err(error.clone().into());
    }
    let subject = token.as_ref().ok().and_then(|token| token.verified.claims().subject());
    let row = SubjectRow::look_up(subject, request, settings, notes)?;
    let now = request.clock.now();
    let results = context.evaluate(&token, row.account(), now, Verbosity::All).collect();
    Ok(VerifyOutcome { token, results })
}

fn open_keys(
    request: &VerifyRequest,
    settings: &Settings,
    system: Clock,
    notes: &mut Notes,
) -> Result<KeyRing, VerifyError> {
    let at = request.clock.now();
    KeyRing::open(&request.keys, settings, &request.endpoints, at, system.now(), notes)
}

/// A verifier for many tokens. Threads may share it.
#[derive(Debug)]
pub struct StreamVerifier<'a> {
    request: &'a VerifyRequest,
    context: VerifyContext<'a>,
    keys: RwLock<KeyRing>,
    database: Option<&'a std::path::Path>,
    system: Clock,
}

/// The result for one token of a stream.
#[derive(Debug)]
pub struct TokenResult {
    /// The subject, if the signature is valid; with a login role, the username.
    pub subject: Option<String>,
    /// The first check that failed; `None` for a valid token.
    pub failure: Option<Finding>,
}

impl<'a> StreamVerifier<'a> {
    /// Opens the keys for all tokens.
    ///
    /// # Errors
    /// [`VerifyError`]; the notes explain it.
    pub fn open(
        request: &'a VerifyRequest,
        settings: &'a Settings,
        system: Clock,
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        let keys = open_keys(request, settings, system, notes)?;
        let context = VerifyContext::new(request, settings, &keys);
        let reads_table = settings.jwts.validate_user.value && request.reads_user_table;
        let database = if reads_table { Some(settings.database()?) } else { None };
        Ok(Self { request, context, keys: RwLock::new(keys), database, system })
    }

    /// Creates a worker for one thread, with its own connection to the user table.
    ///
    /// # Errors
    /// [`VerifyError::UserDb`].
    pub fn worker(&self) -> Result<impl Fn(&str) -> TokenResult + Send + '_, VerifyError> {
        let db = self.database.map(|path| UserDb::open(path, OpenMode::Read)).transpose()?;
        Ok(move |token: &str| self.verify(token, db.as_ref()))
    }

    fn verify(&self, token: &str, db: Option<&UserDb>) -> TokenResult {
        let now = self.system.now();
        let attempt = verify_with_refetch(&self.keys, token, now, &mut Notes::new());
        if let Some(error) = &attempt.refetch_error {
            log::info!("cannot fetch keys again, using the present ones: {error}");
        }
        let token = attempt.outcome;
        let subject = token.as_ref().ok().and_then(|token| token.verified.claims().subject());
        let row = match (db, subject) {
            (Some(db), Some(subject)) => SubjectRow::of(db, subject),
            _ => SubjectRow::NotQueried,
        };
        let failure = self
            .context
            .evaluate(&token, row.account(), self.request.clock.now(), Verbosity::Failures)
            .find_map(|result| result.verdict.into_failure());
        TokenResult { subject: subject.map(str::to_owned), failure }
    }
}

impl LoginRoleVerifier {
    /// Verifies one token of a stream. `system` is the system's clock.
    #[must_use]
    pub fn verify_in_stream(&self, token: &str, system: Clock) -> TokenResult {
        let LoginRoleResult { verdict, login, .. } = self.verify_line(token, system.now());
        TokenResult { subject: login.map(|login| login.username), failure: verdict.into_failure() }
    }
}
