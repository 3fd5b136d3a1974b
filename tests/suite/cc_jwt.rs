//! Tests of `cc-jwt` as people and scripts use it, and its agreement with other programs.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{TestEnv, has_npm, has_python};
use crate::token::{PRIVATE, PUBLIC};

/// Another pair, in the server's form; made for tests.
const PORTAL_PUBLIC: &str = "C7w0aldmfDgBIL2cf9flHSxf3+o3zS9b9AWyxr9vLXg=";
const PORTAL_PRIVATE: &str =
    "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoMLvDRqV2Z8OAEgvZx/1+UdLF/f6jfNL1v0BbLGv28teA==";
const SHARED: &str =
    "Y3Jvc3MtbG9naW4tc2hhcmVkLXNlY3JldC1vZi10aGUtcG9ydGFsLTAxMjM0NTY3ODlhYmNkZWYtZmVkY2JhOTg=";

/// A directory with a whole server's settings, and users in the table.
fn server(rules: &str) -> TestEnv {
    let directory = TestEnv::new();
    let env = format!(
        "JWT_PUBLIC_KEY={PUBLIC}\nJWT_PRIVATE_KEY={PRIVATE}\nCROSS_LOGIN_JWT_PUBLIC_KEY={PORTAL_PUBLIC}\n\
         CROSS_LOGIN_JWT_HS512_KEY={SHARED}\n"
    );
    let path = directory.write(".env", env);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let jwts = format!(
        r#"{{"main":{{"api-allowed-ips":["*"]}},"auth":{{"jwts":{{"max-age":"24h","cookie-name":"cc","trusted-issuer":"https://portal.example/"{rules}}}}}}}"#
    );
    directory.write("config.json", jwts);
    directory.write("portal.key", PORTAL_PRIVATE);
    directory.sh("chmod 600 portal.key; cc-user init -q").ended(0);
    directory.sh("cc-user add ann --role api --no-password -q").ended(0);
    directory.sh("cc-user add bob --role user,api --no-password -q").ended(0);
    directory
}

#[test]
fn issued_token_is_verified_and_only_the_token_is_printed() {
    let directory = server("");
    let run = directory.run("cc-jwt", &["issue", "ann"]).ended(0);
    assert_eq!(run.stderr, "");
    let token = run.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.lines().count(), 1);
    for spelling in [token.to_owned(), format!("Bearer {token}"), format!("  bearer  {token}\n")] {
        directory.run("cc-jwt", &["verify", &spelling, "--endpoint", "api"]).ended(0);
        directory.run_with("cc-jwt", &["verify", "-"], spelling.clone()).ended(0);
        directory.run_with("cc-jwt", &["verify"], spelling).ended(0);
    }
    let report = directory.run("cc-jwt", &["verify", token, "-e", "api", "--json"]).ended(0).json();
    assert_eq!(report["valid"], true);
    assert_eq!(report["token"]["subject"], "ann");
    assert_eq!(report["token"]["key_setting"], "JWT_PUBLIC_KEY");
    assert_eq!(report["endpoints"][0]["endpoint"], "api");
    let late =
        directory.run("cc-jwt", &["verify", token, "-e", "api", "--at", "+25h", "--json"]).ended(1).json();
    let checks = late["endpoints"][0]["checks"].as_array().unwrap();
    let failed: Vec<&Value> = checks.iter().filter(|check| check["state"] == "fail").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["check"], "expiry");
    assert!(failed[0]["hint"].is_string());
}

#[test]
fn issued_claims_are_those_of_the_server_and_the_options() {
    let directory = server("");
    let at = "2026-11-21T18:00:00Z";
    let claims = |arguments: &[&str]| -> Value {
        let all = [&["issue", "-q", "--at", at], arguments].concat();
        let token = directory.run("cc-jwt", &all).ended(0).stdout;
        directory.run_with("cc-jwt", &["inspect", "--json"], token).ended(0).json()["claims"].clone()
    };
    assert_eq!(
        claims(&["bob"]).to_string(),
        r#"{"sub":"bob","roles":["user","api"],"iat":1795284000,"exp":1795370400}"#
    );
    assert_eq!(
        claims(&[
            "bob",
            "--ttl",
            "90s",
            "--not-before",
            "+10s",
            "--issuer",
            "i",
            "--audience",
            "a",
            "--audience",
            "b",
            "--scope",
            "x y",
            "--jti=7",
            "--claim",
            "name=\"Bob\"",
        ])
        .to_string(),
        r#"{"sub":"bob","roles":["user","api"],"iat":1795284000,"exp":1795284090,"nbf":1795284010,"iss":"i","aud":["a","b"],"scope":"x y","jti":"7","name":"Bob"}"#
    );
    let other = claims(&["zoe", "--roles", "manager", "--no-expiry", "--jti"]);
    assert_eq!(other["roles"], serde_json::json!(["manager"]));
    assert_eq!(other["jti"].as_str().unwrap().len(), 32);
    assert!(other.get("exp").is_none());
}

#[test]
fn token_for_each_login_is_accepted_there_and_nowhere_else() {
    let directory = server("");
    let issue = |arguments: &[&str]| {
        let all = [&["issue", "-q"], arguments].concat();
        directory.run("cc-jwt", &all).ended(0).stdout.trim().to_owned()
    };
    let own = issue(&["ann"]);
    let shared = issue(&["ann", "--algorithm", "hs512"]);
    let shared_256 = issue(&["ann", "--algorithm", "HS256"]);
    let portal = issue(&["ann", "--key", "portal.key", "--issuer", "https://portal.example/"]);
    let stray = issue(&["ann", "--key", "portal.key", "--issuer", "https://portal.example"]);
    let forged = issue(&["ann", "--issuer", "https://portal.example/"]);
    let table = [
        (&own, "api", 0),
        (&own, "metric-store", 0),
        (&own, "jwt-login", 1),
        (&own, "cookie-login", 0),
        (&own, "config", 1),
        (&shared, "jwt-login", 0),
        (&shared_256, "jwt-login", 0),
        (&shared, "api", 1),
        (&shared, "cookie-login", 1),
        (&portal, "cookie-login", 0),
        (&portal, "api", 1),
        (&portal, "jwt-login", 1),
        (&stray, "cookie-login", 1),
        (&forged, "cookie-login", 1),
        (&forged, "api", 0),
    ];
    for (token, endpoint, status) in table {
        let run = directory.run("cc-jwt", &["verify", token, "-e", endpoint]);
        assert_eq!(run.status, status, "{endpoint}: {}", run.stdout);
    }
    directory.run("cc-jwt", &["verify", &portal]).ended(0);
    directory.run("cc-jwt", &["verify", &stray]).ended(1);
}

#[test]
fn with_validate_user_the_table_counts() {
    let directory = server(r#","validate-user":true"#);
    let token = directory.sh("cc-jwt issue ann -q").ended(0).stdout.trim().to_owned();
    directory.run("cc-jwt", &["verify", &token, "-e", "api"]).ended(0);
    directory.sh("cc-user role add ann user -q").ended(0);
    directory.run("cc-jwt", &["verify", &token, "-e", "api"]).ended(1);
    directory.run("cc-jwt", &["verify", &token, "-e", "user-api", "--require-role", "user"]).ended(0);
    directory.sh("cc-user del ann -q").ended(0);
    let gone = directory.run("cc-jwt", &["verify", &token, "-e", "user-api"]).ended(1);
    assert!(gone.stdout.contains("not in the user table"), "{}", gone.stdout);
    // cc-metric-store does not use a user table.
    directory.run("cc-jwt", &["verify", &token, "-e", "metric-store"]).ended(0);
}

#[test]
fn issue_all_prints_json_lines_that_each_verify() {
    let directory = server("");
    let run =
        directory.run("cc-jwt", &["issue", "-q", "--all", "--with-role", "api", "-o", "all.jsonl"]).ended(0);
    assert_eq!(run.stdout, "");
    let mode = std::fs::metadata(directory.file("all.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines: Vec<Value> =
        directory.read("all.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann", "bob"]);
    for line in &lines {
        directory.run("cc-jwt", &["verify", line["token"].as_str().unwrap(), "-e", "user-api"]).ended(0);
    }
    let run =
        directory.run_with("cc-jwt", &["issue", "-q", "--users-from", "-"], "bob\n# none\n\nann\n").ended(0);
    assert_eq!(run.stdout.lines().count(), 2);
}

/// RFC 7519 4.1.7: no two tokens have the same identifier, be they few or many.
#[test]
fn issue_all_gives_each_token_its_own_identifier() {
    let directory = server("");
    for count in [2, 7] {
        let names: Vec<String> = (0..count).map(|number| format!("user{number}")).collect();
        let arguments = ["issue", "-q", "--users-from", "-", "--roles", "api", "--jti"];
        let run = directory.run_with("cc-jwt", &arguments, names.join("\n")).ended(0);
        let mut reported = Vec::new();
        let mut identifiers = std::collections::BTreeSet::new();
        for line in run.stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let claims =
                directory.run("cc-jwt", &["inspect", "--json", line["token"].as_str().unwrap()]).ended(0);
            identifiers.insert(claims.json()["claims"]["jti"].as_str().unwrap().to_owned());
            reported.push(line["username"].as_str().unwrap().to_owned());
        }
        assert_eq!(reported, names);
        assert_eq!(identifiers.len(), count);
    }
}

#[test]
fn of_many_one_who_is_missing_stops_all() {
    let directory = server("");
    let names = "ann\nbob\nann\nbob\nann\nbob\nunknown\nann\nnone";
    let run = directory.run_with("cc-jwt", &["issue", "--users-from", "-"], names).ended(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("line 7: user 'unknown' does not exist"), "{}", run.stderr);
    assert!(run.stderr.contains("line 9: user 'none' does not exist"), "{}", run.stderr);
    directory.run_with("cc-jwt", &["issue", "--users-from", "-", "-o", "all.jsonl"], names).ended(1);
    assert!(!directory.file("all.jsonl").exists());
}

#[test]
fn secrets_are_not_printed_with_vv() {
    let directory = server("");
    let token = directory.sh("cc-jwt issue ann -q").ended(0).stdout.trim().to_owned();
    let signature = token.rsplit('.').next().unwrap();
    for arguments in [vec!["issue", "bob", "-vv", "-o", "x.jwt"], vec!["verify", &token, "-vv"]] {
        let run = directory.run("cc-jwt", &arguments).ended(0);
        for secret in [PRIVATE, SHARED, signature] {
            assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{arguments:?}");
        }
    }
}

/// PyJWT reads the tokens of cc-jwt, and cc-jwt those of PyJWT, EdDSA and HMAC.
#[test]
fn pyjwt_and_we_agree() {
    if !has_python("jwt") || !has_python("cryptography") {
        return;
    }
    let directory = server("");
    directory.write(
        "peer.py",
        format!(
            r#"
import base64, json, sys, jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
raw = base64.b64decode("{PRIVATE}")
key = Ed25519PrivateKey.from_private_bytes(raw[:32])
shared = base64.b64decode("{SHARED}")
if sys.argv[1] == "make":
    claims = {{"sub": "ann", "roles": ["api"], "exp": 4102444800, "iat": 1700000000}}
    print(jwt.encode(claims, key, algorithm="EdDSA"))
    print(jwt.encode(claims, shared, algorithm="HS512"))
else:
    for line in sys.stdin:
        options = {{"verify_aud": False}}
        alg = jwt.get_unverified_header(line.strip())["alg"]
        secret = key.public_key() if alg == "EdDSA" else shared
        print(json.dumps(jwt.decode(line.strip(), secret, algorithms=[alg], options=options)))
"#
        ),
    );
    let ours = directory
        .sh("cc-jwt issue ann -q; cc-jwt issue ann -q --algorithm hs512 --audience x")
        .ended(0)
        .stdout;
    let read: crate::support::Run =
        directory.command("python3").args(["peer.py", "read"]).write_stdin(ours).output().unwrap().into();
    assert_eq!(read.ended(0).stdout.matches(r#""sub": "ann""#).count(), 2);
    let theirs = directory.sh("python3 peer.py make").ended(0).stdout;
    let (eddsa, hs512) = theirs.trim().split_once('\n').unwrap();
    directory.run("cc-jwt", &["verify", eddsa, "-e", "api"]).ended(0);
    directory.run("cc-jwt", &["verify", hs512, "-e", "jwt-login"]).ended(0);
}

/// npm jose reads the tokens of cc-jwt, and cc-jwt those of jose, EdDSA, ES256, RS256 and HMAC.
#[test]
fn jose_and_we_agree() {
    if !has_npm("jose") {
        return;
    }
    let directory = server("");
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/node_modules/jose/dist/webapi/index.js");
    directory.write(
        "peer.mjs",
        format!(
            r#"
import * as jose from "file://{modules}";
import fs from "node:fs";
const claims = () => ({{ sub: "ann", roles: ["api"] }});
for (const alg of ["EdDSA", "ES256", "ES384", "ES512", "RS256", "PS384"]) {{
  const {{ publicKey, privateKey }} = await jose.generateKeyPair(alg, {{ extractable: true }});
  fs.writeFileSync(alg + ".pub", JSON.stringify(await jose.exportJWK(publicKey)));
  fs.writeFileSync(alg + ".key", await jose.exportPKCS8(privateKey), {{ mode: 0o600 }});
  const token = await new jose.SignJWT(claims()).setProtectedHeader({{ alg }}).setExpirationTime("1h").sign(privateKey);
  fs.writeFileSync(alg + ".jwt", token);
}}
if (process.argv[2]) {{
  const {{ payload }} = await jose.jwtVerify(fs.readFileSync(process.argv[2], "utf8").trim(),
    await jose.importJWK({{ kty: "OKP", crv: "Ed25519", x: "{x}" }}, "EdDSA"));
  console.log(payload.sub);
}}
"#,
            x = PUBLIC.trim_end_matches('=').replace('+', "-").replace('/', "_"),
        ),
    );
    directory.sh("cc-jwt issue ann -q > ours.jwt").ended(0);
    assert_eq!(directory.sh("node peer.mjs ours.jwt").ended(0).stdout, "ann\n");
    for alg in ["EdDSA", "ES256", "ES384", "ES512", "RS256", "PS384"] {
        let verify = format!("cc-jwt verify -q --no-db --key {alg}.pub");
        directory.sh(&format!("{verify} --token-file {alg}.jwt")).ended(0);
        let issue = format!("cc-jwt issue ann -q --no-db --key {alg}.key --algorithm {alg}");
        directory.sh(&format!("{issue} | {verify}")).ended(0);
        directory.sh(&format!("cc-jwt issue ann -q | {verify}")).ended(1);
    }
}

/// A part of a list must never count as the whole.
#[test]
fn issue_list_longer_than_the_limit_issues_no_token() {
    let directory = server("");
    let line = "fritz\n";
    let fits = (64 << 20) / line.len();
    let run = directory.run_with("cc-jwt", &["issue", "--no-db", "--users-from", "-"], line.repeat(fits + 2));
    assert_eq!((run.status, run.stdout.len()), (65, 0), "{}", run.stderr);
    assert!(run.stderr.contains("larger than 67108864 bytes"), "{}", run.stderr);
}
