//! Failed attempts, counted in a file of our own so that guessing takes its time.
//!
//! An attempt counts as failed from the moment it begins, and is taken back when it succeeds:
//! many processes that guess at once get no more tries than one. The server's own counting knows
//! nothing of it, and its database is not touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fault::LoginError;
use crate::base::file::{self, Existing, PRIVATE_MODE, SETTINGS_LIMIT};
use crate::base::time::Timestamp;
use crate::user::plain;

/// How many attempts of a user may fail.
pub const MAX_FAILURES: usize = 5;

/// For how long a failed attempt counts, in seconds.
pub const WINDOW_SECONDS: i64 = 15 * 60;

/// How many names are remembered; when there are more, those whose last attempt is longest ago
/// are forgotten.
const MAX_NAMES: usize = 10_000;

/// The file of counted attempts.
#[derive(Debug, Clone)]
pub struct Attempts {
    folder: PathBuf,
}

/// An attempt that has begun, and counts as failed until it is told otherwise.
#[derive(Debug)]
#[must_use = "tell how it ended"]
pub struct Attempt<'attempts> {
    attempts: &'attempts Attempts,
    name: String,
    at: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Ledger {
    /// Name to the instants of failed attempts, in seconds since 1970.
    failures: BTreeMap<String, Vec<i64>>,
}

impl Attempts {
    /// The attempts kept in this folder, which is made when it is needed.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Begins an attempt of this user. Upper and lower case and blanks make no other user, since
    /// they don't for a directory.
    ///
    /// # Errors
    /// [`LoginError::TooManyAttempts`] with the time to wait, [`LoginError::File`] when attempts
    /// can't be counted: then nobody may try.
    pub fn begin(&self, username: &str, now: Timestamp) -> Result<Attempt<'_>, LoginError> {
        let name = plain(username);
        self.change(|ledger| {
            ledger.prune(now.0);
            let failures = ledger.failures.entry(name.clone()).or_default();
            if failures.len() >= MAX_FAILURES {
                let oldest = failures.iter().rev().nth(MAX_FAILURES - 1).copied().unwrap_or(now.0);
                let wait = oldest.saturating_add(WINDOW_SECONDS).saturating_sub(now.0);
                let seconds = u64::try_from(wait).unwrap_or(0).max(1);
                return Err(LoginError::TooManyAttempts { name: username.to_owned(), seconds });
            }
            failures.push(now.0);
            Ok(())
        })??;
        Ok(Attempt { attempts: self, name, at: now.0 })
    }

    /// Reads, changes and writes the ledger while nobody else does.
    fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> Result<T, LoginError> {
        file::create_private_folder(&self.folder)?;
        let lock_path = self.folder.join("attempts.lock");
        let lock = file::open_lock(&lock_path)?;
        lock.lock().map_err(|source| file::FileError::Unwritable { path: lock_path, source })?;
        let path = self.folder.join("attempts.json");
        let mut ledger = match file::read(&path, SETTINGS_LIMIT) {
            // A ledger that is no longer one counts as empty: whoever can break it can remove it.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(file::FileError::Missing(_)) => Ledger::default(),
            Err(error) => return Err(error.into()),
        };
        let outcome = change(&mut ledger);
        let text = serde_json::to_vec(&ledger).unwrap_or_default();
        file::write(&path, &text, PRIVATE_MODE, Existing::Replace)?;
        // The lock ends with the file's handle.
        drop(lock);
        Ok(outcome)
    }
}

impl Ledger {
    /// Forgets what no longer counts. An instant in the future, left by a clock that was wrong,
    /// counts from now on.
    fn prune(&mut self, now: i64) {
        for failures in self.failures.values_mut() {
            for at in failures.iter_mut() {
                *at = (*at).min(now);
            }
            failures.retain(|at| at.saturating_add(WINDOW_SECONDS) > now);
        }
        self.failures.retain(|_, failures| !failures.is_empty());
        while self.failures.len() > MAX_NAMES {
            let oldest = self.failures.iter().min_by_key(|(_, failures)| failures.last().copied());
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { break };
            self.failures.remove(&name);
        }
    }
}

impl Attempt<'_> {
    /// The attempt was good: nothing is held against the user any more.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn succeeded(self) -> Result<(), LoginError> {
        self.attempts.change(|ledger| {
            ledger.failures.remove(&self.name);
        })
    }

    /// Nobody could tell whether the attempt was good, as when the directory is down: it does not
    /// count.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn withdrawn(self) -> Result<(), LoginError> {
        self.attempts.change(|ledger| {
            if let Some(failures) = ledger.failures.get_mut(&self.name)
                && let Some(place) = failures.iter().rposition(|at| *at == self.at)
            {
                failures.remove(place);
            }
        })
    }

    /// The attempt failed, and counts.
    pub fn failed(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(attempts: &Attempts, name: &str, at: i64) -> Result<(), LoginError> {
        attempts.begin(name, Timestamp(at)).map(Attempt::failed)
    }

    fn wait_of(refused: Result<(), LoginError>) -> u64 {
        match refused {
            Err(LoginError::TooManyAttempts { seconds, .. }) => seconds,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sixth_failure_within_a_quarter_of_an_hour_has_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(folder.path());
        for second in 0..5 {
            fail(&attempts, "fritz", 1000 + second * 60).unwrap();
        }
        assert_eq!(wait_of(fail(&attempts, "fritz", 1300)), 600);
        assert_eq!(wait_of(fail(&attempts, " FRITZ ", 1300)), 600, "the same name to a directory");
        fail(&attempts, "anna", 1300).unwrap();
        fail(&attempts, "fritz", 1900).unwrap();
        assert_eq!(wait_of(fail(&attempts, "fritz", 1900)), 60);
    }

    #[test]
    fn a_good_attempt_forgets_the_failures_and_one_nobody_judged_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(folder.path());
        for _ in 0..4 {
            fail(&attempts, "fritz", 1000).unwrap();
        }
        for _ in 0..20 {
            attempts.begin("fritz", Timestamp(1001)).unwrap().withdrawn().unwrap();
        }
        attempts.begin("fritz", Timestamp(1002)).unwrap().succeeded().unwrap();
        for _ in 0..5 {
            fail(&attempts, "fritz", 1003).unwrap();
        }
        assert!(fail(&attempts, "fritz", 1003).is_err());
    }

    #[test]
    fn many_at_once_get_no_more_tries_than_one() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(folder.path());
        let let_through = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..32).map(|_| scope.spawn(|| fail(&attempts, "fritz", 1000).is_ok())).collect();
            threads.into_iter().filter(|_| true).map(|thread| thread.join().unwrap()).filter(|ok| *ok).count()
        });
        assert_eq!(let_through, MAX_FAILURES);
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(folder.path());
        for _ in 0..5 {
            fail(&attempts, "fritz", 9_000_000_000).unwrap();
        }
        assert_eq!(wait_of(fail(&attempts, "fritz", 1000)), 900);
        fail(&attempts, "fritz", 1901).unwrap();
    }

    #[test]
    fn a_broken_ledger_counts_as_empty_and_an_unwritable_one_lets_nobody_try() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("attempts.json"), "rubbish").unwrap();
        fail(&Attempts::new(folder.path()), "fritz", 1000).unwrap();
        let nowhere = Attempts::new(Path::new("/proc/no/such/folder"));
        assert!(matches!(fail(&nowhere, "fritz", 1000), Err(LoginError::File(_))));
    }
}
