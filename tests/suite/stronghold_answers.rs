//! Answers of a Stronghold server that a running OpenBao gives only in a cluster or under load, from a small
//! server, and states of a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::httpd::{Reply, Server};
use crate::stronghold_site::{LOGIN, Site, seconds};
use crate::support::{TestEnv, has};

/// A login with a JWT at a server that gives this answer: the status and the messages.
fn login_at(reply: Reply) -> (i32, String, String) {
    let server = Server::start(move |_| reply.clone());
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    directory.sh("chmod 600 jwt").ended(0);
    let done = directory.sh(&format!("VAULT_ADDR={} {LOGIN}", server.url()));
    assert_eq!(done.stdout, "");
    assert!(!done.stderr.contains("a.b.c"), "{}", done.stderr);
    assert_eq!(server.seen().len(), 1, "the JWT is sent once");
    (done.status, done.stderr, server.url())
}

fn errors(status: u16, text: &str) -> Reply {
    Reply::status(status, "application/json", json!({"errors": [text]}).to_string())
}

#[test]
fn answer_of_each_status_has_one_line_that_states_the_cause() {
    let login = "the login at the mount 'jwt'";
    for (reply, status, words, hint) in [
        (
            errors(429, "rate limit quota exceeded"),
            75,
            format!("rejects {login}: too many requests: 'rate limit quota exceeded'"),
            "hint: try again later",
        ),
        (
            errors(503, "Vault is sealed"),
            69,
            "is sealed".to_owned(),
            "hint: an administrator of the server has to unseal it",
        ),
        (errors(501, "security barrier not initialized"), 69, "is not initialized".to_owned(), ""),
        (
            errors(500, "1 error"),
            69,
            format!("failed to process {login}: status 500: '1 error'"),
            "hint: read the log of the server",
        ),
        (
            errors(502, "bad gateway"),
            69,
            format!("failed to process {login}: status 502"),
            "hint: read the log of the server",
        ),
        (errors(400, "no known key"), 1, format!("rejects {login}: 'no known key'"), ""),
        (
            Reply::redirect(307, "https://active.example:8200/v1/auth/jwt/login"),
            69,
            format!("redirects {login} to 'https://active.example:8200', and a redirect is not followed"),
            "hint: if this server is of the same cluster, use its URL: --server https://active.example:8200",
        ),
        (
            Reply::redirect(302, "https://portal.example/login"),
            69,
            "is not a Stronghold, OpenBao or Vault server: it redirects to 'https://portal.example/login'"
                .to_owned(),
            "hint: use the URL of the server without '/v1' and '/ui', such as https://stronghold.example.org",
        ),
        (
            Reply::status(200, "text/html", "<html>"),
            69,
            "is not a Stronghold, OpenBao or Vault server".to_owned(),
            "hint: use the URL of the server without '/v1' and '/ui', such as https://stronghold.example.org",
        ),
        (
            Reply::json(&json!({"auth": {"client_token": ""}})),
            69,
            "the response to the login has no valid token".to_owned(),
            "hint: use the URL of the server without '/v1' and '/ui', such as https://stronghold.example.org",
        ),
        (
            Reply::json(
                &json!({"auth": {"client_token": "", "mfa_requirement": {"mfa_request_id": "x", "mfa_constraints": {"phone": {"any": []}}}}}),
            ),
            1,
            "the login requires the second factor 'phone', which has no method".to_owned(),
            "",
        ),
    ] {
        let shown = format!("{reply:?}");
        let (code, text, _) = login_at(reply);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().contains(&words), "{shown}: {text}");
        assert_eq!((code, lines.next().unwrap_or_default()), (status, hint), "{shown}: {text}");
        assert_eq!(lines.next(), None, "{shown}: {text}");
    }
}

#[test]
fn token_in_a_wrap_that_was_not_requested_is_printed_and_not_saved() {
    let wrap = json!({"auth": null, "wrap_info": {"token": "s.wrapping", "ttl": 60, "creation_path": "auth/jwt/login"}});
    let server = Server::start(move |_| Reply::json(&wrap));
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    let done = directory.sh(&format!("chmod 600 jwt; VAULT_ADDR={} {LOGIN}", server.url())).ended(0);
    assert_eq!(done.stdout, "s.wrapping\n");
    assert!(done.stderr.contains("no session is saved"), "{}", done.stderr);
    // A command needs the token itself.
    let run = "CC_ID_TOKEN=eyJhbGciOiJFZERTQSJ9.e30.AAAA cc-login run --method stronghold --identity env:CC_ID_TOKEN -- touch ran";
    let done = directory.sh(&format!("VAULT_ADDR={} {run}", server.url())).ended(69);
    assert!(done.stderr.contains("the server sent a wrapping token: expected the token"), "{}", done.stderr);
    assert!(!directory.file("ran").exists());
}

#[test]
fn token_that_is_not_wrapped_as_requested_is_revoked_and_not_saved() {
    let revoked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&revoked);
    let server = Server::start(move |request| {
        if request.path.ends_with("revoke-self") {
            seen.store(true, Ordering::SeqCst);
        }
        Reply::json(&json!({"auth": {"client_token": "s.hunter2", "lease_duration": 60}}))
    });
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    let line = format!("chmod 600 jwt; VAULT_ADDR={} {LOGIN} --wrap-ttl 60s", server.url());
    let done = directory.sh(&line).ended(69);
    assert!(done.stderr.contains("sent the token itself: expected a wrapping token"), "{}", done.stderr);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("hunter2"), "{}", done.stderr);
    assert!(revoked.load(Ordering::SeqCst));
    directory.sh("cc-login status").ended(1);
}

#[test]
fn sealed_server_does_not_prevent_the_use_and_the_end_of_a_session() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.sh(LOGIN).ended(0);
    let token = site.token();
    assert_eq!(site.bao.call("PUT", "sys/seal", &json!({})).0, 204);
    assert_eq!(site.token(), token, "the token is not due for a renewal");
    let refresh = site.sh("cc-login refresh").ended(69);
    assert!(refresh.stderr.contains("is sealed"), "{}", refresh.stderr);
    site.change_session("expires_at", json!(seconds() + 60));
    let due = site.sh("cc-login token").ended(0);
    assert_eq!(due.stdout.trim(), token);
    assert!(due.stderr.contains("the session cannot be renewed now: it expires in "), "{}", due.stderr);
    let logout = site.sh("cc-login logout").ended(69);
    assert!(logout.stderr.contains("is sealed"), "{}", logout.stderr);
    site.sh("cc-login status").ended(1);
}

#[test]
fn token_with_limited_uses_is_a_warning_and_ends_with_them() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("uses", &json!({"token_num_uses": 2, "token_ttl": 600}));
    let login = site.sh(&format!("{LOGIN} role=uses")).ended(0);
    assert!(
        login.stderr.contains("the token permits 2 requests: the session ends after them"),
        "{}",
        login.stderr
    );
    // The login did not use one of them.
    let token = site.token();
    assert!(site.accepts(&token) && site.accepts(&token) && !site.accepts(&token));
    let refresh = site.sh("cc-login refresh").ended(77);
    assert!(refresh.stderr.contains("the token is expired or revoked"), "{}", refresh.stderr);
    let logout = site.sh("cc-login logout").ended(0);
    assert!(logout.stderr.contains("no longer accepts the token"), "{}", logout.stderr);
}

#[test]
fn token_with_limited_uses_of_another_program_is_stored_with_one_request() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let created = site.bao.set("auth/token/create", &json!({"num_uses": 3, "ttl": "5m"}));
    let token = created["auth"]["client_token"].as_str().unwrap().to_owned();
    site.directory.write("token", &token);
    let stored = site.sh("cc-login token-helper store < token").ended(0);
    assert!(stored.stderr.contains("the token permits 2 requests"), "{}", stored.stderr);
    assert!(site.accepts(&token) && site.accepts(&token) && !site.accepts(&token));
}

#[test]
fn negative_numbers_of_a_login_do_not_limit_its_token() {
    let auth = json!({"client_token": "s.x", "lease_duration": -1, "num_uses": -1, "renewable": true});
    let server = Server::start(move |_| Reply::json(&json!({"auth": auth})));
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    let login =
        format!("chmod 600 jwt; VAULT_ADDR={} cc-login --method stronghold --token-file jwt", server.url());
    let done = directory.sh(&login).ended(0);
    assert!(done.stdout.contains(", never expires\n"), "{}", done.stdout);
}

#[test]
fn token_that_no_header_can_have_is_rejected_without_printing_it() {
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    directory.sh("chmod 600 jwt").ended(0);
    for token in ["s.hunter2\u{1b}[31m", "s.hunter2\nx", "s. hunter2", "s.hunter2\u{e9}", ""] {
        for answer in [
            json!({"auth": {"client_token": token, "lease_duration": 60}}),
            json!({"wrap_info": {"token": token, "ttl": 60, "creation_path": "auth/jwt/login"}}),
        ] {
            let server = Server::start(move |_| Reply::json(&answer));
            let done = directory.sh(&format!("VAULT_ADDR={} {LOGIN}", server.url())).ended(69);
            assert!(done.stderr.contains("the response to the login has no valid token"), "{}", done.stderr);
            assert!(done.stdout.is_empty() && !done.stderr.contains("hunter2"), "{}", done.stderr);
        }
    }
}

#[test]
fn error_of_a_proxy_in_front_of_the_server_is_temporary() {
    let directory = TestEnv::new();
    directory.write("jwt", "a.b.c");
    for (status, code, words) in [
        (502, 69, "failed to process the login at the mount 'jwt': status 502\n"),
        (503, 69, "failed to process the login at the mount 'jwt': status 503\n"),
        (504, 69, "failed to process the login at the mount 'jwt': status 504\n"),
        (429, 75, "rejects the login at the mount 'jwt': too many requests\n"),
    ] {
        let server = Server::start(move |_| Reply::status(status, "text/html", "<html>proxy</html>"));
        let line = format!("chmod 600 jwt; VAULT_ADDR={} {LOGIN}", server.url());
        let done = directory.sh(&line).ended(code);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
}

#[test]
fn watched_file_has_a_token_that_is_renewed_before_it_expires() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("short", &json!({"token_ttl": 20}));
    site.sh(&format!("{LOGIN} role=short")).ended(0);
    let first = site.session().1["expires_at"].as_u64().unwrap();
    // A lifetime that the server does not grant is an error at the start.
    let long = site.sh("cc-login token -o out --watch --min-ttl 5m").ended(1);
    assert!(long.stderr.contains("expected a lifetime of at least 5m"), "{}", long.stderr);
    site.change_session("expires_at", json!(first - 12));
    let (path, _) = site.session();
    let done = site.sh(&format!(
        "cp {0} before; cc-login token -o out --watch --min-ttl 2s & pid=$!
         n=0; while cmp -s {0} before && test $n -lt 400; do sleep 0.1; n=$((n + 1)); done
         kill -TERM $pid; wait $pid",
        path.display()
    ));
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(site.session().1["expires_at"].as_u64().unwrap() >= first, "{}", done.stderr);
    let token = site.directory.read("out");
    assert_eq!(token.trim(), site.token());
}

#[test]
fn device_login_at_a_client_that_requires_pkce_names_the_setting_of_the_client() {
    let text = "error performing provider request: 400 Bad Request: Missing parameter: code_challenge_method";
    let server = Server::start(move |_| errors(500, text));
    let directory = TestEnv::new();
    let login = format!("VAULT_ADDR={} cc-login --method stronghold --role test", server.url());
    let done = directory.sh(&login).ended(69);
    assert!(
        done.stderr.contains("Missing parameter: code_challenge_method'\nhint: the server does not use PKCE with callback_mode=device: ")
            && done.stderr.contains("switch off 'Require PKCE' of its client at the provider (Keycloak)\n"),
        "{}",
        done.stderr
    );
}
