//! Checks for the behavior of validators beyond the rules of a profile: XRootD with libscitokens, Pelican,
//! and the Python package `scitokens`.
//!
//! The tests send the same tokens to XRootD 5.5 with libscitokens 0.7 and to the Python package 1.9.

use serde_json::{Map, Value};

use super::profile::{Profile, audiences};
use super::scope::{Grant, Operation, Scopes};
use super::verdict::Verdict;
use crate::util::quote::quote;

/// The claims of SciTokens 1.0; its validators reject a token with any other.
const SCITOKENS1_CLAIMS: [&str; 10] =
    ["exp", "nbf", "iat", "iss", "aud", "scope", "jti", "sub", "ver", "opt"];

/// The claims that libscitokens requires in every profile.
const REQUIRED: [&str; 3] = ["sub", "iat", "nbf"];

/// Adds a finding for each part of a payload that the profile allows and a validator rejects.
pub(super) fn check(profile: Profile, payload: &Map<String, Value>, verdict: &mut Verdict) {
    if profile == Profile::SciTokens1 {
        scitokens1(payload, verdict);
    }
    times(payload, verdict);
    required(profile, payload, verdict);
    issuer(payload, verdict);
    scope(profile, payload, verdict);
}

fn scitokens1(payload: &Map<String, Value>, verdict: &mut Verdict) {
    let unknown: Vec<String> =
        payload.keys().filter(|name| !SCITOKENS1_CLAIMS.contains(&name.as_str())).map(|n| quote(n)).collect();
    // 'wlcg.ver' is reported by the check 'profile'.
    if !unknown.is_empty() && !payload.contains_key("wlcg.ver") {
        let reason = format!(
            "unknown claim {}: validators reject a token without 'ver' that has other claims than those of \
             SciTokens 1.0",
            unknown.join(", ")
        );
        verdict.fail("claims", reason, Some("add \"ver\": \"scitoken:2.0\", or remove the claim".to_owned()));
    }
    let reason = match payload.get("aud").map(audiences) {
        None => "no 'aud' claim: a site with a configured audience rejects the token",
        Some(Some(list)) if list.contains(&"ANY") => {
            "'aud' is 'ANY', which is for any service in SciTokens 2.0 only: a site with a configured audience \
             rejects the token"
        }
        Some(_) => return,
    };
    verdict.warn("audience-form", reason, Some("set \"aud\" to the audience of the site".to_owned()));
}

fn times(payload: &Map<String, Value>, verdict: &mut Verdict) {
    for name in ["exp", "nbf", "iat"] {
        let Some(Value::Number(number)) = payload.get(name) else { continue };
        if name == "exp" && number.as_f64() == Some(0.0) {
            // cc-backend reads it as no expiry; the validators read it as 1970.
            verdict.fail("claims", "'exp' is 0: the token expired in 1970", None);
        } else if number.is_f64() {
            let reason = format!("'{name}' is {number}: XRootD reads integers only and rejects the token");
            verdict.warn("claims", reason, Some("write times in whole seconds".to_owned()));
        }
    }
}

fn required(profile: Profile, payload: &Map<String, Value>, verdict: &mut Verdict) {
    let by_profile: &[&str] = match profile {
        Profile::Wlcg => &["sub", "iat"],
        Profile::SciTokens2 | Profile::SciTokens1 => &["nbf"],
    };
    let missing: Vec<String> = REQUIRED
        .into_iter()
        .filter(|name| !by_profile.contains(name) && !payload.contains_key(*name))
        .map(quote)
        .collect();
    if !missing.is_empty() {
        let reason = format!(
            "no {} claim: the profile does not require it, but XRootD does",
            missing.join(" and no ")
        );
        verdict.warn("claims", reason, None);
    }
}

fn issuer(payload: &Map<String, Value>, verdict: &mut Verdict) {
    let Some(issuer) = payload.get("iss").and_then(Value::as_str) else { return };
    if let Some((reason, hint)) = issuer_slash_warning(issuer) {
        verdict.warn("issuer-form", reason, Some(hint.to_owned()));
    }
}

/// The warning and its hint for an https issuer that ends with a slash.
#[must_use]
pub fn issuer_slash_warning(issuer: &str) -> Option<(String, &'static str)> {
    if !issuer.starts_with("https://") || !issuer.ends_with('/') {
        return None;
    }
    let reason = format!(
        "'iss' is {}, which ends with a slash: some validators then request \
         '//.well-known/openid-configuration'",
        quote(issuer)
    );
    let hint = "remove the slash in the issuer's own documents too: 'iss' is compared byte for byte";
    Some((reason, hint))
}

fn scope(profile: Profile, payload: &Map<String, Value>, verdict: &mut Verdict) {
    const CHECK: &str = "scope-form";
    let Some(text) = payload.get("scope").and_then(Value::as_str) else { return };
    let scopes = Scopes::parse(text);
    let list = |is_listed: &dyn Fn(&Grant, &str) -> bool| -> Option<String> {
        let parts: Vec<String> = scopes
            .parts()
            .iter()
            .filter(|part| part.grant.as_ref().is_ok_and(|grant| is_listed(grant, &part.text)))
            .map(|part| quote(&part.text))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    };
    if let Some(parts) = list(&|grant, text| matches!(grant, Grant::Path(..)) && !has_plain_path(text)) {
        let reason = format!(
            "the path of {parts} has characters other than letters, digits, '-', '.', '_' and '~': sites \
             with libscitokens before 1.4 compare percent escapes as text, later versions decode them"
        );
        let hint = "use a directory whose name has only these characters";
        verdict.warn(CHECK, reason, Some(hint.to_owned()));
    }
    if let Some(parts) = list(&|grant, text| !matches!(grant, Grant::Path(..)) && !text.is_ascii()) {
        let reason = format!("{parts} has characters outside ASCII, which RFC 6749 3.3 does not allow");
        verdict.warn(CHECK, reason, None);
    }
    let is_storage = |operation: Operation| operation.name().starts_with("storage.");
    if profile != Profile::Wlcg
        && let Some(parts) =
            list(&|grant, _| matches!(grant, Grant::Path(operation, _) if is_storage(*operation)))
    {
        let reason = format!("{parts} is a scope of WLCG, which XRootD ignores in a token of SciTokens");
        verdict.warn(CHECK, reason, Some("write read:/PATH or write:/PATH".to_owned()));
    }
}

/// Returns whether a path has only `/` and the unreserved characters of RFC 3986 2.3, which every
/// validator reads alike.
fn has_plain_path(scope: &str) -> bool {
    let path = scope.split_once(':').map_or("", |(_, path)| path);
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CheckState;
    use serde_json::json;

    fn payload(changes: Value) -> Map<String, Value> {
        let mut payload = json!({"iss": "https://i.example", "sub": "jane", "aud": "https://s.example",
            "exp": 4600, "iat": 1000, "nbf": 940, "jti": "x", "scope": "read:/data"});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(payload.as_object_mut().unwrap().remove(name)),
                _ => payload[name] = value.clone(),
            }
        }
        payload.as_object().unwrap().clone()
    }

    fn findings(profile: Profile, changes: Value) -> Vec<(CheckState, &'static str, String)> {
        let mut verdict = Verdict::new();
        check(profile, &payload(changes), &mut verdict);
        verdict.findings().iter().map(|f| (f.state, f.check, f.reason.clone())).collect()
    }

    #[test]
    fn validator_finding_is_absent_for_an_accepted_token() {
        for profile in Profile::ALL {
            let scope =
                if profile == Profile::Wlcg { "storage.read:/a-b/c_d.~" } else { "read:/a-b write:/" };
            let changes = json!({"scope": scope});
            assert_eq!(findings(profile, changes), [], "{profile}");
        }
    }

    #[test]
    fn validator_rejection_is_reported() {
        use CheckState::{Fail, Warn};
        for (profile, changes, state, check, words) in [
            (Profile::SciTokens1, json!({"flavor": "x"}), Fail, "claims", "unknown claim 'flavor'"),
            (Profile::SciTokens1, json!({"aud": null}), Warn, "audience-form", "no 'aud' claim"),
            (Profile::SciTokens1, json!({"aud": ["ANY"]}), Warn, "audience-form", "'aud' is 'ANY'"),
            (Profile::Wlcg, json!({"nbf": null}), Warn, "claims", "no 'nbf' claim"),
            (Profile::SciTokens2, json!({"iat": null, "sub": null}), Warn, "claims", "no 'sub' and no 'iat'"),
            (Profile::SciTokens2, json!({"exp": 4600.5}), Warn, "claims", "'exp' is 4600.5"),
            (Profile::Wlcg, json!({"exp": 0}), Fail, "claims", "expired in 1970"),
            (Profile::Wlcg, json!({"exp": 0.0}), Fail, "claims", "expired in 1970"),
            (Profile::Wlcg, json!({"iss": "https://i.example/"}), Warn, "issuer-form", "slash"),
            (Profile::SciTokens2, json!({"scope": "storage.stage:/x"}), Warn, "scope-form", "ignores"),
            (Profile::Wlcg, json!({"scope": "storage.read:/a%20b"}), Warn, "scope-form", "escapes as text"),
            (Profile::Wlcg, json!({"scope": "storage.poll:/\u{e9}"}), Warn, "scope-form", "escapes as text"),
            (Profile::Wlcg, json!({"scope": "storage.read:/a+b"}), Warn, "scope-form", "escapes as text"),
        ] {
            let found = findings(profile, changes.clone());
            let [(found_state, found_check, reason)] = found.as_slice() else {
                panic!("{changes}: {found:?}");
            };
            assert_eq!((*found_state, *found_check), (state, check), "{changes}");
            assert!(reason.contains(words), "{changes}: {reason}");
        }
    }
}
