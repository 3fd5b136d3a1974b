//! The operator is killed at random moments. `OPERATOR_TEST=long` kills a hundred times, `OPERATOR_SEED` repeats the
//! moments of a run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Server, Space, claims, is_long};

pub const TESTS: &[(&str, fn())] = &[("kills::killed_operator_leaves_at_most_one_write", killed)];

/// Random numbers of a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn seed() -> u64 {
    match std::env::var("OPERATOR_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
    }
}

/// What a killed operator had written.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    secret: Option<Value>,
    status: Value,
    version: Value,
    events: usize,
}

fn written(space: &Space<'_>, name: &str) -> Written {
    let jwt = space.get("jwts", name).unwrap();
    Written {
        secret: space.get("secrets", name),
        status: jwt["status"].clone(),
        version: jwt["metadata"]["resourceVersion"].clone(),
        events: space.events(name).len(),
    }
}

/// Each round is killed while it starts with a new resource, or while it runs and a resource is created, changed
/// or loses its Secret.
fn killed() {
    let rounds = if is_long() { 100 } else { 16 };
    let seed = seed();
    let mut random = Random(seed);
    let server = Server::own();
    let space = Space::new(&server, "killed");
    let mut phases = [0; 3];
    for round in 0..rounds {
        let name = format!("r{}", round / 4);
        let patch = |kind: &str, body: &Value| drop(space.patch(kind, &name, body));
        let change = round % 4;
        if change == 0 {
            space.create_jwt(&name, &json!({}));
        }
        space.start(&[]);
        if change > 0 {
            space.wait("the first lists", || is_ready(&space));
        }
        match change {
            0 => {}
            1 => space.delete("secrets", &name),
            2 => patch("jwts", &json!({"spec": {"data": {"sub": format!("u{round}")}}})),
            _ => patch("secrets", &json!({"data": {"token": "eA=="}})),
        }
        // The start takes longer than a reconciliation.
        let pause = random.below(if change == 0 { 700_000 } else { 60_000 });
        std::thread::sleep(Duration::from_micros(pause));
        space.kill();
        let context = format!("OPERATOR_SEED={seed}, round {round}, after {pause} microseconds");
        check_restart(&space, &name, &context, &mut phases);
    }
    let [nothing, secret, status] = phases;
    eprintln!(
        "{rounds} kills, OPERATOR_SEED={seed}: {nothing} before the write of the Secret, {secret} before that of the \
         status, {status} after both"
    );
}

/// Whether the operator that was started last has its first lists.
fn is_ready(space: &Space<'_>) -> Option<()> {
    let log = space.log();
    let last = log.lines().rfind(|line| line.contains("\"started\"") || line.contains("\"ready\""))?;
    last.contains("\"ready\"").then_some(())
}

/// Starts the operator again: it completes what is missing and repeats nothing.
fn check_restart(space: &Space<'_>, name: &str, context: &str, phases: &mut [usize; 3]) {
    let before = written(space, name);
    let token = before.secret.as_ref().and_then(|_| space.token(name)).filter(|token| token.len() > 100);
    let is_current = token.as_ref().is_some_and(|token| {
        let jwt = space.get("jwts", name).unwrap();
        claims(token)["sub"] == jwt["spec"]["data"]["sub"]
    });
    let reports_token =
        token.as_ref().is_some_and(|token| before.status["tokenId"] == claims(token)["jti"]) && is_current;
    phases[usize::from(is_current) + usize::from(reports_token)] += 1;
    space.start(&[]);
    space.wait(&format!("the token and its status, {context}"), || {
        let token = space.token(name).filter(|token| token.len() > 100)?;
        let jwt = space.get("jwts", name)?;
        let fits = claims(&token)["sub"] == jwt["spec"]["data"]["sub"];
        (fits && jwt["status"]["tokenId"] == claims(&token)["jti"]).then_some(())
    });
    space.wait_ready(name);
    space.settle();
    let after = written(space, name);
    space.kill();
    if is_current {
        assert_eq!(before.secret, after.secret, "a Secret that was written is not written again: {context}");
    }
    if reports_token {
        assert_eq!(before.version, after.version, "the status was complete: {context}");
        assert_eq!(before.events, after.events, "no Event is repeated: {context}");
    }
    // One write of the Secret and one of the status at most: an Event each, at most.
    assert!(after.events <= before.events + 1, "{} Events after {}: {context}", after.events, before.events);
}
