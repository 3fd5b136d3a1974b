//! Logins on another device.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{Realm, page};
use crate::support::{Run, TestEnv, has};

/// A device login that waits; the URL with its code is in `shown`.
struct Waiting {
    child: Child,
    url: String,
}

impl Waiting {
    fn start(directory: &TestEnv, command: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", &format!("exec {command} 2> shown")])
            .current_dir(directory.path())
            .env_clear()
            .env("PATH", crate::support::path_with_programs())
            .env("HOME", directory.file(".home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut waiting = Self { child, url: String::new() };
        let begun = Instant::now();
        loop {
            let shown = std::fs::read_to_string(directory.file("shown")).unwrap_or_default();
            let url =
                shown.lines().find(|line| line.contains("?user_code=") && line.trim().starts_with("http"));
            if let Some(url) = url {
                waiting.url = url.trim().to_owned();
                return waiting;
            }
            if waiting.child.try_wait().unwrap().is_some() || begun.elapsed() > Duration::from_secs(60) {
                let _ = waiting.child.kill();
                panic!("no code: {shown}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until standard error has this text.
    fn wait_for(&mut self, directory: &TestEnv, text: &str) {
        let begun = Instant::now();
        while !directory.read("shown").contains(text) {
            if self.child.try_wait().unwrap().is_some() || begun.elapsed() > Duration::from_secs(60) {
                let _ = self.child.kill();
                panic!("{text:?} is not printed: {}", directory.read("shown"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end.
    fn end(self, directory: &TestEnv) -> Run {
        let mut run = Run::from(self.child.wait_with_output().unwrap());
        run.stderr = directory.read("shown");
        run
    }
}

#[test]
fn keycloak_device_login_is_approved_or_declined_by_the_user() {
    let Some(realm) = Realm::new() else { return };
    for client in ["cc", "public"] {
        let directory = realm.directory(&json!({"client-id": client}));
        let env = directory.read(".env").replace("OID_CLIENT_ID=cc", &format!("OID_CLIENT_ID={client}"));
        let env = if client == "public" { env.replace("OID_CLIENT_SECRET=s3cret", "") } else { env };
        directory.write(".env", env);
        configured(&directory);
        let waiting = Waiting::start(&directory, "cc-login --method oidc --device");
        directory.sh(&format!("{} '{}'", page(""), waiting.url)).ended(0);
        let run = waiting.end(&directory).ended(0);
        assert!(run.stdout.starts_with("logged in: clara (manager"), "{}", run.stdout);
    }
    let directory = realm.directory(&json!({}));
    let waiting = Waiting::start(&directory, "cc-login --method oidc --device");
    directory.sh(&format!("{} '{}'", page("--cancel"), waiting.url)).ended(0);
    let run = waiting.end(&directory).ended(1);
    assert!(run.stderr.contains("'access_denied'"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: the login was canceled"), "{}", run.stderr);
}

/// Removes the client ID of the entry, so that the client of `.env` is used.
fn configured(directory: &TestEnv) {
    let text = directory.read("config.json");
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["auth"]["oidc"].as_object_mut().unwrap().remove("client-id");
    directory.write("config.json", config.to_string());
}

#[test]
fn keycloak_device_code_that_expires_is_reported_as_expired() {
    let Some(realm) = Realm::with(|realm| realm["oauth2DeviceCodeLifespan"] = json!(3)) else { return };
    let directory = realm.directory(&json!({}));
    let run = directory.sh("cc-login --method oidc --device").ended(1);
    assert!(run.stderr.contains("the code expired after 3 seconds"), "{}", run.stderr);
    assert!(!run.stderr.contains("--timeout"), "{}", run.stderr);
}

#[test]
fn keycloak_slow_down_lengthens_the_interval_and_the_login_succeeds() {
    if !has("faketime") {
        return;
    }
    let Some(realm) = Realm::with(|realm| realm["oauth2DevicePollingInterval"] = json!(2)) else { return };
    let directory = realm.directory(&json!({}));
    // A clock that is too fast: the program waits for less than the interval of the provider.
    let mut waiting =
        Waiting::start(&directory, "faketime -f '+0 x8' cc-login --method oidc --device -v --timeout 10m");
    waiting.wait_for(&directory, "the provider demands a longer interval: 7 s");
    directory.sh(&format!("{} '{}'", page(""), waiting.url)).ended(0);
    let run = waiting.end(&directory).ended(0);
    assert!(run.stdout.starts_with("logged in: clara"), "{}", run.stdout);
}

#[test]
fn keycloak_client_without_device_grant_logs_in_with_a_pasted_url() {
    let Some(realm) = Realm::new() else { return };
    realm.change_client("cc", &json!({"attributes": {"oauth2.device.authorization.grant.enabled": "false"}}));
    let directory = realm.directory(&json!({}));
    let run = directory.sh("cc-login --method oidc --device").ended(77);
    assert!(run.stderr.contains("use --manual"), "{}", run.stderr);
    // The user opens the printed URL elsewhere, and pastes the URL that this browser cannot load.
    directory.write(
        "paste.sh",
        format!(
            "until grep -q 'paste it here' shown; do sleep 0.1; done
             url=$(grep -o 'http[^ ]*client_id=[^ ]*' shown)
             {} --stop http://localhost:8250/oidc/callback \"$url\"\n",
            page("")
        ),
    );
    let run = directory.sh("sh paste.sh | cc-login --method oidc 2> shown").ended(0);
    assert!(run.stdout.starts_with("logged in: clara"), "{}", run.stdout);
    assert!(directory.read("shown").contains("login with a pasted URL, as with --manual"));
}
