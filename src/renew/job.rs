//! Renewal of one token: check, sign, replace the file, and report an event.

use std::path::PathBuf;

use serde::Serialize;

use super::due::{Due, RenewReason, TokenInFile, check};
use super::output::{FileContent, OutputError, TokenFile};
use crate::key::SigningKey;
use crate::osdf::published;
use crate::osdf::resource::Resource;
use crate::osdf::signing::{SigningContext, SigningError, find_key, key_file, sign};
use crate::util::diagnostic::{Diagnostic as _, diagnostics};
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
                });
            }
            Due::Fresh(_) => RenewReason::Forced,
            Due::Now { reason, expires_at: ends } if act == RenewMode::CheckOnly => {
                return Ok(Renewal {
                    action: RenewAction::Due(reason),
                    expires_at: ends,
                    renew_at: Some(now),
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
    /// `metadata.name` of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Why the token is due or was renewed: `missing`, `invalid`, `expired`, `expires-soon`,
    /// `not-yet-valid`, `key-changed`, `resource-changed` or `forced`.
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
    pub fn of(job: &RenewalJob, kept: &Renewal, now: Timestamp) -> Self {
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
            ..Self::about(job, event, now)
        }
    }

    /// A failed job and the time of its next attempt.
    #[must_use]
    pub fn failed(job: &RenewalJob, error: &RenewError, now: Timestamp, next: Option<Timestamp>) -> Self {
        Self {
            message: Some(error.to_string()),
            kind: Some(error.kind().name()),
            expires_at: job.output.unverified_expiry().map(Timestamp::rfc3339),
            next_attempt_at: next.map(Timestamp::rfc3339),
            ..Self::about(job, "failed", now)
        }
    }

    fn about(job: &RenewalJob, event: &'static str, now: Timestamp) -> Self {
        Self {
            name: Some(job.resource.name.clone()),
            output: Some(job.output.path.to_string_lossy().into_owned()),
            ..Self::plain(event, now)
        }
    }
}
