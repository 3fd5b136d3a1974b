//! The API server that stops, hangs and forgets; the operator that is killed. Each test has its own server.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Server, Space, claims};

pub const TESTS: &[(&str, fn())] = &[
    ("faults::server_that_restarts_is_found_again_soon", server_restart),
    ("faults::server_that_hangs_is_waited_for", server_hangs),
    ("faults::missing_definition_is_waited_for", definition_missing),
    ("faults::killed_operator_leaves_at_most_one_write", killed),
    ("faults::many_resources_settle", many),
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
    // A stop during an outage does not wait for the server.
    server.signal("-STOP");
    let begin = Instant::now();
    assert_eq!(space.terminate(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(11), "{:?}", begin.elapsed());
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

/// `OPERATOR_TEST=long` kills at a hundred moments.
fn killed() {
    let rounds = if is_long() { 100 } else { 12 };
    let server = Server::own();
    let space = Space::new(&server, "killed");
    for round in 0..rounds {
        space.start(&[]);
        let name = format!("r{round}");
        space.create_jwt(&name, &json!({}));
        // From before the first request to after the last.
        std::thread::sleep(Duration::from_millis(round * 700 / rounds));
        space.kill();
        let before = space.token(&name);
        space.start(&[]);
        space.wait_ready(&name);
        let after = space.token(&name).unwrap();
        if let Some(before) = before {
            assert_eq!(before, after, "a token that was written is not signed again");
        }
        let status = space.get("jwts", &name).unwrap()["status"].clone();
        assert_eq!(status["tokenId"], claims(&after)["jti"]);
        space.kill();
    }
}

pub fn is_long() -> bool {
    std::env::var("OPERATOR_TEST").is_ok_and(|form| form == "long")
}

/// `OPERATOR_TEST=long` takes a thousand.
fn many() {
    let count = if is_long() { 1000 } else { 150 };
    let server = Server::own();
    let space = Space::new(&server, "many");
    // What the server needs for as many writes by kubectl, without the operator: of a Secret, a resource
    // (instead of its status) and an Event each.
    let before = server.processor_time();
    let list = |kind: &str| -> String {
        let items: Vec<_> = (0..count)
            .map(|number| match kind {
                "Secret" => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("plain-{number}")}, "data": {"token": "eA=="}}),
                "Event" => json!({
                    "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("plain-{number}")},
                    "involvedObject": {"kind": "Secret", "name": "x", "namespace": space.name}, "reason": "Signed",
                }),
                _ => crate::harness::jwt(&format!("r{number}"), &json!({})),
            })
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    for kind in ["Secret", "Event", "JWT"] {
        server.kubectl(&["-n", &space.name, "apply", "-f", &space.file("objects.json", &list(kind))]);
    }
    let by_kubectl = server.processor_time() - before;
    space.start(&["--listen", "127.0.0.1:0"]);
    let (begin, before) = (Instant::now(), server.processor_time());
    loop {
        let ready = space
            .list("jwts")
            .iter()
            .filter(|jwt| jwt["status"]["conditions"].to_string().contains("\"Signed\""))
            .count();
        if ready == count {
            break;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{ready} of {count} after a minute\n{}",
            space.log()
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    let by_operator = server.processor_time() - before;
    let settled = begin.elapsed();
    space.settle();
    let status = std::fs::read_to_string(format!("/proc/{}/status", space.process())).unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    let reconciliations = crate::operation::reconciliations(&space);
    eprintln!(
        "{count} resources: settled in {settled:.1?}; the server's processor time: {by_operator:.1?}, for as many \
         writes by kubectl {by_kubectl:.1?}; {peak} KiB; {reconciliations} reconciliations"
    );
    // Processor time, since other work of the computer does not count in it. The start of the watches counts once.
    assert!(
        by_operator < by_kubectl.mul_f64(1.3) + Duration::from_secs(1),
        "{by_operator:?}, {by_kubectl:?}"
    );
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert!(reconciliations <= 3 * count as u64, "{reconciliations} reconciliations");
}
