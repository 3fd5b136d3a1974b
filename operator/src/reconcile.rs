//! One reconciliation: read, decide, write, report.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cc_auth::key::{SigningKey, thumbprint};
use cc_auth::osdf::{Resource, signing};
use cc_auth::renew::RenewReason;
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretText;
use cc_auth::util::time::{Clock, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::jiff;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::MANAGER;
use crate::attempts::{Attempts, Revision};
use crate::decision::{Action, Observed, decide, renewal_time};
use crate::error::{Failure, ReconcileError};
use crate::events::{EventType, Events};
use crate::jwt::{Jwt, JwtStatus, KeyKind};
use crate::log::{self, Level};
use crate::metrics::Metrics;
use crate::problem::{Problem, Reason};
use crate::secret::{self, Slot, TokenTimes, stale_labels};
use crate::spec::{self, CheckedSpec, KeyLocation};
use crate::status::{self, DEGRADED, Outcome, READY};

/// The longest pause between two checks of a resource: a timer does not notice that the computer was
/// suspended or its clock corrected.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What reconciliations share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where Events go.
    pub events: Events,
    /// Failures and writes of each resource.
    pub attempts: Arc<Attempts>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Only report what would be written.
    pub dry_run: bool,
}

/// What a reconciliation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing had to be written.
    None,
    /// A token was signed for the first time.
    Signed,
    /// A token was signed in place of another.
    Renewed(RenewReason),
    /// The token stayed, the rest of the Secret was written.
    Repaired,
    /// A Secret was taken over, with its token or a new one.
    Adopted,
    /// Another program changes the Secret as well: the write waits so long.
    Postponed(Duration),
}

impl Change {
    const fn name(&self) -> &'static str {
        match self {
            Self::None => "unchanged",
            Self::Signed => "signed",
            Self::Renewed(_) => "renewed",
            Self::Repaired => "repaired",
            Self::Adopted => "adopted",
            Self::Postponed(_) => "postponed",
        }
    }
}

/// The end of a reconciliation.
#[derive(Debug)]
pub struct Reconciled {
    /// When the next one is due at the latest.
    pub next: Duration,
    /// What prevents a valid token.
    pub problem: Option<Problem>,
}

/// Brings the Secret of one resource into the desired state and reports it in the status.
///
/// # Errors
/// [`ReconcileError`]: nothing could be reported in the status.
pub async fn reconcile(jwt: &Jwt, context: &Context) -> Result<Reconciled, ReconcileError> {
    if jwt.metadata.deletion_timestamp.is_some() {
        return Err(ReconcileError::Gone);
    }
    let started = Instant::now();
    let id = resource_id(jwt);
    if let Some(next) = own_event(jwt, context, &id) {
        return Ok(Reconciled { next, problem: None });
    }
    let newer = context.attempts.newer_status(&id, jwt.metadata.resource_version.as_deref());
    let jwt = &newer.map_or(Cow::Borrowed(jwt), |status| Cow::Owned(Jwt { status, ..jwt.clone() }));
    let mut round =
        Round { jwt, context, outcome: Outcome::default(), change: Change::None, warnings: Vec::new() };
    let result = match round.ensure_token().await {
        Err(Failure::Problem(problem)) => Ok(Some(problem)),
        Err(Failure::Error(error)) => Err(error),
        Ok(()) => Ok(None),
    };
    context.metrics.reconciled(&result, started.elapsed());
    let problem = result?;
    let retry = match &problem {
        Some(problem) => {
            let (failures, pause) = context.attempts.failed(&id, problem.reason.name());
            round.outcome.failed_attempts = failures;
            round.outcome.problem = Some(problem.clone());
            Some(pause)
        }
        None => {
            context.attempts.succeeded(&id);
            None
        }
    };
    let now = Clock::System.now();
    let next = match round.change {
        Change::Postponed(pause) => pause,
        _ => next_check(&round.outcome, retry, now),
    };
    round.report(now).await?;
    Ok(Reconciled { next, problem })
}

/// When the next check is due, where this reconciliation was caused by the own write of the status only.
fn own_event(jwt: &Jwt, context: &Context, id: &str) -> Option<Duration> {
    if !context.attempts.is_own_event(id, jwt.metadata.resource_version.as_deref()) {
        return None;
    }
    if !jwt.status.is_true(READY) || jwt.status.is_true(DEGRADED) {
        return None;
    }
    let time = |text: &Option<String>| -> Option<Timestamp> {
        text.as_deref()?.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_second()))
    };
    let at = time(&jwt.status.renewal_time).or_else(|| time(&jwt.status.not_after))?;
    let left = u64::try_from(at.since(Clock::System.now())).unwrap_or(0).max(1);
    Some(Duration::from_secs(left).min(LONGEST_PAUSE))
}

/// `NAMESPACE/NAME`.
pub fn resource_id(jwt: &Jwt) -> String {
    format!("{}/{}", jwt.namespace(), jwt.name())
}

/// How long until the resource has to be looked at again, without any event.
fn next_check(outcome: &Outcome, retry: Option<Duration>, now: Timestamp) -> Duration {
    let until = |at: Timestamp| Duration::from_secs(u64::try_from(at.since(now)).unwrap_or(0).max(1));
    let expiry = outcome.token.as_ref().map(|token| until(token.expires_at));
    match retry {
        // More often as the expiry comes nearer.
        Some(pause) => expiry.map_or(pause, |left| pause.min((left / 2).max(Duration::from_secs(5)))),
        None => outcome.renewal_time.map(until).or(expiry).unwrap_or(LONGEST_PAUSE),
    }
    .min(LONGEST_PAUSE)
}

struct Round<'a> {
    jwt: &'a Jwt,
    context: &'a Context,
    outcome: Outcome,
    change: Change,
    warnings: Vec<String>,
}

impl Round<'_> {
    /// Read, decide, write.
    async fn ensure_token(&mut self) -> Result<(), Failure> {
        let jwt = self.jwt;
        let secrets: Api<Secret> = Api::namespaced(self.context.client.clone(), jwt.namespace());
        let current =
            secrets.get_opt(jwt.name()).await.map_err(|error| Failure::of(error, "read the Secret"))?;
        if let Ok(slot @ Slot::Own(_)) = Slot::of(jwt, current.as_ref()) {
            self.outcome.token = slot.secret().and_then(secret::token_times);
        }
        let CheckedSpec { resource, key, warnings } = spec::check(jwt)?;
        self.warnings = warnings;
        let key = self.read_key(&resource, key).await?;
        if let Ok(key) = &key {
            self.outcome.key_thumbprint = key.verifying_key().public_key().map(thumbprint);
        }
        let now = Clock::System.now();
        let observed =
            Observed { jwt, resource: &resource, secret: current.as_ref(), key: key.as_ref(), now };
        match (decide(&observed)?, &key) {
            (Action::Leave(times), _) => self.settle(&resource, times),
            (Action::Repair(secret, times), _) => {
                let token = secret::token_bytes(secret).unwrap_or_default();
                let token = SecretText::new(String::from_utf8_lossy(token.trim_ascii()).into_owned());
                let slot = Slot::of(jwt, Some(secret))?;
                self.change =
                    if matches!(slot, Slot::Adoptable(_)) { Change::Adopted } else { Change::Repaired };
                self.write(&secrets, slot, &token, times.issued_at).await?;
                self.settle(&resource, times);
            }
            (Action::Sign(slot, reason), Ok(key)) => {
                self.change = match (slot, reason) {
                    (Slot::Adoptable(_), _) => Change::Adopted,
                    (_, RenewReason::Missing) => Change::Signed,
                    (_, reason) => Change::Renewed(reason),
                };
                let signed = signing::sign(&resource, key, now).map_err(Problem::from);
                self.context.metrics.signed(signed.is_ok());
                let signed = signed?;
                let mut notes = Notes::new();
                let _ = signing::lint(&resource, now, false, &mut notes);
                self.warnings
                    .extend(notes.iter().map(|note| spec::without_source(&note.text, &resource.source)));
                self.write(&secrets, slot, &signed.token, signed.issued_at).await?;
                let times = TokenTimes {
                    issued_at: signed.issued_at,
                    expires_at: signed.expires_at,
                    jti: signed.jti,
                };
                self.settle(&resource, times);
            }
            // decide() returned the problem of the key.
            (Action::Sign(..), Err(problem)) => return Err(problem.clone().into()),
        }
        Ok(())
    }

    fn settle(&mut self, resource: &Resource, times: TokenTimes) {
        if matches!(self.change, Change::Postponed(_)) {
            return;
        }
        self.outcome.renewal_time =
            resource.resign_before.map(|_| renewal_time(self.jwt, resource, times.expires_at));
        self.outcome.token = Some(times);
    }

    /// Reads the key. The outer error ends the reconciliation; the inner one is for the decision.
    async fn read_key(
        &mut self,
        resource: &Resource,
        location: KeyLocation,
    ) -> Result<Result<SigningKey, Problem>, Failure> {
        let place = location.place();
        let text = match location {
            KeyLocation::Value(text) => Ok(text),
            KeyLocation::Object { kind, name, member } => self.key_text(kind, &name, &member).await?,
        };
        let mut notes = Notes::new();
        let key = text.and_then(|text| Ok(signing::read_key(resource, place, &text, &mut notes)?));
        self.warnings.extend(notes.iter().map(|note| note.text.clone()));
        Ok(key)
    }

    async fn key_text(
        &self,
        kind: KeyKind,
        name: &str,
        member: &str,
    ) -> Result<Result<SecretText, Problem>, Failure> {
        let (client, namespace) = (self.context.client.clone(), self.jwt.namespace());
        let bytes = match kind {
            KeyKind::Secret => {
                Api::<Secret>::namespaced(client, namespace).get_opt(name).await.map(|secret| {
                    secret.map(|secret| {
                        secret.data.and_then(|mut data| data.remove(member)).map(|bytes| bytes.0)
                    })
                })
            }
            KeyKind::ConfigMap => {
                Api::<ConfigMap>::namespaced(client, namespace).get_opt(name).await.map(|map| {
                    map.map(|map| map.data.and_then(|mut data| data.remove(member)).map(String::into_bytes))
                })
            }
        }
        .map_err(|error| Failure::of(error, &format!("read the {} of the key", kind.name())))?;
        let kind = kind.name();
        Ok(match bytes {
            None => Err(Problem::new(Reason::KeyNotFound, format!("{kind} '{name}' does not exist"))),
            Some(None) => Err(Problem::new(
                Reason::KeyNotFound,
                format!("{kind} '{name}' does not have a member '{member}'"),
            )),
            Some(Some(bytes)) => String::from_utf8(bytes).map(SecretText::new).map_err(|_| {
                Problem::new(
                    Reason::KeyInvalid,
                    format!("{kind} '{name}', member '{member}': expected PEM, found other bytes"),
                )
            }),
        })
    }

    /// Writes the Secret so that a concurrent change of another program is not overwritten: a new one
    /// with POST, an existing one by a forced apply that carries the version that was read.
    async fn write(
        &mut self,
        secrets: &Api<Secret>,
        slot: Slot<'_>,
        token: &SecretText,
        issued_at: Timestamp,
    ) -> Result<(), Failure> {
        let (jwt, attempts) = (self.jwt, &self.context.attempts);
        if self.context.dry_run {
            return Ok(());
        }
        let (id, revision) = (resource_id(jwt), Revision::of(jwt));
        if let Some(pause) = attempts.pause_before_write(&id, &revision) {
            self.change = Change::Postponed(pause);
            return Ok(());
        }
        let desired = secret::desired(jwt, token, issued_at);
        let failed = |error| Failure::of(error, "write the Secret");
        let Some(current) = slot.secret() else {
            let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            let written = secrets.create(&params, &desired).await.map_err(failed)?;
            attempts.wrote(&id, revision, written.resource_version());
            return Ok(());
        };
        let stale = stale_labels(jwt, current);
        let written = secrets
            .patch(
                jwt.name(),
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(secret::desired_over(current, desired)),
            )
            .await
            .map_err(failed)?;
        attempts.wrote(&id, revision, written.resource_version());
        if !stale.is_empty() {
            let labels: serde_json::Map<String, Value> =
                stale.into_iter().map(|name| (name, Value::Null)).collect();
            let body = json!({"metadata": {
                "uid": written.uid(), "resourceVersion": written.resource_version(), "labels": labels,
            }});
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            let written = secrets.patch(jwt.name(), &params, &Patch::Merge(body)).await.map_err(failed)?;
            attempts.wrote_again(&id, written.resource_version());
        }
        Ok(())
    }

    /// Writes the status if it changed, then the Events of this change, then a line of the log.
    async fn report(&mut self, now: Timestamp) -> Result<(), ReconcileError> {
        let (jwt, old) = (self.jwt, &self.jwt.status);
        if matches!(self.change, Change::Postponed(_)) {
            log::resource(
                Level::Warning,
                "postponed",
                jwt,
                "another program changes the Secret again and again",
            );
            return Ok(());
        }
        if self.context.dry_run {
            self.log_change();
            return Ok(());
        }
        let status = status::after(jwt, &self.outcome, now);
        if status != *old {
            let jwts: Api<Jwt> = Api::namespaced(self.context.client.clone(), jwt.namespace());
            let body = json!({"apiVersion": "tokens.osg-htc.org/v1", "kind": "JWT", "status": status});
            let params = PatchParams::apply(MANAGER).force();
            match jwts.patch_status(jwt.name(), &params, &Patch::Apply(&body)).await {
                Ok(answer) => self.context.attempts.wrote_status(&resource_id(jwt), jwt, &answer),
                Err(kube::Error::Api(answer)) if answer.code == 404 => return Err(ReconcileError::Gone),
                Err(error) => {
                    return Err(match Failure::of(error, "write the status") {
                        Failure::Error(error) => error,
                        Failure::Problem(problem) => {
                            log::resource(Level::Error, problem.reason.name(), jwt, &problem.message);
                            return Ok(());
                        }
                    });
                }
            }
        }
        self.log_change();
        self.publish_events(&status).await;
        Ok(())
    }

    fn log_change(&self) {
        let planned = if self.context.dry_run { "would write the Secret" } else { "wrote the Secret" };
        if self.change != Change::None && self.outcome.problem.is_none() {
            log::resource(
                Level::Info,
                self.change.name(),
                self.jwt,
                &format!("{planned}; {}", self.describe_change()),
            );
        }
        if let Some(problem) = &self.outcome.problem
            && (self.context.dry_run
                || status::reported_problem(&self.jwt.status) != Some(problem.reason.name()))
        {
            log::resource(Level::Warning, problem.reason.name(), self.jwt, &problem.message);
        }
    }

    fn describe_change(&self) -> String {
        let expiry =
            self.outcome.token.as_ref().map_or_else(String::new, |token| {
                format!("the token expires at {}", token.expires_at.rfc3339())
            });
        match &self.change {
            Change::Renewed(reason) => format!("{expiry}; reason: {reason}"),
            _ => expiry,
        }
    }

    /// One Event for each transition; failing to publish one does not fail the reconciliation.
    async fn publish_events(&self, status: &JwtStatus) {
        let (jwt, old) = (self.jwt, &self.jwt.status);
        let mut events: Vec<(EventType, &str, String)> = Vec::new();
        let normal = match self.change {
            Change::Signed => Some("Signed"),
            Change::Renewed(_) => Some("Renewed"),
            Change::Adopted => Some("Adopted"),
            _ => None,
        };
        if let Some(reason) = normal.filter(|_| self.outcome.problem.is_none()) {
            events.push((EventType::Normal, reason, self.describe_change()));
        }
        let reported = status::reported_problem(status);
        if let Some(problem) = &self.outcome.problem
            && reported != status::reported_problem(old)
        {
            events.push((EventType::Warning, problem.reason.name(), problem.message.clone()));
        }
        if old.observed_generation != status.observed_generation {
            for warning in &self.warnings {
                let never = warning.contains("resignBefore: missing");
                events.push((
                    EventType::Warning,
                    if never { "NeverRenewed" } else { "LintWarning" },
                    warning.clone(),
                ));
            }
        }
        for (type_, reason, note) in events {
            self.context.events.publish(jwt, type_, reason, &note).await;
        }
    }
}
