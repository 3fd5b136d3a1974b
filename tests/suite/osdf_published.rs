//! The key of a resource beside the key set that its issuer publishes, before a token is signed.

use std::sync::{Arc, Mutex};

use crate::httpd::{Reply, Server};
use crate::osdf::with_resource;
use crate::renew::Watch;

#[test]
fn spec_issue_published_rejects_a_key_that_validators_cannot_find() {
    let directory = with_resource("--kid mine");
    directory
        .sh("openssl ecparam -name prime256v1 -genkey -noout -out other.pem && chmod 600 *.pem")
        .ended(0);
    let issue = ["spec", "issue", "r.yaml", "-o", "token", "--published", "jwks.json"];
    for (published, message) in
        [("theirs=key.pem", "only 'theirs'"), ("mine=other.pem", "the published key 'mine' is another key")]
    {
        directory.sh(&format!("cc-jwt jwks -q {published} > jwks.json")).ended(0);
        let run = directory.run("cc-jwt", &issue).ended(65);
        assert!(run.stderr.contains(message) && run.stdout.is_empty(), "{}", run.stderr);
        assert!(!directory.file("token").exists());
    }
    directory.sh("cc-jwt jwks -q theirs=other.pem mine=key.pem > jwks.json").ended(0);
    directory.run("cc-jwt", &issue).ended(0);
    assert!(directory.file("token").exists());
    // Keys without key IDs are not found by validators either.
    directory.sh("sed s/kid/name/g jwks.json > anonymous.json").ended(0);
    let run =
        directory.run("cc-jwt", &["spec", "issue", "r.yaml", "--published", "anonymous.json"]).ended(65);
    assert!(run.stderr.contains("no published key has the key ID 'mine': validators"), "{}", run.stderr);
    directory.run("cc-jwt", &["spec", "issue", "r.yaml", "--published", "missing.json"]).ended(66);
}

/// A server whose key set can be replaced, and which can be made to fail.
fn key_set_server(content: &Arc<Mutex<Option<String>>>) -> Server {
    let content = Arc::clone(content);
    Server::start(move |_| match content.lock().unwrap().clone() {
        Some(text) => Reply::status(200, "application/json", text).with("Cache-Control", "max-age=3600"),
        None => Reply::status(503, "text/plain", "later".to_owned()),
    })
}

#[test]
fn published_key_set_at_a_url_is_fetched_again_after_a_key_rotation() {
    let directory = with_resource("--kid mine");
    let set = |published: &str| directory.sh(&format!("cc-jwt jwks -q {published}")).ended(0).stdout;
    directory.sh("openssl ecparam -name prime256v1 -genkey -noout -out new.pem && chmod 600 *.pem").ended(0);
    let content = Arc::new(Mutex::new(Some(set("mine=key.pem"))));
    let server = key_set_server(&content);
    let url = format!("{}/jwks.json", server.url());
    let renew = ["renew", "--spec", "r.yaml", "-o", "token", "--published", &url];
    directory.run("cc-jwt", &renew).ended(0);
    let first = directory.read("token");
    assert_eq!(server.seen().len(), 1);
    // The new key signs before it is published: the old token, which validators accept, remains.
    directory.sh("sed -i 's/mine/next/; s/key.pem/new.pem/' r.yaml").ended(0);
    let run = directory.run("cc-jwt", &renew).ended(65);
    assert!(run.stderr.contains("no published key has the key ID 'next', only 'mine'"), "{}", run.stderr);
    assert!(run.stderr.contains("contains the old token"), "{}", run.stderr);
    assert_eq!(directory.read("token"), first);
    assert_eq!(server.seen().len(), 2, "the copy in the cache was fresh, and was fetched again");
    // Published: the copy in the cache is an old one.
    *content.lock().unwrap() = Some(set("next=new.pem mine=key.pem"));
    directory.sh("rm ~/.cache/cc-auth/keys/*.refetched").ended(0);
    directory.run("cc-jwt", &renew).ended(0);
    assert_ne!(directory.read("token"), first);
    assert_eq!(server.seen().len(), 3);
    directory.run("cc-jwt", &["spec", "issue", "r.yaml", "--published", &url]).ended(0);
    let run = directory.run("cc-jwt", &["spec", "check", "r.yaml", "--published", &url]).ended(0);
    assert!(!run.stderr.contains("published"), "{}", run.stderr);
    assert_eq!(server.seen().len(), 3, "the cache has the key");
}

#[test]
fn published_key_set_that_cannot_be_fetched_does_not_stop_the_renewal() {
    let directory = with_resource("--kid mine");
    let content = Arc::new(Mutex::new(None));
    let server = key_set_server(&content);
    let url = format!("{}/jwks.json", server.url());
    let run =
        directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-o", "token", "--published", &url]).ended(0);
    assert!(run.stderr.contains("cannot read the published keys"), "{}", run.stderr);
    assert!(run.stderr.contains("signed without this check"), "{}", run.stderr);
    assert!(directory.file("token").exists());
    // A person who issues one token can wait, and a file on this computer can be corrected.
    let run = directory.run("cc-jwt", &["spec", "issue", "r.yaml", "--published", &url]).ended(69);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    directory
        .run("cc-jwt", &["renew", "--spec", "r.yaml", "-o", "token", "--force", "--published", "none.json"])
        .ended(66);
}

#[test]
fn watched_token_is_renewed_when_its_new_key_is_published() {
    let directory = with_resource("--kid mine");
    directory.sh("openssl ecparam -name prime256v1 -genkey -noout -out new.pem && chmod 600 *.pem").ended(0);
    let publish =
        |keys: &str| directory.sh(&format!("cc-jwt jwks -q {keys} > next.json && mv next.json jwks.json"));
    publish("mine=key.pem").ended(0);
    let watch = Watch::start(&directory, &["-o", "token", "--published", "jwks.json"], &[]);
    watch.event("renewed");
    let first = directory.read("token");
    directory.sh("sed -i 's/mine/next/; s/key.pem/new.pem/' r.yaml").ended(0);
    let failed = watch.event("failed");
    assert_eq!(failed["kind"], "key-not-published");
    assert!(failed["expires_at"].is_string() && failed["next_attempt_at"].is_string(), "{failed}");
    assert_eq!(directory.read("token"), first, "validators accept the old token");
    publish("next=new.pem mine=key.pem").ended(0);
    watch.event("renewed");
    assert_ne!(directory.read("token"), first);
    assert_eq!(watch.end("TERM"), Some(0));
}
