//! Changes of the session by another process during a refresh, while the provider delays its
//! response.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::idp::{Behavior, Idp};
use crate::oidc::{directory_for, log_in, session};
use crate::support::{Run, TestEnv, has, session_path};

/// A provider that blocks at a path, and issues a new refresh token each time.
struct Stopped {
    idp: Idp,
    stop: Arc<AtomicBool>,
    reached: Arc<AtomicUsize>,
}

impl Stopped {
    fn at(path: &'static str, rotates: bool) -> Self {
        let (stop, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count, turn) = (Arc::clone(&stop), Arc::clone(&reached), AtomicUsize::new(0));
        let idp = Idp::start(Behavior {
            instead: Box::new(move |request| {
                if request.path == path && stopped.load(Ordering::SeqCst) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let begun = Instant::now();
                    while stopped.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(20) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
                None
            }),
            tokens: Box::new(move |tokens| {
                if rotates {
                    let turn = turn.fetch_add(1, Ordering::SeqCst);
                    tokens.insert("refresh_token".to_owned(), json!(format!("refresh-{turn}")));
                }
            }),
            ..Behavior::default()
        });
        Self { idp, stop, reached }
    }

    /// A directory with a session of this provider, and the local user fritz.
    fn directory(&self) -> TestEnv {
        let directory = directory_for(&self.idp.issuer(), &json!({}));
        directory.sh("echo 'long password' | cc-user add fritz --role user --password-stdin -q").ended(0);
        log_in(&directory, "").ended(0);
        directory
    }

    /// Runs a command until it waits for the provider, then another command, and then continues the
    /// first one.
    fn during(&self, directory: &TestEnv, first: &str, then: impl FnOnce()) -> Run {
        self.stop.store(true, Ordering::SeqCst);
        let child = spawn(directory, first);
        let begun = Instant::now();
        while self.reached.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(15), "the provider is not asked");
            std::thread::sleep(Duration::from_millis(10));
        }
        let begun = Instant::now();
        then();
        assert!(begun.elapsed() < Duration::from_secs(8), "it waited for the refresh");
        self.stop.store(false, Ordering::SeqCst);
        self.reached.store(0, Ordering::SeqCst);
        child.wait_with_output().unwrap().into()
    }

    fn revoked(&self) -> Vec<String> {
        let seen = self.idp.seen();
        seen.iter()
            .filter(|request| request.path == "/revoke")
            .filter_map(|request| request.field("token"))
            .collect()
    }
}

fn spawn(directory: &TestEnv, line: &str) -> Child {
    std::process::Command::new("sh")
        .args(["-c", &format!("exec {line}")])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("HOME", directory.file(".home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn let_it_end(directory: &TestEnv) {
    let mut stored = session(directory).unwrap();
    stored["expires_at"] = json!(1_000_000);
    std::fs::write(session_path(directory.path()), stored.to_string()).unwrap();
}

const LOCAL_LOGIN: &str = "echo 'long password' | cc-login fritz --method local --password-stdin -q";

#[test]
fn logout_during_refresh_deletes_the_session() {
    if !has("curl") {
        return;
    }
    for (path, rotates) in [("/token", true), ("/token", false), ("/userinfo", true), ("/userinfo", false)] {
        for first in ["cc-login refresh", "cc-login token"] {
            let provider = Stopped::at(path, rotates);
            let directory = provider.directory();
            let_it_end(&directory);
            let run = provider.during(&directory, first, || {
                directory.sh("cc-login logout").ended(0);
            });
            let run = run.ended(1);
            assert!(run.stderr.contains("a logout ended the session during the refresh"), "{}", run.stderr);
            assert_eq!(run.stdout, "", "no token is printed");
            assert!(session(&directory).is_none(), "{first} at {path}: the logout is undone");
            // A discarded token must not stay valid.
            let expected: &[&str] = if rotates { &["refresh-1"] } else { &[] };
            assert_eq!(provider.revoked(), expected, "{first} at {path}");
        }
    }
}

#[test]
fn login_during_refresh_is_not_overwritten() {
    if !has("curl") {
        return;
    }
    for path in ["/token", "/userinfo"] {
        let provider = Stopped::at(path, true);
        let directory = provider.directory();
        let run = provider.during(&directory, "cc-login refresh", || {
            directory.sh(LOCAL_LOGIN).ended(0);
        });
        let run = run.ended(1);
        assert!(
            run.stderr.contains("another login replaced the session during the refresh"),
            "{}",
            run.stderr
        );
        assert_eq!(session(&directory).unwrap()["username"], "fritz", "at {path}");
        assert_eq!(provider.revoked(), ["refresh-1"]);
        // The request is for a token of the user who is logged in now.
        log_in(&directory, "").ended(0);
        let_it_end(&directory);
        let run = provider.during(&directory, "cc-login token", || {
            directory.sh(LOCAL_LOGIN).ended(0);
        });
        let token = directory.sh("cc-login token").ended(0).stdout;
        assert_eq!(run.ended(0).stdout, token);
        assert_eq!(session(&directory).unwrap()["username"], "fritz");
    }
}

#[test]
fn logout_everywhere_during_refresh_leaves_no_valid_refresh_token() {
    if !has("curl") {
        return;
    }
    let provider = Stopped::at("/token", true);
    let directory = provider.directory();
    let run = provider.during(&directory, "cc-login refresh", || {
        directory.sh("cc-login logout --everywhere").ended(0);
    });
    run.ended(1);
    assert!(session(&directory).is_none());
    let revoked: std::collections::BTreeSet<String> = provider.revoked().into_iter().collect();
    assert_eq!(revoked.into_iter().collect::<Vec<_>>(), ["refresh-0", "refresh-1"]);
}

#[test]
fn rejected_refresh_does_not_delete_a_newer_login() {
    if !has("curl") {
        return;
    }
    let (stop, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (stopped, count) = (Arc::clone(&stop), Arc::clone(&reached));
    let idp = Idp::start(Behavior {
        instead: Box::new(move |request| {
            if request.path != "/token" || request.field("grant_type").as_deref() != Some("refresh_token") {
                return None;
            }
            count.fetch_add(1, Ordering::SeqCst);
            while stopped.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            let refusal: Value = json!({"error": "invalid_grant"});
            Some(crate::httpd::Reply::status(400, "application/json", refusal.to_string()))
        }),
        ..Behavior::default()
    });
    let provider = Stopped { idp, stop, reached };
    let directory = provider.directory();
    let run = provider.during(&directory, "cc-login refresh", || {
        log_in(&directory, "").ended(0);
    });
    run.ended(1);
    assert_eq!(session(&directory).unwrap()["refresh"]["token"], "the-refresh-token");
}
