//! Leader election: several replicas, of which one works.

use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, claims, clock_variables};
use crate::proxy::{Held, Proxy};

pub const TESTS: &[Test] = &[
    ("election::second_replica_takes_over", second_replica),
    ("election::clocks_of_replicas_may_differ", clock_skew),
    ("election::paused_leader_ends_when_it_continues", paused_leader),
    ("election::late_writes_of_a_former_leader_do_not_last", late_writes),
    ("election::lost_namespace_does_not_end_the_leader", lost_namespace),
    ("election::lost_own_namespace_ends_the_leader", lost_own_namespace),
    ("election::missing_right_for_the_lease_is_named", missing_right),
];

/// A Lease is taken over after 15 seconds, and looked at every 2 seconds.
const TAKEOVER: Duration = Duration::from_secs(40);

/// A namespace whose account has the rights of the manifests for leader election.
fn space<'a>(server: &'a Server, test: &str) -> Space<'a> {
    let space = Space::new(server, test);
    space.apply_manifests(&["--leader-election"]);
    space
}

/// A further replica with its own log. It is killed at the end.
struct Replica<'a> {
    space: &'a Space<'a>,
    log: String,
    child: Child,
}

impl<'a> Replica<'a> {
    fn start(space: &'a Space<'a>, name: &str, clock: Option<&str>) -> Self {
        let mut command = space.command(&["--leader-election"]);
        if let Some(clock) = clock {
            command.envs(clock_variables(clock));
        }
        Self::start_command(space, name, command)
    }

    fn start_command(space: &'a Space<'a>, name: &str, mut command: Command) -> Self {
        let log = space.file(name, "");
        let child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        Self { space, log, child }
    }

    fn leads(&self) -> bool {
        std::fs::read_to_string(&self.log).unwrap().contains("\"leader\"")
    }

    fn wait_leads(&self) {
        self.space.wait_for(TAKEOVER, "the replica leads", || self.leads().then_some(()));
    }

    fn wait_waits(&self) {
        self.space.wait("the replica is started", || {
            std::fs::read_to_string(&self.log).unwrap().contains("\"started\"").then_some(())
        });
    }
}

impl Drop for Replica<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn second_replica(server: &Server) {
    let space = space(server, "leader");
    space.start(&["--leader-election"]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let second = Replica::start(&space, "second.log", None);
    std::thread::sleep(Duration::from_secs(4));
    assert!(!second.leads(), "two leaders");
    // A leader that stops gives the Lease back; one that is killed is replaced when it expires.
    assert_eq!(space.terminate(), Some(0));
    space.wait("the second replica leads", || second.leads().then_some(()));
    space.create_jwt("b", &json!({}));
    space.wait_ready("b");
    space.start(&["--leader-election"]);
    std::thread::sleep(Duration::from_secs(1));
    drop(second);
    space.create_jwt("c", &json!({}));
    space.wait_for(TAKEOVER, "the third replica leads", || {
        (space.condition("c", "Ready")?.0 == "True").then_some(())
    });
}

/// Whether a Lease expired is measured from the last change of it, not by the times in it.
fn clock_skew(server: &Server) {
    let space = space(server, "skew");
    space.start(&["--leader-election"]);
    space.wait("a leader", || space.log().contains("\"leader\"").then_some(()));
    let ahead = Replica::start(&space, "ahead.log", Some("+1h"));
    let behind = Replica::start(&space, "behind.log", Some("-1h"));
    ahead.wait_waits();
    behind.wait_waits();
    // Longer than a Lease lasts.
    std::thread::sleep(Duration::from_secs(20));
    assert!(!ahead.leads() && !behind.leads(), "the holder renews its Lease");
    assert!(space.runs(), "{}", space.log());
    space.kill();
    space.wait_for(TAKEOVER, "another replica leads", || (ahead.leads() || behind.leads()).then_some(()));
    // The new leader's times of renewal are an hour off: the other replica waits all the same.
    std::thread::sleep(Duration::from_secs(20));
    assert!(ahead.leads() != behind.leads(), "two leaders");
}

fn paused_leader(server: &Server) {
    let space = space(server, "paused");
    space.start(&["--leader-election"]);
    space.wait("a leader", || space.log().contains("\"leader\"").then_some(()));
    let second = Replica::start(&space, "second.log", None);
    second.wait_waits();
    let signal = |name: &str| {
        let id = space.process().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    signal("-STOP");
    second.wait_leads();
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    signal("-CONT");
    assert_eq!(space.wait_end(Duration::from_secs(15)), Some(2));
    assert!(space.log().contains("leader-lost"), "{}", space.log());
    let holder = space.get("leases", "cc-jwt-operator").unwrap()["spec"]["holderIdentity"].clone();
    std::thread::sleep(Duration::from_secs(3));
    let lease = space.get("leases", "cc-jwt-operator").unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], holder, "the Lease of the new leader was not touched");
}

/// Requests that the former leader sent arrive when another replica has changed the same objects.
fn late_writes(server: &Server) {
    let space = space(server, "late");
    let mut direct = space.command(&["--leader-election"]);
    direct.env("KUBECONFIG", space.file("direct", &std::fs::read_to_string(space.kubeconfig()).unwrap()));
    let proxy = Proxy::of(&space);
    space.start(&["--leader-election"]);
    for name in ["a", "b"] {
        space.create_jwt(name, &json!({}));
        space.wait_ready(name);
    }
    let secret = proxy.gate(Held::Request, "PATCH", "/secrets/a");
    let status = proxy.gate(Held::Request, "PATCH", "/jwts/b/status");
    for name in ["a", "b"] {
        space.patch("jwts", name, &json!({"spec": {"data": {"sub": "joe"}}}));
    }
    secret.wait();
    status.wait();
    let id = space.process().to_string();
    assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    let second = Replica::start_command(&space, "second.log", direct);
    for name in ["a", "b"] {
        space.patch("jwts", name, &json!({"spec": {"data": {"sub": "ann"}}}));
    }
    let reports = |name: &str| {
        let token = claims(&space.token(name)?);
        let status = &space.get("jwts", name)?["status"];
        (token["sub"] == "ann" && status["tokenId"] == token["jti"] && status["observedGeneration"] == 3)
            .then_some(())
    };
    second.wait_leads();
    ["a", "b"].into_iter().for_each(|name| space.wait("the new leader's token", || reports(name)));
    let token = space.token("a");
    let version = || space.get("jwts", "b").unwrap()["metadata"]["resourceVersion"].clone();
    let before = version();
    secret.open();
    status.open();
    space.wait("the late status", || (version() != before).then_some(()));
    ["a", "b"].into_iter().for_each(|name| space.wait("it is corrected", || reports(name)));
    assert_eq!(space.token("a"), token, "the Secret was not written");
}

fn lost_namespace(server: &Server) {
    let (space, other) = (space(server, "kept"), Space::new(server, "lost"));
    let subject = json!([{"kind": "ServiceAccount", "name": "cc-jwt-operator", "namespace": space.name}]);
    other.patch("rolebindings", "cc-jwt-operator", &json!({"subjects": subject}));
    let names = format!("{},{}", space.name, other.name);
    space.start(&["--leader-election", "--watch-namespaces", &names]);
    other.create_jwt("a", &json!({}));
    other.wait_ready("a");
    let url = format!("/api/v1/namespaces/{}", other.name);
    server.request("DELETE", &url, None).unwrap();
    space.wait_for(Duration::from_secs(60), "the namespace is gone", || {
        server.request("GET", &url, None).is_err().then_some(())
    });
    // Longer than a leader works without a renewed Lease.
    std::thread::sleep(Duration::from_secs(12));
    assert!(space.runs(), "{}", space.log());
    space.create_jwt("b", &json!({}));
    space.wait_ready("b");
    assert_eq!(space.log().matches("\"leader\"").count(), 1, "{}", space.log());
    assert!(space.log().lines().count() < 40, "{}", space.log());
    // The namespace is made again, with the Role.
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.name}});
    server.request("POST", "/api/v1/namespaces", Some(&namespace)).unwrap();
    let again = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "cc-jwt-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cc-jwt-operator"},
        "subjects": subject,
    });
    server.kubectl(&["-n", &other.name, "apply", "-f", &crate::harness::path("manifests/role.yaml")]);
    other.create("rolebindings", &again);
    other.create_secret("signing-key", &[("tls.key", crate::harness::KEY)]);
    other.create_jwt("a", &json!({}));
    other.wait_ready("a");
}

/// The Lease goes with the namespace: the leader cannot renew it and must not work on.
fn lost_own_namespace(server: &Server) {
    let space = space(server, "own");
    space.start(&["--leader-election"]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    server.request("DELETE", &format!("/api/v1/namespaces/{}", space.name), None).unwrap();
    assert_eq!(space.wait_end(TAKEOVER), Some(2));
    assert!(space.log().contains("leader-lost") && space.log().lines().count() < 40, "{}", space.log());
}

fn missing_right(server: &Server) {
    let space = Space::new(server, "lease");
    space.start(&["--leader-election"]);
    space.wait("the rule to add", || {
        let rule =
            r#"apiGroups: [\"coordination.k8s.io\"], resources: [leases], verbs: [get, create, patch]"#;
        space.log().contains(rule).then_some(())
    });
    assert_eq!(space.get("leases", "cc-jwt-operator"), None::<Value>);
}
