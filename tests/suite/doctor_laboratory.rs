//! Five problems at once in the laboratory of all programs: one run of `cc-user doctor` finds them and nothing
//! else, and their remedies together lead to a clean report.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::doctor_programs::{DIRECTORIES, PROBLEMS, Problem, examine, laboratory, problems, run};
use crate::support::TestEnv;

/// The problems that are planted together.
const PLANTED: usize = 5;

/// A check and the source of its finding.
type Found = BTreeSet<(String, String)>;

fn key(finding: &Value) -> (String, String) {
    let text = |name: &str| finding[name].as_str().unwrap().to_owned();
    (text("check"), text("source"))
}

fn found(report: &Value) -> Found {
    problems(report).iter().map(key).collect()
}

fn copy_of(healthy: &TestEnv) -> TestEnv {
    let directory = TestEnv::new();
    directory.sh(&format!("cp -a {}/. .", healthy.path().display())).ended(0);
    directory
}

/// Plants problems, finds exactly those that each of them causes alone, and follows the remedies.
fn plant_find_and_repair(healthy: &TestEnv, planted: &[&Problem]) -> TestEnv {
    let names: Vec<&str> = planted.iter().map(|one| one.what).collect();
    let directory = copy_of(healthy);
    let (mut alone, mut by_hand) = (Found::new(), Found::new());
    for Problem { plant, check, follow, .. } in planted {
        let other = copy_of(healthy);
        run(&other, plant);
        let of_one = found(&examine(&other, ""));
        assert!(of_one.iter().any(|(name, _)| name == check), "{plant}: {of_one:?}");
        if !follow.is_empty() {
            by_hand.extend(of_one.clone());
        }
        alone.extend(of_one);
        run(&directory, plant);
    }
    let report = examine(&directory, "");
    assert_eq!(found(&report), alone, "{names:?}");
    let status = if report["failed"].as_u64().unwrap() > 0 { 1 } else { 0 };
    directory.sh(&format!("cc-user doctor --offline {}", DIRECTORIES.join(" "))).ended(status);
    // Each remedy is a command, or the test does what it states in words.
    for one in problems(&report).iter().filter(|one| !by_hand.contains(&key(one))) {
        run(&directory, one["hint"].as_str().unwrap());
    }
    planted.iter().filter(|one| !one.follow.is_empty()).for_each(|one| run(&directory, one.follow));
    assert_eq!(found(&examine(&directory, "")), Found::new(), "{names:?}");
    directory.sh(&format!("cc-user doctor --offline {}", DIRECTORIES.join(" "))).ended(0);
    directory
}

/// One problem in each of five programs; each token remains a token, and each key a key.
const FIVE: [&str; PLANTED] = [
    "token of a sink expired",
    "token of an administrator for cc-metric-store",
    "user of a token deleted",
    "cc-event-store with the old key",
    "NATS credentials missing",
];

#[test]
fn laboratory_five_problems_are_found_and_repaired_and_scan_lists_all_tokens_and_keys() {
    let healthy = laboratory();
    let planted = FIVE.map(|name| PROBLEMS.iter().find(|one| one.what == name).unwrap());
    let directory = copy_of(&healthy);
    planted.iter().for_each(|one| run(&directory, one.plant));
    let checks: Vec<Value> =
        problems(&examine(&directory, "")).iter().map(|one| one["check"].clone()).collect();
    let mut expected = planted.map(|one| json!(one.check)).to_vec();
    expected.sort_by_key(Value::to_string);
    let mut sorted = checks;
    sorted.sort_by_key(Value::to_string);
    assert_eq!(sorted, expected, "one finding for each problem");

    let (tokens, keys) = listed(&directory);
    assert_eq!((tokens.len(), keys.len()), (30, 2), "{keys:?}");
    assert!(keys.iter().any(|(_, known)| known == "own") && keys.iter().any(|(_, known)| known != "own"));

    let directory = plant_find_and_repair(&healthy, &planted);
    let (tokens, keys) = listed(&directory);
    assert_eq!((tokens.len(), keys.len()), (30, 1));
    renew_one_token_of_each_program(&directory);
}

/// The fingerprints of the tokens, and of the keys with their names.
fn listed(directory: &TestEnv) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let line = format!("cc-jwt scan config.json {} --json", DIRECTORIES.join(" "));
    let report = directory.sh(&line).ended(0).json();
    let all = report["occurrences"].as_array().unwrap();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let of_kind = |kind: &'static str| all.iter().filter(move |one| one["kind"] == kind);
    (
        of_kind("token").map(|one| text(one, "fingerprint")).collect(),
        of_kind("public-key").map(|one| (text(one, "fingerprint"), text(one, "signed_by"))).collect(),
    )
}

/// Replaces a token of each program that has one by a token that expires soon, and renews it in place.
fn renew_one_token_of_each_program(directory: &TestEnv) {
    for (user, file, member) in [
        ("cc-backend", "config.json", "/metric-store-external/1/token"),
        ("cc-metric-collector", "cc-metric-collector/sinks.json", "/s7/jwt"),
        ("cc-slurm-adapter", "cc-slurm-adapter/config.json", "/ccRestJwt"),
        ("cc-energy-manager", "cc-energy-manager/config.json", "/sinks/out/jwt"),
        ("export", "scripts/export.env", "TOKEN"),
    ] {
        let issue = format!("$(issue {user} --ttl 90d --at -89d)");
        let plant = match member {
            "TOKEN" => format!("sed -i \"s/^TOKEN=.*/TOKEN={issue}/\" {file}"),
            pointer => format!("member {file} {pointer} {issue}"),
        };
        // A user that a remedy deleted or replaced is added again.
        run(
            directory,
            &format!("cc-user add -q {user} --role api --no-password 2>/dev/null || true\n{plant}"),
        );
        let before = found(&examine(directory, ""));
        assert_eq!(before.len(), 1, "{before:?}");
        assert!(
            before.iter().all(|(check, source)| check == "expires-soon" && source.contains(file)),
            "{before:?}"
        );
        let line = format!(
            "cc-jwt renew --user {user} --ttl 2160h --into '{file}#{member}' --command 'echo {user} >> reloaded' -q"
        );
        directory.sh(&line).ended(0);
        assert_eq!(directory.read("reloaded"), format!("{user}\n"));
        assert_eq!(found(&examine(directory, "")), Found::new(), "{file}");
        directory.sh(&format!("rm reloaded; {line}; test ! -e reloaded")).ended(0);
    }
}

/// A generator of numbers (SplitMix64).
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// The programs and files that a problem changes.
fn changed(problem: &Problem) -> Vec<&'static str> {
    let names = DIRECTORIES.into_iter().chain([" config.json", ".env", "saved"]);
    names.filter(|name| problem.plant.contains(name)).collect()
}

/// Five problems of different checks that change different programs.
fn five(rng: &mut Rng) -> Vec<&'static Problem> {
    let mut left: Vec<&Problem> = PROBLEMS.iter().collect();
    let mut chosen: Vec<&Problem> = Vec::new();
    while chosen.len() < PLANTED {
        if left.is_empty() {
            (left, chosen) = (PROBLEMS.iter().collect(), Vec::new());
        }
        let next = left.swap_remove(rng.below(left.len()));
        let is_other = |one: &&&Problem| {
            one.check != next.check && changed(one).iter().all(|name| !changed(next).contains(name))
        };
        left.retain(|one| is_other(&one));
        chosen.push(next);
    }
    chosen
}

#[test]
fn laboratory_random_sets_of_five_problems_are_found_and_repaired() {
    let healthy = laboratory();
    let mut rng = Rng(20);
    for _ in 0..3 {
        plant_find_and_repair(&healthy, &five(&mut rng));
    }
}
