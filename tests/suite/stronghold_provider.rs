//! `cc-login --method stronghold` through the provider of a running OpenBao, in its three modes.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::oidc_real::{OidcProvider, has_all, tool};
use crate::openbao_server::{OpenBao, ROOT_TOKEN};
use crate::support::{Run, TestEnv, has};

/// A server with the certified provider behind it.
struct Site {
    bao: OpenBao,
    _provider: OidcProvider,
    directory: TestEnv,
}

impl Site {
    fn start() -> Self {
        let bao = OpenBao::start();
        let own = format!("{}/v1/auth/oidc/oidc/callback", bao.url);
        let provider = OidcProvider::start_with(&json!({"redirectUris": [own]}));
        bao.set("sys/auth/oidc", &json!({"type": "oidc"}));
        bao.set(
            "auth/oidc/config",
            &json!({"oidc_discovery_url": provider.issuer, "oidc_client_id": "cc",
                    "oidc_client_secret": "a secret/with+signs", "default_role": "demo"}),
        );
        let site = Self { bao, _provider: provider, directory: TestEnv::new() };
        let local = "http://localhost:8250/oidc/callback";
        site.role("demo", &json!({"allowed_redirect_uris": [local]}));
        // Such a role allows the redirect URI of cc-login, but the response never reaches cc-login.
        let direct =
            json!({"callback_mode": "direct", "poll_interval": 1, "allowed_redirect_uris": [local, own]});
        site.role("direct", &direct);
        let device = json!({"callback_mode": "device", "poll_interval": 1, "allowed_redirect_uris": [local]});
        site.role("device", &device);
        site.role("jwt", &json!({"role_type": "jwt", "bound_audiences": ["x"]}));
        site
    }

    fn role(&self, name: &str, more: &Value) {
        let mut role = json!({"role_type": "oidc", "user_claim": "sub"});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.bao.set(&format!("auth/oidc/role/{name}"), &role);
    }

    fn sh(&self, line: &str) -> Run {
        self.directory.sh(&format!("export BAO_ADDR={}; {line}", self.bao.url))
    }

    /// A login with a real browser.
    fn log_in(&self, more: &str) -> Run {
        let browser = format!("node {} %s > browser.json 2> browser.err", tool("browser.mjs"));
        self.sh(&format!("cc-login --method stronghold --timeout 90s --browser '{browser}' {more}"))
    }
}

#[test]
fn provider_login_succeeds_in_client_direct_and_device_mode() {
    if !has_all() || !has("bao") {
        return;
    }
    let site = Site::start();
    // Another user of this computer has the usual port.
    let other = TcpListener::bind("127.0.0.1:8250");
    let done = site.log_in("").ended(0);
    assert!(done.stdout.starts_with("logged in: clara (policies: default) by stronghold"), "{}", done.stdout);
    assert!(done.stderr.contains("port 8250 is in use: waiting on port "), "{}", done.stderr);
    drop(other);
    for role in ["direct", "device"] {
        let done = site.log_in(&format!("role={role} --session {role}")).ended(0);
        assert!(done.stdout.contains(&format!("session {role}, until ")), "{}", done.stdout);
        assert!(done.stderr.starts_with("Log in with any browser at this URL:"), "{}", done.stderr);
        site.sh(&format!("cc-login logout --session {role}")).ended(0);
    }
    // The name of another user.
    let other = site.log_in("fritz --port 0 --session x").ended(1);
    assert!(other.stderr.contains("the token is for 'clara', expected 'fritz'"), "{}", other.stderr);
}

#[test]
fn rejection_without_a_reason_is_explained_by_the_role() {
    if !has_all() || !has("bao") {
        return;
    }
    let site = Site::start();
    let login = "cc-login --method stronghold --manual < /dev/null";
    let unknown = site.sh(&format!("{login} role=jwt")).ended(1);
    assert!(unknown.stderr.contains("the role does not allow the redirect URI"), "{}", unknown.stderr);
    let token = format!("STRONGHOLD_TOKEN={ROOT_TOKEN}");
    let known = site.sh(&format!("{token} {login} role=jwt")).ended(1);
    let words = "the role 'jwt' is of type jwt and has no redirect URIs";
    assert!(known.stderr.contains(words), "{}", known.stderr);
    let uri = site.sh(&format!("{token} {login} callbackhost=cc.example")).ended(1);
    let words =
        "the redirect URI 'http://cc.example:8250/oidc/callback' is not in allowed_redirect_uris of the role";
    assert!(uri.stderr.contains(words), "{}", uri.stderr);
}

#[test]
fn pasted_url_without_a_display_reports_the_reason_of_the_provider() {
    if !has_all() || !has("bao") {
        return;
    }
    let site = Site::start();
    // The URL with the state is on standard error; the pasted one has the error of the provider.
    let done = site.sh(
        "mkfifo in; (cc-login --method stronghold < in 2> err > out; echo $? > status) & exec 3> in
         n=0; while ! grep -q state= err 2> /dev/null && test $n -lt 200; do sleep 0.1; n=$((n + 1)); done
         state=$(sed -n 's/.*[?&]state=\\([^&]*\\).*/\\1/p' err | head -1)
         echo \"http://localhost:8250/oidc/callback?state=$state&error=access_denied&error_description=not+today\" >&3
         wait; cat err; exit $(cat status)",
    );
    assert_eq!(done.status, 1, "{}", done.stdout);
    assert!(done.stdout.contains("no display on this computer: login with a pasted URL"), "{}", done.stdout);
    assert!(done.stdout.contains("'access_denied'") && done.stdout.contains("not today"), "{}", done.stdout);
}
