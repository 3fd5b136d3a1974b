//! `cc-jwt role pull` against a running OpenBao.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::parse::read_signing;
use cc_auth::key::{Algorithm, KeyStrength};
use cc_auth::util::note::Notes;
use serde_json::{Value, json};

use crate::openbao::{data, pems, seconds};
use crate::openbao_server::{OpenBao, ROOT_TOKEN};
use crate::report_schema::stream_errors;
use crate::support::{Run, TestEnv, has};

/// A directory, and a server with the mount `jwt` and two roles.
struct Site {
    directory: TestEnv,
    bao: OpenBao,
}

impl Site {
    fn start() -> Self {
        let (directory, bao) = (TestEnv::with_setup(), OpenBao::start());
        bao.set("sys/auth/jwt", &json!({"type": "jwt"}));
        bao.set("auth/jwt/config", &json!({"jwt_validation_pubkeys": [pems()[0]], "default_role": "dev"}));
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "alice", "ttl": "1h"});
        bao.set("auth/jwt/role/dev", &role);
        bao.set("auth/jwt/role/Ops", &role);
        Self { directory, bao }
    }

    fn pull(&self, arguments: &str) -> Run {
        self.as_token(ROOT_TOKEN, arguments)
    }

    fn as_token(&self, token: &str, arguments: &str) -> Run {
        let line = format!("VAULT_TOKEN={token} BAO_ADDR={} cc-jwt role pull {arguments}", self.bao.url);
        self.directory.sh(&line)
    }
}

/// A token of the issuer whose key the mount has.
fn token(subject: &str) -> String {
    let file = std::fs::read(data("ed25519.key.pem")).unwrap();
    let key = read_signing(&file, KeyStrength::Enforce, &mut Notes::new()).unwrap();
    let claims = json!({"sub": subject, "iat": seconds(), "exp": seconds() + 300});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "EdDSA"})), part(&claims));
    let signature = key.sign(Algorithm::EdDsa, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn pulled_roles_are_read_by_each_command_unchanged() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let run = site.pull("").ended(0);
    let expected = "new        login-roles/roles/dev.json\nnew        login-roles/roles/ops.json\n\
                    new        login-roles/role-config.json\nnew        login-roles/auth.json\n";
    assert_eq!(run.stdout, expected);
    assert_eq!(run.stderr, "");
    // The server writes each field; a leeway of 0 is not set.
    let check = site.directory.sh("cc-jwt role check login-roles/auth.json").ended(0);
    assert!(
        !format!("{}{}", check.stdout, check.stderr).contains("leeway"),
        "{} {}",
        check.stdout,
        check.stderr
    );
    site.directory.write("t.txt", token("alice"));
    for line in [
        "cc-jwt role check login-roles/auth.json --role-config login-roles/role-config.json",
        "cc-jwt role check login-roles/roles/dev.json",
        "cc-jwt verify --token-file t.txt --login-role login-roles/roles/dev.json \
         --role-config login-roles/role-config.json",
        "cc-jwt verify --token-file t.txt --config login-roles/auth.json --login-role ops",
        "cc-jwt verify --token-file t.txt --config login-roles/auth.json --default-login-role",
    ] {
        site.directory.sh(line).ended(0);
    }
}

#[test]
fn pull_prints_what_changed_on_the_server() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let run = site.pull("--check").ended(1);
    assert!(run.stdout.starts_with("new        login-roles/roles/dev.json\n"), "{}", run.stdout);
    assert!(!site.directory.file("login-roles").exists(), "--check writes nothing");
    site.pull("-q").ended(0);
    site.pull("--check").ended(0);
    site.bao
        .set("auth/jwt/role/dev", &json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "bob"}));
    site.bao.call("DELETE", "auth/jwt/role/ops", &Value::Null);
    let run = site.pull("").ended(0);
    assert!(
        run.stdout.starts_with("changed    login-roles/roles/dev.json: bound_subject\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("gone       login-roles/roles/ops.json\n"), "{}", run.stdout);
    assert!(run.stderr.contains("--prune deletes such files"), "{}", run.stderr);
    site.pull("--check").ended(1);
    let run = site.pull("--prune --json").ended(0);
    assert_eq!(stream_errors("cc-jwt role pull --json", &run.stdout, &run.stderr), [""; 0]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["current"], &report["files"][3]["change"]), (&json!(true), &json!("deleted")));
    assert!(!site.directory.file("login-roles/roles/ops.json").exists());
}

#[test]
fn pull_with_a_token_that_reads_one_role_writes_it_without_the_configuration() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let policy = "path \"auth/jwt/role/dev\" { capabilities = [\"read\"] }";
    site.bao.set("sys/policies/acl/one", &json!({"policy": policy}));
    let token =
        site.bao.set("auth/token/create", &json!({"policies": ["one"]}))["auth"]["client_token"].clone();
    let token = token.as_str().unwrap();
    let run = site.as_token(token, "").ended(77);
    assert!(run.stderr.contains("does not permit the list of the roles"), "{}", run.stderr);
    assert!(!run.stderr.contains(token), "{}", run.stderr);
    let run = site.as_token(token, "dev").ended(0);
    assert!(run.stderr.contains("the configuration is not written"), "{}", run.stderr);
    assert!(run.stdout.starts_with("new        login-roles/roles/dev.json\n"), "{}", run.stdout);
    assert!(!site.directory.file("login-roles/role-config.json").exists());
    let run = site.pull("unknown").ended(78);
    assert!(run.stderr.contains(": the mount 'jwt' does not have the role 'unknown'\n"), "{}", run.stderr);
    for arguments in ["--path gone", "--path gone dev"] {
        let run = site.pull(arguments).ended(78);
        assert!(run.stderr.contains(": the mount 'gone' does not exist\n"), "{}", run.stderr);
    }
    site.directory.sh("cc-jwt role pull").ended(78);
}
