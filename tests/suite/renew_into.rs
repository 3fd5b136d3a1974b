//! Renewal of tokens in the files of the programs that use them: an example of each program, and what
//! happens with wrong targets, users, owners, commands and at the same time.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use cc_auth::token::inspect;
use data_encoding::BASE64;
use serde_json::Value;

use crate::support::{Run, TestEnv, has, has_python, has_root, programs};

/// A server with the users of two programs.
pub fn server() -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    for user in ["collector", "backend"] {
        directory.sh(&format!("cc-user add {user} --role api --no-password -q")).ended(0);
    }
    directory
}

/// The old token of an example: it never expires.
fn old_token(directory: &TestEnv) -> String {
    directory.sh("cc-jwt issue collector --no-expiry -q").ended(0).stdout.trim().to_owned()
}

/// The file of a program with the member of its token.
struct Consumer {
    program: &'static str,
    file: &'static str,
    member: &'static str,
    /// The content; OLD is the token.
    content: &'static str,
}

const fn consumer(
    program: &'static str,
    file: &'static str,
    member: &'static str,
    content: &'static str,
) -> Consumer {
    Consumer { program, file, member, content }
}

/// Each program of docs/tokens-in-use.md with the members that its configuration has.
const CONSUMERS: &[Consumer] = &[
    consumer(
        "cc-backend",
        "config.json",
        "#/metric-store-external/1/token",
        "{\n  \"main\": {\"addr\": \"0.0.0.0:8080\"},\n  \"metric-store-external\": [\n    {\"scope\": \"*\", \"url\": \
         \"http://store:8082\", \"token\": \"x\"},\n    {\"scope\": \"fritz\", \"url\": \"http://store:8082\", \
         \"token\": \"OLD\"}\n  ]\n}\n",
    ),
    consumer(
        "cc-backend, older",
        "cluster.json",
        "#/metricDataRepository/token",
        "{\"name\": \"fritz\", \"metricDataRepository\": {\"kind\": \"cc-metric-store\", \"url\": \"http://s\", \
         \"token\": \"OLD\"}, \"metricConfig\": [{\"name\": \"flops\", \"peak\": 1e3}]}\n",
    ),
    consumer(
        "cc-backend, newer",
        ".env",
        "#METRICSTORE_TOKEN_FRITZ",
        "# keys\nJWT_PUBLIC_KEY=\"x\"\nMETRICSTORE_TOKEN_FRITZ=\"OLD\" # scope fritz\nMETRICSTORE_TOKEN=y\n",
    ),
    consumer(
        "cc-metric-collector, sink http",
        "sinks.json",
        "#/cc/jwt",
        "{\n\t\"cc\": {\n\t\t\"type\": \"http\",\n\t\t\"url\": \"http://store:8082/api/write\",\n\t\t\"jwt\": \"OLD\",\n\t\t\
         \"timeout\": \"5s\"\n\t},\n\t\"nats\": {\"type\": \"nats\", \"nkey_file\": \"c.creds\"}\n}\n",
    ),
    consumer(
        "cc-metric-collector, sink questdb, inline",
        "config.json",
        "#/sinks/quest/bearer_token",
        "{\"interval\": \"10s\", \"sinks\": {\"quest\": {\"type\": \"questdb\", \"bearer_token\": \"OLD\"}}}",
    ),
    consumer("cc-metric-collector, newer, jwt_file", "cc.jwt", "", "OLD\n"),
    consumer(
        "cc-slurm-adapter",
        "adapter.json",
        "#/ccRestJwt",
        "{\r\n  \"ccRestUrl\": \"http://monitoring\",\r\n  \"ccRestJwt\": \"OLD\",\r\n  \"natsServer\": \"\"\r\n}\r\n",
    ),
    consumer(
        "cc-energy-manager",
        "config.json",
        "#/sinks/out/jwt",
        "{\"controller\": {\"nats\": {\"credsFile\": \"c.creds\"}}, \"sinks\": {\"out\": {\"type\": \"http\", \"jwt\": \
         \"OLD\"}}, \"receivers\": {}}\n",
    ),
    consumer(
        "cc-lib, start message",
        "config.json",
        "#/http/auth_token",
        "{\"http\": {\"url\": \"http://monitoring\", \"auth_token\": \"OLD\"}, \"nats\": {\"nkey_file\": \"\"}}\n",
    ),
    consumer(
        "cc-lib, newer, fleet",
        "config.json",
        "#/fleet/token",
        "{\"fleet\": {\"url\": \"http://monitoring\", \"token\": \"OLD\"}}\n",
    ),
    consumer("cc-lib, newer, variable", "collector.env", "#CC_FLEET_TOKEN", "CC_FLEET_TOKEN=OLD\nA=1\n"),
    consumer(
        "cc-condor-sync, script",
        "config.json",
        "#/cc-backend/apikey",
        "{\"cc-backend\": {\"host\": \"http://monitoring\", \"apikey\": \"OLD\"}, \"htcondor\": {}}\n",
    ),
    consumer(
        "cc-condor-sync, plug-in",
        "90-ccsync.conf",
        "#CCSYNC_APIKEY",
        "# HTCondor\nCCSYNC_URL = http://monitoring\nCCSYNC_APIKEY = OLD\nSCHEDD.PLUGINS = x, y\n",
    ),
    consumer("script", "export.env", "#TOKEN", "TOKEN='OLD'\nURL=http://monitoring\n"),
    consumer("EnvironmentFile", "default", "#TOKEN", "# TOKEN=OLD\nTOKEN=OLD\n"),
    consumer(
        "systemd unit",
        "export.service",
        "#Service.Environment.TOKEN",
        "[Service]\nEnvironment=\"URL=http://monitoring\" \"TOKEN=OLD\"\nExecStart=/usr/bin/export\n",
    ),
    consumer(
        "curl configuration",
        "curlrc",
        "#header",
        "url = \"http://monitoring/api/jobs/\"\nheader = \"Accept: application/json\"\nheader = \"Authorization: \
         Bearer OLD\"\n",
    ),
    consumer(
        "Grafana",
        "datasources.yaml",
        "#/datasources/0/secureJsonData/httpHeaderValue1",
        "apiVersion: 1\ndatasources:\n  - name: Monitoring # jobs\n    type: infinity\n    jsonData:\n      \
         httpHeaderName1: Authorization\n    secureJsonData:\n      httpHeaderValue1: \"Bearer OLD\"\n",
    ),
];

/// The first expiry of the tokens in a text, by their form.
fn tokens(text: &str) -> Vec<Value> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text.split(|c: char| !is_token(c)).filter(|word| word.starts_with("eyJ"));
    words
        .map(|word| {
            let seen = inspect(word);
            let (_, claims) = seen.unproven().unwrap_or_else(|| panic!("{word}"));
            Value::Object(claims.as_object().clone())
        })
        .collect()
}

#[test]
fn example_of_each_program_is_renewed_in_its_file_and_its_command_runs() {
    for Consumer { program, file, member, content } in CONSUMERS {
        let directory = server();
        let old = old_token(&directory);
        let content = content.replace("OLD", &old);
        directory.write(&format!("etc/{file}"), &content);
        let mode = directory.sh(&format!("chmod 640 etc/{file}"));
        mode.ended(0);
        let inode = fs::metadata(directory.file(&format!("etc/{file}"))).unwrap().ino();
        // The command is what the program would do: it reads its file.
        let line = format!(
            "cc-jwt renew --user collector --ttl 24h --into 'etc/{file}{member}' --command 'cp etc/{file} loaded' -q"
        );
        let run = directory.sh(&line).ended(0);
        assert!(!run.stderr.contains("warning"), "{program}: {}", run.stderr);
        let new = directory.read(&format!("etc/{file}"));
        // The old token is at the place of the new one, and nothing else changed.
        let changed: Vec<Value> =
            tokens(&new).into_iter().filter(|claims| claims.get("exp").is_some()).collect();
        assert_eq!(changed.len(), 1, "{program}: {new}");
        assert_eq!(changed[0]["sub"], "collector", "{program}");
        let token = new
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .find(|word| word.starts_with("eyJ") && *word != old)
            .unwrap();
        assert_eq!(new.replacen(token, &old, 1), content, "{program}");
        assert_eq!(directory.read("loaded"), new, "{program}: the command ran after the change");
        let metadata = fs::metadata(directory.file(&format!("etc/{file}"))).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o640, "{program}");
        assert_ne!(metadata.ino(), inode, "{program}: the file was replaced as a whole");
        // The token is valid for the program's endpoint, and it is not due again.
        directory.write("new.jwt", token);
        directory.sh("chmod 600 new.jwt; cc-jwt verify --token-file new.jwt --endpoint api -q").ended(0);
        directory.sh("rm loaded").ended(0);
        let again = directory.sh(&line).ended(0);
        assert!(!directory.file("loaded").exists(), "{program}: {}", again.stdout);
        directory.sh(&format!("{line} --check --at +17h")).ended(1);
        directory.sh(&format!("{line} --check --at +15h")).ended(0);
        // What the scan prints is the target.
        if !member.is_empty() {
            let scan = directory.sh(&format!("cc-jwt scan 'etc/{file}' --json")).ended(0).json();
            let members: Vec<String> = scan["occurrences"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|one| one["member"].as_str().map(|member| format!("#{member}")))
                .collect();
            assert!(members.contains(&(*member).to_owned()), "{program}: {members:?}");
        }
    }
}

#[test]
fn secret_of_kubernetes_is_renewed_in_its_values_and_files() {
    let directory = server();
    let old = old_token(&directory);
    let encode = |text: &str| BASE64.encode(text.as_bytes());
    let sinks = format!("{{\"cc\": {{\"type\": \"http\", \"jwt\": \"{old}\"}}}}\n");
    let secret = format!(
        "apiVersion: v1\nkind: Secret # of the collector\nmetadata: {{name: cc}}\ndata:\n  token: {}\n  sinks.json: {}\n  .env: {}\n",
        encode(&old),
        encode(&sinks),
        encode(&format!("A=1\nTOKEN={old}\n")),
    );
    directory.write("secret.yaml", &secret);
    let renewal = "cc-jwt renew --user collector --ttl 24h -q --into secret.yaml#/data/token \
                   --into 'secret.yaml#/data/sinks.json#/cc/jwt' --into secret.yaml#/data/.env#TOKEN \
                   --command 'cp secret.yaml applied; echo x >> count'";
    directory.sh(renewal).ended(0);
    let new = directory.read("secret.yaml");
    assert_eq!(directory.read("applied"), new);
    assert_eq!(directory.read("count"), "x\n", "one command for the changes of a file");
    let value = |name: &str| {
        let line = new.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: "))).unwrap();
        String::from_utf8(BASE64.decode(line.as_bytes()).unwrap()).unwrap()
    };
    for name in ["token", "sinks.json", ".env"] {
        let found = tokens(&value(name));
        assert!(found.len() == 1 && found[0]["exp"].is_i64(), "{name}");
    }
    assert!(value("sinks.json").starts_with("{\"cc\": {\"type\": \"http\", \"jwt\": \"eyJ"));
    assert!(new.starts_with(
        "apiVersion: v1\nkind: Secret # of the collector\nmetadata: {name: cc}\ndata:\n  token: "
    ));
}

#[test]
fn value_of_a_secret_keeps_its_line_end() {
    let directory = server();
    let old = old_token(&directory);
    // As `echo TOKEN | base64` writes it.
    let secret = format!("kind: Secret\ndata:\n  token: {}\n", BASE64.encode(format!("{old}\n").as_bytes()));
    directory.write("secret.yaml", &secret);
    let scan = directory.sh("cc-jwt scan secret.yaml --json").ended(0).json();
    assert_eq!(scan["occurrences"][0]["member"], "/data/token");
    directory.sh("cc-jwt renew --user collector --ttl 24h -q --into secret.yaml#/data/token").ended(0);
    let new = directory.read("secret.yaml");
    let value = new.strip_prefix("kind: Secret\ndata:\n  token: ").unwrap().trim_end();
    let value = String::from_utf8(BASE64.decode(value.as_bytes()).unwrap()).unwrap();
    assert!(value.starts_with("eyJ") && value.ends_with('\n') && value.trim_end() != old, "{value:?}");
    let report = directory.sh("cc-jwt scan secret.yaml --json").ended(0).json();
    assert_ne!(report["occurrences"][0]["fingerprint"], scan["occurrences"][0]["fingerprint"]);
}

/// A sink with a fresh token and its text.
fn with_sink(directory: &TestEnv) -> String {
    directory.write("sinks.json", "{\"cc\": {\"type\": \"http\", \"jwt\": \"\"}}\n");
    directory.sh("cc-jwt renew --user collector --ttl 24h --into sinks.json#/cc/jwt -q").ended(0);
    directory.read("sinks.json")
}

const RENEW: &str = "cc-jwt renew --user collector --ttl 24h --into sinks.json#/cc/jwt";

#[test]
fn change_of_user_key_or_lifetime_is_a_reason_and_a_lost_user_keeps_the_old_token() {
    let directory = server();
    let sink = with_sink(&directory);
    let reason = |line: &str| {
        let run = directory.sh(&format!("{line} --check --json")).ended(1);
        run.json()["reason"].as_str().unwrap().to_owned()
    };
    directory.sh(&format!("{RENEW} --check")).ended(0);
    assert_eq!(reason(&RENEW.replace("24h", "12h")), "claims-changed");
    assert_eq!(reason(&RENEW.replace("collector", "backend")), "claims-changed");
    directory.sh("cc-user role add collector user -q").ended(0);
    assert_eq!(reason(RENEW), "claims-changed");
    directory.sh("cc-user role remove collector user -q").ended(0);
    directory.sh("cc-user disable collector -q").ended(0);
    let failed = directory.sh(&format!("{RENEW} --force")).ended(1);
    assert!(failed.stderr.contains("the user 'collector' is disabled"), "{}", failed.stderr);
    assert!(failed.stderr.contains("contains the old token"), "{}", failed.stderr);
    directory.sh("cc-user enable collector -q && cc-user del collector -q").ended(0);
    let failed = directory.sh(&format!("{RENEW} --force")).ended(1);
    assert!(failed.stderr.contains("the user 'collector' does not exist"), "{}", failed.stderr);
    directory.sh("cc-user add collector --role api --no-password -q").ended(0);
    assert_eq!(directory.read("sinks.json"), sink);
    directory.sh("gen-keypair --write --force -q").ended(0);
    assert_eq!(reason(RENEW), "key-changed");
    directory.sh(RENEW).ended(0);
    assert_ne!(directory.read("sinks.json"), sink);
}

#[test]
fn token_of_a_clock_that_was_ahead_is_renewed() {
    let directory = server();
    with_sink(&directory);
    let renew = format!("{RENEW} --json");
    directory.sh(&format!("{renew} --at +400d")).ended(0);
    let event = directory.sh(&format!("{renew} --check")).ended(1).stdout;
    assert!(event.contains("\"not-yet-valid\""), "{event}");
    let event = directory.sh(&renew).ended(0).stdout;
    assert!(event.contains("\"event\":\"renewed\""), "{event}");
    assert!(event.contains("which is in the future"), "{event}");
    // A clock that is a few seconds behind is not a reason.
    let event = directory.sh(&format!("{renew} --at -30s")).ended(0).stdout;
    assert!(event.contains("\"event\":\"fresh\""), "{event}");
}

#[test]
fn failed_command_is_repeated_by_the_next_run() {
    let directory = server();
    with_sink(&directory);
    let renew = |command: &str, more: &str| {
        directory.sh(&format!("{RENEW} --command '{command}' --command-timeout 1s {more}"))
    };
    for (command, reason) in [
        ("exit 3", "exited with status 3"),
        ("kill -9 $$", "was terminated by signal 9"),
        ("sleep 60", "did not end within 1s and was terminated"),
        ("/no/such/program", "exited with status 127"),
    ] {
        let run = renew(command, "--force").ended(75);
        assert!(
            run.stderr.contains(reason) && run.stderr.contains("the token was renewed"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("old token"), "{}", run.stderr);
    }
    assert!(directory.file(".sinks.json.pending").exists());
    renew("exit 3", "--check").ended(1);
    let sink = directory.read("sinks.json");
    renew("exit 3", "").ended(75);
    // A run without a command does not end the repetition.
    let run = directory.sh(RENEW).ended(0);
    assert!(run.stderr.contains("delete '.sinks.json.pending' after a restart"), "{}", run.stderr);
    assert!(directory.file(".sinks.json.pending").exists());
    let run = renew("cp sinks.json loaded", "--json").ended(0).json();
    assert_eq!((&run["event"], &run["command"]), (&Value::from("fresh"), &Value::from("succeeded")));
    assert_eq!((directory.read("loaded"), directory.read("sinks.json")), (sink.clone(), sink));
    assert!(!directory.file(".sinks.json.pending").exists());
    renew("exit 3", "--check").ended(0);
}

#[test]
fn command_gets_no_secret_and_its_output_is_not_the_report() {
    let directory = server();
    with_sink(&directory);
    let line = format!("JWT_X_SECRET=topsecret {RENEW} --force --json --command 'env; echo done'");
    let run = directory.sh(&line).ended(0);
    assert_eq!(run.json()["command"], "succeeded");
    assert!(run.stderr.contains("PATH=") && run.stderr.contains("done"), "{}", run.stderr);
    assert!(!run.stderr.contains("topsecret"), "{}", run.stderr);
}

#[test]
fn command_over_its_time_limit_is_ended_with_its_children() {
    let directory = server();
    with_sink(&directory);
    let line = format!(
        "{RENEW} --force --command-timeout 1s --command '(sleep 30; touch late) & echo $! > child; wait'"
    );
    directory.sh(&line).ended(75);
    let child = directory.read("child");
    assert!(
        !std::path::Path::new(&format!("/proc/{}/cwd", child.trim())).exists() || is_zombie(child.trim())
    );
    assert!(!directory.file("late").exists());
}

/// Whether a process has ended and its parent has not read that yet.
fn is_zombie(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn variable_or_member_that_overrides_the_token_is_a_warning() {
    let directory = server();
    directory.write(
        "etc/config.json",
        "{\"metric-store-external\": [{\"scope\": \"a-b\", \"token\": \"\"}], \"fleet\": {\"token\": \"\"},\n\
         \"sinks\": {\"cc\": {\"jwt\": \"\", \"jwt_file\": \"/run/token\"}}}",
    );
    let renew = |member: &str, before: &str| {
        let line =
            format!("{before} cc-jwt renew --user backend --ttl 24h --force --into etc/config.json#{member}");
        directory.sh(&line).ended(0).stderr
    };
    assert!(!renew("/metric-store-external/0/token", "").contains("warning"));
    directory.write("etc/.env", "METRICSTORE_TOKEN_A_B=x\n");
    let warned = renew("/metric-store-external/0/token", "");
    assert!(
        warned.contains("the variable METRICSTORE_TOKEN_A_B in 'etc/.env' overrides this token"),
        "{warned}"
    );
    directory.write("etc/.env", "METRICSTORE_TOKEN_A_B=\n");
    assert!(!renew("/metric-store-external/0/token", "").contains("warning"));
    let warned = renew("/fleet/token", "CC_FLEET_TOKEN=x");
    assert!(warned.contains("the variable CC_FLEET_TOKEN in the environment overrides"), "{warned}");
    let warned = renew("/sinks/cc/jwt", "");
    assert!(warned.contains("may read the token that 'jwt_file' names instead"), "{warned}");
}

#[test]
fn bearer_before_a_token_is_removed_where_the_program_adds_it() {
    let directory = server();
    let old = old_token(&directory);
    directory.write("a.json", format!("{{\"cc\": {{\"jwt\": \"Bearer {old}\"}}, \"x\": \"Bearer {old}\"}}"));
    let renew = |member: &str| {
        directory.sh(&format!("cc-jwt renew --user collector --ttl 24h --into a.json#{member}")).ended(0)
    };
    assert!(renew("/cc/jwt").stderr.contains("'Bearer ' before the token was removed"));
    assert!(!renew("/x").stderr.contains("warning"));
    let text = directory.read("a.json");
    assert!(text.starts_with("{\"cc\": {\"jwt\": \"eyJ") && text.contains("\"x\": \"Bearer eyJ"), "{text}");
}

#[test]
fn symbolic_link_remains_and_its_target_is_replaced() {
    let directory = server();
    with_sink(&directory);
    directory.sh("mkdir real && mv sinks.json real/ && ln -s real/sinks.json sinks.json").ended(0);
    let old = directory.read("real/sinks.json");
    directory.sh(&format!("cc-user role add collector user -q; {RENEW}")).ended(0);
    assert!(fs::symlink_metadata(directory.file("sinks.json")).unwrap().is_symlink());
    assert_ne!(directory.read("real/sinks.json"), old);
    assert!(directory.file("real/.sinks.json.lock").exists(), "all paths to the file share one lock");
}

#[test]
fn file_with_hard_links_or_of_another_type_is_rejected() {
    let directory = server();
    let sink = with_sink(&directory);
    directory.sh("ln sinks.json second").ended(0);
    let run = directory.sh(&format!("{RENEW} --force")).ended(73);
    assert!(run.stderr.contains("has several names (hard links)"), "{}", run.stderr);
    directory.sh("rm second; mv sinks.json kept; mkfifo sinks.json").ended(0);
    directory.sh(&format!("{RENEW} --force")).ended(73);
    directory.sh("rm sinks.json; mkdir sinks.json").ended(0);
    directory.sh(&format!("{RENEW} --force")).ended(73);
    directory.sh("rmdir sinks.json").ended(0);
    directory.sh(&format!("{RENEW} --force")).ended(66);
    assert_eq!(directory.read("kept"), sink);
}

#[test]
fn renewal_file_renews_several_files_and_checks_their_access() {
    let directory = server();
    directory.write("etc/sinks.json", "{\"cc\": {\"jwt\": \"\"}}");
    directory.write("etc/config.json", "{\"metric-store-external\": [{\"token\": \"\"}, {\"token\": \"\"}]}");
    directory.sh("chmod 640 etc/*.json").ended(0);
    let renewals = "- user: collector\n  into: sinks.json#/cc/jwt\n  lifetime: 24h\n  mode: \"0640\"\n  command: echo c \
                    >> ran\n- user: backend\n  into: [config.json#/metric-store-external/0/token, \
                    config.json#/metric-store-external/1/token]\n  lifetime: 12h\n  renew-before: 2h\n  command: echo b \
                    >> ran\n  command-timeout: 10s\n- {user: backend, into: cc.jwt, lifetime: 12h}\n";
    directory.write("etc/renewals.yaml", renewals);
    let renew = |more: &str| directory.sh(&format!("cc-jwt renew --renewal-file etc/renewals.yaml {more}"));
    renew("--check").ended(1);
    renew("-q").ended(0);
    assert_eq!(directory.read("ran"), "c\nb\n");
    let all =
        directory.read("etc/sinks.json") + &directory.read("etc/config.json") + &directory.read("etc/cc.jwt");
    assert_eq!(tokens(&all).len(), 4);
    assert!(directory.read("etc/cc.jwt").starts_with("eyJ"));
    assert_eq!(fs::metadata(directory.file("etc/cc.jwt")).unwrap().mode() & 0o777, 0o600);
    renew("--check").ended(0);
    renew("--check --at +11h").ended(1);
    directory.sh("chmod 644 etc/sinks.json").ended(0);
    let run = renew("--force").ended(77);
    assert!(run.stderr.contains("expected mode 0640, found mode 0644"), "{}", run.stderr);
    for (owner, status) in [("root", i32::from(!rustix::process::geteuid().is_root()) * 77), ("4711", 77)] {
        let line = renewals.replace("mode: \"0640\"", &format!("owner: {owner}"));
        directory.write("etc/renewals.yaml", line);
        renew("--force -q").ended(status);
    }
    directory.write("etc/renewals.yaml", renewals);
    directory.sh("chmod 666 etc/renewals.yaml").ended(0);
    let run = renew("").ended(77);
    assert!(run.stderr.contains("other accounts may write to it"), "{}", run.stderr);
}

#[test]
fn renewal_file_with_errors_is_rejected_with_all_of_them() {
    let directory = server();
    for (text, expected) in [
        ("- user: a\n", "r.yaml:1: missing field `into`"),
        ("- user: a\n  into: x\n- user: a\n  inot: x\n", "r.yaml:3: unknown field `inot`"),
        ("- {user: a, into: x, lifetime: 1}\n", "r.yaml:1: invalid type"),
        ("- {user: a, into: x, lifetime: 0s}\n", "r.yaml:1: lifetime: expected a positive duration"),
        ("- {user: a, into: x, lifetime: soon}\n", "r.yaml:1: lifetime: "),
        ("- {user: a, into: []}\n", "r.yaml:1: into: expected at least one target"),
        ("- {user: a, into: 'x#'}\n", "r.yaml:1: into: expected a JSON pointer"),
        ("- {user: a, into: x, mode: '9'}\n", "r.yaml:1: mode: expected an octal mode in quotes"),
        ("- {user: a, into: x, owner: no-such-user}\n", "r.yaml:1: user 'no-such-user' does not exist"),
        (
            "- {user: a, into: x, command-timeout: 3s}\n",
            "r.yaml:1: command-timeout: expected together with command",
        ),
        ("- {user: a, into: x}\n- {user: b, into: ./x}\n", "duplicate target"),
        (
            "- {user: a, into: 'x#A'}\n- {user: b, into: 'x#B', mode: '0600'}\n",
            "have different owners, groups or modes",
        ),
        ("user: a\n", "expected a list of renewals"),
        ("", "expected a list of renewals"),
        ("- [\n", "r.yaml:"),
    ] {
        directory.write("r.yaml", text);
        directory.write("x", "A=\nB=\n");
        let run = directory.sh("cc-jwt renew --renewal-file r.yaml");
        assert!(run.status == 78 || run.status == 65, "{text}: {}", run.status);
        assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
    }
    directory.write("r.yaml", "- user: a\n- into: x\n");
    let run = directory.sh("cc-jwt renew --renewal-file r.yaml").ended(78);
    assert!(run.stderr.contains("r.yaml:1:") && run.stderr.contains("r.yaml:2:"), "{}", run.stderr);
}

#[test]
fn owner_and_group_of_the_file_remain() {
    if !has_root() {
        return;
    }
    let directory = server();
    with_sink(&directory);
    directory.sh("chown 4711:4712 sinks.json; chmod 4640 sinks.json").ended(0);
    directory.sh(&format!("{RENEW} --force")).ended(0);
    let metadata = fs::metadata(directory.file("sinks.json")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (4711, 4712, 0o4640));
}

#[test]
fn runs_at_the_same_time_leave_one_whole_file() {
    let directory = server();
    with_sink(&directory);
    let runs: Vec<_> = (0..8)
        .map(|_| {
            let mut command = Command::new(programs().join("cc-jwt"));
            command
                .args(["renew", "--user", "collector", "--ttl", "24h", "--force", "-q"])
                .args(["--into", "sinks.json#/cc/jwt", "--command", "cp sinks.json loaded"])
                .current_dir(directory.path())
                .env_clear()
                .env("PATH", std::env::var("PATH").unwrap())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let mut succeeded = 0;
    for mut run in runs {
        let status = run.wait().unwrap().code();
        assert!(status == Some(0) || status == Some(75), "{status:?}");
        succeeded += usize::from(status == Some(0));
    }
    assert!(succeeded > 0);
    let text = directory.read("sinks.json");
    assert_eq!(tokens(&text).len(), 1, "{text}");
    assert_eq!(directory.read("loaded"), text);
}

#[test]
fn watch_renews_and_repeats_a_failed_command() {
    let directory = server();
    directory.write("sinks.json", "{\"cc\": {\"jwt\": \"\"}}");
    directory.write(
        "r.yaml",
        "- user: collector\n  into: sinks.json#/cc/jwt\n  lifetime: 24h\n  command: test -e ready && cp sinks.json loaded\n",
    );
    let output = fs::File::create(directory.file("events")).unwrap();
    let mut watch = Command::new(programs().join("cc-jwt"))
        .args(["renew", "--renewal-file", "r.yaml", "--watch"])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let wait_for = |text: &str| {
        let is_printed = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            directory.read("events").contains(text)
        });
        assert!(is_printed, "{text} in {}", directory.read("events"));
    };
    wait_for("\"kind\":\"renewal-command-failed\"");
    directory.write("ready", "");
    wait_for("\"command\":\"succeeded\"");
    assert_eq!(directory.read("loaded"), directory.read("sinks.json"));
    // A token that another program removed is written again.
    directory.write("sinks.json", "{\"cc\": {\"jwt\": \"\"}}");
    wait_for("\"event\":\"renewed\"");
    let process = i32::try_from(watch.id()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(process).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(watch.wait().unwrap().success());
    wait_for("\"event\":\"stopped\"");
    let valid = directory.sh("cc-jwt renew --renewal-file r.yaml --check");
    assert_eq!(valid.status, 0, "{}{}", valid.stdout, directory.read("events"));
}

#[test]
fn file_permissions_are_checked_before_a_change() {
    let directory = server();
    let sink = with_sink(&directory);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Another account could have put the link there.
    directory.sh("mv sinks.json kept; ln -s kept sinks.json").ended(0);
    let run: Run = directory.sh(&format!("{RENEW} --force"));
    assert_ne!(run.status, 0);
    assert_eq!(directory.read("kept"), sink);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Random documents of all formats. Independent parsers read in the result the new token in its place, and in
/// all other places what was there before.
#[test]
fn random_document_of_each_format_is_changed_in_one_value_or_rejected() {
    let modules = ["dotenv", "yaml", "tomllib"];
    if !(has("bash") && modules.iter().all(|module| has_python(module))) {
        return;
    }
    let directory = server();
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/documents.py");
    let seed = std::env::var("FAULT_SEED").unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos().to_string()
    });
    println!("to repeat the documents: FAULT_SEED={seed}");
    let count = if std::env::var("FAULT_INJECTION").is_ok_and(|form| form == "long") { 3_000 } else { 400 };
    directory.sh(&format!("python3 {tool} generate . {seed} {count}")).ended(0);
    // Some of so many documents are rejected.
    directory.sh("cc-jwt renew --renewal-file renewals.yaml -q").ended(65);
    let report = directory.sh(&format!("python3 {tool} check .")).ended(0).json();
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    // Of the valid documents, most are changed.
    for (kind, numbers) in report["counts"].as_object().unwrap() {
        let number = |index: usize| numbers[index].as_u64().unwrap();
        let (changed, valid) = (number(0), number(1));
        assert!(2 * changed > valid || valid < 10, "{kind}: {changed} of {valid}");
    }
}
