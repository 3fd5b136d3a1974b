//! `adopt`: takes over the resources of another operator, and the cluster-scoped definition with which some
//! versions of it were installed. An administrator runs it once; the operator itself does not have the rights.
//!
//! The scope of a definition cannot be changed. A cluster-scoped one is deleted and applied again, so that its
//! resources are saved before, and their Secrets are kept by removing the owner reference.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cc_auth::util::count::counted;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, ValidationDirective};
use kube::core::{ApiResource, DynamicObject};
use kube::{Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::jwt::Jwt;
use crate::log::{self, Level};
use crate::secret::ADOPT;

/// The field manager of restored resources: the operator itself does not own their members.
const ADOPT_MANAGER: &str = "cc-jwt-operator-adopt";
const DEFINITION: &str = "jwts.tokens.osg-htc.org";
/// What the framework of the other operator leaves in objects.
const FOREIGN_PREFIX: &str = "kopf.zalando.org/";
/// How long the deletion and the start of a definition may take.
const DEFINITION_LIMIT: Duration = Duration::from_secs(60);

/// What `adopt` is asked for.
pub struct AdoptRequest<'a> {
    /// Only report.
    pub dry_run: bool,
    /// Where resources that name no namespace go.
    pub namespace: Option<&'a str>,
    /// The file in which the resources are saved before anything changes.
    pub save: &'a Path,
    /// The definition of this version, as YAML.
    pub definition: &'a str,
}

/// What was done, or would be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// Resources that were found.
    pub resources: usize,
    /// Of these, the ones that need a person.
    pub failed: usize,
}

/// Why it stopped.
#[derive(Debug)]
pub enum AdoptError {
    /// A request failed.
    Api(String, kube::Error),
    /// The resources could not be saved.
    Save(io::Error),
    /// Resources without a namespace.
    NoNamespace(Vec<String>),
    /// Finalizers of other programs, which would hold resources that have to be moved.
    Held(Vec<String>),
    /// Resources that were changed, added or deleted after the copy was saved.
    Changed(Vec<String>),
    /// The definition was not deleted or created in time.
    Slow(&'static str),
}

impl std::fmt::Display for AdoptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(attempt, error) => write!(f, "cannot {attempt}: {}", log::api_error(error)),
            Self::Save(error) => write!(f, "cannot save the resources: {error}"),
            Self::NoNamespace(names) => write!(
                f,
                "no namespace is known for: {}: give --namespace (nothing changed)",
                names.join(", ")
            ),
            Self::Held(names) => write!(
                f,
                "finalizers of other programs hold: {}: remove them first (nothing changed)",
                names.join(", ")
            ),
            Self::Changed(names) => write!(
                f,
                "resources changed while the command ran: {}: run it again with another --save (the definition was not deleted)",
                names.join(", ")
            ),
            Self::Slow(what) => write!(f, "{what} after a minute: run the command again"),
        }
    }
}

/// Whether a finalizer or annotation is the other operator's.
fn is_foreign(name: &str) -> bool {
    name.starts_with(FOREIGN_PREFIX)
}

fn failed(attempt: impl Into<String>) -> impl FnOnce(kube::Error) -> AdoptError {
    let attempt = attempt.into();
    move |error| AdoptError::Api(attempt, error)
}

/// A resource with the namespace that it belongs to, and its Secret.
struct Adoptee {
    object: DynamicObject,
    namespace: String,
    secret: Option<Secret>,
}

/// Saves, releases, and where needed moves the resources.
///
/// # Errors
/// [`AdoptError`]; the command can be repeated.
pub async fn run(client: &Client, request: &AdoptRequest<'_>) -> Result<Adopted, AdoptError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let Some(definition) = definitions.get_opt(DEFINITION).await.map_err(failed("read the definition"))?
    else {
        log::line(
            Level::Info,
            "nothing-to-adopt",
            "the definition does not exist: apply operator/manifests/crd.yaml",
        );
        return Ok(Adopted::default());
    };
    let is_cluster_scoped = definition.spec.scope == "Cluster";
    let kind = ApiResource::erase::<Jwt>(&());
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let objects = all.list(&ListParams::default()).await.map_err(failed("list the resources"))?.items;
    let adoptees = locate(client, objects, request.namespace).await?;
    let held: Vec<String> = adoptees
        .iter()
        .filter(|adoptee| adoptee.object.finalizers().iter().any(|finalizer| !is_foreign(finalizer)))
        .map(|adoptee| adoptee.object.name_any())
        .collect();
    if is_cluster_scoped && !held.is_empty() {
        return Err(AdoptError::Held(held));
    }
    let mut result = Adopted { resources: adoptees.len(), failed: 0 };
    if !request.dry_run {
        save(&adoptees, request.save).map_err(AdoptError::Save)?;
        log::line(Level::Info, "saved", &counted(adoptees.len(), "resource"));
    }
    for adoptee in &adoptees {
        release(client, &kind, adoptee, is_cluster_scoped, request.dry_run).await?;
    }
    if !is_cluster_scoped {
        return Ok(result);
    }
    report(
        "definition",
        request.dry_run,
        "delete the cluster-scoped definition and apply the namespaced one",
    );
    if !request.dry_run {
        let now = all.list(&ListParams::default()).await.map_err(failed("list the resources"))?.items;
        let changed = changed(&adoptees, &now);
        if !changed.is_empty() {
            return Err(AdoptError::Changed(changed));
        }
        replace_definition(client, &definitions, request.definition).await?;
    }
    for adoptee in &adoptees {
        if !restore(client, &kind, adoptee, request.dry_run).await? {
            result.failed += 1;
        }
    }
    Ok(result)
}

fn report(event: &str, dry_run: bool, what: &str) {
    log::line(Level::Info, event, &if dry_run { format!("would {what}") } else { what.to_owned() });
}

/// Finds the namespace of each resource: its own, that of a Secret it owns, that of its key, or the given one.
async fn locate(
    client: &Client,
    objects: Vec<DynamicObject>,
    fallback: Option<&str>,
) -> Result<Vec<Adoptee>, AdoptError> {
    let secrets: Api<Secret> = Api::all(client.clone());
    let mut adoptees = Vec::new();
    let mut unknown = Vec::new();
    for object in objects {
        let name = object.name_any();
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let secret = secrets
            .list(&params)
            .await
            .map_err(failed(format!("list the Secrets named '{name}'")))?
            .items
            .into_iter()
            .find(|secret| {
                secret.owner_references().iter().any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
            });
        let key_namespace = ["secret", "configMap"].into_iter().find_map(|kind| {
            object.data.pointer(&format!("/spec/key/{kind}/namespace"))?.as_str().map(str::to_owned)
        });
        let namespace = object
            .namespace()
            .or_else(|| secret.as_ref().and_then(|secret| secret.metadata.namespace.clone()))
            .or(key_namespace)
            .or_else(|| fallback.map(str::to_owned));
        match namespace {
            Some(namespace) => adoptees.push(Adoptee { object, namespace, secret }),
            None => unknown.push(name),
        }
    }
    if unknown.is_empty() { Ok(adoptees) } else { Err(AdoptError::NoNamespace(unknown)) }
}

/// The names of resources that are not the saved ones: they would be lost with the definition, or come back.
fn changed(saved: &[Adoptee], now: &[DynamicObject]) -> Vec<String> {
    let uid = |object: &DynamicObject| object.metadata.uid.clone();
    let is_same = |adoptee: &Adoptee, object: &DynamicObject| {
        uid(&adoptee.object) == uid(object)
            && restored(&adoptee.object, &adoptee.namespace) == restored(object, &adoptee.namespace)
    };
    let others = now.iter().filter(|object| !saved.iter().any(|adoptee| is_same(adoptee, object)));
    let gone = saved.iter().map(|adoptee| &adoptee.object);
    let gone = gone.filter(|object| !now.iter().any(|other| uid(other) == uid(object)));
    others.chain(gone).map(|object| object.name_any()).collect()
}

/// The resource as it is written again: without what belongs to the old object.
fn restored(object: &DynamicObject, namespace: &str) -> Value {
    let metadata = &object.metadata;
    let annotations: serde_json::Map<String, Value> = metadata
        .annotations
        .iter()
        .flatten()
        .filter(|(name, _)| !is_foreign(name))
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "apiVersion": Jwt::api_version(&()), "kind": Jwt::kind(&()),
        "metadata": {
            "name": object.name_any(), "namespace": namespace,
            "labels": metadata.labels, "annotations": annotations,
        },
        "spec": object.data.get("spec"),
    })
}

/// Saves the resources as a list that `kubectl apply` reads. It can contain keys.
fn save(adoptees: &[Adoptee], file: &Path) -> io::Result<()> {
    let items: Vec<Value> =
        adoptees.iter().map(|adoptee| restored(&adoptee.object, &adoptee.namespace)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(format!("{list:#}\n").as_bytes())?;
    file.sync_all()
}

/// Removes what the other operator holds the resource by. Where the resource is moved, its Secret is kept, and
/// marked for the resource that comes.
async fn release(
    client: &Client,
    kind: &ApiResource,
    adoptee: &Adoptee,
    is_moved: bool,
    dry_run: bool,
) -> Result<(), AdoptError> {
    let name = adoptee.object.name_any();
    let metadata = &adoptee.object.metadata;
    let annotations: serde_json::Map<String, Value> = metadata
        .annotations
        .iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| is_foreign(name))
        .map(|name| (name.clone(), Value::Null))
        .collect();
    let finalizers = adoptee.object.finalizers();
    if !annotations.is_empty() || finalizers.iter().any(|name| is_foreign(name)) {
        report("release", dry_run, &format!("remove finalizer and annotations from JWT '{name}'"));
        if !dry_run {
            let others: Vec<&String> = finalizers.iter().filter(|finalizer| !is_foreign(finalizer)).collect();
            let body = json!({"metadata": {
                "resourceVersion": metadata.resource_version, "finalizers": others, "annotations": annotations,
            }});
            let api: Api<DynamicObject> = match metadata.namespace.as_deref() {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, kind),
                None => Api::all_with(client.clone(), kind),
            };
            api.patch(&name, &PatchParams::default(), &Patch::Merge(body))
                .await
                .map_err(failed(format!("change JWT '{name}'")))?;
        }
    }
    let Some(secret) = adoptee.secret.as_ref().filter(|_| is_moved) else { return Ok(()) };
    report(
        "keep-secret",
        dry_run,
        &format!("keep Secret '{name}' in namespace '{}' for the new resource", adoptee.namespace),
    );
    if !dry_run {
        let owners: Vec<_> = secret
            .owner_references()
            .iter()
            .filter(|owner| Some(&owner.uid) != metadata.uid.as_ref())
            .collect();
        let body = json!({"metadata": {
            "resourceVersion": secret.metadata.resource_version,
            "ownerReferences": owners, "annotations": {ADOPT: name},
        }});
        Api::<Secret>::namespaced(client.clone(), &adoptee.namespace)
            .patch(&name, &PatchParams::default(), &Patch::Merge(body))
            .await
            .map_err(failed(format!("change Secret '{name}'")))?;
    }
    Ok(())
}

async fn replace_definition(
    client: &Client,
    definitions: &Api<CustomResourceDefinition>,
    definition: &str,
) -> Result<(), AdoptError> {
    definitions
        .delete(DEFINITION, &DeleteParams::default())
        .await
        .map_err(failed("delete the definition"))?;
    let begin = Instant::now();
    while definitions.get_opt(DEFINITION).await.map_err(failed("read the definition"))?.is_some() {
        wait(begin, "the former definition still exists").await?;
    }
    // The API server reads YAML; the typed client sends JSON only.
    let request = http::Request::patch(format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{DEFINITION}?fieldManager={ADOPT_MANAGER}&force=true"
    ))
    .header("content-type", "application/apply-patch+yaml")
    .body(definition.as_bytes().to_vec())
    .map_err(|error| AdoptError::Api("apply the definition".to_owned(), kube::Error::HttpError(error)))?;
    client.request::<Value>(request).await.map_err(failed("apply the definition"))?;
    loop {
        let now = definitions.get(DEFINITION).await.map_err(failed("read the definition"))?;
        let conditions = now.status.and_then(|status| status.conditions).unwrap_or_default();
        if conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
            return Ok(());
        }
        wait(begin, "the definition is not established").await?;
    }
}

async fn wait(begin: Instant, what: &'static str) -> Result<(), AdoptError> {
    if begin.elapsed() > DEFINITION_LIMIT {
        return Err(AdoptError::Slow(what));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

/// Creates a resource in its namespace. False where the API server rejects it: it is in the saved file.
async fn restore(
    client: &Client,
    kind: &ApiResource,
    adoptee: &Adoptee,
    dry_run: bool,
) -> Result<bool, AdoptError> {
    let name = adoptee.object.name_any();
    report("restore", dry_run, &format!("create JWT '{name}' in namespace '{}'", adoptee.namespace));
    if dry_run {
        return Ok(true);
    }
    let body = restored(&adoptee.object, &adoptee.namespace);
    let params = PatchParams {
        field_manager: Some(ADOPT_MANAGER.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &adoptee.namespace, kind);
    // The API server needs a moment for a new definition.
    let begin = Instant::now();
    loop {
        match api.patch(&name, &params, &Patch::Apply(&body)).await {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(answer))
                if matches!(answer.code, 404 | 429) && begin.elapsed() < DEFINITION_LIMIT =>
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(kube::Error::Api(answer)) if matches!(answer.code, 400 | 409 | 422) => {
                log::line(Level::Error, "not-restored", &format!("JWT '{name}': {}", answer.message));
                return Ok(false);
            }
            Err(error) => return Err(AdoptError::Api(format!("create JWT '{name}'"), error)),
        }
    }
}
