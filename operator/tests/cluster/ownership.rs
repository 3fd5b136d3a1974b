//! Secrets of others: nothing is written without a person's consent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test};

pub const TESTS: &[Test] = &[
    ("ownership::foreign_secret_is_not_written", foreign),
    ("ownership::secret_without_token_member_is_not_merged_into", foreign_without_token),
    ("ownership::foreign_secret_that_is_deleted_is_replaced", foreign_goes),
    ("ownership::annotated_secret_is_adopted", adoption),
    ("ownership::annotation_does_not_take_a_secret_from_its_controller", adoption_of_owned),
    ("ownership::removed_owner_reference_is_reported", owner_removed),
    ("ownership::immutable_secret_is_reported_with_the_remedy", immutable),
    ("ownership::two_writers_do_not_sign_in_turn", two_writers),
    ("ownership::two_operators_settle", two_operators),
];

fn foreign(server: &Server) {
    let space = Space::with_operator(server, "foreign");
    space.create_secret("a", &[("token", "theirs"), ("password", "x")]);
    let before = space.get("secrets", "a").unwrap();
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    assert!(space.message("a", "Ready").contains("kubectl annotate secret a tokens.osg-htc.org/adopt=a"));
    space.settle();
    assert_eq!(space.get("secrets", "a").unwrap(), before);
    space.wait("one Event", || (space.event_reasons("a") == ["SecretNotOwned"]).then_some(()));
}

/// A forced or unforced apply would merge into it without an error.
fn foreign_without_token(server: &Server) {
    let space = Space::with_operator(server, "merge");
    space.create_secret("a", &[("password", "x")]);
    let before = space.get("secrets", "a").unwrap();
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    assert_eq!(space.get("secrets", "a").unwrap(), before);
}

fn foreign_goes(server: &Server) {
    let space = Space::with_operator(server, "replace");
    space.create_secret("a", &[("password", "x")]);
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    space.delete("secrets", "a");
    space.wait_ready("a");
    assert_eq!(space.condition("a", "Degraded").unwrap().0, "False");
    assert_eq!(space.get("jwts", "a").unwrap()["status"]["failedAttempts"], Value::Null);
}

fn adoption(server: &Server) {
    let space = Space::with_operator(server, "adoption");
    space.create_secret("a", &[("token", "old"), ("other", "x")]);
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    // For another resource: still foreign.
    space.patch("secrets", "a", &json!({"metadata": {"annotations": {"tokens.osg-htc.org/adopt": "b"}}}));
    space.settle();
    assert_eq!(space.token("a").unwrap(), "old");
    space.patch("secrets", "a", &json!({"metadata": {"annotations": {"tokens.osg-htc.org/adopt": "a"}}}));
    space.wait_ready("a");
    let secret = space.get("secrets", "a").unwrap();
    assert_eq!(secret["metadata"]["ownerReferences"][0]["controller"], true);
    assert_eq!(secret["data"]["other"], "eA==", "members of others stay");
    assert!(space.token("a").unwrap().len() > 100);
    space.wait("an Event", || (space.event_reasons("a").last()? == "Adopted").then_some(()));
}

fn adoption_of_owned(server: &Server) {
    let space = Space::with_operator(server, "owned");
    let map = space.create(
        "configmaps",
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}),
    );
    space.create("secrets", &json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "a",
            "annotations": {"tokens.osg-htc.org/adopt": "a"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": map["metadata"]["uid"], "controller": true}],
        },
        "data": {"token": "eA=="},
    }));
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    assert!(space.message("a", "Ready").contains("ConfigMap 'owner'"));
    assert_eq!(space.token("a").unwrap(), "x");
}

fn owner_removed(server: &Server) {
    let space = Space::with_operator(server, "orphan");
    space.create_jwt("a", &json!({}));
    let token = space.wait_token("a");
    space.wait_ready("a");
    space.patch("secrets", "a", &json!({"metadata": {"ownerReferences": null}}));
    space.wait_condition("a", "Ready", "False", "SecretNotOwned");
    space.patch("secrets", "a", &json!({"metadata": {"annotations": {"tokens.osg-htc.org/adopt": "a"}}}));
    space.wait_ready("a");
    assert_eq!(space.token("a").unwrap(), token, "the token was right");
    assert_eq!(space.get("secrets", "a").unwrap()["metadata"]["ownerReferences"][0]["controller"], true);
}

fn immutable(server: &Server) {
    let space = Space::with_operator(server, "immutable");
    space.create_jwt("a", &json!({}));
    let token = space.wait_token("a");
    space.patch("secrets", "a", &json!({"immutable": true}));
    space.patch("jwts", "a", &json!({"spec": {"data": {"sub": "joe"}}}));
    space.wait_condition("a", "Ready", "False", "SecretImmutable");
    assert!(space.message("a", "Ready").contains("kubectl delete secret a"));
    assert_eq!(space.token("a").unwrap(), token);
    space.wait("one Event", || {
        let events = space.event_reasons("a");
        (events.iter().filter(|reason| *reason == "SecretImmutable").count() == 1).then_some(())
    });
    space.delete("secrets", "a");
    space.wait_ready("a");
}

fn two_writers(server: &Server) {
    let space = Space::with_operator(server, "writers");
    space.create_jwt("a", &json!({}));
    space.wait_token("a");
    let mut signed = std::collections::BTreeSet::new();
    let mut overwrite = || {
        space.patch("secrets", "a", &json!({"data": {"token": "eA=="}}));
        std::thread::sleep(Duration::from_millis(50));
        signed.extend(space.token("a").filter(|token| token.len() > 100));
    };
    let begin = Instant::now();
    while !space.log().contains("postponed") {
        assert!(begin.elapsed() < Duration::from_secs(60), "never postponed\n{}", space.log());
        overwrite();
    }
    // Within the first pause.
    (0..40).for_each(|_| overwrite());
    assert!(signed.len() <= 7, "{} tokens", signed.len());
    space.wait("a token after the other writer stopped", || {
        space.token("a").filter(|token| token.len() > 100)
    });
}

fn two_operators(server: &Server) {
    let space = Space::new(server, "pair");
    let log = std::fs::File::create(space.file("second.log", "")).unwrap();
    let mut second = space.command(&[]).stderr(log).spawn().unwrap();
    space.start(&[]);
    for number in 0..10 {
        space.create_jwt(&format!("r{number}"), &json!({}));
    }
    (0..10).for_each(|number| space.wait_ready(&format!("r{number}")));
    space.settle();
    second.kill().unwrap();
    second.wait().unwrap();
}
