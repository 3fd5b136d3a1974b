//! Sessions after the login: renewal, logout, a private CA, and the end of an account.

use serde_json::{Value, json};

use super::server::{Realm, log_in};
use crate::oidc::session;
use crate::support::{TestEnv, session_path};

/// Makes the stored session an expired one.
fn expire(directory: &TestEnv) {
    let mut kept = session(directory).unwrap();
    kept["expires_at"] = json!(1_000_000);
    std::fs::write(session_path(directory.path()), kept.to_string()).unwrap();
}

fn refresh_token(directory: &TestEnv) -> String {
    session(directory).unwrap()["refresh"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn keycloak_refresh_token_is_used_once_by_ten_processes() {
    let change = |realm: &mut Value| {
        realm["revokeRefreshToken"] = json!(true);
        realm["refreshTokenMaxReuse"] = json!(0);
    };
    let Some(realm) = Realm::with(change) else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    let first = refresh_token(&directory);
    expire(&directory);
    let run = directory.sh(
        "pids=; for n in 0 1 2 3 4 5 6 7 8 9; do cc-login token -q > token$n 2> error$n & pids=\"$pids $!\"; done
         for pid in $pids; do wait $pid || exit 1; done; cat token? | sort | uniq -c",
    );
    let run = run.ended(0);
    assert_eq!(run.stdout.lines().count(), 1, "one refresh, one token: {}", run.stdout);
    let second = refresh_token(&directory);
    assert_ne!(first, second, "the provider rotates refresh tokens");
    // A used refresh token is rejected, and so is the next attempt, with the reason.
    let kept = session(&directory).unwrap().to_string().replace(&second, &first);
    std::fs::write(session_path(directory.path()), kept).unwrap();
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("'invalid_grant'"), "{}", run.stderr);
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("the provider rejected the refresh token"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: cc-login --method oidc"), "{}", run.stderr);
}

#[test]
fn keycloak_refresh_takes_new_roles_and_ends_with_the_account() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"update-user-on-login": true}));
    let run = log_in(&directory, "", "").ended(0);
    assert!(run.stderr.contains("the session can be renewed until "), "{}", run.stderr);
    assert!(
        run.stderr.contains("(in 30 minutes)") && run.stderr.contains("offline_access"),
        "{}",
        run.stderr
    );
    let clara = realm.user_id("clara");
    let admin = realm.get("/roles/admin");
    realm.send("POST", &format!("/users/{clara}/role-mappings/realm"), &json!([admin]));
    let run = directory.sh("cc-login refresh").ended(0);
    assert!(run.stdout.contains("admin"), "{}", run.stdout);
    realm.change_user("clara", &json!({"enabled": false}));
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("'invalid_grant': 'User disabled'"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: the provider has disabled this account"), "{}", run.stderr);
}

#[test]
fn keycloak_user_that_is_disabled_here_is_named_at_login_and_a_login_that_enables_is_reported() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"update-user-on-login": false}));
    log_in(&directory, "", "").ended(0);
    directory.sh("cc-user disable -q clara").ended(0);
    let without = log_in(&directory, "", "").ended(0);
    assert!(without.stdout.starts_with("logged in: clara (no role)"), "{}", without.stdout);
    let warning = "warning: 'clara' is disabled: a session at the server has no effect";
    assert!(
        without.stderr.contains(warning) && without.stderr.contains("hint: cc-user enable clara\n"),
        "{}",
        without.stderr
    );
    // A refresh is a login as well.
    let config = directory.read("config.json");
    let updating = config.replace("\"update-user-on-login\":false", "\"update-user-on-login\":true");
    assert_ne!(config, updating);
    directory.write("config.json", updating);
    let enabled = directory.sh("cc-login refresh").ended(0);
    assert!(enabled.stdout.starts_with("logged in: clara (manager, support)"), "{}", enabled.stdout);
    let warning = "warning: 'clara' was disabled and has roles again: this login sets them, as at the server";
    assert!(
        enabled.stderr.contains(warning) && enabled.stderr.contains("then: cc-user disable clara"),
        "{}",
        enabled.stderr
    );
    let again = directory.sh("cc-login refresh").ended(0);
    assert!(!again.stderr.contains("disabled"), "{}", again.stderr);
}

#[test]
fn keycloak_offline_token_outlives_the_session_at_the_provider() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    let run = log_in(&directory, "--scope offline_access", "").ended(0);
    assert!(!run.stderr.contains("can be renewed until"), "{}", run.stderr);
    // The login in the browser ends, the offline session does not.
    let clara = realm.user_id("clara");
    for online in realm.get(&format!("/users/{clara}/sessions")).as_array().unwrap() {
        realm.send("DELETE", &format!("/sessions/{}", online["id"].as_str().unwrap()), &json!(null));
    }
    directory.sh("cc-login refresh").ended(0);
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    realm.send("POST", &format!("/users/{clara}/logout"), &json!({}));
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("'invalid_grant'"), "{}", run.stderr);
}

#[test]
fn keycloak_logout_everywhere_ends_the_session_at_the_provider() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    assert_eq!(realm.sessions("clara"), 1);
    let run = directory.sh("cc-login logout").ended(0);
    assert!(run.stderr.contains("the login at the provider continues"), "{}", run.stderr);
    assert_eq!(realm.sessions("clara"), 1);
    log_in(&directory, "", "").ended(0);
    assert_eq!(realm.sessions("clara"), 2);
    directory.sh("cc-login logout --everywhere").ended(0);
    assert_eq!(realm.sessions("clara"), 1, "that of the other login");
    // The ID token alone, without a refresh token.
    log_in(&directory, "", "").ended(0);
    let mut kept = session(&directory).unwrap();
    kept["refresh"] = json!(null);
    std::fs::write(session_path(directory.path()), kept.to_string()).unwrap();
    directory.sh("cc-login logout --everywhere").ended(0);
    assert_eq!(realm.sessions("clara"), 1);
}

#[test]
fn keycloak_private_ca_of_the_login_is_used_by_refresh_and_logout() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory_of(&realm.secure_issuer(), &json!({}));
    let run = log_in(&directory, "", "").ended(69);
    assert!(run.stderr.contains("--ca-file"), "{}", run.stderr);
    std::fs::copy(realm.ca_file(), directory.file("ca.pem")).unwrap();
    log_in(&directory, "--ca-file ca.pem", "--ca ca.pem").ended(0);
    directory
        .sh("mkdir elsewhere; cd elsewhere; cc-login refresh --config ../config.json --env-file ../.env --db ../var/job.db")
        .ended(0);
    directory
        .sh("cd elsewhere; cc-login logout --everywhere --config ../config.json --env-file ../.env")
        .ended(0);
    assert_eq!(realm.sessions("clara"), 0);
}

#[test]
fn keycloak_clock_that_is_wrong_is_tolerated_or_named() {
    if !crate::support::has("faketime") {
        return;
    }
    let Some(realm) = Realm::new() else { return };
    let log_in_at = |offset: &str| {
        let directory = realm.directory(&json!({}));
        directory.sh("mkdir bin; printf '%s\\n' '#!/bin/sh' 'unset LD_PRELOAD FAKETIME' 'exec \"$@\"' > bin/real; chmod +x bin/real");
        let browser = format!("sh bin/real {}", super::server::page(""));
        directory.sh(&format!(
            "faketime -f '{offset}' cc-login --method oidc --port 0 --timeout 60s --browser '{browser} %s > page.json'"
        ))
    };
    let run = log_in_at("-2m").ended(0);
    assert!(run.stderr.contains("in the future"), "{}", run.stderr);
    let run = log_in_at("-10m").ended(1);
    assert!(run.stderr.contains("compare this computer's clock with the provider's"), "{}", run.stderr);
    let run = log_in_at("+10m").ended(1);
    assert!(run.stderr.contains("the ID token expired"), "{}", run.stderr);
    assert!(run.stderr.contains("compare this computer's clock with the provider's"), "{}", run.stderr);
}

#[test]
fn keycloak_second_account_and_a_renamed_account_are_reported() {
    let Some(realm) = Realm::with(|realm| realm["editUsernameAllowed"] = json!(true)) else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "--user fritz").ended(0);
    let run = log_in(&directory, "", "").ended(0);
    assert!(run.stderr.contains("this login replaces the session of 'fritz'"), "{}", run.stderr);
    realm.change_user("clara", &json!({"username": "clara2"}));
    let run = directory.sh("cc-login refresh").ended(0);
    assert!(run.stderr.contains("the provider renamed 'clara' to 'clara2'"), "{}", run.stderr);
}
