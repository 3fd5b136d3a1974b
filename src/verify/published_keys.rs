//! The key set that an issuer publishes, with which a signing key is compared before a token is signed.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::VerifyError;
use super::key_ring::{GivenKeys, KeySets};
use crate::key::VerifyingKey;
use crate::util::diagnostic::diagnostics;
use crate::util::note::Notes;
use crate::util::time::{Clock, Timestamp};

/// The number of seconds for which the keys are not read again: the tokens of one run are compared with
/// the same keys.
const REUSE: i64 = 5;

/// A published key set, which is read when a key is compared with it.
#[derive(Debug)]
pub struct PublishedKeys {
    given: GivenKeys,
    /// The system's clock, for the cache of fetched keys.
    clock: Clock,
    last: Mutex<Option<Reading>>,
}

/// The keys, or why they cannot be read.
#[derive(Debug)]
struct Reading {
    at: Timestamp,
    keys: Result<KeySets, Arc<VerifyError>>,
}

/// Why published keys cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot read the published keys: {source}")]
pub struct PublishedKeysError {
    /// The cause.
    source: Arc<VerifyError>,
    /// Whether the keys are fetched: the cause can be temporary.
    pub is_remote: bool,
}

diagnostics! { PublishedKeysError:
    Self { source, .. } => source.kind(), source.hint();
}

impl PublishedKeys {
    /// The key sets of `given`; its other keys are ignored. `clock` is the system's.
    #[must_use]
    pub const fn new(given: GivenKeys, clock: Clock) -> Self {
        Self { given, clock, last: Mutex::new(None) }
    }

    /// Returns the fault that `find_fault` finds in the published keys. If there is one and the keys were
    /// fetched, they are fetched again first, since the issuer may have new keys.
    ///
    /// # Errors
    /// [`PublishedKeysError`]; the notes explain it.
    pub fn check<T>(
        &self,
        find_fault: impl Fn(&[&VerifyingKey]) -> Option<T>,
        notes: &mut Notes,
    ) -> Result<Option<T>, PublishedKeysError> {
        let now = self.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|reading| (0..REUSE).contains(&now.since(reading.at)));
        let reading = last.insert(known.unwrap_or_else(|| Reading {
            at: now,
            keys: self.given.open_sets(now, notes).map_err(Arc::new),
        }));
        let sets = match &mut reading.keys {
            Ok(sets) => sets,
            Err(source) => {
                let is_remote = self.given.is_fetched();
                return Err(PublishedKeysError { source: Arc::clone(source), is_remote });
            }
        };
        let fault = find_fault(&sets.all().collect::<Vec<_>>());
        if fault.is_none() || !self.given.is_fetched() {
            return Ok(fault);
        }
        sets.refetch(now, notes).map_err(|error| PublishedKeysError {
            source: Arc::new(VerifyError::from(error)),
            is_remote: true,
        })?;
        Ok(find_fault(&sets.all().collect::<Vec<_>>()))
    }
}
