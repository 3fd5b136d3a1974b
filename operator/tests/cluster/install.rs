//! The manifests as an administrator applies them.

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, path};

pub const TESTS: &[Test] = &[
    ("install::kustomize_installs_and_updates", kustomize),
    ("install::pod_satisfies_the_restricted_policy", pod_security),
];

fn kustomize(server: &Server) {
    let space = Space::new(server, "kustomize");
    for _ in 0..2 {
        server.kubectl(&["apply", "-n", &space.name, "-k", &path("manifests")]);
    }
    let objects = server.kubectl(&[
        "-n",
        &space.name,
        "get",
        "-o",
        "name",
        "serviceaccount/cc-jwt-operator",
        "role/cc-jwt-operator",
        "rolebinding/cc-jwt-operator",
        "deployment/cc-jwt-operator",
        "networkpolicy/cc-jwt-operator",
    ]);
    assert_eq!(objects.lines().count(), 5, "{objects}");
    let binding = space.get("rolebindings", "cc-jwt-operator").unwrap();
    assert_eq!(binding["subjects"][0]["namespace"], space.name.as_str());
    // The account of these manifests, and nothing else, is enough.
    space.start(&[]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    server.kubectl(&["delete", "-n", &space.name, "-k", &path("manifests")]);
    assert!(space.token("a").is_some(), "tokens outlive the operator");
}

/// The arguments of the deployment are those of the program, and its pod is accepted where the strictest
/// policy is enforced.
fn pod_security(server: &Server) {
    let space = Space::new(server, "restricted");
    let labels = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    server.request("PATCH", &format!("/api/v1/namespaces/{}", space.name), Some(&labels)).unwrap();
    let file = path("manifests/deployment.yaml");
    let text = server.kubectl(&["-n", &space.name, "create", "--dry-run=server", "-o", "json", "-f", &file]);
    let deployment: Value = serde_json::from_str(&text).unwrap();
    let pod = |changes: &dyn Fn(&mut Value)| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}});
        pod["spec"] = deployment["spec"]["template"]["spec"].clone();
        changes(&mut pod["spec"]);
        let url = format!("/api/v1/namespaces/{}/pods?dryRun=All&fieldValidation=Strict", space.name);
        server.request("POST", &url, Some(&pod))
    };
    pod(&|_| {}).unwrap();
    let weaker = pod(&|spec| spec["containers"][0]["securityContext"] = json!({}));
    assert!(weaker.unwrap_err().1.contains("violates PodSecurity"));

    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
    let output = space.command(&arguments).arg("--once").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
