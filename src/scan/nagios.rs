//! The result of a scan as one line of a Nagios plugin (Monitoring Plugins Development Guidelines).

use super::ScanRequest;
use super::report::{Occurrence, ScanReport};
use crate::util::count::counted;

/// The state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NagiosState {
    /// No problem.
    Ok,
    /// A token expires soon, or something has another problem.
    Warning,
    /// A token is expired, or a key is public knowledge.
    Critical,
    /// Not everything was searched.
    Unknown,
}

impl NagiosState {
    /// Returns the state of a report. A problem is more important than a file that cannot be read.
    #[must_use]
    pub fn of(report: &ScanReport) -> Self {
        let is_critical = |one: &Occurrence| one.has("expired") || one.has("key-compromised");
        if report.occurrences.iter().any(is_critical) {
            Self::Critical
        } else if report.problems() > 0 {
            Self::Warning
        } else if !report.complete {
            Self::Unknown
        } else {
            Self::Ok
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Returns the line: state, summary and performance data.
#[must_use]
pub fn nagios_line(report: &ScanReport, request: &ScanRequest) -> String {
    let count = |check: &str| report.occurrences.iter().filter(|one| one.has(check)).count();
    let tokens = report.occurrences.iter().filter(|one| one.kind.is_token()).count();
    let (expired, expiring) = (count("expired"), count("expires-soon"));
    let problems = report.problems();
    let mut parts = vec![format!(
        "{}, {expired} expired, {expiring} expiring, {}",
        counted(tokens, "token"),
        counted(problems, "problem")
    )];
    let worst = report
        .occurrences
        .iter()
        .filter(|one| !one.problems.is_empty())
        .min_by_key(|one| one.expiry.map_or(i64::MAX, |expiry| expiry.0));
    if let Some(problem) = worst.and_then(|one| one.problems.first().map(|first| (one, first))) {
        let (one, first) = problem;
        parts.push(format!("{}: {}", one.place(), first.message));
    }
    if !report.complete {
        parts.push("not everything was searched".to_owned());
    }
    let soonest = report.occurrences.iter().filter_map(|one| one.expiry).min();
    let left = soonest.map_or_else(String::new, |expiry| {
        let limit = request.expiring.map_or_else(String::new, |span| format!("{}:", span.seconds()));
        format!(" soonest_expiry={}s;{limit};0:", expiry.since(request.now))
    });
    // A vertical bar begins the performance data.
    let summary = parts.join("; ").replace('|', "/");
    format!(
        "TOKENS {} - {summary} | tokens={tokens} expired={expired};;0 expiring={expiring};0 \
         problems={problems};0{left}",
        NagiosState::of(report).name()
    )
}
