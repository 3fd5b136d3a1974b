//! Several sessions side by side: accounts, servers and providers.

use std::fs;
use std::path::PathBuf;

use cc_auth::login::session_error::MAX_SESSIONS;
use serde_json::{Value, json};

use crate::httpd::Server;
use crate::idp::{Behavior, Idp};
use crate::oidc::{configure, directory_for, log_in as log_in_by_oidc, session};
use crate::remote_login::{clustercockpit, log_in as log_in_at, token};
use crate::support::{Run, TestEnv, has, session_path};

/// Two directories of servers with the user `fritz`, and one without a server.
fn two_directories() -> TestEnv {
    let directory = TestEnv::new();
    directory
        .sh("umask 077; echo pw > pw; mkdir a b c; for d in a b; do (cd $d; cc-user init -q
             cc-user add fritz --role user,api --password-file ../pw -q
             cc-user add anna --role user,api --password-file ../pw -q); done")
        .ended(0);
    directory
}

fn sessions(directory: &TestEnv) -> PathBuf {
    directory.file(".home/.local/state/cc-auth/sessions")
}

fn whoami(directory: &TestEnv, line: &str) -> String {
    directory.sh(line).ended(0).stdout.trim_end().to_owned()
}

#[test]
fn session_of_the_directory_is_used_in_it_and_others_by_request() {
    let directory = two_directories();
    directory.sh("cd a; cc-login fritz --password-file ../pw -q").ended(0);
    assert_eq!(whoami(&directory, "cd c; cc-login whoami"), "fritz", "the only session");
    directory.sh("cd b; cc-login anna --password-file ../pw -q").ended(0);
    assert_eq!(whoami(&directory, "cd a; cc-login whoami"), "fritz");
    assert_eq!(whoami(&directory, "cd b; cc-login whoami"), "anna");
    assert_eq!(whoami(&directory, "ln -s a link; cd link; cc-login whoami"), "fritz");
    assert_eq!(whoami(&directory, "cd c; cc-login whoami --session $PWD/../a"), "fritz");
    assert_eq!(whoami(&directory, "cd c; CC_SESSION=$PWD/../b cc-login whoami"), "anna");
    assert_eq!(whoami(&directory, "cd c; cc-login whoami --config ../a/config.json"), "fritz");
    assert_eq!(whoami(&directory, "cd c; CC_DB=../b/var/job.db cc-login whoami"), "anna");
    let several = directory.sh("cd c; cc-login token").ended(2);
    assert_eq!(several.stdout, "");
    for name in ["a", "b"] {
        let path = directory.file(name).canonicalize().unwrap();
        assert!(several.stderr.contains(&format!("'{}'", path.display())), "{}", several.stderr);
    }
    directory.sh("cd c; cc-login status").ended(2);
    directory.sh("cd c; cc-login refresh").ended(2);
    directory.sh("cd c; cc-login logout").ended(2);
    assert!(session_path(&directory.file("a")).file_name() != session_path(&directory.file("b")).file_name());
    // The expiry does not change the selection.
    let file = sessions(&directory).join(session_path(&directory.file("a")).file_name().unwrap());
    let mut stored: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    stored["expires_at"] = json!(1_000_000);
    fs::write(&file, stored.to_string()).unwrap();
    let expired = directory.sh("cd a; cc-login whoami").ended(1);
    assert!(expired.stderr.contains("the session expired"), "{}", expired.stderr);
    let listed = directory.sh("cd a; cc-login ls --json").ended(0).json();
    let listed = listed["sessions"].as_array().unwrap();
    let state = |valid: bool, selected: bool| {
        listed.iter().filter(|each| each["valid"] == valid && each["selected"] == selected).count()
    };
    assert_eq!((listed.len(), state(false, true), state(true, false)), (2, 1, 1), "{listed:?}");
    // A logout ends no other session.
    let ended = directory.sh("cd a; cc-login logout").ended(0);
    assert_eq!(ended.stderr, "cc-login: note: session ended\n");
    assert_eq!(whoami(&directory, "cd b; cc-login whoami"), "anna");
}

#[test]
fn session_with_a_name_is_replaced_by_a_login_with_the_name_only() {
    let directory = two_directories();
    directory.sh("cd a; cc-login fritz --password-file ../pw -q --session work").ended(0);
    assert_eq!(whoami(&directory, "cd a; cc-login whoami"), "fritz", "the only session of the directory");
    directory.sh("cd a; cc-login anna --password-file ../pw -q").ended(0);
    assert_eq!(whoami(&directory, "cd a; cc-login whoami"), "anna");
    assert_eq!(whoami(&directory, "cd a; cc-login whoami --session work"), "fritz");
    assert_eq!(whoami(&directory, "cd a; CC_SESSION=other cc-login whoami --session work"), "fritz");
    let other = directory.sh("cd b; CC_SESSION=work cc-login anna --password-file ../pw").ended(0);
    let a = directory.file("a").canonicalize().unwrap();
    let note = format!("note: the session work of 'fritz' for '{}' is replaced", a.display());
    assert!(other.stderr.contains(&note), "{}", other.stderr);
    assert!(other.stdout.contains("by local, session work, until"), "{}", other.stdout);
    assert_eq!(whoami(&directory, "CC_SESSION=work cc-login whoami"), "anna");
    let wrong = directory.sh("cd b; cc-login anna --password-file ../pw --session $PWD/../a").ended(2);
    assert!(wrong.stderr.contains("hint: give the session a name"), "{}", wrong.stderr);
    let missing = directory.sh("cc-login token --session none").ended(1);
    assert!(missing.stderr.contains("there is no session 'none'"), "{}", missing.stderr);
    // Nothing is created for a session that is not stored.
    directory.sh("cc-login refresh --session none").ended(1);
    directory.sh("cc-login logout --session none").ended(0);
    let files = directory.sh("ls -A .home/.local/state/cc-auth/sessions").stdout;
    assert!(!files.contains("none"), "{files}");
}

#[test]
fn session_file_of_a_former_version_is_used_until_a_login_or_logout() {
    let directory = two_directories();
    directory.sh("cd a; cc-login fritz --password-file ../pw -q").ended(0);
    let new = sessions(&directory).join(session_path(&directory.file("a")).file_name().unwrap());
    let mut stored: Value = serde_json::from_slice(&fs::read(&new).unwrap()).unwrap();
    for name in ["session", "server", "directory"] {
        assert!(stored.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    let former = directory.file(".home/.local/state/cc-auth/session.json");
    let restore = || {
        fs::write(&former, stored.to_string()).unwrap();
        directory.sh("chmod 600 .home/.local/state/cc-auth/session.json").ended(0);
    };
    fs::remove_file(&new).unwrap();
    restore();
    assert_eq!(whoami(&directory, "cd c; cc-login whoami"), "fritz");
    directory.sh("cc-login token").ended(0);
    // It is the default where no session belongs to the directory.
    directory.sh("cd b; cc-login anna --password-file ../pw -q --session work").ended(0);
    assert_eq!(whoami(&directory, "cd c; cc-login whoami"), "fritz");
    assert_eq!(whoami(&directory, "cd b; cc-login whoami"), "anna");
    assert!(former.exists(), "a login with a name does not replace it");
    directory.sh("cd c; cc-login logout").ended(0);
    assert!(!former.exists());
    restore();
    directory.sh("cd a; cc-login anna --password-file ../pw -q").ended(0);
    assert!(!former.exists(), "a login without a name replaces it");
    restore();
    directory.sh("cc-login logout --all").ended(0);
    assert!(!former.exists());
}

#[test]
fn two_accounts_at_two_servers_are_used_side_by_side() {
    let (one, two) = (Server::start(clustercockpit), Server::start(clustercockpit));
    let directory = TestEnv::new();
    log_in_at(&directory, &one.url(), "fritz").ended(0);
    log_in_at(&directory, &two.url(), "clara").ended(0);
    log_in_at(&directory, &one.url(), "clara --session admin").ended(0);
    let of = |selection: &str| directory.sh(&format!("cc-login token {selection}"));
    let is = |run: Run, name: &str| assert_eq!(run.ended(0).stdout.trim(), token(name, &json!({})));
    is(of(&format!("--session {}", one.url())), "fritz");
    is(of(&format!("--session {}/", one.url())), "fritz");
    is(of(&format!("--session {}", two.url())), "clara");
    is(of("--session admin"), "clara");
    is(directory.sh(&format!("CC_SESSION={} cc-login token", one.url())), "fritz");
    let several = of("").ended(2);
    for part in [one.url(), two.url(), "admin".to_owned()] {
        assert!(several.stderr.contains(&format!("'{part}'")), "{}", several.stderr);
    }
    let listed = directory.sh("cc-login sessions").ended(0).stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    let row = |parts: [&str; 4]| {
        let matches = |line: &&str| line.split_whitespace().take(3).eq(parts[..3].iter().copied());
        listed.lines().filter(matches).filter(|line| line.ends_with(parts[3])).count()
    };
    assert_eq!(row(["-", "fritz", "remote", &one.url()]), 1, "{listed}");
    assert_eq!(row(["-", "clara", "remote", &two.url()]), 1, "{listed}");
    assert_eq!(row(["admin", "clara", "remote", &one.url()]), 1, "{listed}");
    // Another login at a server replaces only the session of this server.
    log_in_at(&directory, &format!("{}/", one.url()), "clara").ended(0);
    is(of(&format!("--session {}", one.url())), "clara");
    is(of("--session admin"), "clara");
    // The hint of an expired session logs in at the same server under the same name.
    let expired = directory.sh("cc-login status --session admin --at 2100-01-01T00:00:00Z").ended(1);
    let hint = format!("hint: cc-login clara --server {} --session admin", one.url());
    assert!(expired.stderr.contains(&hint), "{}", expired.stderr);
    let ended = directory.sh(&format!("cc-login logout --session {}", two.url())).ended(0);
    assert_eq!(ended.stderr, format!("cc-login: note: session '{}' ended\n", two.url()));
    is(of(&format!("--session {}", one.url())), "clara");
    let missing = of(&format!("--session {}", two.url())).ended(1);
    let hint = format!("there is no session of '{0}'\nhint: cc-login NAME --server {0}", two.url());
    assert!(missing.stderr.contains(&hint), "{}", missing.stderr);
    let all = directory.sh("cc-login logout --all --json").ended(0).json();
    assert_eq!(all["ended"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(directory.sh("cc-login sessions --json").ended(0).json(), json!({"sessions": []}));
}

#[test]
fn two_providers_are_refreshed_with_their_own_tokens_only() {
    if !has("curl") {
        return;
    }
    let start = |name: &'static str| {
        Idp::start(Behavior {
            claims: Box::new(move |claims| {
                claims.insert("preferred_username".to_owned(), json!(name));
            }),
            userinfo: Box::new(move |claims| {
                claims.insert("preferred_username".to_owned(), json!(name));
            }),
            tokens: Box::new(move |tokens| {
                tokens.insert("refresh_token".to_owned(), json!(format!("refresh-of-{name}")));
            }),
            ..Behavior::default()
        })
    };
    let (clara, ben) = (start("clara"), start("ben"));
    let directory = directory_for(&clara.issuer(), &json!({}));
    let second = json!({"provider": ben.issuer(), "client-id": "cc", "sync-user-on-login": true});
    configure(&directory, &clara.issuer(), &json!({"providers": {"second": second}}), &json!({}));
    log_in_by_oidc(&directory, "--session one").ended(0);
    log_in_by_oidc(&directory, "--session two --path second").ended(0);
    assert_eq!(whoami(&directory, "cc-login whoami --session one"), "clara");
    assert_eq!(whoami(&directory, "cc-login whoami --session two"), "ben");
    directory.sh("cc-login refresh --session one").ended(0);
    assert_eq!((clara.count("/token"), ben.count("/token")), (2, 1));
    directory.sh("cc-login refresh --session two").ended(0);
    assert_eq!((clara.count("/token"), ben.count("/token")), (2, 2));
    assert_eq!(clara.last("/token").field("refresh_token").as_deref(), Some("refresh-of-clara"));
    assert_eq!(ben.last("/token").field("refresh_token").as_deref(), Some("refresh-of-ben"));
    let stored: Value =
        serde_json::from_str(&directory.read(".home/.local/state/cc-auth/sessions/two.json")).unwrap();
    assert_eq!((&stored["session"], &stored["username"]), (&json!("two"), &json!("ben")), "after a refresh");
    // Another provider under the same name does not receive the refresh token.
    configure(&directory, &ben.issuer(), &json!({}), &json!({}));
    for command in ["cc-login refresh --session one", "cc-login logout --session one --everywhere"] {
        let other = directory.sh(command).ended(78);
        assert!(other.stderr.contains("the session is from the provider"), "{}", other.stderr);
    }
    assert_eq!((clara.count("/token"), ben.count("/token"), ben.count("/revoke")), (2, 2, 0));
    // Nor is a session renewed with the keys and users of another directory.
    directory.sh("mkdir other; cp -r config.json .env var other/").ended(0);
    let away = directory.sh("cd other; cc-login refresh --session two").ended(78);
    let path = directory.path().canonicalize().unwrap();
    let hint = format!("hint: run the command in this directory: cd {}", path.display());
    assert!(away.stderr.contains(&hint), "{}", away.stderr);
    assert_eq!((clara.count("/token"), ben.count("/token")), (2, 2));
    assert!(session(&directory).is_some(), "the logout ended one session only");
}

#[test]
fn logout_of_all_continues_after_an_error() {
    let directory = two_directories();
    for name in ["one", "two"] {
        directory.sh(&format!("cd a; cc-login fritz --password-file ../pw -q --session {name}")).ended(0);
    }
    directory.sh("cd b; cc-login fritz --password-file ../pw -q").ended(0);
    // A directory cannot be deleted as a file, and a malformed file can.
    fs::create_dir(sessions(&directory).join("nothing.json")).unwrap();
    directory.sh("umask 077; echo x > .home/.local/state/cc-auth/sessions/malformed.json").ended(0);
    let listed = directory.sh("cc-login sessions").ended(0);
    assert_eq!((listed.stdout.lines().count(), listed.stderr.lines().count()), (4, 2), "{listed:?}");
    let run = directory.sh("cc-login logout --all --json");
    assert_ne!(run.status, 0, "{run:?}");
    assert!(run.stderr.contains("nothing.json"), "{}", run.stderr);
    let b = directory.file("b").canonicalize().unwrap().display().to_string();
    let mut ended: Vec<String> = serde_json::from_value(run.json()["ended"].clone()).unwrap();
    ended.sort();
    assert_eq!(ended, [b.as_str(), "malformed", "one", "two"]);
    let left = directory.sh("ls -A .home/.local/state/cc-auth/sessions | grep -v lock").stdout;
    assert_eq!(left, "nothing.json\n");
}

#[test]
fn login_over_the_limit_of_sessions_is_rejected_before_the_password() {
    let directory = two_directories();
    directory.sh("cd a; cc-login fritz --password-file ../pw -q --session first").ended(0);
    for number in 1..MAX_SESSIONS {
        fs::write(sessions(&directory).join(format!("s{number}.json")), "").unwrap();
    }
    let over = directory.sh("cd a; cc-login fritz --password-file /none --session more").ended(73);
    assert!(over.stderr.contains(&format!("{MAX_SESSIONS} sessions are stored")), "{}", over.stderr);
    directory.sh("cd a; cc-login fritz --password-file ../pw -q --session first").ended(0);
    directory.sh("cc-login logout --session s1").ended(0);
    directory.sh("cd a; cc-login fritz --password-file ../pw -q --session more").ended(0);
}

#[test]
fn session_file_under_another_name_is_rejected() {
    let directory = two_directories();
    directory.sh("cd a; cc-login fritz --password-file ../pw -q --session one").ended(0);
    directory.sh("cd .home/.local/state/cc-auth/sessions; cp -p one.json two.json").ended(0);
    let copied = directory.sh("cc-login token --session two").ended(65);
    assert!(copied.stderr.contains("it contains the session of another name"), "{}", copied.stderr);
    assert!(copied.stderr.contains("hint: run 'cc-login logout --session two'"), "{}", copied.stderr);
    directory.sh("cc-login token --session one").ended(0);
}
