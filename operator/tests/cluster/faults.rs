//! The API server that stops, hangs and forgets; the operator that is killed. Each test has its own server.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Server, Space};

pub const TESTS: &[(&str, fn())] = &[
    ("faults::server_that_restarts_is_found_again_soon", server_restart),
    ("faults::server_that_hangs_is_waited_for", server_hangs),
    ("faults::missing_definition_is_waited_for", definition_missing),
];

/// The operator has to work again so soon after the server does.
const RECOVERY: Duration = Duration::from_secs(15);

fn server_restart() {
    let server = Server::own();
    let space = Space::with_operator(&server, "restart");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    for compacted in [false, true] {
        if compacted {
            server.compact();
        }
        server.stop();
        std::thread::sleep(Duration::from_secs(5));
        server.resume();
        let begin = Instant::now();
        let token = space.token("a").unwrap();
        space.delete("secrets", "a");
        space.wait("the Secret is back", || space.token("a").filter(|new| *new != token));
        assert!(begin.elapsed() < RECOVERY, "{:?}\n{}", begin.elapsed(), space.log());
        space.wait_ready("a");
    }
    assert!(space.log().lines().count() < 60, "the log grows with the outage:\n{}", space.log());
    assert_eq!(space.terminate(), Some(0));
}

fn server_hangs() {
    let server = Server::own();
    let space = Space::with_operator(&server, "hang");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    server.signal("-STOP");
    std::thread::sleep(Duration::from_secs(5));
    server.signal("-CONT");
    let begin = Instant::now();
    let token = space.token("a").unwrap();
    space.delete("secrets", "a");
    space.wait("the Secret is back", || space.token("a").filter(|new| *new != token));
    assert!(begin.elapsed() < RECOVERY, "{:?}\n{}", begin.elapsed(), space.log());
    // A stop during an outage does not wait for the server, which continues only afterwards.
    server.signal("-STOP");
    assert_eq!(space.terminate(), Some(0));
    server.signal("-CONT");
}

fn definition_missing() {
    let server = Server::own();
    let space = Space::new(&server, "definition");
    let delete = || {
        server.kubectl(&["delete", "crd", "jwts.tokens.osg-htc.org", "--timeout=20s"]);
    };
    delete();
    space.start(&[]);
    std::thread::sleep(Duration::from_secs(4));
    server.apply_definition();
    let begin = Instant::now();
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    assert!(begin.elapsed() < RECOVERY, "{:?}", begin.elapsed());
    delete();
    std::thread::sleep(Duration::from_secs(2));
    server.apply_definition();
    space.wait("the former Secret is collected, or a new one is made", || {
        (space.get("secrets", "a").is_none() || space.token("a").is_some()).then_some(())
    });
    space.create_jwt("b", &json!({}));
    space.wait_ready("b");
}
