//! From another operator: finalizers that nothing removes, and the cluster-scoped definition. Each test has its
//! own server.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Server, Space, jwt};
use crate::proxy::{Held, Proxy};

pub const TESTS: &[(&str, fn())] = &[
    ("migration::finalizer_of_another_operator_is_removed", finalizer),
    ("migration::cluster_scoped_resources_move_with_their_tokens", cluster_scoped),
    ("migration::resources_that_change_meanwhile_are_not_deleted", changed_meanwhile),
];

/// The command as the administrator.
fn adopt(space: &Space<'_>, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = space.command(&["adopt"]);
    command.args(arguments).env("KUBECONFIG", space.server.admin_kubeconfig());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// What the framework of the other operator leaves.
fn with_remains(mut jwt: Value) -> Value {
    jwt["metadata"]["finalizers"] = json!(["kopf.zalando.org/KopfFinalizerMarker", "example.com/other"]);
    jwt["metadata"]["annotations"] =
        json!({"kopf.zalando.org/last-handled-configuration": "{}", "note": "x"});
    jwt
}

fn finalizer() {
    let server = Server::own();
    let space = Space::new(&server, "finalizer");
    space.create("jwts", &with_remains(jwt("a", &json!({}))));
    let before = space.get("jwts", "a");
    let (status, log) = adopt(&space, &["--dry-run"]);
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("would remove finalizer"), "{log}");
    assert_eq!(space.get("jwts", "a"), before);
    let save = space.file("saved.json", "");
    assert_eq!(adopt(&space, &["--save", &save]).0, Some(2), "an existing file is not overwritten");
    let save = format!("{save}.new");
    let (status, log) = adopt(&space, &["--save", &save]);
    assert_eq!(status, Some(0), "{log}");
    let metadata = space.get("jwts", "a").unwrap()["metadata"].clone();
    assert_eq!(metadata["finalizers"], json!(["example.com/other"]));
    assert_eq!(metadata["annotations"], json!({"note": "x"}));
}

const URL: &str = "/apis/tokens.osg-htc.org/v1/jwts";

/// Between the moment at which they are saved and the deletion of the definition.
fn changed_meanwhile() {
    let server = Server::cluster_scoped();
    let space = Space::new(&server, "meanwhile");
    let create = |jwt: &Value| server.request("POST", URL, Some(jwt));
    let only_foreign = |name: &str| {
        let mut jwt = with_remains(jwt(name, &json!({})));
        jwt["metadata"]["finalizers"] = json!(["kopf.zalando.org/KopfFinalizerMarker"]);
        jwt
    };
    space.wait("the definition is served", || create(&only_foreign("a")).ok().map(drop));
    for name in ["b", "c"] {
        create(&jwt(name, &json!({}))).unwrap();
    }
    let (proxy, kubeconfig) = Proxy::of_administrator(&space);
    let gate = proxy.gate(Held::Request, "PATCH", "/jwts/a");
    let save = format!("{}.new", space.file("saved.json", ""));
    let mut command = space.command(&["adopt", "--namespace", &space.name, "--save", &save]);
    let adopt = command.env("KUBECONFIG", kubeconfig).stderr(Stdio::piped()).spawn().unwrap();
    gate.wait();
    create(&jwt("late", &json!({}))).unwrap();
    server.request("PATCH", &format!("{URL}/b"), Some(&json!({"spec": {"keyId": "key-2"}}))).unwrap();
    server.request("DELETE", &format!("{URL}/c"), None).unwrap();
    gate.open();
    let output = adopt.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("resources changed while the command ran: b, late, c: run it again"), "{log}");
    for name in ["a", "b", "late"] {
        assert!(server.request("GET", &format!("{URL}/{name}"), None).is_ok(), "{name}");
    }
    let again = format!("{save}.again");
    let (status, log) = self::adopt(&space, &["--namespace", &space.name, "--save", &again]);
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(space.get("jwts", "b").unwrap()["spec"]["keyId"], "key-2");
    assert_eq!(space.list("jwts").len(), 3);
}

fn cluster_scoped() {
    let server = Server::cluster_scoped();
    let space = Space::new(&server, "scoped");
    let url = URL;
    let key = json!({"key": {"secret": {"name": "signing-key", "key": "tls.key", "namespace": space.name}}});
    space.wait("the definition is served", || {
        server.request("POST", url, Some(&with_remains(jwt("by-key", &key)))).ok().map(drop)
    });
    let owner = server.request("POST", url, Some(&with_remains(jwt("by-secret", &json!({}))))).unwrap();
    space.create(
        "secrets",
        &json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "by-secret", "ownerReferences": [{
                "apiVersion": "tokens.osg-htc.org/v1", "kind": "JWT", "name": "by-secret", "controller": true,
                "uid": owner["metadata"]["uid"],
            }]},
            "data": {"token": "b2xk"},
        }),
    );
    server.request("POST", url, Some(&jwt("nowhere", &json!({})))).unwrap();

    let (status, log) = adopt(&space, &["--dry-run"]);
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("nowhere: give --namespace"), "{log}");
    let (status, log) = adopt(&space, &["--dry-run", "--namespace", &space.name]);
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("finalizers of other programs hold: by-key, by-secret"), "{log}");
    for name in ["by-key", "by-secret"] {
        let finalizers = json!({"metadata": {"finalizers": ["kopf.zalando.org/KopfFinalizerMarker"]}});
        server.request("PATCH", &format!("{url}/{name}"), Some(&finalizers)).unwrap();
    }
    let (status, log) = adopt(&space, &["--dry-run", "--namespace", &space.name]);
    assert_eq!(status, Some(0), "{log}");
    assert!(server.request("GET", &format!("{url}/by-key"), None).is_ok());

    let save = format!("{}.new", space.file("saved.json", ""));
    let (status, log) = adopt(&space, &["--namespace", &space.name, "--save", &save]);
    assert_eq!(status, Some(0), "{log}");
    let saved: Value = serde_json::from_slice(&std::fs::read(&save).unwrap()).unwrap();
    assert_eq!(saved["items"].as_array().unwrap().len(), 3);
    assert_eq!(space.token("by-secret").as_deref(), Some("old"), "the Secret was kept");
    space.start(&[]);
    for name in ["by-key", "by-secret", "nowhere"] {
        space.wait_ready(name);
    }
    let metadata = space.get("jwts", "by-secret").unwrap()["metadata"].clone();
    assert_eq!((&metadata["finalizers"], &metadata["annotations"]), (&Value::Null, &json!({"note": "x"})));
    // For some seconds the garbage collector can look for owners by the former scope and delete an adopted Secret,
    // which the operator then writes again.
    space.wait("the operator adopted it", || (space.token("by-secret")?.len() > 100).then_some(()));
}
