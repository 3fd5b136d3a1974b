//! Wrong clocks, and clocks that change while a program runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::httpd::{Reply, Server};
use crate::support::{Run, has, programs};

/// Runs a shell command with another clock. faketime names its semaphore by its process ID, and does not start
/// if a killed faketime with the same ID left one: the next process ID is tried then.
fn at(directory: &TestEnv, time: &str, line: &str) -> Run {
    let start = || directory.sh(&format!("faketime -f '{time}' {line}"));
    let mut run = start();
    for _ in 0..20 {
        if !run.stderr.starts_with("faketime: sem_open: File exists") {
            break;
        }
        run = start();
    }
    run
}

#[test]
fn clock_any_time_gives_valid_token_and_session() {
    if !has("faketime") {
        return;
    }
    let mut runs = 0;
    for time in [
        "@1960-01-01 00:00:00",
        "@1969-12-31 23:59:58",
        "@1970-01-01 00:00:00",
        "@1999-12-31 23:59:59",
        "@2038-01-19 03:14:07",
        "@2038-01-19 03:14:08",
        "@2106-02-07 06:28:15",
        "@2106-02-07 06:28:16",
        "@2262-04-11 23:47:16",
        "@9999-12-31 23:59:58",
    ] {
        let directory = fixture();
        for line in [
            "cc-jwt issue fritz -o out.txt -q",
            "cc-jwt verify --token-file out.txt --endpoint user-api",
            "cc-jwt inspect --token-file out.txt",
            "cc-login fritz --password-file pw",
            "cc-login status",
            "cc-login status --json",
            "cc-login token",
            "cc-jwt renew --spec r.yaml --force -o renewed",
            "cc-jwt renew --spec r.yaml -o renewed",
            "cc-user add anna --role api",
            "gen-keypair --write --force",
        ] {
            let run = at(&directory, time, line);
            let about = format!("{line} at {time}: {} {} {}", run.status, run.stdout, run.stderr);
            assert_output_is_clean(&run.stderr, &about);
            assert_eq!(run.status, 0, "{about}");
            runs += 1;
        }
        assert_invariants(directory.path(), time);
    }
    report(&format!("clocks from 1960 to 9999: {runs} runs"));
}

#[test]
fn clock_change_expires_session_and_set_back_is_harmless() {
    if !has("faketime") {
        return;
    }
    let directory = fixture();
    let status = |shift: &str| at(&directory, shift, "cc-login status").status;
    let token = |shift: &str| at(&directory, shift, "cc-login token").status;
    for (shift, expected) in [("+0", 0), ("+6d", 0), ("+8d", 1), ("+100y", 1)] {
        assert_eq!((status(shift), token(shift)), (expected, expected), "{shift}");
    }
    // The clock is set back: the session starts in the future; it exists and is not expired.
    for shift in ["-1h", "-60y"] {
        let run = at(&directory, shift, "cc-login status").ended(0);
        assert_output_is_clean(&run.stderr, shift);
        assert!(run.stdout.contains("fritz"), "{shift}: {}", run.stdout);
    }
    // Failed attempts with a time in the future do not lock a user out for longer than the usual 15
    // minutes.
    for _ in 0..5 {
        at(&directory, "+10y", "cc-login fritz --password-file new-pw").ended(1);
    }
    directory.sh("cc-login fritz --password-file pw").ended(75);
    at(&directory, "+16m", "cc-login fritz --password-file pw").ended(0);
    report("a session and counted attempts over jumps of the clock: 12 runs");
}

#[test]
fn clock_change_expires_cached_keys_and_rejects_future_ones() {
    if !has("faketime") {
        return;
    }
    let directory = fixture();
    let set = directory.sh("cc-jwt jwks --server").ended(0).stdout;
    let server = Server::start(move |_| Reply::status(200, "application/json", set.clone()));
    let line = format!("cc-jwt verify --token-file token.txt --jwks {}/keys -q", server.url());
    let mut asked = 0;
    for (shift, fetches, status) in [
        ("+0", 1, 0),
        ("+4m", 0, 0),
        ("+6m", 1, 0),
        ("+1m", 1, 0),
        ("+2m", 0, 0),
        ("-1h", 1, 0),
        // The token is expired; the keys are fetched anyway.
        ("+100y", 1, 1),
    ] {
        let run = at(&directory, shift, &line);
        assert_output_is_clean(&run.stderr, shift);
        assert_eq!(run.status, status, "{shift}: {}", run.stderr);
        asked += fetches;
        assert_eq!(server.count("/keys"), asked, "{shift}");
    }
    report("kept keys over jumps of the clock: 7 runs");
}

#[test]
fn clock_jump_renews_watched_token() {
    let library = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"]
        .iter()
        .map(|directory| Path::new(directory).join("libfaketimeMT.so.1"))
        .find(|path| path.exists());
    if !has("faketime") {
        return;
    }
    let library = library.expect("faketime's library for programs with threads is beside the other");
    let directory = fixture();
    fs::remove_file(directory.file("renewed")).unwrap();
    let clock = directory.write("clock", "+0");
    let mut child = Command::new(programs().join("cc-jwt"))
        .args(["renew", "--spec", "r.yaml", "-o", "renewed", "--watch", "-q"])
        .current_dir(directory.path())
        .env_clear()
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, events) = std::sync::mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let event: Value = serde_json::from_str(&line).unwrap();
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    let wait = |name: &str| loop {
        let event = events.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("no {name}"));
        if event["event"] == name {
            return event;
        }
    };
    let set = |shift: &str| {
        fs::write(directory.file("clock-new"), shift).unwrap();
        fs::rename(directory.file("clock-new"), &clock).unwrap();
    };
    assert_eq!(wait("renewed")["reason"], "missing");
    let mut seen = Vec::new();
    // Almost expired; expired; set back, so that the token starts in the future; far ahead.
    for (shift, reason) in
        [("+20h", "expires-soon"), ("+50h", "expired"), ("+0", "not-yet-valid"), ("+30y", "expired")]
    {
        set(shift);
        let event = wait("renewed");
        assert_eq!(event["reason"], reason, "{shift}: {event}");
        seen.push(reason);
        let text = directory.read("renewed");
        assert!(text.starts_with("eyJ") && text.ends_with('\n'));
    }
    signals::signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    report(&format!(
        "a watched token over {} jumps of the clock: renewed at each ({})",
        seen.len(),
        seen.join(", ")
    ));
}
