//! Renews tokens until it is stopped: at their times, after changes of resources, keys and tokens, and on request.
//!
//! [`Watch`] has the clocks, signals, events and the reader of the resources as a [`WatchHost`]; [`Schedule`] has the
//! decisions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::backoff;
use super::job::{RenewEvent, RenewMode, RenewalJob, run_all};
use super::output::{FileIdentity, OutputError, OutputLock, TokenFile, identity, raise_file_limit, sweep};
use super::schedule::{Instants, Schedule, Summary, check_interval};
use crate::osdf::signing::SigningContext;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchSignal {
    /// Read the resources again and renew all tokens.
    Renew,
    /// End.
    Stop,
}

/// An error of resources that were read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadError {
    /// Its kind.
    pub kind: Kind,
    /// Its message.
    pub message: String,
}

/// The surroundings of a [`Watch`].
pub trait WatchHost {
    /// Both clocks.
    fn instants(&self) -> Instants;

    /// Waits for a signal, no longer than the given time.
    fn wait(&mut self, longest: Duration) -> Option<WatchSignal>;

    /// A random number that spreads retries; it need not be secret.
    fn random(&mut self) -> u16;

    /// The jobs of the resource files, without those of standard input.
    ///
    /// # Errors
    /// All errors of the files; the jobs of before remain.
    fn reload(&mut self, notes: &mut Notes) -> Result<Vec<RenewalJob>, Vec<ReloadError>>;

    /// Prints an event.
    fn event(&mut self, event: &RenewEvent);

    /// Prints notes and warnings.
    fn notes(&mut self, notes: Notes);

    /// Sends a state to the service manager (`sd_notify`).
    fn notify(&mut self, state: &str);
}

/// A job with the state of its files.
struct WatchedJob {
    job: RenewalJob,
    _lock: OutputLock,
    schedule: Schedule,
    output: Option<FileIdentity>,
    key: Option<(PathBuf, Option<FileIdentity>)>,
}

/// The jobs that are renewed, and the state of the resource files.
pub struct Watch<'a> {
    context: SigningContext<'a>,
    jobs: Vec<WatchedJob>,
    resource_files: BTreeMap<PathBuf, Option<FileIdentity>>,
    /// After a reload that failed: the number of failures in a row, and the time of the retry.
    reload_retry: Option<(u32, Duration)>,
    is_ready: bool,
    status: String,
    printed_notes: HashSet<String>,
}

impl<'a> Watch<'a> {
    /// Watches these resource files, without jobs yet.
    #[must_use]
    pub fn new<'p>(context: SigningContext<'a>, resource_files: impl Iterator<Item = &'p PathBuf>) -> Self {
        Self {
            context,
            jobs: Vec::new(),
            resource_files: resource_files.map(|path| (path.clone(), identity(path))).collect(),
            reload_retry: None,
            is_ready: false,
            status: String::new(),
            printed_notes: HashSet::new(),
        }
    }

    /// Renews the tokens of the jobs until [`WatchSignal::Stop`].
    ///
    /// # Errors
    /// [`OutputError`] if a file cannot be locked at the start. Later errors are events, and are retried.
    pub fn run(
        &mut self,
        jobs: Vec<RenewalJob>,
        notes: Notes,
        host: &mut impl WatchHost,
    ) -> Result<(), OutputError> {
        self.print_new(notes, host);
        self.replace_jobs(jobs)?;
        let outputs: Vec<&TokenFile> = self.jobs.iter().map(|watched| &watched.job.output).collect();
        sweep(&outputs, host.instants().wall);
        self.print_count("started", host);
        self.renew_until_stopped(host);
        Ok(())
    }

    fn renew_until_stopped(&mut self, host: &mut impl WatchHost) {
        let mut last_check = host.instants();
        let mut last_clock = last_check;
        loop {
            self.renew_due(host);
            self.notify(host);
            let now = host.instants();
            let interval = check_interval(self.resource_files.len() + 2 * self.jobs.len());
            let until_check = interval.saturating_sub(now.monotonic.saturating_sub(last_check.monotonic));
            let until_due = self.jobs.iter().map(|watched| watched.schedule.wait(now)).min();
            match host.wait(until_check.min(until_due.unwrap_or(Duration::MAX))) {
                Some(WatchSignal::Stop) => {
                    host.notify("STOPPING=1");
                    host.event(&RenewEvent::plain("stopped", host.instants().wall));
                    return;
                }
                Some(WatchSignal::Renew) => {
                    self.reload(host);
                    self.jobs.iter_mut().for_each(|watched| watched.schedule.force());
                }
                None => {}
            }
            let now = host.instants();
            if now.clock_was_set_since(last_clock) {
                self.jobs.iter_mut().for_each(|watched| watched.schedule.clock_changed());
                last_clock = now;
            }
            if now.monotonic.saturating_sub(last_check.monotonic) >= interval {
                last_check = now;
                let is_retry_due = self.reload_retry.is_some_and(|(_, at)| at <= now.monotonic);
                if self.resource_files_changed() || is_retry_due {
                    self.reload(host);
                }
                self.check_files();
            }
        }
    }

    /// Whether a resource file changed since the last call.
    fn resource_files_changed(&mut self) -> bool {
        let mut has_changed = false;
        for (path, known) in &mut self.resource_files {
            let found = identity(path);
            has_changed |= *known != found;
            *known = found;
        }
        has_changed
    }

    /// Notices tokens and keys that another program changed.
    fn check_files(&mut self) {
        for watched in &mut self.jobs {
            let output = identity(&watched.job.output.path);
            let key = watched.key.as_ref().map(|(path, _)| (path.clone(), identity(path)));
            if output != watched.output || key != watched.key {
                watched.output = output;
                watched.key = key;
                watched.schedule.file_changed();
            }
        }
    }

    /// Replaces the jobs. Files that remain keep their locks, and the jobs of standard input remain.
    fn replace_jobs(&mut self, jobs: Vec<RenewalJob>) -> Result<(), OutputError> {
        raise_file_limit(jobs.len());
        let mut old: HashMap<PathBuf, WatchedJob> =
            self.jobs.drain(..).map(|watched| (watched.job.output.path.clone(), watched)).collect();
        let mut first_error = None;
        for job in jobs {
            let key = job.key_file(&self.context).map(|path| (path.clone(), identity(&path)));
            match old.remove(&job.output.path) {
                Some(mut watched) => {
                    watched.schedule.resource_reloaded();
                    self.jobs.push(WatchedJob { job, key, ..watched });
                }
                None => match job.output.lock() {
                    Ok(lock) => self.jobs.push(WatchedJob {
                        output: identity(&job.output.path),
                        job,
                        _lock: lock,
                        schedule: Schedule::default(),
                        key,
                    }),
                    Err(error) => first_error = first_error.or(Some(error)),
                },
            }
        }
        let from_stdin = |watched: &WatchedJob| watched.job.resource.source.is_standard_input();
        self.jobs.extend(old.into_values().filter(from_stdin));
        first_error.map_or(Ok(()), Err)
    }

    /// Reads the resources again. If that fails, the jobs of before remain, and it is retried.
    fn reload(&mut self, host: &mut impl WatchHost) {
        let mut notes = Notes::new();
        let reloaded = host.reload(&mut notes);
        self.print_new(notes, host);
        let reloaded = reloaded.and_then(|jobs| {
            self.replace_jobs(jobs)
                .map_err(|error| vec![ReloadError { kind: error.kind(), message: error.to_string() }])
        });
        let Err(errors) = reloaded else {
            self.reload_retry = None;
            return self.print_count("reloaded", host);
        };
        let failures = self.reload_retry.map_or(1, |(failures, _)| failures.saturating_add(1));
        let delay = backoff::delay(failures, host.random());
        let now = host.instants();
        self.reload_retry = Some((failures, now.monotonic + delay));
        for ReloadError { kind, message } in errors {
            host.event(&RenewEvent {
                message: Some(message),
                kind: Some(kind.name()),
                next_attempt_at: Some(later(now.wall, delay).rfc3339()),
                ..RenewEvent::plain("failed", now.wall)
            });
        }
    }

    /// Renews the tokens that are due and prints the events.
    fn renew_due(&mut self, host: &mut impl WatchHost) {
        let now = host.instants();
        let (mut due, mut modes) = (Vec::new(), Vec::new());
        for watched in &mut self.jobs {
            if let Some(mode) = watched.schedule.due(now) {
                due.push(watched);
                modes.push(mode);
            }
        }
        if due.is_empty() {
            return;
        }
        let jobs: Vec<(&RenewalJob, RenewMode)> = due.iter().map(|watched| &watched.job).zip(modes).collect();
        let mut notes = Notes::new();
        let results = run_all(&jobs, &self.context, now.wall, &mut notes);
        let mut events = Vec::with_capacity(results.len());
        for (watched, result) in due.into_iter().zip(results) {
            watched.output = identity(&watched.job.output.path);
            events.push(match result {
                Ok(renewal) => {
                    watched.schedule.succeeded(&renewal);
                    RenewEvent::of(&watched.job, &renewal, now.wall)
                }
                Err(error) => {
                    let expires_at = watched.job.output.unverified_expiry();
                    let delay = watched.schedule.failed(expires_at, host.instants(), host.random());
                    RenewEvent::failed(&watched.job, &error, now.wall, Some(later(now.wall, delay)))
                }
            });
        }
        self.print_new(notes, host);
        events.iter().for_each(|event| host.event(event));
    }

    /// Sends a changed state to the service manager: ready when all tokens are valid for the first time.
    fn notify(&mut self, host: &mut impl WatchHost) {
        let summary = Summary::of(self.jobs.iter().map(|watched| &watched.schedule), host.instants().wall);
        if summary.all_valid && !self.is_ready {
            self.is_ready = true;
            host.notify("READY=1");
        }
        if self.status != summary.text {
            host.notify(&format!("STATUS={}", crate::util::quote::escape(&summary.text)));
            self.status = summary.text;
        }
    }

    fn print_count(&self, event: &'static str, host: &mut impl WatchHost) {
        let event = RenewEvent::plain(event, host.instants().wall);
        host.event(&RenewEvent { resources: Some(self.jobs.len()), ..event });
    }

    /// Prints each note once, however often its condition occurs.
    fn print_new(&mut self, notes: Notes, host: &mut impl WatchHost) {
        let mut new = Notes::new();
        for note in notes {
            if self.printed_notes.insert(note.text.clone()) {
                new.add(note);
            }
        }
        host.notes(new);
    }
}

fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.plus_seconds(i64::try_from(delay.as_secs()).unwrap_or(i64::MAX))
}
