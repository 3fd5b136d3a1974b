//! `cc-user doctor` and `cc-jwt scan` on a laboratory of programs: each planted problem of another program is
//! found, and its remedy leads to a clean report.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use cc_auth::key::{Algorithm, PrivateKey, SigningKey, nkey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::TestEnv;

/// The number of the key of the account.
const ACCOUNT: u8 = 200;

fn key(number: u8) -> PrivateKey {
    PrivateKey::ed25519_from_seed(&[number; 32]).unwrap()
}

fn public(number: u8, role: nkey::NkeyRole) -> String {
    nkey::write_public(&key(number).public(), role).unwrap()
}

/// NATS credentials of a user, as in a `.creds` file. The seeds of different numbers differ.
fn credentials(number: u8, token_of: u8, claims: &Value) -> String {
    credentials_signed_by(ACCOUNT, number, token_of, claims)
}

fn credentials_signed_by(signer: u8, number: u8, token_of: u8, claims: &Value) -> String {
    let user = public(token_of, nkey::NkeyRole::User);
    let account = public(ACCOUNT, nkey::NkeyRole::Account);
    let mut all = json!({"sub": user, "name": "u", "iat": 1_700_000_000, "iss": account, "nats": {"type": "user", "version": 2}});
    for (name, value) in claims.as_object().unwrap() {
        match all[name].as_object_mut() {
            Some(object) => object.extend(value.as_object().unwrap().clone()),
            None => all[name] = value.clone(),
        }
    }
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let signed = format!("{}.{}", encode(&header), encode(&all));
    let signer = SigningKey::private(key(signer)).unwrap();
    let signature = BASE64URL_NOPAD.encode(&signer.sign(Algorithm::EdDsa, signed.as_bytes()).unwrap());
    format!(
        "-----BEGIN NATS USER JWT-----\n{signed}.{signature}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY \
         SEED-----\n{}\n------END USER NKEY SEED------\n",
        seed(number)
    )
}

fn seed(number: u8) -> String {
    nkey::write_seed(&key(number), nkey::NkeyRole::User).unwrap().to_string()
}

/// The directories of the laboratory besides that of the server.
pub(super) const DIRECTORIES: [&str; 7] = [
    "cc-metric-store",
    "cc-event-store",
    "cc-metric-collector",
    "cc-slurm-adapter",
    "cc-energy-manager",
    "cc-node-controller",
    "scripts",
];

/// The sinks of cc-metric-collector with a token.
const SINKS: usize = 20;

/// An installation of all programs without a problem: 30 tokens and the public key in two files.
pub(super) fn laboratory() -> TestEnv {
    let directory = TestEnv::new();
    directory
        .sh("cc-user init -q && printf 'pa55word' | cc-user add -q boss --role admin,api --password-stdin
             for name in cc-backend cc-metric-collector cc-slurm-adapter cc-energy-manager export; do
               cc-user add -q $name --role api --no-password; done")
        .ended(0);
    let key = directory.sh("sed -n 's/^JWT_PUBLIC_KEY=//p' .env | tr -d '\"'").ended(0).stdout;
    let key = key.trim();
    // Each token is issued at another time, so that it is another one.
    let mut hours = 0;
    let mut token = |user: &str| {
        hours += 1;
        let line = format!("cc-jwt issue {user} -q --ttl 2160h --at -{hours}h");
        directory.sh(&line).ended(0).stdout.trim().to_owned()
    };
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["metric-store-external"] = json!([
        {"scope": "*", "url": "https://store.example.org:8082", "token": token("cc-backend")},
        {"scope": "fritz", "url": "https://store2.example.org:8082", "token": token("cc-backend")},
    ]);
    config["nats"] = json!({"address": "nats://nats.example.org:4222", "creds-file-path": "backend.creds"});
    directory.write("config.json", format!("{config:#}"));
    directory.write("backend.creds", credentials(1, 1, &json!({})));
    directory.write(
        "cc-metric-store/config.json",
        format!(
            "{:#}\n",
            json!({"main": {"addr": "0.0.0.0:8082", "jwt-public-key": key}, "metrics": {}, "checkpoints": {},
                   "nats": [{"address": "nats://n", "creds-file-path": "store.creds", "subscriptions": [{"subscribe-to": "hpc"}]}]})
        ),
    );
    let reader = json!({"nats": {"pub": {"deny": [">"]}, "sub": {"allow": ["hpc"]}}});
    directory.write("cc-metric-store/store.creds", credentials(2, 2, &reader));
    directory.write(
        "cc-event-store/api.json",
        format!("{{\n  \"addr\": \"0.0.0.0:8090\",\n  \"jwt_public_key\": \"{key}\"\n}}\n"),
    );
    let sinks: serde_json::Map<String, Value> = (1..=SINKS)
        .map(|number| {
            let url = format!("https://store{number}.example.org:8082/api/write");
            (format!("s{number}"), json!({"type": "http", "url": url, "jwt": token("cc-metric-collector")}))
        })
        .chain([(
            "nats".to_owned(),
            json!({"type": "nats", "subject": "hpc", "nkey_file": "collector.creds"}),
        )])
        .collect();
    directory.write("cc-metric-collector/sinks.json", format!("{:#}\n", Value::Object(sinks)));
    directory.write(
        "cc-metric-collector/config.json",
        "{\"main\": {\"interval\": \"10s\"}, \"sinks-file\": \"./sinks.json\"}\n",
    );
    let writer = json!({"nats": {"pub": {"allow": ["hpc"]}, "sub": {"deny": [">"]}}});
    directory.write("cc-metric-collector/collector.creds", credentials(3, 3, &writer));
    let adapter = json!({"ccRestUrl": "https://cc.example.org", "ccRestJwt": token("cc-slurm-adapter"),
                         "natsServer": "n", "natsSubject": "jobs", "natsCredsFile": "adapter.creds"});
    directory.write("cc-slurm-adapter/config.json", format!("{adapter:#}\n"));
    directory.write("cc-slurm-adapter/adapter.creds", credentials(4, 4, &json!({})));
    let manager = json!({"controller": {"nats": {"server": "n", "credsFile": "manager.creds"}}, "receivers": {},
                         "sinks": {"out": {"type": "http", "url": "https://cc.example.org", "jwt": token("cc-energy-manager")}}});
    directory.write("cc-energy-manager/config.json", format!("{manager:#}\n"));
    directory.write("cc-energy-manager/manager.creds", credentials(5, 5, &json!({})));
    directory
        .write("cc-node-controller/config.json", "{\"server\": \"n\", \"nkeySeedFile\": \"node.seed\"}\n");
    directory.write("cc-node-controller/node.seed", format!("{}\n", seed(6)));
    let export = [
        token("export"),
        token("export"),
        token("export"),
        token("export"),
        token("export"),
        token("export"),
    ];
    directory
        .write("scripts/export.env", format!("# jobs\nTOKEN={}\nURL=https://cc.example.org\n", export[0]));
    directory.write("scripts/curlrc", format!("header = \"Authorization: Bearer {}\"\n", export[1]));
    directory
        .write("scripts/export.service", "[Service]\nEnvironmentFile=/etc/export.env\nExecStart=/bin/true\n");
    directory.write("scripts/token", format!("{}\n", export[2]));
    directory.write(
        "scripts/grafana.yaml",
        format!("datasources:\n- secureJsonData: {{httpHeaderValue1: \"Bearer {}\"}}\n", export[3]),
    );
    directory.write("scripts/job.sh", format!("#!/bin/sh\nTOKEN='{}'\n", export[4]));
    directory.write("scripts/job.ini", format!("[cc]\ntoken = {}\n", export[5]));
    directory.sh("chmod 600 config.json backend.creds cc-*/* scripts/*").ended(0);
    directory
}

/// The number of tokens in the laboratory.
const TOKENS: usize = 2 + SINKS + 1 + 1 + 6;

pub(super) fn examine(directory: &TestEnv, options: &str) -> Value {
    directory.sh(&format!("cc-user doctor --json --offline {} {options}", DIRECTORIES.join(" "))).json()
}

pub(super) fn problems(report: &Value) -> Vec<Value> {
    let is_problem = |one: &&Value| one["state"] == "fail" || one["state"] == "warn";
    report["findings"].as_array().unwrap().iter().filter(is_problem).cloned().collect()
}

/// A problem.
pub(super) struct Problem {
    pub(super) what: &'static str,
    /// Shell commands that plant it.
    pub(super) plant: &'static str,
    pub(super) check: &'static str,
    /// Shell commands that do what the remedy states in words; empty if the remedy is a command.
    pub(super) follow: &'static str,
    options: &'static str,
}

const fn problem(
    what: &'static str,
    plant: &'static str,
    check: &'static str,
    follow: &'static str,
) -> Problem {
    Problem { what, plant, check, follow, options: "" }
}

/// Shell functions of the tests: `member FILE PATH VALUE` sets a member of JSON; without a value, it deletes it.
const FUNCTIONS: &str = r#"
member() { python3 - "$@" <<'END'
import json, os, sys
name, path, value = sys.argv[1], sys.argv[2].split("/")[1:], sys.argv[3:]
mode = os.stat(name).st_mode
root = json.load(open(name))
inner = root
for part in path[:-1]:
    inner = inner[int(part)] if isinstance(inner, list) else inner.setdefault(part, {})
if value:
    inner[path[-1]] = value[0]
else:
    del inner[path[-1]]
with open(name, "w") as file:
    json.dump(root, file, indent=2)
os.chmod(name, mode & 0o7777)
END
}
key() { sed -n 's/^JWT_PUBLIC_KEY=//p' .env | tr -d '"'; }
issue() { cc-jwt issue "$@" -q; }
"#;

pub(super) const PROBLEMS: &[Problem] = &[
    problem(
        "token expired",
        "member cc-slurm-adapter/config.json /ccRestJwt $(issue cc-slurm-adapter --ttl 1h --at -2d)",
        "expired",
        "",
    ),
    problem(
        "token of a sink expired",
        "member cc-metric-collector/sinks.json /s3/jwt $(issue cc-metric-collector --ttl 1h --at -2d)",
        "expired",
        "",
    ),
    problem(
        "token in a curl configuration expired",
        "echo \"header = \\\"Authorization: Bearer $(issue export --ttl 1h --at -2d)\\\"\" > scripts/curlrc",
        "expired",
        "",
    ),
    problem(
        "token expires soon",
        "member cc-energy-manager/config.json /sinks/out/jwt $(issue cc-energy-manager --ttl 90d --at -80d)",
        "expires-soon",
        "",
    ),
    problem(
        "short token expires soon",
        "member cc-energy-manager/config.json /sinks/out/jwt $(issue cc-energy-manager --ttl 24h --at -20h)",
        "expires-soon",
        "",
    ),
    problem(
        "token never expires",
        "member cc-slurm-adapter/config.json /ccRestJwt $(issue cc-slurm-adapter --no-expiry)",
        "no-expiry",
        "",
    ),
    problem(
        "token in a plain file never expires",
        "issue export --no-expiry > scripts/token",
        "no-expiry",
        "",
    ),
    problem(
        "token of an administrator",
        "member cc-slurm-adapter/config.json /ccRestJwt $(issue boss)",
        "role-too-wide",
        "",
    ),
    problem(
        "token of an administrator for cc-metric-store",
        "member config.json /metric-store-external/1/token $(issue boss)",
        "role-too-wide",
        "",
    ),
    problem(
        "role that the endpoint rejects",
        "printf pa55word | cc-user add -q otto --role user --password-stdin; member cc-slurm-adapter/config.json /ccRestJwt $(issue otto)",
        "token-rejected",
        "",
    ),
    problem(
        "token signed with an old key",
        "cp .env new.env; gen-keypair --write --force -q; T=$(issue cc-slurm-adapter); cp new.env .env; rm -f .env.old* new.env; member cc-slurm-adapter/config.json /ccRestJwt $T",
        "token-rejected",
        "",
    ),
    problem("user of a token deleted", "cc-user del -q cc-energy-manager", "user-not-in-table", ""),
    problem("user of a token disabled", "cc-user disable -q cc-energy-manager", "user-disabled", ""),
    problem(
        "text Bearer before a token",
        "member cc-metric-collector/sinks.json /s1/jwt \"Bearer $(issue cc-metric-collector)\"",
        "bearer-prefix",
        "",
    ),
    problem(
        "one token in two programs",
        "T=$(issue export --at -99h); member cc-slurm-adapter/config.json /ccRestJwt $T; member cc-energy-manager/config.json /sinks/out/jwt $T",
        "several-places",
        "",
    ),
    problem("token missing", "member cc-metric-collector/sinks.json /s2/jwt ''", "token-missing", ""),
    problem(
        "variable overrides a token",
        "echo METRICSTORE_TOKEN_FRITZ=x >> .env",
        "variable-overrides",
        "sed -i /METRICSTORE/d .env; chmod 600 .env",
    ),
    problem(
        "token in a systemd unit",
        "printf '[Service]\\nEnvironment=TOKEN=%s\\n' $(issue export) > scripts/export.service",
        "token-in-unit",
        "printf '[Service]\\nEnvironmentFile=/etc/export.env\\n' > scripts/export.service",
    ),
    problem("file of a token readable by all", "chmod 644 cc-slurm-adapter/config.json", "file-mode", ""),
    problem(
        "NATS credentials readable by all",
        "chmod 644 cc-metric-collector/collector.creds",
        "file-mode",
        "",
    ),
    problem(
        "token sent without TLS",
        "member cc-slurm-adapter/config.json /ccRestUrl http://cc.example.org",
        "url-without-tls",
        "member cc-slurm-adapter/config.json /ccRestUrl https://cc.example.org",
    ),
    problem(
        "cc-metric-store verifies nothing",
        "member cc-metric-store/config.json /main/jwt-public-key ''",
        "metric-store-open",
        "member cc-metric-store/config.json /main/jwt-public-key $(key)",
    ),
    problem(
        "cc-metric-store without the member",
        "member cc-metric-store/config.json /main/jwt-public-key",
        "metric-store-open",
        "member cc-metric-store/config.json /main/jwt-public-key $(key)",
    ),
    problem(
        "cc-event-store verifies nothing",
        "member cc-event-store/api.json /jwt_public_key ''",
        "metric-store-open",
        "member cc-event-store/api.json /jwt_public_key $(key)",
    ),
    problem(
        "cc-event-store with the old key",
        "member cc-event-store/api.json /jwt_public_key $(gen-keypair --format env | sed -n 's/^JWT_PUBLIC_KEY=//p' | tr -d '\"')",
        "metric-store-key",
        "member cc-event-store/api.json /jwt_public_key $(key)",
    ),
    problem(
        "public key at the root of the configuration of cc-metric-store",
        "member cc-metric-store/config.json /main/jwt-public-key; member cc-metric-store/config.json /jwt-public-key $(key)",
        "member-misplaced",
        "member cc-metric-store/config.json /jwt-public-key; member cc-metric-store/config.json /main/jwt-public-key $(key)",
    ),
    problem(
        "sample key in cc-metric-store",
        "member cc-metric-store/config.json /main/jwt-public-key kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=",
        "key-compromised",
        "member cc-metric-store/config.json /main/jwt-public-key $(key)",
    ),
    problem(
        "NATS credentials missing",
        "mv cc-slurm-adapter/adapter.creds saved",
        "nats-credentials",
        "mv saved cc-slurm-adapter/adapter.creds",
    ),
    problem(
        "bare seed for a member that needs credentials",
        "cp cc-metric-collector/collector.creds saved; cp cc-node-controller/node.seed cc-metric-collector/collector.creds",
        "nats-credentials",
        "mv saved cc-metric-collector/collector.creds",
    ),
    problem(
        "credentials for a member that needs a bare seed",
        "cp cc-node-controller/node.seed saved; cp backend.creds cc-node-controller/node.seed",
        "nats-credentials",
        "mv saved cc-node-controller/node.seed",
    ),
];

pub(super) fn run(directory: &TestEnv, script: &str) {
    directory.write("script", format!("set -e\n{FUNCTIONS}\n{script}\n"));
    let output = directory.sh("sh ./script; status=$?; rm script; exit $status");
    assert_eq!(output.status, 0, "{script}: {}", output.stderr);
}

#[test]
fn doctor_problem_of_each_program_is_found_and_its_remedy_leads_to_a_clean_report() {
    assert!(PROBLEMS.len() >= 25);
    let healthy = laboratory();
    assert_eq!(problems(&examine(&healthy, "")), Vec::<Value>::new());
    for planted in PROBLEMS {
        let Problem { what, plant, check, follow, options } = planted;
        let directory = TestEnv::new();
        directory.sh(&format!("cp -a {}/. .", healthy.path().display())).ended(0);
        run(&directory, plant);
        let report = examine(&directory, options);
        let found: Vec<Value> = problems(&report).into_iter().filter(|one| one["check"] == *check).collect();
        assert!(!found.is_empty(), "{what}: {:#?}", problems(&report));
        for one in problems(&report) {
            assert!(one["hint"].is_string(), "{what}: no remedy: {one:#}");
        }
        if follow.is_empty() {
            // Each remedy is a command.
            for one in problems(&report) {
                run(&directory, one["hint"].as_str().unwrap());
            }
        } else {
            run(&directory, follow);
        }
        assert_eq!(problems(&examine(&directory, options)), Vec::<Value>::new(), "{what}");
    }
}

/// NATS credentials that look right: only their content shows the problem.
#[test]
fn doctor_nats_credentials_of_another_kind_or_without_a_permission_are_found() {
    let healthy = laboratory();
    let original = healthy.read("cc-metric-collector/collector.creds");
    for (what, content, expected) in [
        (
            "the seed of another user",
            credentials(7, 3, &json!({})),
            "its seed does not belong to its user JWT",
        ),
        ("an account", credentials(3, 3, &json!({"nats": {"type": "account"}})), "'account': expected user"),
        (
            "an operator",
            credentials(3, 3, &json!({"nats": {"type": "operator"}})),
            "'operator': expected user",
        ),
        (
            "another subject",
            credentials(3, 3, &json!({"nats": {"pub": {"allow": ["jobs"]}}})),
            "the user may not publish to 'hpc'",
        ),
        (
            "a denied subject",
            credentials(3, 3, &json!({"nats": {"pub": {"deny": [">"]}}})),
            "may not publish to 'hpc'",
        ),
        (
            "the signature of another account",
            credentials_signed_by(ACCOUNT + 1, 3, 3, &json!({})),
            "the signature of its user JWT is not that of its account",
        ),
        (
            "the signature of the user",
            credentials_signed_by(3, 3, 3, &json!({"iss": public(3, nkey::NkeyRole::User)})),
            "the claim 'iss' of its user JWT is an nkey with the role user",
        ),
        (
            "the signature of an operator",
            credentials(3, 3, &json!({"iss": public(ACCOUNT, nkey::NkeyRole::Operator)})),
            "the claim 'iss' of its user JWT is an nkey with the role operator",
        ),
        (
            "an account with a mistyped letter",
            credentials(3, 3, &json!({"iss": public(ACCOUNT, nkey::NkeyRole::Account).replace('A', "B")})),
            "the claim 'iss' of its user JWT is not an nkey",
        ),
        (
            "a signing key of no account",
            credentials(3, 3, &json!({"nats": {"issuer_account": "x"}})),
            "the claim 'issuer_account' of its user JWT is not an nkey",
        ),
        (
            "no account",
            credentials(3, 3, &json!({"iss": 1})),
            "the claim 'iss' of its user JWT is missing or not a",
        ),
        ("an expired user", credentials(3, 3, &json!({"exp": 1_700_000_001})), "it expired"),
        ("no seed", original.split("\n\n").next().unwrap().to_owned(), "does not have the seed"),
        ("another text", "hello\n".to_owned(), "does not have NATS credentials"),
    ] {
        healthy.write("cc-metric-collector/collector.creds", content);
        let report = examine(&healthy, "");
        let found = problems(&report);
        assert!(
            found.iter().any(|one| one["message"].as_str().unwrap().contains(expected)),
            "{what}: {found:#?}"
        );
        assert!(found.iter().all(|one| one["hint"].is_string()), "{what}: {found:#?}");
        assert!(!report.to_string().contains(&seed(3)), "a secret is printed");
    }
    healthy.write("cc-metric-collector/collector.creds", original);
    assert_eq!(problems(&examine(&healthy, "")), Vec::<Value>::new());
}

#[test]
fn scan_of_the_laboratory_lists_each_token_and_key_with_its_properties() {
    let directory = laboratory();
    directory.sh("gen-keypair -f pem -o previous -q; mv previous/public.pem scripts/previous.pem").ended(0);
    let report =
        directory.sh(&format!("cc-jwt scan config.json {} --json", DIRECTORIES.join(" "))).ended(0).json();
    let all = report["occurrences"].as_array().unwrap();
    let of_kind = |kind: &str| -> Vec<&Value> { all.iter().filter(|one| one["kind"] == kind).collect() };
    let tokens = of_kind("token");
    assert_eq!((tokens.len(), TOKENS), (30, 30));
    for token in &tokens {
        assert_eq!((&token["signed_by"], &token["roles"]), (&json!("own"), &json!(["api"])), "{token}");
        assert!(token["days_left"].as_i64().is_some_and(|days| (85..=90).contains(&days)), "{token}");
        assert!(token["accepted_by"].as_array().unwrap().contains(&json!("api")), "{token}");
        assert_eq!(token["problems"], json!([]), "{token}");
    }
    let fingerprints: std::collections::HashSet<&str> =
        tokens.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(fingerprints.len(), 30);
    let keys: Vec<&Value> = of_kind("public-key").into_iter().chain(of_kind("private-key")).collect();
    let names: Vec<(&str, Option<&str>)> =
        keys.iter().map(|one| (one["file"].as_str().unwrap(), one["signed_by"].as_str())).collect();
    assert!(names.contains(&("cc-metric-store/config.json", Some("own"))), "{names:?}");
    assert!(names.contains(&("cc-event-store/api.json", Some("own"))), "{names:?}");
    assert!(names.contains(&("scripts/previous.pem", None)), "{names:?}");
    assert_eq!((of_kind("nats-token").len(), of_kind("nkey-seed").len()), (5, 6));
}

/// All tokens of the laboratory by one renewal file: every other byte remains, and each program is reloaded.
#[test]
fn renewal_file_renews_the_tokens_of_all_programs_and_reloads_each() {
    let directory = laboratory();
    let later = "--at +80d";
    let mut renewals = String::new();
    let mut add = |user: &str, target: &str| {
        renewals += &format!(
            "- {{user: {user}, into: '{target}', lifetime: 2160h, command: 'echo {user} >> reloaded'}}\n"
        );
    };
    add("cc-backend", "config.json#/metric-store-external/0/token");
    add("cc-backend", "config.json#/metric-store-external/1/token");
    (1..=SINKS).for_each(|number| {
        add("cc-metric-collector", &format!("cc-metric-collector/sinks.json#/s{number}/jwt"))
    });
    add("cc-slurm-adapter", "cc-slurm-adapter/config.json#/ccRestJwt");
    add("cc-energy-manager", "cc-energy-manager/config.json#/sinks/out/jwt");
    for target in [
        "export.env#TOKEN",
        "curlrc#header",
        "token",
        "job.sh#TOKEN",
        "job.ini#cc.token",
        "grafana.yaml#/datasources/0/secureJsonData/httpHeaderValue1",
    ] {
        add("export", &format!("scripts/{target}"));
    }
    directory.write("renewals.yaml", &renewals);
    directory.sh("chmod 640 cc-slurm-adapter/config.json; chmod 600 renewals.yaml").ended(0);
    directory.sh("cc-jwt renew --renewal-file renewals.yaml --check").ended(0);
    directory.sh(&format!("cc-jwt renew --renewal-file renewals.yaml --check {later}")).ended(1);
    let files: Vec<String> = renewals
        .lines()
        .map(|line| line.split('\'').nth(1).unwrap().split('#').next().unwrap().to_owned())
        .collect();
    let state = |file: &String| {
        let metadata = fs::metadata(directory.file(file)).unwrap();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let text = directory.read(file);
        let words: Vec<&str> = text.split(|c| !is_token(c)).filter(|word| word.starts_with("eyJ")).collect();
        let rest = words.iter().fold(text.clone(), |text, word| text.replace(word, "TOKEN"));
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        (rest, (metadata.uid(), metadata.gid(), metadata.permissions().mode()), words)
    };
    let before: Vec<_> = files.iter().map(state).collect();
    directory.sh(&format!("cc-jwt renew --renewal-file renewals.yaml -q {later}")).ended(0);
    for (file, (rest, access, words)) in files.iter().zip(before) {
        let (new_rest, new_access, new_words) = state(file);
        assert_eq!((new_rest, new_access, new_words.len()), (rest, access, words.len()), "{file}");
        assert!(new_words.iter().all(|word| !words.contains(word)), "{file}: a token remains");
    }
    let mut reloaded: Vec<String> = directory.read("reloaded").lines().map(str::to_owned).collect();
    reloaded.dedup();
    assert_eq!(
        reloaded,
        ["cc-backend", "cc-metric-collector", "cc-slurm-adapter", "cc-energy-manager", "export"]
    );
}
