//! Roles and projects from Slurm accounting beside those from LDAP groups.

use serde_json::{Value, json};

use super::server::Slurm;
use crate::slapd::{BASE, Slapd, TREE, person};
use crate::support::{Run, TestEnv, has};
use crate::sync::{configure, directory_for, table};

/// anna, bert, dora and Zoe in an LDAP directory; anna is in the group pi-Astro.
pub fn ldap() -> Slapd {
    let people: String = ["anna", "bert", "dora"].iter().map(|uid| person(uid, uid)).collect();
    let groups = format!(
        "dn: cn=pi-Astro,{BASE}\nobjectClass: groupOfNames\ncn: pi-Astro\nmember: uid=anna,ou=people,{BASE}\n\n"
    );
    Slapd::with(&format!("{TREE}{people}{}{groups}", person("Zoe", "zoe")))
}

pub fn group_map() -> Value {
    json!({"group-base": BASE, "group-filter": "(objectClass=groupOfNames)", "rules": [
        {"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}
    ]})
}

fn sync(slurm: &Slurm, directory: &TestEnv, arguments: &str) -> Run {
    let configuration = slurm.configuration();
    directory.sh(&format!("SLURM_CONF={configuration} cc-user sync-ldap {arguments}"))
}

#[test]
fn slurm_coordinators_become_managers_of_their_accounts() {
    if !has("slapd") {
        return;
    }
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    slurm.sacctmgr("add user zoe,erik account=chem");
    slurm.sacctmgr("add coordinator account=chem names=zoe,erik");
    let server = ldap();
    let directory = directory_for(&server.url(), json!({"slurm": {"operator-support": true}}));
    let shown = sync(&slurm, &directory, "--dry-run").ended(0);
    assert!(shown.stdout.contains("coordinator of qcd through physics"), "{}", shown.stdout);
    let run = sync(&slurm, &directory, "").ended(0);
    assert!(
        run.stderr.contains("not in the LDAP directory get no role or project ")
            && run.stderr.ends_with(": 'erik'\n"),
        "{}",
        run.stderr
    );
    let expected = [
        "Zoe|1|zoe|[\"user\",\"manager\"]|[\"chem\"]",
        "anna|1|anna|[\"user\"]|[]",
        "bert|1|bert|[\"user\",\"manager\"]|[\"qcd\"]",
        "dora|1|dora|[\"user\",\"manager\",\"support\"]|[\"physics\",\"qcd\"]",
    ];
    assert_eq!(table(&directory), expected);
    let second = sync(&slurm, &directory, "--json").ended(0).json();
    for count in ["roles_added", "roles_removed", "projects_added", "projects_removed"] {
        assert_eq!(second["counts"][count], 0, "{count}: {second}");
    }
    assert_eq!(table(&directory), expected);
    let why = directory.sh(&format!("SLURM_CONF={} cc-user show dora --why", slurm.configuration())).ended(0);
    assert!(why.stdout.contains("slurm: coordinator of qcd through physics"), "{}", why.stdout);
    assert!(why.stdout.contains("slurm: operator"), "{}", why.stdout);
}

#[test]
fn slurm_and_groups_together_give_the_union() {
    if !has("slapd") {
        return;
    }
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    slurm.sacctmgr("add coordinator account=chem names=anna");
    let server = ldap();
    let directory = directory_for(&server.url(), json!({"slurm": {}, "group-map": group_map()}));
    sync(&slurm, &directory, "").ended(0);
    let anna =
        |directory: &TestEnv| table(directory).into_iter().find(|row| row.starts_with("anna")).unwrap();
    assert_eq!(anna(&directory), "anna|1|anna|[\"user\",\"manager\"]|[\"Astro\",\"chem\"]");
    // Only the project of Slurm goes: a group still gives the role.
    slurm.sacctmgr("delete coordinator account=chem names=anna");
    sync(&slurm, &directory, "").ended(0);
    assert_eq!(anna(&directory), "anna|1|anna|[\"user\",\"manager\"]|[\"Astro\"]");
    // Without the section, Slurm removes nothing; with an answer it does.
    configure(&directory, &server.url(), json!({"group-map": group_map()}));
    sync(&slurm, &directory, "").ended(0);
    assert!(table(&directory).contains(&"bert|1|bert|[\"user\",\"manager\"]|[\"qcd\"]".to_owned()));
    slurm.sacctmgr("delete coordinator account=qcd names=bert");
    configure(&directory, &server.url(), json!({"slurm": {}, "group-map": group_map()}));
    sync(&slurm, &directory, "").ended(0);
    assert!(table(&directory).contains(&"bert|1|bert|[\"user\"]|[]".to_owned()));
}

#[test]
fn slurm_failures_change_nothing() {
    if !has("slapd") {
        return;
    }
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let server = ldap();
    let directory = directory_for(&server.url(), json!({"slurm": {}}));
    sync(&slurm, &directory, "").ended(0);
    let before = table(&directory);
    directory.sh(&format!(
        "export SLURM_CONF={}; for t in 'assoc format=cluster,account,user,parentname' \
         'user withcoordinator format=user,defaultaccount,coordinators,admin'; do sacctmgr -P show $t; done > saved",
        slurm.configuration()
    ));
    let with = |slurm: Value| configure(&directory, &server.url(), json!({ "slurm": slurm }));
    // A host without Slurm reads the saved output.
    with(json!({"saved-output": "saved"}));
    let run = directory.sh("cc-user sync-ldap --json").ended(0).json();
    assert_eq!(run["counts"]["roles_removed"], 0, "{run}");
    directory.sh("grep -v ^root saved > without-root; head -n 3 saved > cut; : > empty; echo x > other");
    directory.sh("setpriv --reuid games --regid games --clear-groups true").ended(0);
    let unprivileged = directory.write(
        "unprivileged",
        "#!/bin/sh\nexec setpriv --reuid games --regid games --clear-groups sacctmgr \"$@\"\n",
    );
    directory.sh("chmod 755 unprivileged");
    for (settings, status) in [
        (json!({"saved-output": "without-root"}), 69),
        (json!({"saved-output": "cut"}), 69),
        (json!({"saved-output": "empty"}), 69),
        (json!({"saved-output": "other"}), 69),
        (json!({"saved-output": "missing"}), 66),
        (json!({"saved-output": "saved", "clusters": ["other"]}), 78),
        (json!({"saved-output": "saved", "exclude-accounts": ["("]}), 78),
        (json!({"sacctmgr": unprivileged}), 69),
        (json!({"sacctmgr": "/nonexistent/sacctmgr"}), 69),
        (json!({"sacctmgr": "false"}), 69),
    ] {
        with(settings.clone());
        let run = sync(&slurm, &directory, "--max-delete 100%").ended(status);
        assert!(run.stderr.starts_with("cc-user: "), "{settings}: {}", run.stderr);
        assert_eq!(table(&directory), before, "{settings}");
    }
}
