//! Verification of tokens that are stored in files, for an inventory: which key signed a token, and which
//! endpoints accept it.

use super::context::{SubjectRow, VerifyContext, VerifyRequest};
use super::key_ring::{GivenKeys, KeyRing};
use super::refetch::VerificationKeys as _;
use super::scope_requirement::ScopeRequirement;
use crate::config::Settings;
use crate::key::VerifyingKey;
use crate::policy::server_access::ServerRules;
use crate::policy::{Endpoint, Finding, Signer, Verbosity};
use crate::token::TokenError;
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::time::{Clock, Timestamp};

/// Verifies tokens for all endpoints of a server.
#[derive(Debug)]
pub struct StoredTokenVerifier {
    keys: KeyRing,
    /// For all endpoints, with the rules of the server for them.
    server: (VerifyRequest, ServerRules),
    /// For the token by itself, if the results have reasons.
    alone: Option<(VerifyRequest, ServerRules)>,
    db: Option<UserDb>,
}

/// The result for a stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTokenResult {
    /// The owner of the key that verifies the token; `None` if no key of the server does.
    pub signer: Option<Signer>,
    /// The endpoints that accept the token now.
    pub accepted: Vec<Endpoint>,
    /// The checks that fail, if the verifier explains its results.
    pub explanation: Option<RejectionReasons>,
    /// The reason why the token is not valid, unless no key verifies it.
    pub error: Option<TokenError>,
    /// Whether the user table was read and does not have the subject.
    pub is_user_missing: bool,
}

/// Why a token is not valid, and why endpoints reject it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectionReasons {
    /// The check that fails without an endpoint; `None` for a valid token.
    pub failure: Option<Finding>,
    /// The check that fails for each endpoint that rejects the token.
    pub rejected: Vec<(Endpoint, Finding)>,
}

impl StoredTokenVerifier {
    /// Opens the keys of the settings and the user table, if they exist. `given` replaces keys of the
    /// settings. With `explains`, the results have the reasons of rejections, which need memory.
    #[must_use]
    pub fn open(
        settings: &Settings,
        given: Vec<(Signer, VerifyingKey)>,
        now: Timestamp,
        explains: bool,
        notes: &mut Notes,
    ) -> Self {
        let keys = KeyRing::known(settings, given, notes);
        let request = VerifyRequest {
            endpoints: Vec::new(),
            required_roles: Vec::new(),
            issuer: None,
            audience: None,
            client_address: None,
            clock: Clock::Fixed(now),
            scope: ScopeRequirement::default(),
            reads_user_table: true,
            keys: GivenKeys::none(),
        };
        let with_rules = |endpoints: &[Endpoint]| {
            let request = VerifyRequest { endpoints: endpoints.to_vec(), ..request.clone() };
            let rules = VerifyContext::new(&request, settings, &keys).into_rules();
            (request, rules)
        };
        let server = with_rules(&Endpoint::ALL);
        let alone = explains.then(|| with_rules(&[]));
        Self { keys, server, alone, db: open_user_table(settings, notes) }
    }

    /// Returns the keys of the server with their owners.
    pub fn keys(&self) -> impl Iterator<Item = (Signer, &VerifyingKey)> {
        self.keys.iter()
    }

    /// Verifies a token.
    #[must_use]
    pub fn verify(&self, token: &str) -> StoredTokenResult {
        let outcome = self.keys.verify(token);
        let subject = outcome.as_ref().ok().and_then(|token| token.verified.claims().subject());
        let row = match (&self.db, subject) {
            (Some(db), Some(subject)) if !subject.is_empty() => SubjectRow::of(db, subject),
            _ => SubjectRow::NotQueried,
        };
        let mut accepted = Vec::new();
        let mut explanation = self.alone.is_some().then(RejectionReasons::default);
        for (request, rules) in std::iter::once(&self.server).chain(&self.alone) {
            let context = VerifyContext::with_rules(request, rules);
            let now = request.clock.now();
            for result in context.evaluate(&outcome, row.account(), now, Verbosity::Failures) {
                let failure = result.verdict.into_failure();
                match (result.endpoint, failure, &mut explanation) {
                    (Some(endpoint), None, _) => accepted.push(endpoint),
                    (Some(endpoint), Some(finding), Some(reasons)) => {
                        reasons.rejected.push((endpoint, finding))
                    }
                    (None, finding, Some(reasons)) => reasons.failure = finding,
                    (_, _, None) => {}
                }
            }
        }
        let is_user_missing = matches!(row, SubjectRow::Missing);
        let (signer, error) = match outcome {
            Ok(token) => (Some(token.owner.signer), None),
            Err(error) => (None, Some(error).filter(|error| !is_of_other_key(error))),
        };
        StoredTokenResult { signer, accepted, explanation, error, is_user_missing }
    }
}

/// Returns whether the token may be valid with another key.
const fn is_of_other_key(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Signature(_)
            | TokenError::KeyUnknown { .. }
            | TokenError::AlgorithmMismatch { .. }
            | TokenError::NoKey
    )
}

/// Opens the user table of the settings; `None` if there is none. A table that cannot be read is a warning.
pub fn open_user_table(settings: &Settings, notes: &mut Notes) -> Option<UserDb> {
    let path = match settings.database() {
        Ok(path) => path,
        Err(error) => {
            notes.warn("user-table-unreadable", format!("{error}; the user table is not used"));
            return None;
        }
    };
    if settings.db.is_default() && !path.exists() {
        return None;
    }
    log::info!("the users are those of {}", quote_path(path));
    match UserDb::open(path, OpenMode::ReadOnly) {
        Ok(db) => Some(db),
        Err(error) => {
            notes.warn("user-table-unreadable", format!("{error}; the user table is not used"));
            None
        }
    }
}
