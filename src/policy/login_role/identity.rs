//! The identity in a token: username, metadata and groups.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::bound_claims::{lenient_index, look_up, missing_claim};
use super::check_sequence::{CheckResult, Failure, Pass};
use super::field::describe;
use super::role::LoginRole;
use crate::policy::pointer;
use crate::user::UsernameClaim;
use crate::util::count::counted;
use crate::util::quote::{is_hidden, quote};

/// The limits of metadata in OpenBao 2.7.2: the bytes of a key and of a value, and the number of pairs,
/// including the role's name.
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 512;
const MAX_PAIRS: usize = 64;

/// The prefix of metadata keys that the reference server reserves.
const RESERVED: &str = "vault-";

/// The identity of an accepted login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The username.
    pub username: String,
    /// The groups in the order of the token, without duplicates.
    pub groups: Vec<String>,
    /// The claims that `claim_mappings` selects, and the name of the role as `role`.
    pub metadata: BTreeMap<String, String>,
    /// The maximum lifetime of the session in seconds; `None` is the server's default.
    pub session_seconds: Option<i64>,
}

/// The check `user-claim`. Only here a top-level `aud` is not converted to an array.
pub(super) fn user_name(role: &LoginRole, claims: &Map<String, Value>) -> CheckResult<String> {
    let name = &role.user_claim;
    let found = if role.user_claim_is_pointer {
        look_up(claims, name)
    } else {
        claims.get(name).filter(|value| !value.is_null()).map(std::borrow::Cow::Borrowed)
    };
    let Some(found) = found else {
        let is_inside = name.starts_with('/') && pointer::look_up(claims, name).is_some();
        return Err(if !role.user_claim_is_pointer && is_inside {
            Failure::new(format!("the token has no claim {}", quote(name)))
                .hint("set \"user_claim_json_pointer\": true, so that it is a JSON pointer")
        } else {
            missing_claim(claims, name)
        });
    };
    let Value::String(user) = &*found else {
        return Err(Failure::new(format!(
            "{} is {}: expected a string: nothing else is turned into a name",
            quote(name),
            describe(&found)
        )));
    };
    let is_blank = !user.is_empty() && user.trim().is_empty();
    if is_blank || user.chars().any(char::is_control) {
        return Err(Failure::new(format!(
            "{} is {}, which is not a name: the reference server takes white space and control characters, here \
             they are refused",
            quote(name),
            quote(user)
        )));
    }
    let reason = format!("{} is {}", quote(name), quote(user));
    if let Some((warning, hint)) = UsernameClaim::OfRole(name).provider_id_warning(user) {
        return Ok(Pass { hint: Some(hint.to_owned()), ..Pass::warning(user.clone(), warning) });
    }
    if user.chars().any(is_hidden) {
        return Ok(Pass::warning(user.clone(), format!("{reason}, with characters that do not show")));
    }
    Ok(Pass::new(user.clone(), reason))
}

/// The check `claim-mappings`; a missing claim is skipped.
pub(super) fn metadata(
    role: &LoginRole,
    claims: &Map<String, Value>,
) -> CheckResult<BTreeMap<String, String>> {
    let mut metadata = BTreeMap::from([("role".to_owned(), role.name.clone())]);
    for (source, target) in &role.claim_mappings {
        match look_up(claims, source).as_deref() {
            None if pointer::follows_lenient_index(claims, source) => return Err(lenient_index(source)),
            None => {}
            Some(Value::String(text)) => {
                metadata.insert(target.clone(), text.clone());
            }
            Some(other) => {
                let failure = Failure::new(format!(
                    "{}, mapped to the metadata {}, is {}: expected a string",
                    quote(source),
                    quote(target),
                    describe(other)
                ));
                return Err(if source == "aud" {
                    failure.hint("'aud' is always read as an array; '/aud' is read unchanged")
                } else {
                    failure
                });
            }
        }
    }
    let reason = match role.claim_mappings.len() {
        0 => "the role maps no claims to metadata".to_owned(),
        expected => format!("{} of {} mapped to metadata", metadata.len() - 1, counted(expected, "claim")),
    };
    Ok(Pass::new(metadata, reason))
}

/// The check `identity`: the limits of the reference server for the name and the metadata of a user. It
/// makes this check last, when it saves the identity.
pub(super) fn check_limits(
    role: &LoginRole,
    username: &str,
    metadata: &BTreeMap<String, String>,
) -> CheckResult<()> {
    if username.is_empty() {
        return Err(Failure::new(format!("{} is empty, expected a name", quote(&role.user_claim))));
    }
    for (source, target) in &role.claim_mappings {
        if let Some(text) = metadata.get(target) {
            check_metadata(source, target, text)?;
        }
    }
    if metadata.len() > MAX_PAIRS {
        return Err(Failure::new(format!(
            "{} claims are mapped to metadata: with the name of the role, more than the {MAX_PAIRS} pairs that the reference server permits",
            metadata.len() - 1
        )));
    }
    Ok(Pass::new((), "within the limits of the reference server"))
}

/// Checks the limits for a pair of metadata.
fn check_metadata(source: &str, target: &str, text: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "=/+_-".contains(c);
    let problem = if target.len() > MAX_KEY_BYTES {
        format!("has {} bytes, expected at most {MAX_KEY_BYTES}", target.len())
    } else if !target.chars().all(is_plain) {
        "has a character other than letters, digits and = / + _ -".to_owned()
    } else if target.starts_with(RESERVED) {
        format!("begins with '{RESERVED}', which is reserved")
    } else if text.len() > MAX_VALUE_BYTES {
        let what = format!("{} has {} bytes", quote(source), text.len());
        return Err(Failure::new(format!("{what}, expected at most {MAX_VALUE_BYTES} in metadata")));
    } else {
        return Ok(());
    };
    Err(Failure::new(format!("the metadata key {} of the claim {} {problem}", quote(target), quote(source)))
        .hint("name another key in the role's claim_mappings"))
}

/// The check `groups`. A missing claim fails; an empty array passes.
pub(super) fn groups(role: &LoginRole, claims: &Map<String, Value>) -> CheckResult<Vec<String>> {
    let Some(name) = &role.groups_claim else {
        return Ok(Pass::new(Vec::new(), "the role asks for none"));
    };
    let Some(found) = look_up(claims, name) else {
        let failure = missing_claim(claims, name);
        let reason = format!("{}, and the role requires its groups", failure.reason);
        let hint = failure.hint.unwrap_or_else(|| {
            "let the issuer put groups into the token, or take groups_claim out of the role".to_owned()
        });
        return Err(Failure::new(reason).hint(hint));
    };
    let wrong = |what: &str, value: &Value| {
        Failure::new(format!(
            "{} {what} {}: expected a string or an array of strings",
            quote(name),
            describe(value)
        ))
    };
    let mut groups: Vec<String> = Vec::new();
    let elements = match &*found {
        text @ Value::String(_) => std::slice::from_ref(text),
        Value::Array(elements) => elements.as_slice(),
        other => return Err(wrong("is", other)),
    };
    for element in elements {
        match element {
            Value::String(group) if group.is_empty() || groups.contains(group) => {}
            Value::String(group) => groups.push(group.clone()),
            other => return Err(wrong("has in its list", other)),
        }
    }
    let reason = match groups.len() {
        0 => "none".to_owned(),
        1 => quote(&groups[0]),
        count => counted(count, "group"),
    };
    Ok(Pass::new(groups, reason))
}
