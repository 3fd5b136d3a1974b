//! Changes by others at each moment of a reconciliation. A proxy holds a request of the operator, so that the moment is
//! always the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{KEY, OTHER_KEY, SOON, Server, Space, Test, claims, is_long};
use crate::proxy::{Held, Mode, Proxy};

pub const TESTS: &[Test] = &[
    ("races::resource_that_changes_before_the_status_is_written_is_reconciled", changes_before_status),
    ("races::secret_that_changes_before_the_status_is_written_is_repaired", secret_changes),
    ("races::key_that_changes_during_a_reconciliation_signs_again", key_changes),
    ("races::recreated_resource_does_not_keep_the_former_status", recreated),
    ("races::objects_deleted_without_a_watch_are_missing_from_the_next_list", deleted_without_watch),
    ("races::resource_that_changes_during_a_pass_is_read_again", once_reads_again),
    ("races::resources_that_change_at_once_are_signed_again", change_at_once),
];

/// The time in which the watches certainly have delivered what the server has.
const DELIVERED: Duration = Duration::from_millis(500);

/// A namespace whose operator reaches the server by a proxy.
fn with_proxy<'a>(server: &'a Server, test: &str) -> (Space<'a>, Proxy) {
    let space = Space::new(server, test);
    let proxy = Proxy::of(&space);
    space.start(&[]);
    (space, proxy)
}

fn label(space: &Space<'_>, name: &str) -> Value {
    space.get("secrets", name).unwrap()["metadata"]["labels"]["team"].clone()
}

/// The answer of the write contains the change already.
fn changes_before_status(server: &Server) {
    let (space, proxy) = with_proxy(server, "answer");
    let changes = [json!({"spec": {"data": {"sub": "joe"}}}), json!({"metadata": {"labels": {"team": "x"}}})];
    for (number, change) in changes.iter().enumerate() {
        let name = format!("r{number}");
        let status = format!("/jwts/{name}/status");
        let before = proxy.gate(Held::Request, "PATCH", &status);
        let after = proxy.gate(Held::Answer, "PATCH", &status);
        space.create_jwt(&name, &json!({}));
        before.wait();
        space.patch("jwts", &name, change);
        before.open();
        // The events of the change and of the status arrive while the reconciliation runs.
        after.wait();
        std::thread::sleep(DELIVERED);
        after.open();
    }
    space.wait("the changed subject", || (claims(&space.token("r0")?)["sub"] == "joe").then_some(()));
    space.wait("the label", || (label(&space, "r1") == "x").then_some(()));
    for (name, generation) in [("r0", 2), ("r1", 1)] {
        space.wait("the status", || {
            (space.get("jwts", name)?["status"]["observedGeneration"] == generation).then_some(())
        });
    }
}

/// The event of the Secret arrives before the one of the own status.
fn secret_changes(server: &Server) {
    let (space, proxy) = with_proxy(server, "edited");
    let after = proxy.gate(Held::Answer, "PATCH", "/jwts/a/status");
    space.create_jwt("a", &json!({}));
    after.wait();
    let token = space.token("a").unwrap();
    space.patch("secrets", "a", &json!({"data": {"token": "eA=="}}));
    std::thread::sleep(DELIVERED);
    after.open();
    space.wait("another token", || space.token("a").filter(|new| new.len() > 100 && *new != token));
}

/// After the key was read, and after the status was written.
fn key_changes(server: &Server) {
    let (space, proxy) = with_proxy(server, "rotated");
    let thumbprint = |name: &str| space.get("jwts", name).unwrap()["status"]["keyThumbprint"].clone();
    space.create_jwt("before", &json!({}));
    space.wait_ready("before");
    for (name, held, method, path, key) in [
        ("r0", Held::Request, "POST", "/secrets", OTHER_KEY),
        ("r1", Held::Answer, "POST", "/secrets", KEY),
        ("r2", Held::Request, "PATCH", "/jwts/r2/status", OTHER_KEY),
        ("r3", Held::Answer, "PATCH", "/jwts/r3/status", KEY),
    ] {
        let gate = proxy.gate(held, method, path);
        space.create_jwt(name, &json!({}));
        gate.wait();
        let former = thumbprint("before");
        space.patch("secrets", "signing-key", &json!({"stringData": {"tls.key": key}}));
        space.wait("the other key", || (thumbprint("before") != former).then_some(()));
        std::thread::sleep(DELIVERED);
        gate.open();
        space.wait(name, || (thumbprint(name) == thumbprint("before")).then_some(()));
        space.wait("its token", || {
            let token = claims(&space.token(name)?);
            (space.get("jwts", name)?["status"]["tokenId"] == token["jti"]).then_some(())
        });
    }
}

fn recreated(server: &Server) {
    let (space, proxy) = with_proxy(server, "again");
    let before = proxy.gate(Held::Request, "PATCH", "/jwts/a/status");
    let after = proxy.gate(Held::Answer, "PATCH", "/jwts/a/status");
    space.create_jwt("a", &json!({}));
    before.wait();
    space.delete("jwts", "a");
    let uid = space.create_jwt("a", &json!({}))["metadata"]["uid"].clone();
    before.open();
    after.wait();
    std::thread::sleep(DELIVERED);
    after.open();
    space.wait("the new resource's Secret", || {
        (space.get("secrets", "a")?["metadata"]["ownerReferences"][0]["uid"] == uid).then_some(())
    });
    space.wait("its status", || {
        let token = claims(&space.token("a")?);
        (space.get("jwts", "a")?["status"]["tokenId"] == token["jti"]).then_some(())
    });
    space.wait_ready("a");
}

/// The watch of the Secrets has to list again, the others continue.
fn deleted_without_watch(server: &Server) {
    let (space, proxy) = with_proxy(server, "unseen");
    space.create_secret("other-key", &[("tls.key", KEY)]);
    space.create_jwt("a", &json!({}));
    space.create_jwt("b", &json!({"key": {"secret": {"name": "other-key", "key": "tls.key"}}}));
    space.wait_ready("a");
    space.wait_ready("b");
    space.settle();
    proxy.set_for("/secrets", Mode::SilentWatches);
    space.delete("secrets", "a");
    space.delete("secrets", "other-key");
    // Longer than the pause before the watches continue.
    std::thread::sleep(Duration::from_secs(3));
    assert!(space.get("secrets", "a").is_none(), "the watch delivered it");
    proxy.set_for("/secrets", Mode::ExpiredWatches);
    space.wait_token("a");
    space.wait_condition("b", "Degraded", "True", "KeyNotFound");
}

/// The Secret changes between reading and writing, and so does the resource after the list.
fn once_reads_again(server: &Server) {
    let space = Space::new(server, "pass");
    let proxy = Proxy::of(&space);
    space.create_jwt("a", &json!({}));
    assert!(space.command(&["--once"]).status().unwrap().success());
    space.patch("jwts", "a", &json!({"spec": {"data": {"sub": "joe"}}}));
    let gate = proxy.gate(Held::Request, "PATCH", "/secrets/a");
    space.start(&["--once"]);
    gate.wait();
    space.patch("jwts", "a", &json!({"spec": {"data": {"sub": "ann"}}}));
    space.patch("secrets", "a", &json!({"metadata": {"annotations": {"note": "x"}}}));
    gate.open();
    assert_eq!(space.wait_end(SOON), Some(0), "{}", space.log());
    assert_eq!(claims(&space.token("a").unwrap())["sub"], "ann");
    assert_eq!(space.get("jwts", "a").unwrap()["status"]["observedGeneration"], 3);
}

/// Without a proxy: each resource is changed as soon as it has a Secret, which is before its status is written.
fn change_at_once(server: &Server) {
    let count = if is_long() { 400 } else { 60 };
    let space = Space::with_operator(server, "at-once");
    let names: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        space.create_jwt(name, &json!({}));
        let begin = Instant::now();
        while space.get("secrets", name).is_none() {
            assert!(begin.elapsed() < SOON, "{name}: no Secret\n{}", space.log());
        }
        let change = match number % 2 {
            0 => json!({"spec": {"data": {"sub": "joe"}}}),
            _ => json!({"metadata": {"labels": {"team": "x"}}}),
        };
        space.patch("jwts", name, &change);
    }
    for (number, name) in names.iter().enumerate() {
        space.wait(name, || match number % 2 {
            0 => (claims(&space.token(name)?)["sub"] == "joe").then_some(()),
            _ => (label(&space, name) == "x").then_some(()),
        });
    }
}
