//! The sessions of `cc-login --method stronghold` against a running OpenBao: replaced ones, and those of
//! two namespaces.

use serde_json::{Value, json};

use crate::stronghold_site::{LOGIN, Site, configure};
use crate::support::has;

#[test]
fn login_that_replaces_a_session_revokes_its_token() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.sh(LOGIN).ended(0);
    let first = site.token();
    let second_login = site.sh(LOGIN).ended(0);
    assert_eq!(second_login.stderr, "");
    let second = site.token();
    assert!(!site.accepts(&first) && site.accepts(&second), "only the new token is valid");
    // A session of another name does not replace it.
    site.sh(&format!("{LOGIN} --session other")).ended(0);
    assert!(site.accepts(&second));
    // The login by another method replaces the named session.
    let other = site.sh("cc-login token --session other").ended(0).stdout.trim().to_owned();
    site.sh("echo secret123 > pw; cc-user init -q; cc-user add fritz --role api -q --password-file pw")
        .ended(0);
    site.sh("cc-login fritz --password-file pw --session other").ended(0);
    assert!(!site.accepts(&other));
    // A login that fails replaces nothing.
    site.sh(&format!("{LOGIN} role=gone")).ended(1);
    assert!(site.accepts(&second));
}

#[test]
fn replaced_token_that_cannot_be_revoked_is_a_warning() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("batch", &json!({"token_type": "batch", "token_ttl": 60}));
    site.sh(&format!("{LOGIN} role=batch")).ended(0);
    let login = site.sh(LOGIN).ended(0);
    let words = "warning: the token of the replaced session remains valid until it expires: ";
    assert!(login.stderr.contains(words) && login.stderr.contains("batch tokens"), "{}", login.stderr);
    // The server of the replaced session cannot be reached.
    site.sh(&format!("{LOGIN} --session work")).ended(0);
    let (path, mut session) = site.session_named("work");
    session["server"] = json!("http://127.0.0.1:1");
    std::fs::write(path, session.to_string()).unwrap();
    let login = site.sh(&format!("{LOGIN} --session work")).ended(0);
    assert!(login.stderr.contains(words) && login.stderr.contains("connection refused"), "{}", login.stderr);
    // A token that was revoked before needs no warning.
    let token = site.sh("cc-login token --session work").ended(0).stdout.trim().to_owned();
    site.bao.call_as(&token, "POST", "auth/token/revoke-self", &json!({}));
    assert_eq!(site.sh(&format!("{LOGIN} --session work")).ended(0).stderr, "");
}

#[test]
fn token_whose_policies_do_not_permit_its_revocation_remains_valid_with_a_warning() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("bare", &json!({"token_no_default_policy": true, "token_ttl": 60}));
    let words = "remains valid until it expires: the server at '";
    let cause =
        "does not permit the revocation of the token: the policies of the token do not permit the request\n";
    let bare = format!("{LOGIN} role=bare");
    let login = site.sh(&bare).ended(0);
    assert!(login.stdout.starts_with("logged in: bare (no policy) by stronghold at "), "{}", login.stdout);
    let [logout, replaced, run] = [
        "cc-login logout".to_owned(),
        format!("{bare} && {bare}"),
        "CC_ID_TOKEN=$(cat jwt) cc-login run --identity env:CC_ID_TOKEN --method stronghold --role bare -- true"
            .to_owned(),
    ]
    .map(|line| {
        let token = site.token();
        let done = site.sh(&line).ended(0);
        assert!(done.stderr.contains(words) && done.stderr.contains(cause), "{line}: {}", done.stderr);
        site.sh(&bare);
        // The administrator can look it up.
        let found = site.bao.call("POST", "auth/token/lookup", &json!({"token": token})).0;
        (done.stderr, found)
    });
    assert_eq!((logout.1, replaced.1, run.1), (200, 200, 200));
}

#[test]
fn token_that_another_program_stores_revokes_no_token() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    site.role("demo", &json!({"token_ttl": 600, "token_policies": ["children"]}));
    let policy = json!({"policy": "path \"auth/token/create\" { capabilities = [\"update\"] }"});
    site.bao.set("sys/policies/acl/children", &policy);
    site.sh(LOGIN).ended(0);
    let parent = site.token();
    // A child is not valid without its parent.
    let child = site.bao.call_as(&parent, "POST", "auth/token/create", &json!({})).1;
    let child = child["auth"]["client_token"].as_str().unwrap().to_owned();
    site.directory.write("child", &child);
    site.sh("cc-login token-helper store < child").ended(0);
    assert_eq!(site.token(), child);
    assert!(site.accepts(&parent) && site.accepts(&child));
    // The token of the other program, here that of the administrator, remains valid after a login.
    site.sh("printf root | cc-login token-helper store").ended(0);
    site.sh(LOGIN).ended(0);
    assert!(site.accepts("root") && site.accepts(&child));
}

#[test]
fn each_namespace_of_a_server_has_its_own_session() {
    if !has("bao") {
        return;
    }
    let site = Site::start();
    for (parent, name) in [("", "team"), ("team/", "a"), ("", "other")] {
        site.bao.set(&format!("{parent}sys/namespaces/{name}"), &json!({}));
        site.bao.set(&format!("{parent}{name}/sys/auth/jwt"), &json!({"type": "jwt"}));
        configure(&site.bao, &format!("{parent}{name}/"));
    }
    let url = site.bao.url.clone();
    let token = |request: &str| {
        site.sh(&format!("cc-login token --session '{request}'")).ended(0).stdout.trim().to_owned()
    };
    let is_valid = |token: &str, namespace: &str| {
        site.bao.call_as(token, "GET", &format!("{namespace}auth/token/lookup-self"), &Value::Null).0 == 200
    };
    let team = site.sh(&format!("{LOGIN} --namespace team")).ended(0);
    let words =
        format!("logged in: alice (policies: default) by stronghold at {url}, namespace team, until ");
    assert!(team.stdout.starts_with(&words), "{}", team.stdout);
    site.sh(&format!("BAO_NAMESPACE=other {LOGIN}")).ended(0);
    let [in_team, in_other] = ["team", "other"].map(|name| token(&format!("{url}?namespace={name}")));
    assert!(is_valid(&in_team, "team/") && is_valid(&in_other, "other/"), "both sessions remain");
    let ambiguous = site.sh("cc-login token").ended(2).stderr;
    for name in ["team", "other"] {
        assert!(ambiguous.contains(&format!("'{url}?namespace={name}'")), "{ambiguous}");
    }
    let missing = site.sh(&format!("cc-login token --session '{url}?namespace=gone'")).ended(1);
    let hint = format!("hint: cc-login --method stronghold --server {url} --namespace gone\n");
    assert!(missing.stderr.ends_with(&hint), "{}", missing.stderr);
    let invalid = site.sh(&format!("cc-login token --session '{url}?namespace=a//b'")).ended(2);
    assert!(invalid.stderr.contains("--session: invalid namespace 'a//b'"), "{}", invalid.stderr);
    // The session of another namespace is never used.
    let invalid = site.sh(&format!("cc-login token --session '{url}?namespce=team'")).ended(2);
    assert!(invalid.stderr.contains("--session: invalid session '"), "{}", invalid.stderr);
    let list = site.sh("cc-login sessions --json").ended(0).json();
    let listed: Vec<_> =
        list["sessions"].as_array().unwrap().iter().map(|session| &session["namespace"]).collect();
    assert!(listed.contains(&&json!("team")) && listed.contains(&&json!("other")), "{listed:?}");
    // A login in a namespace replaces the session of this namespace alone.
    site.sh(&format!("{LOGIN} --namespace team")).ended(0);
    assert!(!is_valid(&in_team, "team/") && is_valid(&in_other, "other/"));
    // The helper of bao uses the session of the namespace, or of one above it, where its token is valid.
    let helper = |namespace: &str| {
        site.sh(&format!("BAO_NAMESPACE={namespace} cc-login token-helper get")).ended(0).stdout
    };
    assert_eq!(helper("other"), in_other);
    assert_eq!(helper("team/a"), token(&format!("{url}?namespace=team")));
    assert_eq!(helper(""), "");
    site.sh(LOGIN).ended(0);
    assert_eq!(helper(""), token(&url));
    assert_eq!(helper("gone"), token(&url));
    site.sh(&format!("cc-login logout --session '{url}?namespace=other'")).ended(0);
    assert!(!is_valid(&in_other, "other/"));
    assert_eq!(helper("other"), token(&url));
}
