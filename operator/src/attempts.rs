//! What is remembered of each resource between reconciliations: failures, for growing pauses, and
//! recent writes, so that two programs that write one Secret do not do so without a pause.

use std::collections::HashMap;
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
    /// The generation of the last write: a changed resource is written at once.
    generation: Option<i64>,
    /// The version of the Secret after the last write.
    secret_version: Option<String>,
    /// The version of the resource after the last write of its status, until the next reconciliation begins.
    status_version: Option<(String, Instant)>,
    /// The version of the resource that the last written status replaced, with that status.
    written_status: Option<(String, JwtStatus)>,
    /// Another object changed since the last reconciliation began.
    is_touched: bool,
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
    pub fn pause_before_write(&self, resource: &str, generation: Option<i64>) -> Option<Duration> {
        let now = Instant::now();
        self.with(resource, |record| {
            let since = record.last_write.map(|last| now.saturating_duration_since(last));
            if record.generation != generation || since.is_none_or(|since| since > WINDOW) {
                record.writes = 0;
                return None;
            }
            let beyond = record.writes.checked_sub(FREE_WRITES)?;
            let pause = FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
            pause.checked_sub(since.unwrap_or_default()).filter(|left| !left.is_zero())
        })
    }

    /// Notes a version of the Secret of this name. False where it is the own last write, which needs no
    /// reconciliation.
    pub fn secret_changed(&self, resource: &str, version: Option<&str>) -> bool {
        self.with(resource, |record| {
            let is_own = version.is_some() && record.secret_version.as_deref() == version;
            record.is_touched |= !is_own;
            !is_own
        })
    }

    /// Notes that the object with the key changed.
    pub fn key_changed(&self, resource: &str) {
        self.with(resource, |record| record.is_touched = true);
    }

    /// Notes a write of the status: the resource that was reconciled, and the API server's answer. An answer that
    /// contains a change of another program is not an own event: that change has not been reconciled.
    pub fn wrote_status(&self, resource: &str, reconciled: &Jwt, answer: &Jwt) {
        let version = answer.metadata.resource_version.clone().filter(|_| answer.has_same_input(reconciled));
        let before = reconciled.metadata.resource_version.clone();
        self.with(resource, |record| {
            record.status_version = version.map(|version| (version, Instant::now()));
            record.written_status = before.map(|before| (before, answer.status.clone()));
        });
    }

    /// The status that was written over this version of the resource: the watch has not delivered it yet.
    pub fn newer_status(&self, resource: &str, version: Option<&str>) -> Option<JwtStatus> {
        self.with(resource, |record| {
            let newer = record.written_status.as_ref().filter(|(before, _)| Some(before.as_str()) == version);
            let status = newer.map(|(_, status)| status.clone());
            if status.is_none() {
                record.written_status = None;
            }
            status
        })
    }

    /// Whether a reconciliation has nothing to look at, since only the own write of the status caused it. True
    /// for the first reconciliation after the write at most: what a later one finds can be the rest of one that
    /// failed or was postponed.
    pub fn is_own_event(&self, resource: &str, version: Option<&str>) -> bool {
        self.with(resource, |record| {
            let is_touched = std::mem::take(&mut record.is_touched);
            let own = record.status_version.take().filter(|(own, _)| Some(own.as_str()) == version);
            own.is_some_and(|(_, at)| at.elapsed() < OWN_EVENT) && !is_touched
        })
    }

    /// Counts a write of the Secret, and notes its version.
    pub fn wrote(&self, resource: &str, generation: Option<i64>, version: Option<String>) {
        self.with(resource, |record| {
            record.secret_version = version;
            record.writes = record.writes.saturating_add(1);
            record.last_write = Some(Instant::now());
            record.generation = generation;
        });
    }

    /// Forgets resources that are gone.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| exists(name));
    }
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
        for _ in 0..FREE_WRITES {
            assert_eq!(attempts.pause_before_write("a/b", Some(1)), None);
            attempts.wrote("a/b", Some(1), None);
        }
        assert!(attempts.pause_before_write("a/b", Some(1)).is_some());
        assert_eq!(attempts.pause_before_write("a/c", Some(1)), None, "another resource");
        assert_eq!(attempts.pause_before_write("a/b", Some(2)), None, "a changed resource");
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
        attempts.wrote("a/b", Some(1), Some("7".to_owned()));
        let written = jwt("8", &status());
        attempts.wrote_status("a/b", &jwt("6", &json!({})), &written);
        assert_eq!(attempts.newer_status("a/b", Some("6")), Some(written.status), "the watch is behind");
        assert_eq!(attempts.newer_status("a/b", Some("8")), None);
        assert!(!attempts.secret_changed("a/b", Some("7")));
        assert!(attempts.is_own_event("a/b", Some("8")));
        assert!(!attempts.is_own_event("a/b", Some("8")), "once: later it is a new list after an outage");
        attempts.wrote_status("a/b", &jwt("8", &json!({})), &jwt("9", &status()));
        assert!(attempts.secret_changed("a/b", Some("10")));
        assert!(!attempts.is_own_event("a/b", Some("9")), "another program changed the Secret");
    }

    #[test]
    fn answer_with_a_change_of_another_program_is_no_own_event() {
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
        }
    }

    #[test]
    fn event_after_another_reconciliation_is_no_own_event() {
        let attempts = Attempts::default();
        attempts.wrote_status("a/b", &jwt("6", &json!({})), &jwt("8", &status()));
        // The watch is behind, and the key changed.
        attempts.key_changed("a/b");
        assert!(!attempts.is_own_event("a/b", Some("6")));
        assert!(!attempts.is_own_event("a/b", Some("8")), "the reconciliation between can have failed");
    }
}
