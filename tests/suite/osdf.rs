//! Scopes and tokens of the Open Science Data Federation, against the rules, against recorded
//! answers, and against the federation's own validators.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use cc_auth::policy::scope::{Request, Scopes};

use crate::support::{Folder, Run, has_python, rows};

/// Whether a scope permits a request; one that is refused as such is not permitted.
fn permits(scope: &str, request: &str) -> bool {
    request.parse::<Request>().is_ok_and(|request| Scopes::parse(scope).permits(&request).is_permitted())
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

#[test]
fn a_scope_permits_what_the_rules_say() {
    let rows = rows("scope-rules.jsonl");
    assert!(rows.len() >= 80, "{} rows", rows.len());
    let wrong: Vec<&Value> = rows
        .iter()
        .filter(|row| {
            permits(text(row, "scope"), text(row, "request")) != row["permitted"].as_bool().unwrap()
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows: {wrong:#?}", wrong.len(), rows.len());
    println!("{} rows of scope and request", rows.len());
}

/// Where the rules are stricter, or say more, than what both validators do.
fn by_the_rules(scope: &str, request: &str) -> Option<bool> {
    // WLCG: modify is a strict superset of create; the validators know no superset.
    if scope == "storage.modify:/foo" && request == "storage.create:/foo/x" {
        return Some(true);
    }
    // Paths that are not normal are refused instead of being made so; the validators do that
    // differently in other cases.
    let path = |text: &str| text.split_once(':').map(|(_, path)| path.to_owned()).unwrap_or_default();
    let odd = |path: String| path.contains("//") || path.split('/').any(|s| s == "." || s == "..");
    (odd(path(scope)) || odd(path(request))).then_some(false)
}

// Recorded: Python scitokens 1.9.7 and scitokens-cpp 1.4.1, where both say the same.
#[test]
fn a_scope_permits_what_both_validators_permit() {
    let mut counted = 0;
    for row in rows("scope-recorded.jsonl") {
        let expected = match text(&row, "expect") {
            "accept" => true,
            "reject" => false,
            _ => continue,
        };
        let (scope, request) =
            (text(&row, "scope"), format!("{}:{}", text(&row, "operation"), text(&row, "path")));
        let wanted = by_the_rules(scope, &request).unwrap_or(expected);
        assert_eq!(permits(scope, &request), wanted, "{row}");
        counted += 1;
    }
    assert!(counted >= 25, "{counted}");
}

/// A key of OpenSSL's making, its public half, and a token over claims signed by PyJWT.
struct Issuer {
    folder: Folder,
}

const SIGN: &str = "import json, sys, jwt\n\
    for line in sys.stdin:\n    \
        case = json.loads(line)\n    \
        key = open(case.get('key', 'key.pem')).read()\n    \
        print(jwt.encode(case['claims'], key, case.get('alg', 'ES256'), headers=case['headers']))\n";

impl Issuer {
    fn new() -> Self {
        let folder = Folder::new();
        folder.sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null").ended(0);
        folder.sh("openssl ec -in key.pem -pubout -out pub.pem 2>/dev/null").ended(0);
        Self { folder }
    }

    /// Tokens by PyJWT, for claims and headers we would not sign ourselves.
    fn sign(&self, cases: &[Value]) -> Vec<String> {
        self.folder.write("sign.py", SIGN);
        let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
        let output: Run = python(&self.folder).arg("sign.py").write_stdin(lines).output().unwrap().into();
        output.ended(0).stdout.lines().map(str::to_owned).collect()
    }

    /// What the federation's validators say.
    fn ask(&self, cases: &[Value]) -> Vec<Value> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/osdf.py");
        let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
        let output: Run = python(&self.folder).arg(tool).write_stdin(lines).output().unwrap().into();
        let output = output.ended(0);
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Python with the caller's own home, where its modules may be.
pub fn python(folder: &Folder) -> assert_cmd::Command {
    let mut command = folder.command("python3");
    for name in ["HOME", "PYENV_ROOT", "PYTHONPATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
        .unwrap()
}

const ISSUER: &str = "https://issuer.example";
const ANY: &str = "https://wlcg.cern.ch/jwt/v1/any";

fn good_claims() -> Value {
    json!({"iss": ISSUER, "sub": "jane", "aud": ANY, "iat": now() - 5, "nbf": now() - 65, "exp": now() + 3600,
        "jti": "a-b-c", "wlcg.ver": "1.0", "scope": "storage.read:/foo storage.create:/"})
}

#[test]
fn the_rules_agree_with_the_validators_where_those_agree() {
    if !has_python("scitokens") || !has_python("jwt") {
        return;
    }
    let issuer = Issuer::new();
    let rows: Vec<Value> = rows("scope-rules.jsonl")
        .into_iter()
        // A request without a path is not theirs to judge.
        .filter(|row| text(row, "request").contains(":/"))
        .collect();
    let signed: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut claims = good_claims();
            claims["scope"] = row["scope"].clone();
            json!({"claims": claims, "headers": {"kid": "k1"}})
        })
        .collect();
    let tokens = issuer.sign(&signed);
    let cases: Vec<Value> = rows
        .iter()
        .zip(tokens)
        .map(|(row, token)| {
            let (operation, path) = text(row, "request").split_once(':').unwrap();
            json!({"token": token, "public_key": issuer.folder.read("pub.pem"), "issuer": ISSUER, "kid": "k1",
                "audience": ANY, "operation": operation, "path": path})
        })
        .collect();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (row, answer) in rows.iter().zip(issuer.ask(&cases)) {
        let python = answer["python"][0].as_bool().unwrap();
        let cpp = answer["cpp"][0].as_bool();
        let ours = row["permitted"].as_bool().unwrap();
        let what = match cpp {
            Some(cpp) if cpp != python => "they differ",
            _ if ours == python => "the same",
            // The rules ask for more in two places only, see below.
            _ if !ours => "stricter by the rules",
            _ => "wider by the rules",
        };
        *counts.entry(what).or_insert(0) += 1;
        if what == "wider by the rules" {
            wrong.push(format!("{row} {answer}"));
        }
    }
    println!("scopes against the validators: {counts:?}");
    // The validators know no superset, and decode neither letters beyond ASCII nor '+'.
    let known = ["superset of create", "UTF-8", "an escaped plus"];
    wrong.retain(|line| !known.iter().any(|why| line.contains(why)));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
