//! Scopes and tokens of the Open Science Data Federation, against the rules, against recorded
//! answers, and against the federation's own validators.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use cc_auth::policy::scope::{AccessRequest, Scopes};

use crate::support::{Run, TestEnv, has, has_python, rows};

/// Whether a scope permits a request; one that is refused as such is not permitted.
fn permits(scope: &str, request: &str) -> bool {
    request
        .parse::<AccessRequest>()
        .is_ok_and(|request| Scopes::parse(scope).permits(&request).is_permitted())
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

#[test]
fn scope_permits_what_the_rules_permit() {
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
fn scope_permits_what_both_validators_permit() {
    let mut counted = 0;
    for row in rows("scope-recorded.jsonl") {
        let expected = match text(&row, "expect") {
            "accept" => true,
            "reject" => false,
            _ => continue,
        };
        let (scope, request) =
            (text(&row, "scope"), format!("{}:{}", text(&row, "operation"), text(&row, "path")));
        let required = by_the_rules(scope, &request).unwrap_or(expected);
        assert_eq!(permits(scope, &request), required, "{row}");
        counted += 1;
    }
    assert!(counted >= 25, "{counted}");
}

/// A key of OpenSSL's making, its public half, and a token over claims signed by PyJWT.
struct Issuer {
    directory: TestEnv,
}

const SIGN: &str = "import json, sys, jwt\n\
    for line in sys.stdin:\n    \
        case = json.loads(line)\n    \
        key = open(case.get('key', 'key.pem')).read()\n    \
        print(jwt.encode(case['claims'], key, case.get('alg', 'ES256'), headers=case['headers']))\n";

impl Issuer {
    fn new() -> Self {
        let directory = TestEnv::new();
        directory.sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null").ended(0);
        directory.sh("openssl ec -in key.pem -pubout -out pub.pem 2>/dev/null").ended(0);
        Self { directory }
    }

    /// Tokens by PyJWT, for claims and headers that cc-jwt does not sign.
    fn sign(&self, cases: &[Value]) -> Vec<String> {
        self.directory.write("sign.py", SIGN);
        let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
        let output: Run = python(&self.directory).arg("sign.py").write_stdin(lines).output().unwrap().into();
        output.ended(0).stdout.lines().map(str::to_owned).collect()
    }

    /// What the federation's validators say.
    fn ask(&self, cases: &[Value]) -> Vec<Value> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/osdf.py");
        let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
        let output: Run = python(&self.directory).arg(tool).write_stdin(lines).output().unwrap().into();
        let output = output.ended(0);
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Python with the caller's own home, where its modules may be.
pub fn python(directory: &TestEnv) -> assert_cmd::Command {
    let mut command = directory.command("python3");
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
fn rules_agree_with_the_validators_where_those_agree() {
    if !has_python("scitokens") || !has_python("jwt") {
        return;
    }
    let issuer = Issuer::new();
    let rows: Vec<Value> = rows("scope-rules.jsonl")
        .into_iter()
        // A request without a path is not checked by them.
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
            json!({"token": token, "public_key": issuer.directory.read("pub.pem"), "issuer": ISSUER, "kid": "k1",
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

/// Our verdict on a token: the names of the checks that fail; `malformed` when it is not a token.
fn ours(issuer: &Issuer, token: &str, profile: &str) -> Vec<String> {
    let audience = if profile == "wlcg" { ANY } else { "https://se.example" };
    let arguments = [
        "verify",
        "-",
        "--key",
        "pub.pem",
        "--profile",
        profile,
        "--issuer",
        ISSUER,
        "--audience",
        audience,
        "--scope",
        "storage.read:/foo/x",
        "--json",
    ];
    let run = issuer.directory.run_with("cc-jwt", &arguments, token);
    if run.status == 65 {
        return vec!["malformed".to_owned()];
    }
    let report = run.json();
    assert_eq!(report["valid"].as_bool().unwrap(), run.status == 0, "{}", run.stdout);
    let checks = report["checks"].as_array().unwrap().clone();
    checks
        .iter()
        .filter(|check| check["state"] == "fail")
        .map(|check| check["check"].as_str().unwrap().to_owned())
        .collect()
}

/// A change to a good token: what is done, the check of ours that fails, and a word of the reason
/// that a validator gives.
type Changed = (&'static str, fn(&mut Value), &'static str, &'static str);

const CHANGES: [Changed; 21] = [
    ("no issuer", |case| drop(case["claims"].as_object_mut().unwrap().remove("iss")), "issuer-form", "iss"),
    (
        "another issuer",
        |case| case["claims"]["iss"] = json!("https://other.example"),
        "required-issuer",
        "iss",
    ),
    (
        "the issuer with a slash",
        |case| case["claims"]["iss"] = json!("https://issuer.example/"),
        "required-issuer",
        "iss",
    ),
    ("ended", |case| case["claims"]["exp"] = json!(now() - 10), "expiry", "expired"),
    ("begins later", |case| case["claims"]["nbf"] = json!(now() + 600), "not-before", "not yet"),
    ("issued later", |case| case["claims"]["iat"] = json!(now() + 600), "issued-at", "iat"),
    ("an end that is a string", |case| case["claims"]["exp"] = json!("soon"), "expiry", "exp"),
    ("no end", |case| drop(case["claims"].as_object_mut().unwrap().remove("exp")), "claims", "exp"),
    (
        "another audience",
        |case| case["claims"]["aud"] = json!("https://other.example"),
        "required-audience",
        "aud",
    ),
    (
        "the audience in another case",
        |case| case["claims"]["aud"] = json!(ANY.to_uppercase()),
        "required-audience",
        "aud",
    ),
    ("an audience that is a number", |case| case["claims"]["aud"] = json!(7), "audience-form", "aud"),
    ("no scope", |case| drop(case["claims"].as_object_mut().unwrap().remove("scope")), "scope-form", "scope"),
    (
        "the scope as a list",
        |case| case["claims"]["scope"] = json!(["storage.read:/foo"]),
        "scope-form",
        "scope",
    ),
    ("the scope elsewhere", |case| case["claims"]["scope"] = json!("storage.read:/bar"), "scope", "scope"),
    (
        "the scope on a name that begins the same",
        |case| case["claims"]["scope"] = json!("storage.read:/fo"),
        "scope",
        "scope",
    ),
    (
        "a relative scope",
        |case| case["claims"]["scope"] = json!("storage.read:foo"),
        "scope-form",
        "relative",
    ),
    (
        "a scope with '..'",
        |case| case["claims"]["scope"] = json!("storage.read:/x/../foo"),
        "scope-form",
        "traversal",
    ),
    ("an empty scope", |case| case["claims"]["scope"] = json!(""), "scope-form", "scope"),
    ("another key", |case| case["key"] = json!("other.pem"), "signature", "signature"),
    (
        "the public key as an HMAC secret",
        |case| {
            case["alg"] = json!("HS256");
            case["key"] = json!("short.txt");
        },
        "algorithm",
        "alg",
    ),
    (
        "an unknown version of SciTokens",
        |case| {
            case["claims"]["ver"] = json!("scitoken:3.0");
            case["claims"]["aud"] = json!("ANY");
            drop(case["claims"].as_object_mut().unwrap().remove("wlcg.ver"));
        },
        "profile",
        "ver",
    ),
];

#[test]
fn tokens_rejected_by_validators_are_rejected_for_the_same_reason() {
    if !has_python("scitokens") || !has_python("jwt") {
        return;
    }
    let issuer = Issuer::new();
    issuer
        .directory
        .sh("openssl ecparam -name prime256v1 -genkey -noout -out other.pem 2>/dev/null")
        .ended(0);
    // PyJWT does not sign with a PEM as an HMAC secret; any secret shows that HS256 is refused.
    issuer.directory.write("short.txt", "x".repeat(64));
    let mut signed = vec![json!({"claims": good_claims(), "headers": {"kid": "k1"}})];
    for (_, change, _, _) in CHANGES {
        let mut case = signed[0].clone();
        change(&mut case);
        signed.push(case);
    }
    let tokens = issuer.sign(&signed);
    let cases: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({"token": token, "public_key": issuer.directory.read("pub.pem"), "issuer": ISSUER, "kid": "k1",
                "audience": ANY, "operation": "storage.read", "path": "/foo/x"})
        })
        .collect();
    let answers = issuer.ask(&cases);
    assert_eq!(ours(&issuer, &tokens[0], "wlcg"), Vec::<String>::new());
    assert_eq!(answers[0]["python"][0], true, "{}", answers[0]);
    assert_ne!(answers[0]["cpp"][0], false, "{}", answers[0]);
    let mut wrong = Vec::new();
    for (((what, _, check, word), token), answer) in CHANGES.iter().zip(&tokens[1..]).zip(&answers[1..]) {
        let profile = if *check == "profile" { "scitokens2" } else { "wlcg" };
        let fails = ours(&issuer, token, profile);
        let refuse = answer["python"][0] == false || answer["cpp"][0] == false;
        let printed = answer.to_string().to_lowercase();
        if !fails.iter().any(|failed| failed == check) || !refuse || !printed.contains(word) {
            wrong.push(format!("{what}: cc-jwt {fails:?}, XRootD {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn published_example_gives_a_token_that_validators_accept() {
    let directory = TestEnv::new();
    let example = crate::support::data("osdf-example.yaml");
    let example = example.to_str().unwrap();
    directory.run("cc-jwt", &["spec", "issue", example, "-o", "token", "-q"]).ended(0);
    let key = "import sys, re\n\
        from cryptography.hazmat.primitives import serialization as s\n\
        text = open(sys.argv[1]).read()\n\
        pem = re.search('-----BEGIN.*END EC PRIVATE KEY-----', text, re.S).group(0)\n\
        pem = '\\n'.join(line.strip() for line in pem.splitlines())\n\
        key = s.load_pem_private_key(pem.encode(), None).public_key()\n\
        print(key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode())\n";
    let issuer = "https://issuer.example.com/";
    if has_python("scitokens") {
        directory.write("key.py", key);
        let run: Run = python(&directory).args(["key.py", example]).output().unwrap().into();
        directory.write("pub.pem", run.ended(0).stdout);
        let run = directory.run(
            "cc-jwt",
            &[
                "verify",
                "--token-file",
                "token",
                "--key",
                "pub.pem",
                "--profile",
                "auto",
                "--issuer",
                issuer,
                "--audience",
                "https://any.example",
                "--scope",
                "storage.create:/x/y",
            ],
        );
        run.ended(0);
        let asker = Issuer { directory };
        let answers = asker.ask(&[json!({"token": asker.directory.read("token").trim(),
            "public_key": asker.directory.read("pub.pem"), "issuer": issuer, "kid": "my-jwt-key", "audience": ANY,
            "operation": "storage.create", "path": "/x/y"})]);
        assert_eq!(answers[0]["python"][0], true, "{}", answers[0]);
        if has("scitokens-verify") {
            let run = asker.directory.sh(&format!(
                "XDG_CACHE_HOME=$PWD scitokens-verify -c pub.pem -i {issuer} -K my-jwt-key -p wlcg $(cat token)"
            ));
            run.ended(0);
            assert_ne!(answers[0]["cpp"][0], false, "{}", answers[0]);
        }
    }
}

const SERVE: &str = "import http.server, ssl, sys, os\n\
    os.chdir(sys.argv[1])\n\
    server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
    context.load_cert_chain(sys.argv[2], sys.argv[3])\n\
    server.socket = context.wrap_socket(server.socket, server_side=True)\n\
    print(server.server_port, flush=True)\n\
    server.serve_forever()\n";

const DISCOVER: &str = "import sys\n\
    from scitokens.scitokens import SciToken, Enforcer\n\
    issuer = sys.argv[1]\n\
    token = SciToken.deserialize(sys.stdin.read().strip(), insecure=True)\n\
    enforcer = Enforcer(issuer, audience='https://wlcg.cern.ch/jwt/v1/any')\n\
    for name, _ in token.claims():\n    \
        if name not in enforcer._validator._callbacks:\n        \
            enforcer.add_validator(name, lambda value: True)\n\
    print(enforcer.test(token, 'storage.read', '/foo/x'), enforcer.last_failure)\n";

/// A static server over TLS that is ended with the test.
struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn keys_are_found_by_discovery_on_a_plain_static_server() {
    use std::io::{BufRead as _, BufReader};
    if !has_python("scitokens") {
        return;
    }
    let directory = TestEnv::new();
    directory.write("leaf.txt", "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n");
    directory
        .sh("set -e; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
             openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=test 2>/dev/null
             openssl req $new -keyout tls.key -out tls.csr -subj /CN=localhost 2>/dev/null
             openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -days 2 -extfile leaf.txt -out tls.pem 2>&1")
        .ended(0);
    std::fs::create_dir(directory.file("www")).unwrap();
    directory.write("serve.py", SERVE);
    let mut server = std::process::Command::new("python3")
        .args(["serve.py", "www", "../tls.pem", "../tls.key"])
        .current_dir(directory.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let _server = Server(server);
    let issuer = format!("https://localhost:{}", port.trim());
    directory.sh("for key in new old; do openssl ecparam -name prime256v1 -genkey -noout -out $key.pem; chmod 600 $key.pem; done").ended(0);
    directory.sh(&format!("cc-jwt spec new -q --issuer {issuer} --kid old --key old.pem -o r.yaml")).ended(0);
    directory.sh("cc-jwt spec issue -q r.yaml -o token").ended(0);
    // Rotation: the token is of the old key, which stands second.
    directory.sh("cc-jwt jwks -q new=new.pem --spec r.yaml --out-dir www").ended(0);
    let run: Run = {
        directory.write("discover.py", DISCOVER);
        let mut command = python(&directory);
        command.env("SSL_CERT_FILE", directory.file("ca.pem")).env("XDG_CACHE_HOME", directory.file("cache"));
        command.args(["discover.py", &issuer]).write_stdin(directory.read("token")).output().unwrap().into()
    };
    assert_eq!(run.stdout.trim(), "True None", "{}", run.stderr);
    let run = directory.sh(&format!(
        "cc-jwt verify --token-file token --discovery {issuer} --ca-file ca.pem --profile wlcg --issuer {issuer} \
         --scope storage.read:/foo/x"
    ));
    run.ended(0);
    let run = directory.sh(&format!(
        "cc-jwt verify --token-file token --jwks {issuer}/jwks.json --ca-file ca.pem --profile wlcg"
    ));
    run.ended(0);
}

/// Every form a key may stand in, and every way a resource may name it.
#[test]
fn resource_key_is_found_in_each_form_and_source() {
    let directory = TestEnv::new();
    directory
        .sh("set -e; openssl ecparam -name prime256v1 -genkey -noout -out sec1.pem 2>/dev/null
             openssl ecparam -name prime256v1 -genkey -out params.pem 2>/dev/null
             openssl pkcs8 -topk8 -nocrypt -in sec1.pem -out pkcs8.pem
             openssl genrsa -traditional -out pkcs1.pem 2048 2>/dev/null
             openssl genpkey -algorithm ed25519 -out ed.pem
             openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:secp384r1 -out p384.pem
             mkdir -p s/k; cp sec1.pem s/k/pem; chmod 600 *.pem")
        .ended(0);
    for (file, algorithms) in [
        ("sec1.pem", &["ES256"][..]),
        ("params.pem", &["ES256"]),
        ("pkcs8.pem", &["ES256"]),
        ("pkcs1.pem", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        ("ed.pem", &["EdDSA"]),
        ("p384.pem", &["ES384"]),
    ] {
        for algorithm in algorithms {
            let line = format!(
                "cc-jwt spec new --algorithm {algorithm} --key {file} | cc-jwt spec issue -q - > t && \
                 cc-jwt spec new --algorithm {algorithm} --key {file} | cc-jwt jwks -q --spec - > jwks && \
                 cc-jwt verify -q --token-file t --key jwks --profile wlcg"
            );
            directory.sh(&line).ended(0);
        }
        let other = if algorithms[0] == "ES256" { "RS256" } else { "ES256" };
        directory
            .sh(&format!("cc-jwt spec new --algorithm {other} --key {file} | cc-jwt spec issue -q -"))
            .ended(65);
    }
    let pem = directory.read("sec1.pem");
    let block = pem.lines().map(|line| format!("      {line}\n")).collect::<String>();
    let resource = directory.sh("cc-jwt spec new").stdout;
    let start = resource.split("    file: ").next().unwrap();
    for key in [
        &format!("    value: |\n{block}"),
        &format!("    value: {}\n", json!(pem)),
        "    secret: {name: k, key: pem}\n",
        "    secretRef: {name: k, key: pem, namespace: other}\n",
        "    configMap: {name: k, key: pem}\n",
        "    configMapRef: {name: k, key: pem}\n",
        "    valueFrom: {secretKeyRef: {name: k, key: pem}}\n",
        "    valueFrom: {configMapKeyRef: {name: k, key: pem}}\n",
        "    file: sec1.pem\n",
        "    env: THE_KEY\n",
        "    env: FLAT_KEY\n",
    ] {
        directory.write("r.yaml", format!("{start}{key}"));
        let run: Run = directory
            .command(crate::support::programs().join("cc-jwt"))
            .env("THE_KEY", &pem)
            .env("FLAT_KEY", pem.replace('\n', "\\n"))
            .args(["spec", "issue", "r.yaml", "--secrets-dir", "s", "-q", "-o", "t", "--force"])
            .output()
            .unwrap()
            .into();
        run.ended(0);
        directory.sh("openssl ec -in sec1.pem -pubout -out pub.pem 2>/dev/null").ended(0);
        directory.sh("cc-jwt verify -q --token-file t --key pub.pem --profile wlcg").ended(0);
    }
}

#[test]
fn secret_manifest_is_read_by_kubernetes() {
    let directory = TestEnv::new();
    let example = std::fs::read_to_string(crate::support::data("osdf-example.yaml")).unwrap();
    let named = "  name: my-jwt\n  namespace: physics\n  labels:\n    app: x\n    empty: \"\"\n";
    directory.write("r.yaml", example.replace("  name: my-jwt\n", named));
    directory
        .run(
            "cc-jwt",
            &["spec", "issue", "r.yaml", "-q", "--secret-manifest", "-o", "s.yaml", "--mode", "0640"],
        )
        .ended(0);
    let run =
        directory.run("cc-jwt", &["spec", "issue", "r.yaml", "-q", "--secret-manifest", "--json"]).ended(0);
    let secret = run.json();
    assert_eq!(secret["metadata"]["namespace"], "physics");
    assert_eq!(secret["metadata"]["labels"], json!({"app": "x", "empty": ""}));
    assert!(secret["metadata"]["annotations"]["tokens.osg-htc.org/last-signing-time"].is_string());
    assert_eq!(secret["data"].as_object().unwrap().len(), 1);
    if has_python("yaml") {
        directory.write("read.py", "import yaml, json\nprint(json.dumps(yaml.safe_load(open('s.yaml'))))\n");
        let run: Run = python(&directory).arg("read.py").output().unwrap().into();
        let read = run.ended(0).json();
        for name in ["apiVersion", "kind", "type"] {
            assert_eq!(read[name], secret[name]);
        }
        assert_eq!(read["metadata"]["labels"], secret["metadata"]["labels"]);
        assert!(read["data"]["token"].as_str().unwrap().starts_with("ZXlK"));
    }
}

/// A directory with the key `key.pem` and the resource `r.yaml` that `spec new` writes for it.
pub fn with_resource(options: &str) -> TestEnv {
    let directory = TestEnv::new();
    directory
        .sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem && chmod 600 key.pem")
        .ended(0);
    directory.sh(&format!("cc-jwt spec new -q --key key.pem -o r.yaml {options}")).ended(0);
    directory
}

#[test]
fn spec_new_and_jwks_give_a_key_the_same_key_id() {
    let directory = with_resource("");
    directory.sh("cc-jwt jwks -q key.pem > jwks.json").ended(0);
    directory.sh("cc-jwt spec issue -q r.yaml -o token").ended(0);
    directory.sh("cc-jwt verify -q --token-file token --key jwks.json --profile wlcg").ended(0);
    // Beside the resource, in whatever directory that is.
    directory.sh("mkdir d && mv key.pem d && cc-jwt spec new -q -o d/r.yaml").ended(0);
    directory.sh("cc-jwt spec issue -q d/r.yaml --force -o token").ended(0);
    directory.sh("cc-jwt verify -q --token-file token --key jwks.json --profile wlcg").ended(0);
    let run = directory.sh("cc-jwt spec new --kid mine --key d/key.pem").ended(0);
    assert!(run.stdout.contains("keyId: \"mine\""), "{}", run.stdout);
}

#[test]
fn spec_check_compares_the_key_with_the_published_keys() {
    let directory = with_resource("--kid mine");
    directory
        .sh("openssl ecparam -name prime256v1 -genkey -noout -out other.pem && chmod 600 *.pem")
        .ended(0);
    for (published, message, hint) in [
        ("mine=key.pem", None, None),
        ("theirs=other.pem mine=key.pem", None, None),
        (
            "theirs=key.pem",
            Some("no published key has the key ID 'mine', only 'theirs'"),
            Some("keyId: 'theirs'"),
        ),
        ("mine=other.pem", Some("the published key 'mine' is another key"), Some("publish the key")),
        ("mine=other.pem theirs=key.pem", Some("is another key"), Some("keyId: 'theirs'")),
        ("theirs=other.pem", Some("only 'theirs'"), Some("publish the key")),
    ] {
        directory.sh(&format!("cc-jwt jwks -q {published} > jwks.json")).ended(0);
        let run = directory
            .run("cc-jwt", &["spec", "check", "r.yaml", "--published", "jwks.json", "--json"])
            .ended(0);
        let report = run.json();
        let warnings = report["warnings"].as_array().unwrap();
        let found = warnings.iter().find(|warning| warning["check"] == "key-not-published");
        assert_eq!(found.is_some(), message.is_some(), "{published}: {report}");
        if let Some(found) = found {
            assert!(text(found, "message").contains(message.unwrap()), "{published}: {found}");
            assert!(text(found, "hint").contains(hint.unwrap()), "{published}: {found}");
        }
    }
}

#[test]
fn write_scope_without_a_read_scope_gets_a_note() {
    let directory = with_resource("");
    for (scope, is_noted) in [
        ("storage.create:/x", true),
        ("storage.modify:/x storage.read:/x/y", true),
        ("storage.modify:/x storage.read:/xy", true),
        ("write:/x", true),
        ("storage.modify:/x storage.read:/x", false),
        ("storage.modify:/x storage.read:/", false),
        ("write:/x read:/", false),
        ("storage.read:/x", false),
        ("storage.stage:/x", false),
    ] {
        let run = directory
            .run("cc-jwt", &["spec", "check", "r.yaml", "--set", &format!("spec.data.scope={scope}")]);
        let is_reported = run.stderr.contains("no scope permits reading at the path of");
        assert_eq!(is_reported, is_noted, "{scope}: {}", run.stderr);
    }
}

#[test]
fn mode_for_others_than_the_owner_is_warned_of() {
    let directory = with_resource("");
    for (mode, is_warned) in
        [("0600", false), ("0400", false), ("0640", true), ("0604", true), ("0610", true)]
    {
        for command in ["spec issue r.yaml --force", "renew --spec r.yaml --force"] {
            let run = directory.sh(&format!("cc-jwt {command} -o token --mode {mode}")).ended(0);
            let count = run.stderr.matches("xrdcp and xrdfs ignore").count();
            assert_eq!(count, usize::from(is_warned), "{command} {mode}: {}", run.stderr);
        }
    }
}

#[test]
fn jwks_of_a_directory_has_its_keys_in_the_order_of_their_names() {
    let directory = with_resource("");
    directory
        .sh("mkdir keys && cp key.pem keys/b.pem && openssl genpkey -algorithm ed25519 -out keys/a.pem &&
             openssl genrsa -traditional -out keys/c.pem 2048 2>/dev/null && chmod 600 keys/*.pem &&
             echo not a key > keys/README")
        .ended(0);
    let of_directory = directory.sh("cc-jwt jwks -q keys").ended(0).stdout;
    let of_files = directory.sh("cc-jwt jwks -q keys/a.pem keys/b.pem keys/c.pem").ended(0).stdout;
    assert_eq!(of_directory, of_files);
    directory.sh("cc-jwt jwks -q k=keys").ended(2);
    directory.sh("mkdir empty && cc-jwt jwks -q empty").ended(2);
    directory.sh("echo not a key > keys/d.pem && cc-jwt jwks -q keys").ended(65);
}

#[test]
fn file_in_place_of_a_token_gets_a_hint_at_the_option() {
    let directory = with_resource("");
    directory.sh("cc-jwt spec issue -q r.yaml -o token").ended(0);
    for command in ["inspect", "verify"] {
        let run = directory.run("cc-jwt", &[command, "token"]).ended(2);
        assert!(run.stderr.contains("--token-file token"), "{}", run.stderr);
    }
    directory.sh("cc-jwt inspect --token-file token").ended(0);
    // Another word is what it was: no token.
    let run = directory.run("cc-jwt", &["inspect", "missing"]).ended(65);
    assert!(!run.stderr.contains("--token-file"), "{}", run.stderr);
}

#[test]
fn inspect_shows_the_endpoints_of_the_server_for_its_tokens() {
    let directory = with_resource("");
    directory.sh("cc-jwt spec issue -q r.yaml -o token").ended(0);
    let of_server = "if the signature is valid";
    let run = directory.sh("cc-jwt inspect --token-file token").ended(0);
    assert!(run.stdout.contains("WLCG 1") && !run.stdout.contains(of_server), "{}", run.stdout);
    assert!(!run.stdout.contains("endpoint"), "{}", run.stdout);
    let run = directory.sh("cc-jwt inspect -v --token-file token").ended(0);
    assert!(run.stdout.contains(of_server), "{}", run.stdout);
    let server = TestEnv::with_setup();
    let run = server.sh("cc-jwt inspect --token-file token.txt").ended(0);
    assert!(run.stdout.contains(of_server), "{}", run.stdout);
}

#[test]
fn issuer_with_a_trailing_slash_is_warned_of_once_by_each_command() {
    let directory = with_resource("--issuer https://tokens.example.org/");
    for command in [
        "spec check r.yaml",
        "spec issue r.yaml -o token",
        "renew --spec r.yaml -o renewed",
        "jwks --spec r.yaml --out-dir www",
        "jwks --spec r.yaml --out-dir www --issuer https://tokens.example.org/",
        "jwks key.pem --out-dir www --issuer https://tokens.example.org/",
    ] {
        let run = directory.sh(&format!("cc-jwt {command}")).ended(0);
        assert_eq!(run.stderr.matches("ends with a slash").count(), 1, "{command}: {}", run.stderr);
    }
}

#[test]
fn token_endpoint_response_is_read_in_every_place_of_a_token_file() {
    let directory = with_resource("");
    directory
        .sh("cc-jwt spec issue -q r.yaml -o token && cc-jwt jwks -q key.pem > jwks.json &&
             printf '{\"access_token\": \"%s\", \"expires_in\": 60}' $(cat token) > response && chmod 600 response")
        .ended(0);
    for place in ["--token-file response", "- < response"] {
        directory.sh(&format!("cc-jwt verify -q --key jwks.json --profile wlcg {place}")).ended(0);
        directory.sh(&format!("cc-jwt inspect {place}")).ended(0);
    }
    directory.sh("BEARER_TOKEN_FILE=response cc-jwt verify -q --key jwks.json --profile wlcg").ended(0);
    directory.sh("BEARER_TOKEN_FILE=response cc-jwt inspect").ended(0);
}
