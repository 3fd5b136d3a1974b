//! The checks of a token profile. A check fails if a validator rejects the token, and warns if validators
//! accept it against the profile.

use serde_json::{Map, Value};

use super::profile::{Profile, audiences, https_issuer_problem};
use super::scope::{Operation, Scopes};
use super::validators;
use super::verdict::Verdict;
use crate::util::quote::{escape, quote};
use crate::util::time::human_span;

/// The lifetime of an access token in the WLCG profile, in seconds: 15 minutes to 6 hours.
const WLCG_LIFETIME: std::ops::RangeInclusive<i64> = 900..=21_600;

/// Checks header and payload against the rules of a profile, and adds a finding for each.
pub fn check(
    profile: Profile,
    header: &Map<String, Value>,
    payload: &Map<String, Value>,
    verdict: &mut Verdict,
) {
    let mut checks = ProfileChecks { profile, header, payload, verdict };
    checks.version();
    checks.algorithm();
    checks.key_id();
    checks.issuer();
    checks.audience();
    checks.required();
    checks.lifetime();
    checks.scope();
    validators::check(profile, payload, verdict);
}

struct ProfileChecks<'a> {
    profile: Profile,
    header: &'a Map<String, Value>,
    payload: &'a Map<String, Value>,
    verdict: &'a mut Verdict,
}

impl ProfileChecks<'_> {
    fn fail(&mut self, check: &'static str, reason: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.verdict.fail(check, reason, hint);
    }

    fn version(&mut self) {
        const CHECK: &str = "profile";
        let (ver, wlcg) = (self.payload.get("ver"), self.payload.get("wlcg.ver"));
        let title = self.profile.title();
        if ver.is_some() && wlcg.is_some() {
            let reason = "has both 'ver' and 'wlcg.ver': a token follows one profile";
            return self.fail(CHECK, reason, "leave out 'ver' for WLCG, 'wlcg.ver' for SciTokens");
        }
        match self.profile {
            Profile::Wlcg => match wlcg {
                None => self.fail(CHECK, "has no 'wlcg.ver'", r#"add "wlcg.ver": "1.0""#),
                Some(Value::String(text)) => match wlcg_minor(text) {
                    Some(0) => self.verdict.pass(CHECK, title),
                    Some(_) => {
                        let reason =
                            format!("'wlcg.ver' is {}, which some validators do not read", quote(text));
                        self.verdict.warn(CHECK, reason, Some("write \"1.0\"".to_owned()));
                    }
                    None => {
                        let reason = format!("'wlcg.ver' is {}: expected version 1", quote(text));
                        self.fail(CHECK, reason, "write \"1.0\"");
                    }
                },
                Some(other) => {
                    let reason = format!("'wlcg.ver' is the {} {other}: expected a string", kind(other));
                    self.fail(CHECK, reason, "write it in quotes: \"1.0\"");
                }
            },
            Profile::SciTokens2 => match ver {
                Some(Value::String(text)) if text == "scitoken:2.0" => self.verdict.pass(CHECK, title),
                Some(Value::String(text)) if text == "scitokens:2.0" => {
                    let reason = "'ver' is 'scitokens:2.0', a common misspelling of 'scitoken:2.0': XRootD and \
                                  Pelican accept it, the Python package scitokens rejects it";
                    let hint = "write \"scitoken:2.0\", without the s";
                    self.verdict.warn(CHECK, reason, Some(hint.to_owned()));
                }
                Some(other) => {
                    let reason = format!("'ver' is {}: expected 'scitoken:2.0'", shown(other));
                    self.fail(CHECK, reason, "");
                }
                None => self.fail(CHECK, "has no 'ver'", r#"add "ver": "scitoken:2.0""#),
            },
            Profile::SciTokens1 => match ver {
                None => self.verdict.pass(CHECK, title),
                Some(Value::String(text)) if text == "scitokens:1.0" => {
                    let reason = "'ver' is 'scitokens:1.0': XRootD accepts it, the Python package scitokens \
                                  rejects it";
                    self.verdict.warn(CHECK, reason, Some("remove 'ver'".to_owned()));
                }
                Some(other) => {
                    let reason =
                        format!("'ver' is {}: a token of SciTokens 1.0 has no 'ver' claim", shown(other));
                    self.fail(CHECK, reason, "remove 'ver', or write \"scitoken:2.0\"");
                }
            },
        }
        if self.profile != Profile::Wlcg && wlcg.is_some() {
            self.fail(CHECK, "has 'wlcg.ver', which is the other profile's", "verify it with --profile wlcg");
        }
    }

    fn algorithm(&mut self) {
        match self.header.get("alg").and_then(Value::as_str) {
            Some(name) if name.starts_with("HS") || name.eq_ignore_ascii_case("none") => {
                let reason =
                    format!("is signed with {}: every service that verifies could sign", quote(name));
                self.fail("algorithm", reason, "sign with ES256 or RS256");
            }
            Some(name) if name != "ES256" && name != "RS256" => {
                let reason =
                    format!("is signed with {}; all validators read ES256 and RS256 only", quote(name));
                self.verdict.warn("algorithm", reason, None);
            }
            Some(name) => self.verdict.pass("algorithm", escape(name)),
            None => self.fail("algorithm", "has no 'alg' in its header", ""),
        }
    }

    fn key_id(&mut self) {
        match self.header.get("kid") {
            Some(Value::String(kid)) if !kid.is_empty() => self.verdict.pass("kid", || quote(kid)),
            _ => self.fail(
                "kid",
                "has no 'kid' in its header: validators find the key only if the issuer publishes a single one",
                "",
            ),
        }
    }

    fn issuer(&mut self) {
        const CHECK: &str = "issuer-form";
        match self.payload.get("iss") {
            None => self.fail(CHECK, "has no 'iss': every validator refuses it", "set spec.issuer"),
            Some(Value::String(issuer)) => match https_issuer_problem(issuer) {
                None => self.verdict.pass(CHECK, || quote(issuer)),
                Some(why) => {
                    self.fail(CHECK, format!("'iss' is {}, {why}", quote(issuer)), "");
                }
            },
            Some(other) => self.fail(CHECK, format!("'iss' is {}: expected a string", shown(other)), ""),
        }
    }

    fn audience(&mut self) {
        const CHECK: &str = "audience-form";
        let any = self.profile.any_audience();
        let Some(claim) = self.payload.get("aud") else {
            if self.profile == Profile::SciTokens1 {
                return;
            }
            let hint = format!("add \"aud\": \"{any}\" for any service");
            return self.fail(CHECK, "has no 'aud'", &hint);
        };
        let Some(audiences) = audiences(claim) else {
            let reason = format!("'aud' is {}: expected a string or an array of strings", shown(claim));
            return self.fail(CHECK, reason, "");
        };
        if audiences.is_empty() || audiences.contains(&"") {
            return self.fail(CHECK, "'aud' is empty", "");
        }
        let foreign = self.profile.foreign_any_audience();
        if audiences.contains(&foreign) {
            let reason = format!("'aud' is {}, which means any service in another profile", quote(foreign));
            return self.fail(CHECK, reason, &format!("write \"{any}\""));
        }
        let list: Vec<String> = audiences.iter().map(|audience| quote(audience)).collect();
        self.verdict.pass(CHECK, list.join(", "));
    }

    fn required(&mut self) {
        let (texts, numbers): (&[&str], &[&str]) = match self.profile {
            Profile::Wlcg => (&["sub", "jti"], &["exp", "iat"]),
            Profile::SciTokens2 | Profile::SciTokens1 => (&[], &["exp", "nbf"]),
        };
        let mut missing = Vec::new();
        let mut wrong = Vec::new();
        for name in texts {
            match self.payload.get(*name) {
                None => missing.push(quote(name)),
                Some(Value::String(text)) if !text.is_empty() => {}
                Some(other) => wrong.push(format!("'{name}' is {}: expected a string", shown(other))),
            }
        }
        for name in numbers {
            match self.payload.get(*name) {
                None => missing.push(quote(name)),
                Some(Value::Number(_)) => {}
                Some(other) => wrong.push(format!("'{name}' is {}: expected a number", shown(other))),
            }
        }
        if !missing.is_empty() {
            wrong.insert(0, format!("has no {}", missing.join(", ")));
        }
        if wrong.is_empty() {
            let all: Vec<&str> = texts.iter().chain(numbers).copied().collect();
            self.verdict.pass("claims", || format!("has {}", all.join(", ")));
        }
        for reason in wrong {
            self.fail("claims", reason, "");
        }
    }

    fn lifetime(&mut self) {
        if self.profile != Profile::Wlcg {
            return;
        }
        let time = |name: &str| self.payload.get(name).and_then(Value::as_f64);
        let (Some(issued), Some(end)) = (time("iat"), time("exp")) else { return };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, which is what is expected"
        )]
        let lifetime = (end - issued) as i64;
        if WLCG_LIFETIME.contains(&lifetime) {
            self.verdict.pass("lifetime", human_span(lifetime.unsigned_abs()));
        } else {
            let span = human_span(lifetime.unsigned_abs());
            let reason =
                format!("lives {span}; the WLCG profile has 15 minutes to 6 hours for an access token");
            self.verdict.warn("lifetime", reason, None);
        }
    }

    fn scope(&mut self) {
        const CHECK: &str = "scope-form";
        let groups = self.profile == Profile::Wlcg && self.payload.contains_key("wlcg.groups");
        let text = match self.payload.get("scope") {
            Some(Value::String(text)) => text,
            Some(other) => {
                let reason = format!(
                    "'scope' is {}: expected one string, with spaces between the scopes",
                    shown(other)
                );
                return self.fail(CHECK, reason, "");
            }
            None if groups => return self.verdict.pass(CHECK, "has 'wlcg.groups'"),
            None if self.profile == Profile::Wlcg => {
                return self.fail(CHECK, "has neither 'scope' nor 'wlcg.groups'", "");
            }
            None => return self.fail(CHECK, "has no 'scope'", ""),
        };
        let scopes = Scopes::parse(text);
        if scopes.is_empty() {
            return self.fail(CHECK, "'scope' is empty", "");
        }
        let mut good = true;
        for error in scopes.errors() {
            good = false;
            // Validators ignore an unknown operation, but read an invalid path in different ways.
            if error.is_about_path() {
                self.verdict.fail(CHECK, error.to_string(), error.hint());
            } else {
                self.verdict.warn(CHECK, error.to_string(), error.hint());
            }
        }
        if scopes.has_extra_spaces() {
            good = false;
            let reason = "'scope' has blanks beyond the single ones between its parts";
            self.verdict.warn(CHECK, reason, None);
        }
        let foreign: Vec<String> = scopes
            .parts()
            .iter()
            .filter(|part| self.is_foreign(&part.text))
            .map(|p| quote(&p.text))
            .collect();
        if !foreign.is_empty() {
            good = false;
            let reason = format!("{} is a scope of SciTokens, which grants nothing here", foreign.join(", "));
            self.verdict.warn(CHECK, reason, Some("write storage.read:/PATH and the like".to_owned()));
        }
        if good {
            self.verdict.pass(CHECK, || quote(text));
        }
    }

    fn is_foreign(&self, part: &str) -> bool {
        let name = part.split(':').next().unwrap_or_default();
        Operation::ALL
            .into_iter()
            .any(|operation| operation.name() == name && !operation.is_known_to(self.profile.family()))
    }
}

/// Returns the minor version of a WLCG version with the major version 1.
fn wlcg_minor(text: &str) -> Option<u32> {
    let minor = text.strip_prefix("1.")?;
    let plain = minor.bytes().all(|b| b.is_ascii_digit()) && (minor == "0" || !minor.starts_with('0'));
    minor.parse().ok().filter(|_| plain)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Null => "null".to_owned(),
        Value::Array(_) | Value::Object(_) => format!("a {}", kind(value)),
        Value::Bool(_) | Value::Number(_) => format!("the {} {value}", kind(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::profile::{Recognition, WLCG_ANY, includes_service, recognize};
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn is_valid() -> Map<String, Value> {
        object(json!({"iss": "https://i.example", "sub": "jane", "aud": WLCG_ANY, "exp": 4600, "iat": 1000,
            "nbf": 940, "jti": "x", "wlcg.ver": "1.0", "scope": "storage.read:/"}))
    }

    fn verdict(profile: Profile, payload: &Map<String, Value>) -> Verdict {
        let mut verdict = Verdict::new();
        check(profile, &object(json!({"alg": "ES256", "kid": "k"})), payload, &mut verdict);
        verdict
    }

    #[test]
    fn profile_conforming_token_is_accepted_without_warnings() {
        let verdict = verdict(Profile::Wlcg, &is_valid());
        assert!(verdict.accepts(), "{verdict:?}");
        assert!(verdict.findings().iter().all(|f| f.state == super::super::CheckState::Pass), "{verdict:?}");
    }

    #[test]
    fn wlcg_lifetime_within_limits_gets_no_warning() {
        for (lifetime, required) in [(899, false), (900, true), (21_600, true), (21_601, false)] {
            let mut payload = is_valid();
            payload.insert("exp".to_owned(), json!(1_000 + lifetime));
            let verdict = verdict(Profile::Wlcg, &payload);
            let finding = verdict.findings().iter().find(|finding| finding.check == "lifetime").unwrap();
            assert_eq!(finding.state == super::super::CheckState::Pass, required, "{lifetime}");
            assert!(verdict.accepts(), "{lifetime}");
        }
    }

    #[test]
    fn profile_without_required_claim_is_rejected() {
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "wlcg.ver", "scope"] {
            let mut payload = is_valid();
            payload.remove(name);
            let verdict = verdict(Profile::Wlcg, &payload);
            assert!(!verdict.accepts(), "{name}");
            let reason = verdict.first_failure().unwrap().reason.clone();
            assert!(reason.contains(&format!("'{name}'")), "{name}: {reason}");
        }
    }

    #[test]
    fn profile_version_other_than_expected_is_rejected() {
        for (version, accepted) in [
            (json!("1.0"), true),
            (json!("1.3"), true),
            (json!("2.0"), false),
            (json!("1"), false),
            (json!("1."), false),
            (json!("1.0.1"), false),
            (json!(1.0), false),
            (json!(null), false),
        ] {
            let mut payload = is_valid();
            payload.insert("wlcg.ver".to_owned(), version.clone());
            assert_eq!(verdict(Profile::Wlcg, &payload).accepts(), accepted, "{version}");
        }
    }

    #[test]
    fn profile_is_recognized_by_version_claim() {
        for (payload, required) in [
            (json!({"wlcg.ver": "1.0"}), Recognition::Profile(Profile::Wlcg)),
            (json!({"ver": "scitoken:2.0"}), Recognition::Profile(Profile::SciTokens2)),
            (json!({"ver": "scitokens:2.0"}), Recognition::Profile(Profile::SciTokens2)),
            (json!({"ver": "scitokens:1.0"}), Recognition::Profile(Profile::SciTokens1)),
            (json!({"ver": "scitoken:2.0", "wlcg.ver": "1.0"}), Recognition::Both),
            (json!({"scope": "read:/x"}), Recognition::Profile(Profile::SciTokens1)),
            (json!({"scope": "openid", "roles": ["user"]}), Recognition::None),
            (json!({"ver": 3}), Recognition::None),
        ] {
            assert_eq!(recognize(&object(payload.clone())), required, "{payload}");
        }
    }

    #[test]
    fn profile_with_any_audience_of_the_other_family_is_rejected() {
        let mut payload = is_valid();
        payload.insert("aud".to_owned(), json!(["ANY"]));
        assert!(!verdict(Profile::Wlcg, &payload).accepts());
        payload.remove("wlcg.ver");
        payload.insert("ver".to_owned(), json!("scitoken:2.0"));
        assert!(verdict(Profile::SciTokens2, &payload).accepts());
        payload.insert("aud".to_owned(), json!(WLCG_ANY));
        assert!(!verdict(Profile::SciTokens2, &payload).accepts());
    }

    #[test]
    fn profile_version_misspelled_gets_a_warning() {
        for (version, is_misspelling) in
            [(json!("scitokens:2.0"), true), (json!("scitoken:3.0"), false), (json!(2), false)]
        {
            let payload =
                object(json!({"iss": "https://i.example", "sub": "x", "ver": version, "aud": "ANY",
                    "scope": "read:/", "exp": 2, "nbf": 1}));
            let verdict = verdict(Profile::SciTokens2, &payload);
            assert_eq!(verdict.accepts(), is_misspelling, "{verdict:?}");
            let warns = |f: &super::super::Finding| {
                f.state == super::super::CheckState::Warn && f.reason.contains("Python")
            };
            assert_eq!(verdict.findings().iter().any(warns), is_misspelling, "{verdict:?}");
        }
    }

    #[test]
    fn profile_with_empty_required_claim_is_rejected() {
        for name in ["sub", "jti"] {
            let mut payload = is_valid();
            payload.insert(name.to_owned(), json!(""));
            let verdict = verdict(Profile::Wlcg, &payload);
            let failure = verdict.first_failure().unwrap();
            assert_eq!(failure.check, "claims");
            assert!(failure.reason.contains(&format!("'{name}'")), "{}", failure.reason);
        }
    }

    #[test]
    fn audience_includes_service_by_name_or_any() {
        for (profile, any) in
            [(Profile::Wlcg, WLCG_ANY), (Profile::SciTokens2, "ANY"), (Profile::SciTokens1, "ANY")]
        {
            for (audience, expected) in [
                (json!("https://s.example"), true),
                (json!(["https://t.example", "https://s.example"]), true),
                (json!(any), true),
                (json!([any]), true),
                (json!("https://t.example"), false),
                (json!([]), false),
                (json!(5), false),
            ] {
                let payload = object(json!({"aud": audience}));
                assert_eq!(
                    includes_service(profile, &payload, "https://s.example"),
                    expected && !(profile == Profile::SciTokens1 && audience.to_string().contains("ANY")),
                    "{profile:?} {audience}"
                );
            }
            assert!(!includes_service(profile, &Map::new(), "s"), "{profile:?}");
        }
    }
}
