//! `cc-user doctor` on installations of other layouts: with an account of the server, examined from another
//! directory, and with files that are not checked.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use serde_json::Value;

use crate::doctor_programs::problems;
use crate::support::{TestEnv, has_root};

/// The options of an examination from the directory `work`.
const OPTIONS: &str = "--config ../srv/config.json --env-file ../srv/.env --db ../srv/var/job.db ../etc";

/// A server in `srv`, and cc-slurm-adapter in `etc`.
fn installation() -> TestEnv {
    let directory = TestEnv::new();
    directory
        .sh("mkdir -p srv work etc/cc-slurm-adapter && cd srv && cc-user init -q
             printf pa55word | cc-user add -q boss --role admin,api --password-stdin
             cc-user add -q coll --role api --no-password
             printf '{\"ccRestUrl\": \"https://cc.example.org\", \"ccRestJwt\": \"%s\"}' \"$(cc-jwt issue coll -q --ttl 2160h)\" \
               > ../etc/cc-slurm-adapter/config.json
             chmod 600 ../etc/cc-slurm-adapter/config.json")
        .ended(0);
    directory
}

/// Examines the installation from another directory.
fn examine(directory: &TestEnv) -> Value {
    directory.sh(&format!("cd work && cc-user doctor --json --offline {OPTIONS}")).json()
}

fn checks(report: &Value) -> Vec<String> {
    problems(report).iter().map(|one| one["check"].as_str().unwrap().to_owned()).collect()
}

fn finding(report: &Value, check: &str) -> Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|one| one["check"] == check && one["state"] != "pass");
    found.unwrap_or_else(|| panic!("no finding {check}: {report:#}")).clone()
}

#[test]
fn doctor_remedy_of_each_problem_works_from_another_directory() {
    for (check, plant) in [
        (
            "role-too-wide",
            "cd srv && sed -i \"s/eyJ[^\\\"]*/$(cc-jwt issue boss -q)/\" ../etc/cc-slurm-adapter/config.json",
        ),
        ("user-not-in-table", "cd srv && cc-user del coll -q"),
        (
            "expired",
            "cd srv && sed -i \"s/eyJ[^\\\"]*/$(cc-jwt issue coll -q --ttl 1h --at -3h)/\" ../etc/cc-slurm-adapter/config.json",
        ),
        ("token-missing", "sed -i 's/eyJ[^\"]*//' etc/cc-slurm-adapter/config.json"),
        ("no-role", "INSERT INTO user(username, roles, ldap) VALUES('none', '[]', 1)"),
        ("no-role", "INSERT INTO user(username, roles, ldap) VALUES('x', '[\"root\"]', 1)"),
        ("user-row-invalid", "INSERT INTO user(username, roles, ldap) VALUES('x', 'text', 1)"),
        ("file-replaceable", "chmod 775 srv"),
        ("file-replaceable", "chmod 777 srv/var"),
        ("file-mode", "chmod 664 srv/config.json"),
        ("file-mode", "chmod 644 srv/.env"),
        ("server-start", "sed -i /SESSION_KEY/d srv/.env"),
    ] {
        let directory = installation();
        if plant.starts_with("INSERT") {
            let db = rusqlite::Connection::open(directory.file("srv/var/job.db")).unwrap();
            db.execute_batch(plant).unwrap();
        } else {
            directory.sh(plant).ended(0);
        }
        let report = examine(&directory);
        assert!(checks(&report).iter().any(|found| found == check), "{check}: {:#?}", problems(&report));
        for one in problems(&report) {
            let hint = one["hint"].as_str().unwrap_or_else(|| panic!("no remedy: {one:#}"));
            let command = hint.strip_prefix("write it anew: ").unwrap_or(hint);
            directory.sh(&format!("cd work && {command}")).ended(0);
        }
        assert_eq!(problems(&examine(&directory)), Vec::<Value>::new(), "{check} {plant}");
    }
}

#[test]
fn doctor_installation_of_an_account_of_the_server_is_healthy_for_root() {
    if !has_root() {
        return;
    }
    let directory = installation();
    directory.sh("chown -R 61001:61001 srv; chown -R 61002:61002 etc; chmod 2770 srv/var").ended(0);
    let report = examine(&directory);
    assert_eq!(problems(&report), Vec::<Value>::new());
    let shown = directory.sh(&format!("cd work && cc-user doctor --offline {OPTIONS}")).ended(0).stdout;
    assert!(shown.contains("only the owner, user ID 61001, has access"), "{shown}");
    // The environment file of a third account is not that of the server.
    directory.sh("chown 61003 srv/.env").ended(0);
    let report = examine(&directory);
    let found = finding(&report, "file-owner");
    directory.sh(&format!("cd work && {}", found["hint"].as_str().unwrap())).ended(0);
    assert_eq!(problems(&examine(&directory)), Vec::<Value>::new());
    directory.sh("chown 61003 srv/.env; rm srv/var/job.db*").ended(0);
    for one in problems(&examine(&directory)).iter().filter(|one| one["check"] == "file-owner") {
        let hint = one["hint"].as_str().unwrap();
        assert!(hint.starts_with("chown root ../srv/"), "{hint}");
        directory.sh(&format!("cd work && {hint}")).ended(0);
    }
    assert!(!checks(&examine(&directory)).contains(&"file-owner".to_owned()));
}

#[test]
fn doctor_does_not_change_files_of_another_account_beside_the_database() {
    if !has_root() {
        return;
    }
    let directory = installation();
    directory
        .sh("cd srv/var; : > job.db-wal; : > job.db-shm; chmod 644 job.db-*; chown 61001:61001 job.db-wal job.db-shm")
        .ended(0);
    let state = || {
        ["wal", "shm"].map(|name| {
            let found = fs::metadata(directory.file(&format!("srv/var/job.db-{name}"))).unwrap();
            (found.uid(), found.mode(), found.len(), found.ino(), found.mtime_nsec())
        })
    };
    let before = state();
    let report = examine(&directory);
    assert_eq!(state(), before, "a file was changed");
    assert_eq!(checks(&report), ["database-file-owner", "database-file-owner"], "{report:#}");
    directory.sh("cd srv && cc-jwt scan ../etc").ended(0);
    assert_eq!(state(), before, "a scan changed a file");
    for one in problems(&report) {
        directory.sh(&format!("cd work && {}", one["hint"].as_str().unwrap())).ended(0);
    }
    assert_eq!(problems(&examine(&directory)), Vec::<Value>::new());
}

#[test]
fn doctor_setting_that_stops_the_server_is_not_a_problem_of_its_tokens() {
    for plant in [
        "sed -i /SESSION_KEY/d srv/.env",
        "sed -i 's/\"main\": {/\"main\": {\"unknown\": 1,/' srv/config.json",
        "sed -i 's/\"main\": {/\"main\": {\"disable-authentication\": true,/' srv/config.json",
        "sed -i 's/\"auth\"/\"other\"/' srv/config.json",
        "sed -i 's/^JWT_PUBLIC_KEY=.*/JWT_PUBLIC_KEY=x/' srv/.env",
        "rm srv/var/job.db*",
    ] {
        let directory = installation();
        directory.sh(plant).ended(0);
        let report = examine(&directory);
        assert_eq!(report["healthy"], false, "{plant}");
        let found = checks(&report);
        assert!(!found.iter().any(|check| check == "token-rejected"), "{plant}: {report:#}");
    }
}

#[test]
fn doctor_token_that_is_not_yet_valid_is_rejected_with_this_reason() {
    let directory = installation();
    directory
        .sh("cd srv && sed -i \"s/eyJ[^\\\"]*/$(cc-jwt issue coll -q --ttl 900h --not-before +3d)/\" ../etc/cc-slurm-adapter/config.json")
        .ended(0);
    let found = finding(&examine(&directory), "token-rejected");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("it is not accepted by /api: not valid before"), "{message}");
}

#[test]
fn doctor_remedy_of_a_token_that_cannot_be_renewed_names_the_reason() {
    for (name, content, reason) in [
        ("a.yaml", "x: &a TOKEN\ny: *a\n", "the value has an anchor"),
        ("a.yaml", "x: |\n  TOKEN\n", "the value is a block"),
        ("a.toml", "x = { jwt = \"TOKEN\" }\n", "the value is a table or an array"),
        ("a#b.env", "T=TOKEN\n", "the name of the file contains '#'"),
        ("a.sh", "readonly T=TOKEN\n", "not found"),
    ] {
        let directory = installation();
        let token = directory.sh("cd srv && cc-jwt issue coll -q --ttl 1h --at -3h").ended(0).stdout;
        directory.write(&format!("etc/{name}"), content.replace("TOKEN", token.trim()));
        directory.sh(&format!("chmod 600 'etc/{name}'")).ended(0);
        let found = finding(&examine(&directory), "expired");
        let hint = found["hint"].as_str().unwrap();
        let rest =
            hint.strip_prefix("replace it by hand with the output of: ").unwrap_or_else(|| panic!("{hint}"));
        let (command, why) = rest.split_once(" (it cannot be renewed in its file: ").unwrap();
        assert!(why.contains(reason), "{name}: {hint}");
        let issued = directory.sh(&format!("cd work && {command}")).ended(0).stdout;
        assert!(issued.starts_with("eyJ"), "{issued}");
    }
}

#[test]
fn doctor_files_that_are_not_checked_are_reported() {
    let directory = installation();
    directory.sh("mkdir etc/many; for i in $(seq 1001); do echo '{}' > etc/many/a$i.json; done").ended(0);
    let found = finding(&examine(&directory), "scan-limit");
    let message = found["message"].as_str().unwrap();
    assert!(
        message.starts_with("the members of 2 files were not checked: at most 1000 JSON files"),
        "{message}"
    );
    assert_eq!(found["state"], "warn");
    fs::remove_dir_all(directory.file("etc/many")).unwrap();

    directory.write("etc/sinks.json", "{\"s\": {\"type\": \"http\", \"jwt\": \"\",}}");
    let found = finding(&examine(&directory), "program-config");
    let message = found["message"].as_str().unwrap();
    assert!(
        message.starts_with("the file is not valid JSON, and its members were not checked: "),
        "{message}"
    );
    fs::remove_file(directory.file("etc/sinks.json")).unwrap();

    directory.sh(&format!("mkdir -p etc/{}", "d/".repeat(17))).ended(0);
    let found = finding(&examine(&directory), "scan-limit");
    assert_eq!(found["message"], "the members of files were not checked below depth 16");
    fs::remove_dir_all(directory.file("etc/d")).unwrap();

    let path = directory.file("etc/cc-slurm-adapter/config.json");
    fs::rename(&path, directory.file("work/adapter.json")).unwrap();
    symlink("../../work/adapter.json", &path).unwrap();
    let report = examine(&directory);
    assert_eq!(problems(&report), Vec::<Value>::new());
    let found = finding(&report, "file-not-scanned");
    assert_eq!(
        (found["state"].as_str(), found["source"].as_str()),
        (Some("skipped"), Some("'../etc/cc-slurm-adapter/config.json'"))
    );
}

#[test]
fn doctor_failed_migration_of_the_database_is_a_failed_check() {
    let directory = installation();
    let db = rusqlite::Connection::open(directory.file("srv/var/job.db")).unwrap();
    db.execute_batch("DELETE FROM schema_migrations; INSERT INTO schema_migrations VALUES(8, 1)").unwrap();
    drop(db);
    let found = finding(&examine(&directory), "database-migration-failed");
    assert_eq!(found["state"], "fail", "the server does not start");
}
