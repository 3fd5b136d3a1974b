//! The running operator: which objects are watched, and when a resource is reconciled.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cc_auth::renew::backoff;
use cc_auth::util::count::counted;
use futures::stream::{self, Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::Api;
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::controller::{self, Controller, Error};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::attempts::random;
use crate::error::ReconcileError;
use crate::jwt::{Jwt, KeyKind};
use crate::log::{self, Level};
use crate::metrics::{Metrics, uptime};
use crate::reconcile::{Context, Reconciled, reconcile, resource_id};
use crate::triggers::{RepeatedErrors, affected, changed_resources, pauses};

/// A reconciliation that takes longer is given up and repeated: the API server does not answer.
const RECONCILE_LIMIT: Duration = Duration::from_secs(60);
/// Without a watch of the Secrets, each resource is looked at so often.
const WITHOUT_WATCH: Duration = Duration::from_secs(60);
/// How long running reconciliations may take after the signal to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// So many seconds without an end of any of the running reconciliations: the loop does not progress.
const NO_PROGRESS: u64 = 300;
/// How many resources are reconciled at the same time in one namespace.
const CONCURRENCY: u16 = 8;

/// How often the memory of deleted resources is released.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Which namespaces are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All of the cluster.
    All,
    /// These.
    Named(Vec<String>),
}

impl Namespaces {
    /// The scopes of the watches: a name each, or none for the whole cluster.
    fn scopes(&self) -> Vec<Option<&str>> {
        match self {
            Self::All => vec![None],
            Self::Named(names) => names.iter().map(|name| Some(name.as_str())).collect(),
        }
    }

    /// The interfaces to a kind of object, one for each watch.
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        self.scopes().into_iter().map(|scope| api(client, scope)).collect()
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What the probes ask about.
#[derive(Default)]
pub struct Health {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether the page has series of each resource.
    pub per_resource: bool,
    stores: Mutex<Vec<Store<Jwt>>>,
    ready: AtomicBool,
    running: AtomicI64,
    /// Seconds of the process at which a reconciliation last began or ended.
    last_activity: AtomicU64,
}

impl Health {
    /// Health that counts into these metrics.
    pub fn new(metrics: Arc<Metrics>, per_resource: bool) -> Self {
        Self { metrics, per_resource, ..Self::default() }
    }

    /// Whether the first lists are complete.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Reports readiness without a watch: of a replica that waits to become the leader.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// The page for Prometheus.
    pub fn metrics_page(&self) -> String {
        self.metrics.page(&self.resources(), self.per_resource)
    }

    /// Whether reconciliations end.
    pub fn progress(&self) -> Result<(), String> {
        let idle = uptime().saturating_sub(self.last_activity.load(Ordering::Relaxed));
        let running = self.running.load(Ordering::Relaxed);
        if running > 0 && idle > NO_PROGRESS {
            return Err(format!("{} running for {idle} seconds", counted(running, "reconciliation")));
        }
        Ok(())
    }

    fn resources(&self) -> Vec<Arc<Jwt>> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.iter().flat_map(Store::state).collect()
    }

    fn began(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.last_activity.store(uptime(), Ordering::Relaxed);
    }

    fn ended(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.last_activity.store(uptime(), Ordering::Relaxed);
    }
}

/// What the loop shares with each reconciliation.
struct Shared {
    context: Context,
    health: Arc<Health>,
    watches_objects: bool,
}

/// Watches and reconciles until `stop` becomes true. Running reconciliations are finished, for at most
/// ten seconds.
pub async fn run(
    context: Context,
    namespaces: &Namespaces,
    watches_objects: bool,
    health: Arc<Health>,
    stop: watch::Receiver<bool>,
) {
    let client = context.client.clone();
    let shared = Arc::new(Shared { context, health: Arc::clone(&health), watches_objects });
    let mut streams: Vec<Pin<Box<dyn Stream<Item = RunResult> + Send>>> = Vec::new();
    let mut stores = Vec::new();
    for scope in namespaces.scopes() {
        let (store, changed) = changed_resources(api::<Jwt>(&client, scope));
        let attempts = &shared.context.attempts;
        let controller = Controller::for_stream(changed, store.clone())
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .trigger_backoff(pauses())
            .graceful_shutdown_on(stopped(stop.clone()));
        let controller = if watches_objects {
            controller
                .reconcile_on(affected(
                    api::<PartialObjectMeta<Secret>>(&client, scope),
                    KeyKind::Secret,
                    store.clone(),
                    Arc::clone(attempts),
                ))
                .reconcile_on(affected(
                    api::<PartialObjectMeta<ConfigMap>>(&client, scope),
                    KeyKind::ConfigMap,
                    store.clone(),
                    Arc::clone(attempts),
                ))
        } else {
            controller
        };
        stores.push(store);
        streams.push(controller.run(reconcile_one, retry, Arc::clone(&shared)).boxed());
    }
    *health.stores.lock().unwrap_or_else(PoisonError::into_inner) = stores.clone();
    let first_lists = async {
        for store in &stores {
            if store.wait_until_ready().await.is_err() {
                return std::future::pending().await;
            }
        }
        health.set_ready();
        log::line(Level::Info, "ready", "the first lists are complete");
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            let existing: BTreeSet<String> =
                stores.iter().flat_map(Store::state).map(|jwt| resource_id(&jwt)).collect();
            shared.context.attempts.retain(|resource| existing.contains(resource));
        }
    };
    let mut errors = RepeatedErrors::default();
    let work = stream::select_all(streams).for_each(|result| {
        if let Err(error @ (Error::QueueError(_) | Error::RunnerError(_))) = result {
            errors.log("jwts", &error);
        }
        futures::future::ready(())
    });
    let work = std::pin::pin!(work);
    let deadline = async {
        stopped(stop).await;
        tokio::time::sleep(STOP_LIMIT).await;
        log::line(Level::Warning, "stop-limit", "a reconciliation did not end in time");
    };
    tokio::select! {
        () = work => {}
        () = deadline => {}
        () = first_lists => {}
    }
}

type RunResult = Result<(ObjectRef<Jwt>, controller::Action), Error<ReconcileError, watcher::Error>>;

/// Resolves when the signal to stop was given.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the process.
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

async fn reconcile_one(jwt: Arc<Jwt>, shared: Arc<Shared>) -> Result<controller::Action, ReconcileError> {
    shared.health.began();
    let result = timeout(RECONCILE_LIMIT, reconcile(&jwt, &shared.context)).await;
    shared.health.ended();
    let Reconciled { next, .. } = match result {
        Ok(Ok(reconciled)) => reconciled,
        Ok(Err(ReconcileError::Gone)) => return Ok(controller::Action::await_change()),
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            let why = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(ReconcileError::Api(kube::Error::ReadEvents(why)));
        }
    };
    let next = if shared.watches_objects { next } else { next.min(WITHOUT_WATCH) };
    Ok(controller::Action::requeue(next))
}

/// When to try again after an error that could not be reported in the status.
fn retry(jwt: Arc<Jwt>, error: &ReconcileError, shared: Arc<Shared>) -> controller::Action {
    let pause = match error {
        ReconcileError::Conflict => Duration::from_millis(50 + u64::from(random() % 200)),
        _ => {
            let (failures, pause) = shared.context.attempts.failed(&resource_id(&jwt), "api");
            if failures == 1 {
                log::resource(Level::Warning, "api-error", &jwt, &error.to_string());
            }
            // Soon after the API server's return, but not all resources at once.
            pause.min(backoff::between(Duration::from_secs(5), Duration::from_secs(10), failures, random()))
        }
    };
    controller::Action::requeue(pause)
}
