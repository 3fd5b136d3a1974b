//! Prompts on a pseudo-terminal.

use std::time::Duration;

use cc_auth::user_db::{OpenMode, UserDb};
use cc_auth::util::secret::SecretText;
use rexpect::session::{PtySession, spawn_command};

use crate::support::TestEnv;

/// Longer than any step takes on a busy machine.
const TIMEOUT_MS: u64 = 60_000;

pub fn spawn(directory: &TestEnv, shell_line: &str) -> PtySession {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", shell_line])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("LC_ALL", "C.UTF-8");
    spawn_command(command, Some(TIMEOUT_MS)).unwrap()
}

fn set_up() -> TestEnv {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory
}

fn has_password(directory: &TestEnv, name: &str, password: &str) -> bool {
    let store = UserDb::open(&directory.file("var/job.db"), OpenMode::Read).unwrap();
    let hash = store.password_hash(name).unwrap();
    hash.is_some_and(|hash| hash.matches(&SecretText::new(password.to_owned())) == Ok(true))
}

#[test]
fn new_password_prompt_repeats_and_does_not_echo() {
    let directory = set_up();
    let mut session = spawn(&directory, "cc-user add anna --role admin; echo status $?");
    session.exp_string("Password for 'anna': ").unwrap();
    session.send_line("hunter2 ").unwrap();
    let between = session.exp_string("(again): ").unwrap();
    session.send_line("hunter2 ").unwrap();
    let rest = session.exp_string("status 0").unwrap();
    assert!(!between.contains("hunter2") && !rest.contains("hunter2"), "{between:?} {rest:?}");
    assert!(has_password(&directory, "anna", "hunter2 "), "the blank at its end belongs to it");

    let mut session = spawn(&directory, "cc-user passwd anna; echo status $?");
    session.exp_string("New password for 'anna': ").unwrap();
    session.send_line("other").unwrap();
    session.exp_string("(again): ").unwrap();
    session.send_line("other").unwrap();
    session.exp_string("status 0").unwrap();
    assert!(has_password(&directory, "anna", "other"));
}

#[test]
fn new_password_mismatch_or_empty_changes_nothing() {
    let directory = set_up();
    let mut session = spawn(&directory, "cc-user add anna --role admin; echo status $?");
    session.exp_string("Password for 'anna': ").unwrap();
    session.send_line("one").unwrap();
    session.exp_string("(again): ").unwrap();
    session.send_line("two").unwrap();
    session.exp_string("differ").unwrap();
    session.exp_string("status 65").unwrap();

    let mut session = spawn(&directory, "cc-user add anna --role admin; echo status $?");
    session.exp_string("Password for 'anna': ").unwrap();
    session.send_line("").unwrap();
    session.exp_string("no password given").unwrap();
    session.exp_string("status 65").unwrap();
    directory.run("cc-user", &["show", "anna"]).ended(1);
}

#[test]
fn interrupted_prompt_restores_terminal_echo() {
    let directory = set_up();
    // The shell continues and prints the state of the terminal afterwards.
    let line = "stty echo; trap : INT; cc-user add anna --role admin; echo status $?; stty -a";
    let mut session = spawn(&directory, line);
    session.exp_string("Password for 'anna': ").unwrap();
    // Wait until echo is off; the test would otherwise prove nothing.
    std::thread::sleep(Duration::from_millis(300));
    session.send_control('c').unwrap();
    session.exp_string("status 130").unwrap();
    let settings = session.exp_eof().unwrap();
    assert!(settings.contains(" echo ") && !settings.contains("-echo "), "{settings}");
    directory.run("cc-user", &["show", "anna"]).ended(1);
}

#[test]
fn prompt_is_not_printed_if_the_command_fails_before() {
    let directory = set_up();
    directory.run("cc-user", &["add", "there", "--role", "api", "-q"]).ended(0);
    for line in [
        "cc-user add there --role admin",
        "cc-user add new --role wizard",
        "cc-user add m --role manager",
        "cc-user passwd unknown",
    ] {
        let mut session = spawn(&directory, &format!("{line}; echo ended"));
        let shown = session.exp_string("ended").unwrap();
        assert!(!shown.contains("assword for"), "{line}: {shown}");
    }
}

#[test]
fn prompt_without_terminal_error_lists_the_options() {
    let directory = set_up();
    let refused = directory.sh("setsid -w cc-user add anna --role admin </dev/null").ended(2);
    assert!(refused.stderr.contains("--password-stdin or --password-file FILE"), "{}", refused.stderr);
    directory.run_with("cc-user", &["add", "anna", "--role", "admin", "--password-stdin"], "x\r\n").ended(0);
    assert!(has_password(&directory, "anna", "x"));
    directory.write("secret", "file\n");
    directory.run("cc-user", &["passwd", "anna", "--password-file", "secret"]).ended(0);
    assert!(has_password(&directory, "anna", "file"));
}
