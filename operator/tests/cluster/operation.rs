//! Rights, one pass, dry run, probes, metrics, logs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{KEY, Server, Space, Test, jwt};

pub const TESTS: &[Test] = &[
    ("operation::role_is_sufficient_and_ends_at_the_namespace", role),
    ("operation::missing_right_is_named", missing_right),
    ("operation::revoked_and_restored_role_recovers", revoked),
    ("operation::once_reports_by_exit_status", once),
    ("operation::dry_run_writes_nothing", dry_run),
    ("operation::named_namespaces_only", namespaces),
    ("operation::without_watch_of_secrets", without_watch),
    ("operation::probes_and_metrics", probes),
    ("operation::no_secret_in_log_events_status_and_metrics", secrets),
    ("operation::namespace_that_is_being_deleted", closing_namespace),
    ("operation::events_of_a_long_name", long_name),
];

/// The text that is used as a claim, to be looked for where it must not be.
const CLAIM: &str = "claim-4711-not-to-be-shown";

fn role(server: &Server) {
    let space = Space::with_operator(server, "role");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    space.wait("an Event", || (!space.events("a").is_empty()).then_some(()));
    assert!(!space.log().contains("right-missing"), "{}", space.log());
    let account = format!("system:serviceaccount:{}:cc-jwt-operator", space.name);
    let can = |arguments: &[&str]| {
        let output = server.try_kubectl(&[&["auth", "can-i", "--as", &account], arguments].concat());
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    assert!(can(&["-n", &space.name, "create", "secrets"]));
    for verb in ["delete", "update"] {
        for kind in ["secrets", "jwts.tokens.osg-htc.org", "configmaps"] {
            assert!(!can(&["-n", &space.name, verb, kind]), "{verb} {kind}");
        }
    }
    assert!(!can(&["-n", &space.name, "patch", "jwts.tokens.osg-htc.org"]));
    assert!(!can(&["-n", "default", "list", "secrets"]));
    assert!(!can(&["list", "secrets", "--all-namespaces"]));
}

fn missing_right(server: &Server) {
    let space = Space::new(server, "right");
    let mut role = space.get("roles", "cc-jwt-operator").unwrap();
    let rules = role["rules"].as_array_mut().unwrap();
    for rule in rules {
        if rule["resources"][0] == "secrets" {
            rule["verbs"] = json!(["get", "list", "watch", "patch"]);
        }
    }
    space.patch("roles", "cc-jwt-operator", &json!({"rules": role["rules"]}));
    space.start(&[]);
    space.create_jwt("a", &json!({}));
    space.wait_condition("a", "Ready", "False", "Forbidden");
    space.wait("the rule to add", || {
        space.log().contains(r#"resources: [secrets], verbs: [create]"#).then_some(())
    });
}

fn revoked(server: &Server) {
    let space = Space::with_operator(server, "revoked");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let binding = space.get("rolebindings", "cc-jwt-operator").unwrap();
    space.delete("rolebindings", "cc-jwt-operator");
    space.wait("the right is gone", || {
        let account = format!("--as=system:serviceaccount:{}:cc-jwt-operator", space.name);
        let output = server.try_kubectl(&["-n", &space.name, "auth", "can-i", "get", "secrets", &account]);
        (!output.status.success()).then_some(())
    });
    space.create_jwt("b", &json!({}));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(space.token("b").is_none());
    let body = json!({
        "apiVersion": binding["apiVersion"], "kind": binding["kind"],
        "metadata": {"name": "cc-jwt-operator"}, "roleRef": binding["roleRef"], "subjects": binding["subjects"],
    });
    space.create("rolebindings", &body);
    space.wait_ready("b");
}

fn once(server: &Server) {
    let space = Space::new(server, "once");
    space.create_jwt("a", &json!({}));
    assert_eq!(space.command(&["--once"]).output().unwrap().status.code(), Some(0));
    let token = space.token("a").unwrap();
    assert_eq!(space.condition("a", "Ready").unwrap().0, "True");
    assert_eq!(space.command(&["--once"]).output().unwrap().status.code(), Some(0));
    assert_eq!(space.token("a").unwrap(), token);
    space.create_jwt("b", &json!({"key": {"secret": {"name": "absent", "key": "x"}}}));
    let output = space.command(&["--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 resources, 1 without a valid token"));
}

fn dry_run(server: &Server) {
    let space = Space::new(server, "dry-run");
    space.create_jwt("a", &json!({}));
    space.create_jwt("b", &json!({"key": {"secret": {"name": "absent", "key": "x"}}}));
    let before = space.settle();
    let output = space.command(&["--dry-run"]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("would write the Secret") && log.contains("KeyNotFound"), "{log}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(space.settle(), before);
}

fn namespaces(server: &Server) {
    let (first, second, other) =
        (Space::new(server, "one"), Space::new(server, "two"), Space::new(server, "three"));
    // The account of the first gets the rights in the second.
    let subject = json!([{"kind": "ServiceAccount", "name": "cc-jwt-operator", "namespace": first.name}]);
    second.patch("rolebindings", "cc-jwt-operator", &json!({"subjects": subject}));
    let names = format!("{},{}", first.name, second.name);
    first.start(&["--watch-namespaces", &names]);
    for space in [&first, &second, &other] {
        space.create_jwt("a", &json!({}));
    }
    first.wait_ready("a");
    second.wait_ready("a");
    assert!(other.token("a").is_none());
}

fn without_watch(server: &Server) {
    let space = Space::new(server, "no-watch");
    let rules = json!([
        {"apiGroups": ["tokens.osg-htc.org"], "resources": ["jwts"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["tokens.osg-htc.org"], "resources": ["jwts/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
    ]);
    space.patch("roles", "cc-jwt-operator", &json!({"rules": rules}));
    space.start(&["--no-watch-secrets"]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    assert!(
        !space.log().contains("watch-error") && !space.log().contains("right-missing"),
        "{}",
        space.log()
    );
}

/// A response of the operator's port: status line and body.
pub fn ask(space: &Space<'_>, path: &str) -> (String, String) {
    let address = space.wait("the port", || {
        let log = space.log();
        let line = log.lines().find(|line| line.contains("\"listening\""))?;
        Some(serde_json::from_str::<Value>(line).ok()?["message"].as_str()?.to_owned())
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn probes(server: &Server) {
    let space = Space::new(server, "probes");
    space.start(&["--listen", "127.0.0.1:0", "--per-resource-metrics"]);
    space.create_jwt("a", &json!({}));
    space.create_jwt("b", &json!({"key": {"secret": {"name": "absent", "key": "x"}}}));
    space.wait_ready("a");
    space.wait_condition("b", "Ready", "False", "KeyNotFound");
    let has = |line: &str| {
        let line = line.to_owned();
        space.wait(&format!("the metric {line}"), || {
            ask(&space, "/metrics").1.lines().any(|found| found == line).then_some(())
        });
    };
    for path in ["/readyz", "/livez"] {
        assert_eq!(ask(&space, path).0, "HTTP/1.1 200 OK");
    }
    assert_eq!(ask(&space, "/other").0, "HTTP/1.1 404 Not Found");
    has("cc_jwt_operator_resources{ready=\"true\"} 1");
    has("cc_jwt_operator_resources{ready=\"false\"} 1");
    has("cc_jwt_operator_signatures_total{result=\"success\"} 1");
    has(&format!("cc_jwt_operator_ready{{namespace=\"{}\",name=\"a\"}} 1", space.name));
    let page = ask(&space, "/metrics").1;
    for name in [
        "next_expiry_timestamp_seconds",
        "last_watch_event_timestamp_seconds{resource=\"secrets\"}",
        "reconciliation_duration_seconds_count",
    ] {
        assert!(page.contains(&format!("cc_jwt_operator_{name} ")), "{name}: {page}");
    }
    space.delete("jwts", "a");
    space.wait("the series goes with the resource", || {
        (!ask(&space, "/metrics").1.contains("name=\"a\"")).then_some(())
    });
}

fn secrets(server: &Server) {
    let space = Space::new(server, "secrets");
    space.start(&["--listen", "127.0.0.1:0", "--per-resource-metrics"]);
    space.create_jwt(
        "a",
        &json!({"data": {"sub": CLAIM, "scope": "storage.write:/", "ver": "scitokens:2.0"}}),
    );
    space.create_jwt("value", &json!({"key": {"value": KEY}, "data": {"sub": CLAIM}}));
    let bad = KEY.replacen("MIG", "MIX", 1);
    space.create_jwt("bad", &json!({"key": {"value": bad}, "data": {"sub": CLAIM}}));
    let token = space.wait_token("a");
    space.wait_ready("value");
    space.wait_condition("bad", "Ready", "False", "KeyInvalid");
    space.settle();
    let mut shown = space.log() + &ask(&space, "/metrics").1;
    for name in ["a", "value", "bad"] {
        shown += &format!("{:?}{}", space.events(name), space.get("jwts", name).unwrap()["status"]);
    }
    let signature = token.rsplit('.').next().unwrap();
    let key_line = KEY.lines().nth(1).unwrap();
    for secret in [signature, key_line, &key_line[8..40], CLAIM] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

fn closing_namespace(server: &Server) {
    let space = Space::with_operator(server, "closing");
    let other = Space::with_operator(server, "open");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    // A finalizer of another program holds the resource while the namespace is being deleted.
    space.patch("jwts", "a", &json!({"metadata": {"finalizers": ["example.com/hold"]}}));
    server.request("DELETE", &format!("/api/v1/namespaces/{}", space.name), None).unwrap();
    space.wait("the Secret is gone", || space.get("secrets", "a").is_none().then_some(()));
    std::thread::sleep(std::time::Duration::from_secs(2));
    other.create_jwt("a", &json!({}));
    other.wait_ready("a");
    assert!(space.log().lines().count() < 20, "{}", space.log());
    space.patch("jwts", "a", &json!({"metadata": {"finalizers": null}}));
}

fn long_name(server: &Server) {
    let space = Space::with_operator(server, "long");
    let name = format!("a{}", ".b".repeat(125));
    space.create("jwts", &jwt(&name, &json!({})));
    space.wait_ready(&name);
    space.wait("an Event", || (space.event_reasons(&name) == ["Signed"]).then_some(()));
}

/// How many reconciliations the operator counted.
pub fn reconciliations(space: &Space<'_>) -> u64 {
    let page = ask(space, "/metrics").1;
    let prefix = "cc_jwt_operator_reconciliation_duration_seconds_count ";
    page.lines().find_map(|line| line.strip_prefix(prefix)).unwrap().parse().unwrap()
}
