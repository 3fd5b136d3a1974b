//! From what the watches deliver to the resources that have to be reconciled.
//!
//! A watch that cannot continue lists all objects again. What was deleted meanwhile is only missing from that list, and
//! the store of the resources has the listed ones when the list is complete.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cc_auth::renew::backoff;
use futures::stream::{self, Stream, StreamExt as _};
use kube::api::Api;
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, reflector};
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Event, watcher};

use crate::attempts::{Attempts, random};
use crate::jwt::{Jwt, KeyKind};
use crate::log::{self, Level};
use crate::reconcile::resource_id;

/// The same error of a watch is logged once in this time.
const REPEATED_ERROR: Duration = Duration::from_secs(60);

/// The resources that their own watch concerns, in the store that it fills. Those of a list follow when the store
/// has it: a reconciliation before that would read the former objects.
pub fn changed_resources(
    api: Api<Jwt>,
) -> (Store<Jwt>, impl Stream<Item = Result<Jwt, watcher::Error>> + Send + 'static) {
    let writer = Writer::default();
    let store = writer.as_reader();
    let triggers = from_store(writer, watcher(api, watcher::Config::default()));
    (store, triggers)
}

fn from_store(
    writer: Writer<Jwt>,
    events: impl Stream<Item = Result<Event<Jwt>, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<Jwt, watcher::Error>> + Send + 'static {
    let store = writer.as_reader();
    reflector(writer, events).flat_map(move |event| {
        let (changed, listed) = match event {
            Ok(Event::Apply(jwt)) => (Some(Ok(jwt)), Vec::new()),
            Ok(Event::InitDone) => (None, store.state()),
            Ok(Event::Delete(_) | Event::Init | Event::InitApply(_)) => (None, Vec::new()),
            Err(error) => (Some(Err(error)), Vec::new()),
        };
        let listed = listed.into_iter().map(|jwt| Ok(Arc::unwrap_or_clone(jwt)));
        stream::iter(changed).chain(stream::iter(listed))
    })
}

/// The resources that a change of a Secret or ConfigMap concerns: those of its name, and those whose key is in it.
/// Only metadata is watched. The watch has its own pauses: an error does not stop others.
pub fn affected<K>(
    api: Api<PartialObjectMeta<K>>,
    kind: KeyKind,
    store: Store<Jwt>,
    attempts: Arc<Attempts>,
) -> impl Stream<Item = ObjectRef<Jwt>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
{
    let mut errors = RepeatedErrors::default();
    let resource = match kind {
        KeyKind::Secret => "secrets",
        KeyKind::ConfigMap => "configmaps",
    };
    let mut objects = Objects { kind, store, attempts, listed: HashSet::new() };
    watcher(api, watcher::Config::default())
        .backoff(pauses())
        .filter_map(move |event| {
            if let Err(error) = &event {
                errors.log(resource, error);
            }
            futures::future::ready(event.ok())
        })
        .flat_map(move |event| stream::iter(objects.concerned(event)))
}

/// The Secrets or ConfigMaps of a watch.
struct Objects {
    kind: KeyKind,
    store: Store<Jwt>,
    attempts: Arc<Attempts>,
    /// The namespaces and names of the list that is being read.
    listed: HashSet<(String, String)>,
}

impl Objects {
    /// The resources that have to be reconciled after an event, each of which is noted as touched.
    fn concerned<K>(&mut self, event: Event<PartialObjectMeta<K>>) -> Vec<ObjectRef<Jwt>> {
        match event {
            Event::Init => self.listed.clear(),
            Event::Apply(object) | Event::Delete(object) => return self.changed(&object),
            Event::InitApply(object) => {
                let changed = self.changed(&object);
                let name = object.metadata.name.unwrap_or_default();
                self.listed.insert((object.metadata.namespace.unwrap_or_default(), name));
                return changed;
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                return self.missing(&listed);
            }
        }
        Vec::new()
    }

    fn changed<K>(&self, object: &PartialObjectMeta<K>) -> Vec<ObjectRef<Jwt>> {
        let metadata = &object.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let version = metadata.resource_version.as_deref();
        self.touched(|jwt| {
            Some(jwt.namespace()) == metadata.namespace.as_deref()
                && (self.has_key_in(jwt, name)
                    || (self.is_token_in(jwt, name)
                        && self.attempts.secret_changed(&resource_id(jwt), version)))
        })
    }

    /// The resources of which an object is not in a list.
    fn missing(&self, listed: &HashSet<(String, String)>) -> Vec<ObjectRef<Jwt>> {
        let is_missing =
            |jwt: &Jwt, name: &str| !listed.contains(&(jwt.namespace().to_owned(), name.to_owned()));
        self.touched(|jwt| {
            jwt.key_object().is_some_and(|(kind, name)| kind == self.kind && is_missing(jwt, name))
                || (self.kind == KeyKind::Secret && is_missing(jwt, jwt.name()))
        })
    }

    fn has_key_in(&self, jwt: &Jwt, name: &str) -> bool {
        jwt.key_object() == Some((self.kind, name))
    }

    fn is_token_in(&self, jwt: &Jwt, name: &str) -> bool {
        self.kind == KeyKind::Secret && jwt.name() == name
    }

    /// The resources of the store that are concerned. They are noted before they are reconciled.
    fn touched(&self, is_concerned: impl Fn(&Jwt) -> bool) -> Vec<ObjectRef<Jwt>> {
        let concerned = self.store.state_filter(is_concerned);
        concerned
            .iter()
            .map(|jwt| {
                self.attempts.touched(&resource_id(jwt));
                ObjectRef::from_obj(jwt.as_ref())
            })
            .collect()
    }
}

/// Pauses between attempts to watch again: kube's own grow to half a minute and count an expired version
/// as a failure.
pub fn pauses() -> ResetTimerBackoff<Pauses> {
    ResetTimerBackoff::new(Pauses(0), Duration::from_secs(60))
}

/// How many attempts failed in a row.
pub struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = self.0.saturating_add(1);
        Some(backoff::between(Duration::from_millis(500), Duration::from_secs(2), self.0, random()))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Logs the same error of a watch only now and then.
#[derive(Default)]
pub struct RepeatedErrors {
    last: Option<(String, Instant)>,
}

impl RepeatedErrors {
    /// Logs an error with its causes, each once.
    pub fn log(&mut self, resource: &str, error: &dyn std::error::Error) {
        let message = log::error_chain(error);
        let repeated =
            self.last.as_ref().is_some_and(|(text, at)| *text == message && at.elapsed() < REPEATED_ERROR);
        if !repeated {
            log::line(Level::Warning, "watch-error", &format!("{resource}: {message}"));
            self.last = Some((message, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::api::core::v1::Secret;
    use kube::core::ObjectMeta;
    use serde_json::json;

    use super::*;

    fn jwt(name: &str, subject: &str) -> Jwt {
        let key = json!({"secret": {"name": "signing-key", "key": "tls.key"}});
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "a"}, "spec": {"data": {"sub": subject}, "key": key},
        }))
        .unwrap()
    }

    fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("a".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        };
        PartialObjectMeta { metadata, ..PartialObjectMeta::default() }
    }

    fn names(concerned: Vec<ObjectRef<Jwt>>) -> Vec<String> {
        let mut names: Vec<String> = concerned.into_iter().map(|object| object.name).collect();
        names.sort();
        names
    }

    /// Secrets of the resources `x` and `y`.
    fn objects(kind: KeyKind) -> Objects {
        let mut writer = Writer::default();
        writer.apply_watcher_event(&Event::Apply(jwt("x", "jane")));
        writer.apply_watcher_event(&Event::Apply(jwt("y", "jane")));
        Objects { kind, store: writer.as_reader(), attempts: Arc::default(), listed: HashSet::new() }
    }

    #[test]
    fn objects_missing_from_a_new_list_concern_their_resources() {
        for (listed, expected) in [
            (vec!["x", "y", "signing-key"], vec![]),
            (vec!["x", "signing-key", "other"], vec!["y"]),
            (vec!["x", "y"], vec!["x", "y"]),
            (vec![], vec!["x", "y"]),
        ] {
            let mut objects = objects(KeyKind::Secret);
            for name in ["x", "y"] {
                objects.attempts.wrote(&format!("a/{name}"), Default::default(), Some("7".to_owned()));
            }
            // A list that ended early does not count.
            assert_eq!(names(objects.concerned::<Secret>(Event::Init)), [""; 0]);
            for name in ["x", "y"] {
                assert_eq!(
                    names(objects.concerned(Event::InitApply(secret(name, "7")))),
                    [""; 0],
                    "own writes"
                );
            }
            objects.concerned::<Secret>(Event::Init);
            listed.iter().for_each(|name| drop(objects.concerned(Event::InitApply(secret(name, "7")))));
            assert_eq!(names(objects.concerned::<Secret>(Event::InitDone)), expected, "{listed:?}");
        }
        let mut objects = objects(KeyKind::ConfigMap);
        assert_eq!(
            names(objects.concerned::<Secret>(Event::InitDone)),
            [""; 0],
            "the key is not in a ConfigMap"
        );
    }

    #[test]
    fn changed_and_deleted_objects_concern_their_resources() {
        let mut objects = objects(KeyKind::Secret);
        objects.attempts.wrote("a/x", Default::default(), Some("7".to_owned()));
        for (event, expected) in [
            (Event::Apply(secret("x", "7")), vec![]),
            (Event::Apply(secret("x", "8")), vec!["x"]),
            (Event::Delete(secret("x", "9")), vec!["x"]),
            (Event::Apply(secret("signing-key", "7")), vec!["x", "y"]),
            (Event::Delete(secret("signing-key", "7")), vec!["x", "y"]),
            (Event::Apply(secret("other", "7")), vec![]),
        ] {
            assert_eq!(names(objects.concerned(event.clone())), expected, "{event:?}");
        }
    }

    /// Between two pages of a list, the store has the former objects.
    #[test]
    fn listed_resources_follow_when_the_store_has_them() {
        let writer = Writer::default();
        let store = writer.as_reader();
        let events = vec![
            Event::Apply(jwt("x", "jane")),
            Event::Init,
            Event::InitApply(jwt("x", "joe")),
            Event::InitApply(jwt("y", "joe")),
            Event::InitDone,
        ];
        let triggers = from_store(writer, stream::iter(events.into_iter().map(Ok)));
        let subjects: Vec<_> = futures::executor::block_on_stream(Box::pin(triggers))
            .map(|jwt| {
                let jwt = jwt.unwrap();
                let stored = store.get(&ObjectRef::from_obj(&jwt)).unwrap();
                assert_eq!(stored.spec.0, jwt.spec.0);
                (jwt.name().to_owned(), jwt.spec.0["data"]["sub"].clone())
            })
            .collect();
        assert_eq!(subjects[0], ("x".to_owned(), json!("jane")));
        let listed: BTreeSet<_> =
            subjects[1..].iter().map(|(name, subject)| (name.as_str(), subject.to_string())).collect();
        assert_eq!(listed, [("x", "\"joe\"".to_owned()), ("y", "\"joe\"".to_owned())].into());
    }
}
