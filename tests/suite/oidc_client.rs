//! The client at the provider: PKCE, its secret, its grants, and where its roles are.

use serde_json::{Map, Value, json};

use crate::httpd::{Reply, Request};
use crate::idp::{Behavior, Idp};
use crate::oidc::{directory_for, log_in, session};
use crate::support::has;

/// A provider that answers requests for this path with this error.
fn refusing(path: &'static str, error: &'static str, description: &'static str) -> Behavior {
    instead(move |request| {
        let refusal = json!({"error": error, "error_description": description});
        (request.path == path).then(|| Reply::status(401, "application/json", refusal.to_string()))
    })
}

fn instead(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Behavior {
    Behavior { instead: Box::new(answer), ..Behavior::default() }
}

fn lists_pkce(document: &mut Map<String, Value>) {
    document.insert("code_challenge_methods_supported".to_owned(), json!(["plain", "S256"]));
}

#[test]
fn device_login_sends_pkce_to_a_provider_that_lists_it() {
    let idp = Idp::start(Behavior { discovery: Box::new(lists_pkce), pending: 1, ..Behavior::default() });
    let directory = directory_for(&idp.issuer(), &json!({}));
    directory.sh("cc-login --method oidc --device").ended(0);
    let begun = idp.last("/device");
    assert_eq!(begun.field("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(begun.field("code_challenge").map(|text| text.len()), Some(43));
    assert_eq!(begun.field("code_verifier"), None);
    let verifiers: Vec<String> = idp
        .seen()
        .iter()
        .filter(|request| request.path == "/token")
        .map(|request| request.field("code_verifier").unwrap_or_default())
        .collect();
    assert_eq!(verifiers.len(), 2);
    assert!(verifiers.iter().all(|verifier| verifier.len() == 43 && *verifier == verifiers[0]));
    assert_ne!(begun.field("code_challenge").as_deref(), Some(verifiers[0].as_str()));

    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    directory.sh("cc-login --method oidc --device").ended(0);
    assert_eq!(idp.last("/device").field("code_challenge"), None, "a parameter that the provider may reject");
}

#[test]
fn client_without_device_grant_logs_in_with_a_pasted_url() {
    const TEXT: &str = "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant";
    let idp = Idp::start(refusing("/device", "unauthorized_client", TEXT));
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = directory.sh("cc-login --method oidc < /dev/null");
    assert_ne!(run.status, 0);
    assert!(run.stderr.contains(TEXT), "{}", run.stderr);
    assert!(run.stderr.contains("login with a pasted URL, as with --manual"), "{}", run.stderr);
    assert!(run.stderr.contains("paste it here"), "{}", run.stderr);
    let run = directory.sh("cc-login --method oidc --device").ended(77);
    assert!(run.stderr.contains("use --manual"), "{}", run.stderr);
    // A wrong secret cannot be pasted either.
    let idp = Idp::start(refusing("/device", "unauthorized_client", "Invalid client credentials"));
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = directory.sh("cc-login --method oidc < /dev/null").ended(77);
    assert!(!run.stderr.contains("paste it here"), "{}", run.stderr);
}

#[test]
fn wrong_secret_is_named_when_the_provider_only_describes_it() {
    if !has("curl") {
        return;
    }
    let hint_of = |description: &'static str| {
        let idp = Idp::start(refusing("/token", "unauthorized_client", description));
        let directory = directory_for(&idp.issuer(), &json!({}));
        log_in(&directory, "").ended(77).stderr
    };
    let stderr = hint_of("Invalid client or Invalid client credentials");
    assert!(stderr.contains("hint: check OID_CLIENT_ID and OID_CLIENT_SECRET"), "{stderr}");
    let stderr = hint_of("Client not allowed");
    assert!(stderr.contains("must allow this kind of login"), "{stderr}");
}

#[test]
fn roles_outside_of_the_id_token_are_not_used_and_reported() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior {
        claims: Box::new(|claims| {
            claims.remove("realm_access");
            claims.remove("projects");
        }),
        userinfo: Box::new(|userinfo| {
            userinfo.insert("realm_access".to_owned(), json!({"roles": ["admin"]}));
            userinfo.insert("projects".to_owned(), json!(["fusion"]));
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({"update-user-on-login": true}));
    let run = log_in(&directory, "").ended(0);
    assert!(run.stdout.starts_with("logged in: clara (user) by oidc"), "{}", run.stdout);
    assert!(run.stderr.contains("neither 'realm_access' nor 'resource_access'"), "{}", run.stderr);
    assert!(run.stderr.contains("set 'Add to ID token'"), "{}", run.stderr);
    let row = directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!((&row["roles"], &row["projects"]), (&json!(["user"]), &json!([])));
    let run = directory.sh("cc-login refresh").ended(0);
    assert!(!run.stderr.contains("realm_access"), "once, at the login: {}", run.stderr);
}

#[test]
fn refresh_without_id_token_changes_no_roles() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(instead(|request| {
        let refreshes = request.path == "/token" && request.field("grant_type")? == "refresh_token";
        refreshes.then(|| Reply::json(&json!({"access_token": "another", "token_type": "Bearer"})))
    }));
    let directory = directory_for(&idp.issuer(), &json!({"update-user-on-login": true}));
    log_in(&directory, "").ended(0);
    let run = directory.sh("cc-login refresh").ended(0);
    assert!(run.stdout.starts_with("logged in: clara (manager) by oidc"), "{}", run.stdout);
    let row = directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!((&row["roles"], &row["projects"]), (&json!(["manager"]), &json!(["fusion"])));
    assert_eq!(session(&directory).unwrap()["roles"], json!(["manager"]));
}

#[test]
fn login_that_the_provider_does_not_permit_names_the_administrator_and_the_settings() {
    for (path, what) in [("/device", "the device authorization"), ("/token", "the device code")] {
        let idp = Idp::start(refusing(path, "not_allowed", "Client is not allowed"));
        let directory = directory_for(&idp.issuer(), &json!({}));
        let run = directory.sh("cc-login --method oidc --device").ended(1);
        let lines = format!(
            "cc-login: the provider rejected {what}: 'not_allowed': 'Client is not allowed'\nhint: the provider does not \
             permit this: ask its administrator for the settings of the client and the realm\n"
        );
        assert!(run.stderr.ends_with(&lines), "{}", run.stderr);
        assert_eq!(session(&directory), None);
    }
}

#[test]
fn missing_role_api_is_a_note_without_a_command_and_an_added_one_is_in_the_next_token() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({"update-user-on-login": true}));
    log_in(&directory, "").ended(0);
    let token = directory.sh("cc-login token").ended(0);
    assert!(
        token.stderr.contains("note: 'clara' does not have the role 'api': this token is "),
        "{}",
        token.stderr
    );
    // A role that is added now is not in this token.
    assert!(!token.stderr.contains("hint: ") && !token.stderr.contains("role add"), "{}", token.stderr);
    directory.sh("cc-user role add -q clara api").ended(0);
    log_in(&directory, "").ended(0);
    let token = directory.sh("cc-login token").ended(0);
    assert!(!token.stderr.contains("'api'"), "{}", token.stderr);
    directory.sh("cc-login token | cc-jwt verify - --endpoint user-api -q").ended(0);
}
