//! `cc-login --method stronghold` against a running OpenBao: with a JWT, and its session.

use serde_json::{Value, json};

use crate::prompts::spawn;
use crate::stronghold_site::{LOGIN, Site, configure, seconds};
use crate::support::{TestEnv, has};

#[test]
fn jwt_login_gives_a_session_that_is_used_renewed_and_revoked() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let done = site.sh(&format!("{LOGIN} role=demo")).ended(0);
    let url = &site.bao.url;
    let start = format!("logged in: alice (policies: default) by stronghold at {url}, until ");
    assert!(done.stdout.starts_with(&start), "{}", done.stdout);
    assert_eq!(site.sh("cc-login whoami").ended(0).stdout, "alice\n");
    let status = site.sh("cc-login status --json").ended(0).json();
    assert_eq!((&status["method"], &status["policies"]), (&json!("stronghold"), &json!(["default"])));
    let token = site.token();
    assert!(site.accepts(&token), "the session has the token of the server");
    let header = site.sh("cc-login token --header").ended(0).stdout;
    assert_eq!(header, format!("Authorization: Bearer {token}\n"));
    let run = site.sh("cc-login run --env VAULT_TOKEN -- sh -c 'printf %s \"$VAULT_TOKEN\"'").ended(0);
    assert_eq!(run.stdout, token);
    // The token is renewed and does not change.
    site.sh("cc-login refresh").ended(0);
    assert_eq!(site.token(), token);
    let out = site.sh("cc-login logout -v").ended(0);
    assert!(!site.accepts(&token), "the logout revokes the token");
    assert!(!out.stderr.contains(&token), "{}", out.stderr);
    site.sh("cc-login status").ended(1);
}

#[test]
fn run_logs_in_with_the_identity_of_a_job_and_stores_no_session() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let job = "export CC_ID_TOKEN=$(cat jwt);";
    let login = "cc-login run --identity env:CC_ID_TOKEN --method vault --role demo";
    let command = "printf %s \"$TOKEN\"; BAO_TOKEN=$TOKEN bao token lookup > lookup";
    let run = site.sh(&format!("{job} {login} -v -- sh -c '{command}'")).ended(0);
    assert!(site.directory.read("lookup").contains("jwt-alice"), "the command has the token of the server");
    assert!(!run.stdout.is_empty() && !run.stderr.contains(&run.stdout), "{}", run.stderr);
    assert!(!site.directory.file(".home/.local/state/cc-auth/sessions").exists());
    let by_option = format!("{job} BAO_ADDR= {login} --server {} --path jwt -- true", site.bao.url);
    site.sh(&by_option).ended(0);
    // A rejected login runs nothing.
    site.sh(&format!("{job} {login} --path gone -- touch ran")).ended(77);
    assert!(!site.directory.file("ran").exists());
    for arguments in [
        "--server http://127.0.0.1:1",
        "--namespace team",
        "--identity env:CC_ID_TOKEN --server http://127.0.0.1:1",
        "--identity env:CC_ID_TOKEN --method stronghold --wrap-ttl 60s",
        "--client-credentials --method stronghold",
        "--method stronghold",
    ] {
        site.sh(&format!("{job} cc-login run {arguments} -- touch ran")).ended(2);
    }
    assert!(!site.directory.file("ran").exists());
}

#[test]
fn jwt_is_read_from_standard_input_a_session_and_a_ci_variable() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.sh("cc-login --method vault --token-file - role=demo < jwt").ended(0);
    let by_variable =
        site.sh("JOB_JWT=$(cat jwt) cc-login --method openbao --identity env:JOB_JWT --session ci").ended(0);
    assert!(by_variable.stdout.contains("session ci"), "{}", by_variable.stdout);
    // The session of a server on this computer has a token of another issuer, which the role rejects.
    site.sh("echo secret123 > pw; cc-user init -q; cc-user add fritz --role api -q --password-file pw")
        .ended(0);
    site.sh("gen-keypair -q --write; cc-login fritz --password-file pw --session own").ended(0);
    let rejected = site.sh("cc-login --method stronghold --from-session own --session x").ended(1);
    assert!(rejected.stderr.contains("rejects the login at the mount 'jwt'"), "{}", rejected.stderr);
    // No session of the name.
    site.sh("cc-login --method stronghold --from-session gone").ended(1);
}

#[test]
fn session_is_renewed_before_it_expires_and_not_after_it() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.sh(LOGIN).ended(0);
    let soon = seconds() + 30;
    site.change_session("expires_at", json!(soon));
    site.token();
    assert!(site.session().1["expires_at"].as_u64().unwrap() > soon + 300, "less than a third remained");
    site.change_session("expires_at", json!(seconds() - 1));
    let expired = site.sh("cc-login token").ended(1);
    let hint =
        format!("hint: cc-login --method stronghold --server {} --path jwt --token-file FILE", site.bao.url);
    assert!(expired.stderr.contains(&hint), "{}", expired.stderr);
    site.sh("cc-login refresh").ended(1);
    // The server does not renew a batch token.
    site.role("batch", &json!({"token_type": "batch", "token_ttl": 60}));
    site.sh(&format!("{LOGIN} role=batch")).ended(0);
    let fixed = site.sh("cc-login refresh").ended(1);
    assert!(fixed.stderr.contains("issued a token that cannot be renewed"), "{}", fixed.stderr);
    let out = site.sh("cc-login logout").ended(0);
    assert!(out.stderr.contains("'batch tokens cannot be revoked'"), "{}", out.stderr);
    // A token that was revoked elsewhere does not prevent the logout.
    site.sh(LOGIN).ended(0);
    site.bao.call_as(&site.token(), "POST", "auth/token/revoke-self", &json!({}));
    site.sh("cc-login logout").ended(0);
}

#[test]
fn wrong_setting_of_each_kind_is_named_in_one_line() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let url = &site.bao.url;
    let address = url.strip_prefix("http://").unwrap();
    for (settings, options, status, words) in [
        ("BAO_ADDR=", "", 78, "no URL of a Stronghold server is set"),
        ("BAO_ADDR=host", "", 78, "BAO_ADDR: invalid URL 'host'"),
        ("STRONGHOLD_ADDR=http://127.0.0.1:1", "", 69, "connection refused; the URL is from STRONGHOLD_ADDR"),
        ("VAULT_ADDR=x", "", 0, ""),
        ("BAO_ADDR=http://vault.example", "", 78, "BAO_ADDR: 'http://vault.example/' is plain http"),
        (&format!("BAO_ADDR=https://{address}"), "", 69, "does not use TLS; the URL is from BAO_ADDR"),
        ("VAULT_NAMESPACE=gone", "", 78, "'gone', which is from VAULT_NAMESPACE"),
        ("VAULT_NAMESPACE=a//b", "", 78, "VAULT_NAMESPACE: invalid namespace 'a//b'"),
        ("VAULT_CACERT=gone.pem", "", 66, "VAULT_CACERT: 'gone.pem' does not exist"),
        ("BAO_CACERT=jwt", "", 78, "BAO_CACERT: invalid CA certificates"),
        ("", "--path gone", 77, "the login at the mount 'gone'"),
        ("", "--path ../sys", 2, "--path: invalid mount path '../sys'"),
        ("", "--role gone", 1, "could not be found"),
        ("", "--namespace gone", 78, "'gone', which is from --namespace"),
        ("", "--wrap-ttl x", 2, "--wrap-ttl"),
    ] {
        let done = site.sh(&format!("{settings} {LOGIN} {options}"));
        assert_eq!(done.status, status, "{settings} {options}: {}", done.stderr);
        if status != 0 {
            let mut lines = done.stderr.lines();
            assert!(lines.next().unwrap().contains(words), "{settings} {options}: {}", done.stderr);
            assert!(lines.all(|line| line.starts_with("hint: ")), "{settings} {options}: {}", done.stderr);
        }
    }
    // The setting in use is printed with -v, and the JWT and the token never are.
    let done = site.sh(&format!("{LOGIN} -vv --session v")).ended(0);
    assert!(done.stderr.contains(&format!("the server is '{url}/', from BAO_ADDR")), "{}", done.stderr);
    let token = site.sh("cc-login token --session v").ended(0).stdout;
    let secret = site.directory.read("jwt");
    let signature = secret.rsplit('.').next().unwrap();
    assert!(!done.stderr.contains(token.trim()) && !done.stderr.contains(signature), "{}", done.stderr);
}

#[test]
fn namespace_of_the_login_is_used_for_its_session() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.bao.set("sys/namespaces/team", &json!({}));
    site.bao.set("team/sys/auth/jwt", &json!({"type": "jwt"}));
    configure(&site.bao, "team/");
    site.sh(&format!("BAO_NAMESPACE=team {LOGIN}")).ended(0);
    let status = site.sh("cc-login status --json").ended(0).json();
    assert_eq!(status["namespace"], "team");
    // Without the variable: the session has the namespace.
    site.sh("cc-login refresh").ended(0);
    let token = site.token();
    site.sh("cc-login logout").ended(0);
    assert_eq!(site.bao.call_as(&token, "GET", "team/auth/token/lookup-self", &Value::Null).0, 403);
}

#[test]
fn wrapping_token_is_exchanged_once_and_no_session_is_saved() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let wrapped = site.sh(&format!("{LOGIN} --wrap-ttl 2m --json")).ended(0).json();
    assert_eq!(
        (&wrapped["lifetime_seconds"], &wrapped["creation_path"]),
        (&json!(120), &json!("auth/jwt/login"))
    );
    site.sh("cc-login status").ended(1);
    let wrapping_token = wrapped["wrapping_token"].as_str().unwrap();
    let unwrap = || site.bao.call_as(wrapping_token, "POST", "sys/wrapping/unwrap", &json!({}));
    let token = unwrap().1["auth"]["client_token"].as_str().unwrap().to_owned();
    assert!(site.accepts(&token));
    assert_ne!(unwrap().0, 200);
    let text = site.sh(&format!("{LOGIN} --wrap-ttl 60s")).ended(0).stdout;
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn token_helper_gives_bao_the_token_of_the_session() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    let helper = site.directory.file("cc-token-helper");
    site.sh("printf '#!/bin/sh\\nexec cc-login token-helper \"$1\"\\n' > cc-token-helper; chmod 755 cc-token-helper")
        .ended(0);
    site.directory.write(".home/.bao", format!("token_helper = \"{}\"\n", helper.display()));
    // Without a session there is no token, which is not an error of the helper.
    let missing = site.sh("bao token lookup").ended(2);
    assert!(missing.stderr.contains("permission denied"), "{}", missing.stderr);
    site.sh(LOGIN).ended(0);
    let lookup = site.sh("bao token lookup -format=json").ended(0).json();
    assert_eq!(lookup["data"]["display_name"], "jwt-alice");
    assert_eq!(site.sh("bao print token").ended(0).stdout.trim(), site.token());
    // `bao login` stores its token as the session.
    site.sh("bao login root").ended(0);
    assert_eq!(site.token(), "root");
    let status = site.sh("cc-login status").ended(0).stdout;
    assert!(status.starts_with("token (policies: root) by stronghold"), "{status}");
    site.sh("cc-login token-helper erase").ended(0);
    site.sh("cc-login status").ended(1);
    assert!(site.accepts("root"), "erase does not revoke the token");
    let rejected = site.sh("printf s.gone | cc-login token-helper store").ended(77);
    assert!(!rejected.stderr.contains("s.gone"), "{}", rejected.stderr);
    site.sh("printf root | BAO_ADDR= cc-login token-helper store").ended(78);
}

#[test]
fn second_factor_is_asked_for_at_the_prompt() {
    if !has("bao") || !has("openssl") {
        return;
    }
    let site = Site::start();
    site.sh(LOGIN).ended(0);
    let entity =
        site.bao.call_as(&site.token(), "GET", "auth/token/lookup-self", &Value::Null).1["data"]["entity_id"]
            .clone();
    let method = json!({"issuer": "test", "period": 30, "algorithm": "SHA1", "digits": 6, "qr_size": 0});
    let method = site.bao.set("identity/mfa/method/totp", &method)["data"]["method_id"].clone();
    let accessor = site.bao.call("GET", "sys/auth", &Value::Null).1["jwt/"]["accessor"].clone();
    site.bao.set(
        "identity/mfa/login-enforcement/phone",
        &json!({"mfa_method_ids": [method], "auth_method_accessors": [accessor]}),
    );
    let generated = json!({"method_id": method, "entity_id": entity});
    let generated = site.bao.set("identity/mfa/method/totp/admin-generate", &generated);
    let url = generated["data"]["url"].as_str().unwrap();
    let secret = url.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let line = format!(
        "export HOME={} BAO_ADDR={}; {LOGIN} --session mfa; echo status $?",
        site.directory.file(".home").display(),
        site.bao.url
    );
    // Without a terminal the reason is printed.
    let failed = site.sh(&format!("setsid {LOGIN}")).ended(2);
    assert!(failed.stderr.contains("no terminal to ask for the passcode"), "{}", failed.stderr);
    let mut session = spawn(&site.directory, &line);
    session.exp_string("Passcode of totp 'phone': ").unwrap();
    session.send_line("000000").unwrap();
    let rejected = session.exp_string("status 1").unwrap();
    assert!(rejected.contains("does not permit the second factor: the passcode is wrong"), "{rejected}");
    let mut session = spawn(&site.directory, &line);
    session.exp_string("Passcode of totp 'phone': ").unwrap();
    let passcode = totp(&site.directory, secret);
    session.send_line(&passcode).unwrap();
    let between = session.exp_string("status 0").unwrap();
    assert!(between.contains("logged in: alice") && !between.contains(&passcode), "{between}");
}

/// The passcode of RFC 6238 with SHA-1, six digits and 30 seconds.
fn totp(directory: &TestEnv, secret: &str) -> String {
    let key = data_encoding::BASE32.decode(secret.as_bytes()).unwrap();
    let counter = (seconds() / 30).to_be_bytes();
    directory.write("counter", counter);
    let key = data_encoding::HEXLOWER.encode(&key);
    let line = format!("openssl dgst -sha1 -mac HMAC -macopt hexkey:{key} -r counter");
    let hmac = directory.sh(&line).ended(0).stdout;
    let hmac = data_encoding::HEXLOWER.decode(&hmac.as_bytes()[..40]).unwrap();
    let offset = usize::from(hmac[19] & 15);
    let number = u32::from_be_bytes(hmac[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
