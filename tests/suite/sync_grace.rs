//! The grace period of `cc-user sync-ldap`: missing users are disabled, return as they were, and are deleted at the end.

use std::fs;

use serde_json::{Value, json};

use crate::slapd::{BASE, Slapd, TREE, person};
use crate::support::{Run, TestEnv, has};
use crate::sync::{configure, directory_for, table};

pub const STATE: &str = "var/job.db.history.disabled.json";
const DAY: i64 = 86_400;

fn tree(names: &[&str]) -> String {
    names.iter().fold(String::from(TREE), |ldif, uid| ldif + &person(uid, uid))
}

fn sync(directory: &TestEnv, arguments: &str) -> Run {
    directory.sh(&format!("cc-user sync-ldap {arguments}"))
}

/// A directory with these users after a first sync, and a grace period of 30 days.
pub fn site(names: &[&str]) -> (Slapd, TestEnv) {
    let server = Slapd::with(&tree(names));
    let directory = directory_for(&server.url(), json!({"sync-grace-period": "720h"}));
    sync(&directory, "-q").ended(0);
    directory.sh("cc-user add -q root --role admin --no-password").ended(0);
    (server, directory)
}

pub fn remove(server: &Slapd, uid: &str) {
    server.modify(&format!("dn: uid={uid},ou=people,{BASE}\nchangetype: delete\n"));
}

pub fn add(server: &Slapd, uid: &str, name: &str) {
    server.modify(&person(uid, name).replacen("\nobjectClass", "\nchangetype: add\nobjectClass", 1));
}

/// Moves the start of a user's period by days.
pub fn shift(directory: &TestEnv, username: &str, days: i64) {
    let mut state: Value = serde_json::from_str(&directory.read(STATE)).unwrap();
    let since = &mut state["users"][username]["missing_since"];
    *since = json!(since.as_i64().unwrap() + days * DAY);
    fs::write(directory.file(STATE), state.to_string()).unwrap();
}

pub fn state(directory: &TestEnv, username: &str) -> Value {
    let state: Value = serde_json::from_str(&directory.read(STATE)).unwrap();
    state["users"][username].clone()
}

/// Every column, the password included.
pub fn rows(directory: &TestEnv) -> String {
    directory.sh("cc-user export --with-passwords -o -").ended(0).stdout
}

#[test]
fn missing_user_is_disabled_and_returns_with_every_column() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["anna", "ben"]);
    directory
        .sh("umask 077; cc-user role add -q anna manager api && cc-user project add -q anna p1 p2 \
             && cc-user set -q anna --email a@example.org")
        .ended(0);
    // A password that an earlier local user left.
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute("UPDATE user SET password = '$2a$10$x' WHERE username = 'anna'", [])
        .unwrap();
    let before = rows(&directory);
    remove(&server, "anna");
    let shown = sync(&directory, "--dry-run").ended(0).stdout;
    assert!(
        shown.starts_with("disable   anna              not in the LDAP directory, to be deleted 20"),
        "{shown}"
    );
    assert!(
        shown.contains("(in 30 days)\n") && shown.ends_with("1 unchanged, 1 disabled (1 entry)\n"),
        "{shown}"
    );
    assert_eq!(rows(&directory), before, "a dry run changes nothing");
    let run = sync(&directory, "").ended(0);
    assert!(run.stdout.starts_with("disabled  anna\n"), "{}", run.stdout);
    let disabled = rows(&directory);
    assert!(
        disabled.contains("!$2a$10$x") && state(&directory, "anna")["missing_since"].is_i64(),
        "{disabled}"
    );
    let shown = directory.sh("cc-user show anna --json").ended(0).json();
    assert_eq!((&shown["disabled"], &shown["roles"]), (&json!(true), &json!([])));
    assert_eq!(shown["disabled_roles"], json!(["user", "manager", "api"]));
    for member in ["missing_since", "delete_at"] {
        assert!(shown[member].as_str().is_some_and(|time| time.ends_with('Z')), "{member}: {shown}");
    }
    let text = directory.sh("cc-user show anna; cc-user list --disabled --wide").ended(0).stdout;
    assert!(text.contains("missing   from the LDAP directory since 20"), "{text}");
    assert!(text.contains("MISSING SINCE") && text.contains("DELETE AT"), "{text}");
    // A second run changes nothing.
    let state_before = directory.read(STATE);
    let second = sync(&directory, "--json").ended(0).json();
    assert_eq!((&second["counts"]["disabled"], &second["counts"]["in_grace"]), (&json!(0), &json!(1)));
    assert_eq!((rows(&directory), directory.read(STATE)), (disabled, state_before));
    add(&server, "anna", "anna");
    let plan = sync(&directory, "--dry-run").ended(0).stdout;
    assert!(
        plan.contains("enable    anna              in the LDAP directory again: user,manager,api\n"),
        "{plan}"
    );
    let run = sync(&directory, "").ended(0);
    assert!(run.stdout.contains("enabled   anna\n"), "{}", run.stdout);
    assert_eq!(rows(&directory), before);
    assert_eq!(state(&directory, "anna"), Value::Null);
    let log = directory.sh("cc-user log anna --json").ended(0).stdout;
    assert!(log.contains("missing since 20"), "{log}");
}

#[test]
fn missing_user_is_deleted_after_the_period_of_the_run() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["anna", "ben"]);
    remove(&server, "anna");
    sync(&directory, "-q").ended(0);
    shift(&directory, "anna", -29);
    sync(&directory, "-q").ended(0);
    assert!(state(&directory, "anna").is_object(), "one day is left");
    // A longer period, a shorter one, none, and a clock that was set back.
    for (options, deleted) in [
        ("--grace-period 29d", true),
        ("--grace-period 31d", false),
        ("--grace-period 720h", false),
        ("--grace-period 0", false),
        ("--grace-period 0 --delete-missing", true),
        ("--delete-missing", false),
    ] {
        let report = sync(&directory, &format!("--dry-run --json {options}")).ended(0).json();
        assert_eq!(report["deleted"], if deleted { json!(["anna"]) } else { json!([]) }, "{options}");
        assert_eq!(report["counts"]["in_grace"], i32::from(!deleted), "{options}");
    }
    shift(&directory, "anna", 300);
    let later = sync(&directory, "--dry-run --json").ended(0).json();
    assert_eq!(later["counts"]["in_grace"], 1, "a clock that was set back deletes no user");
    shift(&directory, "anna", -301);
    let run = sync(&directory, "").ended(0);
    assert!(run.stdout.starts_with("deleted   anna\n"), "{}", run.stdout);
    assert_eq!(table(&directory).iter().filter(|row| row.starts_with("anna")).count(), 0);
    assert_eq!(state(&directory, "anna"), Value::Null);
    // The entry appears again: the user is new.
    add(&server, "anna", "anna");
    sync(&directory, "-q").ended(0);
    assert!(table(&directory).contains(&"anna|1|anna|[\"user\"]|[]".to_owned()));
}

#[test]
fn time_of_deletion_is_known_with_the_setting_only() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["anna", "ben"]);
    configure(&directory, &server.url(), json!({}));
    remove(&server, "anna");
    sync(&directory, "-q --grace-period 30d").ended(0);
    let listed = |setting: Value| {
        configure(&directory, &server.url(), setting);
        let users = directory.sh("cc-user list --disabled --json").ended(0).json();
        let shown = directory.sh("cc-user show anna --json").ended(0).json();
        assert_eq!(users[0]["delete_at"], shown["delete_at"]);
        assert!(users[0]["missing_since"].is_string());
        shown["delete_at"].clone()
    };
    assert_eq!(listed(json!({})), Value::Null);
    assert!(listed(json!({"sync-grace-period": "720h"})).is_string());
    // A run without the setting and the option does not delete the user.
    configure(&directory, &server.url(), json!({}));
    shift(&directory, "anna", -400);
    let run = sync(&directory, "--json").ended(0).json();
    assert_eq!((&run["counts"]["deleted"], &run["counts"]["in_grace"]), (&json!(0), &json!(1)));
}

#[test]
fn user_disabled_by_hand_stays_disabled_and_in_the_table() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["hand", "later", "free", "kept"]);
    directory.sh("cc-user disable -q hand").ended(0);
    for uid in ["hand", "later", "free"] {
        remove(&server, uid);
    }
    sync(&directory, "-q").ended(0);
    assert_eq!(state(&directory, "hand").get("missing_since"), None);
    // Disabled by hand while missing.
    let dry = directory.sh("cc-user disable later --dry-run").ended(0);
    assert!(dry.stderr.contains("would remain disabled"), "{}", dry.stderr);
    assert!(state(&directory, "later")["missing_since"].is_i64());
    let run = directory.sh("cc-user disable later").ended(0);
    assert!(
        run.stderr.contains("'later' remains disabled when the LDAP directory has the user"),
        "{}",
        run.stderr
    );
    // Enabled by hand while missing: the period begins again.
    shift(&directory, "free", -29);
    let run = directory.sh("cc-user enable free").ended(0);
    assert!(run.stderr.contains("the next synchronization disables 'free' again"), "{}", run.stderr);
    assert_eq!(sync(&directory, "--json").ended(0).json()["counts"]["disabled"], 1);
    shift(&directory, "free", -29);
    assert_eq!(sync(&directory, "--dry-run --json").ended(0).json()["deleted"], json!([]));
    shift(&directory, "free", -1);
    assert_eq!(
        sync(&directory, "--dry-run --json --grace-period 1h").ended(0).json()["deleted"],
        json!(["free"])
    );
    for uid in ["hand", "later"] {
        add(&server, uid, uid);
    }
    sync(&directory, "-q").ended(0);
    for uid in ["hand", "later"] {
        let shown = directory.sh(&format!("cc-user show {uid} --json")).ended(0).json();
        assert_eq!((&shown["disabled"], &shown["roles"]), (&json!(true), &json!([])), "{uid}");
    }
}

#[test]
fn user_in_grace_is_as_disabled_for_other_commands() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["gone", "kept"]);
    remove(&server, "gone");
    sync(&directory, "-q").ended(0);
    directory.sh("cc-user role add gone api").ended(1);
    directory.sh("cc-user add gone --role user --no-password").ended(73);
    directory.sh("cc-user rename gone other").ended(1);
    directory.sh("cc-user set -q gone --email g@example.org").ended(0);
    assert!(state(&directory, "gone").is_object());
    directory.sh("cc-user del -q gone --source ldap").ended(0);
    assert_eq!(state(&directory, "gone"), Value::Null);
    directory.sh("cc-user undo -q LAST").ended(0);
    assert!(state(&directory, "gone")["missing_since"].is_i64());
}

#[test]
fn limit_counts_disabled_users() {
    if !has("slapd") {
        return;
    }
    let names: Vec<String> = (0..8).map(|i| format!("u{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (server, directory) = site(&names);
    let before = rows(&directory);
    for uid in &names[..6] {
        remove(&server, uid);
    }
    for options in ["", "--dry-run", "--grace-period 1s", "--max-delete 0"] {
        let run = sync(&directory, options).ended(75);
        assert!(
            run.stderr.contains("6 of 8 LDAP users are no longer in the LDAP directory"),
            "{}",
            run.stderr
        );
        assert_eq!(rows(&directory), before, "{options}");
    }
    sync(&directory, "-q --max-delete 6").ended(0);
    assert_eq!(sync(&directory, "--json").ended(0).json()["counts"]["in_grace"], 6);
    for uid in &names[..6] {
        shift(&directory, uid, -31);
    }
    sync(&directory, "").ended(75);
    sync(&directory, "-q --max-delete 6").ended(0);
    assert_eq!(table(&directory).len(), 3);
}

#[test]
fn undo_restores_disable_return_and_deletion() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["anna", "ben"]);
    directory.sh("cc-user role add -q anna manager && cc-user project add -q anna p1").ended(0);
    let snapshot = |directory: &TestEnv| (rows(directory), directory.read(STATE));
    directory.sh("cc-user disable -q ben && cc-user enable -q ben").ended(0);
    let mut before = snapshot(&directory);
    let mut check = |change: &str| {
        sync(&directory, "-q").ended(0);
        let after = snapshot(&directory);
        assert_ne!(after, before, "{change}");
        let dry = directory.sh("cc-user undo LAST --dry-run").ended(0);
        assert_eq!(snapshot(&directory), after, "{change}: {}", dry.stderr);
        directory.sh("cc-user undo -q LAST").ended(0);
        assert_eq!(snapshot(&directory), before, "{change}");
        sync(&directory, "-q").ended(0);
        before = snapshot(&directory);
    };
    remove(&server, "anna");
    check("disable");
    add(&server, "anna", "Anna New");
    check("return");
    remove(&server, "anna");
    sync(&directory, "-q").ended(0);
    shift(&directory, "anna", -31);
    let due = snapshot(&directory);
    sync(&directory, "-q").ended(0);
    directory.sh("cc-user undo -q LAST").ended(0);
    let restored = snapshot(&directory);
    assert_eq!(restored.0, due.0);
    let since = |text: &str| serde_json::from_str::<Value>(text).unwrap()["users"]["anna"].clone();
    assert_eq!(since(&restored.1), since(&due.1));
    // A user who is disabled by hand after the run is not enabled by an undo of the run.
    add(&server, "anna", "Anna New");
    sync(&directory, "-q").ended(0);
    remove(&server, "anna");
    sync(&directory, "-q").ended(0);
    let run =
        directory.sh("cc-user log --limit 1 --json").ended(0).json()["run"].as_str().unwrap().to_owned();
    directory.sh("cc-user disable -q anna").ended(0);
    let undone = directory.sh(&format!("cc-user undo {run} --json")).ended(1).json();
    assert_eq!(undone["conflicts"], json!([{"username": "anna", "reason": "changed"}]));
}

#[test]
fn grace_period_setting_is_validated_and_a_deletion_by_the_server_causes_a_warning() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&tree(&["anna"]));
    let directory = directory_for(&server.url(), json!({"sync-grace-period": "-1h"}));
    for command in ["cc-user sync-ldap", "cc-user sync-ldap --check"] {
        let run = directory.sh(command).ended(78);
        assert!(run.stderr.contains("invalid sync-grace-period '-1h0m0s'"), "{command}: {}", run.stderr);
    }
    let run = directory.sh("cc-user sync-ldap --grace-period=-1h").ended(2);
    assert!(run.stderr.contains("--grace-period: invalid duration '-1h'"), "{}", run.stderr);
    configure(&directory, &server.url(), json!({"sync-grace-period": "30d"}));
    directory.sh("cc-user sync-ldap").ended(78);
    configure(&directory, &server.url(), json!({"sync-grace-period": "1h", "sync-del-old-users": true}));
    for command in ["cc-user sync-ldap", "cc-user sync-ldap --check", "cc-user doctor"] {
        let run = directory.sh(command);
        let output = format!("{}{}", run.stdout, run.stderr);
        assert!(output.contains("deletes missing users at once"), "{command}: {output}");
    }
    let run = sync(&directory, "--grace-period 0").ended(0);
    assert!(!run.stderr.contains("at once"), "{}", run.stderr);
    configure(&directory, &server.url(), json!({"sync-grace-period": "1h"}));
    for command in ["cc-user sync-ldap", "cc-user sync-ldap --check"] {
        assert!(!directory.sh(command).ended(0).stderr.contains("at once"), "{command}");
    }
}

#[test]
fn last_admin_is_neither_disabled_nor_deleted_by_a_sync_and_causes_a_warning_by_hand() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site(&["boss", "kept"]);
    directory.sh("cc-user role add -q boss admin").ended(0);
    remove(&server, "boss");
    sync(&directory, "-q --delete-admins").ended(0);
    assert!(state(&directory, "boss").is_object(), "root remains an administrator");
    // A command by hand removes the last administrator, with a warning.
    let warns = |command: &str, warning: &str| {
        let run = directory.sh(&format!("cc-user {command}")).ended(0);
        assert!(run.stderr.contains(warning), "{command}: {}", run.stderr);
    };
    let last = "'root' was the last user with the role admin";
    warns("role remove root admin", last);
    let before = rows(&directory);
    shift(&directory, "boss", -31);
    for options in ["", "--delete-admins", "--delete-admins --delete-missing --grace-period 0"] {
        let report = sync(&directory, &format!("--json {options}")).ended(0).json();
        assert_eq!(report["protected_admins"], json!(["boss"]), "{options}");
        assert_eq!(rows(&directory), before, "{options}");
    }
    directory.sh("cc-user role add -q root admin").ended(0);
    warns("undo LAST", "no user has the role admin after the undo");
    directory.sh("cc-user role add -q root admin").ended(0);
    warns("disable root", last);
    directory.sh("cc-user enable -q root").ended(0);
    warns("del root", last);
    directory.sh("cc-user undo -q LAST").ended(0);
    sync(&directory, "-q --delete-admins").ended(0);
    assert!(!rows(&directory).contains("boss"), "root is an administrator again");
}
