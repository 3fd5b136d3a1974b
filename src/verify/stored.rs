//! Verification of tokens that are stored in files, for an inventory: which key signed a token, and which
//! endpoints accept it.

use super::context::{SubjectRow, VerifyContext, VerifyRequest};
use super::key_ring::{GivenKeys, KeyRing};
use super::refetch::VerificationKeys as _;
use super::scope_requirement::ScopeRequirement;
use crate::config::Settings;
use crate::key::VerifyingKey;
use crate::policy::{Endpoint, Signer, Verbosity};
use crate::token::TokenError;
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::time::{Clock, Timestamp};

/// Verifies tokens for all endpoints of a server.
#[derive(Debug)]
pub struct StoredTokenVerifier {
    keys: KeyRing,
    settings: Settings,
    request: VerifyRequest,
    db: Option<UserDb>,
}

/// The result for a stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTokenResult {
    /// The owner of the key that verifies the token; `None` if no key of the server does.
    pub signer: Option<Signer>,
    /// The endpoints that accept the token now.
    pub accepted: Vec<Endpoint>,
    /// The reason why the token is not valid, unless no key verifies it.
    pub error: Option<TokenError>,
    /// Whether the user table was read and does not have the subject.
    pub is_user_missing: bool,
}

impl StoredTokenVerifier {
    /// Opens the keys of the settings and the user table, if they exist. `given` replaces keys of the
    /// settings.
    #[must_use]
    pub fn open(
        settings: &Settings,
        given: Vec<(Signer, VerifyingKey)>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Self {
        let keys = KeyRing::known(settings, given, notes);
        let request = VerifyRequest {
            endpoints: Endpoint::ALL.to_vec(),
            required_roles: Vec::new(),
            issuer: None,
            audience: None,
            client_address: None,
            clock: Clock::Fixed(now),
            scope: ScopeRequirement::default(),
            reads_user_table: true,
            keys: GivenKeys::none(),
        };
        Self { keys, settings: settings.clone(), request, db: open_table(settings, notes) }
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
        let context = VerifyContext::new(&self.request, &self.settings, &self.keys);
        let now = self.request.clock.now();
        let accepted = context
            .evaluate(&outcome, row.account(), now, Verbosity::Failures)
            .filter(|result| result.verdict.accepts())
            .filter_map(|result| result.endpoint)
            .collect();
        let is_user_missing = matches!(row, SubjectRow::Missing);
        let (signer, error) = match outcome {
            Ok(token) => (Some(token.owner.signer), None),
            Err(error) => (None, Some(error).filter(|error| !is_of_other_key(error))),
        };
        StoredTokenResult { signer, accepted, error, is_user_missing }
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

fn open_table(settings: &Settings, notes: &mut Notes) -> Option<UserDb> {
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
