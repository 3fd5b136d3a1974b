//! Wrong settings of a login through the provider: each ends in one line that names the setting.

use serde_json::{Value, json};

use super::server::{Realm, page};
use crate::support::{Run, TestEnv};

/// A wrong setting, and the text that names it in the error or its hint.
struct Case {
    /// The options of the login.
    options: &'static str,
    /// Members of the provider entry.
    entry: Value,
    /// Members of `auth`.
    auth: Value,
    /// Replaced in `.env`.
    env: (&'static str, &'static str),
    status: i32,
    names: &'static str,
}

impl Default for Case {
    fn default() -> Self {
        Self { options: "", entry: json!({}), auth: json!({}), env: ("", ""), status: 78, names: "" }
    }
}

fn entry(member: &str, value: impl Into<Value>, status: i32, names: &'static str) -> Case {
    Case { entry: json!({member: value.into()}), status, names, ..Case::default() }
}

fn option(options: &'static str, status: i32, names: &'static str) -> Case {
    Case { options, status, names, ..Case::default() }
}

fn variable(env: (&'static str, &'static str), status: i32, names: &'static str) -> Case {
    Case { env, status, names, ..Case::default() }
}

/// A role of type oidc with these members, which the login names.
fn role(more: &Value, status: i32, names: &'static str) -> Case {
    let uris = ["http://localhost/oidc/callback"];
    let mut role = json!({"role_type": "oidc", "user_claim": "sub", "allowed_redirect_uris": uris});
    role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Case { options: "--role r", auth: json!({"jwt-roles": {"r": role}}), status, names, ..Case::default() }
}

/// A site whose settings each case replaces; no case changes anything else, because each login fails.
struct Site {
    directory: TestEnv,
    config: Value,
    env: String,
}

impl Site {
    fn new(realm: &Realm) -> Self {
        let directory = realm.directory(&json!({}));
        directory.sh("umask 077; echo junk > junk").ended(0);
        let config = serde_json::from_str(&directory.read("config.json")).unwrap();
        let env = directory.read(".env");
        Self { directory, config, env }
    }

    fn run(&self, case: &Case) -> Run {
        let mut config = self.config.clone();
        let members = |value: &Value| value.as_object().unwrap().clone();
        config["auth"]["oidc"].as_object_mut().unwrap().extend(members(&case.entry));
        config["auth"].as_object_mut().unwrap().extend(members(&case.auth));
        self.directory.write("config.json", config.to_string());
        self.directory.write(".env", self.env.replace(case.env.0, case.env.1));
        log_in(&self.directory, case.options)
    }
}

fn log_in(directory: &TestEnv, options: &str) -> Run {
    let browser = format!("{} %s > /dev/null 2> /dev/null", page(""));
    let is_page = !["--client-credentials", "--method"].iter().any(|option| options.contains(option));
    let line = if is_page {
        // The program waits for a page that shows an error.
        let time = if options.contains("--timeout") { "" } else { "--timeout 60s" };
        format!("cc-login --method oidc --port 0 {time} --browser '{browser}' {options} < /dev/null")
    } else {
        format!("cc-login {options} < /dev/null")
    };
    directory.sh(&line)
}

/// Asserts that the run ended with this status and one line, of which it or its hint has the name of the setting.
#[track_caller]
fn assert_named(run: &Run, status: i32, names: &str) {
    let ours = |line: &&str| line.starts_with("cc-login: ") || line.starts_with("hint: ");
    let lines: Vec<&str> = run.stderr.lines().filter(ours).collect();
    let errors = lines.iter().filter(|line| line.starts_with("cc-login: ") && !line.contains("warning: "));
    assert_eq!((run.status, errors.count()), (status, 1), "{names}: {}", run.stderr);
    assert!(lines.iter().any(|line| line.contains(names)), "expected {names:?}: {}", run.stderr);
}

#[test]
fn wrong_setting_of_an_openid_login_is_named_in_one_line() {
    let Some(realm) = Realm::new() else { return };
    let issuer = realm.issuer();
    let (base, name) = issuer.rsplit_once('/').unwrap();
    let old = format!("{}/auth/realms/{name}", base.strip_suffix("/realms").unwrap());
    let cases = [
        entry("provider", "", 78, "'auth.oidc.provider' is not set"),
        entry("provider", 7, 78, "key 'auth.oidc.provider': found the number '7'"),
        entry("provider", "idp", 78, "auth.oidc.provider: invalid URL 'idp'"),
        entry("provider", "http://idp.example/realms/x", 78, "auth.oidc.provider: 'http://idp.example"),
        entry("provider", format!("{base}/gone"), 69, "auth.oidc.provider: "),
        entry("provider", old, 69, "that of Keycloak is /realms/NAME"),
        entry("provider", format!("{issuer}/"), 78, "auth.oidc.provider: the discovery document of"),
        entry("provider", "http://127.0.0.1:1/realms/x", 69, "auth.oidc.provider: cannot connect to"),
        entry("provider", issuer.replace("http:", "https:"), 69, "auth.oidc.provider: no secure connection"),
        entry("provider", realm.secure_issuer(), 69, "auth.oidc.provider: no secure connection"),
        entry("ca-file", "gone.pem", 66, "auth.oidc.ca-file: 'gone.pem' does not exist"),
        entry("ca-file", "junk", 78, "auth.oidc.ca-file: 'junk': invalid CA certificates"),
        option("--ca-file gone.pem", 66, "--ca-file: "),
        option("--ca-file junk", 78, "--ca-file: "),
        variable(("OID_CLIENT_ID=cc", ""), 78, "OID_CLIENT_ID is not set"),
        variable(("OID_CLIENT_ID=cc", "OID_CLIENT_ID="), 78, "OID_CLIENT_ID is set to an empty value"),
        Case {
            options: "--timeout 1s",
            ..variable(("=cc", "=gone"), 1, "check OID_CLIENT_ID, and register")
        },
        Case { options: "--timeout 1s", ..entry("client-id", "gone", 1, "check auth.oidc.client-id, and") },
        variable(("s3cret", "wrong"), 77, "check OID_CLIENT_ID and OID_CLIENT_SECRET"),
        variable(("OID_CLIENT_SECRET=s3cret", ""), 77, "set OID_CLIENT_SECRET if the client is not public"),
        entry(
            "client-secret-variable",
            "GONE",
            77,
            "set GONE if the client is not public, or check OID_CLIENT_ID",
        ),
        entry("token-endpoint-auth-method", "none", 78, "auth.oidc.token-endpoint-auth-method 'none'"),
        entry("token-endpoint-auth-method", "private_key_jwt", 78, "'auth.oidc.client-key-file' is not set"),
        Case {
            entry: json!({"token-endpoint-auth-method": "client_secret_post", "client-key-file": "junk"}),
            names: "'client_secret_post' does not use auth.oidc.client-key-file: expected private_key_jwt",
            ..Case::default()
        },
        entry("client-key-file", "gone", 66, "auth.oidc.client-key-file: 'gone' does not exist"),
        entry("client-key-file", "junk", 65, "auth.oidc.client-key-file: 'junk': "),
        entry("scopes", json!(["gone"]), 78, "'scopes' of the provider entry"),
        entry("scopes", 7, 78, "key 'auth.oidc.scopes'"),
        option("--scope gone", 78, "check --scope"),
        entry("parameters", json!({"x": []}), 78, "auth.oidc.parameters: 'x'"),
        entry("parameters", json!({"state": "x"}), 78, "'parameters' of the provider entry"),
        entry("max-age", "x", 78, "key 'auth.oidc.max-age'"),
        entry("sync-user-on-login", "yes", 78, "key 'auth.oidc.sync-user-on-login'"),
        entry(
            "default-role",
            "gone",
            78,
            "auth.oidc.default-role: auth.jwt-roles does not have the role 'gone'",
        ),
        option("--path gone", 78, "no OpenID provider 'gone'"),
        option("--role gone", 78, "--role: auth.jwt-roles does not have the role 'gone'"),
        option("--listen-address 192.0.2.1", 2, "set --listen-address to an address of this computer"),
        option("--callback-host cc.example --timeout 1s", 1, "redirect URI http://cc.example:"),
        role(
            &json!({"role_type": "jwt", "bound_audiences": "x", "allowed_redirect_uris": null}),
            78,
            "of type 'jwt'",
        ),
        role(&json!({"allowed_redirect_uris": ["http://localhost/x"]}), 78, "allowed_redirect_uris"),
        role(&json!({"user_clam": "x"}), 78, "auth.jwt-roles.r.user_clam: unknown field"),
        role(&json!({"user_claim": "gone"}), 1, "login rejected: user-claim: the token has no claim 'gone'"),
        role(&json!({"bound_claims": {"azp": "x"}}), 1, "login rejected: bound-claims: 'azp' is 'cc'"),
        option("--client-credentials", 77, "'Service account roles'"),
        Case { options: "--client-credentials", ..variable(("s3cret", "wrong"), 77, "OID_CLIENT_SECRET") },
        option("--method oidc --token-file junk", 78, "'Standard Token Exchange'"),
        option("--client-credentials --identity file:gone", 66, "'gone' does not exist"),
        option("--client-credentials --identity env:GONE", 78, "the variable 'GONE' is not set"),
    ];
    let site = Site::new(&realm);
    for case in cases {
        assert_named(&site.run(&case), case.status, case.names);
    }
}

#[test]
fn wrong_setting_of_the_client_at_keycloak_is_named_in_one_line() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    for (change, undo, options, status, names) in [
        (
            json!({"standardFlowEnabled": false}),
            json!({"standardFlowEnabled": true}),
            "",
            77,
            "'Standard flow'",
        ),
        (
            json!({"attributes": {"require.pushed.authorization.requests": "true"}}),
            json!({"attributes": {"require.pushed.authorization.requests": "false"}}),
            "",
            78,
            "'Pushed authorization request required'",
        ),
        (
            json!({"redirectUris": ["http://localhost/other"]}),
            json!({"redirectUris": ["http://localhost/oidc/callback"]}),
            "--timeout 1s",
            1,
            "register exactly the redirect URI http://localhost:",
        ),
    ] {
        realm.change_client("cc", &change);
        assert_named(&log_in(&directory, options), status, names);
        realm.change_client("cc", &undo);
    }
}
