//! Five problems at once in the laboratory of all programs: one run of `cc-user doctor` finds them and nothing
//! else, and their remedies together lead to a clean report.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::doctor_programs::{DIRECTORIES, PROBLEMS, Problem, examine, laboratory, problems, run};
use crate::rng::Rng;
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

/// A member that should have a token: shell commands that write the text in `$V` there, and the finding's source.
const MEMBERS: [(&str, &str); 9] = [
    ("member cc-slurm-adapter/config.json /ccRestJwt \"$V\"", "cc-slurm-adapter/config.json /ccRestJwt"),
    ("member cc-metric-collector/sinks.json /s4/jwt \"$V\"", "cc-metric-collector/sinks.json /s4/jwt"),
    (
        "member cc-energy-manager/config.json /sinks/out/jwt \"$V\"",
        "cc-energy-manager/config.json /sinks/out/jwt",
    ),
    (
        "member config.json /metric-store-external/0/token \"$V\"",
        "config.json /metric-store-external/0/token",
    ),
    (
        "printf '{\"cc-backend\": {\"host\": \"h\", \"apikey\": \"%s\"}}' \"$V\" > scripts/condor.json",
        "scripts/condor.json /cc-backend/apikey",
    ),
    (
        "printf 'CCSYNC_APIKEY = %s\\n' \"$V\" > scripts/99-ccsync.conf",
        "scripts/99-ccsync.conf CCSYNC_APIKEY",
    ),
    (
        "printf 'sinks:\\n  out: {type: http, jwt: \"%s\"}\\n' \"$V\" > scripts/c.yaml",
        "scripts/c.yaml /sinks/out/jwt",
    ),
    ("printf '[sinks.out]\\njwt = \"%s\"\\n' \"$V\" > scripts/c.toml", "scripts/c.toml sinks.out.jwt"),
    ("printf 'METRICSTORE_TOKEN=\"%s\"\\n' \"$V\" > scripts/x.env", "scripts/x.env METRICSTORE_TOKEN"),
];

#[test]
fn doctor_member_without_a_token_is_found_in_each_program_and_its_remedy_writes_a_token() {
    let healthy = laboratory();
    for (text, expected) in [
        ("V=x", "a text that is not a token"),
        ("V='<token>'", "a placeholder"),
        ("V=$(key)", "a public key"),
        ("V=$(sed -n 's/^JWT_PRIVATE_KEY=//p' .env | tr -d '\"')", "a private key"),
        ("V=$(cat cc-node-controller/node.seed)", "the seed of an nkey"),
    ] {
        let directory = copy_of(&healthy);
        for (plant, _) in MEMBERS {
            run(&directory, &format!("umask 077; {text}; {plant}"));
        }
        let report = examine(&directory, "");
        let missing: Vec<Value> =
            problems(&report).into_iter().filter(|one| one["check"] == "token-missing").collect();
        for (_, place) in MEMBERS {
            let of_place: Vec<&Value> =
                missing.iter().filter(|one| one["source"].as_str().unwrap().contains(place)).collect();
            assert_eq!(of_place.len(), 1, "{text} {place}: {:#?}", problems(&report));
            let message = of_place[0]["message"].as_str().unwrap();
            assert!(message.contains(expected), "{place}: {message}");
        }
        assert_eq!(missing.len(), MEMBERS.len(), "{missing:#?}");
        missing.iter().for_each(|one| run(&directory, one["hint"].as_str().unwrap()));
        // The variable overrides the token in the configuration, which is another problem.
        run(&directory, "rm scripts/x.env");
        assert_eq!(problems(&examine(&directory, "")), Vec::<Value>::new(), "{text}");
    }
}

#[test]
fn doctor_file_with_a_secret_that_others_can_read_is_found_and_fixed() {
    let healthy = laboratory();
    healthy
        .sh("gen-keypair -f pem -o pem -q && mv pem/private.pem scripts/private.pem && rm -r pem && \
             printf 'TOKEN=%s\\n' $(cc-jwt issue export -q --ttl 2160h) > scripts/.env && \
             chmod 600 scripts/private.pem scripts/.env")
        .ended(0);
    assert_eq!(found(&examine(&healthy, "")), Found::new());
    for file in [
        "scripts/private.pem",
        "scripts/.env",
        "scripts/token",
        "scripts/grafana.yaml",
        "backend.creds",
        "cc-metric-store/store.creds",
        "cc-node-controller/node.seed",
        "cc-slurm-adapter/config.json",
        ".env",
        "config.json",
        "var/job.db",
    ] {
        for (mode, repaired) in [("604", "0600"), ("644", "06"), ("660", "06"), ("606", "0600")] {
            if file == "var/job.db" && mode.starts_with("66") {
                // The database is not used: the tokens of its users are not reported.
                let other = copy_of(&healthy);
                run(&other, "chmod 660 var/job.db");
                let areas = problems(&examine(&other, ""));
                assert!(areas.iter().all(|one| one["area"] != "tokens"), "{areas:#?}");
                assert_eq!(problems(&examine(&other, "--fix")), Vec::<Value>::new());
                continue;
            }
            if file == "var/job.db" && mode == "606" {
                continue;
            }
            // The environment file and the database may be readable for the group of the server.
            let plant = format!("chmod {mode} {file}");
            let directory = copy_of(&healthy);
            run(&directory, &plant);
            let report = examine(&directory, "");
            let of_file = problems(&report);
            assert_eq!(of_file.len(), 1, "{file} {mode}: {of_file:#?}");
            assert!(of_file[0].to_string().contains(file), "{of_file:?}");
            assert!(["file-mode", "file-untrusted"].iter().any(|check| of_file[0]["check"] == *check));
            let hint = of_file[0]["hint"].as_str().unwrap().to_owned();
            let other = copy_of(&directory);
            run(&other, &hint);
            // The configuration is not used before its mode is corrected, so its tokens are found then.
            if file == "config.json" {
                let rest = problems(&examine(&other, ""));
                rest.iter().for_each(|one| run(&other, one["hint"].as_str().unwrap()));
            }
            let fixed = examine(&directory, "--fix");
            assert_eq!(fixed["fixed_files"].as_array().unwrap().len(), 1, "{fixed:#}");
            for repaired_one in [&directory, &other] {
                assert_eq!(found(&examine(repaired_one, "")), Found::new(), "{file} {mode} {hint}");
                let mode = repaired_one.sh(&format!("stat -c 0%a {file}")).ended(0).stdout;
                assert!(mode.trim().starts_with(repaired) && mode.trim().ends_with('0'), "{file}: {mode}");
            }
        }
    }
}
