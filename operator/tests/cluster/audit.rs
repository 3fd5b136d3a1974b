//! The requests that the operator makes, from the audit log of the API server. The test has its own server.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::{KEY, Server, Space};

pub const TESTS: &[(&str, fn())] =
    &[("audit::requests_are_few_and_carry_the_token_in_the_secret_only", requests)];

/// One request: verb, resource, namespace, body.
struct Request {
    verb: String,
    resource: String,
    namespace: String,
    body: String,
}

fn requests() {
    let directory = tempfile::tempdir().unwrap();
    let (policy, log) = (directory.path().join("policy.yaml"), directory.path().join("audit.log"));
    let rule = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Request"}],
    });
    std::fs::write(&policy, rule.to_string()).unwrap();
    let server = Server::start(
        &crate::harness::kubetest().unwrap(),
        &[
            &format!("--audit-policy-file={}", policy.display()),
            &format!("--audit-log-path={}", log.display()),
        ],
    );
    let other = Space::new(&server, "other");
    other.create_jwt("a", &json!({}));
    let space = Space::with_operator(&server, "audit");
    let account = format!("system:serviceaccount:{}:cc-jwt-operator", space.name);
    let made = || -> Vec<Request> {
        let text = std::fs::read_to_string(&log).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = events.filter(|event| event["user"]["username"] == account.as_str());
        let part =
            |event: &Value, name: &str| event["objectRef"][name].as_str().unwrap_or_default().to_owned();
        own.map(|event| Request {
            verb: event["verb"].as_str().unwrap_or_default().to_owned(),
            resource: format!("{}/{}", part(&event, "resource"), part(&event, "subresource")),
            namespace: part(&event, "namespace"),
            body: event["requestObject"].to_string(),
        })
        .collect()
    };
    space.create_jwt("first", &json!({}));
    space.wait_ready("first");
    space.settle();
    let before = made().len();
    space.create_jwt("second", &json!({}));
    space.wait_ready("second");
    space.settle();
    let all = made();
    let count = |verb: &str, resource: &str| {
        all.iter().skip(before).filter(|request| request.verb == verb && request.resource == resource).count()
    };
    assert_eq!(count("create", "secrets/"), 1);
    assert_eq!(count("patch", "jwts/status"), 1);
    assert_eq!(count("create", "events/"), 1);
    assert_eq!(count("patch", "secrets/"), 0);
    // Two for each reconciliation: the Secret and the key.
    assert!(count("get", "secrets/") <= 4, "{} reads", count("get", "secrets/"));
    assert!(all.len() - before <= 7, "{} requests", all.len() - before);

    let idle = made().len();
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(made().len(), idle, "no request of an idle operator");
    let is_review = |request: &Request| request.resource.starts_with("selfsubjectaccessreviews");
    // Discovery of the definition, at the start.
    let is_discovery = |request: &Request| request.verb == "get" && request.resource == "/";
    assert_eq!(made().iter().filter(|request| is_discovery(request)).count(), 1);
    for request in made().iter().filter(|request| !is_review(request) && !is_discovery(request)) {
        assert_eq!(request.namespace, space.name, "{} {}", request.verb, request.resource);
    }
    let token = space.token("second").unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let is_secret = |request: &&Request| request.resource == "secrets/" && request.verb == "create";
    for request in made().iter().filter(|request| !is_secret(request)) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&token);
        for secret in [signature, encoded.as_str(), KEY.lines().nth(1).unwrap()] {
            assert!(!request.body.contains(secret), "{} {}", request.verb, request.resource);
        }
    }
}
