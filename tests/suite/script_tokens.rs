//! Tokens for scripts: the tokens of a provider, files, and commands that get the token. No process
//! gets a token in its arguments, and only the command of `cc-login run` in its environment.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::httpd::{Reply, Server};
use crate::idp::{Behavior, Idp};
use crate::oidc::{directory_for, log_in, session};
use crate::support::{TestEnv, has, path_with_programs, programs};

/// A directory with a session of fritz.
fn logged_in() -> TestEnv {
    let directory = TestEnv::with_setup();
    directory.sh("umask 077; echo pw > pw; cc-user passwd fritz --password-file pw -q").ended(0);
    directory.sh("cc-login fritz --password-file pw -q").ended(0);
    directory
}

/// The path of the only session file.
fn session_path(directory: &TestEnv) -> PathBuf {
    let mut files = fs::read_dir(directory.file(".home/.local/state/cc-auth/sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.next().unwrap()
}

/// Changes the stored session.
fn change_session(directory: &TestEnv, change: impl FnOnce(&mut Value)) {
    let mut stored = session(directory).unwrap();
    change(&mut stored);
    fs::write(session_path(directory), stored.to_string()).unwrap();
}

#[test]
fn provider_tokens_are_stored_printed_and_renewed() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    log_in(&directory, "").ended(0);
    assert_eq!(directory.sh("cc-login token --kind access").ended(0).stdout, "the-access-token\n");
    let id_token = directory.sh("cc-login token --kind id").ended(0).stdout;
    assert_eq!(session(&directory).unwrap()["id_token"], id_token.trim());
    let header = directory.sh("cc-login token --kind access --header").ended(0).stdout;
    assert_eq!(header, "Authorization: Bearer the-access-token\n");
    // The provider issues access tokens for 300 seconds; the session is valid for days.
    let refreshes = || {
        let is_refresh = |field: Option<String>| field.as_deref() == Some("refresh_token");
        idp.seen().iter().filter(|request| is_refresh(request.field("grant_type"))).count()
    };
    directory.sh("cc-login token --kind access --min-ttl 1m").ended(0);
    directory.sh("cc-login token --min-ttl 24h").ended(0);
    assert_eq!(refreshes(), 0);
    let short = directory.sh("cc-login token --kind access --min-ttl 10m").ended(1);
    assert!(short.stderr.contains("the access token expires in "), "{}", short.stderr);
    assert!(short.stderr.contains("expected a lifetime of at least 10m"), "{}", short.stderr);
    assert_eq!((refreshes(), short.stdout.as_str()), (1, ""));
    // An expired access token is renewed, also where the session file has none.
    for access_token in [json!({"token": "old", "expires_at": 1}), json!(null)] {
        change_session(&directory, |stored| stored["access_token"] = access_token);
        let before = refreshes();
        directory.sh("cc-login token").ended(0);
        assert_eq!(refreshes(), before, "the token for the server is valid");
        let token = directory.sh("cc-login token --kind access").ended(0).stdout;
        assert_eq!((token.as_str(), refreshes()), ("the-access-token\n", before + 1));
    }
}

#[test]
fn session_file_of_an_earlier_version_has_no_access_token() {
    let directory = logged_in();
    change_session(&directory, |stored| {
        assert!(stored.as_object_mut().unwrap().remove("access_token").is_some());
    });
    directory.sh("cc-login token").ended(0);
    for kind in ["access", "id"] {
        let run = directory.sh(&format!("cc-login token --kind {kind}")).ended(1);
        assert!(run.stderr.contains("only a login with --method oidc has tokens"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn token_file_is_private_and_replaced() {
    let directory = logged_in();
    directory.sh("umask 022; echo old > token.conf; chmod 644 token.conf").ended(0);
    let run = directory.sh("umask 022; cc-login token --curl-config -o token.conf").ended(0);
    assert_eq!(run.stdout, "");
    let mode = fs::metadata(directory.file("token.conf")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let token = directory.sh("cc-login token -o -").ended(0).stdout;
    assert_eq!(
        directory.read("token.conf"),
        format!("header = \"Authorization: Bearer {}\"\n", token.trim())
    );
    // Without a session the file is not changed.
    directory.sh("cc-login logout -q; cc-login token --curl-config -o token.conf").ended(1);
    assert!(directory.read("token.conf").contains(token.trim()));
}

/// Waits until the file has a token other than `before`, and returns it.
fn next_token(directory: &TestEnv, before: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let token = fs::read_to_string(directory.file("watched")).unwrap_or_default();
        if !token.is_empty() && token != before {
            return token;
        }
        assert!(Instant::now() < end, "the file is not written: {token:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The command that watches the file; its ID tokens are renewed three seconds before they expire.
fn watcher(directory: &TestEnv) -> Child {
    Command::new(programs().join("cc-login"))
        .args(["token", "--kind", "id", "--min-ttl", "3s", "-o", "watched", "--watch"])
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.file(".home"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn watched_token_file_is_renewed_until_a_signal_or_an_error_after_its_expiry() {
    let claims = |claims: &mut Map<String, Value>| claims["exp"] = json!(claims["iat"].as_i64().unwrap() + 8);
    let idp = Idp::start(Behavior { claims: Box::new(claims), ..Behavior::default() });
    let directory = directory_for(&idp.issuer(), &json!({}));
    log_in(&directory, "").ended(0);

    let mut child = watcher(&directory);
    let first = next_token(&directory, "");
    assert_eq!(fs::metadata(directory.file("watched")).unwrap().mode() & 0o777, 0o600);
    let second = next_token(&directory, &first);
    fs::remove_file(directory.file("watched")).unwrap();
    next_token(&directory, "");
    let signal = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    // The provider no longer responds: the renewal is repeated until the token has expired.
    let child = watcher(&directory);
    next_token(&directory, &second);
    drop(idp);
    let output = child.wait_with_output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{messages}");
    assert_eq!(messages.matches("the renewal is repeated").count(), 1, "{messages}");
}

#[test]
fn command_replaces_the_process_and_gets_signals() {
    let directory = logged_in();
    let mut child = Command::new(programs().join("cc-login"))
        .args(["run", "--", "sh", "-c", "echo $$; exec sleep 600"])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", directory.file(".home"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim().parse::<u32>().unwrap(), child.id());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn curl_sends_the_token_of_each_form() {
    if !has("curl") {
        return;
    }
    let directory = logged_in();
    let server = Server::start(|_| Reply::status(200, "text/plain", "ok"));
    let url = server.url();
    for line in [
        format!("cc-login token --header | curl -sS -H @- {url}"),
        format!("cc-login token --curl-config | curl -sS -K - {url}"),
        format!("cc-login token --curl-config -q -o curl.conf && curl -sS -K curl.conf {url}"),
        format!("cc-login token --header -q -o header && curl -sS -H @header {url}"),
        format!("cc-jwt issue fritz -q --header | curl -sS -H @- {url}"),
    ] {
        assert_eq!(directory.sh(&line).ended(0).stdout, "ok", "{line}");
        let header = server.seen().last().unwrap().header("authorization").unwrap().to_owned();
        let token = header.strip_prefix("Bearer ").unwrap().to_owned();
        directory.run_with("cc-jwt", &["verify", "-", "-e", "user-api", "-q"], token).ended(0);
    }
}

/// The system calls show every argument and variable of every process, however short its life is.
#[test]
fn token_is_in_no_argument_and_only_in_the_environment_of_its_command() {
    if !has("strace") || !has("curl") {
        return;
    }
    let directory = logged_in();
    let server = Server::start(|_| Reply::status(200, "text/plain", "ok"));
    let trace = |line: &str| {
        let script = line.replace("URL", &server.url());
        let run = directory
            .command("strace")
            .args(["-f", "-qq", "-v", "-s", "100000", "-e", "trace=execve", "-o", "trace"])
            .args(["sh", "-c", &script])
            .output()
            .unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
        directory.read("trace")
    };
    let is_token = |text: &str| text.contains("eyJ");
    for line in [
        "cc-login token --header | curl -sS -H @- URL",
        "cc-login token --curl-config | curl -sS -K - URL",
        "cc-login token -q -o token && cc-jwt verify --token-file token -q",
        "cc-login token | cc-jwt verify -q -",
        "cc-login token --exec-credential | cat",
        "cc-jwt issue fritz -q --header | curl -sS -H @- URL",
        "cc-jwt issue fritz -q -o issued",
    ] {
        let calls = trace(line);
        assert!(calls.contains("execve("), "{calls}");
        assert!(!is_token(&calls), "{line}: {calls}");
    }
    let calls = trace("cc-login run --env CC_TOKEN -- env -u CC_TOKEN sh -c 'cat /dev/null'; cat /dev/null");
    let with_token: Vec<&str> = calls.lines().filter(|call| is_token(call)).collect();
    // The command is searched in each directory of PATH; later commands do not have the variable.
    assert!(!with_token.is_empty());
    for call in with_token {
        let arguments = call.split("], [").next().unwrap();
        assert!(arguments.contains("/env\", [\"env\", ") && !is_token(arguments), "{call}");
        assert!(call.contains("\"CC_TOKEN=eyJ"), "{call}");
    }
    // A token in an argument would be found.
    assert!(is_token(&trace("/bin/true \"$(cc-login token)\"")));
}
