//! Watches that deliver nothing, seen by the liveness probe. The clocks of the operator run sixty times as fast, so
//! that ten minutes take ten seconds.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Server, Space, Test};
use crate::operation::ask;
use crate::proxy::{Mode, Proxy};

pub const TESTS: &[Test] = &[
    ("watches::silent_watch_fails_the_liveness_probe", silent),
    ("watches::missing_server_does_not_fail_the_liveness_probe", unreachable),
    ("watches::rejected_watch_does_not_fail_the_liveness_probe", rejected),
];

/// Twenty minutes of the operator.
const TWENTY_MINUTES: Duration = Duration::from_secs(20);

/// A namespace whose operator reaches the server by a proxy.
fn with_proxy<'a>(server: &'a Server, test: &str) -> (Space<'a>, Proxy) {
    let space = Space::new(server, test);
    let proxy = Proxy::of(&space);
    space.start_with_clock("+0 x60", &["--listen", "127.0.0.1:0"]);
    (space, proxy)
}

fn live(space: &Space<'_>) -> (bool, String) {
    let (status, body) = ask(space, "/livez");
    (status == "HTTP/1.1 200 OK", body)
}

fn silent(server: &Server) {
    let (space, proxy) = with_proxy(server, "silent");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    assert_eq!(live(&space), (true, "ok\n".to_owned()));
    proxy.set(Mode::SilentWatches);
    let path = format!("/namespaces/{}/", space.name);
    space.wait_for(Duration::from_secs(60), "the probe fails", || {
        let (is_live, body) = live(&space);
        (!is_live && body.contains("delivered nothing for") && body.contains(&path)).then_some(())
    });
    // Watches that deliver again are enough.
    proxy.set(Mode::Forward);
    space.create_jwt("b", &json!({}));
    space.wait_for(Duration::from_secs(60), "the probe succeeds", || {
        let touch = json!({"metadata": {"annotations": {"touched": space.log().len().to_string()}}});
        space.patch("jwts", "b", &touch);
        space.patch("secrets", "signing-key", &touch);
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "touch-"}});
        space.create("configmaps", &map);
        live(&space).0.then_some(())
    });
    space.wait_ready("b");
}

fn unreachable(server: &Server) {
    let (space, proxy) = with_proxy(server, "away");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let lines = space.log().lines().count();
    proxy.set(Mode::Closed);
    let end = std::time::Instant::now() + TWENTY_MINUTES;
    while std::time::Instant::now() < end {
        let (is_live, body) = live(&space);
        assert!(is_live, "a restart would not help: {body}");
        std::thread::sleep(Duration::from_millis(500));
    }
    // One line a minute for each of three watches.
    let grown = space.log().lines().count() - lines;
    assert!(grown <= 3 * 22, "{grown} lines in twenty minutes\n{}", space.log());
    proxy.set(Mode::Forward);
    space.create_jwt("b", &json!({}));
    space.wait_ready("b");
}

/// The rights are taken away, so that watches are rejected while other requests succeed.
fn rejected(server: &Server) {
    let (space, proxy) = with_proxy(server, "rejected");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let rules = json!([
        {"apiGroups": ["tokens.osg-htc.org"], "resources": ["jwts"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["tokens.osg-htc.org"], "resources": ["jwts/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
    ]);
    space.patch("roles", "cc-jwt-operator", &json!({"rules": rules}));
    proxy.set(Mode::Forward);
    space.wait("a rejected watch", || space.log().contains("watch-error").then_some(()));
    let end = std::time::Instant::now() + TWENTY_MINUTES;
    while std::time::Instant::now() < end {
        // Events of the resources, which are still watched.
        let touch = json!({"metadata": {"annotations": {"touched": space.log().len().to_string()}}});
        space.patch("jwts", "a", &touch);
        let (is_live, body) = live(&space);
        assert!(is_live, "a restart would not help: {body}");
        std::thread::sleep(Duration::from_millis(500));
    }
}
