//! Verdicts as lines and as JSON.

use serde::Serialize;

use crate::cli::console::{Console, StdoutError};
use crate::policy::{CheckState, Endpoint, Finding, Verdict};
use crate::token::{Claims, NumericDate};
use crate::util::note::Warning;
use crate::util::time::Timestamp;

/// A verdict and what it is about: an endpoint, or nothing in particular.
#[derive(Debug)]
pub(super) struct EndpointResult {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) verdict: Verdict,
}

/// The JSON report of `cc-jwt verify`.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport<'a> {
    /// Whether all checks pass, those of each requested endpoint too.
    pub(super) valid: bool,
    /// `None` where the signature is not valid.
    pub(super) token: Option<TokenReport<'a>>,
    /// The checks where no endpoint was requested.
    pub(super) checks: Vec<CheckReport<'a>>,
    pub(super) endpoints: Vec<EndpointReport<'a>>,
    pub(super) warnings: &'a [Warning],
}

/// A token with a valid signature.
#[derive(Debug, Serialize)]
pub(super) struct TokenReport<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) issuer: Option<&'a str>,
    pub(super) roles: Vec<&'a str>,
    pub(super) algorithm: &'static str,
    /// The `kid` of the key that verified the token.
    pub(super) kid: Option<&'a str>,
    /// The server's setting with the key; `None` for a key given as an option.
    pub(super) key_setting: Option<&'static str>,
    /// The issuer of the discovery document with the key.
    pub(super) key_issuer: Option<&'a str>,
    pub(super) issued_at: Option<String>,
    pub(super) expires_at: Option<String>,
}

/// Whether an endpoint accepts the token.
#[derive(Debug, Serialize)]
pub(super) struct EndpointReport<'a> {
    pub(super) endpoint: &'static str,
    pub(super) accepted: bool,
    pub(super) checks: Vec<CheckReport<'a>>,
}

/// A check and its result.
#[derive(Debug, Serialize)]
pub(super) struct CheckReport<'a> {
    pub(super) check: &'static str,
    pub(super) state: &'static str,
    pub(super) reason: &'a str,
    pub(super) hint: Option<&'a str>,
}

impl<'a> CheckReport<'a> {
    /// The report of one check.
    pub(super) fn new(finding: &'a Finding) -> Self {
        Self {
            check: finding.check,
            state: finding.state.name(),
            reason: &finding.reason,
            hint: finding.hint.as_deref(),
        }
    }

    /// The report of each check of a verdict.
    pub(super) fn all(verdict: &'a Verdict) -> Vec<Self> {
        verdict.findings().iter().map(CheckReport::new).collect()
    }
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
