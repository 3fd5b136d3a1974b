//! `cc-login run` at a running OpenBao: the token of a login in memory is revoked after the command, and that of
//! a stored session is renewed while it runs.

use serde_json::{Value, json};

use crate::stronghold_site::{LOGIN, Site};
use crate::support::has;

/// A login in memory, whose command gets the token in BAO_TOKEN.
const RUN: &str = "cc-login run --identity env:CC_ID_TOKEN --method stronghold --env BAO_TOKEN";

/// Sets the JWT of the job.
const JOB: &str = "export CC_ID_TOKEN=$(cat jwt);";

/// Writes the token to the file `token`.
const SAVE: &str = "printf %s \"$BAO_TOKEN\" > token";

#[test]
fn token_of_run_is_revoked_after_the_command_also_if_it_fails() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    for (command, status) in [("bao token lookup > lookup", 0), ("exit 3", 3), ("kill -KILL $$", 137)] {
        let done = site.sh(&format!("{JOB} {RUN} -- sh -c '{SAVE}; {command}'"));
        assert_eq!((done.status, done.stderr.as_str()), (status, ""), "{command}");
        let token = site.directory.read("token");
        assert!(!token.is_empty() && !site.accepts(&token), "{command}");
    }
    assert!(site.directory.read("lookup").contains("jwt-alice"), "the token is valid while the command runs");
    let number_of_tokens = || {
        let accessors = site.bao.call("GET", "auth/token/accessors?list=true", &Value::Null).1;
        accessors["data"]["keys"].as_array().unwrap().len()
    };
    // The token is revoked as well if no command runs.
    let before = number_of_tokens();
    site.sh(&format!("{JOB} {RUN} -- gone")).ended(127);
    site.sh(&format!("{JOB} {RUN} -- ./jwt")).ended(126);
    let short = site.sh(&format!("{JOB} {RUN} --min-ttl 5h -- touch ran")).ended(1);
    assert!(short.stderr.contains("expected a lifetime of at least 5h"), "{}", short.stderr);
    assert_eq!(number_of_tokens(), before);
    // A token that cannot be revoked is a warning, and the status is that of the command.
    site.role("batch", &json!({"token_type": "batch", "token_ttl": 60}));
    let batch = site.sh(&format!("{JOB} {RUN} --role batch -- sh -c 'exit 4'"));
    assert_eq!(batch.status, 4);
    assert!(batch.stderr.contains("the token remains valid until it expires: "), "{}", batch.stderr);
}

#[test]
fn signal_of_run_reaches_the_command_and_its_token_is_revoked() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    // The command ends by the signal, or handles it.
    for (signal, handler, status) in [
        ("TERM", "", 143),
        ("INT", "", 130),
        ("HUP", "", 129),
        ("QUIT", "", 131),
        ("TERM", "trap \"exit 9\" TERM;", 9),
        ("USR1", "trap \"exit 8\" USR1;", 8),
    ] {
        let script = format!(
            "{handler} {SAVE}; ln token ready; n=0; while test $n -lt 600; do sleep 0.1; n=$((n + 1)); done"
        );
        // A shell starts background commands with SIGINT and SIGQUIT ignored; env restores the default.
        let done = site.sh(&format!(
            "{JOB} rm -f ready token; setsid env --default-signal=INT,QUIT {RUN} -- sh -c '{script}' & pid=$!
             n=0; while ! test -e ready && test $n -lt 300; do sleep 0.1; n=$((n + 1)); done
             kill -{signal} $pid; wait $pid"
        ));
        assert_eq!(done.status, status, "{signal} {handler}: {}", done.stderr);
        let token = site.directory.read("token");
        assert!(!token.is_empty() && !site.accepts(&token), "{signal} {handler}");
    }
    // A signal that is ignored, as after nohup, is ignored by the command as well.
    let script = "kill -HUP $PPID; kill -HUP $$; exit 5";
    let ignoring = site.sh(&format!("trap '' HUP; {JOB} {RUN} -- sh -c '{script}'"));
    assert_eq!(ignoring.status, 5, "{}", ignoring.stderr);
}

#[test]
fn token_of_run_is_renewed_while_the_command_runs() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("short", &json!({"token_ttl": 10}));
    // Waits until the remaining lifetime increases.
    let script = "last=99; while ttl=$(bao token lookup -field=ttl); do
         test \"$ttl\" -gt \"$last\" && exit 7; last=$ttl; sleep 0.2; done; exit 1";
    let done = site.sh(&format!("{JOB} {RUN} --role short -- sh -c '{script}'"));
    assert_eq!((done.status, done.stderr.as_str()), (7, ""));
    // With its maximum lifetime, it expires while the command runs.
    site.role("maximum", &json!({"token_ttl": 4, "token_max_ttl": 4}));
    let script = "while bao token lookup > /dev/null 2>&1; do sleep 0.2; done; exit 6";
    let done = site.sh(&format!("{JOB} {RUN} --role maximum -- sh -c '{script}'"));
    assert_eq!(done.status, 6);
    let words = "cc-login: warning: the token has its maximum lifetime: it expires in ";
    assert!(done.stderr.starts_with(words), "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}

#[test]
fn token_of_a_stored_session_is_renewed_while_the_command_runs() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("short", &json!({"token_ttl": 6}));
    let login = format!("{LOGIN} --role short");
    let run = "cc-login run --env BAO_TOKEN --";
    site.sh(&login).ended(0);
    let before = site.session().1;
    // Waits until the remaining lifetime increases.
    let script = "last=99; while ttl=$(bao token lookup -field=ttl); do
         test \"$ttl\" -gt \"$last\" && exit 7; last=$ttl; sleep 0.2; done; exit 1";
    let done = site.sh(&format!("{run} sh -c '{script}'"));
    assert_eq!((done.status, done.stderr.as_str()), (7, ""));
    // The session has the new expiry time, and its token is valid after the command.
    let after = site.session().1;
    assert_eq!(before["token"], after["token"]);
    assert!(before["expires_at"].as_u64() < after["expires_at"].as_u64(), "{after}");
    assert!(site.accepts(after["token"].as_str().unwrap()));
    // Another process ends or replaces the session.
    let wait = "n=0; while ! test -s err && test $n -lt 200; do sleep 0.1; n=$((n + 1)); done; exit 3";
    for (command, words) in [
        ("cc-login -q logout", "a logout ended the session: the token of the command is no longer valid\n"),
        (
            login.as_str(),
            "another login replaced the session: the token of the command is no longer renewed\n",
        ),
    ] {
        site.sh(&login).ended(0);
        let line = format!("rm -f err; {run} sh -c '{command} > out 2>&1; {wait}' 2> err");
        assert_eq!(site.sh(&line).status, 3, "{command}");
        let error = site.directory.read("err");
        assert_eq!(error, format!("cc-login: warning: {words}"), "{command}: {}", site.directory.read("out"));
    }
}

#[test]
fn command_with_a_token_that_cannot_be_renewed_replaces_the_process() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("batch", &json!({"token_type": "batch", "token_ttl": 60}));
    for (role, is_same) in [("batch", true), ("demo", false)] {
        site.sh(&format!("{LOGIN} --role {role}")).ended(0);
        let done = site.sh("sh -c 'echo $$; exec cc-login run -- sh -c \"echo \\$\\$\"'").ended(0);
        let lines: Vec<&str> = done.stdout.lines().collect();
        assert_eq!(lines[0] == lines[1], is_same, "{role}: {}", done.stdout);
    }
}
