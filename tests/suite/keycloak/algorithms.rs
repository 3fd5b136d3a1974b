//! Signature algorithms of ID tokens, and keys that the administrator replaces.

use serde_json::{Value, json};

use super::server::{Realm, log_in};
use crate::oidc::session;
use crate::support::TestEnv;

/// The protected header of the session's ID token.
fn header(directory: &TestEnv) -> Value {
    let token = session(directory).unwrap()["id_token"].as_str().unwrap().to_owned();
    let run = directory.sh(&format!("cc-jwt inspect --json {token}")).ended(0);
    run.json()["header"].clone()
}

fn key(name: &str, provider: &str, priority: usize, config: &Value) -> Value {
    let mut all = json!({"priority": [priority.to_string()], "enabled": ["true"], "active": ["true"]});
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    json!({"name": name, "providerId": provider, "providerType": "org.keycloak.keys.KeyProvider", "config": all})
}

#[test]
fn keycloak_id_tokens_of_every_algorithm_are_verified() {
    let Some(realm) = Realm::new() else { return };
    realm.send(
        "POST",
        "/components",
        &key("ed", "eddsa-generated", 50, &json!({"eddsaEllipticCurveKey": ["Ed25519"]})),
    );
    let directory = realm.directory(&json!({}));
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    {
        realm.change_client("cc", &json!({"attributes": {"id.token.signed.response.alg": algorithm}}));
        let run = log_in(&directory, "", "").ended(0);
        assert!(!run.stderr.contains("warning"), "{algorithm}: {}", run.stderr);
        assert_eq!(header(&directory)["alg"], algorithm);
        directory.sh("cc-login refresh").ended(0);
    }
}

#[test]
fn keycloak_keys_can_be_replaced_between_login_and_refresh() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    let old = header(&directory)["kid"].clone();
    realm.send("POST", "/components", &key("new", "rsa-generated", 500, &json!({"algorithm": ["RS256"]})));
    directory.sh("cc-login refresh").ended(0);
    let new = header(&directory)["kid"].clone();
    assert_ne!(old, new);
    let keys = realm.get("/components?type=org.keycloak.keys.KeyProvider");
    for component in keys.as_array().unwrap().iter().filter(|key| key["name"] == "rsa-generated") {
        realm.send("DELETE", &format!("/components/{}", component["id"].as_str().unwrap()), &Value::Null);
    }
    log_in(&directory, "", "").ended(0);
    assert_eq!(header(&directory)["kid"], new);
}
