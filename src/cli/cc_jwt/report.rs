//! Verdicts as lines and as JSON.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Value, json};

use crate::cli::console::{Console, StdoutError};
use crate::policy::{CheckState, Endpoint, Finding, Verdict};
use crate::token::{Claims, NumericDate};
use crate::util::time::Timestamp;

/// A verdict and what it is about: an endpoint, or nothing in particular.
#[derive(Debug)]
pub(super) struct EndpointResult {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) verdict: Verdict,
}

impl Serialize for EndpointResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Judged", 3)?;
        object.serialize_field("endpoint", &self.endpoint.map(Endpoint::name))?;
        object.serialize_field("admitted", &self.verdict.accepts())?;
        let checks: Vec<Value> = self.verdict.findings().iter().map(check).collect();
        object.serialize_field("checks", &checks)?;
        object.end()
    }
}

pub(super) fn check(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "state": finding.state.name(),
        "reason": finding.reason,
        "hint": finding.hint,
    })
}

/// A time claim for a JSON report: RFC 3339, or null.
pub(super) fn time(claims: &Claims, name: &'static str) -> Option<String> {
    claims.time(name).ok().flatten().filter(|date| !date.is_zero()).map(|date| date.instant().rfc3339())
}

/// A time for people.
pub(super) fn date_for_people(date: NumericDate, now: Timestamp) -> String {
    date.instant().human(now)
}

/// The checks, a line each; those that were not reached only when asked for.
pub(super) fn findings(
    verdict: &Verdict,
    not_reached: bool,
    console: &mut Console,
) -> Result<(), StdoutError> {
    let widest = verdict.findings().iter().map(|finding| finding.check.len()).max().unwrap_or(0).max(13);
    for finding in verdict.findings() {
        let (mark, color) = match finding.state {
            CheckState::Pass => ("ok  ", "32"),
            CheckState::Fail => ("FAIL", "1;31"),
            CheckState::Warn => ("warn", "33"),
            CheckState::Skipped if !not_reached => continue,
            CheckState::Skipped => ("-   ", "2"),
        };
        let mark = console.paint(color, mark);
        console.line(&format!("{mark}  {:<widest$} {}", finding.check, finding.reason))?;
        if let (Some(hint), CheckState::Fail | CheckState::Warn) = (&finding.hint, finding.state) {
            console.line(&format!("      {:<widest$} hint: {hint}", ""))?;
        }
    }
    Ok(())
}

/// The checks of a verdict, a line each, and the answer.
pub(super) fn show(judged: &EndpointResult, console: &mut Console) -> Result<(), StdoutError> {
    if !console.is_quiet() {
        findings(&judged.verdict, true, console)?;
    }
    let place = judged.endpoint.map_or_else(String::new, |endpoint| format!(" by {}", endpoint.place()));
    let answer = match judged.verdict.first_failure() {
        _ if judged.verdict.accepts() && judged.endpoint.is_none() => console.paint("1;32", "valid"),
        _ if judged.verdict.accepts() => console.paint("1;32", &format!("accepted{place}")),
        Some(finding) => {
            let word = if judged.endpoint.is_some() { "rejected" } else { "invalid" };
            console.paint("1;31", &format!("{word}{place}: {}", finding.check))
        }
        None => console.paint("1;31", "not checked"),
    };
    if judged.verdict.accepts() { console.report_line(&answer) } else { console.line(&answer) }
}
