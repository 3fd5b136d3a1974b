//! The manifests as an administrator applies them.

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, path};

pub const TESTS: &[Test] = &[
    ("install::kustomize_installs_and_updates", kustomize),
    ("install::helm_installs_upgrades_and_leaves_the_definition", helm),
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
    // The account of these manifests, and nothing else, is enough.
    space.start(&[]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    server.kubectl(&["delete", "-n", &space.name, "-k", &path("manifests")]);
    assert!(space.token("a").is_some(), "tokens outlive the operator");
}

/// Needs `HELM`, which the long form sets.
fn helm(server: &Server) {
    let helm = std::env::var_os("HELM").expect("HELM names the program");
    let space = Space::new(server, "helm");
    for object in ["serviceaccount", "role", "rolebinding"] {
        server.kubectl(&["-n", &space.name, "delete", object, "cc-jwt-operator"]);
    }
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&helm)
            .args(arguments)
            .args(["-n", &space.name])
            .env("KUBECONFIG", server.admin_kubeconfig())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let chart = path("chart");
    // The definition is there already: an administrator applied it.
    run(&["install", "cc-jwt-operator", &chart, "--take-ownership"]);
    let role = space.get("roles", "cc-jwt-operator").unwrap();
    let expected = std::fs::read_to_string(path("manifests/role.yaml")).unwrap();
    assert_eq!(role["rules"].as_array().unwrap().len(), expected.matches("- apiGroups:").count());
    space.start(&[]);
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    run(&[
        "upgrade",
        "cc-jwt-operator",
        &chart,
        "--take-ownership",
        "--set",
        "extraArgs={--per-resource-metrics}",
    ]);
    let deployment =
        server.kubectl(&["-n", &space.name, "get", "deployment", "cc-jwt-operator", "-o", "json"]);
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["--listen", "0.0.0.0:8080", "--per-resource-metrics"]));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    run(&["uninstall", "cc-jwt-operator"]);
    assert!(space.token("a").is_some() && space.get("jwts", "a").is_some(), "resources outlive the chart");
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
