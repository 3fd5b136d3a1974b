//! Numbers for Prometheus: a file for the node exporter's textfile collector.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::report::Counts;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, FileError, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::time::{Clock, Timestamp};

/// When the last good sync was; kept from the old file when this one failed.
const LAST_SUCCESS: &str = "cc_user_sync_ldap_last_success_timestamp_seconds";

/// The exit status of a program that panics.
const PANICKED: u8 = 101;

/// Writes the file once: with the outcome of the run, or when the run panics with its status.
pub(super) struct Guard<'run> {
    path: &'run Path,
    began: Instant,
    written: bool,
}

impl<'run> Guard<'run> {
    pub(super) const fn new(path: &'run Path, began: Instant) -> Self {
        Self { path, began, written: false }
    }

    /// Writes the file with the exit status, and what a good run did.
    ///
    /// # Errors
    /// [`FileError`].
    pub(super) fn write(&mut self, status: u8, counts: Option<&Counts>) -> Result<(), FileError> {
        self.written = true;
        write(self.path, status, counts, self.began.elapsed(), Clock::System.now())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.written {
            // The panic is the worse news of the two.
            let _ = self.write(PANICKED, None);
        }
    }
}

/// Writes the file whole, since the collector may read at any time.
///
/// # Errors
/// [`FileError`].
fn write(
    path: &Path,
    status: u8,
    counts: Option<&Counts>,
    took: Duration,
    now: Timestamp,
) -> Result<(), FileError> {
    let last_success = if status == ExitStatus::Success.code() {
        Some(now.0)
    } else {
        file::read_output(path, SETTINGS_LIMIT).ok().and_then(|old| last_success(&old))
    };
    file::write(
        path,
        text(status, counts, took, now, last_success).as_bytes(),
        PUBLIC_MODE,
        Existing::Replace,
    )
}

fn last_success(old: &str) -> Option<i64> {
    let line = old.lines().find(|line| line.starts_with(LAST_SUCCESS))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn text(
    status: u8,
    counts: Option<&Counts>,
    took: Duration,
    now: Timestamp,
    last_success: Option<i64>,
) -> String {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, samples: &[(&str, String)]| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let one = |value: String| [("", value)];
    gauge(
        "cc_user_sync_ldap_exit_status",
        "Exit status of the last sync; 0 is good.",
        &one(status.to_string()),
    );
    gauge(
        "cc_user_sync_ldap_last_run_timestamp_seconds",
        "When the last sync ended.",
        &one(now.0.to_string()),
    );
    if let Some(last) = last_success {
        gauge(
            LAST_SUCCESS,
            "Time of the end of the last successful synchronization.",
            &one(last.to_string()),
        );
    }
    gauge(
        "cc_user_sync_ldap_duration_seconds",
        "How long the last sync took.",
        &one(format!("{:.3}", took.as_secs_f64())),
    );
    if let Some(counts) = counts {
        gauge("cc_user_sync_ldap_entries", "Entries the directory has.", &one(counts.entries.to_string()));
        let samples = [
            ("added", counts.added),
            ("renamed", counts.renamed),
            ("deleted", counts.deleted),
            ("unchanged", counts.unchanged),
            ("missing", counts.missing),
            ("conflict", counts.conflicts),
            ("skipped", counts.skipped),
        ]
        .map(|(what, count)| (format!("{{what=\"{what}\"}}"), count.to_string()));
        let samples: Vec<(&str, String)> =
            samples.iter().map(|(labels, count)| (labels.as_str(), count.clone())).collect();
        gauge(
            "cc_user_sync_ldap_users",
            "Users by the result of the last successful synchronization.",
            &samples,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_sync_keeps_when_the_last_good_one_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sync.prom");
        let counts = Counts {
            entries: 3,
            added: 1,
            renamed: 0,
            deleted: 0,
            unchanged: 2,
            missing: 0,
            conflicts: 0,
            skipped: 0,
        };
        write(&path, 0, Some(&counts), Duration::from_millis(1500), Timestamp(1000)).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(good.contains("cc_user_sync_ldap_users{what=\"added\"} 1\n"), "{good}");
        assert!(good.contains("duration_seconds 1.500\n"), "{good}");
        write(&path, 69, None, Duration::ZERO, Timestamp(2000)).unwrap();
        let bad = std::fs::read_to_string(&path).unwrap();
        assert!(bad.contains("cc_user_sync_ldap_exit_status 69\n"), "{bad}");
        assert!(bad.contains("cc_user_sync_ldap_last_success_timestamp_seconds 1000\n"), "{bad}");
        assert!(bad.contains("cc_user_sync_ldap_last_run_timestamp_seconds 2000\n"), "{bad}");
    }

    #[test]
    fn metrics_of_a_run_that_panics_are_written_with_its_status() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sync.prom");
        write(&path, 0, None, Duration::ZERO, Timestamp(1000)).unwrap();
        let panicked = std::panic::catch_unwind(|| {
            let _metrics = Guard::new(&path, Instant::now());
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        let bad = std::fs::read_to_string(&path).unwrap();
        assert!(bad.contains("cc_user_sync_ldap_exit_status 101\n"), "{bad}");
        assert!(bad.contains("cc_user_sync_ldap_last_success_timestamp_seconds 1000\n"), "{bad}");
        let mut metrics = Guard::new(&path, Instant::now());
        metrics.write(69, None).unwrap();
        drop(metrics);
        let once = std::fs::read_to_string(&path).unwrap();
        assert!(once.contains("cc_user_sync_ldap_exit_status 69\n"), "{once}");
    }
}
