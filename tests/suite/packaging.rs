//! What is shipped beside the programs: examples, and what packages say of themselves. The package
//! itself is tried by `.ci/check-package`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::TestEnv;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(source(name)).unwrap()
}

/// A directory with the examples, `env` under the name that is read.
fn with_examples() -> TestEnv {
    let directory = TestEnv::new();
    for entry in fs::read_dir(source("contrib/examples")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        directory.write(if name == "env" { ".env" } else { &name }, fs::read(entry.path()).unwrap());
    }
    directory
}

#[test]
fn example_configuration_is_read_without_a_warning() {
    let directory = with_examples();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let run = directory.run("cc-user", &["list", "-v"]).ended(0);
    assert!(run.stderr.contains("ldap.url = 'ldaps://ldap.example.org'"), "{}", run.stderr);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    // What is missing is reported by the name in the example.
    let run = directory.run("cc-user", &["sync-ldap", "--dry-run"]).ended(78);
    assert!(run.stderr.contains("LDAP_ADMIN_PASSWORD"), "{}", run.stderr);
    assert!(directory.read(".env").contains("LDAP_ADMIN_PASSWORD"));
}

#[test]
fn example_role_and_resource_are_valid() {
    let directory = with_examples();
    directory.run("cc-jwt", &["role", "check", "role.json"]).ended(0);
    directory.run("cc-jwt", &["role", "check", "--role-config", "role-keys.json"]).ended(0);
    directory.run("cc-jwt", &["spec", "check", "--no-key", "osdf.yaml"]).ended(0);
}

#[test]
fn example_files_are_all_used() {
    let list = text("contrib/examples/README");
    for entry in fs::read_dir(source("contrib/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README" || list.lines().any(|line| line.split(' ').next() == Some(&name)),
            "contrib/examples/README does not name {name}"
        );
    }
}

#[test]
fn packages_have_the_version_of_the_programs() {
    let newest = text("contrib/debian/changelog").lines().next().unwrap().to_owned();
    assert!(newest.starts_with(&format!("cc-auth-tools ({VERSION}-")), "{newest}");
    // Keep a Changelog: what is not released, then the releases, the newest first.
    let changelog = text("CHANGELOG.md");
    let mut titles = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(titles.next(), Some("[Unreleased]"));
    if let Some(newest) = titles.next() {
        assert!(newest.starts_with(&format!("[{VERSION}] - ")), "{newest}");
    }
}

#[test]
fn package_has_the_license_of_the_source() {
    let words = |text: &str| {
        text.split_whitespace().filter(|word| *word != ".").map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let license = text("LICENSE");
    let permission = words(&license[license.find("Permission is").unwrap()..]);
    assert!(words(&text("contrib/debian/copyright")).ends_with(&permission));
}
