//! Renewal of one token: check, sign, replace the file, and report an event.

use std::path::PathBuf;

use serde::Serialize;

use super::due::{Due, RenewReason, TokenInFile, check};
use super::output::{FileContent, OutputError, TokenFile};
use crate::key::SigningKey;
use crate::osdf::published;
use crate::osdf::resource::Resource;
use crate::osdf::signing::{SigningContext, SigningError, find_key, key_file, sign};
use crate::util::diagnostic::{Diagnostic, diagnostics};
use crate::util::file;
use crate::util::note::Notes;
use crate::util::time::Timestamp;
use crate::verify::PublishedKeysError;

/// A resource and the output file of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalJob {
    /// The resource that defines the token.
    pub resource: Resource,
    /// The directory of the resource's file, to which its key file is relative.
    pub directory: PathBuf,
    /// The output file.
    pub output: TokenFile,
}

/// The permitted actions of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewMode {
    /// Only check whether the token is due.
    CheckOnly,
    /// Sign the token if it is due.
    IfDue,
    /// Sign the token even if it is not due.
    Force,
}

/// A way to renew tokens, with its jobs.
pub trait Renewer {
    /// The description of a renewal: a token and its file.
    type Job;
    /// Why a token is not renewed.
    type Error: Diagnostic;

    /// The file of the token.
    fn output(job: &Self::Job) -> &TokenFile;

    /// The names of the job in events.
    fn subject(job: &Self::Job) -> RenewalSubject;

    /// The files whose change is a reason to check the token, such as that of the key.
    fn inputs(&self, job: &Self::Job) -> Vec<PathBuf>;

    /// Whether the job comes from standard input, which can be read once only.
    fn is_from_stdin(job: &Self::Job) -> bool;

    /// Runs jobs whose files are locked; the results are in the order of the jobs.
    fn run(
        &mut self,
        jobs: &[(&Self::Job, RenewMode)],
        now: Timestamp,
        notes: &mut Notes,
    ) -> Vec<Result<Renewal, Self::Error>>;

    /// The expiry of the token in the file, which is not verified.
    fn current_expiry(job: &Self::Job) -> Option<Timestamp>;

    /// Whether the old token is in the file after this error.
    fn is_old_token_left(_: &Self::Error) -> bool {
        true
    }
}

/// The names of a job in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalSubject {
    /// The resource or the user.
    pub name: String,
    /// The file.
    pub output: String,
    /// The name in text reports.
    pub label: String,
}

/// The renewal of the tokens of resources.
#[derive(Debug)]
pub struct OsdfRenewer<'a>(pub SigningContext<'a>);

impl Renewer for OsdfRenewer<'_> {
    type Job = RenewalJob;
    type Error = RenewError;

    fn output(job: &RenewalJob) -> &TokenFile {
        &job.output
    }

    fn subject(job: &RenewalJob) -> RenewalSubject {
        RenewalSubject {
            name: job.resource.name.clone(),
            output: job.output.path.to_string_lossy().into_owned(),
            label: job.resource.name.clone(),
        }
    }

    fn inputs(&self, job: &RenewalJob) -> Vec<PathBuf> {
        job.key_file(&self.0).into_iter().collect()
    }

    fn is_from_stdin(job: &RenewalJob) -> bool {
        job.resource.source.is_standard_input()
    }

    fn run(
        &mut self,
        jobs: &[(&RenewalJob, RenewMode)],
        now: Timestamp,
        notes: &mut Notes,
    ) -> Vec<Result<Renewal, RenewError>> {
        run_all(jobs, &self.0, now, notes)
    }

    fn current_expiry(job: &RenewalJob) -> Option<Timestamp> {
        job.output.unverified_expiry()
    }
}

/// The command after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandResult {
    /// It ended with success.
    Succeeded,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewAction {
    /// The token is valid; nothing was done.
    Fresh,
    /// The token is due and was not renewed, because the run only checks.
    Due(RenewReason),
    /// The token was renewed.
    Renewed(RenewReason),
}

/// The result of a run, with the times of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// What happened.
    pub action: RenewAction,
    /// The expiry of the token in the file, if it is valid.
    pub expires_at: Option<Timestamp>,
    /// The time of the next renewal.
    pub renew_at: Option<Timestamp>,
    /// The command that was run, if one was.
    pub command: Option<CommandResult>,
}

/// Why a token was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The key cannot be read, or signing failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The output file cannot be used.
    #[error(transparent)]
    Output(#[from] OutputError),
}

diagnostics! { RenewError:
    Self::Signing(error) => error.kind(), error.hint();
    Self::Output(error) => error.kind(), error.hint();
}

impl RenewalJob {
    /// Checks the token of the job, and renews it if it is due and `act` permits it. The caller
    /// must hold the lock of the output file if the token may be written.
    ///
    /// # Errors
    /// [`RenewError`]; the old token is not changed.
    pub fn run(
        &self,
        around: &SigningContext<'_>,
        act: RenewMode,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Renewal, RenewError> {
        let around = SigningContext { directory: &self.directory, ..*around };
        let key = find_key(&self.resource, &around, notes)?;
        let content = self.output.read()?;
        let found = match &content {
            FileContent::Missing => TokenInFile::Missing,
            FileContent::Unreadable => TokenInFile::Unreadable,
            FileContent::Text(text) => TokenInFile::Text(text.expose()),
        };
        let reason = match check(found, &self.resource, &key.verifying_key(), now) {
            Due::Fresh(times) if act != RenewMode::Force => {
                if self.output.mode.is_none_or(|mode| mode & 0o077 == 0) {
                    file::warn_if_exposed(&self.output.path, notes);
                }
                return Ok(Renewal {
                    action: RenewAction::Fresh,
                    expires_at: Some(times.expires_at),
                    renew_at: Some(times.renew_at),
                    command: None,
                });
            }
            Due::Fresh(_) => RenewReason::Forced,
            Due::Now { reason, expires_at: ends } if act == RenewMode::CheckOnly => {
                return Ok(Renewal {
                    action: RenewAction::Due(reason),
                    expires_at: ends,
                    renew_at: Some(now),
                    command: None,
                });
            }
            Due::Now { reason, .. } => reason,
        };
        self.require_published(&key, &around, notes)?;
        let signed = sign(&self.resource, &key, now)?;
        self.output.write(&signed.token)?;
        Ok(Renewal {
            action: RenewAction::Renewed(reason),
            expires_at: Some(signed.expires_at),
            renew_at: Some(signed.expires_at.plus_seconds(-self.resource.resign_before.unwrap_or(0))),
            command: None,
        })
    }

    /// Checks that the issuer publishes the key. A server that cannot be reached does not stop the renewal,
    /// since the old token expires.
    fn require_published(
        &self,
        key: &SigningKey,
        around: &SigningContext<'_>,
        notes: &mut Notes,
    ) -> Result<(), SigningError> {
        let Some(keys) = around.published else { return Ok(()) };
        match published::require(&self.resource, key, keys, notes) {
            Err(
                error @ SigningError::PublishedKeys {
                    source: PublishedKeysError { is_remote: true, .. }, ..
                },
            ) => {
                notes.warn("key-not-published", format!("{error}; the token is signed without this check"));
                Ok(())
            }
            checked => checked,
        }
    }

    /// Returns the key file of the job, if the key is in a file.
    #[must_use]
    pub fn key_file(&self, around: &SigningContext<'_>) -> Option<PathBuf> {
        key_file(&self.resource, &SigningContext { directory: &self.directory, ..*around })
    }
}

/// Number of writer threads; most of the time is spent waiting for the disk.
const WRITERS: usize = 16;

/// Runs several jobs in parallel; the results are in the order of the jobs.
pub fn run_all(
    jobs: &[(&RenewalJob, RenewMode)],
    around: &SigningContext<'_>,
    now: Timestamp,
    notes: &mut Notes,
) -> Vec<Result<Renewal, RenewError>> {
    let share = jobs.len().div_ceil(WRITERS).max(8);
    let look = |jobs: &[(&RenewalJob, RenewMode)]| {
        let mut notes = Notes::new();
        let kept: Vec<_> = jobs.iter().map(|(job, act)| job.run(around, *act, now, &mut notes)).collect();
        (kept, notes)
    };
    if jobs.len() <= share {
        let (kept, own) = look(jobs);
        notes.append(own);
        return kept;
    }
    std::thread::scope(|scope| {
        let begin = |jobs| std::thread::Builder::new().spawn_scoped(scope, move || look(jobs)).ok();
        let writers: Vec<_> = jobs.chunks(share).map(|jobs| (jobs, begin(jobs))).collect();
        let mut all = Vec::with_capacity(jobs.len());
        for (jobs, writer) in writers {
            // The jobs of a thread that panicked or did not start run on this thread.
            let (kept, own) = writer.and_then(|writer| writer.join().ok()).unwrap_or_else(|| look(jobs));
            all.extend(kept);
            notes.append(own);
        }
        all
    })
}

/// An event of a renewal: one JSON object a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RenewEvent {
    /// The time of the event, RFC 3339.
    pub time: String,
    /// `started`, `fresh`, `due`, `renewed`, `failed`, `reloaded` or `stopped`.
    pub event: &'static str,
    /// `metadata.name` of the resource, or the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file of the token, with the members of a consumer's file after `#`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Why the token is due or was renewed: `missing`, `invalid`, `expired`, `expires-soon`,
    /// `not-yet-valid`, `no-expiry`, `key-changed`, `resource-changed`, `claims-changed`, `command-pending` or `forced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The reason or the error as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The kind of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// When the token in the file expires, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The next renewal or retry, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// `succeeded` if the command after a change was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'static str>,
    /// The number of resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
}

impl RenewEvent {
    /// An event that is about no resource in particular.
    #[must_use]
    pub fn plain(event: &'static str, now: Timestamp) -> Self {
        Self { time: now.rfc3339(), event, ..Self::default() }
    }

    /// What became of a job.
    #[must_use]
    pub fn of(subject: &RenewalSubject, kept: &Renewal, now: Timestamp) -> Self {
        let (event, reason) = match &kept.action {
            RenewAction::Fresh => ("fresh", None),
            RenewAction::Due(reason) => ("due", Some(reason)),
            RenewAction::Renewed(reason) => ("renewed", Some(reason)),
        };
        Self {
            reason: reason.map(RenewReason::name),
            message: reason.map(ToString::to_string),
            expires_at: kept.expires_at.map(Timestamp::rfc3339),
            next_attempt_at: kept.renew_at.map(Timestamp::rfc3339),
            command: kept.command.map(|CommandResult::Succeeded| "succeeded"),
            ..Self::about(subject, event, now)
        }
    }

    /// A failed job, with the expiry of the token in its file.
    #[must_use]
    pub fn failed(
        subject: &RenewalSubject,
        error: &impl Diagnostic,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self {
            message: Some(error.to_string()),
            kind: Some(error.kind().name()),
            expires_at: expires_at.map(Timestamp::rfc3339),
            ..Self::about(subject, "failed", now)
        }
    }

    /// The same event with the time of the next attempt.
    #[must_use]
    pub fn retried_at(self, next: Timestamp) -> Self {
        Self { next_attempt_at: Some(next.rfc3339()), ..self }
    }

    fn about(subject: &RenewalSubject, event: &'static str, now: Timestamp) -> Self {
        Self {
            name: Some(subject.name.clone()),
            output: Some(subject.output.clone()),
            ..Self::plain(event, now)
        }
    }
}
