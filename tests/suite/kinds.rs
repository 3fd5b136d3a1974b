//! One kind of error, one exit status: every kind is returned by an error type, and each error that
//! a command prints as JSON ends it with the status of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cc_auth::util::check::CHECKS;
use cc_auth::util::kind::Kind;

use crate::support::TestEnv;

fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(below)];
    let mut found = Vec::new();
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn kind_every_one_is_returned_by_an_error_type() {
    let mut used = BTreeSet::new();
    for path in files("src", "rs") {
        let text = crate::support::code_without_tests(&path);
        let (marker, own) =
            if path.ends_with("util/kind.rs") { ("=> Self::", true) } else { ("Kind::", false) };
        for (at, _) in text.match_indices(marker) {
            let rest = &text[at + marker.len()..];
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            // In the table itself only what one kind becomes in the configuration counts.
            if !own || name.starts_with("Config") {
                used.insert(name);
            }
        }
    }
    let unused: Vec<String> =
        Kind::ALL.iter().map(|kind| format!("{kind:?}")).filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "no error is of these kinds: {unused:?}");
}

/// The names of checks in a source file: the first argument of a function that warns or that adds a
/// step to a verdict.
fn checks_in(text: &str) -> BTreeSet<String> {
    const FUNCTIONS: [&str; 13] = [
        ".warn(",
        ".warn_with(",
        ".danger(",
        ".danger_with(",
        ".warn_of_danger(",
        "Warning::new(",
        " warn(",
        ".holds(",
        ".fails(",
        ".warns(",
        ".not_reached(",
        "warnings.push((",
        "const CHECK: &str =",
    ];
    let mut found = BTreeSet::new();
    for marker in FUNCTIONS {
        for (at, _) in text.match_indices(marker) {
            let rest = text[at + marker.len()..].trim_start();
            let name = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            if let Some((name, _)) = name.filter(|(name, _)| !name.contains(' ')) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn check_every_one_is_in_the_table_and_used() {
    assert!(CHECKS.is_sorted(), "the table is in the order of names");
    let mut used = BTreeSet::new();
    let mut literals = String::new();
    for path in files("src", "rs").into_iter().filter(|path| !path.ends_with("util/check.rs")) {
        let text = crate::support::code_without_tests(&path);
        used.extend(checks_in(&text));
        literals += &text;
    }
    assert!(used.len() > 80, "only {used:?}");
    let table: BTreeSet<String> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<&String> = used.difference(&table).collect();
    assert!(missing.is_empty(), "not in src/util/check.rs: {missing:?}");
    let unused: Vec<&String> =
        table.iter().filter(|name| !literals.contains(&format!("\"{name}\""))).collect();
    assert!(unused.is_empty(), "no warning or verdict has these checks: {unused:?}");
}

fn kind_of(line: &str) -> Option<Kind> {
    let object: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = object.get("error")?.get("kind")?.as_str()?.to_owned();
    Some(
        *Kind::ALL
            .iter()
            .find(|kind| kind.name() == name)
            .unwrap_or_else(|| panic!("{name} is not in the table")),
    )
}

/// The commands of all case files, run again with `--json`: a command that prints one error ends
/// with the status of its kind.
#[test]
fn kind_of_every_case_ends_with_its_status() {
    let mut seen: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    let mut warnings = BTreeSet::new();
    let mut commands = 0;
    for path in files("tests/cases", "case") {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let directory = if lines.contains(&"@ setup") { TestEnv::with_setup() } else { TestEnv::new() };
        for line in lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
            // A plain command of a program, whose error is its own.
            let program = line.split(' ').next().unwrap();
            let is_plain = ["cc-jwt", "cc-user", "cc-login", "gen-keypair", "convert-pem-pubkey"]
                .contains(&program)
                && !line.contains(['|', '>', ';', '&', '`'])
                && !line.contains("--json")
                && !line.contains(" -- ");
            if !is_plain {
                directory.sh(line);
                continue;
            }
            let rest = &line[program.len()..];
            let run = directory.sh(&format!("{program} --json{rest}"));
            commands += 1;
            for line in run.stderr.lines() {
                let object: Option<serde_json::Value> = serde_json::from_str(line).ok();
                let names = ["error", "warning", "instruction", "log"];
                let warning = object.as_ref().and_then(|object| object.get("warning"));
                let is_line = object.as_ref().is_some_and(|object| {
                    object.as_object().is_some_and(|members| members.len() == 1)
                        && names.iter().any(|name| object[name]["message"].is_string())
                });
                assert!(is_line, "{}: {rest}: no JSON line: {line}", path.display());
                if let Some(warning) = warning {
                    let check = warning["check"].as_str().unwrap();
                    assert!(CHECKS.iter().any(|(name, _)| *name == check), "{}: {line}", path.display());
                    warnings.insert(check.to_owned());
                }
            }
            let kinds: BTreeSet<&str> = run.stderr.lines().filter_map(kind_of).map(Kind::name).collect();
            if let [only] = kinds.iter().copied().collect::<Vec<_>>().as_slice() {
                let kind = Kind::ALL.iter().find(|kind| kind.name() == *only).unwrap();
                assert_eq!(
                    i32::from(kind.status().code()),
                    run.status,
                    "{}: {line}: {only}\n{}",
                    path.display(),
                    run.stderr
                );
                seen.entry(kind.name()).or_default().insert(run.status);
            }
        }
    }
    println!("kinds: {} of {} produced by {commands} commands", seen.len(), Kind::ALL.len());
    println!("checks: {} of {} warned of", warnings.len(), CHECKS.len());
    assert!(warnings.len() > 6, "{warnings:?}");
    assert!(seen.len() > 60, "{} kinds: {:?}", seen.len(), seen.keys());
    assert!(seen.values().all(|statuses| statuses.len() == 1), "{seen:?}");
}
