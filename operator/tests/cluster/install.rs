//! The manifests as an administrator applies them.

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, path};

pub const TESTS: &[Test] = &[
    ("install::kustomize_installs_and_updates", kustomize),
    ("install::helm_installs_upgrades_and_leaves_the_definition", helm),
    ("install::pod_satisfies_the_restricted_policy", pod_security),
    ("install::printed_manifests_install_for_several_namespaces", printed_manifests),
    ("install::printed_manifests_of_each_option_are_accepted", printed_options),
    ("install::invalid_arguments_print_one_line_and_a_hint", invalid_arguments),
];
pub const OWN_SERVER: &[(&str, fn())] = &[
    ("install::printed_manifests_install_for_all_namespaces", all_namespaces),
    ("install::wrong_scope_of_the_definition_is_named", wrong_scope),
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
    // An older definition, without a column: the upgrade of the chart brings the new one.
    let url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/jwts.tokens.osg-htc.org";
    let columns = || {
        let definition = server.request("GET", url, None).unwrap();
        definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().len()
    };
    let all = columns();
    let mut versions = server.request("GET", url, None).unwrap()["spec"]["versions"].clone();
    versions[0]["additionalPrinterColumns"].as_array_mut().unwrap().pop();
    server.request("PATCH", url, Some(&json!({"spec": {"versions": versions}}))).unwrap();
    assert_eq!(columns(), all - 1);
    run(&[
        "upgrade",
        "cc-jwt-operator",
        &chart,
        "--take-ownership",
        "--set",
        "extraArgs={--per-resource-metrics}",
        "--set",
        "leaderElection=true",
    ]);
    let lease_role = space.get("roles", "cc-jwt-operator-leases").unwrap();
    assert_eq!(lease_role["rules"][0]["verbs"], json!(["get", "create", "patch"]));
    let binding = space.get("rolebindings", "cc-jwt-operator-leases").unwrap();
    assert_eq!(binding["subjects"][0]["name"], "cc-jwt-operator");
    assert_eq!(columns(), all, "the definition is upgraded");
    let deployment =
        server.kubectl(&["-n", &space.name, "get", "deployment", "cc-jwt-operator", "-o", "json"]);
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        json!(["--listen", "0.0.0.0:8080", "--per-resource-metrics", "--leader-election"])
    );
    assert_eq!(deployment["spec"]["replicas"], 2);
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

/// A namespace without the rights that each test's namespace has.
fn without_rights<'a>(server: &'a Server, test: &str) -> Space<'a> {
    let space = Space::new(server, test);
    for object in ["rolebinding", "role", "serviceaccount"] {
        server.kubectl(&["-n", &space.name, "delete", object, "cc-jwt-operator"]);
    }
    space
}

/// The arguments and variables of the installed container are those with which the operator starts here.
fn start_as_installed(space: &Space<'_>) -> Value {
    let text =
        space.server.kubectl(&["-n", &space.name, "get", "deployment", "cc-jwt-operator", "-o", "json"]);
    let deployment: Value = serde_json::from_str(&text).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    // The port of the pod is its own; here several tests run at the same time.
    let free = |argument| if argument == "0.0.0.0:8080" { "127.0.0.1:0" } else { argument };
    let arguments: Vec<&str> =
        container["args"].as_array().unwrap().iter().filter_map(Value::as_str).map(free).collect();
    let mut command = space.command(&arguments);
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = variable["value"].as_str().unwrap_or(&space.name);
        command.env(variable["name"].as_str().unwrap(), value);
    }
    space.start_command(command);
    container.clone()
}

fn printed_manifests(server: &Server) {
    let (space, first, second) = (
        without_rights(server, "printed"),
        without_rights(server, "named-first"),
        without_rights(server, "named-second"),
    );
    let names = format!("{},{}", first.name, second.name);
    space.apply_manifests(&["--watch-namespaces", &names, "--image", "registry.example.org/operator:7"]);
    let container = start_as_installed(&space);
    assert_eq!(container["image"], "registry.example.org/operator:7");
    for watched in [&first, &second] {
        watched.create_jwt("a", &json!({}));
        watched.wait_ready("a");
    }
    space.create_jwt("a", &json!({}));
    space.settle();
    assert!(space.token("a").is_none(), "the operator's own namespace was not named");
    assert!(!space.log().contains("right-missing"), "{}", space.log());
    // The same objects again, with another image: an update.
    space.apply_manifests(&["--watch-namespaces", &names]);
    let text = server.kubectl(&["-n", &space.name, "get", "deployment", "cc-jwt-operator", "-o", "json"]);
    assert!(text.contains(concat!("cc-jwt-operator:", env!("CARGO_PKG_VERSION"))));
}

fn invalid_arguments(server: &Server) {
    let space = Space::new(server, "arguments");
    for (arguments, message) in [
        (&["manifests"][..], "missing argument: --namespace"),
        (
            &["manifests", "--namespace", "Science"],
            "invalid value 'Science' for --namespace: expected up to 63",
        ),
        (&["manifests", "--namespace", "a", "--image", "a b"], "--image: expected an image"),
        (
            &["manifests", "--namespace", "a", "--watch-namespaces", "a,,b"],
            "--watch-namespaces: expected up to 63",
        ),
        (&["--watch-all-namespaces", "--watch-namespaces", "a"], "--watch-namespaces"),
        (&["--listen", "here"], "invalid value 'here' for --listen: expected an IP address and a port"),
        (&["--watch-namespace", "a"], "--watch-namespaces"),
        (&["manifest"], "manifests"),
        (&["adopt"], "--save"),
    ] {
        let output = space.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty() && text.contains(message), "{arguments:?}: {text}");
        let is_line = |line: &str| line.starts_with("cc-jwt-operator: ") || line.starts_with("hint: ");
        assert!(text.lines().count() <= 2 && text.lines().all(is_line), "{arguments:?}: {text}");
    }
}

fn printed_options(server: &Server) {
    let space = Space::new(server, "options");
    for options in [
        &["--leader-election"][..],
        &["--no-watch-secrets", "--per-resource-metrics"],
        &["--watch-namespaces", "a,b"],
    ] {
        let file = space.manifests(options);
        let dry_run = ["apply", "--validate=strict", "-f", &file];
        // Namespaces that do not exist cannot be tried on the server.
        let mode = if options.contains(&"a,b") { "--dry-run=client" } else { "--dry-run=server" };
        server.kubectl(&[&dry_run[..], &[mode]].concat());
    }
}

fn all_namespaces() {
    let server = Server::own();
    let (space, first) = (without_rights(&server, "everywhere"), without_rights(&server, "first"));
    space.apply_manifests(&["--watch-all-namespaces"]);
    let container = start_as_installed(&space);
    assert_eq!(container["env"], Value::Null);
    let later = without_rights(&server, "later");
    for watched in [&space, &first, &later] {
        watched.create_jwt("a", &json!({}));
        watched.wait_ready("a");
        watched.wait("an Event", || (watched.event_reasons("a") == ["Signed"]).then_some(()));
    }
    // Each resource uses the key of its own namespace.
    let key = json!({"key": {"secret": {"name": "signing-key", "key": "tls.key", "namespace": first.name}}});
    later.create_jwt("b", &key);
    later.wait_condition("b", "Ready", "False", "KeyNamespaceForbidden");
    for watched in [&first, &later] {
        watched.delete("secrets", "a");
        watched.wait_token("a");
    }
    assert!(!space.log().contains("right-missing"), "{}", space.log());
    let account = format!("system:serviceaccount:{}:cc-jwt-operator", space.name);
    for verb in ["delete", "update"] {
        let output = server.try_kubectl(&["auth", "can-i", "--as", &account, "-A", verb, "secrets"]);
        assert_ne!(String::from_utf8_lossy(&output.stdout).trim(), "yes", "{verb}");
    }
    assert_eq!(space.terminate(), Some(0));
    // With rights in its own namespace only, the missing ones are named.
    server.kubectl(&["delete", "clusterrolebinding", &format!("{}-cc-jwt-operator", space.name)]);
    space.start(&["--watch-all-namespaces"]);
    space.wait("the rights to add", || {
        (space.log().contains("right-missing") && space.log().contains("all namespaces:")).then_some(())
    });
}

/// The chart of another operator installs the definition with cluster scope; without a definition nothing works.
fn wrong_scope() {
    let server = Server::own();
    let space = Space::new(&server, "scope");
    server.kubectl(&["delete", "crd", "jwts.tokens.osg-htc.org"]);
    space.start(&[]);
    space.wait("the missing definition", || {
        space.log().contains("cc-jwt-operator crd | kubectl apply --server-side -f -").then_some(())
    });
    space.kill();
    let definition = std::fs::read_to_string(path("manifests/crd.yaml")).unwrap();
    let cluster = space.file("crd.yaml", &definition.replace("scope: Namespaced", "scope: Cluster"));
    server.kubectl(&["apply", "--server-side", "-f", &cluster]);
    server.kubectl(&["wait", "--for=condition=Established", "crd/jwts.tokens.osg-htc.org", "--timeout=20s"]);
    space.start(&[]);
    space.wait("the wrong scope", || {
        let log = space.log();
        (log.contains("definition-scope") && log.contains("cc-jwt-operator adopt")).then_some(())
    });
}
