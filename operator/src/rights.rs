//! The rights that the operator needs, and whether it has them.

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::controller::Namespaces;
use crate::log::{self, Level};

/// A rule of the Role: group, resource, verbs.
type Rule = (&'static str, &'static str, &'static [&'static str]);

/// The rules with a watch of Secrets and ConfigMaps, as in `manifests/role.yaml`.
pub const RULES: [Rule; 5] = [
    ("tokens.osg-htc.org", "jwts", &["get", "list", "watch"]),
    ("tokens.osg-htc.org", "jwts/status", &["patch"]),
    ("", "secrets", &["get", "list", "watch", "create", "patch"]),
    ("", "configmaps", &["get", "list", "watch"]),
    ("events.k8s.io", "events", &["create"]),
];
/// The rule for the Lease of leader election, in the operator's own namespace.
const LEASES: Rule = ("coordination.k8s.io", "leases", &["get", "create", "patch"]);

/// Logs each right that is missing. The operator works as far as it can without it.
pub async fn check(client: &Client, namespaces: &Namespaces, watches_objects: bool, leader_election: bool) {
    if leader_election {
        let (group, resource, verbs) = LEASES;
        report_missing(client, Some(client.default_namespace()), group, resource, verbs).await;
    }
    let names: Vec<Option<&str>> = match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Named(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    for namespace in names {
        for (group, resource, verbs) in RULES {
            let is_needed = |verb: &&str| {
                watches_objects
                    || !matches!(resource, "secrets" | "configmaps")
                    || !matches!(*verb, "list" | "watch")
            };
            let needed: Vec<&str> = verbs.iter().copied().filter(is_needed).collect();
            report_missing(client, namespace, group, resource, &needed).await;
        }
    }
}

async fn report_missing(
    client: &Client,
    namespace: Option<&str>,
    group: &str,
    resource: &str,
    verbs: &[&'static str],
) {
    let answers = join_all(verbs.iter().map(|verb| async move {
        is_allowed(client, namespace, group, resource, verb).await.map(|allowed| (*verb, allowed))
    }))
    .await;
    let missing: Vec<&str> = answers
        .into_iter()
        .filter_map(Result::ok)
        .filter(|(_, allowed)| !allowed)
        .map(|(verb, _)| verb)
        .collect();
    if missing.is_empty() {
        return;
    }
    let scope = namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("namespace '{name}'"));
    log::line(
        Level::Error,
        "right-missing",
        &format!(
            "{scope}: add to the operator's Role: {{apiGroups: [\"{group}\"], resources: [{resource}], verbs: [{}]}}",
            missing.join(", ")
        ),
    );
}

async fn is_allowed(
    client: &Client,
    namespace: Option<&str>,
    group: &str,
    resource: &str,
    verb: &str,
) -> Result<bool, kube::Error> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: namespace.map(str::to_owned),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer =
        Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
