//! Verification with one retry after fetching the keys again, since the issuer may have new keys.

use std::sync::{PoisonError, RwLock};

use crate::oidc::jwks_cache::{RemoteJwks, RemoteJwksError};
use crate::token::{TokenError, Unverified, Verified, verify};
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// Verification keys, some of which may be fetched.
pub trait VerificationKeys {
    /// The verified token.
    type Token;

    /// Verifies a token with the current keys.
    ///
    /// # Errors
    /// [`TokenError`].
    fn verify(&self, token: &str) -> Result<Self::Token, TokenError>;

    /// Returns the fetched JWKSs.
    fn remotes(&self) -> &[RemoteJwks];

    /// Fetches each JWKS again if the rate limit permits it; the others do not change.
    ///
    /// # Errors
    /// The first [`RemoteJwksError`]; all JWKSs are tried.
    fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError>;
}

impl VerificationKeys for RemoteJwks {
    type Token = Verified;

    /// Verifies with the keys of this JWKS, for every issuer.
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

/// Fetches each JWKS again if the rate limit permits it.
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
    /// The verified token, or the reason why it is not valid.
    pub outcome: Result<T, TokenError>,
    /// The error of fetching the keys again, if no key verifies the token.
    pub refetch_error: Option<RemoteJwksError>,
}

impl<T> Attempt<T> {
    /// Returns the outcome, unless no key verifies the token and the keys cannot be fetched again.
    ///
    /// # Errors
    /// The outer error is [`Attempt::refetch_error`], the inner one is the token's.
    pub fn require_keys(self) -> Result<Result<T, TokenError>, RemoteJwksError> {
        self.refetch_error.map_or(Ok(self.outcome), Err)
    }
}

/// Verifies a token. If no key verifies it, fetches the keys again, at most once a minute, and retries.
///
/// Threads may share the keys. `now` is the time of the system's clock.
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

/// Returns whether the token may be valid with keys that are not available yet.
const fn may_fit_new_key<T>(outcome: &Result<T, TokenError>) -> bool {
    matches!(
        outcome,
        Err(TokenError::KeyUnknown { .. }
            | TokenError::Signature(_)
            | TokenError::AlgorithmMismatch { .. }
            | TokenError::NoKey)
    )
}
