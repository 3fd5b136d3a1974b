//! The check `registered-claims`: the types of the registered claims.

use serde_json::{Map, Value};

use super::check_sequence::{CheckResult, Failure, Pass};
use super::field::describe;
use crate::util::quote::quote;

/// The registered claims (RFC 7519 4.1) with their types checked.
#[derive(Debug, Default)]
pub(super) struct RegisteredClaims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    /// The audiences; empty if `aud` is missing or an empty array.
    pub(super) aud: Vec<String>,
    pub(super) exp: Option<i64>,
    pub(super) nbf: Option<i64>,
    pub(super) iat: Option<i64>,
}

const NAMES: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// The last second since 1970 that the reference server can represent: its clock counts from the year 1,
/// and later times wrap.
const LAST_SECOND: i64 = i64::MAX - 62_135_596_800;

/// Reads the registered claims and checks the types of all, including those that the role does not use.
/// [`reject_ambiguous`] is a check of its own.
pub(super) fn read(claims: &Map<String, Value>) -> CheckResult<RegisteredClaims> {
    text(claims, "jti")?;
    let registered = RegisteredClaims {
        iss: text(claims, "iss")?,
        sub: text(claims, "sub")?,
        aud: audiences(claims)?,
        exp: time(claims, "exp")?,
        nbf: time(claims, "nbf")?,
        iat: time(claims, "iat")?,
    };
    Ok(Pass::new(registered, "have their types"))
}

/// Rejects a top-level claim such as `SUB`, which a JSON parser that ignores case reads as a registered
/// one.
pub(super) fn reject_ambiguous(claims: &Map<String, Value>) -> Result<(), Failure> {
    for claim in claims.keys() {
        let folded: String = claim.chars().map(fold).collect();
        if let Some(name) = NAMES.into_iter().find(|name| *name == folded && *name != claim) {
            return Err(Failure::new(format!(
                "the claim {} is ambiguous: it equals '{name}' when case is folded",
                quote(claim)
            )));
        }
    }
    Ok(())
}

/// Simple Unicode case folding for the letters of the registered names: the long s folds to s; the
/// dotless i does not fold to i.
const fn fold(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(name, other, "a string")),
    }
}

fn wrong_type(name: &str, found: &Value, expected: &str) -> Failure {
    Failure::new(format!("'{name}' is {}, expected {expected}", describe(found)))
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, Failure> {
    let expected = "a string or an array of strings";
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| match element {
                Value::String(text) => Ok(text.clone()),
                other => Err(Failure::new(format!(
                    "'aud' has {} in its list, expected {expected}",
                    describe(other)
                ))),
            })
            .collect(),
        Some(other) => Err(wrong_type("aud", other, expected)),
    }
}

/// Returns a time in seconds, with its fraction truncated; 0 counts as missing.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Failure> {
    let number = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(other) => return Err(wrong_type(name, other, "a number of seconds since 1970")),
    };
    let too_far = || {
        Failure::new(format!(
            "'{name}' is {}, beyond what a clock of 64 bits can hold; the reference server wraps there, \
             here it is refused",
            quote(&number.to_string())
        ))
    };
    let seconds = match (number.as_i64(), number.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(float)) => truncate(float).ok_or_else(too_far)?,
        (None, None) => return Err(too_far()),
    };
    if !(-LAST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(too_far());
    }
    Ok((seconds != 0).then_some(seconds))
}

/// Truncates a float to an integer; `None` outside the range of 64 bits.
fn truncate(float: f64) -> Option<i64> {
    // 2^63, exactly.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || float.abs() >= BOUND {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is to be truncated, and the range was checked"
    )]
    let seconds = float as i64;
    Some(seconds)
}
