//! Does a server start with this configuration, and does it accept these tokens? The rows were
//! observed on cc-backend 1.5.4.

use cc_auth::config::{Origin, ServerEffect, ServerKeys, Sources, Value, load};
use serde_json::{Value as Json, json};

use crate::support::{Run, TestEnv};

/// A pair made for tests, and the public half of another one.
const PUBLIC: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const PRIVATE: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
const OTHER_PUBLIC: &str = "C7w0aldmfDgBIL2cf9flHSxf3+o3zS9b9AWyxr9vLXg=";
const SESSION: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A server's directory with a token of `fritz` (role api).
struct Server {
    directory: TestEnv,
}

impl Server {
    fn new() -> Self {
        let server = Self { directory: TestEnv::new() };
        server.env(&[("JWT_PUBLIC_KEY", PUBLIC), ("JWT_PRIVATE_KEY", PRIVATE), ("SESSION_KEY", SESSION)]);
        server.config(&json!({"main": {"api-allowed-ips": ["*"]}, "auth": {"jwts": {"max-age": "2000h"}}}));
        server
            .directory
            .sh("cc-jwt issue fritz --roles api --ttl 24h -q > token.txt && \
                 cc-jwt issue anna --roles user,admin --ttl 24h -q > anna.txt && \
                 cc-jwt issue none --no-db --ttl 24h -q > none.txt")
            .ended(0);
        server
    }

    fn env(&self, variables: &[(&str, &str)]) {
        use std::os::unix::fs::PermissionsExt as _;
        let lines: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}=\"{value}\"\n")).collect();
        let path = self.directory.write(".env", lines.concat());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn config(&self, config: &Json) {
        self.directory.write("config.json", config.to_string());
    }

    fn verify(&self, arguments: &str) -> Run {
        self.directory.sh(&format!("cc-jwt verify --token-file {arguments}"))
    }

    /// The gravest finding of the library.
    fn effect(&self) -> Option<ServerEffect> {
        let sources = Sources {
            config: Some(Value::new(self.directory.file("config.json"), Origin::Flag("--config"))),
            env_file: Some(Value::new(self.directory.file(".env"), Origin::Flag("--env-file"))),
            ..Sources::default()
        };
        let (settings, _) = load(sources).unwrap();
        settings.server_findings(ServerKeys::Configured).first().map(|finding| finding.effect)
    }
}

/// Which part of a key pair is in the environment file, and what the server does.
#[test]
fn verify_key_pair_of_each_form_decides_as_the_server() {
    use ServerEffect::{NoOwnTokens, NoStart, Warning};
    let short_public = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMQ==";
    let url_safe = PUBLIC.replace('/', "_").replace('+', "-");
    let unpadded = PUBLIC.trim_end_matches('=');
    let half_private = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let blank = format!(" {PUBLIC}");
    let blank_inside = PUBLIC.replacen('v', "v ", 1);
    // Public half, private half, what is found, status with the endpoint api.
    type Row<'a> = (Option<&'a str>, Option<&'a str>, Option<ServerEffect>, i32);
    let table: [Row<'_>; 13] = [
        (Some(PUBLIC), Some(PRIVATE), None, 0),
        (Some(PUBLIC), None, Some(NoOwnTokens), 1),
        (None, Some(PRIVATE), Some(NoOwnTokens), 1),
        (None, None, Some(NoOwnTokens), 78),
        (Some(short_public), Some(PRIVATE), Some(NoOwnTokens), 1),
        (Some(PUBLIC), Some("not base64!"), Some(NoStart), 1),
        (Some("not base64!"), Some(PRIVATE), Some(NoStart), 1),
        (Some(&url_safe), Some(PRIVATE), Some(NoStart), 1),
        (Some(unpadded), Some(PRIVATE), Some(NoStart), 1),
        (Some(&blank), Some(PRIVATE), Some(NoStart), 1),
        (Some(&blank_inside), Some(PRIVATE), Some(NoStart), 1),
        (Some(PUBLIC), Some(half_private), Some(Warning), 0),
        (Some(OTHER_PUBLIC), Some(PRIVATE), None, 1),
    ];
    let server = Server::new();
    for (public, private, effect, status) in table {
        let mut variables = vec![("SESSION_KEY", SESSION)];
        variables.extend(public.map(|key| ("JWT_PUBLIC_KEY", key)));
        variables.extend(private.map(|key| ("JWT_PRIVATE_KEY", key)));
        server.env(&variables);
        assert_eq!(server.effect(), effect, "{public:?} {private:?}");
        for endpoint in ["api", "user-api", "metric-store-api", "query"] {
            let run = server.verify(&format!("token.txt --endpoint {endpoint}")).ended(status);
            let output = match effect {
                Some(NoStart) => "fail     server        the server does not start: JWT_",
                Some(NoOwnTokens) if status == 1 => {
                    "fail     server        the server rejects every token: JWT_"
                }
                Some(Warning) => {
                    "warn     server        JWT_PRIVATE_KEY in './.env' line 3: 32 bytes, expected 64"
                }
                _ => "",
            };
            assert!(run.stdout.contains(output), "{public:?} {private:?} {endpoint}: {}", run.stdout);
            let text = format!("{}{}", run.stdout, run.stderr);
            for secret in [public.unwrap_or("\0"), private.unwrap_or("\0")] {
                assert!(!text.contains(secret.trim()), "a key is shown: {text}");
            }
        }
        // cc-metric-store has the public half only.
        let good_public = public == Some(PUBLIC);
        let wrong_key = public == Some(OTHER_PUBLIC);
        let status = if good_public {
            0
        } else if wrong_key {
            1
        } else {
            78
        };
        server.verify("token.txt --endpoint metric-store").ended(status);
    }
}

#[test]
fn verify_configuration_of_each_form_decides_as_the_server() {
    use ServerEffect::{NoAuthentication, NoStart, NoTokens, Warning};
    let main = json!({"api-allowed-ips": ["*"]});
    let auth = json!({"jwts": {"max-age": "1h"}});
    let with = |section: &str, name: &str, value: Json| {
        let mut config = json!({"main": main, "auth": auth});
        config[section][name] = value;
        config.to_string()
    };
    let table: Vec<(String, Option<ServerEffect>, &str)> = vec![
        (json!({"main": main, "auth": auth}).to_string(), None, ""),
        (
            json!({"main": main, "Auth": auth}).to_string(),
            Some(NoTokens),
            "no section 'auth' ('Auth' is another name",
        ),
        (json!({"main": main}).to_string(), Some(NoTokens), "no section 'auth'"),
        (json!({"main": main, "auth": null}).to_string(), Some(NoTokens), "the section 'auth' is null"),
        (json!({"main": main, "auth": {"jwts": null}}).to_string(), Some(NoTokens), "'auth.jwts' is null"),
        (json!({"main": main, "auth": {}}).to_string(), Some(NoStart), "no section 'auth.jwts'"),
        (
            json!({"main": main, "auth": {"JWTS": {"max-age": "1h"}}}).to_string(),
            Some(NoStart),
            "no section 'auth.jwts' ('JWTS' is another name",
        ),
        (
            json!({"Main": main, "auth": auth}).to_string(),
            Some(NoStart),
            "no section 'main' ('Main' is another name",
        ),
        (json!({"auth": auth}).to_string(), Some(NoStart), "no section 'main'"),
        (json!({"main": null, "auth": auth}).to_string(), Some(NoStart), "the section 'main' is null"),
        (with("main", "port", json!(1)), Some(NoStart), "unknown member 'main.port'"),
        (with("main", "db-driver", json!("sqlite3")), Some(NoStart), "unknown member 'main.db-driver'"),
        (with("main", "db", json!("")), Some(NoStart), "'main.db' is empty"),
        (with("main", "addr", json!(8080)), Some(NoStart), "wrong type of main.addr"),
        (with("main", "session-max-age", json!(0)), Some(NoStart), "wrong type of main.session-max-age"),
        (with("main", "ADDR", json!("x:1")), None, ""),
        (with("auth", "oidc", json!({})), Some(NoStart), "'auth.oidc.provider' is not set"),
        (
            with("main", "disable-authentication", json!(true)),
            Some(NoAuthentication),
            "authentication is off",
        ),
        // Of duplicates the last one counts, whatever it is.
        (format!(r#"{{"main":{main},"auth":null,"auth":{auth}}}"#), None, ""),
        (format!(r#"{{"main":{main},"auth":{auth},"auth":null}}"#), Some(NoTokens), "'auth' is null"),
        (format!(r#"{{"main":null,"main":{main},"auth":{auth}}}"#), None, ""),
        (format!(r#"{{"main":{main},"auth":{auth},"Auth":null}}"#), None, ""),
        (
            format!(r#"{{"main":{main},"auth":{{"jwts":{{}},"jwts":null}}}}"#),
            Some(NoTokens),
            "'auth.jwts' is null",
        ),
        // Version 1.4, on a server of version 1.5 and as it was.
        (
            json!({"main": main, "jwts": {"max-age": "1h"}}).to_string(),
            Some(NoTokens),
            "version 1.5 does not read 'jwts' at the root",
        ),
        (
            json!({"db": "./var/job.db", "jwts": {"max-age": "1h"}}).to_string(),
            Some(Warning),
            "has 'db', 'jwts' at the root, as up to version 1.4: a server of version 1.5 does not start",
        ),
    ];
    let server = Server::new();
    for (config, effect, reason) in table {
        server.directory.write("config.json", &config);
        assert_eq!(server.effect(), effect, "{config}");
        let run = server.verify("token.txt --endpoint api");
        let accepted = matches!(effect, None | Some(Warning));
        assert_eq!(run.status, i32::from(!accepted), "{config}: {} {}", run.stdout, run.stderr);
        assert!(run.stdout.contains(reason), "{config}: {}", run.stdout);
        // Where nothing in particular is asked, and when a token is issued, it is a warning.
        let alone = server.verify("token.txt").ended(0).stdout;
        let issue =
            server.directory.sh("cc-jwt issue x --roles api --ttl 1h 2>&1 >/dev/null").ended(0).stdout;
        for text in [alone, issue] {
            assert!(text.contains(reason), "{config}: {text}");
            assert!(
                effect.is_some()
                    || !text.contains("server does not start") && !text.contains("accepts no token"),
                "{config}: {text}"
            );
        }
        // cc-metric-store has a configuration of its own.
        server.verify("token.txt --endpoint metric-store").ended(0);
    }
}

#[test]
fn verify_session_key_missing_or_malformed_means_that_the_server_does_not_start() {
    let server = Server::new();
    let pair = [("JWT_PUBLIC_KEY", PUBLIC), ("JWT_PRIVATE_KEY", PRIVATE)];
    for (session, reason) in [
        (None, "does not start: SESSION_KEY is not set"),
        (Some(""), "does not start: SESSION_KEY is set to an empty value"),
        (Some("no base64!"), "does not start: SESSION_KEY in './.env' line 3"),
    ] {
        server.env(
            &[&pair[..], &session.map(|key| ("SESSION_KEY", key)).into_iter().collect::<Vec<_>>()].concat(),
        );
        let run = server.verify("token.txt --endpoint api").ended(1);
        assert!(run.stdout.contains(reason), "{session:?}: {}", run.stdout);
    }
    // The server ignores spare bits.
    server.env(&[pair[0], pair[1], ("SESSION_KEY", "AB==")]);
    server.verify("token.txt --endpoint api").ended(0);
}

#[test]
fn verify_missing_files_of_a_server_are_named() {
    let server = Server::new();
    std::fs::rename(server.directory.file(".env"), server.directory.file("env")).unwrap();
    let run = server
        .directory
        .sh(". ./env; export JWT_PUBLIC_KEY JWT_PRIVATE_KEY SESSION_KEY; \
        cc-jwt verify --token-file token.txt --endpoint api")
        .ended(1);
    assert!(run.stdout.contains("does not start: no './.env'"), "{}", run.stdout);
    std::fs::rename(server.directory.file("env"), server.directory.file(".env")).unwrap();
    std::fs::remove_file(server.directory.file("config.json")).unwrap();
    let run = server.verify("token.txt --endpoint api").ended(0);
    assert!(run.stdout.contains("warn     server        no './config.json'"), "{}", run.stdout);
}

#[test]
fn verify_without_authentication_only_graphql_is_open() {
    let server = Server::new();
    server.config(&json!({"main": {"disable-authentication": true}}));
    for (endpoint, status, reason) in [
        ("query", 0, "every request to /query is accepted, without a token as well"),
        ("api", 1, "the server responds to /api with an error (500)"),
        ("user-api", 1, "the server responds to /userapi with an error (500)"),
        ("jwt-login", 1, "the login does not exist (404)"),
        ("cookie-login", 1, "the login does not exist (404)"),
    ] {
        let run = server.verify(&format!("token.txt --endpoint {endpoint}")).ended(status);
        assert!(run.stdout.contains(reason), "{endpoint}: {}", run.stdout);
    }
}

#[test]
fn verify_query_accepts_any_roles_with_their_rights() {
    let server = Server::new();
    for (token, rights) in [
        ("token.txt", "with the rights of the role api"),
        ("anna.txt", "with the rights of the role admin"),
        (
            "none.txt",
            "without rights: GraphQL returns 'user has no or unknown roles', but updateConfiguration works",
        ),
    ] {
        let run = server.verify(&format!("{token} --endpoint query")).ended(0);
        assert!(run.stdout.contains(rights), "{token}: {}", run.stdout);
    }
    let run = server.verify("anna.txt --endpoint query,api").ended(1);
    assert!(run.stdout.contains("accepted by GraphQL and the web pages"), "{}", run.stdout);
    assert!(run.stdout.contains("rejected by /api: roles"), "{}", run.stdout);
    let alone = server.verify("anna.txt").ended(0).stdout;
    assert!(
        alone.contains(
            "[user, admin]: accepted by GraphQL and the web pages only, with the rights of the role admin"
        ),
        "{alone}"
    );
    // With validate-user the user must exist.
    server.directory.sh("cc-user init -q").ended(0);
    server.config(&json!({"main": {"api-allowed-ips": ["*"]}, "auth": {"jwts": {"validate-user": true}}}));
    let run = server.verify("anna.txt --endpoint query").ended(1);
    assert!(run.stdout.contains("rejected by GraphQL and the web pages: user"), "{}", run.stdout);
    server.directory.sh("cc-user add anna --role user --no-password -q").ended(0);
    let run = server.verify("anna.txt --endpoint query").ended(0);
    assert!(run.stdout.contains("with the rights of the role user"), "{}", run.stdout);
    let looked = server.directory.sh("cc-jwt inspect --token-file anna.txt").ended(0).stdout;
    assert!(looked.contains("accepted by query"), "{looked}");
}

#[test]
fn verify_address_is_compared_as_text_for_api_only() {
    let server = Server::new();
    let list = |list: Json| {
        server.config(&json!({"main": {"api-allowed-ips": list}, "auth": {"jwts": {"max-age": "1h"}}}));
    };
    list(json!(["10.0.0.1", "10.1.0.0/16", "*", "::1"]));
    for (arguments, status, printed) in [
        (
            "--endpoint api",
            0,
            "warn     address       accepted from '10.0.0.1', '10.1.0.0/16', '*', '::1' only",
        ),
        ("--endpoint api", 0, "'10.1.0.0/16', '*', '::1' never matches"),
        ("--endpoint api", 0, "with the header X-Real-Ip or X-Forwarded-For"),
        ("--endpoint api --from 10.0.0.1", 0, "pass     address       '10.0.0.1' is in main.api-allowed-ips"),
        ("--endpoint api --from 10.0.0.1", 0, "with the header X-Real-Ip or X-Forwarded-For"),
        (
            "--endpoint api --from 10.1.0.1",
            1,
            "fail     address       '10.1.0.1' is not in main.api-allowed-ips",
        ),
        ("--endpoint api --from ::1", 1, "the server never matches an IPv6 address"),
        (
            "--endpoint user-api --from 10.1.0.1",
            0,
            "pass     address       '10.1.0.1': this endpoint accepts every",
        ),
        ("--endpoint query", 0, ""),
    ] {
        let run = server.verify(&format!("token.txt {arguments}")).ended(status);
        assert!(run.stdout.contains(printed), "{arguments}: {}", run.stdout);
        assert_eq!(run.stdout.contains("  address "), arguments != "--endpoint query", "{}", run.stdout);
    }
    list(json!(["*", "10.0.0.1"]));
    let run = server.verify("token.txt --endpoint api --from 192.0.2.1").ended(0);
    assert!(run.stdout.contains("pass     address       '192.0.2.1', any"), "{}", run.stdout);
    list(json!([]));
    let run = server.verify("token.txt --endpoint api").ended(0);
    assert!(run.stdout.contains("warn     address       main.api-allowed-ips is not set"), "{}", run.stdout);
    let run = server.verify("token.txt --from 10.0.0.1").ended(2);
    assert!(run.stderr.contains("--endpoint"), "{}", run.stderr);
    let run = server.verify("token.txt --endpoint api --from host").ended(2);
    assert!(run.stderr.contains("--from: invalid address 'host': expected an IP address"), "{}", run.stderr);
}

#[test]
fn verify_jobs_over_nats_are_not_part_of_the_rest_api() {
    let server = Server::new();
    let main = json!({"api-allowed-ips": ["*"], "api-subjects": {"subject-job-event": "a"}});
    server.config(&json!({"main": main, "auth": {"jwts": {}}}));
    let run = server.verify("token.txt --endpoint api,user-api").ended(0);
    let shown = "warn     job-api       main.api-subjects is set: POST /api/jobs/start_job/ and /api/jobs/stop_job/ do \
                not exist (404)";
    assert_eq!(run.stdout.matches(shown).count(), 1, "{}", run.stdout);
}

#[test]
fn verify_malformed_keys_of_logins_are_not_reported_as_missing() {
    let server = Server::new();
    let all = json!({"jwts": {"cookie-name": "c", "trusted-issuer": "https://i.example"}});
    server.config(&json!({"main": {}, "auth": all}));
    let short = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMQ==";
    let base = [("JWT_PUBLIC_KEY", PUBLIC), ("JWT_PRIVATE_KEY", PRIVATE), ("SESSION_KEY", SESSION)];
    for (variable, value, endpoint, reason) in [
        (
            "CROSS_LOGIN_JWT_PUBLIC_KEY",
            short,
            "cookie-login",
            "CROSS_LOGIN_JWT_PUBLIC_KEY in './.env' line 4: ",
        ),
        ("CROSS_LOGIN_JWT_PUBLIC_KEY", "", "cookie-login", "CROSS_LOGIN_JWT_PUBLIC_KEY is not set"),
        (
            "CROSS_LOGIN_JWT_HS512_KEY",
            "no base64!",
            "jwt-login",
            "CROSS_LOGIN_JWT_HS512_KEY in './.env' line 4: ",
        ),
    ] {
        server.env(&[&base[..], &[(variable, value)]].concat());
        let run = server.verify(&format!("token.txt --endpoint {endpoint}")).ended(1);
        assert!(run.stdout.contains(reason), "{variable}: {}", run.stdout);
        assert_eq!(run.stdout.contains("is not set"), value.is_empty(), "{variable}: {}", run.stdout);
    }
}

#[test]
fn verify_without_validate_user_warns_that_tokens_outlive_their_user() {
    let server = Server::new();
    let run = server.verify("token.txt --endpoint api").ended(0);
    let output = "warn     validate-user off: this token stays valid after its user or a role is deleted";
    assert!(run.stdout.contains(output), "{}", run.stdout);
    let run = server.verify("token.txt --endpoint metric-store").ended(0);
    assert!(!run.stdout.contains("validate-user"), "{}", run.stdout);
}

/// The hint below the check that fails, as a shell line without what to do then.
fn hinted(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("fail"));
    let hint = lines.find_map(|line| line.split_once("hint: ")).map(|(_, hint)| hint);
    let hint = hint.unwrap_or_else(|| panic!("no hint: {text}"));
    let hint =
        hint.strip_prefix("for ").and_then(|rest| rest.split_once(": ")).map_or(hint, |(_, rest)| rest);
    hint.split("; then").next().unwrap().to_owned()
}

/// Each hint about roles is run, and the endpoint accepts a token afterwards.
#[test]
fn hints_about_roles_lead_to_a_token_that_the_endpoint_accepts() {
    let lists =
        ["user", "admin", "user,api", "support,api", "manager", "api,anonymous", "anonymous", "support"];
    for (number, roles) in lists.into_iter().enumerate() {
        for endpoint in ["api", "user-api", "metric-store-api"] {
            let directory = TestEnv::new();
            directory.sh("cc-user init -q").ended(0);
            let project = if roles.contains("manager") { "--project p" } else { "" };
            let name = format!("u{number}");
            directory.sh(&format!("cc-user add {name} --role {roles} {project} --no-password -q")).ended(0);
            let run =
                directory.sh(&format!("cc-jwt issue {name} -q | cc-jwt verify - --endpoint {endpoint}"));
            if run.status == 0 {
                continue;
            }
            let command = hinted(&run.stdout);
            let done = directory.sh(&format!("set -e; {command}")).ended(0);
            // A command that issues the token itself printed it.
            let token = done.stdout.trim().to_owned();
            let token = if token.is_empty() {
                directory.sh(&format!("cc-jwt issue {name} -q")).ended(0).stdout
            } else {
                token
            };
            directory.write("new.txt", token);
            directory.sh(&format!("cc-jwt verify --token-file new.txt --endpoint {endpoint}")).ended(0);
        }
    }
}

/// The hint of `issue` names the endpoint that accepts a token after the command.
#[test]
fn hint_of_issue_leads_to_a_token_that_the_named_endpoint_accepts() {
    for (number, roles) in
        ["user", "admin", "user,admin", "support", "manager", "anonymous"].into_iter().enumerate()
    {
        let directory = TestEnv::new();
        directory.sh("cc-user init -q").ended(0);
        let project = if roles.contains("manager") { "--project p" } else { "" };
        let name = format!("u{number}");
        directory.sh(&format!("cc-user add {name} --role {roles} {project} --no-password -q")).ended(0);
        let reported = directory.sh(&format!("cc-jwt issue {name} 2>&1 >/dev/null")).ended(0).stdout;
        assert!(reported.contains("accepted by GraphQL and the web pages only, with"), "{roles}: {reported}");
        let hint =
            reported.lines().find_map(|line| line.split_once("hint: for ")).map(|(_, hint)| hint).unwrap();
        let (place, command) = hint.split_once(": ").unwrap();
        let endpoint = if place == "/api" { "api" } else { "user-api" };
        directory.sh(&command.replace("; then issue a new token", "")).ended(0);
        directory.sh(&format!("cc-jwt issue {name} -q | cc-jwt verify - --endpoint {endpoint}")).ended(0);
    }
}
