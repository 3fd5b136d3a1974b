//! The metrics file of a sync, for the textfile collector of Prometheus' node exporter.
//!
//! The file is in the Prometheus text format. Names follow its conventions: base units (seconds, with
//! the unit as suffix), and `_timestamp_seconds` for instants. All metrics are gauges of the last run:
//!
//! | metric | value |
//! |---|---|
//! | `cc_user_sync_ldap_exit_status` | the exit status of the run; 101 if it panicked |
//! | `cc_user_sync_ldap_last_run_timestamp_seconds` | the end of the run, in seconds since 1970 |
//! | `cc_user_sync_ldap_last_success_timestamp_seconds` | the end of the last run with status 0; not present before the first one |
//! | `cc_user_sync_ldap_duration_seconds` | the duration of the run, to the millisecond |
//! | `cc_user_sync_ldap_entries` | the entries that the LDAP search returned; only after a successful run |
//! | `cc_user_sync_ldap_users{what="..."}` | the numbers of [`SyncCounts`]; only after a successful run |
//! | `cc_user_sync_ldap_groups` | the groups that the LDAP search returned; only after a successful run |
//! | `cc_user_sync_ldap_rights{kind="...",change="..."}` | roles and projects added and removed; only after a successful run |
//!
//! The metrics of a synchronization with Slurm have the prefix `cc_user_sync_slurm_`: without `entries` and
//! `groups`, and with the numbers of [`SlurmSyncCounts`](super::slurm::SlurmSyncCounts).

use std::path::Path;
use std::time::Duration;

use super::report::SyncCounts;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, FileError, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::metrics::Metrics;
use crate::util::time::{Clock, Timestamp};

/// The end of the last successful run, after the prefix. A failed run copies it from the old file.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";

/// The exit status of a Rust program that panics.
const PANIC_STATUS: u8 = 101;

/// The numbers of a run.
pub trait RunCounts {
    /// The prefix of the names of the metrics.
    const PREFIX: &'static str;

    /// Adds the metrics that only a successful run has.
    fn add_samples(&self, metrics: &mut Metrics);
}

/// The metrics file of a run, with the clocks.
#[derive(Clone, Copy)]
pub struct MetricsFile<'run> {
    /// The path. Its extension must be `.prom`, or the collector ignores the file.
    pub path: &'run Path,
    /// The clock of the timestamps.
    pub clock: Clock,
    /// The time since the start of the run, by a monotonic clock.
    pub elapsed: &'run dyn Fn() -> Duration,
}

impl MetricsFile<'_> {
    /// Runs a sync and writes the file afterwards, also if the run fails or panics. `status` returns
    /// the exit status of an error.
    ///
    /// # Errors
    /// The error of the run; if there is none, [`FileError`] if the file cannot be written.
    pub fn measure<C: RunCounts, E: From<FileError>>(
        self,
        status: impl FnOnce(&E) -> ExitStatus,
        run: impl FnOnce() -> Result<C, E>,
    ) -> Result<C, E> {
        let mut on_panic = PanicGuard { write: || self.write::<C>(PANIC_STATUS, None), is_armed: true };
        let outcome = run();
        on_panic.is_armed = false;
        let written = match &outcome {
            Ok(counts) => self.write(ExitStatus::Success.code(), Some(counts)),
            Err(error) => self.write::<C>(status(error).code(), None),
        };
        // The error of the run is more important than that of the file.
        let counts = outcome?;
        written?;
        Ok(counts)
    }

    /// Replaces the file in one step, since the collector may read it at any time.
    fn write<C: RunCounts>(self, status: u8, counts: Option<&C>) -> Result<(), FileError> {
        let now = self.clock.now();
        let last_success = if status == ExitStatus::Success.code() {
            Some(now)
        } else {
            file::read_output(self.path, SETTINGS_LIMIT).ok().and_then(|old| last_success(C::PREFIX, &old))
        };
        let text = text(status, counts, (self.elapsed)(), now, last_success);
        file::write(self.path, text.as_bytes(), PUBLIC_MODE, Existing::Replace)
    }
}

/// Writes the file when a run panics.
struct PanicGuard<F: Fn() -> Result<(), FileError>> {
    write: F,
    is_armed: bool,
}

impl<F: Fn() -> Result<(), FileError>> Drop for PanicGuard<F> {
    fn drop(&mut self) {
        if self.is_armed {
            // The panic is more important than an error of the file.
            let _ = (self.write)();
        }
    }
}

fn last_success(prefix: &str, old: &str) -> Option<Timestamp> {
    let value = |line: &str| line.strip_prefix(prefix)?.strip_prefix(LAST_SUCCESS).map(str::to_owned);
    old.lines().find_map(value)?.trim().parse().ok().map(Timestamp)
}

fn text<C: RunCounts>(
    status: u8,
    counts: Option<&C>,
    duration: Duration,
    now: Timestamp,
    last_success: Option<Timestamp>,
) -> String {
    let mut metrics = Metrics::with_prefix(C::PREFIX);
    metrics.gauge("exit_status", "Exit status of the last synchronization; 0 is success.");
    metrics.sample(&[], status);
    metrics.gauge("last_run_timestamp_seconds", "Time of the end of the last synchronization.");
    metrics.sample(&[], now.0);
    if let Some(last) = last_success {
        metrics.gauge(LAST_SUCCESS, "Time of the end of the last successful synchronization.");
        metrics.sample(&[], last.0);
    }
    metrics.gauge("duration_seconds", "Duration of the last synchronization.");
    metrics.sample(&[], format!("{:.3}", duration.as_secs_f64()));
    if let Some(counts) = counts {
        counts.add_samples(&mut metrics);
    }
    metrics.into_text()
}

impl RunCounts for SyncCounts {
    const PREFIX: &'static str = "cc_user_sync_ldap_";

    fn add_samples(&self, metrics: &mut Metrics) {
        metrics.gauge("entries", "Entries that the LDAP search returned.");
        metrics.sample(&[], self.entries);
        metrics.gauge("users", "Users by the result of the last successful synchronization.");
        for (what, count) in [
            ("added", self.added),
            ("renamed", self.renamed),
            ("disabled", self.disabled),
            ("returned", self.returned),
            ("in_grace", self.in_grace),
            ("deleted", self.deleted),
            ("unchanged", self.unchanged),
            ("missing", self.missing),
            ("conflict", self.conflicts),
            ("skipped", self.skipped),
        ] {
            metrics.sample(&[("what", what)], count);
        }
        metrics.gauge("groups", "Groups that the LDAP search returned.");
        metrics.sample(&[], self.groups);
        add_rights(
            metrics,
            [self.roles_added, self.roles_removed, self.projects_added, self.projects_removed],
        );
    }
}

/// Adds the numbers of roles and projects: added and removed roles, added and removed projects.
pub(super) fn add_rights(metrics: &mut Metrics, counts: [u64; 4]) {
    metrics.gauge("rights", "Roles and projects that the last successful synchronization changed.");
    let labels = [("role", "added"), ("role", "removed"), ("project", "added"), ("project", "removed")];
    for ((kind, change), count) in labels.into_iter().zip(counts) {
        metrics.sample(&[("kind", kind), ("change", change)], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::diagnostic::Diagnostic as _;

    const COUNTS: SyncCounts = SyncCounts {
        entries: 3,
        added: 1,
        renamed: 0,
        disabled: 0,
        returned: 0,
        in_grace: 0,
        deleted: 0,
        unchanged: 2,
        missing: 0,
        conflicts: 0,
        skipped: 0,
        groups: 0,
        rights_changed: 0,
        roles_added: 0,
        roles_removed: 0,
        projects_added: 0,
        projects_removed: 0,
    };

    fn at<R>(path: &Path, now: i64, body: impl FnOnce(MetricsFile<'_>) -> R) -> R {
        let elapsed = || Duration::from_millis(1500);
        body(MetricsFile { path, clock: Clock::Fixed(Timestamp(now)), elapsed: &elapsed })
    }

    fn fails(file: MetricsFile<'_>) -> Result<SyncCounts, FileError> {
        file.measure(FileError::status, || Err(FileError::Missing("x".into())))
    }

    #[test]
    fn metrics_of_a_failed_run_contain_the_last_success() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sync.prom");
        let counts = at(&path, 1000, |file| file.measure(FileError::status, || Ok(COUNTS))).unwrap();
        assert_eq!(counts, COUNTS);
        let success = std::fs::read_to_string(&path).unwrap();
        assert!(success.contains("cc_user_sync_ldap_users{what=\"added\"} 1\n"), "{success}");
        assert!(success.contains("duration_seconds 1.500\n"), "{success}");
        assert!(matches!(at(&path, 2000, fails), Err(FileError::Missing(_))));
        let failure = std::fs::read_to_string(&path).unwrap();
        assert!(failure.contains("cc_user_sync_ldap_exit_status 66\n"), "{failure}");
        assert!(failure.contains("cc_user_sync_ldap_last_success_timestamp_seconds 1000\n"), "{failure}");
        assert!(failure.contains("cc_user_sync_ldap_last_run_timestamp_seconds 2000\n"), "{failure}");
        assert!(!failure.contains("cc_user_sync_ldap_users"), "{failure}");
    }

    #[test]
    fn metrics_of_a_run_that_panics_contain_status_101() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sync.prom");
        at(&path, 1000, |file| file.measure(FileError::status, || Ok(COUNTS))).unwrap();
        let panicked = std::panic::catch_unwind(|| {
            at(&path, 2000, |file| {
                let run = || -> Result<SyncCounts, FileError> { std::panic::resume_unwind(Box::new(())) };
                file.measure(FileError::status, run)
            })
        });
        assert!(panicked.is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("cc_user_sync_ldap_exit_status 101\n"), "{text}");
        assert!(text.contains("cc_user_sync_ldap_last_success_timestamp_seconds 1000\n"), "{text}");
    }

    #[test]
    fn metrics_file_that_cannot_be_written_is_the_error_of_a_successful_run_only() {
        let path = Path::new("/nonexistent/sync.prom");
        let unwritten = at(path, 1000, |file| file.measure(FileError::status, || Ok(COUNTS)));
        assert!(unwritten.is_err_and(|error| error.to_string().contains("/nonexistent")));
        assert!(matches!(at(path, 1000, fails), Err(FileError::Missing(_))));
    }
}
