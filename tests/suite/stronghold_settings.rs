//! Invalid values of all options and variables of Stronghold: each message names the one with the value.

use crate::support::TestEnv;

/// A directory with a file that is neither a token nor a certificate.
fn directory() -> TestEnv {
    let directory = TestEnv::new();
    directory.write("text", "two\nlines");
    directory.sh("chmod 600 text; mkdir empty").ended(0);
    directory
}

/// Checks that a command ends with this status and one line that begins with these words.
fn assert_fails(directory: &TestEnv, line: &str, status: i32, words: &str) {
    let done = directory.sh(line);
    assert_eq!(done.status, status, "{line}: {}", done.stderr);
    let mut lines = done.stderr.lines();
    let first = lines.next().unwrap_or_default();
    let (_, message) = first.split_once(": ").unwrap_or_default();
    assert!(message.starts_with(words), "{line}: {first}");
    assert!(lines.all(|line| line.starts_with("hint: ")), "{line}: {}", done.stderr);
    assert!(done.stdout.is_empty(), "{line}: {}", done.stdout);
}

const LOGIN: &str = "cc-login --method stronghold --token-file text";
const PROVIDER: &str = "cc-login --method stronghold";
const RUN: &str = "CC_ID_TOKEN=a.b.c cc-login run --method stronghold --identity env:CC_ID_TOKEN";
const PULL: &str = "VAULT_TOKEN=x cc-jwt role pull";

/// The connection options of all commands with invalid values.
const OPTIONS: [(&str, &str); 16] = [
    ("--server ''", "--server: invalid URL ''"),
    ("--server host:8200", "--server: invalid URL 'host:8200'"),
    ("--server ftp://host", "--server: invalid URL 'ftp://host'"),
    ("--server https://user:secret@host", "--server: invalid URL 'https://host/'"),
    ("--server http://vault.example", "--server: 'http://vault.example/' is plain http"),
    (
        "--server 'http://127.0.0.1:1?namespace=a'",
        "--server: invalid URL 'http://127.0.0.1:1/': expected a URL without",
    ),
    ("--server http://127.0.0.1:1/#a", "--server: invalid URL 'http://127.0.0.1:1/': expected a URL without"),
    ("--namespace a//b", "--namespace: invalid namespace 'a//b'"),
    ("--namespace ../b", "--namespace: invalid namespace '../b'"),
    ("--namespace 'a b'", "--namespace: invalid namespace 'a b'"),
    ("--namespace ä", "--namespace: invalid namespace 'ä'"),
    ("--path ../sys", "--path: invalid mount path '../sys'"),
    ("--path a//b", "--path: invalid mount path 'a//b'"),
    ("--path /", "--path: invalid mount path '/'"),
    ("--path .", "--path: invalid mount path '.'"),
    ("--path 'a/../b'", "--path: invalid mount path 'a/../b'"),
];

#[test]
fn invalid_option_is_a_usage_error_in_each_command() {
    let directory = directory();
    for (options, words) in OPTIONS {
        let server = if options.starts_with("--server") { "" } else { "--server http://127.0.0.1:1" };
        assert_fails(&directory, &format!("{LOGIN} {server} {options}"), 2, words);
        assert_fails(&directory, &format!("{RUN} {server} {options} -- touch ran"), 2, words);
        assert_fails(&directory, &format!("{PULL} {server} {options}"), 2, words);
    }
    for (command, options, words) in [
        (LOGIN, "namespace=a//b", "--namespace: invalid namespace 'a//b'"),
        (LOGIN, "path=", "--path: invalid mount path ''"),
        (LOGIN, "mount=..", "--path: invalid mount path '..'"),
        (LOGIN, "--path ''", "missing value for --path"),
        (LOGIN, "--role ''", "--role: invalid role ''"),
        (LOGIN, "role=", "--role: invalid role ''"),
        (LOGIN, "--wrap-ttl soon", "--wrap-ttl: invalid duration 'soon'"),
        (LOGIN, "--wrap-ttl 0s", "--wrap-ttl: invalid duration '0s'"),
        (LOGIN, "--wrap-ttl 500ms", "--wrap-ttl: invalid duration '500ms': expected at least 1s"),
        (LOGIN, "--wrap-ttl=-5s", "--wrap-ttl: invalid duration '-5s'"),
        (LOGIN, "--connect-timeout soon", "--connect-timeout: invalid duration 'soon'"),
        (LOGIN, "--timeout 0s", "--timeout: invalid duration '0s'"),
        (LOGIN, "--session a/b", "--session: invalid session name 'a/b'"),
        (
            LOGIN,
            "--session 'http://127.0.0.1:1?namespce=a'",
            "--session: invalid session 'http://127.0.0.1:1/'",
        ),
        (PROVIDER, "--from-session a/b", "--from-session: invalid session name 'a/b'"),
        (PROVIDER, "--identity x", "invalid value 'x' for --identity"),
        (PROVIDER, "--port x", "--port: invalid ports 'x'"),
        (PROVIDER, "port=99999", "--port: invalid ports '99999'"),
        (PROVIDER, "--callback-port 0", "invalid --callback-port '0'"),
        (PROVIDER, "--callback-host 'a b'", "invalid --callback-host 'a b'"),
        (PROVIDER, "callbackmethod=ftp", "invalid --callback-method 'ftp'"),
        (PROVIDER, "--listen-address 'a b'", "invalid --listen-address 'a b'"),
        (PROVIDER, "skip_browser=maybe", "invalid skip_browser 'maybe'"),
        (PULL, "--connect-timeout soon", "--connect-timeout: invalid duration 'soon'"),
        (PULL, "--timeout 0s", "--timeout: invalid duration '0s'"),
        (PULL, "../config", "invalid role name '../config'"),
        (PULL, "a/b", "invalid role name 'a/b'"),
        (PULL, "''", "invalid role name ''"),
    ] {
        assert_fails(&directory, &format!("{command} --server http://127.0.0.1:1 {options}"), 2, words);
    }
    assert!(!directory.file("ran").exists());
}

#[test]
fn invalid_variable_is_a_configuration_error_that_names_it() {
    let directory = directory();
    let server = "VAULT_ADDR=http://127.0.0.1:1";
    for family in ["STRONGHOLD", "BAO", "VAULT"] {
        for command in [LOGIN, &format!("{RUN} -- touch ran"), PULL] {
            for (variable, value, status, words) in [
                ("ADDR", "host:8200", 78, "invalid URL 'host:8200'"),
                ("ADDR", "https://user:secret@host", 78, "invalid URL 'https://host/'"),
                ("ADDR", "http://vault.example", 78, "'http://vault.example/' is plain http"),
                (
                    "ADDR",
                    "http://127.0.0.1:1/?namespace=a",
                    78,
                    "invalid URL 'http://127.0.0.1:1/': expected a URL",
                ),
                ("NAMESPACE", "a//b", 78, "invalid namespace 'a//b'"),
                ("NAMESPACE", "../b", 78, "invalid namespace '../b'"),
                // The value is valid, and the file is not.
                ("CACERT", "gone", 66, "'gone' does not exist"),
                ("CACERT", "text", 78, "invalid CA certificates"),
                ("CAPATH", "gone", 66, "'gone' does not exist"),
                ("CAPATH", "empty", 78, "invalid CA certificates"),
            ] {
                let line = format!("export {server} {family}_{variable}={value}; {command}");
                assert_fails(&directory, &line, status, &format!("{family}_{variable}: {words}"));
            }
        }
        let line = format!("export {server} {family}_TOKEN='a b'; cc-jwt role pull");
        assert_fails(&directory, &line, 78, &format!("{family}_TOKEN: invalid token"));
    }
    for (options, status, words) in [
        ("--ca-file gone", 66, "--ca-file: 'gone' does not exist"),
        ("--ca-file text", 78, "--ca-file: invalid CA certificates"),
    ] {
        for command in [LOGIN, RUN, PULL] {
            let more = if command == RUN { "-- touch ran" } else { "" };
            assert_fails(&directory, &format!("export {server}; {command} {options} {more}"), status, words);
        }
    }
    let pull = format!("{server} cc-jwt role pull");
    assert_fails(&directory, &format!("{pull} --token-file text"), 78, "'text': invalid token");
    assert_fails(&directory, &format!("{pull} --token-file gone"), 66, "'gone' does not exist");
    let missing = directory.sh(&pull).ended(1);
    assert!(
        missing.stderr.contains("\nhint: cc-login --method stronghold --server http"),
        "{}",
        missing.stderr
    );
    directory.sh("mkdir -p .home; cp -p text .home/.vault-token").ended(0);
    let file = directory.file(".home/.vault-token");
    assert_fails(&directory, &pull, 78, &format!("'{}': invalid token", file.display()));
    assert!(!directory.file("ran").exists());
}
