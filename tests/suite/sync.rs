//! `cc-user sync-ldap` against a real slapd.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::slapd::{BASE, Manner, SYNC_DN, SYNC_PASSWORD, Slapd, TREE, crowd, person};
use crate::support::{Run, TestEnv, has, programs};

/// A directory with a configuration for this server, the password in `.env`, and an empty database.
pub fn directory_for(url: &str, more: serde_json::Value) -> TestEnv {
    let directory = TestEnv::new();
    std::fs::create_dir(directory.file("var")).unwrap();
    cc_auth::user_db::create(&directory.file("var/job.db")).unwrap();
    configure(&directory, url, more);
    directory
}

/// Writes the configuration; `more` replaces or adds members of `ldap`.
pub fn configure(directory: &TestEnv, url: &str, more: serde_json::Value) {
    let mut ldap = json!({
        "url": url, "user-base": BASE, "search-dn": SYNC_DN,
        "user-bind": format!("uid={{username}},ou=people,{BASE}"),
        "user-filter": "(objectclass=posixAccount)",
    });
    for (name, value) in more.as_object().unwrap() {
        ldap[name] = value.clone();
    }
    directory.write("config.json", json!({"auth": {"jwts": {"max-age": "2000h"}, "ldap": ldap}}).to_string());
    let env = directory.write(".env", format!("LDAP_ADMIN_PASSWORD='{SYNC_PASSWORD}'\n"));
    std::fs::set_permissions(env, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// The table as `sqlite` would show it: everything that a sync may or must not change.
pub fn table(directory: &TestEnv) -> Vec<String> {
    let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT username || '|' || ldap || '|' || coalesce(name, '-') || '|' || roles || '|' || projects \
             FROM user ORDER BY username",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn execute(directory: &TestEnv, sql: &str) {
    rusqlite::Connection::open(directory.file("var/job.db")).unwrap().execute_batch(sql).unwrap();
}

fn sync(directory: &TestEnv, arguments: &str) -> Run {
    directory.sh(&format!("cc-user sync-ldap {arguments}"))
}

fn unlimited() -> Manner {
    Manner { global: "sizelimit unlimited".to_owned(), ..Manner::default() }
}

#[test]
fn sync_adds_all_users_of_the_directory() {
    if !has("slapd") {
        return;
    }
    for count in [1, 1000, 20_000] {
        let server = Slapd::start(&crowd(count), &unlimited());
        let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
        let first = sync(&directory, "--json").ended(0).json();
        assert_eq!(first["counts"]["added"], count, "{count}");
        let rows = table(&directory);
        assert_eq!(rows.len(), count);
        assert!(rows.first().is_none_or(|row| row == "u000000|1|User 0|[\"user\"]|[]"), "{rows:?}");
        let second = sync(&directory, "--json").ended(0).json();
        assert_eq!((&second["counts"]["added"], &second["counts"]["unchanged"]), (&json!(0), &json!(count)));
        assert_eq!(table(&directory), rows);
    }
}

#[test]
fn sync_adds_renames_and_deletes_users_and_leaves_others_unchanged() {
    if !has("slapd") {
        return;
    }
    let people = |names: &[(&str, &str)]| {
        names.iter().fold(String::from(TREE), |ldif, (uid, name)| ldif + &person(uid, name))
    };
    let server =
        Slapd::with(&people(&[("anna", "Anna Alt"), ("ben", "Ben B"), ("gone", "Gone G"), ("local", "L")]));
    let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
    execute(
        &directory,
        "INSERT INTO user(username, ldap, name, roles, projects, password)
         VALUES ('local', 0, 'Here', '[\"admin\"]', '[]', 'hash'), ('tok', 2, 'T', '[\"user\"]', '[]', NULL)",
    );
    sync(&directory, "").ended(0);
    execute(
        &directory,
        "UPDATE user SET roles = '[\"user\",\"manager\"]', projects = '[\"p\"]' WHERE username = 'ben'",
    );
    server.modify(&format!(
        "dn: uid=anna,ou=people,{BASE}\nchangetype: modify\nreplace: gecos\ngecos: Anna Neu\n\n\
         dn: uid=gone,ou=people,{BASE}\nchangetype: delete\n\n{}",
        person("zoe", "Zoe Z").replacen("\nobjectClass", "\nchangetype: add\nobjectClass", 1)
    ));
    let before = table(&directory);
    let shown = sync(&directory, "--dry-run").ended(0);
    assert_eq!(
        shown.stdout,
        "add       zoe               Zoe Z\n\
         rename    anna              'Anna Alt' is now 'Anna Neu'\n\
         delete    gone              not in the LDAP directory\n\
         conflict  local             auth source local, not changed\n\
         would be: 1 added, 1 renamed, 1 deleted, 1 unchanged, 1 conflict (4 entries)\n"
    );
    assert_eq!(table(&directory), before, "a dry run changes nothing");
    let plan = sync(&directory, "--dry-run --json").ended(0).json();
    assert_eq!(plan["deleted"], json!(["gone"]));
    assert_eq!(plan["renamed"], json!([{"username": "anna", "before": "Anna Alt", "after": "Anna Neu"}]));
    assert_eq!(plan["conflicts"], json!([{"username": "local", "source": "local"}]));
    let done = sync(&directory, "").ended(0);
    assert!(
        done.stdout.starts_with(
            "deleted   gone\n1 added, 1 renamed, 1 deleted, 1 unchanged, 1 conflict (4 entries in "
        ),
        "{}",
        done.stdout
    );
    assert_eq!(
        table(&directory),
        [
            "anna|1|Anna Neu|[\"user\"]|[]",
            "ben|1|Ben B|[\"user\",\"manager\"]|[\"p\"]",
            "local|0|Here|[\"admin\"]|[]",
            "tok|2|T|[\"user\"]|[]",
            "zoe|1|Zoe Z|[\"user\"]|[]",
        ]
    );
}

#[test]
fn sync_deletes_no_user_without_the_option() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(3));
    let directory = directory_for(&server.url(), json!({}));
    sync(&directory, "").ended(0);
    server.modify(&format!("dn: uid=u000001,ou=people,{BASE}\nchangetype: delete\n"));
    let kept = sync(&directory, "").ended(0);
    assert!(kept.stdout.contains("0 deleted"), "{}", kept.stdout);
    assert!(
        kept.stderr.contains(
            "1 user is not in the LDAP directory, but not deleted (--delete-missing deletes such users)"
        ),
        "{}",
        kept.stderr
    );
    assert_eq!(table(&directory).len(), 3);
    sync(&directory, "--delete-missing").ended(0);
    assert_eq!(table(&directory).len(), 2);
}

#[test]
fn sync_with_too_many_deletions_changes_nothing_until_they_are_allowed() {
    if !has("slapd") {
        return;
    }
    let all = Slapd::with(&crowd(100));
    let directory = directory_for(&all.url(), json!({"sync-del-old-users": true}));
    sync(&directory, "").ended(0);
    let before = table(&directory);
    let few = Slapd::with(&crowd(60));
    configure(&directory, &few.url(), json!({"sync-del-old-users": true}));
    let refused = sync(&directory, "").ended(75);
    assert_eq!(
        refused.stderr,
        "cc-user: 40 of 100 LDAP users are no longer in the LDAP directory, and the deletion limit is 10: \
         nothing was changed\n\
         hint: print the users with 'cc-user sync-ldap --dry-run'; if they left, allow it once with --max-delete 40\n"
    );
    for limit in ["39", "39%", "0", "0%"] {
        sync(&directory, &format!("--max-delete {limit}")).ended(75);
    }
    assert_eq!(table(&directory), before);
    let plan = sync(&directory, "--dry-run --json").ended(75).json();
    assert_eq!(
        plan["error"],
        json!({"kind": "sync-too-many-deletions", "deletions": 40, "allowed": 10, "known": 100})
    );
    sync(&directory, "--max-delete 40").ended(0);
    assert_eq!(table(&directory).len(), 60);
}

#[test]
fn sync_empty_directory_deletes_no_user_with_any_option() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(7));
    let directory = directory_for(&server.url(), json!({}));
    sync(&directory, "").ended(0);
    let before = table(&directory);
    for (more, status, without, with) in [
        // A filter that matches nothing, and an empty base.
        (
            json!({"user-filter": "(objectClass=device)"}),
            75,
            "no users: nothing was changed",
            "no users; refusing to delete 7 LDAP users",
        ),
        (
            json!({"user-base": SYNC_DN}),
            75,
            "no users: nothing was changed",
            "no users; refusing to delete 7 LDAP users",
        ),
        // An attribute that no entry has.
        (
            json!({"uid-attr": "employeeNumber"}),
            78,
            "7 entries, none with the attribute 'employeeNumber'",
            "7 entries, none with the attribute 'employeeNumber'",
        ),
        // One that all have, but never a username.
        (
            json!({"uid-attr": "homeDirectory"}),
            78,
            "7 entries, none with a usable username in 'homeDirectory' (missing in 0)",
            "7 entries, none with a usable username in 'homeDirectory' (missing in 0)",
        ),
    ] {
        configure(&directory, &server.url(), more.clone());
        for (arguments, expected) in [
            ("", without),
            ("--dry-run", without),
            ("--delete-missing --max-delete 100% --delete-admins", with),
            ("--delete-missing --dry-run", with),
        ] {
            let refused = sync(&directory, arguments).ended(status);
            let expected = format!("the LDAP search returned {expected}");
            assert!(refused.stderr.contains(&expected), "{more} {arguments}: {}", refused.stderr);
            assert_eq!(table(&directory), before, "{more} {arguments}");
        }
    }
}

#[test]
fn sync_with_a_narrow_base_stops_at_the_deletion_limit() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(200));
    let directory = directory_for(&server.url(), json!({}));
    sync(&directory, "").ended(0);
    let before = table(&directory);
    configure(&directory, &server.url(), json!({"user-base": format!("uid=u000001,ou=people,{BASE}")}));
    sync(&directory, "--delete-missing").ended(75);
    configure(&directory, &server.url(), json!({"user-base": format!("ou=unknown,{BASE}")}));
    sync(&directory, "--delete-missing").ended(78);
    assert_eq!(table(&directory), before);
}

#[test]
fn sync_with_a_partial_response_changes_nothing() {
    if !has("slapd") {
        return;
    }
    // slapd's own limit of 500 entries stays.
    let server = Slapd::with(&crowd(1200));
    let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
    for page in ["0", "100", "1000"] {
        let cut = sync(&directory, &format!("--page-size {page}")).ended(69);
        assert!(cut.stderr.contains("stopped at its size limit"), "{}", cut.stderr);
        assert!(table(&directory).is_empty());
    }
    let elsewhere = Slapd::start(
        &format!(
            "{TREE}{}dn: ou=other,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: other\nref: ldap://other.example/ou=other\n",
            person("anna", "Anna")
        ),
        &Manner::default(),
    );
    configure(&directory, &elsewhere.url(), json!({}));
    let parts = sync(&directory, "").ended(69);
    assert!(parts.stderr.contains("(1 reference: 'ldap://other.example/ou=other??sub')"), "{}", parts.stderr);
    assert!(table(&directory).is_empty());
    sync(&directory, "--ignore-references").ended(0);
    assert_eq!(table(&directory).len(), 1);
    configure(&directory, &elsewhere.url(), json!({"user-base": format!("ou=x,ou=other,{BASE}")}));
    let sent_away = sync(&directory, "").ended(69);
    assert!(
        sent_away.stderr.contains("refers to another server: 'ldap://other.example"),
        "{}",
        sent_away.stderr
    );
}

#[test]
fn invalid_entries_are_skipped_and_the_rest_is_synchronized() {
    if !has("slapd") {
        return;
    }
    let mut ldif = format!("{TREE}{}{}", person("anna", "Anna A"), person("j\u{fc}rgen", "Juergen"));
    let long = "l".repeat(101);
    let _ = write!(
        ldif,
        "{}{}",
        person(&long, "Long"),
        person("Anna", "Other Anna").replace("dn: uid=Anna", "dn: cn=x")
    );
    // No uid at all, a uid of several values, an escaped comma, a binary one.
    let account = |dn: &str, uids: &str| {
        format!(
            "dn: {dn},ou=people,{BASE}\nobjectClass: device\nobjectClass: extensibleObject\nobjectClass: posixAccount\n\
             cn: c\nuidNumber: 1\ngidNumber: 1\nhomeDirectory: /h\n{uids}\n"
        )
    };
    ldif.push_str(&account("cn=c", "uid: several\nuid: further\ngecos: S\n"));
    ldif.push_str(&account("uid=co\\2cmma", "uid: co,mma\n"));
    ldif.push_str(&person("twice", "T1"));
    ldif.push_str(&person("twice", "T2").replace("dn: uid=twice", "dn: cn=twice"));
    let server = Slapd::with(&ldif);
    let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
    execute(
        &directory,
        "INSERT INTO user(username, ldap, name, roles, projects) VALUES ('further', 1, 'F', '[]', '[]'), ('twice', 1, 'T0', '[]', '[]')",
    );
    let done = sync(&directory, "--json").ended(0);
    let names: Vec<String> =
        table(&directory).iter().map(|row| row.split("|[").next().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        [
            "Anna|1|Other Anna",
            "anna|1|Anna A",
            "co,mma|1|-",
            "further|1|F",
            "j\u{fc}rgen|1|Juergen",
            "several|1|S",
            "twice|1|T0"
        ]
    );
    let report = done.json();
    assert_eq!(report["similar_usernames"], json!([["Anna", "anna"]]));
    assert_eq!(report["counts"]["skipped"], 2, "{report}");
    let second = sync(&directory, "--json").ended(0).json();
    assert_eq!((&second["counts"]["added"], &second["counts"]["deleted"]), (&json!(0), &json!(0)));
}

#[test]
fn sync_does_not_delete_a_missing_admin_and_warns() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(2));
    let directory = directory_for(&server.url(), json!({"sync-del-old-users": true}));
    execute(
        &directory,
        "INSERT INTO user(username, ldap, roles, projects) VALUES ('boss', 1, '[\"admin\"]', '[]'), ('broken', 1, 'rubbish', '[]')",
    );
    let kept = sync(&directory, "").ended(0);
    assert!(
        kept.stderr.contains(
            "administrators who are not in the LDAP directory are not deleted (--delete-admins deletes them): \
             'boss', 'broken'"
        ),
        "{}",
        kept.stderr
    );
    assert_eq!(table(&directory).len(), 4);
    // The option does not delete the last administrators, also if another user has roles that cannot be read.
    for options in ["--delete-admins", "--delete-admins --grace-period 30d"] {
        let last = sync(&directory, options).ended(0);
        let message = "d (no other administrator would remain): 'boss', 'broken'";
        assert!(last.stderr.contains(message), "{options}: {}", last.stderr);
        let plan = sync(&directory, &format!("--dry-run --json {options}")).ended(0).json();
        assert_eq!(plan["protected_admins"], json!(["boss", "broken"]), "{options}");
        assert_eq!(table(&directory).len(), 4, "{options}");
    }
    directory.sh("cc-user add -q local --role admin --no-password").ended(0);
    sync(&directory, "--delete-admins").ended(0);
    assert_eq!(table(&directory).len(), 3);
}

#[test]
fn sync_with_invalid_credentials_or_settings_reports_the_reason() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(1));
    let directory = directory_for(&server.url(), json!({}));
    let refused = directory.sh("LDAP_ADMIN_PASSWORD=wrong cc-user sync-ldap").ended(77);
    assert!(
        refused
            .stderr
            .contains("rejects the bind as 'cn=sync,dc=rz,dc=example,dc=com': name or password is wrong"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("=wrong"), "{}", refused.stderr);
    let unset = directory.sh("LDAP_ADMIN_PASSWORD= cc-user sync-ldap").ended(78);
    assert!(unset.stderr.contains("LDAP_ADMIN_PASSWORD is set to an empty value"), "{}", unset.stderr);
    for (more, status, word) in [
        (json!({"url": "http://x"}), 78, "expected the scheme"),
        (json!({"url": "ldap://127.0.0.1:1"}), 69, "connection refused"),
        (json!({"url": "ldap://nowhere.invalid"}), 69, "nowhere.invalid"),
        (json!({"user-filter": "(x"}), 78, "filter '(x'"),
        (json!({"user-base": null}), 78, "auth.ldap.user-base"),
        (json!({"search-dn": "not a name"}), 78, "does not accept the bind name 'not a name'"),
    ] {
        configure(&directory, &server.url(), more.clone());
        let run = sync(&directory, "").ended(status);
        assert!(run.stderr.contains(word), "{more}: {}", run.stderr);
    }
    configure(&directory, &server.url(), json!({"search-dn": ""}));
    let anonymous = sync(&directory, "").ended(0);
    assert!(
        anonymous.stderr.contains("search-dn is not set: the LDAP search is anonymous here"),
        "{}",
        anonymous.stderr
    );
    assert_eq!(table(&directory).len(), 1);
}

#[test]
fn sync_metrics_are_written_after_success_and_failure() {
    if !has("slapd") {
        return;
    }
    let mut server = Slapd::with(&crowd(5));
    let directory = directory_for(&server.url(), json!({}));
    sync(&directory, "--metrics-file sync.prom").ended(0);
    let good = directory.read("sync.prom");
    assert!(
        good.contains("cc_user_sync_ldap_exit_status 0\n") && good.contains("{what=\"added\"} 5\n"),
        "{good}"
    );
    server.kill();
    sync(&directory, "--metrics-file sync.prom").ended(69);
    let bad = directory.read("sync.prom");
    assert!(
        bad.contains("cc_user_sync_ldap_exit_status 69\n") && bad.contains("last_success_timestamp"),
        "{bad}"
    );
    directory.write("config.json", "{");
    sync(&directory, "--metrics-file sync.prom").ended(78);
    let unset = directory.read("sync.prom");
    assert!(unset.contains("cc_user_sync_ldap_exit_status 78\n"), "{unset}");
}

#[test]
fn sync_with_an_empty_full_name_does_not_change_the_name() {
    if !has("slapd") {
        return;
    }
    // The syntax of gecos lets it be empty (RFC 4517 3.3.15).
    let server = Slapd::with(&format!("{TREE}{}{}", person("anna", ""), person("ben", "Ben")));
    let directory = directory_for(&server.url(), json!({}));
    sync(&directory, "").ended(0);
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute("UPDATE user SET name = 'Anna A' WHERE username = 'anna'", [])
        .unwrap();
    assert!(sync(&directory, "").ended(0).stdout.starts_with("0 added, 0 renamed, 0 deleted, 2 unchanged"));
    directory.sh("cc-user show anna | grep 'Anna A'").ended(0);
}

#[test]
fn systemd_services_run_existing_commands_in_a_sandbox() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd");
    let directory = TestEnv::new();
    for (unit, exposure) in [
        ("cc-user-sync-ldap.service", 15),
        ("cc-user-sync-slurm.service", 20),
        ("cc-jwt-renew@.service", 8),
        ("cc-jwt-renew-into.service", 45),
    ] {
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
        directory.sh(&format!("{line} --help")).ended(0);
        // As installed, but for the place of the programs.
        let here = text.replace("=/usr/bin/cc-", &format!("={}/cc-", programs().display()));
        directory.write(&unit.replace('@', "@x"), here);
        if has("systemd-analyze") {
            let unit = unit.replace('@', "@x");
            let verified = directory.sh(&format!("systemd-analyze verify --man=no ./{unit}")).ended(0);
            assert_eq!(verified.stderr, "", "{unit}");
            directory
                .sh(&format!("systemd-analyze security --offline=true --threshold={exposure} ./{unit}"))
                .ended(0);
        }
    }
    let timer = std::fs::read_to_string(units.join("cc-user-sync-ldap.timer")).unwrap();
    assert!(timer.contains("OnCalendar="));
    directory.write("cc-user-sync-ldap.timer", timer);
    if has("systemd-analyze") {
        let verified = directory.sh("systemd-analyze verify --man=no ./cc-user-sync-ldap.timer").ended(0);
        assert_eq!(verified.stderr, "");
    }
}
