//! Wrong settings of the logins of CI jobs: each ends in one line that names the setting.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::ci_providers::CiProvider;
use crate::support::{Run, TestEnv};

const AUDIENCE: &str = "https://cc.example.org";

/// A job whose variable `JWT` has a token of the provider, at a site whose settings a case replaces.
struct Job {
    directory: TestEnv,
    settings: Value,
    token: String,
}

impl Job {
    fn new(provider: &CiProvider) -> Self {
        let directory = TestEnv::new();
        directory.sh("cc-user init -q").ended(0);
        directory.write("junk", "junk\n");
        fs::set_permissions(directory.file("junk"), fs::Permissions::from_mode(0o600)).unwrap();
        let settings = serde_json::from_str(&directory.read("config.json")).unwrap();
        Self { directory, settings, token: provider.token(AUDIENCE) }
    }

    /// Runs a command at the site with the login role `ci`.
    fn run(&self, config: &Value, role: &Value, command: &str) -> Run {
        let mut settings = self.settings.clone();
        for (member, value) in [("jwt-config", config.clone()), ("jwt-roles", json!({"ci": role}))] {
            if !value.is_null() {
                settings["auth"][member] = value;
            }
        }
        self.directory.write("config.json", settings.to_string());
        self.directory.sh(&format!("export JWT='{}'; {command}", self.token))
    }
}

/// Asserts that one line is the error, and that it or its hint names the setting.
#[track_caller]
fn assert_named(run: &Run, status: i32, names: &str) {
    let is_error = |line: &&str| line.starts_with("cc-login: ") && !line.starts_with("cc-login: warning: ");
    assert_eq!(
        (run.status, run.stderr.lines().filter(is_error).count()),
        (status, 1),
        "{names}: {}",
        run.stderr
    );
    let is_ours = |line: &str| is_error(&line) || line.starts_with("hint: ");
    let has = run.stderr.lines().any(|line| is_ours(line) && line.contains(names));
    assert!(has, "expected {names:?}: {}", run.stderr);
}

#[test]
fn wrong_setting_of_the_keys_of_login_roles_is_named_in_one_line() {
    let provider = CiProvider::gitlab();
    let job = Job::new(&provider);
    let issuer = provider.issuer();
    let role = json!({"role_type": "jwt", "user_claim": "project_path", "bound_audiences": [AUDIENCE]});
    let keys = format!("{issuer}/openid/v1/jwks");
    for (config, status, names) in [
        (json!(null), 78, "'auth.jwt-config' is not set"),
        (json!({}), 78, "exactly one of jwt_validation_pubkeys, jwks_url"),
        (json!({"jwks_url": "idp"}), 78, "auth.jwt-config.jwks_url: invalid URL 'idp'"),
        (json!({"jwks_url": "http://127.0.0.1:1/x"}), 69, "auth.jwt-config.jwks_url: cannot connect"),
        (
            json!({"jwks_url": "http://idp.example/x"}),
            78,
            "auth.jwt-config.jwks_url: 'http://idp.example/x' is plain",
        ),
        (json!({"jwks_url": format!("{issuer}/gone")}), 69, "auth.jwt-config.jwks_url: "),
        (json!({"jwks_url": keys, "jwks_ca_pem": "x"}), 78, "auth.jwt-config.jwks_ca_pem: invalid CA"),
        (
            json!({"jwks_pairs": [{"jwks_url": "http://127.0.0.1:1/x"}]}),
            69,
            "auth.jwt-config.jwks_pairs[0]: cannot",
        ),
        (json!({"oidc_discovery_url": format!("{issuer}/x")}), 69, "auth.jwt-config.oidc_discovery_url: "),
        (
            json!({"oidc_discovery_url": issuer, "oidc_discovery_ca_pem": "x"}),
            78,
            "auth.jwt-config.oidc_discovery_ca_pem: invalid CA",
        ),
        (json!({"oidc_discovery_url": issuer, "jwks_url": keys}), 78, "auth.jwt-config.jwks_url: set beside"),
        (json!({"oidc_discovery": issuer}), 78, "auth.jwt-config.oidc_discovery: unknown field"),
        (json!({"jwt_validation_pubkeys": ["x"]}), 78, "auth.jwt-config.jwt_validation_pubkeys[0]: "),
        (
            json!({"oidc_discovery_url": issuer, "jwt_supported_algs": ["HS256"]}),
            78,
            "auth.jwt-config.jwt_supported_algs[0]: ",
        ),
        (
            json!({"oidc_discovery_url": issuer, "jwt_supported_algs": ["ES256"]}),
            1,
            "jwt_supported_algs (ES256)",
        ),
        (json!({"oidc_discovery_url": issuer, "bound_issuer": "https://x"}), 1, "(bound_issuer)"),
    ] {
        assert_named(&job.run(&config, &role, "cc-login --identity env:JWT --role ci"), status, names);
    }
}

#[test]
fn wrong_setting_of_a_login_role_of_a_job_is_named_in_one_line() {
    let provider = CiProvider::gitlab();
    let job = Job::new(&provider);
    let config = json!({"oidc_discovery_url": provider.issuer(), "bound_issuer": provider.issuer()});
    for (change, status, names) in [
        (json!({"bound_audiences": ["x"]}), 1, "expected 'x' (bound_audiences)"),
        (json!({"bound_audiences": []}), 78, "bound_audiences"),
        (json!({"bound_subject": "x"}), 1, "expected 'x' (bound_subject)"),
        (json!({"bound_claims": {"ref": "x"}}), 1, "bound-claims: 'ref' is 'main', expected 'x'"),
        (json!({"bound_claims": {"gone": "x"}}), 1, "bound-claims: the token has no claim 'gone'"),
        (json!({"bound_claims_type": "regex"}), 78, "auth.jwt-roles.ci.bound_claims_type: "),
        (json!({"groups_claim": "gone_groups"}), 1, "groups_claim"),
        (json!({"user_claim": "gone"}), 1, "user-claim: the token has no claim 'gone'"),
        (json!({"user_clam": "x"}), 78, "auth.jwt-roles.ci.user_clam: unknown field"),
        (json!({"claim_mappings": {"runner_id": "x"}}), 1, "claim-mappings: 'runner_id'"),
        (json!({"token_ttl": "x"}), 78, "auth.jwt-roles.ci.token_ttl: "),
        (json!({"role_type": "oidc"}), 78, "auth.jwt-roles.ci.allowed_redirect_uris: "),
    ] {
        let mut role =
            json!({"role_type": "jwt", "user_claim": "project_path", "bound_audiences": [AUDIENCE]});
        role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_named(&job.run(&config, &role, "cc-login --identity env:JWT --role ci"), status, names);
    }
}

#[test]
fn wrong_source_of_the_identity_of_a_job_is_named_in_one_line() {
    let provider = CiProvider::github();
    let job = Job::new(&provider);
    let config = json!({"oidc_discovery_url": provider.issuer(), "bound_issuer": provider.issuer()});
    let role = json!({"role_type": "jwt", "user_claim": "repository", "bound_audiences": [AUDIENCE]});
    let github = |url: &str| format!("ACTIONS_ID_TOKEN_REQUEST_URL='{url}' ACTIONS_ID_TOKEN_REQUEST_TOKEN=x");
    for (variables, options, status, names) in [
        ("", "--identity gitlab --role ci", 2, "--identity: expected github"),
        ("", "--identity env:GONE --role ci", 78, "the variable 'GONE' is not set"),
        ("", "--identity file:gone --role ci", 66, "'gone' does not exist"),
        ("", "--identity file:junk --role ci", 65, "the file 'junk' does not contain a token"),
        ("", "--identity env:JWT --role gone", 78, "auth.jwt-roles does not have the role 'gone'"),
        ("", "--identity env:JWT --role ci --ca-file gone", 66, "--ca-file: 'gone' does not exist"),
        ("", "--identity env:JWT --role ci --ca-file junk", 78, "--ca-file: 'junk': invalid CA certificates"),
        ("", "--identity env:JWT --role ci --bearer-token-file gone", 66, "'gone' does not exist"),
        ("", "--identity github --role ci", 78, "ACTIONS_ID_TOKEN_REQUEST_URL is not set"),
        (&github("x"), "--identity github --role ci", 78, "ACTIONS_ID_TOKEN_REQUEST_URL: invalid URL 'x'"),
        (
            &github("http://127.0.0.1:1/x"),
            "--identity github --role ci",
            69,
            "ACTIONS_ID_TOKEN_REQUEST_URL: cannot connect to",
        ),
    ] {
        assert_named(&job.run(&config, &role, &format!("{variables} cc-login {options}")), status, names);
    }
}
