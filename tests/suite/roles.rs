//! Login roles: the decisions of the reference server, replayed.

use std::fs;
use std::path::{Path, PathBuf};

use cc_auth::key::parse::read_public;
use cc_auth::key::{KeySet, KeyStrength};
use cc_auth::policy::CheckState;
use cc_auth::policy::Verbosity;
use cc_auth::policy::login_role::{CHECKS, Flow, LoginRole, RoleConfig, evaluate};
use cc_auth::token::{Unverified, verify};
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;
use serde_json::{Value, json};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/login-roles").join(name)
}

fn rows(name: &str) -> Vec<Value> {
    fs::read_to_string(data(name)).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The row's configuration in the words of a role file, and its keys.
fn configuration(row: &Value) -> (Value, KeySet) {
    let config = &row["config"];
    let mut written = json!({});
    let mut notes = Notes::new();
    let keys = if let Some(files) = config["pubkeys"].as_array() {
        let pems: Vec<String> =
            files.iter().map(|file| fs::read_to_string(data(file.as_str().unwrap())).unwrap()).collect();
        written["jwt_validation_pubkeys"] = json!(pems);
        let now = Timestamp(row["signed_at"].as_i64().unwrap_or_default());
        pems.iter()
            .filter_map(|pem| read_public(pem.as_bytes(), KeyStrength::Enforce, &mut notes).ok())
            .filter(|found| found.certificate.as_ref().is_none_or(|certificate| certificate.is_valid_at(now)))
            .map(|found| found.key)
            .collect()
    } else {
        let source = config["source"].as_str().unwrap();
        written[source] = json!("https://issuer.example");
        let file = config["jwks"].as_str().unwrap_or("jwks.json");
        KeySet::from_json(&fs::read_to_string(data(file)).unwrap(), KeyStrength::Enforce, &mut notes).unwrap()
    };
    for (from, to) in [("bound_issuer", "bound_issuer"), ("supported_algs", "jwt_supported_algs")] {
        if let Some(value) = config.get(from) {
            written[to] = value.clone();
        }
    }
    (written, keys)
}

struct Decision {
    accepted: bool,
    user: Option<String>,
    groups: Vec<String>,
    metadata: Value,
    why: String,
}

fn decide(row: &Value) -> Decision {
    let refused = |why: String| Decision {
        accepted: false,
        user: None,
        groups: Vec::new(),
        metadata: Value::Null,
        why,
    };
    let (config, keys) = configuration(row);
    let config = match RoleConfig::read("config", &config) {
        Ok(config) => config,
        Err(faults) => return refused(format!("config: {}", faults[0])),
    };
    let role = match LoginRole::read("case", &row["role"]) {
        Ok(role) => role,
        Err(faults) => return refused(format!("role: {}", faults[0])),
    };
    let now = Timestamp(row["signed_at"].as_i64().unwrap());
    let token = row["token"].as_str().unwrap();
    let verified = Unverified::parse_with_embedded_keys(token).and_then(|token| {
        let keys = config.keys.candidates(&keys, token.kid_hint());
        verify(token, keys.keys())
    });
    let evaluated = |detail| evaluate(&config, &role, verified.as_ref(), Flow::Token, now, detail);
    let (verdict, login) = evaluated(Verbosity::All);
    let (brief, same) = evaluated(Verbosity::Failures);
    assert_eq!((brief.into_failure(), same), (verdict.clone().into_failure(), login.clone()));
    assert_eq!(verdict.findings().len(), CHECKS.len(), "{}", row["name"]);
    let failures = verdict.findings().iter().filter(|finding| finding.state == CheckState::Fail).count();
    assert_eq!(failures, usize::from(login.is_none()), "{}: {verdict:?}", row["name"]);
    match login {
        Some(login) => Decision {
            accepted: true,
            user: Some(login.username),
            groups: login.groups,
            metadata: json!(login.metadata),
            why: String::new(),
        },
        None => {
            let failure = verdict.first_failure().unwrap();
            refused(format!("{}: {}", failure.check, failure.reason))
        }
    }
}

#[test]
fn roles_decide_as_the_reference_server_did() {
    let (mut replayed, mut stricter, mut wrong) = (0, Vec::new(), Vec::new());
    for row in rows("openbao.jsonl") {
        let name = row["name"].as_str().unwrap();
        // Rows whose token was too long to be stored, but for those whose role is refused.
        let is_role = row["stage"] == "role_write";
        if row.get("token").is_none() && !is_role {
            continue;
        }
        replayed += 1;
        if is_role {
            let read = LoginRole::read("case", &row["role"]);
            if read.is_ok() {
                wrong.push(format!("{name}: the role was read"));
            }
            continue;
        }
        let expected = row.get("expect_at_whole_second").unwrap_or(&row["expect"]) == "accept";
        let decision = decide(&row);
        // On a boundary, the server's clock was a fraction of a second further.
        if decision.accepted && row["expect"] == "accept" {
            let user = row.get("alias").cloned();
            let groups = row.get("groups").cloned().unwrap_or_else(|| json!([]));
            if user != decision.user.clone().map(Value::from)
                || groups != json!(decision.groups)
                || row["metadata"] != decision.metadata
            {
                wrong
                    .push(format!("{name}: {:?} {:?} {}", decision.user, decision.groups, decision.metadata));
            }
        } else if decision.accepted != expected {
            if row["tier"] == "quirk" && expected {
                stricter.push(format!("{name}: {}", decision.why));
            } else {
                wrong.push(format!("{name}: expected {expected}, {}", decision.why));
            }
        }
    }
    println!("{replayed} replayed, {} of them stricter:\n{}", stricter.len(), stricter.join("\n"));
    assert!(wrong.is_empty(), "{} of {replayed} differ:\n{}", wrong.len(), wrong.join("\n"));
}
