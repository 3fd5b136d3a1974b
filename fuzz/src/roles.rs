//! Login roles, and what they decide.

use cc_auth::policy::Verbosity;
use cc_auth::policy::login_role::{
    CHECKS, Flow, LoginRole, LoginRoleSet, RoleConfig, config_warnings, evaluate as decide, role_warnings,
};
use cc_auth::policy::verdict::{CheckState, Verdict};
use cc_auth::token::json::object;
use cc_auth::token::{Claims, HeaderParams, TokenPart, Unverified, sign, verify};
use cc_auth::util::time::Timestamp;
use serde_json::{Value, json};

use super::tokens::own_key;
use super::{clean, clean_fault, clean_some, clean_warnings, parts, same};

/// A role, the settings of the method, and a book of roles.
pub fn role(data: &[u8]) {
    let Ok(value) = serde_json::from_slice(data) else { return };
    match LoginRole::read("fuzzed", &value) {
        Ok(role) => {
            assert!(!role.user_claim.is_empty());
            clean_warnings(&role_warnings(&role));
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| clean_fault(fault));
        }
    }
    match RoleConfig::read("fuzzed", &value) {
        Ok(config) => {
            assert!(!config.algorithms.is_empty());
            clean_warnings(&config_warnings(&config));
        }
        Err(faults) => faults.iter().for_each(|fault| clean_fault(fault)),
    }
    match LoginRoleSet::read("fuzzed", &value) {
        Ok(roles) => {
            for name in roles.names() {
                assert_eq!(roles.find(name).map(|role| role.name.as_str()).ok(), Some(name));
            }
        }
        Err(faults) => faults.iter().for_each(|fault| clean_fault(fault)),
    }
}

/// A role, a token's claims, and what userinfo says: a login only where every check holds.
pub fn evaluate(data: &[u8]) {
    let [role, claims, userinfo] = parts(data);
    let Ok(role) = serde_json::from_slice(role) else { return };
    let Ok(role) = LoginRole::read("fuzzed", &role) else { return };
    let Ok(claims) = object(claims, TokenPart::Claims) else { return };
    let key = own_key();
    let given = Claims::from(claims);
    let Ok(token) = sign(&HeaderParams::for_key(&key), &given, &key) else { return };
    let token = Unverified::parse(token.expose()).expect("what was issued");
    let verified = verify(token, [&key.verifying_key()]).expect("what was issued");
    let as_value = |claims: &Claims| Value::Object(claims.as_object().clone());
    assert!(same(&as_value(verified.claims()), &as_value(&given)), "other claims than were signed");
    let config = RoleConfig::read("config", &json!({"jwt_validation_pubkeys": [PEM]})).expect("a config");
    let userinfo = object(userinfo, TokenPart::Claims).ok();
    for flow in [Flow::Token, Flow::Provider { userinfo: userinfo.as_ref() }] {
        for now in [0, 1_700_000_000, i64::MAX, i64::MIN] {
            let (verdict, login) =
                decide(&config, &role, Ok(&verified), flow, Timestamp(now), Verbosity::All);
            is_whole(&verdict);
            assert_eq!(verdict.accepts(), login.is_some());
            assert!(login.is_none_or(|login| !login.username.is_empty()));
        }
    }
}

/// Every check in its order; after the one that fails nothing is reached.
fn is_whole(verdict: &Verdict) {
    let names: Vec<&str> = verdict.findings().iter().map(|finding| finding.check).collect();
    assert_eq!(names, CHECKS);
    let mut failed = false;
    for finding in verdict.findings() {
        clean(&finding.reason);
        clean_some(finding.hint.as_deref());
        assert_eq!(finding.state == CheckState::Skipped, failed, "{names:?}");
        failed |= finding.state == CheckState::Fail;
    }
    assert_eq!(failed, !verdict.accepts());
}

/// The public key of the own key.
const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=\n-----END PUBLIC KEY-----\n";
