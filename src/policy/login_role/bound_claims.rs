//! The check `bound-claims`: the claims that a role requires of a token.

use serde_json::{Map, Number, Value};

use super::check_sequence::{CheckResult, Failure, Pass};
use super::field::describe;
use super::role::{BoundClaim, LoginRole, Matching};
use crate::policy::keycloak_settings::{
    ADD_TO_ACCESS_TOKEN, ADD_TO_LIGHTWEIGHT_ACCESS_TOKEN, LIGHTWEIGHT_ACCESS_TOKEN,
};
use crate::policy::{glob, pointer};
use crate::util::quote::quote;

/// The largest integer up to which every integer has its own 64-bit float.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Checks all bound claims of the role.
pub(super) fn check(role: &LoginRole, claims: &Map<String, Value>) -> CheckResult<()> {
    for bound in &role.bound_claims {
        check_one(role, bound, claims)?;
    }
    let reason = match role.bound_claims.len() {
        0 => "the role has none".to_owned(),
        1 => format!("{} matches", quote(&role.bound_claims[0].name)),
        count => format!("all {count} match"),
    };
    Ok(Pass::new((), reason))
}

fn check_one(role: &LoginRole, bound: &BoundClaim, claims: &Map<String, Value>) -> Result<(), Failure> {
    let name = quote(&bound.name);
    let Some(found) = look_up(claims, &bound.name) else {
        return Err(missing_claim(claims, &bound.name));
    };
    if !bound.is_comparable {
        let value = bound.values.first().map_or_else(String::new, describe);
        return Err(Failure::new(format!("{name} is bound to {value} in the role, which nothing matches")));
    }
    let is_list = found.is_array();
    let candidates: Vec<&Value> = match &*found {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(_) => {
            return Err(Failure::new(format!(
                "{name} is an object: expected a string, number, boolean, or a list of these"
            ))
            .hint(format!("name what is inside, such as \"/{}/…\"", bound.name.trim_start_matches('/'))));
        }
        scalar => vec![scalar],
    };
    let matched = bound.values.iter().any(|expected| {
        candidates.iter().any(|candidate| is_match(role.matching, expected, candidate, is_list))
    });
    if matched {
        return Ok(());
    }
    Err(mismatch(role.matching, bound, &found, &candidates, is_list))
}

/// Returns a claim as the reference server reads it: a top-level `aud` is always an array.
pub(super) fn look_up<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<std::borrow::Cow<'a, Value>> {
    use std::borrow::Cow;
    let found = pointer::look_up(claims, name)?;
    if name == "aud" && found.is_string() {
        return Some(Cow::Owned(Value::Array(vec![found.clone()])));
    }
    Some(Cow::Borrowed(found))
}

fn is_match(matching: Matching, expected: &Value, found: &Value, in_list: bool) -> bool {
    match (expected, found) {
        (Value::String(pattern), Value::String(text)) if matching == Matching::Glob => {
            glob::matches(pattern, text)
        }
        _ if matching == Matching::Glob => false,
        (Value::String(expected), Value::String(found)) => expected == found,
        (Value::Bool(expected), Value::Bool(found)) => expected == found,
        // The reference server compares numbers as text; the text of a number inside an array never
        // equals that of a number in a role.
        (Value::Number(expected), Value::Number(found)) => !in_list && same_number(expected, found),
        _ => false,
    }
}

/// Returns whether a number of the role, which must be written as an integer, equals one of the token.
fn same_number(expected: &Number, found: &Number) -> bool {
    match (exact_integer(expected), exact_token_integer(found)) {
        (Some(expected), Some(found)) => expected == found,
        _ => false,
    }
}

/// Returns a number that is written as an integer within the precision of floats.
pub(super) fn exact_integer(number: &Number) -> Option<i64> {
    number.as_i64().filter(|value| value.unsigned_abs() <= MAX_EXACT_INTEGER)
}

/// Returns an integer of the token within the precision of floats; 5.0 and 1e3 are integers too.
fn exact_token_integer(number: &Number) -> Option<i64> {
    if let Some(value) = exact_integer(number) {
        return Some(value);
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 is a float exactly")]
    let float = number
        .as_f64()
        .filter(|_| number.is_f64())
        .filter(|float| float.fract() == 0.0 && float.abs() <= MAX_EXACT_INTEGER as f64)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let value = float as i64;
    Some(value)
}

/// Returns the failure for a missing claim, with the most likely cause as its hint.
pub(super) fn missing_claim(claims: &Map<String, Value>, name: &str) -> Failure {
    let failure = Failure::new(format!("the token has no claim {}", quote(name)));
    if claims.get(name).or_else(|| claims.get(name.trim_start_matches('/'))).is_some_and(Value::is_null) {
        return Failure::new(format!("the claim {} is null, which counts as missing", quote(name)));
    }
    if pointer::follows_lenient_index(claims, name) {
        return lenient_index(name);
    }
    if name.starts_with('/') && claims.contains_key(name) {
        return failure.hint(format!(
            "a name that starts with / is a JSON pointer; the claim itself is \"/{}\"",
            name.replace('~', "~0").replace('/', "~1")
        ));
    }
    // A distributed claim (OpenID Connect Core 5.6.2); Azure uses one for users with more than 200 groups.
    let first = name.trim_start_matches('/').split('/').next().unwrap_or(name);
    if claims.get("_claim_names").and_then(|names| names.get(first)).is_some() {
        return Failure::new(format!(
            "the token has no claim {}: the provider keeps it elsewhere ('_claim_names'), as Azure does for users \
             with too many groups",
            quote(name)
        ))
        .hint("let the provider put fewer groups into the token, such as those assigned to the application only, or use application roles");
    }
    for separator in ['/', '.'] {
        let path: Vec<&str> = name.split(separator).collect();
        let as_pointer = format!("/{}", path.join("/"));
        if path.len() > 1 && !name.starts_with('/') && pointer::look_up(claims, &as_pointer).is_some() {
            return failure
                .hint(format!("what is inside a claim is named by a JSON pointer: {}", quote(&as_pointer)));
        }
    }
    if let Some(other) = claims.keys().find(|claim| claim.to_lowercase() == name.to_lowercase()) {
        return failure.hint(format!("it has {}: upper and lower case count", quote(other)));
    }
    if let Some(near) = crate::util::suggest::nearest(name, claims.keys().map(String::as_str)) {
        return failure.hint(format!("it has {}", quote(near)));
    }
    match keycloak_mapper(claims) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns the hint for a claim that an access token of Keycloak does not have. Its lightweight access tokens have
/// neither roles nor names nor an audience.
pub(super) fn keycloak_mapper(claims: &Map<String, Value>) -> Option<String> {
    let is_realm =
        claims.get("iss").and_then(Value::as_str).is_some_and(|issuer| issuer.contains("/realms/"));
    let is_access_token = claims.get("typ").and_then(Value::as_str) == Some("Bearer");
    (is_realm && is_access_token).then(|| {
        format!(
            "at Keycloak, add a mapper for it with '{ADD_TO_ACCESS_TOKEN}'; with '{LIGHTWEIGHT_ACCESS_TOKEN}' of the client, \
             with '{ADD_TO_LIGHTWEIGHT_ACCESS_TOKEN}'"
        )
    })
}

/// Returns the failure for a pointer that only the reference server can follow.
pub(super) fn lenient_index(name: &str) -> Failure {
    Failure::new(format!(
        "the pointer {} has an index that RFC 6901 does not know; the reference server would count it, here \
         it is refused",
        quote(name)
    ))
    .hint("write indices as 0, 1, 2, …")
}

fn mismatch(
    matching: Matching,
    bound: &BoundClaim,
    found: &Value,
    candidates: &[&Value],
    is_list: bool,
) -> Failure {
    let name = quote(&bound.name);
    if bound.values.is_empty() {
        return Failure::new(format!("{name} is bound to an empty list in the role, which nothing matches"));
    }
    if candidates.is_empty() {
        return Failure::new(format!("{name} is an empty list in the token, which nothing matches"));
    }
    // The reference server truncates a number, or rounds it to a float, before it compares.
    let is_truncated =
        |value: &&Value| value.as_number().is_some_and(|number| exact_token_integer(number).is_none());
    let stricter =
        if !is_list && candidates.iter().any(is_truncated) && bound.values.iter().any(Value::is_number) {
            " (only whole numbers up to 2^53 match here; the reference server cuts off the rest)"
        } else {
            ""
        };
    let failure = Failure::new(format!(
        "{name} is {}, expected {}{stricter}",
        shown(candidates),
        match matching {
            Matching::Exact => shown(&bound.values.iter().collect::<Vec<_>>()),
            Matching::Glob => format!("a match of {}", shown(&bound.values.iter().collect::<Vec<_>>())),
        }
    ));
    if matching == Matching::Glob && !candidates.iter().any(|candidate| candidate.is_string()) {
        return failure.hint("a pattern matches texts only");
    }
    for expected in &bound.values {
        for candidate in candidates {
            if let Some(hint) = mismatch_hint(matching, expected, candidate, is_list) {
                return failure.hint(hint);
            }
        }
    }
    if let (Value::String(text), Some(Value::String(expected))) = (found, bound.values.first())
        && text.split([' ', ',']).any(|word| word == expected)
    {
        return failure.hint("the claim is one text, not a list; with bound_claims_type glob, patterns such as \"*word*\" look inside");
    }
    failure
}

/// Formats up to five values.
fn shown(values: &[&Value]) -> String {
    let mut out: Vec<String> = values
        .iter()
        .take(5)
        .map(|value| match value {
            Value::String(text) => quote(text),
            other => describe(other),
        })
        .collect();
    if values.len() > out.len() {
        out.push(format!("{} more", values.len() - out.len()));
    }
    out.join(" or ")
}

/// Returns a hint on the difference between two values that look alike.
fn mismatch_hint(matching: Matching, expected: &Value, found: &Value, in_list: bool) -> Option<String> {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) => {
            if matching == Matching::Exact && expected.contains('*') && glob::matches(expected, found) {
                return Some(
                    "* is not a wildcard unless the role has \"bound_claims_type\": \"glob\"".to_owned(),
                );
            }
            text_difference(expected, found)
        }
        (Value::Number(expected), Value::Number(_)) => {
            if exact_integer(expected).is_none() {
                return Some(format!(
                    "the role's {expected} never matches: only whole numbers up to 2^53, written without point or \
                     exponent, do"
                ));
            }
            if in_list {
                return Some("a number inside a list never matches; let the issuer write texts".to_owned());
            }
            None
        }
        (Value::String(text), other) | (other, Value::String(text)) if is_written_as(other, text) => {
            Some(format!(
                "they are of different kinds: the role has {}, the token {}",
                describe(expected),
                describe(found)
            ))
        }
        _ => None,
    }
}

/// Returns whether a number or boolean is written like this string.
fn is_written_as(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    !value.is_string() && written == text
}

/// Returns a hint if two strings differ only in white space, a final slash or case.
pub(super) fn text_difference(expected: &str, found: &str) -> Option<String> {
    let what = if expected.trim() == found.trim() {
        "white space"
    } else if expected.trim_end_matches('/') == found.trim_end_matches('/') {
        "the slash at the end"
    } else if expected.to_lowercase() == found.to_lowercase() {
        "upper and lower case"
    } else {
        return None;
    };
    Some(format!("they differ only in {what}, and that counts"))
}
