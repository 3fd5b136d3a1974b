//! Logins of jobs at Keycloak: a client with a secret or a key, and a token that is exchanged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::server::{Realm, log_in};
use crate::ci_providers::{CiProvider, gitlab_claims};
use crate::oidc::session;
use crate::support::TestEnv;

const LOGIN: &str = "cc-login --client-credentials";

#[test]
fn keycloak_client_logs_in_with_its_secret_and_has_the_roles_of_its_service_account() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"update-user-on-login": true}));
    let off = directory.sh(LOGIN).ended(77);
    assert!(
        off.stderr.contains("the provider rejected the login of the client: 'unauthorized_client'")
            && off.stderr.contains("hint: allow the client credentials grant")
            && off.stderr.contains("'Service account roles'"),
        "{}",
        off.stderr
    );
    realm.change_client("cc", &json!({"serviceAccountsEnabled": true}));
    let done = directory.sh(LOGIN).ended(0);
    assert!(done.stdout.starts_with("logged in: service-account-cc (user) by oidc"), "{}", done.stdout);
    let access = directory.sh("cc-login token --kind access").ended(0);
    assert!(access.stdout.starts_with("eyJ"), "{}", access.stdout);
    // Without a terminal, a browser or a session from before: as in a pipeline.
    let bare = format!("env -i PATH=\"$PATH\" XDG_STATE_HOME=\"$PWD/state\" {LOGIN} < /dev/null");
    directory.sh(&bare).ended(0);
    directory.sh("sed -i s/s3cret/wrong/ .env").ended(0);
    let wrong = directory.sh(LOGIN).ended(77);
    assert!(wrong.stderr.contains("check OID_CLIENT_ID and OID_CLIENT_SECRET"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("wrong"), "{}", wrong.stderr);
}

/// Registers the public key of a new private key in `client.pem` with the client.
fn use_key(realm: &Realm, directory: &TestEnv, algorithm: &str, name: &str) {
    directory
        .sh(&format!(
            "gen-keypair -q --algorithm {algorithm} --format pem -o keys --force && mv keys/private.pem client.pem
             convert-pem-pubkey keys/public.pem --to jwk > public.jwk"
        ))
        .ended(0);
    let mut key: Value = serde_json::from_str(&directory.read("public.jwk")).unwrap();
    key["use"] = json!("sig");
    key["alg"] = json!(name);
    realm.change_client(
        "cc",
        &json!({
            "serviceAccountsEnabled": true, "clientAuthenticatorType": "client-jwt",
            "attributes": {
                "use.jwks.string": "true", "use.jwks.url": "false", "jwks.string": json!({"keys": [key]}).to_string(),
                "token.endpoint.auth.signing.alg": name,
            },
        }),
    );
}

#[test]
fn keycloak_client_logs_in_with_a_private_key_of_each_algorithm() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"client-key-file": "client.pem"}));
    let missing = directory.sh(LOGIN).ended(66);
    assert!(missing.stderr.contains("client.pem"), "{}", missing.stderr);
    for (algorithm, name) in [("ed25519", "EdDSA"), ("es256", "ES256"), ("rs256", "RS256")] {
        use_key(&realm, &directory, algorithm, name);
        // Twice: an assertion is accepted once.
        for _ in 0..2 {
            let done = directory.sh(LOGIN);
            assert!(
                done.stdout.starts_with("logged in: service-account-cc (user) by oidc"),
                "{algorithm}: {} {}",
                done.stdout,
                done.stderr
            );
        }
    }
    let algorithm = |name: &str| {
        realm.change_client("cc", &json!({"attributes": {"token.endpoint.auth.signing.alg": name}}))
    };
    algorithm("PS512");
    let wrong = directory.sh(LOGIN).ended(77);
    assert!(wrong.stderr.contains("hint: the client must have the algorithm of its key"), "{}", wrong.stderr);
    algorithm("RS256");
    // The same key authenticates the client in a login with a browser.
    let done = log_in(&directory, "", "").ended(0);
    assert!(done.stdout.starts_with("logged in: clara"), "{}", done.stdout);
    // Another key of the same kind.
    directory
        .sh("gen-keypair -q --algorithm rs256 --format pem -o keys --force && mv keys/private.pem client.pem")
        .ended(0);
    let other = directory.sh(LOGIN).ended(77);
    assert!(other.stderr.contains("hint: register the public key of the client"), "{}", other.stderr);
    let rubbish = directory.sh(&format!("echo rubbish > client.pem; {LOGIN}")).ended(65);
    assert!(rubbish.stderr.contains("client.pem"), "{}", rubbish.stderr);
}

#[test]
fn keycloak_exchanges_an_access_token_of_a_user() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    directory.sh("umask 077; cc-login token --kind access > access; cc-login logout -q").ended(0);
    let exchange = "cc-login --method oidc --token-file access";
    let off = directory.sh(exchange);
    assert!(
        off.status != 0
            && off.stderr.contains("the provider rejected the token exchange")
            && off.stderr.contains("hint: "),
        "{}",
        off.stderr
    );
    realm.change_client("cc", &json!({"attributes": {"standard.token.exchange.enabled": "true"}}));
    let done = directory.sh(exchange).ended(0);
    assert!(done.stdout.starts_with("logged in: clara ("), "{}", done.stdout);
    assert!(session(&directory).unwrap()["access_token"].is_object());
    let exchanged = directory.sh("cc-login token --kind access").ended(0).stdout;
    assert_ne!(exchanged.trim(), directory.read("access").trim());
    let other = directory.sh(&format!("{exchange} fritz")).ended(1);
    assert!(other.stderr.contains("the provider logged in 'clara', expected 'fritz'"), "{}", other.stderr);
    fs::write(directory.file("access"), "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln").unwrap();
    fs::set_permissions(directory.file("access"), fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = directory.sh(exchange);
    assert!(wrong.status != 0 && !wrong.stderr.contains("c2ln"), "{}", wrong.stderr);
}

/// The YAML block of a section of `docs/ci.md`, whose command is that of a job.
fn command_of_guide(title: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).unwrap();
    let (_, section) = page.split_once(&format!("# {title}\n")).unwrap();
    let (_, command) = section.split_once("\n    - ").unwrap();
    command.lines().next().unwrap().to_owned()
}

#[test]
fn keycloak_client_logs_in_with_the_identity_of_a_job_instead_of_a_secret() {
    let Some(realm) = Realm::new() else { return };
    let gitlab = CiProvider::gitlab();
    let issuer = gitlab.issuer();
    realm.send(
        "POST",
        "/identity-provider/instances",
        &json!({
            "alias": "gitlab", "providerId": "oidc", "enabled": true,
            "config": {
                "issuer": issuer, "jwksUrl": format!("{issuer}/openid/v1/jwks"), "useJwksUrl": "true",
                "validateSignature": "true", "supportsClientAssertions": "true", "clientId": "x", "clientSecret": "x",
                "authorizationUrl": format!("{issuer}/x"), "tokenUrl": format!("{issuer}/x"),
            },
        }),
    );
    let subject = gitlab_claims()["sub"].clone();
    realm.change_client(
        "cc",
        &json!({
            "serviceAccountsEnabled": true, "clientAuthenticatorType": "federated-jwt",
            "attributes": {"jwt.credential.issuer": "gitlab", "jwt.credential.sub": subject},
        }),
    );
    let directory = realm.directory(&json!({}));
    // The client has no secret.
    directory.write(".env", directory.read(".env").replace("OID_CLIENT_SECRET=s3cret", ""));
    directory.write("report", "#!/bin/sh\nprintenv ACCESS_TOKEN\n");
    directory.sh("chmod 755 report").ended(0);
    let command = command_of_guide("Keycloak: the identity of the job instead of a secret");
    let job = |audience: &str| format!("export KEYCLOAK_JWT='{}'; {command}", gitlab.token(audience));
    let run = directory.sh(&job(&realm.issuer())).ended(0);
    assert!(run.stdout.starts_with("eyJ"), "{}", run.stdout);
    // Each token is accepted once, for this realm, from this issuer.
    let wrong = [
        job("https://idp.example.org"),
        format!("export KEYCLOAK_JWT='{}'; {command}", CiProvider::gitlab().token(&realm.issuer())),
    ];
    for line in wrong {
        let run = directory.sh(&line).ended(77);
        assert!(run.stderr.contains("the issuer of its assertion (--identity)"), "{}", run.stderr);
        assert!(!run.stderr.contains("eyJ"), "{}", run.stderr);
    }
}
