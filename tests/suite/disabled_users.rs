//! The file of disabled users: one for a database, whatever its name in a command, and complete after
//! concurrent commands and after a failure.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use crate::slapd::{BASE, Slapd, TREE, person};
use crate::support::{TestEnv, has, has_root};
use crate::sync::directory_for;

const FILE: &str = "var/job.db.history.disabled.json";

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
    assert!(directory.file(FILE).exists() && !directory.file("link.db.history.disabled.json").exists());
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

#[test]
fn disabled_user_entry_of_an_enabled_user_is_removed_with_the_last_role() {
    let directory = with_users(1);
    directory.write(FILE, r#"{"users":{"u1":{"roles":["admin"]}}}"#);
    directory.sh(&format!("chmod 600 {FILE}; cc-user role remove -q u1 user")).ended(0);
    assert_eq!(roles(&directory, "u1"), json!([false, []]));
    directory.sh("cc-user enable u1 -q").ended(0);
    assert_eq!(roles(&directory, "u1"), json!([false, []]), "not the roles of the old entry");
}

/// The write of the transaction fails after the file was written.
#[test]
fn disable_commit_fails_leaves_no_entry_in_the_file() {
    if !has("strace") {
        return;
    }
    let directory = with_users(2);
    directory.sh("cc-user disable -q u2").ended(0);
    let before = directory.read(FILE);
    for command in ["disable u1", "rename u2 other"] {
        let run = directory.sh(&format!(
            "strace -f -qq -o calls.txt -P \"$PWD/var/job.db-wal\" -e trace=pwrite64,write \
             -e inject=pwrite64,write:error=ENOSPC cc-user {command}"
        ));
        assert_eq!(run.status, 74, "{command}: {}", run.stderr);
        assert!(directory.read("calls.txt").contains("INJECTED"), "{command}");
        assert_eq!(directory.read(FILE), before, "{command}");
    }
    assert_eq!(roles(&directory, "u1"), json!([false, ["user"]]));
    assert_eq!(roles(&directory, "u2"), json!([true, []]));
}

/// Without the entry, the server's account could not read the file.
#[test]
fn disabled_users_file_of_root_belongs_to_the_account_of_the_database() {
    if !has_root() || !has("setpriv") {
        return;
    }
    let directory = with_users(2);
    directory.sh("chown -R 61001:61001 var; chmod 711 .").ended(0);
    directory.sh("cc-user disable -q u1 --db var/job.db && cc-user disable -q u2 --db var/job.db").ended(0);
    let file = fs::metadata(directory.file(FILE)).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (61_001, 61_001, 0o600));
    let enable = "cp \"$(command -v cc-user)\" .; setpriv --reuid=61001 --regid=61001 --clear-groups \
                  ./cc-user enable -q u1 --db var/job.db";
    directory.sh(enable).ended(0);
    directory.sh("cc-user enable -q u2 --db var/job.db").ended(0);
    assert_eq!(directory.sh(&format!("stat -c %u:%g:%a {FILE}")).stdout, "61001:61001:600\n");
    let shown = directory.sh("cc-user list --db var/job.db").ended(0).stdout;
    assert!(!shown.contains("(disabled)"), "{shown}");
    // The owner of a directory that other accounts could have replaced does not get the file.
    directory.sh("mkdir -m 1777 open && mv var open/var && rm open/var/*.json").ended(0);
    let run = directory.sh("cc-user disable u1 --db open/var/job.db").ended(0);
    assert!(run.stderr.contains("job.db.history.disabled.json' belongs to root"), "{}", run.stderr);
}

#[test]
fn sync_leaves_disabled_users_disabled_and_in_the_table() {
    if !has("slapd") {
        return;
    }
    let tree = ["anna", "ben", "gone"].iter().fold(String::from(TREE), |ldif, uid| ldif + &person(uid, uid));
    let server = Slapd::with(&tree);
    let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
    directory.sh("cc-user sync-ldap -q && cc-user role add -q gone admin && cc-user add -q root --role admin --no-password").ended(0);
    directory.sh("cc-user disable -q ben && cc-user disable -q gone").ended(0);
    let file = directory.read(FILE);
    server.modify(&format!(
        "dn: uid=ben,ou=people,{BASE}\nchangetype: modify\nreplace: gecos\ngecos: Ben Neu\n\n\
         dn: uid=gone,ou=people,{BASE}\nchangetype: delete\n"
    ));
    let shown = directory.sh("cc-user sync-ldap --dry-run --delete-admins").ended(0).stdout;
    assert!(shown.contains("protect   gone              disabled, not in the LDAP directory\n"), "{shown}");
    let report = directory.sh("cc-user sync-ldap --delete-admins --json --dry-run").ended(0).json();
    assert_eq!((&report["protected_disabled"], &report["deleted"]), (&json!(["gone"]), &json!([])));
    assert_eq!(report["renamed"][0]["username"], "ben");
    let run = directory.sh("cc-user sync-ldap --delete-admins").ended(0);
    assert!(run.stderr.contains("are not deleted (cc-user-del(1) deletes them): 'gone'"), "{}", run.stderr);
    assert!(!run.stderr.contains("--delete-missing deletes"), "{}", run.stderr);
    server.modify(&person("gone", "Back").replacen("\nobjectClass", "\nchangetype: add\nobjectClass", 1));
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(directory.read(FILE), file);
    for username in ["ben", "gone"] {
        assert_eq!(roles(&directory, username), json!([true, []]), "{username}");
    }
    directory.sh("cc-user enable -q gone").ended(0);
    assert_eq!(roles(&directory, "gone"), json!([false, ["user", "admin"]]));
}

#[test]
fn sync_file_of_disabled_users_malformed_deletes_no_user() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&(String::from(TREE) + &person("anna", "A") + &person("gone", "G")));
    let directory = directory_for(&server.url(), json!({}));
    directory.sh("cc-user sync-ldap -q").ended(0);
    server.modify(&format!("dn: uid=gone,ou=people,{BASE}\nchangetype: delete\n"));
    directory.write(FILE, "{");
    directory.sh(&format!("chmod 600 {FILE}")).ended(0);
    for option in ["", "--delete-missing", "--delete-missing --dry-run", "--grace-period 1h"] {
        let run = directory.sh(&format!("cc-user sync-ldap {option}")).ended(65);
        assert!(run.stderr.contains("is malformed"), "{}", run.stderr);
    }
    fs::remove_file(directory.file(FILE)).unwrap();
    assert_eq!(directory.sh("cc-user list --names").stdout, "anna\ngone\n");
}
