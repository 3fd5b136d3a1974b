//! The local port that waits for the browser, attacked by other accounts, browsers and web pages.

use std::io::Read as _;

use serde_json::json;

use crate::idp::{Behavior, Idp};
use crate::oidc::{Waiting, directory_for, log_in, session};
use crate::support::{Run, TestEnv, has, has_root};

fn proper() -> (Idp, TestEnv) {
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    (idp, directory)
}

const HOST: &str = "Host: localhost";

#[test]
fn another_browser_cannot_finish_the_login() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    assert!(!waiting.start.contains("/auth?") && waiting.start.contains("/oidc/start/"), "{}", waiting.start);
    // Another browser knows the authorization URL, with its state, and has a code of its own.
    let callback = waiting.callback();
    for headers in [
        HOST.to_owned(),
        format!("{HOST}\r\nCookie: {}x", waiting.cookie),
        format!("{HOST}\r\nCookie: {}", waiting.cookie.split('=').next().unwrap()),
        format!("{HOST}\r\nCookie: other={}", waiting.cookie.split_once('=').unwrap().1),
    ] {
        let answer = waiting.get_with(&callback, &headers);
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("another browser"), "{answer}");
    }
    assert!(waiting.get_with("/oidc/start/guess", HOST).starts_with("HTTP/1.1 404"));
    assert_eq!(idp.count("/token"), 0);
    let run = waiting.finish().ended(0);
    assert!(run.stderr.contains("the response came from another browser"), "{}", run.stderr);
    assert_eq!(idp.count("/token"), 1);
    assert!(session(&directory).is_some());
}

#[test]
fn second_browser_that_starts_the_login_ends_it() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    assert!(waiting.get(&waiting.start_path()).starts_with("HTTP/1.1 303"), "a reload in the first browser");
    let callback = waiting.callback();
    let answer = waiting.get_with(&waiting.start_path(), HOST);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("two browsers"), "{answer}");
    assert!(!answer.contains("Set-Cookie") && !answer.contains("Location"), "{answer}");
    // The first client gets nothing after that.
    let late = waiting.get(&callback);
    assert!(!late.contains("logged in"), "{late}");
    let Waiting { child, .. } = waiting;
    let run = Run::from(child.wait_with_output().unwrap()).ended(1);
    assert!(run.stderr.contains("the start URL was opened in two browsers"), "{}", run.stderr);
    assert_eq!(idp.count("/token"), 0);
    assert!(session(&directory).is_none());
}

#[test]
fn another_account_cannot_start_the_login() {
    if !has("curl") || !has("setpriv") || !has_root() {
        return;
    }
    let (idp, directory) = proper();
    let waiting = Waiting::before_the_start(&directory, "--port 0 --timeout 60s");
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{}{}", waiting.port(), waiting.start_path());
        let other = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-si", "-H", HOST, &url])
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&other.stdout).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("user ID 65534"), "{host}: {answer}");
        assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    }
    let answer = waiting.get(&waiting.start_path());
    assert!(answer.starts_with("HTTP/1.1 303"), "the own account is still the first: {answer}");
    assert_eq!(idp.count("/token"), 0);
    let Waiting { mut child, .. } = waiting;
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn another_user_than_the_named_one_is_rejected_before_anything_is_written() {
    if !has("curl") {
        return;
    }
    let (_idp, directory) = proper();
    let run = log_in(&directory, "fritz").ended(1);
    assert!(run.stderr.contains("the provider logged in 'clara', expected 'fritz'"), "{}", run.stderr);
    assert!(directory.read("page.html").contains("Login failed"));
    assert!(session(&directory).is_none());
    directory.sh("cc-user show clara").ended(1);
    log_in(&directory, "clara").ended(0);
    let before = session(&directory);
    log_in(&directory, "fritz").ended(1);
    assert_eq!(session(&directory), before, "the session of before stays");
    // The same for a login on another device.
    let run = directory.sh("cc-login fritz --method oidc --device").ended(1);
    assert!(run.stderr.contains("expected 'fritz'"), "{}", run.stderr);
    assert_eq!(session(&directory), before);
}

#[test]
fn request_for_another_host_sees_nothing() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    let callback = waiting.callback();
    let with_cookie = |host: &str| format!("{host}Cookie: {}", waiting.cookie);
    let others = [
        "Host: evil.example\r\n",
        "Host: localhost.evil.example:8250\r\n",
        "",
        "Host: a\r\nHost: localhost\r\n",
    ];
    for host in others {
        for target in [waiting.start_path().as_str(), callback.as_str(), "/oidc/done", "/"] {
            let answer = waiting.get_with(target, &with_cookie(host));
            assert!(answer.starts_with("HTTP/1.1 421"), "{host:?} {target}: {answer}");
        }
    }
    assert_eq!(idp.count("/token"), 0);
    // The end of the login: the page is for its browser only.
    assert!(waiting.get(&callback).starts_with("HTTP/1.1 303"));
    for headers in [with_cookie(others[0]), HOST.to_owned(), format!("{HOST}\r\nCookie: cc_login_1=x")] {
        let answer = waiting.get_with("/oidc/done", &headers);
        assert!(!answer.contains("clara") && !answer.contains("logged in"), "{answer}");
    }
    assert!(waiting.get("/oidc/done").contains("clara"));
    let Waiting { child, .. } = waiting;
    Run::from(child.wait_with_output().unwrap()).ended(0);
}

#[test]
fn unrelated_requests_print_few_lines() {
    if !has("curl") {
        return;
    }
    let (_idp, directory) = proper();
    let mut waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    let cookie = format!("{HOST}\r\nCookie: {}", waiting.cookie);
    // Standard error is read on, so that the program never waits for the test.
    let mut stderr = waiting.child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    for _ in 0..100 {
        assert!(waiting.get_with("/oidc/callback?code=c&state=wrong", &cookie).starts_with("HTTP/1.1 400"));
        assert!(waiting.get_with("/oidc/callback?code=c", HOST).starts_with("HTTP/1.1 400"));
        waiting.get_with("/", "Host: evil.example");
    }
    waiting.finish().ended(0);
    let text = reader.join().unwrap().unwrap();
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(warnings.len(), 4, "{text}");
    assert!(warnings[3].contains("are counted and not shown"), "{text}");
}

#[test]
fn chromium_finishes_the_login_that_it_started() {
    if !has("chromium") {
        return;
    }
    let (idp, directory) = proper();
    let browser = "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
                   --user-data-dir=chromium --virtual-time-budget=20000 --dump-dom %s > page.html 2> chromium.err";
    let run = directory.sh(&format!(
        "cc-login clara --method oidc --port 0 --timeout 90s --browser '{browser}'; e=$?
         n=0; while test ! -s page.html && test $n -lt 100; do sleep 0.1; n=$((n + 1)); done; exit $e"
    ));
    let run = run.ended(0);
    assert!(run.stdout.starts_with("logged in: clara"), "{run:?}");
    assert_eq!(idp.count("/token"), 1);
    assert!(directory.read("page.html").contains("You are logged in"), "{}", directory.read("chromium.err"));
}
