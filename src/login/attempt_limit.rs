//! The limit of failed logins, counted in a file of this program.
//!
//! An attempt counts as failed from its start and is canceled if it succeeds or ends without a
//! result, so concurrent processes share one limit. The file contains hashes of at most 4,096
//! usernames, which bounds its size. It is independent of the server's limit and does not change
//! the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::error::LoginError;
pub use super::error::MAX_NAME_BYTES;
use crate::user::normalized;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::json;
use crate::util::time::Timestamp;

/// The number of failed attempts of a user within [`WINDOW_SECONDS`].
pub const MAX_FAILURES: usize = 5;

/// The period for which a failed attempt counts, in seconds.
pub const WINDOW_SECONDS: i64 = 15 * 60;

/// The maximum number of names. Beyond it, the names with the fewest failures are removed, the
/// oldest first.
const MAX_NAMES: usize = 4096;

/// The maximum size of the file, in bytes. [`MAX_NAMES`] names with [`MAX_FAILURES`] times of
/// maximum length need less than 700,000.
const FILE_LIMIT: u64 = 1 << 20;

/// The number of digits of a hash: 128 bits, so that accidental collisions do not occur.
const HASH_DIGITS: usize = 32;

/// The maximum number of names of one LDAP entry that are counted.
const ENTRY_NAMES: usize = 16;

/// The file of failed attempts.
#[derive(Debug, Clone)]
pub struct Attempts {
    directory: PathBuf,
}

/// An attempt in progress. It counts as failed if the process is killed; it is canceled if it is
/// dropped without a result, such as by a panic.
#[derive(Debug)]
#[must_use = "an attempt that is dropped does not count"]
pub struct Attempt<'attempts> {
    attempts: &'attempts Attempts,
    username: String,
    keys: Vec<String>,
    at: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AttemptLog {
    /// The times of failed attempts in seconds since 1970, by the hash of the name.
    failures: BTreeMap<String, Vec<i64>>,
}

impl Attempts {
    /// Creates the limit with its file in this directory, which is created if necessary.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Starts an attempt of this user. Case and surrounding spaces are ignored, as in an LDAP
    /// directory.
    ///
    /// # Errors
    /// [`LoginError::NameTooLong`] for a name over the limit, which is not counted,
    /// [`LoginError::TooManyAttempts`] with the time to wait, [`LoginError::File`] if attempts
    /// cannot be counted; logins are then impossible.
    pub fn begin(&self, username: &str, now: Timestamp) -> Result<Attempt<'_>, LoginError> {
        if username.len() > MAX_NAME_BYTES {
            return Err(LoginError::NameTooLong { length: username.len() });
        }
        let mut attempt =
            Attempt { attempts: self, username: username.to_owned(), keys: Vec::new(), at: now.0 };
        attempt.count(vec![key(username)])?;
        Ok(attempt)
    }

    /// Reads, changes and writes the log under its lock.
    fn change<T>(&self, change: impl FnOnce(&mut AttemptLog) -> T) -> Result<T, LoginError> {
        file::create_own_directory(&self.directory)?;
        let lock_path = self.directory.join("attempts.lock");
        let lock = file::open_lock(&lock_path)?;
        lock.lock().map_err(|source| file::FileError::WriteFailed { path: lock_path, source })?;
        let path = self.directory.join("attempts.json");
        let mut log: AttemptLog = match file::read_own(&path, FILE_LIMIT) {
            // Treat a malformed log as empty: an account that can damage it can also delete it.
            Ok(bytes) => json::typed(&bytes).unwrap_or_default(),
            Err(file::FileError::Missing(_) | file::FileError::TooLarge { .. }) => AttemptLog::default(),
            Err(error) => return Err(error.into()),
        };
        let outcome = change(&mut log);
        let text = serde_json::to_vec(&log).unwrap_or_default();
        file::write(&path, &text, PRIVATE_MODE, Existing::Replace)?;
        // Dropping the file releases the lock.
        drop(lock);
        Ok(outcome)
    }
}

/// Hashes a name.
fn key(name: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, normalized(name).as_bytes());
    HEXLOWER.encode(digest.as_ref()).chars().take(HASH_DIGITS).collect()
}

impl AttemptLog {
    /// Removes attempts that no longer count. A time in the future, from a wrong clock, counts as
    /// now.
    fn prune(&mut self, now: i64) {
        self.failures.retain(|key, failures| {
            for at in failures.iter_mut() {
                *at = (*at).min(now);
            }
            failures.retain(|at| at.saturating_add(WINDOW_SECONDS) > now);
            failures.drain(..failures.len().saturating_sub(MAX_FAILURES));
            !failures.is_empty() && key.len() == HASH_DIGITS
        });
        let surplus = self.failures.len().saturating_sub(MAX_NAMES);
        if surplus > 0 {
            let mut ranked: Vec<_> = self
                .failures
                .iter()
                .map(|(key, failures)| (failures.len(), failures.last().copied(), key.clone()))
                .collect();
            ranked.sort_unstable();
            for (_, _, key) in ranked.into_iter().take(surplus) {
                self.failures.remove(&key);
            }
        }
    }
}

impl Attempt<'_> {
    /// Counts the attempt for all names of the LDAP entry: an LDAP server also finds an entry by
    /// other spellings of its names (RFC 4518) and by each of its names.
    ///
    /// # Errors
    /// [`LoginError::TooManyAttempts`] if one of the names has failed too often,
    /// [`LoginError::File`].
    pub fn count_names(&mut self, names: &[String]) -> Result<(), LoginError> {
        let mut keys: Vec<String> = names.iter().take(ENTRY_NAMES).map(|name| key(name)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| !self.keys.contains(key));
        if keys.is_empty() { Ok(()) } else { self.count(keys) }
    }

    fn count(&mut self, keys: Vec<String>) -> Result<(), LoginError> {
        let now = self.at;
        self.attempts.change(|log| {
            log.prune(now);
            let wait = |failures: &Vec<i64>| {
                let oldest = failures.iter().rev().nth(MAX_FAILURES - 1)?;
                let wait = oldest.saturating_add(WINDOW_SECONDS).saturating_sub(now);
                Some(u64::try_from(wait).unwrap_or(0).max(1))
            };
            let longest = keys.iter().filter_map(|key| log.failures.get(key)).filter_map(wait).max();
            if let Some(seconds) = longest {
                return Err(LoginError::TooManyAttempts { name: self.username.clone(), seconds });
            }
            for key in &keys {
                log.failures.entry(key.clone()).or_default().push(now);
            }
            log.prune(now);
            Ok(())
        })??;
        self.keys.extend(keys);
        Ok(())
    }

    /// Ends a successful attempt and removes the failures of the user.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn succeeded(mut self) -> Result<(), LoginError> {
        let keys = std::mem::take(&mut self.keys);
        self.attempts.change(|log| {
            for key in &keys {
                log.failures.remove(key);
            }
        })
    }

    /// Cancels an attempt without a result, for example if the LDAP server is down; it does not
    /// count.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn cancel(mut self) -> Result<(), LoginError> {
        self.withdraw()
    }

    /// Ends a failed attempt, which counts.
    pub fn failed(mut self) {
        self.keys.clear();
    }

    fn withdraw(&mut self) -> Result<(), LoginError> {
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return Ok(());
        }
        self.attempts.change(|log| {
            for key in &keys {
                if let Some(failures) = log.failures.get_mut(key)
                    && let Some(place) = failures.iter().rposition(|at| *at == self.at)
                {
                    failures.remove(place);
                }
            }
            log.failures.retain(|_, failures| !failures.is_empty());
        })
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.withdraw() {
            log::info!("cannot cancel the attempt, which counts: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(attempts: &Attempts, name: &str, at: i64) -> Result<(), LoginError> {
        attempts.begin(name, Timestamp(at)).map(Attempt::failed)
    }

    fn wait_of(outcome: Result<(), LoginError>) -> u64 {
        match outcome {
            Err(LoginError::TooManyAttempts { seconds, .. }) => seconds,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attempt_limit_rejects_attempts_after_five_failures_in_15_minutes() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        for second in 0..5 {
            fail(&attempts, "fritz", 1000 + second * 60).unwrap();
        }
        assert_eq!(wait_of(fail(&attempts, "fritz", 1300)), 600);
        assert_eq!(wait_of(fail(&attempts, " FRITZ ", 1300)), 600, "the same name for an LDAP directory");
        fail(&attempts, "anna", 1300).unwrap();
        fail(&attempts, "fritz", 1900).unwrap();
        assert_eq!(wait_of(fail(&attempts, "fritz", 1900)), 60);
    }

    #[test]
    fn attempt_success_removes_failures_and_cancel_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        for _ in 0..4 {
            fail(&attempts, "fritz", 1000).unwrap();
        }
        for _ in 0..20 {
            attempts.begin("fritz", Timestamp(1001)).unwrap().cancel().unwrap();
        }
        attempts.begin("fritz", Timestamp(1002)).unwrap().succeeded().unwrap();
        for _ in 0..5 {
            fail(&attempts, "fritz", 1003).unwrap();
        }
        assert!(fail(&attempts, "fritz", 1003).is_err());
    }

    #[test]
    fn attempt_limit_is_shared_by_concurrent_processes() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        let accepted = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..32).map(|_| scope.spawn(|| fail(&attempts, "fritz", 1000).is_ok())).collect();
            threads.into_iter().filter(|_| true).map(|thread| thread.join().unwrap()).filter(|ok| *ok).count()
        });
        assert_eq!(accepted, MAX_FAILURES);
    }

    #[test]
    fn attempts_in_the_future_expire() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        for _ in 0..5 {
            fail(&attempts, "fritz", 9_000_000_000).unwrap();
        }
        assert_eq!(wait_of(fail(&attempts, "fritz", 1000)), 900);
        fail(&attempts, "fritz", 1901).unwrap();
    }

    #[test]
    fn attempt_log_malformed_counts_as_empty_and_unwritable_rejects_logins() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("attempts.json"), "rubbish").unwrap();
        fail(&Attempts::new(directory.path()), "fritz", 1000).unwrap();
        let nowhere = Attempts::new(Path::new("/proc/no/such/directory"));
        assert!(matches!(fail(&nowhere, "fritz", 1000), Err(LoginError::File(_))));
    }

    #[test]
    fn attempt_log_with_many_long_names_stays_below_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        assert!(matches!(fail(&attempts, &long, 1000), Err(LoginError::NameTooLong { length: 256 })));
        assert!(!directory.path().join("attempts.json").exists(), "it is rejected before it is counted");
        // The maximum, and a key that is not a hash.
        let mut failures: BTreeMap<String, Vec<i64>> =
            (0..20_000).map(|number| (key(&format!("user{number}")), vec![1000; 5])).collect();
        failures.insert("x".repeat(300_000), vec![1000]);
        let mut full = AttemptLog { failures };
        full.prune(1000);
        assert_eq!(full.failures.len(), MAX_NAMES);
        let longest = full.failures.values_mut().flatten();
        longest.for_each(|at| *at = i64::MIN);
        assert!((serde_json::to_vec(&full).unwrap().len() as u64) < FILE_LIMIT);
        // A file over the limit counts as empty.
        std::fs::write(directory.path().join("attempts.json"), " ".repeat(FILE_LIMIT as usize + 1)).unwrap();
        fail(&attempts, "fritz", 1000).unwrap();
        fail(&attempts, &"x".repeat(MAX_NAME_BYTES), 1000).unwrap();
        let text = std::fs::read_to_string(directory.path().join("attempts.json")).unwrap();
        assert!(!text.contains("fritz") && text.len() < 200, "{text}");
    }

    #[test]
    fn attempt_log_over_the_limit_removes_names_with_fewest_failures() {
        let mut log = AttemptLog::default();
        log.failures.insert(key("guessed"), vec![1000; 5]);
        for number in 0..MAX_NAMES + 10 {
            log.failures.insert(key(&format!("user{number}")), vec![1001]);
        }
        log.prune(1002);
        assert_eq!(log.failures.len(), MAX_NAMES);
        assert!(log.failures.contains_key(&key("guessed")));
    }

    #[test]
    fn attempt_counts_for_all_names_of_the_entry() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        let entry = ["anna".to_owned(), "Anna Beispiel".to_owned()];
        // Full-width letters, which RFC 4518 maps to the others.
        let spellings = ["anna", "\u{ff41}nna", "a\u{ff4e}na", "an\u{ff4e}a", "ann\u{ff41}"];
        for (second, spelling) in (0..).zip(spellings) {
            let mut attempt = attempts.begin(spelling, Timestamp(1000 + second)).unwrap();
            attempt.count_names(&entry).unwrap();
            attempt.failed();
        }
        assert!(fail(&attempts, "anna", 1010).is_err(), "the entry's own spelling");
        assert!(fail(&attempts, "ANNA  BEISPIEL", 1010).is_err(), "another name of the entry");
        let mut sixth = attempts.begin("\u{ff41}\u{ff4e}na", Timestamp(1010)).unwrap();
        assert!(matches!(sixth.count_names(&entry), Err(LoginError::TooManyAttempts { .. })));
        sixth.cancel().unwrap();
        fail(&attempts, "ben", 1010).unwrap();
    }

    #[test]
    fn attempt_dropped_without_a_result_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(directory.path());
        for _ in 0..20 {
            let outcome = std::panic::catch_unwind(|| {
                let _attempt = attempts.begin("fritz", Timestamp(1000)).unwrap();
                std::panic::resume_unwind(Box::new(()));
            });
            assert!(outcome.is_err());
        }
        for _ in 0..5 {
            fail(&attempts, "fritz", 1000).unwrap();
        }
        assert!(fail(&attempts, "fritz", 1000).is_err());
    }
}
