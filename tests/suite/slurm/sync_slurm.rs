//! `cc-user sync-slurm`: managers and projects from Slurm accounting without LDAP.

use serde_json::{Value, json};

use super::server::Slurm;
use super::sync::{group_map, ldap};
use crate::support::{Run, TestEnv, has, skip};
use crate::sync::{configure, directory_for, table};

/// The output of both commands for the accounts of [`Slurm::add_physics`].
pub const SAVED: &str = "Cluster|Account|User|ParentName\n\
    hpc|root||\nhpc|root|root|\nhpc|chem||root\nhpc|chem|dora|\nhpc|physics||root\nhpc|qcd||physics\n\
    hpc|qcd|anna|\nhpc|qcd|bert|\n\
    User|Def Acct|Coord Accounts|Admin\n\
    anna|qcd||None\nbert|qcd|qcd|None\ndora|chem|physics,qcd|Operator\nroot|root||Administrator\n";

/// A table with a user of each auth source, and the saved output in the file `saved`.
pub fn directory() -> TestEnv {
    let directory = TestEnv::new();
    std::fs::create_dir(directory.file("var")).unwrap();
    cc_auth::user_db::create(&directory.file("var/job.db")).unwrap();
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute_batch(
            "INSERT INTO user (username, ldap, roles, projects) VALUES \
             ('Dora', 0, '[\"admin\"]', '[]'), ('anna', 3, '[\"user\"]', '[]'), ('bert', 2, '[\"user\"]', '[]'), \
             ('root', 9, '[\"user\"]', '[]'), ('zoe', 1, '[\"user\",\"manager\"]', '[\"own\"]')",
        )
        .unwrap();
    directory.write("saved", SAVED);
    directory
}

const BEFORE: [&str; 5] = [
    "Dora|0|-|[\"admin\"]|[]",
    "anna|3|-|[\"user\"]|[]",
    "bert|2|-|[\"user\"]|[]",
    "root|9|-|[\"user\"]|[]",
    "zoe|1|-|[\"user\",\"manager\"]|[\"own\"]",
];

const AFTER: [&str; 5] = [
    "Dora|0|-|[\"admin\",\"manager\"]|[\"physics\",\"qcd\"]",
    "anna|3|-|[\"user\"]|[]",
    "bert|2|-|[\"user\",\"manager\"]|[\"qcd\"]",
    "root|9|-|[\"user\"]|[]",
    "zoe|1|-|[\"user\",\"manager\"]|[\"own\"]",
];

/// Runs a command that asks the real slurmdbd.
fn with(slurm: &Slurm, directory: &TestEnv, command: &str) -> Run {
    directory.sh(&format!("export SLURM_CONF={}; {command}", slurm.configuration()))
}

#[test]
fn sync_slurm_gives_projects_to_users_of_every_auth_source() {
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let directory = directory();
    let checked = with(&slurm, &directory, "cc-user sync-slurm --check").ended(0);
    assert_eq!(
        checked.stdout,
        "slurm     3 projects, 3 users, 2 coordinators, 2 operators (clusters: hpc)\n"
    );
    let shown = with(&slurm, &directory, "cc-user sync-slurm --dry-run").ended(0);
    assert!(shown.stdout.contains("coordinator of qcd through physics"), "{}", shown.stdout);
    assert_eq!(table(&directory), BEFORE);
    let run = with(&slurm, &directory, "cc-user sync-slurm --metrics-file slurm.prom").ended(0);
    assert_eq!(table(&directory), AFTER);
    assert!(run.stdout.contains("roles: 2 added, 0 removed; projects: 3 added, 0 removed"), "{}", run.stdout);
    let metrics = directory.read("slurm.prom");
    for line in ["users{what=\"slurm\"} 3", "rights{kind=\"project\",change=\"added\"} 3", "exit_status 0"] {
        assert!(metrics.contains(&format!("cc_user_sync_slurm_{line}\n")), "{metrics}");
    }
    let second = with(&slurm, &directory, "cc-user sync-slurm --json").ended(0).json();
    assert_eq!(second["counts"]["rights_changed"], 0, "{second}");
    let earlier = with(&slurm, &directory, "cc-user show Dora --why").ended(0);
    assert!(earlier.stdout.contains("role manager: given earlier by Slurm"), "{}", earlier.stdout);
    directory.write("config.json", json!({"auth": {"slurm": {"operator-support": true}}}).to_string());
    let why = with(&slurm, &directory, "cc-user show Dora --why").ended(0);
    for text in
        ["project qcd: given; slurm: coordinator of qcd through physics", "role support: added by the next"]
    {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&why.stdout).contains(text), "{}", why.stdout);
    }
    directory.sh("cc-user undo LAST").ended(0);
    assert_eq!(table(&directory), BEFORE);
}

#[test]
fn sync_slurm_removes_only_what_it_gave() {
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let directory = directory();
    with(&slurm, &directory, "cc-user sync-slurm").ended(0);
    directory.sh("cc-user project add bert extra").ended(0);
    slurm.sacctmgr("delete coordinator account=qcd names=bert");
    slurm.sacctmgr("delete coordinator account=physics names=dora");
    let limited = with(&slurm, &directory, "cc-user sync-slurm --max-delete 3").ended(75);
    assert!(limited.stderr.contains("4 roles and projects of 2 users"), "{}", limited.stderr);
    assert_eq!(table(&directory)[0], AFTER[0]);
    let run = with(&slurm, &directory, "cc-user sync-slurm").ended(0);
    assert!(run.stdout.contains("removed   project qcd of bert\n"), "{}", run.stdout);
    assert!(
        run.stderr.contains("the role manager is not removed from users with projects set by hand: 'bert'"),
        "{}",
        run.stderr
    );
    assert_eq!(table(&directory)[0], BEFORE[0]);
    assert_eq!(table(&directory)[2], "bert|2|-|[\"user\",\"manager\"]|[\"extra\"]");
}

#[test]
fn sync_slurm_reads_saved_output_from_a_file_and_standard_input() {
    let directory = directory();
    directory.sh("cc-user sync-slurm --from - < saved").ended(0);
    assert_eq!(table(&directory), AFTER);
    let second = directory.sh("cc-user sync-slurm --from saved --json").ended(0).json();
    assert_eq!(second["counts"]["rights_changed"], 0);
    let other = directory.sh("cc-user sync-slurm --from saved --cluster other").ended(78);
    assert!(other.stderr.contains("does not have the cluster 'other'"), "{}", other.stderr);
    for option in ["--sacctmgr sacctmgr", "--timeout 1m"] {
        let run = directory.sh(&format!("cc-user sync-slurm --from saved {option}")).ended(2);
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}

#[test]
fn sync_slurm_adds_users_only_by_option() {
    let directory = directory();
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute_batch("DELETE FROM user WHERE username IN ('anna', 'bert')")
        .unwrap();
    let run = directory.sh("cc-user sync-slurm --from saved").ended(0);
    assert!(
        run.stderr.contains("not in the user table (--add-users adds them): 'anna', 'bert'"),
        "{}",
        run.stderr
    );
    assert_eq!(table(&directory).len(), 3);
    directory.sh("cc-user sync-slurm --from saved --add-users ldpa").ended(2);
    let report = directory.sh("cc-user sync-slurm --from saved --add-users oidc --json").ended(0).json();
    assert_eq!(report["added"], json!(["anna", "bert"]));
    let rows = table(&directory);
    assert!(rows.contains(&"anna|3|-|[\"user\"]|[]".to_owned()), "{rows:?}");
    assert!(rows.contains(&"bert|3|-|[\"user\",\"manager\"]|[\"qcd\"]".to_owned()), "{rows:?}");
    let second = directory.sh("cc-user sync-slurm --from saved --add-users oidc --json").ended(0).json();
    assert_eq!((&second["counts"]["added"], &second["counts"]["rights_changed"]), (&json!(0), &json!(0)));
    directory.sh("cc-user undo LAST").ended(0);
    assert_eq!(table(&directory).len(), 3);
}

#[test]
fn sync_slurm_does_not_change_disabled_users() {
    let directory = directory();
    directory.sh("cc-user disable bert").ended(0);
    let run = directory.sh("cc-user sync-slurm --from saved").ended(0);
    assert!(run.stderr.contains("disabled users are not changed: 'bert'"), "{}", run.stderr);
    assert_eq!(table(&directory)[2], "bert|2|-|[]|[]");
    directory.sh("cc-user enable bert").ended(0);
    directory.sh("cc-user sync-slurm --from saved").ended(0);
    assert_eq!(table(&directory), AFTER);
}

#[test]
fn sync_slurm_does_not_remove_the_last_admin() {
    let directory = directory();
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute_batch("UPDATE user SET roles = '[\"user\"]' WHERE username = 'Dora'")
        .unwrap();
    directory.write("config.json", json!({"auth": {"slurm": {"allow-admin": true}}}).to_string());
    directory.write("admin", SAVED.replace("qcd||None", "qcd||Administrator"));
    directory.sh("cc-user sync-slurm --from admin").ended(0);
    assert_eq!(table(&directory)[1], "anna|3|-|[\"user\",\"admin\"]|[]");
    let run = directory.sh("cc-user sync-slurm --from saved").ended(0);
    assert!(run.stderr.contains("no other administrator would remain: 'anna'"), "{}", run.stderr);
    assert_eq!(table(&directory)[1], "anna|3|-|[\"user\",\"admin\"]|[]");
}

/// The row of a user without the names of the columns.
fn row(directory: &TestEnv, username: &str) -> String {
    table(directory).into_iter().find(|row| row.starts_with(&format!("{username}|"))).unwrap()
}

#[test]
fn rights_of_both_syncs_are_removed_only_by_their_source() {
    if !has("slapd") {
        return;
    }
    let server = ldap();
    let own = json!({"group-map": group_map()});
    let directory = directory_for(&server.url(), own.clone());
    let coordinator = SAVED.replace("anna|qcd||None", "anna|qcd|qcd|None");
    let both = "anna|1|anna|[\"user\",\"manager\"]|[\"Astro\",\"qcd\"]";
    let slurm = |text: &str| {
        directory.write("answer", text);
        directory.sh("cc-user sync-slurm --from answer").ended(0)
    };
    let sync_ldap = || directory.sh("cc-user sync-ldap").ended(0);
    // The LDAP directory first, then Slurm, then each again.
    sync_ldap();
    slurm(&coordinator);
    assert_eq!(row(&directory, "anna"), both);
    sync_ldap();
    slurm(&coordinator);
    assert_eq!(row(&directory, "anna"), both);
    // Slurm no longer gives the project: the group still gives the role.
    slurm(SAVED);
    assert_eq!(row(&directory, "anna"), "anna|1|anna|[\"user\",\"manager\"]|[\"Astro\"]");
    slurm(&coordinator);
    // The group no longer gives anything: Slurm still gives the role.
    let other = json!({"group-map": {"group-base": crate::slapd::BASE, "rules": [{"attribute": "uid", "pattern":
        "none", "roles": ["manager"]}]}});
    configure(&directory, &server.url(), other);
    sync_ldap();
    assert_eq!(row(&directory, "anna"), "anna|1|anna|[\"user\",\"manager\"]|[\"qcd\"]");
    // A source that is switched off removes nothing.
    configure(&directory, &server.url(), own.clone());
    sync_ldap();
    configure(&directory, &server.url(), json!({}));
    sync_ldap();
    slurm(&coordinator);
    assert_eq!(row(&directory, "anna"), both.replace(r#""Astro","qcd""#, r#""qcd","Astro""#));
    // A sync with the LDAP directory that reads Slurm as well agrees with the one with Slurm alone.
    configure(
        &directory,
        &server.url(),
        json!({"group-map": group_map(), "slurm": {"saved-output": "answer"}}),
    );
    let report = directory.sh("cc-user sync-ldap --json").ended(0).json();
    assert_eq!(report["counts"]["rights_changed"], 0, "{report}");
    let report = directory.sh("cc-user sync-slurm --json").ended(0).json();
    assert_eq!(report["counts"]["rights_changed"], 0, "{report}");
    // Users of other auth sources keep what sync-slurm gave when sync-ldap runs.
    directory.sh("cc-user add local-bert --role user --no-password").ended(0);
    directory.write("answer", coordinator.replace("bert", "local-bert"));
    directory.sh("cc-user sync-slurm").ended(0);
    let local = row(&directory, "local-bert");
    assert!(local.ends_with("[\"qcd\"]"), "{local}");
    let run = sync_ldap();
    assert_eq!(row(&directory, "local-bert"), local);
    assert!(run.stderr.contains("not in the LDAP directory get no role or project"), "{}", run.stderr);
}

/// The warnings about logins that change roles, of one run.
fn login_warnings(run: &Run) -> Vec<String> {
    let lines = run.stderr.lines().filter(|line| line.contains("undo each other's changes"));
    lines.map(str::to_owned).collect()
}

#[test]
fn syncs_warn_of_logins_that_replace_roles_and_name_the_setting() {
    let directory = directory();
    let warnings = |auth: Value, command: &str| {
        directory.write("config.json", json!({"auth": auth}).to_string());
        login_warnings(&directory.sh(command))
    };
    let slurm = "cc-user sync-slurm --from saved --dry-run";
    let by_token = "cc-user: warning: 'auth.jwts.update-user-on-login' and Slurm accounting both set roles and projects: for \
                    a user of both, a login by token and a synchronization undo each other's changes";
    let by_openid = "cc-user: warning: 'auth.oidc.update-user-on-login' and Slurm accounting both set roles and projects: \
                     for a user of both, an OpenID login and a synchronization undo each other's changes";
    let jwts = json!({"update-user-on-login": true});
    let oidc = json!({"provider": "https://idp.example.org", "update-user-on-login": true});
    assert_eq!(warnings(json!({"jwts": jwts}), slurm), [by_token]);
    assert_eq!(warnings(json!({"jwts": jwts, "oidc": oidc}), slurm), [by_openid, by_token]);
    // The roles of the user table count, or no login changes them.
    let validated = json!({"update-user-on-login": true, "validate-user": true});
    for jwts in [validated, json!({"sync-user-on-login": true})] {
        assert_eq!(warnings(json!({"jwts": jwts}), slurm), [""; 0], "{jwts}");
    }
    // The warning comes before the connection to the LDAP server.
    let ldap = json!({
        "url": "ldap://127.0.0.1:1", "user-base": crate::slapd::BASE, "user-filter": "(uid=*)",
        "group-map": group_map(),
    });
    let found = warnings(json!({"jwts": jwts, "ldap": ldap}), "cc-user sync-ldap --dry-run");
    assert_eq!(found, [by_token.replace("Slurm accounting", "auth.ldap.group-map")]);
}

#[test]
fn sync_slurm_in_the_other_order_gives_the_same() {
    if !has("slapd") {
        return;
    }
    let server = ldap();
    let directory = directory_for(&server.url(), json!({"group-map": group_map()}));
    directory.write("answer", SAVED.replace("anna|qcd||None", "anna|qcd|qcd|None"));
    directory.sh("cc-user sync-slurm --from answer --add-users ldap").ended(0);
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(row(&directory, "anna"), "anna|1|anna|[\"user\",\"manager\"]|[\"qcd\",\"Astro\"]");
    directory.write("answer", SAVED);
    directory.sh("cc-user sync-slurm --from answer").ended(0);
    assert_eq!(row(&directory, "anna"), "anna|1|anna|[\"user\",\"manager\"]|[\"Astro\"]");
}

#[test]
fn check_reports_the_faults_of_both_sources_at_once() {
    if !has("slapd") {
        return;
    }
    let server = ldap();
    let directory = directory_for(
        &server.url(),
        json!({
            "group-map": {"group-base": crate::slapd::BASE, "rules": [{"cn": "none", "roles": ["manager"]}]},
            "slurm": {"exclude-accounts": ["(", "a*", ")("]},
        }),
    );
    let run = directory.sh("cc-user sync-ldap --check").ended(69);
    for text in ["'none'", "auth.ldap.slurm.exclude-accounts: invalid pattern '('", "invalid pattern ')('"] {
        assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
    }
    directory.write("saved", SAVED);
    configure(
        &directory,
        &server.url(),
        json!({"slurm": {"saved-output": "saved", "clusters": ["a", "hpc", "b"]}}),
    );
    let run = directory.sh("cc-user sync-ldap --check").ended(78);
    assert!(run.stderr.contains("cluster 'a'") && run.stderr.contains("cluster 'b'"), "{}", run.stderr);
    let doctor = directory.sh("cc-user doctor --json").json();
    let fails = |report: &Value| {
        let all = report["findings"].as_array().unwrap().clone();
        all.into_iter().filter(|one| one["area"] == "slurm" && one["state"] == "fail").count()
    };
    assert_eq!(fails(&doctor), 2, "{doctor:#}");
    configure(&directory, &server.url(), json!({"slurm": {"saved-output": "saved"}}));
    let run = directory.sh("cc-user sync-ldap --check").ended(0);
    assert!(run.stdout.contains("slurm     3 projects, 3 users, 2 coordinators"), "{}", run.stdout);
    let doctor = directory.sh("cc-user doctor --json").json();
    assert_eq!(fails(&doctor), 0, "{doctor:#}");
    let offline = directory.sh("cc-user doctor --offline").stdout;
    assert!(offline.contains("slurm"), "{offline}");
    directory.write("config.json", json!({"auth": {"slurm": {}, "ldap": {"slurm": {}}}}).to_string());
    let both = directory.sh("cc-user sync-slurm --check").ended(78);
    assert!(both.stderr.contains("only one of the sections"), "{}", both.stderr);
}

/// Kills a sync at every system call that writes. The next sync has nothing to change in half of the cases, and must
/// end the killed run nevertheless: its record of what Slurm gave would be missing otherwise.
#[test]
fn sync_slurm_without_a_change_ends_a_killed_run() {
    if !has("strace") {
        return;
    }
    let directory = directory();
    if directory.sh("strace -qq -o calls true").status != 0 && skip("no program can be traced") {
        return;
    }
    directory.write("none", SAVED.replace("|qcd|None", "||None").replace("|physics,qcd|", "||"));
    directory
        .sh("cc-user set -q zoe --name Z && cc-user set -q zoe --clear-name && cp -a var before")
        .ended(0);
    let mut committed = 0;
    for call in ["write", "pwrite64", "fsync", "fdatasync", "rename,renameat", "ftruncate"] {
        for number in 1..60 {
            directory.sh("rm -rf var && cp -a before var").ended(0);
            let run = directory.sh(&format!(
                "strace -f -qq -o calls -e trace={call} -e inject={call}:signal=KILL:when={number} \
                 cc-user sync-slurm -q --from saved"
            ));
            if run.status == 0 {
                break;
            }
            let about = format!("{call} {number}");
            let is_committed = table(&directory) == AFTER;
            committed += usize::from(is_committed);
            directory.sh("cc-user sync-slurm -q --from saved").ended(0);
            assert_eq!(table(&directory), AFTER, "{about}");
            let log = directory.sh("cc-user log --command sync-slurm --limit 0 --json").ended(0).stdout;
            let runs: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(runs.iter().all(|run| run["end"] != Value::Null), "{about}: {log}");
            assert_eq!(runs.iter().filter(|run| run["end"] == "committed").count(), 1, "{about}: {log}");
            // What Slurm gave is recorded: a sync removes it.
            directory.sh("cc-user sync-slurm -q --from none --max-delete 100%").ended(0);
            assert_eq!(table(&directory), BEFORE, "{about}");
        }
    }
    assert!(committed > 1, "no kill after the commit");
}

/// The way to remove everything that Slurm gave, as the guide describes it.
#[test]
fn sync_slurm_without_accounts_and_without_a_limit_removes_all_that_slurm_gave() {
    let directory = directory();
    directory.sh("cc-user sync-slurm -q --from saved").ended(0);
    assert_eq!(table(&directory), AFTER);
    let settings = json!({"auth": {"slurm": {"exclude-accounts": ["*"], "saved-output": "saved"}}});
    directory.write("config.json", settings.to_string());
    directory.sh("cc-user sync-slurm -q --max-delete 99%").ended(75);
    directory.sh("cc-user sync-slurm -q --max-delete 100%").ended(0);
    assert_eq!(table(&directory), BEFORE);
}
