//! Ctrl-C and SIGTERM at each step of a login through a provider, on a real terminal: the port
//! closes, the terminal is as it was, no file is left.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rexpect::session::{PtySession, spawn_command};
use serde_json::json;

use crate::httpd::Reply;
use crate::idp::{Behavior, Idp};
use crate::oidc::directory_for;
use crate::support::TestEnv;

/// Longer than anything takes on a busy machine.
const TIMEOUT_MS: u64 = 60_000;

fn spawn(directory: &TestEnv, arguments: &str) -> PtySession {
    let mut command = std::process::Command::new("sh");
    // The shell stays, so that the terminal can be looked at afterwards; a signal to the program
    // alone does not end it.
    let line = format!(
        "echo $$ > before.pid; trap : INT; stty -a > before.txt; cc-login --method oidc {arguments}; echo \"status $?.\"; stty -a > after.txt"
    );
    command
        .args(["-c", &line])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("HOME", directory.file(".home"))
        .env("LC_ALL", "C.UTF-8");
    spawn_command(command, Some(TIMEOUT_MS)).unwrap()
}

/// The process id of the program itself, by what the system reports about the shell's children.
fn program(directory: &TestEnv) -> String {
    let begun = Instant::now();
    loop {
        let shell = std::fs::read_to_string(directory.file("before.pid")).unwrap_or_default();
        let shell = shell.trim();
        let children =
            std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if name.trim() == "cc-login" {
                return child.to_owned();
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no cc-login below {shell}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(session: &mut PtySession, directory: &TestEnv, signal: &str) {
    match signal {
        "INT" => session.send_control('c').unwrap(),
        _ => {
            let process = program(directory);
            assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        }
    }
    let status = if signal == "INT" { "status 130." } else { "status 143." };
    session.exp_string(status).unwrap();
    session.exp_eof().unwrap();
}

/// Everything below the directory but what was there before and the cache of public data.
fn left(directory: &TestEnv) -> String {
    directory.sh("find . -newer config.json -type f ! -path '*/.cache/*' ! -name 'before.*' ! -name after.txt ! -name .env").stdout
}

fn check(directory: &TestEnv) {
    assert_eq!(directory.read("before.txt"), directory.read("after.txt"), "the terminal");
    assert_eq!(left(directory), "", "files");
}

fn with(behavior: Behavior) -> (Idp, TestEnv) {
    let idp = Idp::start(behavior);
    let directory = directory_for(&idp.issuer(), &json!({}));
    // Files of the setting up are older than what is looked for.
    std::thread::sleep(Duration::from_millis(20));
    directory.sh("touch .env config.json").ended(0);
    (idp, directory)
}

fn stalls_at(path: &'static str) -> Behavior {
    Behavior {
        instead: Box::new(move |request| (request.path == path).then_some(Reply::Stall)),
        ..Behavior::default()
    }
}

fn wait_for(idp: &Idp, path: &str) {
    let begun = Instant::now();
    while idp.count(path) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "no request for {path}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn signal_during_discovery_leaves_no_files() {
    for signal in ["INT", "TERM"] {
        let (idp, directory) = with(stalls_at("/.well-known/openid-configuration"));
        let mut session = spawn(&directory, "--skip-browser --port 0");
        program(&directory);
        wait_for(&idp, "/.well-known/openid-configuration");
        interrupt(&mut session, &directory, signal);
        check(&directory);
    }
}

#[test]
fn signal_during_browser_login_closes_the_port() {
    for signal in ["INT", "TERM"] {
        let (_idp, directory) = with(Behavior::default());
        let mut session = spawn(&directory, "--skip-browser --port 0");
        let shown = session.exp_regex("http://localhost:[0-9]+/oidc/start/").unwrap().1;
        let port: u16 = shown.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        interrupt(&mut session, &directory, signal);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is open after {signal}");
        check(&directory);
    }
}

#[test]
fn signal_during_code_exchange_leaves_no_session() {
    if !crate::support::has("curl") {
        return;
    }
    for (path, signal) in [("/token", "INT"), ("/token", "TERM"), ("/keys", "INT"), ("/userinfo", "TERM")] {
        let (idp, directory) = with(stalls_at(path));
        let browser = "curl -sL -c /dev/null --max-time 20 -o /dev/null";
        let mut session = spawn(&directory, &format!("--port 0 --browser '{browser}'"));
        session.exp_string("/oidc/start/").unwrap();
        wait_for(&idp, path);
        interrupt(&mut session, &directory, signal);
        check(&directory);
    }
}

#[test]
fn signal_during_device_or_paste_login_leaves_no_files() {
    for (arguments, words) in [("--device", "WDJB-MJHT"), ("--manual", "paste it here")] {
        for signal in ["INT", "TERM"] {
            let (_idp, directory) = with(Behavior { pending: 1000, ..Behavior::default() });
            let mut session = spawn(&directory, arguments);
            session.exp_string(words).unwrap();
            interrupt(&mut session, &directory, signal);
            check(&directory);
        }
    }
}

#[test]
fn qr_code_is_printed_and_wrong_paste_is_prompted_again() {
    let (_idp, directory) = with(Behavior::default());
    let mut session = spawn(&directory, "--device");
    session.exp_string("\u{1b}[30m\u{1b}[107m").unwrap();
    session.exp_string("logged in: clara").unwrap();
    session.exp_string("status 0.").unwrap();
    let (_idp, directory) = with(Behavior::default());
    let mut session = spawn(&directory, "--manual");
    session.exp_string("paste it here").unwrap();
    session.send_line("what?").unwrap();
    session.exp_string("Paste the URL again:").unwrap();
    interrupt(&mut session, &directory, "INT");
}
