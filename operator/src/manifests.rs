//! The objects that install the operator: those of `manifests/`, with the namespaces, the image and the options
//! of a site. Pure.

use serde_json::{Value, json};

use crate::MANAGER;
use crate::controller::Namespaces;

const SERVICE_ACCOUNT: &str = include_str!("../manifests/serviceaccount.yaml");
const ROLE: &str = include_str!("../manifests/role.yaml");
const ROLE_BINDING: &str = include_str!("../manifests/rolebinding.yaml");
const LEASES: &str = include_str!("../manifests/leases.yaml");
const DEPLOYMENT: &str = include_str!("../manifests/deployment.yaml");
const NETWORK_POLICY: &str = include_str!("../manifests/networkpolicy.yaml");

/// What is installed.
#[derive(Debug)]
pub struct ManifestRequest<'a> {
    /// The namespace of the operator.
    pub namespace: &'a str,
    /// The image of the container.
    pub image: &'a str,
    /// The namespaces that are watched.
    pub watched: Namespaces,
    /// Whether Secrets and ConfigMaps are watched.
    pub watches_objects: bool,
    /// Whether two replicas run, of which one works.
    pub leader_election: bool,
    /// Whether the metrics name each resource.
    pub per_resource_metrics: bool,
}

/// Writes the objects as YAML documents.
///
/// # Errors
/// The message of the YAML library; the manifests of this program cause none.
pub fn as_yaml(request: &ManifestRequest<'_>) -> Result<String, String> {
    let mut text = format!(
        "# {MANAGER} {}. The definition comes first: {MANAGER} crd | kubectl apply --server-side -f -\n",
        env!("CARGO_PKG_VERSION")
    );
    for object in objects(request)? {
        text.push_str("---\n");
        text.push_str(serde_saphyr::to_string(&object).map_err(|error| error.to_string())?.trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn objects(request: &ManifestRequest<'_>) -> Result<Vec<Value>, String> {
    let mut objects = vec![in_namespace(read(SERVICE_ACCOUNT)?, request.namespace)];
    let (role, binding) = (role(request)?, read(ROLE_BINDING)?);
    match &request.watched {
        Namespaces::All => objects.extend(for_the_cluster(role, binding, request.namespace)),
        Namespaces::Named(names) => {
            for name in names {
                objects.push(in_namespace(role.clone(), name));
                objects.push(in_namespace(with_subject(binding.clone(), request.namespace), name));
            }
        }
    }
    if request.leader_election {
        for object in read_all(LEASES)? {
            objects.push(in_namespace(with_subject(object, request.namespace), request.namespace));
        }
    }
    objects.push(in_namespace(deployment(request)?, request.namespace));
    objects.push(in_namespace(read(NETWORK_POLICY)?, request.namespace));
    Ok(objects)
}

fn read(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn read_all(text: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(text).map_err(|error| error.to_string())
}

fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = namespace.into();
    object
}

/// Names the namespace of the account in a binding: without it, it is the namespace of the binding.
fn with_subject(mut binding: Value, namespace: &str) -> Value {
    for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        subject["namespace"] = namespace.into();
    }
    binding
}

/// The rights, without those for watches that are not made.
fn role(request: &ManifestRequest<'_>) -> Result<Value, String> {
    let mut role = read(ROLE)?;
    for rule in role["rules"].as_array_mut().into_iter().flatten() {
        let is_core = rule["apiGroups"] == json!([""]);
        if let Some(verbs) = rule["verbs"].as_array_mut().filter(|_| is_core && !request.watches_objects) {
            verbs.retain(|verb| *verb != "list" && *verb != "watch");
        }
    }
    Ok(role)
}

/// The same rights in every namespace. The name has the namespace, since there can be several operators.
fn for_the_cluster(mut role: Value, binding: Value, namespace: &str) -> [Value; 2] {
    let name = format!("{namespace}-{MANAGER}");
    role["kind"] = "ClusterRole".into();
    role["metadata"]["name"] = name.as_str().into();
    let mut binding = with_subject(binding, namespace);
    binding["kind"] = "ClusterRoleBinding".into();
    binding["metadata"]["name"] = name.as_str().into();
    binding["roleRef"]["kind"] = "ClusterRole".into();
    binding["roleRef"]["name"] = name.into();
    [role, binding]
}

fn deployment(request: &ManifestRequest<'_>) -> Result<Value, String> {
    let mut deployment = read(DEPLOYMENT)?;
    let spec = &mut deployment["spec"];
    if request.leader_election {
        spec["replicas"] = 2.into();
        spec["strategy"]["type"] = "RollingUpdate".into();
    }
    let container = &mut spec["template"]["spec"]["containers"][0];
    container["image"] = request.image.into();
    let is_own =
        matches!(&request.watched, Namespaces::Named(names) if names.as_slice() == [request.namespace]);
    match &request.watched {
        // The variable has the namespace of the pod.
        Namespaces::Named(_) if is_own => {}
        Namespaces::Named(names) => {
            container["env"] = json!([{"name": "WATCH_NAMESPACES", "value": names.join(",")}]);
        }
        Namespaces::All => {
            if let Some(members) = container.as_object_mut() {
                members.retain(|name, _| name != "env");
            }
        }
    }
    let further = [
        ("--watch-all-namespaces", request.watched == Namespaces::All),
        ("--no-watch-secrets", !request.watches_objects),
        ("--leader-election", request.leader_election),
        ("--per-resource-metrics", request.per_resource_metrics),
    ];
    if let Some(arguments) = container["args"].as_array_mut() {
        arguments.extend(further.into_iter().filter(|(_, given)| *given).map(|(option, _)| option.into()));
    }
    Ok(deployment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ManifestRequest<'static> {
        ManifestRequest {
            namespace: "science",
            image: "registry.example.org/cc-jwt-operator:1.2.3",
            watched: Namespaces::Named(vec!["science".to_owned()]),
            watches_objects: true,
            leader_election: false,
            per_resource_metrics: false,
        }
    }

    fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
        objects.iter().filter(|object| object["kind"] == kind).cloned().collect()
    }

    /// The manifests of a namespace are those of `kubectl apply -k`, in another namespace and with an image.
    #[test]
    fn manifests_of_one_namespace_are_the_files() {
        let objects = objects(&request()).unwrap();
        let files = [SERVICE_ACCOUNT, ROLE, ROLE_BINDING, DEPLOYMENT, NETWORK_POLICY];
        assert_eq!(objects.len(), files.len());
        for (object, file) in objects.into_iter().zip(files) {
            let mut expected = in_namespace(with_subject(read(file).unwrap(), "science"), "science");
            if expected["kind"] == "Deployment" {
                expected["spec"]["template"]["spec"]["containers"][0]["image"] = request().image.into();
            }
            assert_eq!(object, expected);
        }
    }

    /// The pod runs the program of the image as the user of the image, and reaches its port.
    #[test]
    fn image_has_the_user_and_the_port_of_the_deployment() {
        let text = include_str!("../Containerfile");
        let value = |word: &str| {
            let mut found = text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
            let value = found.next().unwrap_or_else(|| panic!("no {word}"));
            assert_eq!(found.next(), None, "{word}");
            value.to_owned()
        };
        assert_eq!(value("FROM"), "scratch");
        assert_eq!(value("ENTRYPOINT"), format!("[\"/{MANAGER}\"]"));
        assert!(text.contains(&format!("COPY {MANAGER} /\n")));
        let deployment = deployment(&request()).unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let context = &pod["securityContext"];
        assert_eq!(value("USER"), format!("{}:{}", context["runAsUser"], context["runAsGroup"]));
        assert_eq!(context["runAsNonRoot"], true);
        let container = &pod["containers"][0];
        assert_eq!(value("EXPOSE"), container["ports"][0]["containerPort"].to_string());
        assert_eq!(container["command"], Value::Null, "the entry point of the image");
        let arguments: Vec<&str> =
            container["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let words = std::iter::once(MANAGER).chain(arguments.iter().copied());
        crate::cli::command().try_get_matches_from(words).unwrap();
        assert!(arguments.iter().any(|word| word.ends_with(&format!(":{}", value("EXPOSE")))));
    }

    #[test]
    fn manifests_and_chart_have_the_version_of_the_program() {
        let container = &read(DEPLOYMENT).unwrap()["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], crate::cli::DEFAULT_IMAGE);
        let chart = read(include_str!("../chart/Chart.yaml")).unwrap();
        for member in ["version", "appVersion"] {
            assert_eq!(chart[member], env!("CARGO_PKG_VERSION"), "{member}");
        }
    }

    #[test]
    fn printed_documents_are_read_as_the_same_objects() {
        let request = ManifestRequest { leader_election: true, watched: Namespaces::All, ..request() };
        let text = as_yaml(&request).unwrap();
        assert_eq!(read_all(&text).unwrap(), objects(&request).unwrap());
        assert!(
            text.starts_with("# cc-jwt-operator ") && text.ends_with('\n') && !text.contains("null"),
            "{text}"
        );
    }

    #[test]
    fn named_namespaces_each_have_a_role_for_the_account_of_the_operator() {
        let watched = Namespaces::Named(vec!["physics".to_owned(), "chemistry".to_owned()]);
        let objects = objects(&ManifestRequest { watched, ..request() }).unwrap();
        let bindings = of_kind(&objects, "RoleBinding");
        assert_eq!(of_kind(&objects, "Role").len(), 2);
        let names: Vec<&Value> = bindings.iter().map(|binding| &binding["metadata"]["namespace"]).collect();
        assert_eq!(names, ["physics", "chemistry"]);
        assert!(bindings.iter().all(|binding| binding["subjects"][0]["namespace"] == "science"));
        let deployment = &of_kind(&objects, "Deployment")[0];
        assert_eq!(deployment["metadata"]["namespace"], "science");
        assert_eq!(
            deployment["spec"]["template"]["spec"]["containers"][0]["env"],
            json!([{"name": "WATCH_NAMESPACES", "value": "physics,chemistry"}])
        );
    }

    #[test]
    fn only_all_namespaces_need_a_cluster_role() {
        assert!(of_kind(&objects(&request()).unwrap(), "ClusterRole").is_empty());
        let objects = objects(&ManifestRequest { watched: Namespaces::All, ..request() }).unwrap();
        assert_eq!(of_kind(&objects, "Role"), [] as [Value; 0]);
        assert_eq!(of_kind(&objects, "ClusterRole")[0]["rules"], read(ROLE).unwrap()["rules"]);
        let binding = &of_kind(&objects, "ClusterRoleBinding")[0];
        assert_eq!(binding["roleRef"]["name"], "science-cc-jwt-operator");
        assert_eq!(binding["subjects"][0]["namespace"], "science");
        let container = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"], Value::Null);
        assert_eq!(container["args"], json!(["--listen", "0.0.0.0:8080", "--watch-all-namespaces"]));
    }

    #[test]
    fn options_have_their_rights_and_arguments() {
        let with = ManifestRequest { leader_election: true, watches_objects: false, ..request() };
        let objects = objects(&with).unwrap();
        let roles = of_kind(&objects, "Role");
        for rule in roles[0]["rules"].as_array().unwrap() {
            let verbs = rule["verbs"].to_string();
            assert_eq!(verbs.contains("watch"), rule["resources"] == json!(["jwts"]), "{rule}");
        }
        assert_eq!(roles[1]["rules"][0]["resources"], json!(["leases"]));
        let deployment = &of_kind(&objects, "Deployment")[0];
        assert_eq!(deployment["spec"]["replicas"], 2);
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        assert!(arguments.ends_with(r#""--no-watch-secrets","--leader-election"]"#), "{arguments}");
    }
}
