//! Many resources, and long times in which nothing happens. `OPERATOR_TEST=long` takes a thousand resources and a real
//! hour.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, is_long};

pub const TESTS: &[Test] = &[("scale::idle_hour_writes_nothing", idle_hour)];
pub const OWN_SERVER: &[(&str, fn())] = &[("scale::many_resources_settle", many)];

/// An hour of the operator, in which its longest pause ends: a minute at sixty times the speed.
fn idle_hour(server: &Server) {
    let space = Space::new(server, "hour");
    let (speed, wait) = if is_long() { (None, 3660) } else { (Some("+0 x60"), 66) };
    let names: Vec<String> = (0..5).map(|number| format!("r{number}")).collect();
    names.iter().for_each(|name| drop(space.create_jwt(name, &json!({}))));
    // Renewed after half an hour, so that the test shows how fast the operator's time passes.
    space.create_jwt("short", &json!({"expiryTime": {"minutes": 60}, "resignBefore": {"minutes": 30}}));
    // Signed by the real clock: at sixty times the speed, a request has a sixtieth of its time.
    space.start(&[]);
    for name in names.iter().map(String::as_str).chain(["short"]) {
        space.wait_ready(name);
        space.wait("its Event", || (!space.events(name).is_empty()).then_some(()));
    }
    assert_eq!(space.terminate(), Some(0));
    match speed {
        Some(speed) => space.start_with_clock(speed, &["--listen", "127.0.0.1:0"]),
        None => space.start(&["--listen", "127.0.0.1:0"]),
    }
    space.wait("each resource is looked at", || {
        (crate::operation::reconciliations(&space) > names.len() as u64).then_some(())
    });
    space.settle();
    let versions = |kinds: &[&str]| -> Vec<Value> {
        let all = kinds.iter().flat_map(|kind| space.list(kind));
        let is_short = |object: &Value| {
            object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("short"))
        };
        all.filter(|object| !is_short(object))
            .map(|object| object["metadata"]["resourceVersion"].clone())
            .collect()
    };
    let written = || versions(&["jwts", "secrets"]);
    let (before, events, token) = (written(), versions(&["events"]), space.token("short"));
    let reconciliations = crate::operation::reconciliations(&space);
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(written(), before, "{}", space.log());
    // The API server deletes Events after an hour.
    let new = versions(&["events"]).into_iter().find(|version| !events.contains(version));
    assert_eq!(new, None, "{}", space.log());
    assert_ne!(space.token("short"), token, "the operator's clock did not pass half an hour");
    let more = crate::operation::reconciliations(&space) - reconciliations;
    // One at the end of the longest pause for each resource, and those of the two renewals.
    assert!(
        (names.len() as u64..=4 * names.len() as u64).contains(&more),
        "{more} reconciliations in an hour"
    );
}

/// The objects that `kubectl apply` writes for comparison: as many as the operator writes.
fn objects(space: &Space<'_>, kind: &str, count: usize) -> String {
    let items: Vec<Value> = (0..count)
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
}

/// The peak of the operator's memory, in KiB.
fn peak_memory(space: &Space<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", space.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn many() {
    let count = if is_long() { 1000 } else { 150 };
    let server = Server::own();
    let space = Space::new(&server, "many");
    // What the server needs for as many writes by kubectl, without the operator: of a Secret, a resource
    // (instead of its status) and an Event each.
    let (begin, before) = (Instant::now(), server.processor_time());
    for kind in ["Secret", "Event", "JWT"] {
        let file = space.file("objects.json", &objects(&space, kind, count));
        server.kubectl(&["-n", &space.name, "apply", "-f", &file]);
    }
    let (by_kubectl, kubectl_time) = (server.processor_time() - before, begin.elapsed());
    space.start(&["--listen", "127.0.0.1:0"]);
    let (begin, before) = (Instant::now(), server.processor_time());
    let ready = || {
        let is_ready = |jwt: &&Value| jwt["status"]["conditions"].to_string().contains("\"Signed\"");
        space.list("jwts").iter().filter(is_ready).count()
    };
    while ready() < count {
        let late = begin.elapsed() >= Duration::from_secs(60);
        assert!(!late, "{} of {count} after a minute\n{}", ready(), space.log());
        std::thread::sleep(Duration::from_millis(500));
    }
    let (by_operator, settled) = (server.processor_time() - before, begin.elapsed());
    space.settle();
    let (peak, reconciliations) = (peak_memory(&space), crate::operation::reconciliations(&space));
    eprintln!(
        "{count} resources: settled in {settled:.1?}, by kubectl in {kubectl_time:.1?}; the server's processor time: \
         {by_operator:.1?}, by kubectl {by_kubectl:.1?}; {peak} KiB; {reconciliations} reconciliations"
    );
    // The server's processor time, not the time of day: other work of the computer delays the two halves differently
    // and does not count in it. The start of the watches counts once.
    assert!(
        by_operator < by_kubectl.mul_f64(1.3) + Duration::from_secs(1),
        "{by_operator:?}, {by_kubectl:?}"
    );
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert!(reconciliations <= 3 * count as u64, "{reconciliations} reconciliations");
    after_restart(&server, &space, count);
}

/// The server forgets its versions and starts again: the operator lists everything, writes nothing, and does not need
/// more memory than before.
fn after_restart(server: &Server, space: &Space<'_>, count: usize) {
    let versions = || -> Vec<Value> {
        let all = ["jwts", "secrets"].into_iter().flat_map(|kind| space.list(kind));
        all.map(|object| object["metadata"]["resourceVersion"].clone()).collect()
    };
    let (before, reconciliations) = (versions(), crate::operation::reconciliations(space));
    server.compact();
    server.stop();
    std::thread::sleep(Duration::from_secs(2));
    server.resume();
    space.wait_for(Duration::from_secs(60), "each resource is looked at", || {
        let looked_at = crate::operation::reconciliations(space) - reconciliations;
        (looked_at >= count as u64).then_some(())
    });
    space.settle();
    assert_eq!(versions(), before, "{}", space.log());
    let peak = peak_memory(space);
    eprintln!("{count} resources: {peak} KiB after a restart of the server");
    assert!(peak < 64 * 1024, "{peak} KiB after a restart of the server");
}
