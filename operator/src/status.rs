//! From the outcome of a reconciliation to the status of the resource, and to its Events. Pure.

use cc_auth::util::time::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;

use crate::jwt::{Jwt, JwtStatus};
use crate::problem::Problem;
use crate::secret::TokenTimes;

/// The types of the conditions.
pub const READY: &str = "Ready";
const KEY_VALID: &str = "KeyValid";
pub const DEGRADED: &str = "Degraded";

/// What a reconciliation found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The token in the Secret: valid and fitting, or the older one that is there in spite of a problem.
    pub token: Option<TokenTimes>,
    /// When it is signed again; absent where it never is.
    pub renewal_time: Option<Timestamp>,
    /// The key's thumbprint, if the key was read.
    pub key_thumbprint: Option<String>,
    /// What prevents a valid token, or prevented its renewal.
    pub problem: Option<Problem>,
    /// Failed attempts since the last success.
    pub failed_attempts: u32,
}

/// The status after a reconciliation. It differs from the old one only where something other than a
/// time of writing changed.
pub fn after(jwt: &Jwt, outcome: &Outcome, now: Timestamp) -> JwtStatus {
    let old = &jwt.status;
    let generation = jwt.metadata.generation;
    let condition = |type_: &str, is_true: bool, reason: &str, message: &str| {
        let status = if is_true { "True" } else { "False" };
        let last_transition_time = match old.condition(type_) {
            Some(before) if before.status == status => before.last_transition_time.clone(),
            _ => Time(jiff::Timestamp::from_second(now.0).unwrap_or_default()),
        };
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time,
            observed_generation: generation,
        }
    };
    let signed = |token: &TokenTimes| {
        format!("the Secret holds a token that expires at {}", token.expires_at.rfc3339())
    };
    let mut conditions = Vec::new();
    match (&outcome.problem, &outcome.token) {
        (None, Some(token)) => {
            conditions.push(condition(READY, true, "Signed", &signed(token)));
            conditions.push(condition(DEGRADED, false, "AsExpected", ""));
        }
        (Some(problem), Some(token)) if still_valid(old, generation, token, now) => {
            conditions.push(condition(READY, true, "Signed", &signed(token)));
            conditions.push(condition(DEGRADED, true, problem.reason.name(), &problem.message));
        }
        (Some(problem), _) => {
            conditions.push(condition(READY, false, problem.reason.name(), &problem.message));
            conditions.push(condition(DEGRADED, false, "AsExpected", ""));
        }
        (None, None) => {}
    }
    match &outcome.problem {
        Some(problem) if problem.reason.is_about_key() => {
            conditions.push(condition(KEY_VALID, false, problem.reason.name(), &problem.message));
        }
        _ if outcome.key_thumbprint.is_some() => {
            conditions.push(condition(KEY_VALID, true, "KeyRead", "the key fits spec.algorithm"));
        }
        _ => conditions.extend(old.condition(KEY_VALID).cloned()),
    }
    let token = outcome.token.as_ref();
    JwtStatus {
        observed_generation: generation,
        not_after: token.map(|token| token.expires_at.rfc3339()),
        renewal_time: outcome.renewal_time.map(Timestamp::rfc3339),
        last_signed: token.map(|token| token.issued_at.rfc3339()),
        token_id: token.map(|token| token.jti.clone()).filter(|jti| !jti.is_empty()),
        key_thumbprint: outcome.key_thumbprint.clone().or_else(|| {
            // The key was not read; the token that it signed is still there.
            old.key_thumbprint.clone().filter(|_| token.is_some())
        }),
        failed_attempts: Some(outcome.failed_attempts).filter(|count| *count > 0),
        conditions,
    }
}

/// Whether a token that could not be renewed still is what the status last reported as valid.
fn still_valid(old: &JwtStatus, generation: Option<i64>, token: &TokenTimes, now: Timestamp) -> bool {
    now < token.expires_at
        && old.is_true(READY)
        && old.observed_generation == generation
        && old.token_id.as_deref() == Some(token.jti.as_str())
}

/// The problem that a status reports, by its reason.
pub fn reported_problem(status: &JwtStatus) -> Option<&str> {
    let of = |type_: &str, when: &str| {
        status
            .condition(type_)
            .filter(|condition| condition.status == when)
            .map(|condition| condition.reason.as_str())
    };
    of(DEGRADED, "True").or_else(|| of(READY, "False"))
}
