//! Throttling: requests of the operator get 429, by the priority and fairness rules of the API server and by a proxy.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Server, Space, Test};
use crate::proxy::{Mode, Proxy};

pub const TESTS: &[Test] = &[
    ("throttle::rejected_requests_are_repeated_with_pauses", rejected),
    ("throttle::little_capacity_delays_and_loses_nothing", little_capacity),
];

/// The rules for one account. They end with the value.
struct Throttle<'a> {
    server: &'a Server,
    name: String,
}

impl<'a> Throttle<'a> {
    /// Leaves the account a single request at a time.
    fn new(space: &'a Space<'_>) -> Self {
        let throttle = Self { server: space.server, name: format!("throttle-{}", space.name) };
        let group = "flowcontrol.apiserver.k8s.io/v1";
        let level = json!({
            "apiVersion": group, "kind": "PriorityLevelConfiguration", "metadata": {"name": throttle.name},
            "spec": {"type": "Limited", "limited": {
                "nominalConcurrencyShares": 1, "lendablePercent": 0, "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            }},
        });
        let rule = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
        let schema = json!({
            "apiVersion": group, "kind": "FlowSchema", "metadata": {"name": throttle.name},
            "spec": {
                "priorityLevelConfiguration": {"name": throttle.name}, "matchingPrecedence": 10,
                "rules": [{
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "cc-jwt-operator", "namespace": space.name}}],
                    "resourceRules": [rule],
                }],
            },
        });
        for (kind, object) in [("prioritylevelconfigurations", level), ("flowschemas", schema)] {
            let url = format!("/apis/{group}/{kind}");
            throttle.server.request("POST", &url, Some(&object)).unwrap();
        }
        throttle
    }

    /// How many requests the rules rejected.
    fn rejected(&self) -> u64 {
        let page = self.server.kubectl(&["get", "--raw", "/metrics"]);
        let count = |line: &str| line.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok());
        let own = page.lines().filter(|line| {
            line.starts_with("apiserver_flowcontrol_rejected_requests_total")
                && line.contains(&format!("flow_schema=\"{}\"", self.name))
        });
        own.filter_map(count).map(|count| count as u64).sum()
    }
}

impl Drop for Throttle<'_> {
    fn drop(&mut self) {
        for kind in ["flowschemas", "prioritylevelconfigurations"] {
            let url = format!("/apis/flowcontrol.apiserver.k8s.io/v1/{kind}/{}", self.name);
            let _ = self.server.request("DELETE", &url, None);
        }
    }
}

/// Every request gets 429, as the server answers it.
fn rejected(server: &Server) {
    let space = Space::new(server, "throttled");
    let proxy = Proxy::of(&space);
    space.start(&[]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let token = space.token("a").unwrap();
    proxy.set(Mode::TooManyRequests);
    for number in 0..10 {
        space.create_jwt(&format!("r{number}"), &json!({}));
    }
    space.wait("a rejected request", || (proxy.rejected() > 0).then_some(()));
    let (begin, lines) = (proxy.rejected(), space.log().lines().count());
    std::thread::sleep(Duration::from_secs(10));
    assert!(space.token("r9").is_none());
    let (rejected, grown) = (proxy.rejected() - begin, space.log().lines().count() - lines);
    // Three watches, each at most every half second at first and every second later.
    assert!(rejected <= 60, "{rejected} requests in 10 seconds");
    assert!(grown <= 6, "{grown} lines\n{}", space.log());
    assert_eq!(space.token("a").unwrap(), token);
    assert_eq!(space.condition("a", "Ready").unwrap().0, "True", "the token is valid");
    proxy.set(Mode::Forward);
    for name in (0..10).map(|number| format!("r{number}")) {
        space.wait_ready(&name);
        assert_eq!(space.get("jwts", &name).unwrap()["status"]["failedAttempts"], json!(null));
    }
}

fn little_capacity(server: &Server) {
    let space = Space::new(server, "narrow");
    let throttle = Throttle::new(&space);
    let names: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
    names.iter().for_each(|name| drop(space.create_jwt(name, &json!({}))));
    space.start(&[]);
    for name in &names {
        space.wait_for(Duration::from_secs(60), name, || {
            (space.condition(name, "Ready")?.0 == "True").then_some(())
        });
    }
    assert!(throttle.rejected() > 0, "the server had capacity for all: the test shows nothing");
    let tokens: Vec<_> = names.iter().map(|name| space.token(name).unwrap()).collect();
    space.settle();
    for (name, token) in names.iter().zip(tokens) {
        assert_eq!(space.token(name).unwrap(), token, "each resource is signed once");
        assert_eq!(space.condition(name, "Degraded").unwrap().0, "False");
    }
    assert!(space.log().lines().count() < 40 + 40, "{}", space.log());
}
