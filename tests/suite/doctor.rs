//! `cc-user doctor`: each planted problem is found, its remedy leads to a clean report, and the examination
//! writes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::backend;
use crate::httpd::{Reply, Server};
use crate::idp::{Behavior, Idp};
use crate::slapd::{BASE, Slapd, TREE, person};
use crate::support::{TestEnv, has, has_root};
use crate::sync::directory_for;

/// An installation without a problem.
fn healthy() -> TestEnv {
    let directory = TestEnv::new();
    directory
        .sh("cc-user init -q && printf 'pa55word' | cc-user add -q boss --role admin,api --password-stdin")
        .ended(0);
    directory
}

/// Runs the examination without a connection.
fn examine(directory: &TestEnv, options: &str) -> Value {
    let run = directory.sh(&format!("cc-user doctor --json --offline {options}"));
    let report = run.json();
    let failed = report["failed"].as_u64().unwrap();
    assert_eq!(run.status, i32::from(failed > 0), "{}", run.stdout);
    assert_eq!(report["healthy"], json!(failed == 0));
    report
}

/// The findings with this state.
fn with_state(report: &Value, state: &str) -> Vec<Value> {
    report["findings"].as_array().unwrap().iter().filter(|one| one["state"] == state).cloned().collect()
}

fn problems(report: &Value) -> Vec<Value> {
    ["fail", "warn"].iter().flat_map(|state| with_state(report, state)).collect()
}

fn finding<'report>(report: &'report Value, check: &str, state: &str) -> &'report Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|one| one["check"] == check && one["state"] == state);
    found.unwrap_or_else(|| panic!("no finding {check} {state}: {report:#}"))
}

/// Changes the configuration.
fn configure(directory: &TestEnv, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    change(&mut config);
    directory.write("config.json", config.to_string());
}

/// Every file below a directory with its content, mode and modification time.
fn files(directory: &Path, into: &mut BTreeMap<String, (Vec<u8>, u32, i64)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            files(&path, into);
        } else {
            let content = fs::read(&path).unwrap();
            into.insert(path.display().to_string(), (content, metadata.mode(), metadata.mtime_nsec()));
        }
    }
}

#[test]
fn doctor_healthy_installation_has_no_problem_and_nothing_is_written() {
    let directory = healthy();
    // The index and the log of a program that runs are not touched either.
    let held = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    held.pragma_update(None, "journal_mode", "wal").unwrap();
    held.execute("UPDATE user SET name = 'Boss'", []).unwrap();
    let contents = || {
        let mut all = BTreeMap::new();
        files(directory.path(), &mut all);
        // A reader marks itself in the index of the log, which is shared memory.
        all.remove(&directory.file("var/job.db-shm").display().to_string());
        all
    };
    let before = contents();
    assert!(directory.file("var/job.db-wal").exists());
    let report = examine(&directory, "");
    assert_eq!(problems(&report), Vec::<Value>::new());
    assert_eq!(contents(), before);
    drop(held);
    // A log without an index: its content is not applied, and no index is created.
    directory.sh("cp var/job.db other.db").ended(0);
    let before = contents();
    directory.sh("cc-user doctor -q --offline --db other.db").ended(0);
    assert_eq!(contents(), before);
}

/// A problem, the check that finds it, and a command that follows a remedy in words.
struct Planted {
    what: &'static str,
    plant: fn(&TestEnv),
    options: &'static str,
    check: &'static str,
    state: &'static str,
    /// The remedy as an action, if the hint is not a command.
    follow: Option<fn(&TestEnv)>,
}

fn sh(directory: &TestEnv, line: &str) {
    directory.sh(line).ended(0);
}

fn sql(directory: &TestEnv, statement: &str) {
    rusqlite::Connection::open(directory.file("var/job.db")).unwrap().execute_batch(statement).unwrap();
}

const PLANTED: &[Planted] = &[
    Planted {
        what: "the environment file is readable by all",
        plant: |directory| sh(directory, "chmod 644 .env"),
        options: "",
        check: "file-mode",
        state: "fail",
        follow: None,
    },
    Planted {
        what: "the database is readable by all",
        plant: |directory| sh(directory, "chmod 664 var/job.db"),
        options: "",
        check: "file-mode",
        state: "fail",
        follow: None,
    },
    Planted {
        what: "the environment file is missing",
        plant: |directory| sh(directory, "mv .env old.env; export -p > /dev/null"),
        options: "",
        check: "server-start",
        state: "fail",
        follow: Some(|directory| sh(directory, "mv old.env .env")),
    },
    Planted {
        what: "a member of the configuration is unknown",
        plant: |directory| configure(directory, |config| config["main"]["adr"] = json!("x")),
        options: "",
        check: "server-start",
        state: "fail",
        follow: Some(|directory| {
            configure(directory, |config| {
                config["main"].as_object_mut().unwrap().remove("adr");
            });
        }),
    },
    Planted {
        what: "authentication is off",
        plant: |directory| {
            configure(directory, |config| config["main"]["disable-authentication"] = json!(true));
        },
        options: "",
        check: "authentication-off",
        state: "fail",
        follow: Some(|directory| {
            configure(directory, |config| config["main"]["disable-authentication"] = json!(false));
        }),
    },
    Planted {
        what: "tokens never expire",
        plant: |directory| configure(directory, |config| config["auth"]["jwts"] = json!({})),
        options: "",
        check: "no-max-age",
        state: "warn",
        follow: Some(|directory| {
            configure(directory, |config| config["auth"]["jwts"] = json!({"max-age": "2160h"}));
        }),
    },
    Planted {
        what: "an address never matches",
        plant: |directory| {
            configure(directory, |config| {
                config["main"]["api-allowed-ips"] = json!(["10.0.0.0/8", "10.1.2.3"])
            });
        },
        options: "",
        check: "address",
        state: "warn",
        follow: Some(|directory| {
            configure(directory, |config| {
                config["main"]["api-allowed-ips"] = json!(["10.0.0.1", "10.1.2.3"])
            });
        }),
    },
    Planted {
        what: "the halves of the key pair differ",
        plant: |directory| {
            let other = directory.sh("gen-keypair --format env | grep PUBLIC").ended(0).stdout;
            let text = directory.read(".env");
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("JWT_PUBLIC_KEY")).collect();
            directory.write(".env", format!("{}\n{other}", lines.join("\n")));
            sh(directory, "chmod 600 .env");
        },
        options: "",
        check: "config-key-halves-differ",
        state: "fail",
        follow: Some(|directory| sh(directory, "gen-keypair --write --force -q")),
    },
    Planted {
        what: "the key pair is that of the template",
        plant: |directory| {
            let text = directory.read(".env");
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("JWT_PUBLIC")).collect();
            let sample = "JWT_PUBLIC_KEY=kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=";
            directory.write(".env", format!("{}\n{sample}\n", lines.join("\n")));
            sh(directory, "chmod 600 .env");
        },
        options: "",
        check: "key-compromised",
        state: "fail",
        follow: Some(|directory| sh(directory, "gen-keypair --write --force -q")),
    },
    Planted {
        what: "no user is an administrator",
        plant: |directory| sh(directory, "cc-user role remove -q boss admin"),
        options: "",
        check: "last-admin",
        state: "warn",
        follow: Some(|directory| sh(directory, "cc-user role add -q boss admin")),
    },
    Planted {
        what: "a user does not have a role",
        plant: |directory| {
            sh(
                directory,
                "cc-user add -q anna --role user --no-password; cc-user role remove -q anna user; cc-user set -q anna --role api; cc-user role remove -q anna api",
            )
        },
        options: "",
        check: "no-role",
        state: "warn",
        follow: Some(|directory| sh(directory, "cc-user role add -q anna api")),
    },
    Planted {
        what: "a manager does not have a project",
        plant: |directory| {
            sql(
                directory,
                "INSERT INTO user (username, ldap, name, roles, email, projects, password) VALUES ('max', 1, '', '[\"manager\"]', '', '[]', '')",
            )
        },
        options: "",
        check: "manager-without-project",
        state: "warn",
        follow: Some(|directory| sh(directory, "cc-user project add -q max qcd")),
    },
    Planted {
        what: "a local user does not have a password",
        plant: |directory| sh(directory, "cc-user add -q lisa --role user --no-password"),
        options: "",
        check: "no-password",
        state: "warn",
        follow: Some(|directory| sh(directory, "printf pa55word | cc-user passwd -q lisa --password-stdin")),
    },
    Planted {
        what: "the roles of a row are not valid",
        plant: |directory| {
            sql(
                directory,
                "INSERT INTO user (username, ldap, name, roles, email, projects, password) VALUES ('eva', 1, '', 'user', '', '[]', '')",
            )
        },
        options: "",
        check: "user-row-invalid",
        state: "fail",
        follow: Some(|directory| {
            sql(directory, "UPDATE user SET roles = '[\"user\"]' WHERE username = 'eva'")
        }),
    },
    Planted {
        what: "a token of another program is expired",
        plant: |directory| {
            sh(directory, "cc-jwt issue boss -q --ttl 1h --at -3d -o token.jwt");
        },
        options: "token.jwt",
        check: "expired",
        state: "fail",
        follow: Some(|directory| sh(directory, "cc-jwt issue boss -q --ttl 90d --force -o token.jwt")),
    },
    Planted {
        what: "a token of another program is readable by all",
        plant: |directory| {
            sh(directory, "cc-jwt issue boss -q --ttl 90d -o token.jwt; chmod 644 token.jwt");
        },
        options: "token.jwt",
        check: "file-mode",
        state: "fail",
        follow: None,
    },
    Planted {
        what: "cc-metric-store checks no token",
        plant: |directory| {
            directory.write("store.json", r#"{"main": {"addr": "0.0.0.0:8082", "jwt-public-key": ""}}"#);
        },
        options: "--metric-store store.json",
        check: "metric-store-open",
        state: "fail",
        follow: Some(set_metric_store_key),
    },
    Planted {
        what: "cc-metric-store has another key",
        plant: |directory| {
            let key = directory
                .sh("gen-keypair --format env | sed -n 's/^JWT_PUBLIC_KEY=//p' | tr -d '\"'")
                .ended(0);
            directory.write("store.json", json!({"main": {"jwt-public-key": key.stdout.trim()}}).to_string());
        },
        options: "--metric-store store.json",
        check: "metric-store-key",
        state: "fail",
        follow: Some(set_metric_store_key),
    },
];

fn set_metric_store_key(directory: &TestEnv) {
    let report = examine(directory, "--metric-store store.json");
    let hint = problems(&report).iter().find_map(|one| Some(one["hint"].as_str()?.to_owned())).unwrap();
    let key = hint.rsplit(' ').next().unwrap();
    directory.write("store.json", json!({"main": {"jwt-public-key": key}}).to_string());
}

#[test]
fn doctor_planted_problem_is_found_and_its_remedy_leads_to_a_clean_report() {
    for planted in PLANTED {
        let directory = healthy();
        (planted.plant)(&directory);
        let report = examine(&directory, planted.options);
        let found = finding(&report, planted.check, planted.state);
        match planted.follow {
            Some(follow) => follow(&directory),
            None => sh(&directory, found["hint"].as_str().unwrap()),
        }
        let report = examine(&directory, planted.options);
        assert_eq!(problems(&report), Vec::<Value>::new(), "{}", planted.what);
    }
}

#[test]
fn doctor_missing_configuration_of_the_metric_store_is_reported_once() {
    let report = examine(&healthy(), "--metric-store none.json");
    assert_eq!(with_state(&report, "fail").len(), 1, "{report:#}");
}

/// All problems are found in one run.
#[test]
fn doctor_several_problems_are_all_reported() {
    let directory = healthy();
    let names =
        ["the environment file is readable by all", "tokens never expire", "no user is an administrator"];
    for planted in PLANTED.iter().filter(|planted| names.contains(&planted.what)) {
        (planted.plant)(&directory);
    }
    let report = examine(&directory, "");
    let mut checks: Vec<String> =
        problems(&report).iter().map(|one| one["check"].as_str().unwrap().to_owned()).collect();
    checks.sort();
    assert_eq!(checks, ["file-mode", "last-admin", "no-max-age"]);
    assert_eq!((report["failed"].as_u64(), report["warnings"].as_u64()), (Some(1), Some(2)));
}

#[test]
fn doctor_fix_changes_only_modes() {
    let directory = healthy();
    directory.sh("cc-jwt issue boss -q --ttl 90d -o token.jwt; chmod 666 token.jwt .env var/job.db").ended(0);
    directory.write("public.txt", "no secret");
    directory.sh("chmod 666 public.txt").ended(0);
    let contents = |name: &str| fs::read(directory.file(name)).unwrap();
    let names = [".env", "token.jwt", "var/job.db", "config.json", "public.txt"];
    let before = names.map(contents);
    let report = examine(&directory, "--fix token.jwt public.txt");
    assert_eq!(problems(&report), Vec::<Value>::new());
    assert_eq!(names.map(contents), before);
    let fixed: Vec<&str> =
        report["fixed_files"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(fixed, ["./.env", "token.jwt", "./var/job.db"]);
    let modes = names.map(|name| fs::metadata(directory.file(name)).unwrap().permissions().mode() & 0o007);
    assert_eq!(modes, [0, 0, 0, 4, 6], "the access of others");
    assert_eq!(examine(&directory, "--fix token.jwt")["fixed_files"], json!([]));
}

/// A symbolic link of another account does not lead the change to another file.
#[test]
fn doctor_fix_does_not_follow_the_link_of_another_account() {
    if !has_root() {
        return;
    }
    let directory = healthy();
    directory
        .sh("mkdir -m 1777 shared; cc-jwt issue boss -q --ttl 90d -o other.jwt; chmod 644 other.jwt; \
             ln -s ../other.jwt shared/token.jwt; chown -h 61001:61001 shared/token.jwt")
        .ended(0);
    let _ = directory.sh("cc-user doctor --fix --offline shared/token.jwt");
    assert_eq!(fs::metadata(directory.file("other.jwt")).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn doctor_file_of_the_database_of_another_account_is_found() {
    if !has_root() {
        return;
    }
    let directory = healthy();
    directory.sh("chown 61001:61001 var/job.db; : > var/job.db-wal").ended(0);
    let report = examine(&directory, "--db var/job.db");
    let found = finding(&report, "database-file-owner", "fail");
    sh(&directory, found["hint"].as_str().unwrap());
    let report = examine(&directory, "--db var/job.db");
    assert!(problems(&report).iter().all(|one| one["check"] != "database-file-owner"), "{report:#}");
}

#[test]
fn doctor_invalid_settings_are_reported_and_the_rest_is_skipped() {
    let directory = healthy();
    directory.write("config.json", "{\"main\": {\"db\": 7}, \"auth\": {\"jwts\": {\"max-age\": \"1x\"}}}");
    let report = examine(&directory, "");
    assert_eq!(with_state(&report, "fail").len(), 2, "{report:#}");
    finding(&report, "database", "skipped");
}

#[test]
fn doctor_ldap_directory_is_checked_up_to_the_bind_of_a_user() {
    if !has("slapd") {
        return;
    }
    let mut slapd = Slapd::with(&format!("{TREE}{}{}", person("anna", "Anna"), person("bert", "Bert")));
    let directory = directory_for(&slapd.url(), json!({}));
    let run = |options: &str| directory.sh(&format!("cc-user doctor --json {options}")).json();
    let report = run("--user anna");
    finding(&report, "ldap-bind", "pass");
    assert!(finding(&report, "ldap-search", "pass")["message"].as_str().unwrap().contains("2 users"));
    finding(&report, "ldap-login", "fail");
    directory.sh("cc-user sync-ldap -q").ended(0);
    finding(&run("--user anna"), "ldap-login", "pass");
    configure(&directory, |config| config["auth"]["ldap"]["user-filter"] = json!("(uid=bert)"));
    let report = run("--user anna");
    assert!(finding(&report, "ldap-login", "fail")["message"].as_str().unwrap().contains("no LDAP entry"));
    configure(&directory, |config| config["auth"]["ldap"]["uid-attr"] = json!("employeeNumber"));
    finding(&run(""), "ldap-search", "fail");
    configure(&directory, |config| {
        config["auth"]["ldap"]["uid-attr"] = json!("uid");
        config["auth"]["ldap"]["user-base"] = json!(format!("ou=none,{BASE}"));
    });
    let report = run("");
    assert!(!with_state(&report, "fail").is_empty(), "{report:#}");
    slapd.kill();
    let report = run("");
    finding(&report, "ldap-unreachable", "fail");
    assert!(report["findings"].to_string().contains("ldap://"), "{report:#}");
}

#[test]
fn doctor_openid_provider_is_checked() {
    let provider = Idp::start(Behavior::default());
    let directory = healthy();
    let id = "OID_CLIENT_ID=client\nOID_CLIENT_SECRET=secret\n";
    directory.write(".env", format!("{}{id}", directory.read(".env")));
    directory.sh("chmod 600 .env").ended(0);
    configure(&directory, |config| config["auth"]["oidc"] = json!({"provider": provider.issuer()}));
    let run = || directory.sh("cc-user doctor --json").json();
    let report = run();
    for check in ["openid-discovery", "openid-keys"] {
        finding(&report, check, "pass");
    }
    configure(&directory, |config| {
        config["auth"]["oidc"] = json!({"provider": format!("{}/", provider.issuer())});
    });
    assert!(with_state(&run(), "fail").iter().any(|one| one["area"] == "openid"));
}

#[test]
fn doctor_running_server_is_asked_with_the_token() {
    let token = backend::token("boss", &["admin", "api"]);
    let accepted = format!("Bearer {token}");
    let server =
        Server::start(move |request| match (request.path.as_str(), request.header("authorization")) {
            ("/api/clusters/", Some(text)) if text == accepted => Reply::json(&json!([])),
            ("/api/clusters/", _) => Reply::status(401, "text/plain", "Unauthorized"),
            _ => Reply::status(404, "text/plain", "not found"),
        });
    let directory = healthy();
    directory.write("token.jwt", token);
    directory.sh("chmod 600 token.jwt").ended(0);
    let report = directory.sh(&format!("cc-user doctor --json --server {}", server.url())).json();
    finding(&report, "server", "pass");
    let command = format!("cc-user doctor --json --server {} --token-file token.jwt", server.url());
    let run = directory.sh(&command);
    finding(&run.json(), "server", "pass");
    directory.write("token.jwt", backend::token("other", &["user"]));
    let run = directory.sh(&command);
    finding(&run.json(), "server-token", "fail");
    assert!(!run.stdout.contains(directory.read("token.jwt").trim()), "the token is not printed");
}

#[test]
fn doctor_clock_of_a_server_that_differs_is_a_warning() {
    for (date, state) in
        [("Thu, 01 Jan 2026 00:00:00 GMT", "warn"), ("Fri, 27 Nov 2026 12:00:10 GMT", "pass")]
    {
        let server = Server::start(move |_| Reply::status(401, "text/plain", "no").with("Date", date));
        let directory = healthy();
        let run = directory
            .sh(&format!("cc-user doctor --json --at 2026-11-27T12:00:00Z --server {}", server.url()));
        finding(&run.json(), "clock", state);
    }
}

#[test]
fn doctor_id_token_is_explained_by_its_claims() {
    let directory = healthy();
    let explain = |claims: Value| {
        let encode = |value: &Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let token = format!("{}.{}.c2ln", encode(&json!({"alg": "RS256", "kid": "a"})), encode(&claims));
        directory.write("response.json", json!({"access_token": "x.y.z", "id_token": token}).to_string());
        directory.sh("chmod 600 response.json").ended(0);
        let report = examine(&directory, "--id-token response.json");
        let all = report["findings"].as_array().unwrap().iter();
        let found: Vec<String> = all
            .filter(|one| one["source"] == "--id-token")
            .map(|one| format!("{} {}: {}", one["state"], one["check"], one["message"]).replace('"', ""))
            .collect();
        assert!(!report.to_string().contains(&token), "the token is printed");
        found
    };
    let claims = json!({
        "iss": "https://idp", "sub": "1", "aud": "cc", "preferred_username": "fritz", "projects": ["p1", "p2"],
        "realm_access": {"roles": ["manager", "offline_access"]}, "resource_access": {"cc": {"roles": ["support"]}},
    });
    assert_eq!(
        explain(claims.clone()),
        [
            "pass id-token: 'fritz' logs in with the roles manager,support, and the projects 'p1,p2': realm_access.roles has \
          'manager,offline_access'; resource_access.'cc'.roles has 'support'; the signature is not verified"
        ]
    );
    let without =
        json!({"iss": "https://idp", "sub": "1", "preferred_username": "fritz", "groups": ["admin"]});
    let found = explain(without);
    assert!(found[0].starts_with("warn provider-without-roles: the ID token has neither"), "{found:?}");
    assert!(found[1].contains("with the roles user: no claim has a role"), "{found:?}");
    assert!(found[2].contains("the claim 'groups' is not used"), "{found:?}");
    let mut manager = claims.clone();
    manager["projects"] = json!("p1");
    let found = explain(manager);
    assert!(found.iter().any(|one| one.starts_with("warn provider-projects")), "{found:?}");
    assert!(found.iter().any(|one| one.starts_with("warn manager-without-project")), "{found:?}");
    let mut nameless = claims;
    nameless.as_object_mut().unwrap().remove("preferred_username");
    assert!(explain(nameless)[0].starts_with("fail provider-no-username"));
    directory.write("response.json", "a.b.c");
    assert_eq!(
        directory
            .sh("cc-user doctor --offline --id-token - --token-file - --server http://x < response.json")
            .status,
        2
    );
}
