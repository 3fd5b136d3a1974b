//! Faults during a sync with a grace period and a group map: the run disables, returns and deletes users and changes
//! roles and projects, or it changes nothing.

use std::fs;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::group_map::{GROUPS, group, user_dn};
use crate::proxy::{self, Fault};
use crate::slapd::{Authority, BASE, Manner, SYNC_DN, Slapd, TREE, person};
use crate::support::{Run, TestEnv, has, skip};
use crate::sync::{configure, directory_for};
use crate::sync_grace::{STATE, add, remove, rows, shift};

const JOURNAL: &str = "var/job.db.history.jsonl";
const GIVEN: &str = "var/job.db.history.given.json";
const USERS: [&str; 9] = ["u0", "u1", "u2", "u3", "u4", "u5", "back", "due", "gone"];
/// The users of the LDAP directory before the run.
const PRESENT: [&str; 7] = ["u0", "u1", "u2", "u3", "u4", "u5", "back"];
/// The groups before the first run and before the run of the tests.
const FIRST: [(&str, &[&str]); 3] =
    [("hpc-support", &["u0", "u1", "back", "due", "gone"]), ("pi-a", &["u2", "back"]), ("pi-b", &["u3"])];
const NOW: [(&str, &[&str]); 3] =
    [("hpc-support", &["u0", "u4", "back"]), ("pi-a", &["u2"]), ("pi-b", &["u3", "u5"])];

fn ldif(users: &[&str], groups: &[(&str, &[&str])], more: &str) -> String {
    let base = format!("dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups\n\n");
    let users = users.iter().fold(String::from(TREE), |ldif, uid| ldif + &person(uid, uid)) + &base;
    let groups = groups.iter().fold(users, |ldif, (cn, members)| {
        let members: Vec<String> = members.iter().map(|uid| user_dn(uid)).collect();
        ldif + &group(cn, "groupOfNames", "member", &members.iter().map(String::as_str).collect::<Vec<_>>())
    });
    groups + more
}

/// The settings with other values of `auth.ldap` and of `group-map`.
fn settings(more: &Value, of_map: &Value) -> Value {
    let mut ldap = json!({
        "sync-grace-period": "720h",
        "group-map": {"group-base": GROUPS, "nesting-depth": 1, "rules": [
            {"cn": "hpc-support", "roles": ["support"]},
            {"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]},
        ]},
    });
    for (name, value) in more.as_object().unwrap() {
        ldap[name] = value.clone();
    }
    for (name, value) in of_map.as_object().unwrap() {
        ldap["group-map"][name] = value.clone();
    }
    ldap
}

/// A site whose next run disables 'gone', returns 'back' without the project, deletes 'due', removes a role from 'u1',
/// and adds one to 'u4' and to 'u5', with a project.
fn site() -> (Slapd, TestEnv) {
    let server = Slapd::with(&ldif(&USERS, &FIRST, ""));
    let directory = directory_for(&server.url(), settings(&json!({}), &json!({})));
    directory.sh("cc-user sync-ldap -q && cc-user add -q root --role admin --no-password").ended(0);
    for uid in ["back", "due"] {
        remove(&server, uid);
    }
    directory.sh("cc-user sync-ldap -q").ended(0);
    shift(&directory, "due", -31);
    add(&server, "back", "back");
    remove(&server, "gone");
    for (cn, members) in NOW {
        let members: String = members.iter().map(|uid| format!("member: {}\n", user_dn(uid))).collect();
        server.modify(&format!("dn: cn={cn},{GROUPS}\nchangetype: modify\nreplace: member\n{members}\n"));
    }
    (server, directory)
}

/// The rows, what the groups gave, the disabled users and the journal.
fn files(directory: &TestEnv) -> [String; 4] {
    let [given, disabled, journal] = [GIVEN, STATE, JOURNAL].map(|name| directory.read(name));
    [rows(directory), given, disabled, journal]
}

/// Runs the sync without a limit on changes; it fails and changes nothing.
#[track_caller]
fn fails(directory: &TestEnv, url: &str, settings: Value, environment: &str, status: i32) -> Run {
    let before = files(directory);
    configure(directory, url, settings.clone());
    let run = directory
        .sh(&format!("{environment} cc-user sync-ldap --max-delete 1000 --timeout 1s --connect-timeout 2s"))
        .ended(status);
    assert!(run.stderr.starts_with("cc-user: "), "{url} {settings}: {}", run.stderr);
    assert!(files(directory) == before, "{url} {settings}: something was changed");
    run
}

/// The same run without a fault makes all changes.
#[track_caller]
fn succeeds(directory: &TestEnv, url: &str, more: &Value) {
    configure(directory, url, settings(more, &json!({})));
    let report = directory.sh("cc-user sync-ldap --max-delete 1000 --json").ended(0).json();
    let counts = &report["counts"];
    let names = [
        "disabled",
        "returned",
        "deleted",
        "roles_added",
        "roles_removed",
        "projects_added",
        "projects_removed",
    ];
    assert_eq!(names.map(|name| counts[name].as_u64().unwrap()), [1, 1, 1, 2, 2, 1, 1], "{report}");
}

#[test]
fn sync_with_grace_period_and_group_map_and_a_bad_answer_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let (mut server, directory) = site();
    let url = server.url();
    let none = || json!({});
    let only_pattern = json!([{"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}]);
    let rule = |rule: Value| json!({"rules": [rule, only_pattern[0]]});
    for (more, of_map, status) in [
        // The search for users: an empty response, wrong bases, attributes without usernames, wrong credentials.
        (json!({"user-filter": "(objectClass=device)"}), none(), 75),
        (json!({"user-base": SYNC_DN}), none(), 75),
        (json!({"user-base": format!("ou=unknown,{BASE}")}), none(), 78),
        (json!({"uid-attr": "employeeNumber"}), none(), 78),
        (json!({"uid-attr": "homeDirectory"}), none(), 78),
        (json!({"search-dn": format!("cn=unknown,{BASE}")}), none(), 77),
        // The search for groups: a wrong base, an empty response, groups that are missing, an attribute that is absent.
        (none(), json!({"group-base": format!("ou=unknown,{BASE}")}), 78),
        (none(), json!({"group-base": format!("ou=people,{BASE}")}), 69),
        (none(), json!({"group-base": format!("ou=people,{BASE}"), "rules": only_pattern}), 69),
        (none(), json!({"group-filter": "(objectClass=device)", "rules": only_pattern}), 69),
        (none(), rule(json!({"dn": format!("cn=unknown,{GROUPS}"), "roles": ["support"]})), 69),
        (none(), rule(json!({"cn": "unknown", "roles": ["support"]})), 69),
        (none(), json!({"member-attr": "seeAlso", "group-filter": "(cn=*)"}), 69),
        // Settings that cannot be read.
        (json!({"sync-grace-period": "-1h"}), none(), 78),
        (none(), json!({"rules": []}), 78),
    ] {
        fails(&directory, &url, settings(&more, &of_map), "", status);
    }
    let good = || settings(&none(), &none());
    fails(&directory, &url, good(), "LDAP_ADMIN_PASSWORD=wrong", 77);
    fails(&directory, "ldap://127.0.0.1:1", good(), "", 69);
    // A narrow base and a narrow filter look like complete answers: the limit stops the run.
    let before = files(&directory);
    let narrow = json!({"user-base": format!("uid=u0,ou=people,{BASE}")});
    for (more, of_map) in [(narrow, none()), (none(), json!({"rules": [{"cn": "pi-a", "roles": ["api"]}]}))] {
        configure(&directory, &url, settings(&more, &of_map));
        directory.sh("cc-user sync-ldap --max-delete 5").ended(75);
        assert!(files(&directory) == before, "{more} {of_map}: something was changed");
    }

    // Limits, references and hidden attributes: of users, and of groups alone.
    let limit = |size: usize| Manner { global: format!("sizelimit {size}"), ..Manner::default() };
    let reference = |base: &str| {
        format!(
            "dn: ou=other,{base}\nobjectClass: referral\nobjectClass: extensibleObject\nou: other\n\
             ref: ldap://other.example/ou=other\n\n"
        )
    };
    let more_groups: String =
        (0..6).map(|number| group(&format!("g{number}"), "groupOfNames", "member", &[SYNC_DN])).collect();
    let hidden = Manner {
        database: format!(
            "access to dn.exact=\"cn=hpc-support,{GROUPS}\" attrs=member by * none\naccess to * by * read"
        ),
        ..Manner::default()
    };
    for (more, manner, expected) in [
        (String::new(), limit(4), "size limit"),
        (more_groups, limit(8), "size limit"),
        (reference(&format!("ou=people,{BASE}")), Manner::default(), "references"),
        (reference(GROUPS), Manner::default(), "references"),
        (String::new(), hidden, "does not have 'member'"),
    ] {
        let other = Slapd::start(&ldif(&PRESENT, &NOW, &more), &manner);
        let run = fails(&directory, &other.url(), good(), "", 69);
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    succeeds(&directory, &url, &none());
    server.kill();
    fails(&directory, &url, good(), "", 69);
}

#[test]
fn sync_with_grace_period_and_group_map_and_a_broken_connection_changes_nothing() {
    if !has("slapd") {
        return;
    }
    let (server, directory) = site();
    let good = || settings(&json!({}), &json!({}));
    let (port, passed) = proxy::counting(server.port);
    configure(&directory, &format!("ldap://127.0.0.1:{port}"), good());
    directory.sh("cc-user sync-ldap --dry-run").ended(0);
    let all = passed.load(Ordering::SeqCst);
    // The first half of the answers has the users, the rest the groups. After the end of the last answer nothing is read.
    for (fault, places) in [
        (Fault::Cut, &[3, all / 3, all / 2, all - 300, all - 20, all - 1][..]),
        (Fault::Stall, &[all / 3, all - 300]),
        (Fault::Repeat, &[3, all / 3]),
        (Fault::Flip, &[4, 18]),
    ] {
        for after in places {
            let port = proxy::start(server.port, fault, *after);
            fails(&directory, &format!("ldap://127.0.0.1:{port}"), good(), "", 69);
        }
    }
    // TLS.
    let (authority, other) = (Authority::new(), Authority::new());
    let manner = Manner { tls: Some(authority.issue(2100)), ..Manner::default() };
    let tls = Slapd::start(&ldif(&PRESENT, &NOW, ""), &manner);
    let starttls = |server: &Slapd| server.url().replace("127.0.0.1", "localhost");
    let with = |authority: &Authority, starttls: bool| json!({"ca-file": authority.file().display().to_string(), "starttls": starttls});
    let failing = |more: Value| settings(&more, &json!({}));
    fails(&directory, &tls.ldaps(), failing(with(&other, false)), "", 69);
    fails(&directory, &starttls(&tls), failing(with(&other, true)), "", 69);
    fails(&directory, &server.url(), failing(with(&authority, true)), "", 69);
    let (port, passed) = proxy::counting(tls.tls_port);
    configure(&directory, &format!("ldaps://localhost:{port}"), failing(with(&authority, false)));
    directory.sh("cc-user sync-ldap --dry-run").ended(0);
    let all = passed.load(Ordering::SeqCst);
    for at in [100, all / 2, all - 200] {
        let url = format!("ldaps://localhost:{}", proxy::start(tls.tls_port, Fault::Flip, at));
        fails(&directory, &url, failing(with(&authority, false)), "", 69);
    }
    succeeds(&directory, &tls.ldaps(), &with(&authority, false));
}

/// Restores a saved database in place: its journal names the file.
fn restore(directory: &TestEnv) {
    directory
        .sh("rm -f var/job.db-* var/.cc-auth-*; for file in $(ls -A saved); do cat saved/$file > var/$file; done")
        .ended(0);
}

/// The rows, what the groups gave, and the disabled users without times. 'root' is changed by the tests.
fn state(directory: &TestEnv) -> [String; 3] {
    let rows = rows(directory).lines().filter(|row| !row.starts_with("root,")).collect::<Vec<_>>().join("\n");
    let mut disabled: Value = serde_json::from_str(&directory.read(STATE)).unwrap();
    for (_, user) in disabled["users"].as_object_mut().unwrap() {
        user["missing_since"] = json!(user["missing_since"].is_i64());
    }
    [rows, directory.read(GIVEN), disabled.to_string()]
}

#[test]
fn sync_with_grace_period_and_group_map_and_a_fault_at_a_system_call_makes_all_changes_or_none() {
    const CALLS: [&str; 5] = ["write", "pwrite64", "fsync,fdatasync", "rename,renameat", "unlink,unlinkat"];
    if !has("slapd") || !has("strace") {
        return;
    }
    let (_server, directory) = site();
    if directory.sh("strace -qq -o calls true").status != 0 && skip("no program can be traced") {
        return;
    }
    directory.sh("cp -a var saved").ended(0);
    let old = state(&directory);
    directory.sh("cc-user sync-ldap -q --max-delete 1000").ended(0);
    let new = state(&directory);
    assert!(old.iter().zip(&new).all(|(old, new)| old != new), "the run changes each file");
    let mut outcomes = [0, 0];
    for (fault, is_kill) in [("signal=KILL", true), ("error=ENOSPC", false)] {
        for call in CALLS {
            // The first write of the program wakes its LDAP client, which has no error for it.
            let first = if call == "write" && !is_kill { 2 } else { 1 };
            for number in (first..60).step_by(2) {
                restore(&directory);
                let run = directory.sh(&format!(
                    "strace -f -qq -o calls -e trace={call} -e inject={call}:{fault}:when={number} \
                     cc-user sync-ldap -q --max-delete 1000"
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
                directory.sh("cc-user set -q root --email root@example.org").ended(0);
                let found = state(&directory);
                assert!(found == old || found == new, "{about}: {found:?}");
                let is_changed = found == new;
                assert!(is_changed || is_kill || run.status == 74, "{about}");
                outcomes[usize::from(is_changed)] += 1;
                let log = directory.sh("cc-user log --limit 5 --json").ended(0).stdout;
                let runs: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                let is_recorded = runs.iter().any(|run| run["changes"] == 6 && run["end"] == "committed");
                assert_eq!(is_recorded, is_changed, "{about}: {log}");
                directory.sh("cc-user sync-ldap -q --max-delete 1000").ended(0);
                assert_eq!(state(&directory), new, "{about}, the next run");
            }
        }
    }
    assert!(outcomes[0] > 3 && outcomes[1] > 3, "{outcomes:?}");
}

#[test]
fn sync_with_grace_period_and_group_map_by_several_processes_at_once_makes_the_changes_of_one() {
    if !has("slapd") {
        return;
    }
    let (_server, directory) = site();
    fs::create_dir(directory.file("out")).unwrap();
    directory
        .sh("for n in 1 2 3 4; do cc-user sync-ldap --wait 30s --max-delete 1000 --json > out/$n & pids=\"$pids $!\"; done; \
             for pid in $pids; do wait $pid || exit 1; done")
        .ended(0);
    let sum = |name: &str| -> u64 {
        let report = |n| serde_json::from_str::<Value>(&directory.read(&format!("out/{n}"))).unwrap();
        (1..=4).map(|n| report(n)["counts"][name].as_u64().unwrap()).sum()
    };
    let names = ["disabled", "returned", "deleted", "roles_added", "roles_removed", "projects_added"];
    assert_eq!(names.map(sum), [1, 1, 1, 2, 2, 1]);
    let second = directory.sh("cc-user sync-ldap --json").ended(0).json();
    assert_eq!(second["counts"]["rights_changed"], 0, "{second}");
}
