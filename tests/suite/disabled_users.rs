//! The file of disabled users: one for a database, whatever its name in a command, and complete after
//! concurrent commands and after a failure.

use std::fs;

use serde_json::{Value, json};

use crate::support::TestEnv;

const FILE: &str = "var/job.db.disabled-users.json";

fn with_users(count: usize) -> TestEnv {
    let directory = TestEnv::new();
    let add = format!(
        "cc-user init -q; for i in $(seq {count}); do cc-user add -q u$i --role user --no-password; done"
    );
    directory.sh(&add).ended(0);
    directory
}

fn roles(directory: &TestEnv, username: &str) -> Value {
    let run = directory.sh(&format!("cc-user show {username} --json")).ended(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    json!([report["disabled"], report["roles"]])
}

#[test]
fn disabled_users_of_a_linked_database_are_in_one_file() {
    let directory = with_users(1);
    directory.sh("ln -s var/job.db link.db; cc-user disable -q --db link.db u1").ended(0);
    assert!(directory.file(FILE).exists() && !directory.file("link.db.disabled-users.json").exists());
    assert_eq!(roles(&directory, "u1"), json!([true, []]));
    directory.sh("cc-user enable -q --db \"$PWD/var/../link.db\" u1").ended(0);
    assert_eq!(roles(&directory, "u1"), json!([false, ["user"]]));
}

#[test]
fn disable_concurrent_commands_lose_no_user() {
    let directory = with_users(12);
    directory.sh("for i in $(seq 12); do cc-user disable -q --wait 1m u$i & done; wait").ended(0);
    let content: Value = serde_json::from_str(&directory.read(FILE)).unwrap();
    assert_eq!(content["users"].as_object().unwrap().len(), 12, "{content}");
    directory.sh("for i in $(seq 12); do cc-user enable -q --wait 1m u$i & done; wait").ended(0);
    for i in 1..=12 {
        assert_eq!(roles(&directory, &format!("u{i}")), json!([false, ["user"]]), "u{i}");
    }
}

#[test]
fn disable_file_not_writable_changes_nothing() {
    let directory = with_users(1);
    fs::create_dir(directory.file(FILE)).unwrap();
    for command in ["disable", "enable"] {
        let run = directory.sh(&format!("cc-user {command} u1")).ended(66);
        assert!(run.stderr.contains("is a directory"), "{command}: {}", run.stderr);
    }
    fs::remove_dir(directory.file(FILE)).unwrap();
    assert_eq!(roles(&directory, "u1"), json!([false, ["user"]]));
}

#[test]
fn disabled_user_entry_of_a_killed_command_is_replaced() {
    let directory = with_users(1);
    // The file was written, and the user table was not.
    directory.write(FILE, r#"{"users":{"u1":{"roles":["admin"]}}}"#);
    directory.sh(&format!("chmod 600 {FILE}")).ended(0);
    assert_eq!(roles(&directory, "u1"), json!([false, ["user"]]));
    directory.sh("cc-user enable u1 && cc-user disable u1 && cc-user enable u1").ended(0);
    assert_eq!(roles(&directory, "u1"), json!([false, ["user"]]), "not the roles of the old entry");
}
