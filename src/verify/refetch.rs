//! Verification with one retry: when no key fits a token, the issuer may have new keys.

use std::sync::{PoisonError, RwLock};

use crate::oidc::jwks_cache::{RemoteJwks, RemoteJwksError};
use crate::token::{TokenError, Unverified, Verified, verify};
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// Keys that verify tokens, some of them fetched.
pub trait VerificationKeys {
    /// A verified token.
    type Token;

    /// Verifies a token with the present keys.
    ///
    /// # Errors
    /// [`TokenError`].
    fn verify(&self, token: &str) -> Result<Self::Token, TokenError>;

    /// The fetched key sets.
    fn remotes(&self) -> &[RemoteJwks];

    /// Fetches the key sets again where that is permitted now; the others stay as they are.
    ///
    /// # Errors
    /// The first [`RemoteJwksError`], after all key sets were tried.
    fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError>;
}

impl VerificationKeys for RemoteJwks {
    type Token = Verified;

    /// With the keys of this set, for every issuer.
    fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        verify(Unverified::parse(token)?, self.keys().keys())
    }

    fn remotes(&self) -> &[RemoteJwks] {
        std::slice::from_ref(self)
    }

    fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError> {
        Self::refetch(self, now, notes).map(|_| ())
    }
}

/// Fetches each key set again where that is permitted now.
pub(super) fn refetch_all(
    remotes: &mut [RemoteJwks],
    now: Timestamp,
    notes: &mut Notes,
) -> Result<(), RemoteJwksError> {
    let mut first_error = None;
    for remote in remotes {
        if let Err(error) = remote.refetch(now, notes) {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The outcome of a verification.
#[derive(Debug)]
#[must_use]
pub struct Attempt<T> {
    /// The verified token, or why it is not valid.
    pub outcome: Result<T, TokenError>,
    /// Why keys could not be fetched again, if no key fits.
    pub refetch_error: Option<RemoteJwksError>,
}

impl<T> Attempt<T> {
    /// The outcome, unless no key fits and keys could not be fetched again.
    ///
    /// # Errors
    /// The outer one is [`Attempt::refetch_error`], the inner one is about the token.
    pub fn require_keys(self) -> Result<Result<T, TokenError>, RemoteJwksError> {
        self.refetch_error.map_or(Ok(self.outcome), Err)
    }
}

/// Verifies a token. When no key fits, the fetched keys are fetched again, at most once a minute, and
/// the token is verified again. Threads may share the keys. `now` is the time of the system's clock.
pub fn verify_with_refetch<K: VerificationKeys>(
    keys: &RwLock<K>,
    token: &str,
    now: Timestamp,
    notes: &mut Notes,
) -> Attempt<K::Token> {
    {
        let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = keys.verify(token);
        let is_permitted = || keys.remotes().iter().any(|remote| remote.may_refetch(now));
        if !may_fit_new_key(&outcome) || !is_permitted() {
            return Attempt { outcome, refetch_error: None };
        }
    }
    let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
    let refetched = keys.refetch(now, notes);
    let outcome = keys.verify(token);
    Attempt { refetch_error: refetched.err().filter(|_| may_fit_new_key(&outcome)), outcome }
}

/// Whether the token may be valid with keys that are not present.
const fn may_fit_new_key<T>(outcome: &Result<T, TokenError>) -> bool {
    matches!(
        outcome,
        Err(TokenError::KeyUnknown { .. }
            | TokenError::Signature(_)
            | TokenError::AlgorithmMismatch { .. }
            | TokenError::NoKey)
    )
}
