//! What is remembered of each resource between reconciliations: failures, for growing pauses, and
//! recent writes, so that two programs that write one Secret do not do so without a pause.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cc_auth::renew::backoff;

use crate::jwt::{Jwt, JwtStatus};

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);
/// Writes of one Secret within this time count together.
const WINDOW: Duration = Duration::from_secs(600);
/// So many of them are made at once: a person may delete the Secret a few times.
const FREE_WRITES: u32 = 5;
/// The event of an own write arrives within this time.
const OWN_EVENT: Duration = Duration::from_secs(2);

/// The memory of all resources, by `NAMESPACE/NAME`.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, Record>>);

#[derive(Debug, Default, Clone)]
struct Record {
    /// The same cause counts once for each pause.
    cause: String,
    failures: u32,
    next_attempt: Option<Instant>,
    writes: u32,
    last_write: Option<Instant>,
    /// What the last write was for: a changed resource is written at once.
    revision: Revision,
    /// The version of the Secret after the last write.
    secret_version: Option<String>,
    /// The last write of the status, until the watch delivers it.
    status_write: Option<StatusWrite>,
    /// Another object changed since the last reconciliation began.
    is_touched: bool,
}

/// What a person or another program changes of a resource to change its Secret: the resource itself, `spec`, labels.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Revision {
    uid: String,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
}

impl Revision {
    /// That of a resource.
    pub fn of(jwt: &Jwt) -> Self {
        let metadata = &jwt.metadata;
        Self { uid: jwt.uid().to_owned(), generation: metadata.generation, labels: metadata.labels.clone() }
    }
}

#[derive(Debug, Clone)]
struct StatusWrite {
    /// The version of the resource after the write.
    version: String,
    status: JwtStatus,
    /// When it was written, until the next reconciliation begins; none where the answer contained a change of
    /// another program.
    own_since: Option<Instant>,
}

impl Attempts {
    fn with<T>(&self, resource: &str, use_record: impl FnOnce(&mut Record) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        use_record(all.entry(resource.to_owned()).or_default())
    }

    /// Counts a failure and returns how many there were in a row and the pause before the next attempt.
    /// A second look before the pause is over, such as after the own change of the status, does not
    /// count.
    pub fn failed(&self, resource: &str, cause: &str) -> (u32, Duration) {
        let now = Instant::now();
        self.with(resource, |record| {
            if record.cause != cause {
                *record = Record { cause: cause.to_owned(), ..record.clone() };
                record.failures = 0;
                record.next_attempt = None;
            }
            match record.next_attempt.filter(|next| *next > now) {
                Some(next) => (record.failures, next - now),
                None => {
                    record.failures = record.failures.saturating_add(1);
                    let pause = backoff::between(FIRST, LONGEST, record.failures, random());
                    record.next_attempt = Some(now + pause);
                    (record.failures, pause)
                }
            }
        })
    }

    /// Forgets the failures.
    pub fn succeeded(&self, resource: &str) {
        self.with(resource, |record| {
            record.cause.clear();
            record.failures = 0;
            record.next_attempt = None;
        });
    }

    /// The pause that a write of the Secret has to wait for; none when it can be made now.
    pub fn pause_before_write(&self, resource: &str, revision: &Revision) -> Option<Duration> {
        let now = Instant::now();
        self.with(resource, |record| {
            let since = record.last_write.map(|last| now.saturating_duration_since(last));
            if record.revision != *revision || since.is_none_or(|since| since > WINDOW) {
                record.writes = 0;
                return None;
            }
            let beyond = record.writes.checked_sub(FREE_WRITES)?;
            let pause = FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
            pause.checked_sub(since.unwrap_or_default()).filter(|left| !left.is_zero())
        })
    }

    /// Whether a version of the Secret of this name is another one than the own last write, which needs no
    /// reconciliation.
    pub fn secret_changed(&self, resource: &str, version: Option<&str>) -> bool {
        self.with(resource, |record| version.is_none() || record.secret_version.as_deref() != version)
    }

    /// Notes that another object changed, such as the one with the key.
    pub fn touched(&self, resource: &str) {
        self.with(resource, |record| record.is_touched = true);
    }

    /// Notes a write of the status: the resource that was reconciled, and the API server's response. A response that
    /// contains a change of another program is not an own event: that change has not been reconciled. The response can
    /// even be about another resource, where the former one was deleted and created again.
    pub fn wrote_status(&self, resource: &str, reconciled: &Jwt, answer: &Jwt) {
        let own_since = answer.has_same_input(reconciled).then(Instant::now);
        let version = answer.metadata.resource_version.clone().filter(|_| answer.uid() == reconciled.uid());
        let write = version.map(|version| StatusWrite { version, status: answer.status.clone(), own_since });
        self.with(resource, |record| record.status_write = write);
    }

    /// The own last status, where the watch delivers an older version of the resource.
    pub fn newer_status(&self, resource: &str, version: Option<&str>) -> Option<JwtStatus> {
        self.with(resource, |record| {
            let newer = record.status_write.take_if(|write| !is_older(version, &write.version));
            drop(newer);
            record.status_write.as_ref().map(|write| write.status.clone())
        })
    }

    /// Whether a reconciliation has nothing to look at, since only the own write of the status caused it. True
    /// for the first reconciliation after the write at most: what a later one finds can be the rest of one that
    /// failed or was postponed.
    pub fn is_own_event(&self, resource: &str, version: Option<&str>) -> bool {
        self.with(resource, |record| {
            let is_touched = std::mem::take(&mut record.is_touched);
            let own = record
                .status_write
                .as_mut()
                .and_then(|write| write.own_since.take().filter(|_| Some(write.version.as_str()) == version));
            own.is_some_and(|since| since.elapsed() < OWN_EVENT) && !is_touched
        })
    }

    /// Counts a write of the Secret, and notes its version.
    pub fn wrote(&self, resource: &str, revision: Revision, version: Option<String>) {
        self.with(resource, |record| {
            record.secret_version = version;
            record.writes = record.writes.saturating_add(1);
            record.last_write = Some(Instant::now());
            record.revision = revision;
        });
    }

    /// Notes the version of the Secret after a further step of the last write.
    pub fn wrote_again(&self, resource: &str, version: Option<String>) {
        self.with(resource, |record| record.secret_version = version);
    }

    /// Forgets resources that are gone.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| exists(name));
    }
}

/// Whether a version of an object is older than another one. Versions of a kind of object are numbers that grow.
fn is_older(version: Option<&str>, than: &str) -> bool {
    let number = |text: &str| text.parse::<u128>().ok();
    version.and_then(number).zip(number(than)).is_some_and(|(version, than)| version < than)
}

/// Sixteen random bits; zero where the system does not have any.
pub fn random() -> u16 {
    let mut bytes = [0; 2];
    let _ = getrandom::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn failure_counts_once_for_each_pause_and_starts_again_with_another_cause() {
        let attempts = Attempts::default();
        let (count, pause) = attempts.failed("a/b", "KeyNotFound");
        assert_eq!(count, 1);
        assert!(pause >= Duration::from_secs(4) && pause <= Duration::from_secs(6), "{pause:?}");
        assert_eq!(attempts.failed("a/b", "KeyNotFound").0, 1, "the pause is not over");
        assert_eq!(attempts.failed("a/b", "KeyInvalid").0, 1);
        attempts.succeeded("a/b");
        assert_eq!(attempts.failed("a/b", "KeyInvalid").0, 1);
    }

    #[test]
    fn writes_in_a_row_have_to_wait_unless_the_resource_changed() {
        let attempts = Attempts::default();
        let revision = |change: Value| Revision::of(&jwt("1", &change));
        let same = revision(json!({}));
        for _ in 0..FREE_WRITES {
            assert_eq!(attempts.pause_before_write("a/b", &same), None);
            attempts.wrote("a/b", same.clone(), None);
        }
        assert!(attempts.pause_before_write("a/b", &same).is_some());
        assert!(attempts.pause_before_write("a/b", &revision(status())).is_some(), "its status changed");
        assert_eq!(attempts.pause_before_write("a/c", &same), None, "another resource");
        for change in [
            json!({"/metadata/generation": 2}),
            json!({"/metadata/labels/team": "y"}),
            json!({"/metadata/uid": "2"}),
        ] {
            let attempts = Attempts::default();
            (0..=FREE_WRITES).for_each(|_| attempts.wrote("a/b", same.clone(), None));
            assert_eq!(attempts.pause_before_write("a/b", &revision(change.clone())), None, "{change}");
        }
    }

    /// A resource of a version, as the watch or an answer delivers it.
    fn jwt(version: &str, change: &Value) -> Jwt {
        let mut jwt = json!({
            "metadata": {
                "name": "b", "namespace": "a", "uid": "1", "generation": 1, "labels": {"team": "x"},
                "resourceVersion": version,
            },
            "spec": {"issuer": "https://issuer.example.com"},
        });
        for (pointer, value) in change.as_object().unwrap() {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            jwt.pointer_mut(parent).unwrap()[member] = value.clone();
        }
        serde_json::from_value(jwt).unwrap()
    }

    /// The change that the write of a status makes.
    fn status() -> Value {
        json!({
            "/status": {"observedGeneration": 1},
            "/metadata/managedFields": [{"manager": "cc-jwt-operator", "subresource": "status"}],
        })
    }

    #[test]
    fn own_writes_need_no_reconciliation_but_those_of_others_do() {
        let attempts = Attempts::default();
        attempts.wrote("a/b", Revision::default(), Some("7".to_owned()));
        attempts.wrote_status("a/b", &jwt("6", &json!({})), &jwt("8", &status()));
        assert!(!attempts.secret_changed("a/b", Some("7")));
        assert!(attempts.is_own_event("a/b", Some("8")));
        assert!(!attempts.is_own_event("a/b", Some("8")), "once: later it is a new list after an outage");
        attempts.wrote_status("a/b", &jwt("8", &json!({})), &jwt("9", &status()));
        assert!(attempts.secret_changed("a/b", Some("10")));
        attempts.touched("a/b");
        assert!(!attempts.is_own_event("a/b", Some("9")), "another program changed the Secret");
    }

    #[test]
    fn answer_with_a_change_of_another_program_is_not_an_own_event() {
        for change in [
            json!({"/spec/issuer": "https://other.example.com", "/metadata/generation": 2}),
            json!({"/metadata/labels/team": "y"}),
            json!({"/metadata/labels": null}),
            json!({"/metadata/annotations": {"note": "x"}}),
            json!({"/metadata/deletionTimestamp": "2030-01-01T00:00:00Z"}),
            json!({"/metadata/uid": "2"}),
        ] {
            let attempts = Attempts::default();
            let mut all = status();
            all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            attempts.wrote_status("a/b", &jwt("6", &json!({})), &jwt("8", &all));
            assert!(!attempts.is_own_event("a/b", Some("8")), "{change}");
            let is_same = change.get("/metadata/uid").is_none();
            assert_eq!(attempts.newer_status("a/b", Some("7")).is_some(), is_same, "{change}");
        }
    }

    #[test]
    fn own_status_counts_until_the_watch_delivers_its_version_or_a_later_one() {
        for (last, is_known) in [("9", true), ("98", true), ("100", false), ("101", false), ("x", false)] {
            let attempts = Attempts::default();
            let written = jwt("100", &status());
            attempts.wrote_status("a/b", &jwt("9", &json!({})), &written);
            assert_eq!(attempts.newer_status("a/b", Some("97")), Some(written.status.clone()));
            let expected = is_known.then_some(written.status);
            assert_eq!(attempts.newer_status("a/b", Some(last)), expected, "{last}");
        }
    }

    #[test]
    fn event_after_another_reconciliation_is_not_an_own_event() {
        let attempts = Attempts::default();
        attempts.wrote_status("a/b", &jwt("6", &json!({})), &jwt("8", &status()));
        // The watch is behind, and the key changed.
        attempts.touched("a/b");
        assert!(!attempts.is_own_event("a/b", Some("6")));
        assert!(!attempts.is_own_event("a/b", Some("8")), "the reconciliation between can have failed");
    }
}
