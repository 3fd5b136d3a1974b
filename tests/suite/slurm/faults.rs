//! Faults of Slurm: none of them removes a role or a project.

use serde_json::json;

use super::server::Slurm;
use super::sync_slurm::{SAVED, directory};
use crate::support::TestEnv;
use crate::sync::table;

/// Runs a synchronization that must fail and change nothing.
fn assert_unchanged(directory: &TestEnv, before: &[String], arguments: &str, status: i32, message: &str) {
    for more in ["", " --dry-run"] {
        let command = format!("cc-user sync-slurm --max-delete 100%{more} {arguments}");
        let run = directory.sh(&command).ended(status);
        assert!(run.stderr.contains(message), "{command}: {}", run.stderr);
        assert_eq!(table(directory), before, "{command}");
    }
}

/// A table to whose users Slurm gave roles and projects.
fn synchronized() -> (TestEnv, Vec<String>) {
    let directory = directory();
    directory.sh("cc-user sync-slurm --from saved").ended(0);
    let before = table(&directory);
    assert!(before[0].contains("manager"), "{before:?}");
    (directory, before)
}

#[test]
fn faults_in_saved_output_remove_nothing() {
    let (directory, before) = synchronized();
    let without =
        |line: &str| SAVED.lines().filter(|other| *other != line).map(|line| format!("{line}\n")).collect();
    let users = SAVED.find("User|Def").unwrap();
    let cases: Vec<(&str, String, i32, &str)> = vec![
        ("an empty file", String::new(), 69, "the output of sacctmgr is empty"),
        ("the first command only", SAVED[..users].to_owned(), 69, "output of 'sacctmgr show user'"),
        (
            "the second command only",
            SAVED[users..].to_owned(),
            69,
            "expected the output of 'sacctmgr show assoc' first",
        ),
        ("a cut line", SAVED[..SAVED.len() - 5].to_owned(), 69, "ends within a line"),
        (
            "cut after a line",
            SAVED[..SAVED.find("dora|chem|phy").unwrap()].to_owned(),
            69,
            "the user 'root' is missing",
        ),
        ("the rows of one user", format!("{}{}", &SAVED[..32], &SAVED[users..]), 69, "there is no cluster"),
        (
            "without the account root",
            without("hpc|root||"),
            69,
            "the account 'root' is missing in the cluster 'hpc'",
        ),
        ("without the user root", without("root|root||Administrator"), 69, "the user 'root'"),
        ("without a parent", without("hpc|physics||root"), 69, "does not lead to 'root'"),
        ("without a member's user", without("anna|qcd||None"), 69, "the user 'anna' of the account 'qcd'"),
        (
            "another level",
            SAVED.replace("|Operator", "|King"),
            69,
            "expected None, Operator or Administrator",
        ),
        (
            "another column",
            SAVED.replace("hpc|chem||root", "hpc|chem||root|1"),
            69,
            "line 4: expected 4 fields",
        ),
        ("no header", SAVED.replace("Cluster|Account|User|ParentName\n", ""), 69, "expected the header"),
        (
            "an error message",
            "sacctmgr: error: Problem talking to the database\n".to_owned(),
            69,
            "line 1: expected 4",
        ),
        (
            "another site",
            SAVED.replace("anna", "a").replace("bert", "b").replace("dora", "d"),
            75,
            "none of the 3 users of Slurm is in the user table; refusing to remove 5 roles and projects",
        ),
    ];
    for (name, text, status, message) in cases {
        directory.write("fault", &text);
        println!("{name}");
        assert_unchanged(&directory, &before, "--from fault", status, message);
        assert_unchanged(&directory, &before, "--from - < fault", status, message);
    }
    directory.write("fault", [b"hpc|\xff\n".as_slice(), SAVED.as_bytes()].concat());
    assert_unchanged(&directory, &before, "--from fault", 69, "line 1: expected UTF-8");
    assert_unchanged(&directory, &before, "--from missing", 66, "'missing'");
    assert_unchanged(&directory, &before, "--from .", 66, "directory");
    assert_unchanged(
        &directory,
        &before,
        "--from saved --cluster hpc --cluster other",
        78,
        "the cluster 'other'",
    );
    directory.sh("head -c 140000000 /dev/zero > large").ended(0);
    assert_unchanged(&directory, &before, "--from large", 65, "134217728");
}

#[test]
fn faults_of_sacctmgr_remove_nothing() {
    let (directory, before) = synchronized();
    let script = |name: &str, text: &str| {
        directory.write(name, format!("#!/bin/sh\n{text}\n"));
        directory.sh(&format!("chmod 755 {name}")).ended(0);
    };
    script("fails", "echo 'error: slurm_persist_conn_open: failed to connect' >&2; exit 1");
    script("silent", "exit 0");
    script("hangs", "exec sleep 1000");
    script("half", "case $* in *user*withcoord*) exit 1;; *) head -n 9 saved;; esac");
    script("killed", "head -n 9 saved; kill -9 $$");
    script("endless", "exec yes");
    script("usage", "echo 'Unknown field ParentName' >&2; exit 1");
    for (arguments, message) in [
        ("--sacctmgr ./fails", "failed to connect"),
        ("--sacctmgr ./silent", "the output of sacctmgr is empty"),
        ("--sacctmgr ./hangs --timeout 300ms", "did not end within"),
        ("--sacctmgr ./half", "exited with status 1"),
        ("--sacctmgr ./killed", "was terminated by signal 9"),
        ("--sacctmgr ./endless", "larger than 64 MiB"),
        ("--sacctmgr ./usage", "Unknown field ParentName"),
        ("--sacctmgr ./missing", "cannot run './missing'"),
        ("--sacctmgr ./saved", "cannot run './saved'"),
    ] {
        assert_unchanged(&directory, &before, arguments, 69, message);
    }
}

#[test]
fn faults_of_a_real_slurmdbd_remove_nothing() {
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let (directory, before) = synchronized();
    let configuration = slurm.configuration();
    let script = |name: &str, text: &str| {
        directory.write(name, format!("#!/bin/sh\n{text}\n"));
        directory.sh(&format!("chmod 755 {name}")).ended(0);
    };
    script("asked", &format!("SLURM_CONF={configuration} exec sacctmgr \"$@\""));
    let run = directory.sh("cc-user sync-slurm --sacctmgr ./asked --json").ended(0).json();
    assert_eq!(run["counts"]["rights_changed"], 0, "{run}");
    // An account without privileges gets a part of the rows, or none.
    directory.sh("setpriv --reuid games --regid games --clear-groups true").ended(0);
    script(
        "unprivileged",
        &format!(
            "SLURM_CONF={configuration} exec setpriv --reuid games --regid games --clear-groups sacctmgr \"$@\""
        ),
    );
    assert_unchanged(
        &directory,
        &before,
        "--sacctmgr ./unprivileged",
        69,
        "hint: run sacctmgr as root, as SlurmUser",
    );
    // No slurmdbd at this port.
    directory.sh(&format!(
        "sed 's/^AccountingStoragePort=.*/AccountingStoragePort=1/' {configuration} > slurm.conf"
    ));
    script("unreachable", "SLURM_CONF=$PWD/slurm.conf exec sacctmgr \"$@\"");
    assert_unchanged(&directory, &before, "--sacctmgr ./unreachable", 69, "cc-user: ");
    // No munge at this socket.
    directory.sh(&format!("sed 's/socket=.*/socket=none/; s/^AccountingStoragePass=.*/AccountingStoragePass=none/' {configuration} > slurm.conf"));
    assert_unchanged(&directory, &before, "--sacctmgr ./unreachable", 69, "cc-user: ");
    directory.write("config.json", json!({"auth": {"slurm": {"clusters": ["other"]}}}).to_string());
    assert_unchanged(&directory, &before, "--sacctmgr ./asked", 78, "found 'hpc'");
}
