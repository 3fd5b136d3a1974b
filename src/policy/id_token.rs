//! Checks the claims of a verified ID token, and UserInfo, against the login that requested them (OpenID
//! Connect Core 3.1.3.7, 3.1.3.8, 5.3.2).

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::verdict::Verdict;
use crate::key::Algorithm;
use crate::token::{Claims, Verified};
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::{Timestamp, human_span};

/// The leeway for an `nbf` or `iat` in the future, in seconds. The server does not check `iat`.
const NOT_BEFORE_LEEWAY: i64 = 5 * 60;

/// The time in seconds from which an `iat` in the future is a warning, and the leeway for the maximum age of
/// `auth_time`.
const CLOCK_LEEWAY: i64 = 60;

/// The values that the ID token of a login must have.
#[derive(Debug, Clone)]
pub struct ExpectedIdToken<'a> {
    /// The provider's issuer.
    pub issuer: &'a str,
    /// The ID of this client.
    pub client_id: &'a str,
    /// The setting with the ID of this client, for a hint.
    pub client_id_setting: &'a str,
    /// The accepted signature algorithms.
    pub algorithms: &'a [Algorithm],
    /// The nonce of the authorization request. `None` for a device login or a refresh, which cannot send
    /// one: a `nonce` in the token is then ignored.
    pub nonce: Option<&'a SecretText>,
    /// The access token of the same response.
    pub access_token: Option<&'a SecretText>,
    /// The `sub` of the login that a refresh continues (OpenID Connect Core 12.2).
    pub subject: Option<&'a str>,
    /// The maximum time since the user logged in at the provider, in seconds.
    pub max_age: Option<i64>,
}

/// Checks an ID token. A failed check does not skip the others, so that a report shows them together.
pub fn evaluate(token: &Verified, expected: &ExpectedIdToken<'_>, now: Timestamp) -> Verdict {
    let mut verdict = Verdict::new();
    let claims = token.claims();
    algorithm(&mut verdict, token.algorithm(), expected.algorithms);
    issuer(&mut verdict, claims, expected.issuer);
    audience(&mut verdict, claims, expected);
    subject(&mut verdict, claims, expected.subject);
    expiry(&mut verdict, claims, now);
    not_before(&mut verdict, claims, now);
    issued_at(&mut verdict, claims, now);
    if let Some(max_age) = expected.max_age {
        auth_time(&mut verdict, claims, max_age, now);
    }
    if let Some(required) = expected.nonce {
        nonce(&mut verdict, claims, required);
    }
    if let Some(access_token) = expected.access_token {
        access_token_hash(&mut verdict, claims, token.algorithm(), access_token);
    }
    verdict
}

/// Checks that UserInfo has the same `sub` as the ID token, byte for byte (OpenID Connect Core 5.3.2).
pub fn check_userinfo(token: &Verified, userinfo: &Map<String, Value>) -> Verdict {
    let mut verdict = Verdict::new();
    match (userinfo.get("sub").and_then(Value::as_str), token.claims().subject()) {
        (Some(found), Some(required)) if found == required => verdict.pass("userinfo", "of the same user"),
        (Some(found), required) => verdict.fail(
            "userinfo",
            format!(
                "UserInfo is for another user: its 'sub' is {}: expected {}",
                quote(found),
                quote(required.unwrap_or_default())
            ),
            None,
        ),
        (None, _) => verdict.fail("userinfo", "UserInfo does not have a subject ('sub')", None),
    }
    verdict
}

/// Checks the algorithm, `iss` and `aud` of UserInfo in the form of a signed token; both claims are
/// optional (OpenID Connect Core 5.3.2).
pub fn check_signed_userinfo(
    token: &Verified,
    issuer: &str,
    client_id: &str,
    algorithms: &[Algorithm],
) -> Verdict {
    const CHECK: &str = "userinfo";
    let mut verdict = Verdict::new();
    let claims = token.claims();
    if !algorithms.contains(&token.algorithm()) {
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let found = token.algorithm();
        verdict.fail(CHECK, format!("userinfo is signed with {found}: expected {}", names.join(", ")), None);
    }
    match claims.get("iss") {
        None => {}
        Some(Value::String(found)) if found == issuer => {}
        Some(found) => {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            let reason = format!("userinfo is from the issuer {}: expected {}", quote(&found), quote(issuer));
            verdict.fail(CHECK, reason, None);
        }
    }
    let audiences = claims.audiences();
    if claims.get("aud").is_some() && !audiences.contains(&client_id) {
        let shown: Vec<String> = audiences.into_iter().map(quote).collect();
        let reason = format!("userinfo is for [{}]: expected {}", shown.join(", "), quote(client_id));
        verdict.fail(CHECK, reason, None);
    }
    if verdict.findings().is_empty() {
        verdict.pass(CHECK, format!("signed with {}", token.algorithm()));
    }
    verdict
}

fn algorithm(verdict: &mut Verdict, found: Algorithm, allowed: &[Algorithm]) {
    if allowed.contains(&found) {
        return verdict.pass("algorithm", found.name());
    }
    let names: Vec<&str> = allowed.iter().map(|algorithm| algorithm.name()).collect();
    verdict.fail(
        "algorithm",
        format!("the ID token is signed with {found}: expected {}", names.join(", ")),
        None,
    );
}

fn issuer(verdict: &mut Verdict, claims: &Claims, required: &str) {
    match claims.issuer() {
        Some(found) if found == required => verdict.pass("issuer", || quote(found)),
        Some(found) => verdict.fail(
            "issuer",
            format!("the ID token is from the issuer {}: expected {}", quote(found), quote(required)),
            None,
        ),
        None => verdict.fail("issuer", "the ID token names no issuer ('iss')", None),
    }
}

fn audience(verdict: &mut Verdict, claims: &Claims, expected: &ExpectedIdToken<'_>) {
    let client_id = expected.client_id;
    let audiences = claims.audiences();
    let whole = match claims.get("aud") {
        Some(Value::Array(list)) => list.len() == audiences.len(),
        _ => true,
    };
    let shown = || audiences.iter().map(|audience| quote(audience)).collect::<Vec<_>>().join(", ");
    if audiences.is_empty() || !whole {
        return verdict.fail("audience", "the ID token has no proper audience ('aud')", None);
    }
    if !audiences.contains(&client_id) {
        return verdict.fail(
            "audience",
            format!("the ID token is for {}: expected {}", shown(), quote(client_id)),
            Some(format!("check {} against the provider's registration", escape(expected.client_id_setting))),
        );
    }
    verdict.pass("audience", shown());
    // OpenID Connect Core 3.1.3.7, 4 and 5: with several audiences 'azp' is required, and must be
    // this client.
    match claims.get("azp") {
        None if audiences.len() > 1 => verdict.fail(
            "authorized-party",
            format!("the ID token has several audiences ({}) and no authorized party ('azp')", shown()),
            None,
        ),
        None => {}
        Some(Value::String(found)) if found == client_id => {
            verdict.pass("authorized-party", || quote(found));
        }
        Some(found) => {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            verdict.fail(
                "authorized-party",
                format!("the ID token was made for {}: expected {}", quote(&found), quote(client_id)),
                None,
            );
        }
    }
}

fn subject(verdict: &mut Verdict, claims: &Claims, required: Option<&str>) {
    match (claims.subject(), required) {
        (None | Some(""), _) => verdict.fail("subject", "the ID token does not have a subject ('sub')", None),
        (Some(found), Some(required)) if found != required => verdict.fail(
            "subject",
            format!("the ID token is about {}, the login was that of {}", quote(found), quote(required)),
            None,
        ),
        (Some(found), _) => verdict.pass("subject", || quote(found)),
    }
}

/// Returns a time claim; adds a failure if it is malformed, or if it is required and missing.
fn time(
    verdict: &mut Verdict,
    check: &'static str,
    claims: &Claims,
    name: &'static str,
    is_required: bool,
) -> Option<Timestamp> {
    match claims.time(name) {
        Ok(Some(date)) => return Some(date.instant()),
        Ok(None) if is_required => verdict.fail(check, format!("the ID token has no '{name}'"), None),
        Ok(None) => {}
        Err(error) => verdict.fail(check, format!("the ID token's {error}"), None),
    }
    None
}

const CLOCK_HINT: &str = "if that is now, compare this computer's clock with the provider's";

fn expiry(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    let Some(expiry) = time(verdict, "expiry", claims, "exp", true) else { return };
    // OpenID Connect Core 2: the token must not be accepted on or after this time.
    if now < expiry {
        verdict.pass("expiry", expiry.relative_to(now));
    } else {
        verdict.fail(
            "expiry",
            format!("the ID token expired {}", ago(now, expiry)),
            Some(CLOCK_HINT.to_owned()),
        );
    }
}

fn not_before(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    let Some(begin) = time(verdict, "not-before", claims, "nbf", false) else { return };
    if begin <= now.plus_seconds(NOT_BEFORE_LEEWAY) {
        verdict.pass("not-before", begin.relative_to(now));
    } else {
        let reason = format!("the ID token is not valid until {} from now", ahead(begin, now));
        verdict.fail("not-before", reason, Some(CLOCK_HINT.to_owned()));
    }
}

fn issued_at(verdict: &mut Verdict, claims: &Claims, now: Timestamp) {
    let Some(issued) = time(verdict, "issued-at", claims, "iat", true) else { return };
    if issued <= now.plus_seconds(CLOCK_LEEWAY) {
        return verdict.pass("issued-at", issued.relative_to(now));
    }
    let reason = format!("the ID token was issued {} in the future", ahead(issued, now));
    if issued <= now.plus_seconds(NOT_BEFORE_LEEWAY) {
        verdict.warn("issued-at", reason, Some(CLOCK_HINT.to_owned()));
    } else {
        verdict.fail("issued-at", reason, Some(CLOCK_HINT.to_owned()));
    }
}

fn auth_time(verdict: &mut Verdict, claims: &Claims, max_age: i64, now: Timestamp) {
    let Some(login) = time(verdict, "auth-time", claims, "auth_time", true) else { return };
    if now <= login.plus_seconds(max_age).plus_seconds(CLOCK_LEEWAY) {
        verdict.pass("auth-time", || format!("logged in {}", login.relative_to(now)));
    } else {
        verdict.fail(
            "auth-time",
            format!(
                "the login at the provider was {}: expected at most {}",
                ago(now, login),
                human_span(max_age.unsigned_abs())
            ),
            Some("log out at the provider and log in again".to_owned()),
        );
    }
}

fn ago(now: Timestamp, then: Timestamp) -> String {
    format!("{} ago", human_span(now.since(then).unsigned_abs()))
}

fn ahead(then: Timestamp, now: Timestamp) -> String {
    human_span(then.since(now).unsigned_abs())
}

fn nonce(verdict: &mut Verdict, claims: &Claims, required: &SecretText) {
    let same = |found: &str| {
        let (found, required) = (found.as_bytes(), required.expose().as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(found, required).is_ok()
    };
    match claims.get("nonce") {
        Some(Value::String(found)) if same(found) => verdict.pass("nonce", "that of this login"),
        Some(_) => verdict.fail("nonce", "the ID token has another 'nonce' than this login", None),
        None => verdict.fail("nonce", "the ID token does not have a nonce", None),
    }
}

/// Checks `at_hash`: the left half of the access token's hash (OpenID Connect Core 3.1.3.6), with the
/// hash of the ID token's signature algorithm; Ed25519 uses SHA-512.
fn access_token_hash(
    verdict: &mut Verdict,
    claims: &Claims,
    algorithm: Algorithm,
    access_token: &SecretText,
) {
    let Some(found) = claims.get("at_hash") else { return };
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Hs256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 | Algorithm::Hs384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::Hs512 | Algorithm::EdDsa => {
            &SHA512
        }
    };
    let whole = digest::digest(hash, access_token.expose().as_bytes());
    let bytes = whole.as_ref();
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    if found.as_str() == Some(&URL_SAFE_NO_PAD.encode(half)) {
        verdict.pass("access-token", "that of this ID token ('at_hash')");
    } else {
        verdict.fail("access-token", "the access token is not the one of the ID token ('at_hash')", None);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::{PrivateKey, SigningKey};
    use crate::token::{HeaderParams, Unverified, sign, verify};

    const NOW: Timestamp = Timestamp(1_000_000);

    /// Returns a verified token with the default claims and these changes; `null` removes a claim.
    fn token(change: &Value) -> Verified {
        let mut claims: Claims = Claims::new();
        let standard = json!({
            "iss": "https://idp.example", "aud": "cc", "sub": "s1", "nonce": "n", "iat": 1_000_000,
            "exp": 1_000_060,
        });
        let mut members = standard.as_object().unwrap().clone();
        members.extend(change.as_object().unwrap().clone());
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
            claims.set(name, value);
        }
        let key = SigningKey::private(PrivateKey::generate(Algorithm::Es256).unwrap()).unwrap();
        let text = sign(&HeaderParams::for_key(&key), &claims, &key).unwrap();
        verify(Unverified::parse(text.expose()).unwrap(), &[key.verifying_key()]).unwrap()
    }

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    /// Returns the first check that fails, or `-`.
    fn failing(change: &Value) -> String {
        let nonce = secret("n");
        let access_token = secret("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        let expected = ExpectedIdToken {
            issuer: "https://idp.example",
            client_id: "cc",
            client_id_setting: "OID_CLIENT_ID",
            algorithms: &[Algorithm::Es256],
            nonce: Some(&nonce),
            access_token: Some(&access_token),
            subject: Some("s1"),
            max_age: change.get("auth_time").map(|_| 300),
        };
        let verdict = evaluate(&token(change), &expected, NOW);
        assert_eq!(verdict.accepts(), verdict.first_failure().is_none());
        verdict.first_failure().map_or("-", |finding| finding.check).to_owned()
    }

    #[test]
    fn id_token_is_rejected_by_each_rule_alone() {
        let table = [
            (json!({}), "-"),
            (json!({"iss": "https://idp.example/"}), "issuer"),
            (json!({"iss": null}), "issuer"),
            (json!({"iss": ["https://idp.example"]}), "issuer"),
            (json!({"aud": "other"}), "audience"),
            (json!({"aud": "cc "}), "audience"),
            // A single foreign audience, whatever the authorized party (3.1.3.7, 3).
            (json!({"aud": "other", "azp": "cc"}), "audience"),
            (json!({"aud": ["other"], "azp": "cc"}), "audience"),
            (json!({"aud": null}), "audience"),
            (json!({"aud": []}), "audience"),
            (json!({"aud": ["cc", 1]}), "audience"),
            (json!({"aud": ["cc"]}), "-"),
            (json!({"aud": ["cc", "other"]}), "authorized-party"),
            (json!({"aud": ["cc", "other"], "azp": "cc"}), "-"),
            (json!({"azp": "other"}), "authorized-party"),
            (json!({"azp": 1}), "authorized-party"),
            (json!({"azp": "cc"}), "-"),
            (json!({"sub": null}), "subject"),
            (json!({"sub": ""}), "subject"),
            (json!({"sub": "s2"}), "subject"),
            (json!({"exp": 1_000_000}), "expiry"),
            (json!({"exp": 999_999}), "expiry"),
            (json!({"exp": 1_000_001}), "-"),
            (json!({"exp": 0}), "expiry"),
            (json!({"exp": null}), "expiry"),
            (json!({"exp": "1000060"}), "expiry"),
            (json!({"nbf": 1_000_300}), "-"),
            (json!({"nbf": 1_000_301}), "not-before"),
            (json!({"nbf": true}), "not-before"),
            (json!({"iat": 1_000_300}), "-"),
            (json!({"iat": 1_000_301}), "issued-at"),
            (json!({"iat": null}), "issued-at"),
            (json!({"nonce": "m"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
            (json!({"nonce": ["n"]}), "nonce"),
            (json!({"auth_time": 999_640}), "-"),
            (json!({"auth_time": 999_639}), "auth-time"),
            (json!({"auth_time": "now"}), "auth-time"),
            // The access token and hash of OpenID Connect Core A.3.
            (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), "-"),
            (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RR"}), "access-token"),
            (json!({"at_hash": 5}), "access-token"),
        ];
        for (change, required) in table {
            assert_eq!(failing(&change), required, "{change}");
        }
    }

    #[test]
    fn id_token_with_unexpected_algorithm_is_rejected_without_nonce_is_accepted() {
        let mut expected = ExpectedIdToken {
            issuer: "https://idp.example",
            client_id: "cc",
            client_id_setting: "OID_CLIENT_ID",
            algorithms: &[Algorithm::Rs256],
            nonce: None,
            access_token: None,
            subject: None,
            max_age: None,
        };
        let token = token(&json!({"nonce": null, "at_hash": "of another"}));
        let verdict = evaluate(&token, &expected, NOW);
        assert_eq!(verdict.first_failure().map(|finding| finding.check), Some("algorithm"));
        expected.algorithms = &[Algorithm::Rs256, Algorithm::Es256];
        assert!(evaluate(&token, &expected, NOW).accepts());
        expected.max_age = Some(300);
        let verdict = evaluate(&token, &expected, NOW);
        assert_eq!(verdict.first_failure().map(|finding| finding.check), Some("auth-time"));
    }

    #[test]
    fn userinfo_of_another_subject_is_rejected() {
        let token = token(&json!({}));
        let about = |value: Value| check_userinfo(&token, value.as_object().unwrap()).accepts();
        assert!(about(json!({"sub": "s1", "name": "x"})));
        for other in [json!({"sub": "s2"}), json!({"sub": "S1"}), json!({}), json!({"sub": 1})] {
            assert!(!about(other.clone()), "{other}");
        }
    }
}
