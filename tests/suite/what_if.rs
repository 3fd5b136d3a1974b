//! `cc-jwt scan --what-if` prints exactly what two runs show: one in the present directory and one in a copy
//! with the changed files. The differences of the two runs are computed here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use cc_auth::key::{KeyStrength, PrivateKey, SigningKey};
use cc_auth::token::{Claims, HeaderParams, sign};
use cc_auth::util::secret::SecretText;
use serde_json::{Value, json};

use crate::rng::Rng;
use crate::support::TestEnv;

/// The present time of all runs, and the times of tokens around it.
const NOW: i64 = 2_000_000_000;
const AT: &str = "2033-05-18T03:33:20Z";
const DAY: i64 = 86_400;

/// The secret of `/jwt-login`, and another one.
const SECRETS: [&str; 2] = [
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==",
    "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTBmZWRjYmE5ODc2NTQzMjEwZmVkY2JhOTg3NjU0MzIxMA==",
];

/// The names in `sub`; the last ones are not in the user table.
const SUBJECTS: [&str; 7] = ["collector", "fritz", "anna", "mona", "dora", "unknown", ""];

fn private(number: u8) -> PrivateKey {
    PrivateKey::ed25519_from_seed(&[number; 32]).unwrap()
}

fn public_base64(number: u8) -> String {
    data_encoding::BASE64.encode(private(number).public().ed25519_bytes().unwrap())
}

fn pair_base64(number: u8) -> String {
    data_encoding::BASE64.encode(private(number).to_ed25519_pair().unwrap().expose())
}

/// A token: key 1 is the server's, 2 that of the trusted issuer, 3 and 4 are others.
fn token(numbers: &mut Rng) -> String {
    let key = match numbers.below(10) {
        0..=3 => SigningKey::private(private(1)).unwrap(),
        4..=5 => SigningKey::private(private(2)).unwrap(),
        6..=7 => SigningKey::private(private(3)).unwrap(),
        8 => SigningKey::private(private(4)).unwrap(),
        _ => {
            let secret = SecretText::new(SECRETS[numbers.below(2)].to_owned());
            SigningKey::hmac_secret_from_base64(&secret, KeyStrength::Enforce).unwrap()
        }
    };
    let mut claims = Claims::new();
    claims.set("sub", numbers.pick(&SUBJECTS));
    let roles: &[&[&str]] =
        &[&["api"], &["user", "api"], &["admin"], &["admin", "api"], &["user"], &[], &["x"]];
    claims.set("roles", json!(numbers.pick(roles)));
    for (name, offsets) in [("iat", [-40, -10, -1, 3]), ("exp", [-3, 2, 20, 400]), ("nbf", [-9, -8, -7, 5])] {
        if numbers.below(4) > usize::from(name == "iat") {
            claims.set(name, NOW + offsets[numbers.below(4)] * DAY);
        }
    }
    match numbers.below(4) {
        0 => claims.set("iss", "https://portal.example.org"),
        1 => claims.set("iss", "other"),
        _ => {}
    }
    sign(&HeaderParams::for_key(&key), &claims, &key).unwrap().expose().to_owned()
}

/// A directory of a server with users, and files with tokens and keys in `etc`.
fn server(seed: u64) -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    directory.sh(
        "cc-user add collector --role api --no-password -q && cc-user add fritz --role user,api --no-password -q \
         && cc-user add anna --role admin --no-password -q && cc-user add dora --role user --no-password -q \
         && cc-user add mona --role manager --project p1 --no-password -q \
         && sqlite3 var/job.db \"UPDATE user SET ldap = 1 WHERE username = 'dora'\"",
    )
    .ended(0);
    directory.write(".env", env_file(1, 2, SECRETS[0]));
    directory.write("config.json", config().to_string());
    let mut numbers = Rng(seed);
    for index in 0..24 {
        let (one, other) = (token(&mut numbers), token(&mut numbers));
        let key = u8::try_from(1 + index % 4).unwrap();
        let (name, text) = match index % 6 {
            0 => (
                "sinks.json",
                json!({"a": {"jwt": one}, "b": {"jwt": format!("Bearer {other}")}}).to_string(),
            ),
            1 => ("x.env", format!("TOKEN={one}\nJWT_PUBLIC_KEY={}\n", public_base64(key))),
            2 => (
                "x.service",
                format!("[Service]\nEnvironment=\"A={one}\"\n# {other} {}\n", public_base64(key)),
            ),
            3 => {
                ("config.json", json!({"main": {"jwt-public-key": public_base64(key)}, "x": one}).to_string())
            }
            4 => ("notes", format!("{one}\nthe key {} or {}\n", public_base64(key), pair_base64(key))),
            _ => (
                "secret.yaml",
                format!(
                    "kind: Secret\ndata:\n  a: {}\n  b: {}\n  c: {}\n",
                    data_encoding::BASE64.encode(one.as_bytes()),
                    data_encoding::BASE64.encode(public_base64(key).as_bytes()),
                    data_encoding::BASE64
                        .encode(format!("CROSS_LOGIN_JWT_HS512_KEY={}\n", SECRETS[index % 2]).as_bytes()),
                ),
            ),
        };
        directory.write(&format!("etc/{index}/{name}"), text);
        // The same token in a second place.
        if index % 5 == 0 {
            directory.write(&format!("etc/copies/{index}.txt"), one);
        }
    }
    directory
}

fn env_file(own: u8, cross_login: u8, secret: &str) -> String {
    format!(
        "JWT_PUBLIC_KEY={}\nJWT_PRIVATE_KEY={}\nSESSION_KEY=MDEyMzQ1Njc4OWFiY2RlZg==\n\
         CROSS_LOGIN_JWT_PUBLIC_KEY={}\nCROSS_LOGIN_JWT_HS512_KEY={secret}\n",
        public_base64(own),
        pair_base64(own),
        public_base64(cross_login)
    )
}

fn config() -> Value {
    json!({
        "main": {"db": "./var/job.db"},
        "auth": {"jwts": {
            "max-age": "2000h",
            "validate-user": false,
            "cookie-name": "portal",
            "trusted-issuer": "https://portal.example.org",
        }},
    })
}

fn config_with(pointer: &str, value: Value) -> String {
    let mut config = config();
    let (above, name) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(above).unwrap()[name] = value;
    config.to_string()
}

/// A planned change: the files, the words of `--what-if`, and the options of the second run.
#[derive(Default)]
struct Change {
    name: &'static str,
    config: Option<String>,
    env_file: Option<String>,
    /// Commands on the copy of the database, `$DB`.
    users: Option<&'static str>,
    words: Vec<String>,
    keys: Vec<(&'static str, u8)>,
    at: Option<&'static str>,
}

fn named(name: &'static str) -> Change {
    Change { name, ..Change::default() }
}

fn of_config(name: &'static str, config: String) -> Change {
    Change { config: Some(config), ..named(name) }
}

fn of_env(name: &'static str, text: String) -> Change {
    Change { env_file: Some(text), ..named(name) }
}

fn of_users(name: &'static str, commands: &'static str) -> Change {
    Change { users: Some(commands), ..named(name) }
}

fn changes() -> Vec<Change> {
    let ldap = json!({"url": "ldap://ldap.example.org", "user-base": "ou=x", "search-dn": "cn=x", "user-filter": "(uid=*)",
                      "user-bind": "uid={username},ou=x"});
    let without = |variable: &str| {
        let text = env_file(1, 2, SECRETS[0]);
        text.lines().filter(|line| !line.starts_with(variable)).fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").unwrap();
            text
        })
    };
    let validate = || config_with("/auth/jwts/validate-user", json!(true));
    vec![
        named("nothing"),
        of_config("max-age", config_with("/auth/jwts/max-age", json!("1h"))),
        of_config("validate-user", validate()),
        of_config("trusted-issuer", config_with("/auth/jwts/trusted-issuer", json!("other"))),
        of_config("cookie-name", config_with("/auth/jwts/cookie-name", json!(""))),
        of_config("no-auth", json!({"main": {"db": "./var/job.db"}}).to_string()),
        of_config("no-start", config_with("/main/unknown", json!(1))),
        of_config("no-authentication", config_with("/main/disable-authentication", json!(true))),
        of_config("addresses", config_with("/main/api-allowed-ips", json!(["192.0.2.1"]))),
        of_config("ldap", config_with("/auth/ldap", ldap)),
        of_config("other-database", config_with("/main/db", json!("./var/missing.db"))),
        of_env("own-key", env_file(3, 2, SECRETS[0])),
        of_env("no-own-key", without("JWT_")),
        of_env("public-key-only", without("JWT_PRIVATE")),
        of_env("cross-login-key", env_file(1, 3, SECRETS[0])),
        of_env("no-cross-login-key", without("CROSS_LOGIN_JWT_PUBLIC")),
        of_env("keys-exchanged", env_file(2, 1, SECRETS[0])),
        of_env("hmac-secret", env_file(1, 2, SECRETS[1])),
        of_env("no-hmac-secret", without("CROSS_LOGIN_JWT_HS512")),
        of_env("no-session-key", without("SESSION")),
        of_users("role-added", "cc-user role add fritz admin --db $DB -q"),
        of_users("role-removed", "cc-user role remove fritz api --db $DB -q"),
        of_users("deleted", "cc-user del anna --db $DB -q"),
        of_users("disabled", "cc-user disable collector --db $DB -q"),
        of_users("added", "cc-user add unknown --role user --no-password --db $DB -q"),
        of_users("projects", "cc-user project add mona p2 --db $DB -q"),
        of_users("renamed", "cc-user rename fritz fred --db $DB -q"),
        of_users("password", "echo pw | cc-user passwd fritz --password-stdin --db $DB -q"),
        of_users("name", "cc-user set fritz --name Fritz --db $DB -q"),
        Change { at: Some("2033-05-22T03:33:20Z"), ..named("four-days") },
        Change { at: Some("2034-10-01T00:00:00Z"), ..named("a-year") },
        Change { keys: vec![("own", 4)], ..named("own-key-file") },
        Change { keys: vec![("previous", 3), ("cross-login", 4)], ..named("two-keys") },
        Change {
            config: Some(validate()),
            users: Some("cc-user role remove fritz api --db $DB -q; cc-user del anna --db $DB -q"),
            ..named("users-that-count")
        },
        Change {
            config: Some(validate()),
            env_file: Some(env_file(3, 2, SECRETS[0])),
            users: Some("cc-user disable fritz --db $DB -q"),
            keys: vec![("previous", 1)],
            at: Some("2033-06-01T00:00:00Z"),
            ..named("everything")
        },
    ]
}

/// The verdict and the problems of an item in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    valid: bool,
    signed_by: Option<String>,
    accepted: BTreeSet<String>,
    problems: BTreeSet<String>,
}

/// File, line, member, fingerprint and kind.
type Place = (String, u64, Option<String>, String, String);

fn texts(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().into_iter().flatten();
    list.map(|one| one["check"].as_str().or(one.as_str()).unwrap().to_owned()).collect()
}

fn place(one: &Value, item: &Value) -> Place {
    let text = |name: &str| one[name].as_str().map(str::to_owned);
    (
        text("file").unwrap(),
        one["line"].as_u64().unwrap(),
        text("member"),
        item["fingerprint"].as_str().unwrap().to_owned(),
        item["kind"].as_str().unwrap().to_owned(),
    )
}

/// What one run of `scan` prints, and `verify` for the tokens.
fn scanned(directory: &TestEnv, options: &str, verify_options: &str) -> BTreeMap<Place, Seen> {
    let report = directory.sh(&format!("cc-jwt scan etc --json {options}")).json();
    let valid = valid_tokens(directory, verify_options);
    let mut seen = BTreeMap::new();
    for one in report["occurrences"].as_array().unwrap() {
        let is_valid = valid.contains(one["fingerprint"].as_str().unwrap());
        let item = Seen {
            valid: is_valid,
            signed_by: one["signed_by"].as_str().map(str::to_owned),
            accepted: texts(&one["accepted_by"]),
            problems: texts(&one["problems"]),
        };
        assert!(seen.insert(place(one, one), item).is_none(), "{one}");
    }
    seen
}

/// The fingerprints of the tokens in `tokens.txt` that `cc-jwt verify` accepts.
fn valid_tokens(directory: &TestEnv, options: &str) -> BTreeSet<String> {
    let run = directory.sh(&format!("cc-jwt verify --stream --token-file tokens.txt --json {options}"));
    let tokens = directory.read("tokens.txt");
    let valid = |line: &str| serde_json::from_str::<Value>(line).unwrap()["valid"] == true;
    let valid: Vec<bool> = run.stdout.lines().map(valid).collect();
    assert!(valid.is_empty() || valid.len() == tokens.lines().count(), "{}{}", run.stdout, run.stderr);
    let fingerprint = |token: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        data_encoding::HEXLOWER.encode(&digest.as_ref()[..6])
    };
    tokens.lines().zip(valid).filter(|(_, valid)| *valid).map(|(token, _)| fingerprint(token)).collect()
}

/// The rights of all users.
fn users(directory: &TestEnv) -> BTreeMap<String, Value> {
    let run = directory.sh("cc-user show $(cc-user list --names) --json");
    let mut users = BTreeMap::new();
    // Without a user table there is no report.
    for user in serde_json::from_str::<Vec<Value>>(&run.stdout).unwrap_or_default() {
        let works = |login: &&Value| login["works"] == true;
        let logins: Vec<Value> = user["login_methods"]
            .as_array()
            .unwrap()
            .iter()
            .filter(works)
            .map(|login| json!({"method": login["method"], "limitation": login["reason"]}))
            .collect();
        let rights = json!({"roles": user["roles"], "projects": user["projects"], "source": user["source"],
                            "endpoints": user["endpoints"], "logins": logins});
        users.insert(user["username"].as_str().unwrap().to_owned(), rights);
    }
    users
}

/// A difference of an item: both states and what the report derives from them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    present: Option<Seen>,
    planned: Option<Seen>,
    lost: BTreeSet<String>,
    gained: BTreeSet<String>,
    new: BTreeSet<String>,
    solved: BTreeSet<String>,
}

fn expected_items(
    present: &BTreeMap<Place, Seen>,
    planned: &BTreeMap<Place, Seen>,
) -> BTreeMap<Place, Difference> {
    let places: BTreeSet<&Place> = present.keys().chain(planned.keys()).collect();
    let changed = places.into_iter().filter(|place| present.get(place) != planned.get(place));
    changed
        .map(|place| {
            let of = |list: &BTreeMap<Place, Seen>| list.get(place).cloned();
            let (before, after) = (of(present).unwrap_or_default(), of(planned).unwrap_or_default());
            let without =
                |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
            let difference = Difference {
                lost: without(&before.accepted, &after.accepted),
                gained: without(&after.accepted, &before.accepted),
                new: without(&after.problems, &before.problems),
                solved: without(&before.problems, &after.problems),
                present: of(present).map(|seen| Seen { problems: BTreeSet::new(), ..seen }),
                planned: of(planned).map(|seen| Seen { problems: BTreeSet::new(), ..seen }),
            };
            (place.clone(), difference)
        })
        .collect()
}

fn reported_items(report: &Value) -> BTreeMap<Place, Difference> {
    let mut items = BTreeMap::new();
    let token_state = |state: &Value| {
        state.as_object().map(|state| Seen {
            valid: state["valid"].as_bool().unwrap(),
            signed_by: state["signed_by"].as_str().map(str::to_owned),
            accepted: texts(&state["accepted_by"]),
            problems: BTreeSet::new(),
        })
    };
    let name = |state: &Value| Some(Seen { signed_by: state.as_str().map(str::to_owned), ..Seen::default() });
    for (list, is_token) in [("tokens", true), ("keys", false)] {
        for one in report[list].as_array().unwrap() {
            let (present, planned) = match is_token {
                true => (token_state(&one["present"]), token_state(&one["planned"])),
                false => (name(&one["present"]), name(&one["planned"])),
            };
            for at in one["places"].as_array().unwrap() {
                let difference = Difference {
                    present: present.clone(),
                    planned: planned.clone(),
                    lost: texts(&one["lost_endpoints"]),
                    gained: texts(&one["gained_endpoints"]),
                    new: texts(&one["new_problems"]),
                    solved: texts(&one["removed_problems"]),
                };
                assert!(items.insert(place(at, one), difference).is_none(), "{one}");
            }
        }
    }
    items
}

/// Whether something is lost: the reason of status 1.
fn has_loss(
    items: &BTreeMap<Place, Difference>,
    users: &BTreeMap<String, (Option<Value>, Option<Value>)>,
) -> bool {
    let valid = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.valid);
    let is_lost = |((.., kind), one): (&Place, &Difference)| {
        let is_token = kind == "token";
        let name = |seen: &Option<Seen>| seen.as_ref().and_then(|seen| seen.signed_by.clone());
        let loses_name = name(&one.present).is_some() && name(&one.present) != name(&one.planned);
        !one.lost.is_empty()
            || !one.new.is_empty()
            || (is_token && valid(&one.present) && !valid(&one.planned))
            || (!is_token && loses_name)
    };
    let names = |state: &Value, list: &str, name: &str| -> BTreeSet<String> {
        let list = state[list].as_array().unwrap().iter();
        list.map(|one| one[name].as_str().or(one.as_str()).unwrap().to_owned()).collect()
    };
    let is_user_lost = |states: &(Option<Value>, Option<Value>)| match states {
        (Some(present), Some(planned)) => [("endpoints", ""), ("logins", "method")]
            .iter()
            .any(|(list, name)| !names(present, list, name).is_subset(&names(planned, list, name))),
        (present, _) => present.is_some(),
    };
    items.iter().any(is_lost) || users.values().any(is_user_lost)
}

/// A key that only one state knows is not an item of the other; the report has no name for it there.
fn with_unknown_keys(items: BTreeMap<Place, Difference>) -> BTreeMap<Place, Difference> {
    let fill = |seen: Option<Seen>| Some(seen.unwrap_or_default());
    let entry = |(place, one): (Place, Difference)| {
        (place, Difference { present: fill(one.present), planned: fill(one.planned), ..one })
    };
    items.into_iter().map(entry).collect()
}

/// The token of each line of all files.
fn tokens_of(directory: &TestEnv) -> String {
    let mut tokens = BTreeSet::new();
    let mut add = |text: &str| {
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
            if word.starts_with("eyJ") {
                tokens.insert(word.to_owned());
            }
        }
    };
    for entry in walk(&directory.file("etc")) {
        let text = fs::read_to_string(entry).unwrap();
        add(&text);
        for word in text.split_whitespace() {
            let decoded = data_encoding::BASE64.decode(word.as_bytes()).unwrap_or_default();
            add(&String::from_utf8(decoded).unwrap_or_default());
        }
    }
    tokens.into_iter().map(|token| token + "\n").collect()
}

fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Puts the changed files into a copy of the directory, and returns it.
fn changed_copy(directory: &TestEnv, change: &mut Change) -> TestEnv {
    let copy = TestEnv::new();
    directory.sh(&format!("cp -a .env config.json etc var tokens.txt '{}'", copy.path().display())).ended(0);
    let name = change.name;
    if let Some(text) = &change.config {
        copy.write("config.json", text);
        directory.write(&format!("plan/{name}.json"), text);
        change.words.push(format!("config=plan/{name}.json"));
    }
    if let Some(text) = &change.env_file {
        copy.write(".env", text);
        directory.write(&format!("plan/{name}.env"), text);
        change.words.push(format!("env-file=plan/{name}.env"));
    }
    if let Some(commands) = change.users {
        copy.sh(&format!("DB=var/job.db; {commands}")).ended(0);
        directory
            .sh(&format!("mkdir -p plan/{name}; cp -p '{}'/var/job.db* plan/{name}", copy.path().display()))
            .ended(0);
        change.words.push(format!("db=plan/{name}/job.db"));
    }
    for (key, number) in &change.keys {
        let file = format!("plan/{key}-{number}.key");
        directory.write(&file, public_base64(*number));
        copy.write(&file, public_base64(*number));
        change.words.push(format!("key={key}={file}"));
    }
    if let Some(at) = change.at {
        change.words.push(format!("at={at}"));
    }
    copy
}

/// The present state.
struct Present {
    items: BTreeMap<Place, Seen>,
    users: BTreeMap<String, Value>,
}

fn compare(directory: &TestEnv, mut change: Change, present: &Present) -> usize {
    let name = change.name;
    let copy = changed_copy(directory, &mut change);
    let at = change.at.unwrap_or(AT);
    let keys = change.keys.iter().map(|(key, number)| format!(" --key {key}=plan/{key}-{number}.key"));
    let options = format!("--at {at} --max-age 20d --expiring 3d{}", keys.collect::<String>());
    let planned = scanned(&copy, &options, &format!("--at {at}"));
    let words: String = change.words.iter().map(|word| format!(" --what-if {word}")).collect();
    let words = if words.is_empty() { " --what-if config=config.json".to_owned() } else { words };
    let run = directory.sh(&format!("cc-jwt scan etc --json --at {AT} --max-age 20d --expiring 3d{words}"));
    let report = run.json();
    let items = with_unknown_keys(expected_items(&present.items, &planned));
    let found = with_unknown_keys(reported_items(&report));
    // 'verify' does not have an option for each key of the server.
    let is_checkable = change.keys.iter().all(|(key, _)| !["own", "cross-login"].contains(key));
    let valid_aside =
        |items: &BTreeMap<Place, Difference>| format!("{items:#?}").replace("valid: true", "valid: false");
    if is_checkable {
        assert_eq!(found, items, "{name}");
    } else {
        assert_eq!(valid_aside(&found), valid_aside(&items), "{name}");
    }
    let (before, after) = (&present.users, users(&copy));
    let mut expected = BTreeMap::new();
    if !after.is_empty() {
        for user in before.keys().chain(after.keys()) {
            let states = (before.get(user).cloned(), after.get(user).cloned());
            if states.0 != states.1 {
                expected.insert(user.clone(), states);
            }
        }
    }
    let mut found = BTreeMap::new();
    for user in report["users"].as_array().unwrap() {
        let state = |name: &str| Some(user[name].clone()).filter(|state| !state.is_null());
        found.insert(user["username"].as_str().unwrap().to_owned(), (state("present"), state("planned")));
    }
    assert_eq!(found, expected, "{name}");
    assert_eq!(run.status, i32::from(has_loss(&items, &expected)), "{name}: {}", run.stderr);
    reported_items(&report).len() + found.len()
}

#[test]
fn planned_change_prints_exactly_what_two_runs_show() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in [1, 2] {
        let directory = server(seed);
        directory.write("tokens.txt", tokens_of(&directory));
        directory.sh("chmod -R go= .").ended(0);
        let present =
            scanned(&directory, &format!("--at {AT} --max-age 20d --expiring 3d"), &format!("--at {AT}"));
        let valid = present.values().filter(|seen| seen.valid).count();
        assert!(present.len() > 50 && valid > 5, "{} {valid}", present.len());
        let present = Present { items: present, users: users(&directory) };
        assert_eq!(present.users.len(), 5);
        for change in changes() {
            let name = change.name;
            *counts.entry(name).or_default() += compare(&directory, change, &present);
        }
    }
    println!("{counts:?}");
    let unchanged: Vec<&str> =
        counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    // These do not change what a token or a user may do.
    assert_eq!(unchanged, ["addresses", "max-age", "name", "nothing"]);
}

#[test]
fn what_if_without_a_change_has_the_planned_time_of_at() {
    let directory = server(1);
    let scan = |options: &str| directory.sh(&format!("cc-jwt scan etc --json {options}"));
    let run = scan("--what-if --at 2200-01-01");
    assert_eq!(run.status, 1, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(report["compared"]["tokens"].as_u64().unwrap() > 0);
    assert!(!report["tokens"].as_array().unwrap().is_empty());
    assert_eq!(run.stdout, scan("--what-if at=2200-01-01").stdout);
    let combined = scan("--what-if --at 2200-01-01 --what-if key=own=missing.pem");
    assert_eq!(combined.status, 66, "{}", combined.stderr);
}
