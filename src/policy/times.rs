//! Checks the times of a token: `exp`, `nbf` and `iat` (RFC 7519 4.1).

use super::verdict::Verdict;
use crate::token::{Claims, NumericDate, TimeClaimError};
use crate::util::time::Timestamp;

/// How `iat` is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuedAt {
    /// It can only cause a warning: cc-backend does not check it.
    Reported,
    /// It must be a number that is not in the future, as cc-metric-store requires.
    Checked,
}

/// Adds the findings `expiry`, `not-before` and, if the token has an `iat`, `issued-at`. There is no
/// leeway, as in the server: a token is expired in the second of its `exp`.
pub fn check(verdict: &mut Verdict, claims: &Claims, now: Timestamp, issued_at: IssuedAt) {
    expiry(verdict, claims, now);
    not_before(verdict, claims, now);
    issue(verdict, claims, now, issued_at);
}

/// Formats an instant with its distance from now.
fn shown(date: NumericDate, now: Timestamp) -> String {
    format!("{date} ({})", date.instant().relative_to(now))
}

fn expiry(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    const CHECK: &str = "expiry";
    match claims.time("exp") {
        Ok(None) => verdict.warn(
            CHECK,
            "no 'exp' claim: never expires",
            Some("issue it with --ttl 24h, or set auth.jwts.max-age".to_owned()),
        ),
        Ok(Some(date)) if date.is_zero() => verdict.warn(
            CHECK,
            "'exp' is 0: never expires, for the server as well",
            Some("issue it with --ttl 24h".to_owned()),
        ),
        Ok(Some(date)) if date.instant() > now => {
            verdict.pass(CHECK, || format!("expires {}", shown(date, now)));
        }
        Ok(Some(date)) => verdict.fail(
            CHECK,
            format!("expired {}", shown(date, now)),
            Some(format!(
                "issue a new token with 'cc-jwt issue {}', or ask its issuer for one",
                super::subject::subject_word(claims)
            )),
        ),
        Err(error) => verdict.fail(CHECK, error.to_string(), None),
    }
}

fn not_before(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    const CHECK: &str = "not-before";
    match claims.time("nbf") {
        Ok(None) => verdict.pass(CHECK, "no 'nbf' claim: valid immediately"),
        Ok(Some(date)) if date.instant() <= now || date.is_zero() => {
            verdict.pass(CHECK, || format!("valid since {}", shown(date, now)));
        }
        Ok(Some(date)) => verdict.fail(
            CHECK,
            format!("not valid before {}", shown(date, now)),
            Some(
                "wait, or set the clock of this machine; 'cc-jwt verify --at TIME' checks another time"
                    .to_owned(),
            ),
        ),
        // In the server a number beyond 64 bits wraps to a time in the past.
        Err(error @ TimeClaimError::Range { .. }) => {
            verdict.fail(CHECK, format!("{error}; the server reads it as a time in the past"), None);
        }
        Err(error) => verdict.fail(CHECK, error.to_string(), None),
    }
}

fn issue(verdict: &mut Verdict, claims: &Claims, now: Timestamp, issued_at: IssuedAt) {
    const CHECK: &str = "issued-at";
    let (problem, hint) = match claims.time("iat") {
        Ok(None) => return,
        Ok(Some(date)) if date.instant() <= now || (date.is_zero() && issued_at == IssuedAt::Checked) => {
            return verdict.pass(CHECK, || format!("issued {}", shown(date, now)));
        }
        Ok(Some(date)) => (
            format!("issued in the future, {}", shown(date, now)),
            "compare the clocks of this machine and of the issuer",
        ),
        Err(error) => (error.to_string(), "ask the issuer for a token with a valid 'iat'"),
    };
    match issued_at {
        IssuedAt::Reported => verdict.warn(
            CHECK,
            || format!("{problem}; cc-backend does not check it, cc-metric-store rejects it"),
            None,
        ),
        IssuedAt::Checked => verdict.fail(CHECK, problem, Some(hint.to_owned())),
    }
}
