//! Changes by others at each moment of a reconciliation. A proxy holds a request of the operator, so that the moment is
//! always the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{SOON, Server, Space, Test, claims, is_long};
use crate::proxy::{Held, Proxy};

pub const TESTS: &[Test] = &[
    ("races::resource_that_changes_before_the_status_is_written_is_reconciled", changes_before_status),
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
