//! A sync on a bad night: whatever breaks, the table is the old one or the new one.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::proxy::{self, Fault};
use crate::slapd::{Authority, BASE, Manner, Slapd, crowd};
use crate::support::{TestEnv, has, path_with_programs, programs};
use crate::sync::{configure, directory_for, table};

fn unlimited() -> Manner {
    Manner { global: "sizelimit unlimited".to_owned(), ..Manner::default() }
}

/// Users of a directory that no longer has them, so that a partial response would delete them.
pub fn fill(directory: &TestEnv, from: usize, to: usize) {
    let mut connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in from..to {
        transaction
            .execute(
                "INSERT INTO user(username, ldap, name, roles, projects) VALUES (?, 1, ?, '[\"user\"]', '[]')",
                (format!("u{number:06}"), format!("Old {number}")),
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

fn command(directory: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs().join("cc-user"));
    command
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", directory.file(".home"))
        .arg("sync-ldap")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

const DELETING: [&str; 3] = ["--delete-missing", "--max-delete", "100%"];

#[test]
fn sync_connection_that_stalls_is_cut_or_repeats_itself_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::start(&crowd(2000), &unlimited());
    let directory = directory_for(&server.url(), json!({}));
    fill(&directory, 1990, 2010);
    let before = table(&directory);
    for fault in [Fault::Stall, Fault::Cut, Fault::Repeat] {
        // The answer to the bind has 14 bytes, an entry about 100.
        for after in [3, 20, 14_000, 120_000, 150_001] {
            let port = proxy::start(server.port, fault, after);
            configure(&directory, &format!("ldap://127.0.0.1:{port}"), json!({}));
            let began = Instant::now();
            let run =
                directory.sh("cc-user sync-ldap --delete-missing --max-delete 100% --timeout 1s").ended(69);
            let what = format!("{fault:?} after {after}: {}{}", run.stdout, run.stderr);
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            assert!(run.stderr.starts_with("cc-user: ") && !run.stderr.contains("panicked"), "{what}");
            assert_eq!(table(&directory), before, "{what}");
        }
    }
    // Without a fault the same run succeeds.
    let (port, passed) = proxy::counting(server.port);
    configure(&directory, &format!("ldap://127.0.0.1:{port}"), json!({}));
    directory.sh("cc-user sync-ldap --delete-missing --max-delete 100% --timeout 1s").ended(0);
    assert_eq!(table(&directory).len(), 2000);
    assert!(passed.load(Ordering::SeqCst) > 150_001, "each fault above was within the response");
}

#[test]
fn sync_byte_changed_in_the_frame_of_an_answer_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::start(&crowd(20), &unlimited());
    let directory = directory_for(&server.url(), json!({}));
    fill(&directory, 0, 10);
    let before = table(&directory);
    // Each byte of the answer to the bind, and the first of the answer to the search.
    for at in 0..18 {
        let port = proxy::start(server.port, Fault::Flip, at);
        configure(&directory, &format!("ldap://127.0.0.1:{port}"), json!({}));
        let run = directory.sh("cc-user sync-ldap --timeout 1s").ended(69);
        assert!(
            run.stderr.starts_with("cc-user: ") && !run.stderr.contains("panicked"),
            "{at}: {}",
            run.stderr
        );
        assert_eq!(table(&directory), before, "{at}");
    }
}

#[test]
fn sync_byte_changed_anywhere_under_tls_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let server = Slapd::start(&crowd(500), &Manner { tls: Some(authority.issue(2100)), ..unlimited() });
    let directory = directory_for(&server.ldaps(), json!({}));
    fill(&directory, 490, 510);
    let before = table(&directory);
    for at in [0, 7, 100, 3000, 10_000, 30_000] {
        let port = proxy::start(server.tls_port, Fault::Flip, at);
        let ca = authority.file().display().to_string();
        configure(&directory, &format!("ldaps://localhost:{port}"), json!({"ca-file": ca}));
        let run =
            directory.sh("cc-user sync-ldap --delete-missing --timeout 1s --connect-timeout 1s").ended(69);
        assert!(
            run.stderr.starts_with("cc-user: ") && !run.stderr.contains("panicked"),
            "{at}: {}",
            run.stderr
        );
        assert_eq!(table(&directory), before, "{at}");
    }
}

#[test]
fn sync_server_killed_in_the_middle_of_paging_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let mut server = Slapd::start(&crowd(20_000), &unlimited());
    let directory = directory_for(&server.url(), json!({}));
    fill(&directory, 0, 50);
    let before = table(&directory);
    let (port, passed) = proxy::counting(server.port);
    configure(&directory, &format!("ldap://127.0.0.1:{port}"), json!({}));
    let arguments = [&DELETING[..], &["--page-size", "1"]].concat();
    let mut child = command(&directory, &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while passed.load(Ordering::SeqCst) < 20_000 {
        assert!(began.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    server.kill();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("the connection to the LDAP server was lost after "), "{stderr}");
    // An entry has more than 100 bytes: it was not the end that was cut off.
    assert!(passed.load(Ordering::SeqCst) < 2_000_000);
    assert_eq!(table(&directory), before);
}

#[test]
fn sync_waits_for_a_writer_that_holds_the_database_or_reports_it() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(10));
    let directory = directory_for(&server.url(), json!({}));
    let database = directory.file("var/job.db");
    let holder = std::thread::spawn(move || {
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::sleep(Duration::from_secs(10));
        connection.execute_batch("ROLLBACK").unwrap();
    });
    std::thread::sleep(Duration::from_millis(300));
    let locked = directory.sh("cc-user sync-ldap --wait 1s").ended(75);
    assert!(locked.stderr.contains("is locked by another process"), "{}", locked.stderr);
    directory.sh("cc-user sync-ldap --wait 1m").ended(0);
    assert_eq!(table(&directory).len(), 10);
    holder.join().unwrap();
}

#[test]
fn sync_watch_continues_after_a_failure_and_ends_with_sigterm() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(3));
    let directory = directory_for("ldap://127.0.0.1:1", json!({"sync-interval": "1s"}));
    let mut child = command(&directory, &["--watch"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(server);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    for run in ["the first run", "the second run", "the third run"] {
        let line = lines.find(|line| line.contains("no LDAP server can be reached")).expect(run);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 20, "{line}");
        assert!(rest.starts_with("cc-user: "), "{line}");
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let server = Slapd::with(&crowd(3));
    configure(&directory, &server.url(), json!({}));
    let mut child = command(&directory, &["--watch=1h"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("20") && line.contains("Z 3 added, "), "{line}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sync_watch_reads_the_settings_for_each_run_and_sighup_starts_one() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(3));
    let directory = directory_for(&server.url(), json!({}));
    let mut child = command(&directory, &["--watch=1h", "--metrics-file", "sync.prom"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("Z 3 added, "));
    let id = child.id().to_string();
    let hang_up = || assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    // A directory that is changed at this moment is reported, and the run continues.
    let good = directory.read("config.json");
    directory.write("config.json", "{");
    hang_up();
    let begun = Instant::now();
    while !std::fs::read_to_string(directory.file("sync.prom")).unwrap_or_default().contains("exit_status 78")
    {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let moved = Slapd::with(&crowd(5));
    directory.write("config.json", good.replace(&server.url(), &moved.url()));
    hang_up();
    assert!(lines.next().unwrap().unwrap().contains("Z 2 added, "));
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sync_over_tls_trusts_only_the_named_authority() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let server = Slapd::start(&crowd(3), &Manner { tls: Some(authority.issue(2100)), ..Manner::default() });
    let directory = directory_for(&server.ldaps(), json!({}));
    let ca = authority.file().display().to_string();
    directory.sh(&format!("cc-user sync-ldap --ca-file {ca}")).ended(0);
    let unknown_user = Authority::new().file().display().to_string();
    // The file is gone with its authority: a missing file is reported as such.
    directory.sh(&format!("cc-user sync-ldap --ca-file {unknown_user}")).ended(66);
    let other = Authority::new();
    let refused = directory.sh(&format!("cc-user sync-ldap --ca-file {}", other.file().display())).ended(69);
    assert!(refused.stderr.contains("signed by an authority that is not trusted here"), "{}", refused.stderr);
    configure(
        &directory,
        &server.url().replace("127.0.0.1", "localhost"),
        json!({"starttls": true, "ca-file": ca}),
    );
    directory.sh("cc-user sync-ldap").ended(0);
    configure(&directory, &server.ldapi(), json!({"user-base": format!("ou=people,{BASE}")}));
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory).len(), 3);
}
