//! SECURITY.md is true as far as names go: each test it names exists. And what it says that no
//! other room shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use serde_json::json;

use crate::generated::TOOLS;
use crate::support::{Folder, Run};
use crate::sync::configure;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Whether a file has a test of this name.
fn has_test(path: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let call = format!("fn {name}(");
    text.match_indices(&call).any(|(at, _)| {
        // The attribute stands on a line above, perhaps with others between.
        text[..at].lines().rev().take(4).any(|line| line.trim() == "#[test]")
    })
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut named = BTreeSet::new();
    for (count, piece) in page.split('`').enumerate() {
        let is_test = piece.contains("::") && !piece.contains(' ') && piece != "room::test";
        if count % 2 == 1 && (is_test || (piece.ends_with(".case") && piece != "program/condition.case")) {
            named.insert(piece.to_owned());
        }
    }
    let mut missing = Vec::new();
    for name in &named {
        if name.ends_with(".case") {
            if !root().join("tests/cases").join(name).is_file() {
                missing.push(name.clone());
            }
            continue;
        }
        let (path, test) = name.rsplit_once("::").unwrap();
        let found = if let Some(unit) = path.strip_suffix("::tests") {
            has_test(&root().join("src").join(unit.replace("::", "/")).with_extension("rs"), test)
        } else {
            has_test(&root().join("tests/suite").join(path.replace("::", "/")).with_extension("rs"), test)
        };
        if !found {
            missing.push(name.clone());
        }
    }
    println!("SECURITY.md: {} tests named", named.len());
    assert!(missing.is_empty(), "SECURITY.md names tests that do not exist: {missing:#?}");
    assert!(named.len() > 80, "only {} tests found in SECURITY.md", named.len());
    // A row without a test is a mere claim.
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.contains(" shown by |")) {
        assert!(row.contains("::") || row.contains(".case"), "no test: {row}");
    }
}

/// Options that are about secrets take a file, a variable's name or nothing.
#[test]
fn no_option_takes_a_secret_as_its_value() {
    fn look(path: &str, command: &Command, seen: &mut usize) {
        for option in command.get_opts() {
            let name = option.get_long().unwrap_or_default();
            let secret = ["password", "secret", "key", "token", "passphrase", "credential"]
                .iter()
                .any(|word| name.split('-').any(|part| part == *word));
            if !secret {
                continue;
            }
            *seen += 1;
            let values: Vec<String> =
                option.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
            let harmless = !option.get_action().takes_values()
                || values.iter().all(|value| ["FILE", "DIR", "VAR", "KID"].contains(&value.as_str()));
            assert!(harmless, "{path} --{name} takes {values:?}");
        }
        for sub in command.get_subcommands() {
            look(&format!("{path} {}", sub.get_name()), sub, seen);
        }
    }
    let mut seen = 0;
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        look(tool.name, &command, &mut seen);
    }
    assert!(seen > 10, "only {seen} options found");
}

#[test]
fn a_name_is_never_a_part_of_a_statement() {
    let folder = Folder::with_setup();
    let names = ["x'; DROP TABLE hpc_user; --", "\" OR \"\"=\"", "a' OR '1'='1", "%", "_", "fritz' --", "?1"];
    let run = |arguments: &[&str]| -> Run { folder.run("cc-user", arguments) };
    for name in names {
        // Whatever the name would do as SQL, it hits nobody while nobody has it.
        run(&["show", name]).ended(1);
        run(&["del", name]).ended(1);
        run(&["role", "add", name, "admin"]).ended(1);
        run(&["add", name, "--role", "manager", "--project", name, "--name", name, "--no-password"]).ended(0);
        assert_eq!(run(&["show", name, "--json"]).ended(0).json()["username"], name);
        run(&["role", "add", name, "support"]).ended(0);
        run(&["passwd", name, "--delete"]).ended(0);
        assert_eq!(run(&["list", "--names", "--project", name]).ended(0).stdout, format!("{name}\n"));
    }
    let table = run(&["list", "--json"]).ended(0).json();
    let fritz = table.as_array().unwrap().iter().find(|user| user["username"] == "fritz").unwrap();
    assert_eq!(fritz["roles"], json!(["user", "api"]), "nobody else was changed");
    assert_eq!(table.as_array().unwrap().len(), names.len() + 1);
    for name in names {
        run(&["del", name]).ended(0);
    }
    assert_eq!(run(&["list", "--names"]).ended(0).stdout, "fritz\n");
}

#[test]
fn a_bind_that_is_the_same_for_everybody_is_refused() {
    let folder = Folder::with_setup();
    let connection = rusqlite::Connection::open(folder.file("var/job.db")).unwrap();
    connection.execute("UPDATE hpc_user SET ldap = 1 WHERE username = 'fritz'", []).unwrap();
    drop(connection);
    // Nobody listens there: were the name not looked at first, it would be a connection refused.
    configure(&folder, "ldap://127.0.0.1:9", json!({"user-bind": "cn=sync,dc=rz,dc=example,dc=com"}));
    folder.write("pw", "syncpw");
    let refused = folder.run("cc-login", &["fritz", "--method", "ldap", "--password-file", "pw"]);
    assert_eq!(refused.status, 78, "{}", refused.stderr);
    assert!(refused.stderr.contains("everybody would log in as the same person"), "{}", refused.stderr);
}

#[test]
fn the_house_has_no_unsafe_code_and_says_why_of_each_dependency() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(!lock.contains("name = \"rsa\""), "RUSTSEC-2023-0071 has no patch");
    let packages = lock.matches("[[package]]").count();
    let outside = lock.matches("checksum = ").count();
    assert_eq!(outside, packages - 1, "each package but our own is fixed by its hash");
    assert!(!lock.contains("git+"), "a dependency from a repository has no hash");
    let mut inside = false;
    let mut explained = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if inside && line.contains(" = ") && !line.starts_with(' ') {
            assert!(explained, "Cargo.toml does not say what this is for: {line}");
        }
    }
}
