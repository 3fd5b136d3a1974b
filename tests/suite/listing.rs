//! `cc-user list` with many users: on a terminal, into pipes, and against an LDAP directory.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::prompts::spawn;
use crate::slapd::{Manner, Slapd, TREE, crowd, person};
use crate::support::{Run, TestEnv, has, path_with_programs, programs};
use crate::sync::{configure, directory_for};
use crate::sync_faults::fill;

/// A directory with a database of that many users.
fn with_users(count: usize) -> TestEnv {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    fill(&directory, 0, count);
    directory
}

fn start(directory: &TestEnv, arguments: &[&str]) -> Child {
    Command::new(programs().join("cc-user"))
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", directory.file(".home"))
        .arg("list")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The lines that a command prints on a terminal of this many columns.
pub fn on_a_terminal(directory: &TestEnv, columns: usize, command: &str) -> Vec<String> {
    let mut session =
        spawn(directory, &format!("export TERM=xterm; stty cols {columns}; {command}; echo END"));
    // rexpect reads each byte as a character.
    let bytes = session.exp_string("END").unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
    let seen = String::from_utf8(bytes).unwrap();
    seen.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn list_every_terminal_width_fits_and_wide_prints_complete_values() {
    let directory = with_users(3);
    let long = "Anna Maximiliane von und zu Musterhausen-Beispielstadt";
    directory
        .run(
            "cc-user",
            &[
                "add",
                "anna",
                "--role",
                "admin,support,manager,api",
                "--name",
                long,
                "--email",
                "anna.maximiliane@institute.site.example",
                "--project",
                "p1",
                "--project",
                "a-long-project",
                "--no-password",
                "-q",
            ],
        )
        .ended(0);
    directory
        .run("cc-user", &["add", "李雷李雷", "--role", "api", "--name", "名前の長い人の名前", "-q"])
        .ended(0);
    for columns in [20, 40, 60, 80, 120, 300] {
        let lines = on_a_terminal(&directory, columns, "cc-user list -q --color never");
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:#?}");
        assert_eq!(lines.iter().any(|line| line.contains('…')), columns < 200, "{lines:#?}");
        assert!(lines[1].starts_with("anna"), "{lines:#?}");
    }
    // A terminal that reports no width has that of COLUMNS, or else 80.
    let lines = on_a_terminal(&directory, 0, "COLUMNS=50 cc-user list -q --color never");
    assert!(lines.iter().all(|line| line.width() <= 50), "{lines:#?}");
    let lines = on_a_terminal(&directory, 0, "cc-user list -q --color never");
    assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
    assert!(lines.iter().any(|line| line.width() > 50), "{lines:#?}");
    let lines = on_a_terminal(&directory, 60, "cc-user list -q --wide --color never");
    assert!(lines.concat().contains(long) && !lines.concat().contains('…'), "{lines:#?}");
    // COLUMNS has no effect on a pipe.
    let piped = directory.sh("COLUMNS=40 cc-user list -q").ended(0).stdout;
    assert!(piped.contains(long), "{piped}");
}

#[test]
fn list_on_a_terminal_prints_the_count_after_the_table() {
    let directory = with_users(3);
    let lines = on_a_terminal(&directory, 80, "cc-user list --color never");
    assert_eq!(lines.last().unwrap(), "cc-user: note: 3 users", "{lines:#?}");
    assert_eq!(lines.len(), 5);
}

#[test]
fn list_values_with_tabs_and_line_ends_stay_in_their_row() {
    let directory = with_users(0);
    let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    connection
        .execute(
            "INSERT INTO user(username, ldap, name, email, roles, projects) VALUES (?1, 0, ?1, ?1, '[\"a\tb\"]', ?2)",
            ("a\tb\nc\rd\u{2028}e", json!(["p\tq", "r\ns"]).to_string()),
        )
        .unwrap();
    drop(connection);
    let run = directory.sh("cc-user list");
    assert_eq!(run.stdout.matches('\n').count(), 1, "{:?}", run.stdout);
    let fields: Vec<&str> = run.stdout.trim_end_matches('\n').split('\t').collect();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!((fields[0], fields[4]), ("a\\tb\\nc\\rd\\u{2028}e", "p\\tq,r\\ns"));
}

/// The first row is there before the last one is read: a user that is deleted after the first row
/// arrived is not listed. The pipe and the buffers hold a small part of the rows only.
#[test]
fn list_writes_the_first_row_before_it_reads_the_last() {
    for arguments in [&["--json"][..], &[], &["--wide"], &["--names", "u*"], &["--sort", "name", "--json"]] {
        let directory = with_users(60_000);
        let mut child = start(&directory, arguments);
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        while !first.contains("u000000") {
            assert!(reader.read_line(&mut first).unwrap() > 0, "{arguments:?}: {first}");
        }
        let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
        connection.execute("DELETE FROM user WHERE username = 'u059999'", []).unwrap();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let run = Run::from(child.wait_with_output().unwrap()).ended(0);
        assert!(rest.contains("u059998"), "{arguments:?}: {}", run.stderr);
        assert!(
            !rest.contains("u059999"),
            "{arguments:?}: the last row was read before the first was printed"
        );
    }
}

#[test]
fn list_reader_that_closes_early_ends_it_without_an_error() {
    let directory = with_users(60_000);
    for arguments in [&["--json"][..], &[], &["--wide"], &["--names"], &["--sort", "-email"]] {
        let mut child = start(&directory, arguments);
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        drop(reader);
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

/// Peak memory in KiB.
fn peak(directory: &TestEnv, arguments: &str) -> u64 {
    let line = format!("time -q -f %M -o peak cc-user list -q {arguments} > out");
    directory
        .command("bash")
        .args(["-c", &format!("command {line}")])
        .output()
        .map(Run::from)
        .unwrap()
        .ended(0);
    directory.read("peak").trim().parse().unwrap()
}

#[test]
fn list_memory_of_ten_times_as_many_users_is_the_same() {
    if !has("time") || !has("bash") {
        return;
    }
    let (few, many) = (with_users(20_000), with_users(200_000));
    for arguments in ["", "--json", "--wide", "--names", "'u*99'", "--sort name"] {
        let (few, many) = (peak(&few, arguments), peak(&many, arguments));
        // The peak of equal runs differs by up to 1.5 MiB. Names in memory would be over 5 MiB more. A
        // sorted list has eight bytes for each user in memory.
        let limit = few + 3 * 1024 + if arguments.contains("sort") { 4 * 1024 } else { 0 };
        assert!(many <= limit, "{arguments}: {few} KiB for 20,000 users, {many} KiB for 200,000");
    }
}

#[test]
fn list_not_in_ldap_lists_missing_ldap_users_only() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&format!("{TREE}{}", person("u000001", "One")));
    let directory = directory_for(&server.url(), json!({}));
    fill(&directory, 0, 3);
    directory.run("cc-user", &["add", "local", "--role", "user", "--no-password", "-q"]).ended(0);
    let run = directory.sh("cc-user list --not-in-ldap").ended(0);
    let names: Vec<&str> = run.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(names, ["u000000", "u000002"]);
    assert_eq!(run.stderr, "cc-user: note: 2 users\n");
    let listed = directory.sh("cc-user list --not-in-ldap --names 'u*2' -q").ended(0);
    assert_eq!(listed.stdout, "u000002\n");
    // With the connection options of sync-ldap.
    directory.sh("cc-user list --not-in-ldap --starttls").ended(69);
}

#[test]
fn list_not_in_ldap_rejects_an_empty_or_partial_response() {
    if !has("slapd") {
        return;
    }
    // slapd's own size limit: 500.
    let server = Slapd::start(&crowd(600), &Manner::default());
    let directory = directory_for(&server.url(), json!({}));
    fill(&directory, 590, 610);
    for form in ["", "--json", "--names"] {
        let run = directory.sh(&format!("cc-user list --not-in-ldap {form}"));
        assert_ne!(run.status, 0, "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    for (filter, status, message) in [
        ("(uid=unknown)", 75, "the LDAP search returned no users"),
        ("(objectClass=organizationalUnit)", 78, "none with a usable username in 'uid'"),
    ] {
        configure(&directory, &server.url(), json!({"user-filter": filter}));
        let run = directory.sh("cc-user list --not-in-ldap").ended(status);
        assert!(run.stderr.contains(message) && run.stdout.is_empty(), "{}{}", run.stdout, run.stderr);
    }
}
