//! Counters of the operator in the text format of Prometheus. No label comes from a claim, an issuer or a
//! message; series of single resources are made from the resources that exist, so that they go with them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cc_auth::util::metrics::Metrics as Page;
use cc_auth::util::time::Clock;
use k8s_openapi::jiff;

use crate::error::ReconcileError;
use crate::jwt::Jwt;
use crate::problem::Problem;
use crate::status::READY;

/// Upper limits of the duration's buckets, in seconds.
const BUCKETS: [f64; 6] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    reconciliations: Mutex<BTreeMap<&'static str, u64>>,
    durations: [AtomicU64; BUCKETS.len()],
    duration_count: AtomicU64,
    duration_micros: AtomicU64,
    signed: AtomicU64,
    sign_failed: AtomicU64,
    api_errors: Mutex<BTreeMap<(String, u16), u64>>,
    watch_restarts: Mutex<BTreeMap<&'static str, u64>>,
    watch_events: Mutex<BTreeMap<Collection, WatchEvent>>,
    /// When the API server last answered without an error, in seconds of the process.
    last_success: AtomicU64,
}

/// What a watch is about: a kind of object, in one namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collection {
    /// The kind, in plural.
    pub resource: &'static str,
    /// The path of the list.
    pub path: Arc<str>,
}

/// When a watch last delivered something: for the page, and on the clock that is never corrected.
#[derive(Debug, Clone, Copy)]
struct WatchEvent {
    wall: i64,
    uptime: u64,
}

impl WatchEvent {
    fn now() -> Self {
        Self { wall: Clock::System.now().0, uptime: uptime() }
    }
}

/// Seconds since the first call in this process: a corrected clock does not change them.
pub fn uptime() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs()
}

fn add<K: Ord>(counters: &Mutex<BTreeMap<K, u64>>, key: K) {
    *counters.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
}

impl Metrics {
    /// Counts a reconciliation.
    pub fn reconciled(&self, result: &Result<Option<Problem>, ReconcileError>, duration: Duration) {
        let name = match result {
            Ok(None) => "success",
            Ok(Some(_)) => "problem",
            Err(ReconcileError::Conflict) => "conflict",
            Err(ReconcileError::Gone) => "gone",
            Err(ReconcileError::Api(_)) => "error",
        };
        add(&self.reconciliations, name);
        for (limit, counter) in BUCKETS.iter().zip(&self.durations) {
            if duration.as_secs_f64() <= *limit {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.duration_count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.duration_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts a signature.
    pub fn signed(&self, success: bool) {
        if success { &self.signed } else { &self.sign_failed }.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer of the API server; 0 stands for no answer.
    pub fn answered(&self, verb: &str, code: u16) {
        if code >= 400 || code == 0 {
            add(&self.api_errors, (verb.to_owned(), code));
        } else {
            self.last_success.store(uptime(), Ordering::Relaxed);
        }
    }

    /// Counts the start of a watch. Only the first one counts as an event: a watch that is started again and
    /// again and never delivers anything is silent.
    pub fn watch_started(&self, watch: &Collection) {
        add(&self.watch_restarts, watch.resource);
        let mut events = self.watch_events.lock().unwrap_or_else(PoisonError::into_inner);
        events.entry(watch.clone()).or_insert_with(WatchEvent::now);
    }

    /// Notes that the API server rejects the list or watch: there is nothing that could be silent.
    pub fn watch_rejected(&self, watch: &Collection) {
        self.watch_events.lock().unwrap_or_else(PoisonError::into_inner).remove(watch);
    }

    /// Notes that a watch delivered an event or a bookmark.
    pub fn watch_event(&self, watch: &Collection) {
        let mut events = self.watch_events.lock().unwrap_or_else(PoisonError::into_inner);
        events.insert(watch.clone(), WatchEvent::now());
    }

    /// The watch that has been silent the longest, with the seconds from its last event to the last request that
    /// succeeded: while the API server cannot be reached, a watch is not silent.
    pub fn most_silent_watch(&self) -> Option<(Collection, u64)> {
        let events = self.watch_events.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, event) = events.iter().min_by_key(|(_, event)| event.uptime)?;
        let last_success = self.last_success.load(Ordering::Relaxed);
        Some((watch.clone(), last_success.saturating_sub(event.uptime)))
    }

    /// The page that Prometheus reads.
    pub fn page(&self, resources: &[Arc<Jwt>], per_resource: bool) -> String {
        let mut page = Page::with_prefix("cc_jwt_operator_");
        page.gauge("build_info", "The version of the program.");
        page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.counter("reconciliations_total", "Reconciliations by result.");
        for (result, count) in self.reconciliations.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            page.sample(&[("result", result)], count);
        }
        page.histogram("reconciliation_duration_seconds", "Duration of reconciliations.");
        for (limit, counter) in BUCKETS.iter().zip(&self.durations) {
            page.part("_bucket", &[("le", &limit.to_string())], counter.load(Ordering::Relaxed));
        }
        let count = self.duration_count.load(Ordering::Relaxed);
        page.part("_bucket", &[("le", "+Inf")], count);
        let seconds = Duration::from_micros(self.duration_micros.load(Ordering::Relaxed)).as_secs_f64();
        page.part("_sum", &[], seconds);
        page.part("_count", &[], count);
        page.counter("signatures_total", "Signatures by result.");
        page.sample(&[("result", "success")], self.signed.load(Ordering::Relaxed));
        page.sample(&[("result", "failure")], self.sign_failed.load(Ordering::Relaxed));
        page.counter("api_errors_total", "Error responses of the API server; code 0: no response.");
        for ((verb, code), count) in self.api_errors.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            page.sample(&[("verb", verb), ("code", &code.to_string())], count);
        }
        page.counter("watch_restarts_total", "Watches that were started.");
        for (resource, count) in self.watch_restarts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            page.sample(&[("resource", resource)], count);
        }
        page.gauge(
            "last_watch_event_timestamp_seconds",
            "Time of the last event or bookmark of the watch that has been silent the longest.",
        );
        // Of the namespaces of a kind the one that has been silent the longest.
        let mut oldest: BTreeMap<&str, i64> = BTreeMap::new();
        for (watch, event) in self.watch_events.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let at = oldest.entry(watch.resource).or_insert(event.wall);
            *at = event.wall.min(*at);
        }
        for (resource, at) in oldest {
            page.sample(&[("resource", resource)], at);
        }
        add_resources(&mut page, resources, per_resource);
        page.into_text()
    }
}

fn add_resources(page: &mut Page, resources: &[Arc<Jwt>], per_resource: bool) {
    let ready = resources.iter().filter(|jwt| jwt.status.is_true(READY)).count();
    page.gauge("resources", "Resources by the condition Ready.");
    page.sample(&[("ready", "true")], ready);
    page.sample(&[("ready", "false")], resources.len() - ready);
    let expiry = |jwt: &Jwt| {
        let time: jiff::Timestamp = jwt.status.not_after.as_deref()?.parse().ok()?;
        Some(time.as_second())
    };
    if let Some(next) = resources.iter().filter_map(|jwt| expiry(jwt)).min() {
        page.gauge("next_expiry_timestamp_seconds", "The earliest expiry of a token.");
        page.sample(&[], next);
    }
    if !per_resource {
        return;
    }
    page.gauge("ready", "Whether a resource is Ready.");
    for jwt in resources {
        let labels = [("namespace", jwt.namespace()), ("name", jwt.name())];
        page.sample(&labels, u8::from(jwt.status.is_true(READY)));
    }
    page.gauge("not_after_timestamp_seconds", "The expiry of a resource's token.");
    for jwt in resources {
        if let Some(expiry) = expiry(jwt) {
            let labels = [("namespace", jwt.namespace()), ("name", jwt.name())];
            page.sample(&labels, expiry);
        }
    }
}
