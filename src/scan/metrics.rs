//! The metrics file of a scan, for the textfile collector of Prometheus' node exporter.
//!
//! | metric | value |
//! |---|---|
//! | `cc_token_expiry_seconds{file,subject,fingerprint}` | the expiry of a token in seconds since 1970; `+Inf` for never |
//! | `cc_token_scan_occurrences{kind}` | the tokens and keys found |
//! | `cc_token_scan_problems{check}` | the problems found |
//! | `cc_token_scan_files{what}` | the files searched, skipped and unreadable |
//! | `cc_token_scan_complete` | 1 if everything was searched, else 0 |
//! | `cc_token_scan_last_run_timestamp_seconds` | the time of the scan in seconds since 1970 |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::report::ScanReport;
use crate::util::file::{self, Existing, FileError, PUBLIC_MODE};
use crate::util::metrics::Metrics;
use crate::util::time::Timestamp;

/// Replaces the metrics file in one step, since the collector may read it at any time.
///
/// # Errors
/// [`FileError`] of the writer.
pub fn write_metrics(path: &Path, report: &ScanReport, now: Timestamp) -> Result<(), FileError> {
    file::write(path, text(report, now).as_bytes(), PUBLIC_MODE, Existing::Replace)
}

fn text(report: &ScanReport, now: Timestamp) -> String {
    let mut metrics = Metrics::default();
    metrics.gauge(
        "cc_token_expiry_seconds",
        "Expiry of a token in seconds since 1970; +Inf if it never expires.",
    );
    let mut known = BTreeSet::new();
    for token in report.occurrences.iter().filter(|one| one.kind.is_token()) {
        let subject = token.subject.as_deref().unwrap_or_default();
        let labels = [
            ("file", token.file.as_str()),
            ("subject", subject),
            ("fingerprint", token.fingerprint.as_str()),
        ];
        // A series occurs once, even if a file has the token twice.
        if known.insert(labels) {
            match token.expiry {
                Some(expiry) => metrics.sample(&labels, expiry.0),
                None if token.never_expires => metrics.sample(&labels, "+Inf"),
                None => {}
            }
        }
    }
    let (mut kinds, mut problems) = (BTreeMap::new(), BTreeMap::new());
    for occurrence in &report.occurrences {
        *kinds.entry(occurrence.kind.name()).or_insert(0_u64) += 1;
        for problem in &occurrence.problems {
            *problems.entry(problem.check).or_insert(0_u64) += 1;
        }
    }
    metrics.gauge("cc_token_scan_occurrences", "Tokens and keys found.");
    for (kind, count) in kinds {
        metrics.sample(&[("kind", kind)], count);
    }
    metrics.gauge("cc_token_scan_problems", "Problems found.");
    for (check, count) in problems {
        metrics.sample(&[("check", check)], count);
    }
    metrics.gauge("cc_token_scan_files", "Files by the result of the scan.");
    let files = &report.files;
    for (what, count) in [
        ("searched", files.searched),
        ("binary", files.binary),
        ("compressed", files.compressed),
        ("too-large", files.too_large),
        ("special", files.special),
        ("unreadable", files.unreadable),
    ] {
        metrics.sample(&[("what", what)], count);
    }
    metrics.gauge("cc_token_scan_complete", "Whether everything was searched.");
    metrics.sample(&[], if report.complete { "1" } else { "0" });
    metrics.gauge("cc_token_scan_last_run_timestamp_seconds", "Time of the scan.");
    metrics.sample(&[], now.0);
    metrics.into_text()
}
