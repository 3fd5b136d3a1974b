//! Faults during a sync with a grace period: the run disables, returns and deletes users, or it changes nothing.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::proxy::{self, Fault};
use crate::slapd::{Authority, BASE, Manner, SYNC_DN, Slapd, person};
use crate::support::{Run, TestEnv, has, skip};
use crate::sync::configure;
use crate::sync_grace::{STATE, add, remove, rows, shift, site, state};

const JOURNAL: &str = "var/job.db.history.jsonl";

/// Users who are in the LDAP directory before and after.
const PRESENT: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];

/// The database, the file of disabled users, and the journal.
type Files = (String, String, String);

fn files(directory: &TestEnv) -> Files {
    (rows(directory), directory.read(STATE), directory.read(JOURNAL))
}

/// A site whose next run disables 'gone', returns 'back' and deletes 'due'.
fn site_with_changes() -> (Slapd, TestEnv) {
    let (server, directory) = site(&[&PRESENT[..], &["back", "due", "gone"]].concat());
    directory.sh("cc-user role add -q back manager && cc-user project add -q back p1").ended(0);
    for uid in ["back", "due"] {
        remove(&server, uid);
    }
    directory.sh("cc-user sync-ldap -q").ended(0);
    shift(&directory, "due", -31);
    add(&server, "back", "back");
    remove(&server, "gone");
    (server, directory)
}

fn grace(more: &Value) -> Value {
    let mut ldap = json!({"sync-grace-period": "720h"});
    for (name, value) in more.as_object().unwrap() {
        ldap[name] = value.clone();
    }
    ldap
}

/// Runs the sync with the setting and with the option, without a limit on changes; it fails and changes nothing.
#[track_caller]
fn fails(directory: &TestEnv, url: &str, more: &Value, environment: &str, status: i32) -> Run {
    let before = files(directory);
    let mut last = None;
    for (setting, option) in [(grace(more), ""), (more.clone(), "--grace-period 30d")] {
        configure(directory, url, setting);
        let run = directory
            .sh(&format!("{environment} cc-user sync-ldap --max-delete 100% --timeout 1s {option}"))
            .ended(status);
        assert!(run.stderr.starts_with("cc-user: "), "{url} {more} {option}: {}", run.stderr);
        assert!(files(directory) == before, "{url} {more} {option}: something was changed");
        last = Some(run);
    }
    last.unwrap()
}

/// The same run without a fault makes all three changes.
#[track_caller]
fn succeeds(directory: &TestEnv, url: &str, more: &Value) {
    configure(directory, url, grace(more));
    let report = directory.sh("cc-user sync-ldap --max-delete 100% --json").ended(0).json();
    let counts = &report["counts"];
    assert_eq!(
        [&counts["disabled"], &counts["returned"], &counts["deleted"]],
        [&json!(1), &json!(1), &json!(1)],
        "{report}"
    );
}

#[test]
fn sync_with_grace_period_and_a_bad_answer_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let (mut server, directory) = site_with_changes();
    let url = server.url();
    for (more, status) in [
        // An empty response, a wrong base, an attribute that no entry has, one without usernames.
        (json!({"user-filter": "(objectClass=device)"}), 75),
        (json!({"user-base": SYNC_DN}), 75),
        (json!({"user-base": format!("ou=unknown,{BASE}")}), 78),
        (json!({"uid-attr": "employeeNumber"}), 78),
        (json!({"uid-attr": "homeDirectory"}), 78),
        (json!({"search-dn": format!("cn=unknown,{BASE}")}), 77),
    ] {
        fails(&directory, &url, &more, "", status);
    }
    fails(&directory, &url, &json!({}), "LDAP_ADMIN_PASSWORD=wrong", 77);
    fails(&directory, "ldap://127.0.0.1:1", &json!({}), "", 69);
    // A base that is too narrow looks like a complete response: the limit stops the run.
    let before = files(&directory);
    configure(&directory, &url, grace(&json!({"user-base": format!("uid=u0,ou=people,{BASE}")})));
    directory.sh("cc-user sync-ldap").ended(75);
    assert!(files(&directory) == before, "a narrow base changed something");

    let tree = |uids: &[&str]| {
        uids.iter().fold(String::from(crate::slapd::TREE), |ldif, uid| ldif + &person(uid, uid))
    };
    let users = [&PRESENT[..], &["back"]].concat();
    let size = Manner { global: "sizelimit 4".to_owned(), ..Manner::default() };
    let limited = Slapd::start(&tree(&users), &size);
    let run = fails(&directory, &limited.url(), &json!({}), "", 69);
    assert!(run.stderr.contains("size limit"), "{}", run.stderr);
    let reference = format!(
        "dn: ou=other,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: other\n\
         ref: ldap://other.example/ou=other\n"
    );
    let partial = Slapd::with(&(tree(&users) + &reference));
    let run = fails(&directory, &partial.url(), &json!({}), "", 69);
    assert!(run.stderr.contains("1 reference"), "{}", run.stderr);

    succeeds(&directory, &url, &json!({}));
    server.kill();
    fails(&directory, &url, &json!({}), "", 69);
}

#[test]
fn sync_with_grace_period_and_a_broken_connection_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site_with_changes();
    let (port, passed) = proxy::counting(server.port);
    configure(&directory, &format!("ldap://127.0.0.1:{port}"), grace(&json!({})));
    directory.sh("cc-user sync-ldap --dry-run").ended(0);
    let all = passed.load(Ordering::SeqCst);
    // The answer to the bind has 14 bytes, an entry about 100.
    for (fault, places) in [
        (Fault::Cut, &[3, all / 2, all - 20, all - 1][..]),
        (Fault::Stall, &[all / 2]),
        (Fault::Repeat, &[3]),
        (Fault::Flip, &[4, 18]),
    ] {
        for after in places {
            let port = proxy::start(server.port, fault, *after);
            fails(&directory, &format!("ldap://127.0.0.1:{port}"), &json!({}), "", 69);
        }
    }
    succeeds(&directory, &server.url(), &json!({}));
}

#[test]
fn sync_with_grace_period_and_failed_tls_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let (plain, directory) = site_with_changes();
    let (authority, other) = (Authority::new(), Authority::new());
    let users = [&PRESENT[..], &["back"]].concat();
    let ldif = users.iter().fold(String::from(crate::slapd::TREE), |ldif, uid| ldif + &person(uid, uid));
    let server = Slapd::start(&ldif, &Manner { tls: Some(authority.issue(2100)), ..Manner::default() });
    let file = |authority: &Authority| authority.file().display().to_string();
    let starttls = server.url().replace("127.0.0.1", "localhost");
    fails(&directory, &server.ldaps(), &json!({"ca-file": file(&other)}), "", 69);
    fails(&directory, &starttls, &json!({"ca-file": file(&other), "starttls": true}), "", 69);
    // A server without TLS.
    fails(&directory, &plain.url(), &json!({"ca-file": file(&authority), "starttls": true}), "", 69);
    let ca = json!({"ca-file": file(&authority)});
    let (port, passed) = proxy::counting(server.tls_port);
    configure(&directory, &format!("ldaps://localhost:{port}"), grace(&ca));
    directory.sh("cc-user sync-ldap --dry-run").ended(0);
    let all = passed.load(Ordering::SeqCst);
    // The last bytes of the answer are before those that end the connection.
    for at in [100, all - 200] {
        let url = format!("ldaps://localhost:{}", proxy::start(server.tls_port, Fault::Flip, at));
        fails(&directory, &url, &ca, "", 69);
    }
    succeeds(&directory, &server.ldaps(), &ca);
}

/// Restores a saved database in place: its journal names the file.
fn restore(directory: &TestEnv) {
    directory
        .sh("rm -f var/job.db-* var/.cc-auth-*; for file in $(ls -A saved); do cat saved/$file > var/$file; done")
        .ended(0);
}

/// Whether the run made its three changes; otherwise it made none, in the table, the file of disabled users and the
/// journal alike.
#[track_caller]
fn is_changed(directory: &TestEnv, about: &str) -> bool {
    let rows = rows(directory);
    let row = |username: &str| rows.lines().find(|row| row.starts_with(&format!("{username},")));
    let roles_before = |username: &str| state(directory, username)["roles"].clone();
    let found = [
        (row("gone"), roles_before("gone")),
        (row("back"), roles_before("back")),
        (row("due"), roles_before("due")),
    ];
    let old = [
        (Some("gone,gone,,user,,ldap,"), Value::Null),
        (Some("back,back,,,p1,ldap,"), json!(["user", "manager"])),
        (Some("due,due,,,,ldap,"), json!(["user"])),
    ];
    let new = [
        (Some("gone,gone,,,,ldap,"), json!(["user"])),
        (Some("back,back,,\"user,manager\",p1,ldap,"), Value::Null),
        (None, Value::Null),
    ];
    assert!(found == old || found == new, "{about}: {found:?}");
    let log = directory.sh("cc-user log --limit 5 --json").ended(0).stdout;
    let runs: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(runs.iter().all(|run| run["end"] != Value::Null), "{about}: {log}");
    let is_recorded = runs.iter().any(|run| run["changes"] == 3 && run["end"] == "committed");
    assert_eq!(is_recorded, found == new, "{about}: {log}");
    is_recorded
}

#[test]
fn sync_with_grace_period_and_a_fault_at_a_system_call_makes_all_changes_or_none() {
    const CALLS: [&str; 7] =
        ["write", "pwrite64", "fsync", "fdatasync", "rename,renameat", "ftruncate", "unlink,unlinkat"];
    if !has("slapd") || !has("strace") {
        return;
    }
    let (_server, directory) = site_with_changes();
    if directory.sh("strace -qq -o calls true").status != 0 && skip("no program can be traced") {
        return;
    }
    directory.sh("cp -a var saved").ended(0);
    for (fault, is_kill) in [("signal=KILL", true), ("error=ENOSPC", false)] {
        let mut outcomes = [0, 0];
        for call in CALLS {
            // The first write of the program wakes its LDAP client, which has no error for it.
            let first = if call == "write" && !is_kill { 2 } else { 1 };
            for number in first..60 {
                restore(&directory);
                let run = directory.sh(&format!(
                    "strace -f -qq -o calls -e trace={call} -e inject={call}:{fault}:when={number} \
                     cc-user sync-ldap -q"
                ));
                let about = format!("{call} {number} {fault}: {} {}", run.status, run.stderr);
                let calls = directory.read("calls");
                if !calls.contains("INJECTED") && !calls.contains("SIGKILL") {
                    assert_eq!(run.status, 0, "{about}");
                    break;
                }
                assert!(is_kill || [0, 74].contains(&run.status), "{about}");
                assert!(!run.stderr.contains("panicked"), "{about}");
                // The next change of any command completes an interrupted run.
                if number % 2 == 0 {
                    directory.sh("cc-user set -q u0 --email u0@example.org").ended(0);
                    let is_changed = is_changed(&directory, &about);
                    assert!(is_changed || is_kill || run.status == 74, "{about}");
                    outcomes[usize::from(is_changed)] += 1;
                }
                directory.sh("cc-user sync-ldap -q && cc-user set -q u1 --email u1@example.org").ended(0);
                assert!(is_changed(&directory, &format!("{about}, the next run")));
            }
        }
        assert!(outcomes[0] > 3 && outcomes[1] > 3, "{fault}: {outcomes:?}");
    }
}
