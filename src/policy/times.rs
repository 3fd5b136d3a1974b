//! When a token holds: `exp`, `nbf` and `iat` against the given instant.

use super::verdict::Verdict;
use crate::base::time::Timestamp;
use crate::token::{Claims, NumericDate, TimeClaimError};

/// What is made of `iat`, the time of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuedAt {
    /// It is told, and what stands out is a warning: the server does not look at it.
    Told,
    /// It must be a number, and not in the future: so cc-metric-store.
    Checked,
}

/// Adds the findings `expiry`, `not-before` and, where there is an `iat`, `issued-at`. Without
/// leeway, as the server: a token is over in the second of its `exp`.
pub fn judge(verdict: &mut Verdict, claims: &Claims, now: Timestamp, issued_at: IssuedAt) {
    expiry(verdict, claims, now);
    not_before(verdict, claims, now);
    issue(verdict, claims, now, issued_at);
}

/// An instant in a reason: exact, and how far off.
fn shown(date: NumericDate, now: Timestamp) -> String {
    format!("{date} ({})", date.instant().relative_to(now))
}

fn expiry(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    const CHECK: &str = "expiry";
    match claims.time("exp") {
        Ok(None) => verdict.warns(
            CHECK,
            "it never expires: there is no 'exp'",
            Some("issue it with --ttl, or set auth.jwts.max-age".to_owned()),
        ),
        Ok(Some(date)) if date.is_zero() => verdict.warns(
            CHECK,
            "it never expires: the server takes an 'exp' of 0 for none",
            Some("issue it with --ttl".to_owned()),
        ),
        Ok(Some(date)) if date.instant() > now => {
            verdict.holds(CHECK, || format!("it expires {}", shown(date, now)));
        }
        Ok(Some(date)) => verdict.fails(
            CHECK,
            format!("it expired {}", shown(date, now)),
            Some("issue a new one with 'cc-jwt issue', or get one from whoever issued it".to_owned()),
        ),
        Err(error) => verdict.fails(CHECK, error.to_string(), None),
    }
}

fn not_before(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    const CHECK: &str = "not-before";
    match claims.time("nbf") {
        Ok(None) => verdict.holds(CHECK, "it holds from the beginning: there is no 'nbf'"),
        Ok(Some(date)) if date.instant() <= now || date.is_zero() => {
            verdict.holds(CHECK, || format!("it holds since {}", shown(date, now)));
        }
        Ok(Some(date)) => verdict.fails(
            CHECK,
            format!("it holds only from {}", shown(date, now)),
            Some(
                "wait, or set this machine's clock; 'cc-jwt verify --at TIME' judges another time".to_owned(),
            ),
        ),
        // Beyond 64 bits the server's number turns round and lies in the past.
        Err(error @ TimeClaimError::Range { .. }) => {
            verdict.fails(CHECK, format!("{error}; the server takes that for the past"), None);
        }
        Err(error) => verdict.fails(CHECK, error.to_string(), None),
    }
}

fn issue(verdict: &mut Verdict, claims: &Claims, now: Timestamp, issued_at: IssuedAt) {
    const CHECK: &str = "issued-at";
    let (problem, hint) = match claims.time("iat") {
        Ok(None) => return,
        Ok(Some(date)) if date.instant() <= now || (date.is_zero() && issued_at == IssuedAt::Checked) => {
            return verdict.holds(CHECK, || format!("it was issued {}", shown(date, now)));
        }
        Ok(Some(date)) => (
            format!("it was issued in the future, {}", shown(date, now)),
            "compare the clocks of this machine and of the issuer",
        ),
        Err(error) => (error.to_string(), "ask the issuer for a token with a proper 'iat'"),
    };
    match issued_at {
        IssuedAt::Told => verdict.warns(
            CHECK,
            || format!("{problem}; the server does not look at it, cc-metric-store would refuse"),
            None,
        ),
        IssuedAt::Checked => verdict.fails(CHECK, problem, Some(hint.to_owned())),
    }
}
