//! Signing keys: where they come from, when they appear, change and go.

use serde_json::json;

use crate::harness::{KEY, OTHER_KEY, Server, Space, Test, header};

pub const TESTS: &[Test] = &[
    ("keys::key_that_appears_later_is_used_at_once", appears),
    ("keys::rotated_key_signs_again", rotation),
    ("keys::lost_key_keeps_the_token_and_degrades", lost),
    ("keys::key_of_a_config_map_is_watched", config_map),
    ("keys::invalid_and_unfit_keys_are_reported", invalid),
    ("keys::key_of_another_namespace_is_rejected", other_namespace),
    ("keys::every_algorithm_signs", algorithms),
];

fn appears(server: &Server) {
    let space = Space::with_operator(server, "appears");
    space.create_jwt("a", &json!({"key": {"secret": {"name": "later", "key": "key.pem"}}}));
    space.wait_condition("a", "Ready", "False", "KeyNotFound");
    assert_eq!(space.condition("a", "KeyValid").unwrap().1, "KeyNotFound");
    assert!(space.message("a", "Ready").contains("Secret 'later' does not exist"));
    space.create_secret("later", &[("other.pem", KEY)]);
    space.wait("another message", || space.message("a", "Ready").contains("member 'key.pem'").then_some(()));
    space.patch("secrets", "later", &json!({"stringData": {"key.pem": KEY}}));
    space.wait_ready("a");
    assert_eq!(space.condition("a", "KeyValid").unwrap().0, "True");
}

fn rotation(server: &Server) {
    let space = Space::with_operator(server, "rotation");
    space.create_jwt("a", &json!({}));
    let first = space.wait_token("a");
    space.wait_ready("a");
    let thumbprint = || space.get("jwts", "a").unwrap()["status"]["keyThumbprint"].clone();
    let before = thumbprint();
    space.patch("secrets", "signing-key", &json!({"stringData": {"tls.key": OTHER_KEY}}));
    space.wait("a token of the new key", || space.token("a").filter(|token| *token != first));
    space.wait("its thumbprint", || (thumbprint() != before).then_some(()));
    space.wait_ready("a");
}

fn lost(server: &Server) {
    let space = Space::with_operator(server, "lost");
    space.create_jwt("a", &json!({}));
    let token = space.wait_token("a");
    space.wait_ready("a");
    space.delete("secrets", "signing-key");
    space.wait_condition("a", "Degraded", "True", "KeyNotFound");
    assert_eq!(space.condition("a", "Ready").unwrap(), ("True".to_owned(), "Signed".to_owned()));
    assert_eq!(space.condition("a", "KeyValid").unwrap().0, "False");
    assert_eq!(space.token("a").unwrap(), token);
    // Changed while the key is missing: the token no longer fits.
    space.patch("jwts", "a", &json!({"spec": {"data": {"sub": "joe"}}}));
    space.wait_condition("a", "Ready", "False", "KeyNotFound");
    space.create_secret("signing-key", &[("tls.key", KEY)]);
    space.wait_ready("a");
    space.wait_condition("a", "Degraded", "False", "AsExpected");
}

fn config_map(server: &Server) {
    let space = Space::with_operator(server, "map");
    space.create_jwt("a", &json!({"key": {"configMap": {"name": "keys", "key": "key.pem"}}}));
    space.wait_condition("a", "Ready", "False", "KeyNotFound");
    space.create(
        "configmaps",
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": {"key.pem": KEY},
        }),
    );
    space.wait_ready("a");
    let first = space.token("a").unwrap();
    space.patch("configmaps", "keys", &json!({"data": {"key.pem": OTHER_KEY}}));
    space.wait("a token of the new key", || space.token("a").filter(|token| *token != first));
}

fn invalid(server: &Server) {
    let space = Space::with_operator(server, "invalid");
    space.create_secret(
        "bad",
        &[("garbage", "MIIB-not-a-key-4711"), ("rsa", include_str!("../data/rs256.pem"))],
    );
    space.create_jwt("garbage", &json!({"key": {"secret": {"name": "bad", "key": "garbage"}}}));
    space.create_jwt("unfit", &json!({"key": {"secret": {"name": "bad", "key": "rsa"}}}));
    space.wait_condition("garbage", "Ready", "False", "KeyInvalid");
    space.wait_condition("unfit", "Ready", "False", "KeyMismatch");
    space.wait("Events", || (!space.events("garbage").is_empty()).then_some(()));
    let seen =
        format!("{} {:?} {}", space.log(), space.events("garbage"), space.get("jwts", "garbage").unwrap());
    assert!(!seen.contains("4711"), "{seen}");
    assert!(space.get("secrets", "garbage").is_none());
}

fn other_namespace(server: &Server) {
    let victim = Space::new(server, "victim");
    let space = Space::with_operator(server, "tenant");
    let key = json!({"secret": {"name": "signing-key", "key": "tls.key", "namespace": victim.name}});
    space.create_jwt("a", &json!({"key": key}));
    space.wait_condition("a", "Ready", "False", "KeyNamespaceForbidden");
    assert!(space.get("secrets", "a").is_none());
    let key = json!({"secret": {"name": "signing-key", "key": "tls.key", "namespace": space.name}});
    space.create_jwt("b", &json!({"key": key}));
    space.wait_ready("b");
}

fn algorithms(server: &Server) {
    let space = Space::with_operator(server, "algorithms");
    space.create_secret("rsa", &[("tls.key", include_str!("../data/rs256.pem"))]);
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let name = algorithm.to_lowercase();
        space.create_jwt(
            &name,
            &json!({"algorithm": algorithm, "key": {"secret": {"name": "rsa", "key": "tls.key"}}}),
        );
        space.wait_ready(&name);
        assert_eq!(header(&space.token(&name).unwrap())["alg"], algorithm);
    }
}
