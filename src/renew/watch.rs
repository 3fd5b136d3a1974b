//! Renews tokens until it is stopped: at their renewal times, after changes of files, and on
//! request.
//!
//! A [`WatchHost`] provides the clocks, signals, events and the reader of the resources to a
//! [`Watch`], a [`Renewer`] renews; a [`Schedule`] decides when a token is renewed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::backoff;
pub use super::host::{ReloadError, WatchHost, WatchSignal};
use super::job::{RenewEvent, RenewMode, Renewer};
use super::output::{FileIdentity, OutputError, OutputLock, TokenFile, identity, raise_file_limit, sweep};
use super::schedule::{Schedule, Summary, check_interval};
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// A job with the state of its files.
struct WatchedJob<J> {
    job: J,
    _lock: OutputLock,
    schedule: Schedule,
    output: Option<FileIdentity>,
    inputs: Vec<(PathBuf, Option<FileIdentity>)>,
}

/// The jobs that are renewed, and the state of the resource files.
pub struct Watch<R: Renewer> {
    renewer: R,
    jobs: Vec<WatchedJob<R::Job>>,
    resource_files: BTreeMap<PathBuf, Option<FileIdentity>>,
    /// After a reload that failed: the number of failures in a row, and the time of the retry.
    reload_retry: Option<(u32, Duration)>,
    is_ready: bool,
    status: String,
    printed_notes: HashSet<String>,
}

impl<R: Renewer> Watch<R> {
    /// Watches these resource files, without jobs yet.
    #[must_use]
    pub fn new<'p>(renewer: R, resource_files: impl Iterator<Item = &'p PathBuf>) -> Self {
        Self {
            renewer,
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
        jobs: Vec<R::Job>,
        notes: Notes,
        host: &mut impl WatchHost<Job = R::Job>,
    ) -> Result<(), OutputError> {
        self.print_new(notes, host);
        self.replace_jobs(jobs)?;
        let outputs: Vec<&TokenFile> = self.jobs.iter().map(|watched| R::output(&watched.job)).collect();
        sweep(&outputs, host.instants().wall);
        self.print_count("started", host);
        self.renew_until_stopped(host);
        Ok(())
    }

    fn renew_until_stopped(&mut self, host: &mut impl WatchHost<Job = R::Job>) {
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
            let output = identity(&R::output(&watched.job).path);
            let inputs = identities(watched.inputs.iter().map(|(path, _)| path.clone()));
            if output != watched.output || inputs != watched.inputs {
                watched.output = output;
                watched.inputs = inputs;
                watched.schedule.file_changed();
            }
        }
    }

    /// Replaces the jobs. Files that remain keep their locks, and the jobs of standard input remain.
    fn replace_jobs(&mut self, jobs: Vec<R::Job>) -> Result<(), OutputError> {
        raise_file_limit(jobs.len());
        let mut old: HashMap<PathBuf, WatchedJob<R::Job>> =
            self.jobs.drain(..).map(|watched| (R::output(&watched.job).path.clone(), watched)).collect();
        let mut first_error = None;
        for job in jobs {
            let inputs = identities(self.renewer.inputs(&job).into_iter());
            match old.remove(&R::output(&job).path) {
                Some(mut watched) => {
                    watched.schedule.resource_reloaded();
                    self.jobs.push(WatchedJob { job, inputs, ..watched });
                }
                None => match R::output(&job).lock() {
                    Ok(lock) => self.jobs.push(WatchedJob {
                        output: identity(&R::output(&job).path),
                        job,
                        _lock: lock,
                        schedule: Schedule::default(),
                        inputs,
                    }),
                    Err(error) => first_error = first_error.or(Some(error)),
                },
            }
        }
        let from_stdin = |watched: &WatchedJob<R::Job>| R::is_from_stdin(&watched.job);
        self.jobs.extend(old.into_values().filter(from_stdin));
        first_error.map_or(Ok(()), Err)
    }

    /// Reads the resources again. If that fails, the jobs of before remain, and it is retried.
    fn reload(&mut self, host: &mut impl WatchHost<Job = R::Job>) {
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
    fn renew_due(&mut self, host: &mut impl WatchHost<Job = R::Job>) {
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
        let jobs: Vec<(&R::Job, RenewMode)> = due.iter().map(|watched| &watched.job).zip(modes).collect();
        let mut notes = Notes::new();
        let results = self.renewer.run(&jobs, now.wall, &mut notes);
        let mut events = Vec::with_capacity(results.len());
        for (watched, result) in due.into_iter().zip(results) {
            watched.output = identity(&R::output(&watched.job).path);
            events.push(match result {
                Ok(renewal) => {
                    watched.schedule.succeeded(&renewal);
                    RenewEvent::of(&R::subject(&watched.job), &renewal, now.wall)
                }
                Err(error) => {
                    let expires_at = R::current_expiry(&watched.job);
                    let delay = watched.schedule.failed(expires_at, host.instants(), host.random());
                    RenewEvent::failed(&R::subject(&watched.job), &error, expires_at, now.wall)
                        .retried_at(later(now.wall, delay))
                }
            });
        }
        self.print_new(notes, host);
        events.iter().for_each(|event| host.event(event));
    }

    /// Sends a changed state to the service manager: ready when all tokens are valid for the first time.
    fn notify(&mut self, host: &mut impl WatchHost<Job = R::Job>) {
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

    fn print_count(&self, event: &'static str, host: &mut impl WatchHost<Job = R::Job>) {
        let event = RenewEvent::plain(event, host.instants().wall);
        host.event(&RenewEvent { resources: Some(self.jobs.len()), ..event });
    }

    /// Prints each note once, however often its condition occurs.
    fn print_new(&mut self, notes: Notes, host: &mut impl WatchHost<Job = R::Job>) {
        let mut new = Notes::new();
        for note in notes {
            if self.printed_notes.insert(note.text.clone()) {
                new.add(note);
            }
        }
        host.notes(new);
    }
}

/// The identities of files.
fn identities(paths: impl Iterator<Item = PathBuf>) -> Vec<(PathBuf, Option<FileIdentity>)> {
    paths.map(|path| (path.clone(), identity(&path))).collect()
}

fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.plus_seconds(i64::try_from(delay.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::osdf::{LoadOptions, SigningContext, load};
    use crate::renew::schedule::Instants;
    use crate::renew::{OsdfRenewer, RenewalJob};
    use crate::util::environment::Environment;

    const RESOURCE: &str = include_str!("../../tests/data/osdf-example.yaml");

    /// A host whose clocks advance only while it waits. A step runs before the wait with its number.
    struct Host<F> {
        directory: PathBuf,
        now: Instants,
        waits: usize,
        step: F,
        events: Vec<RenewEvent>,
        states: Vec<String>,
    }

    impl<F: FnMut(usize, &Path, &mut Instants) -> Option<WatchSignal>> WatchHost for Host<F> {
        type Job = RenewalJob;

        fn instants(&self) -> Instants {
            self.now
        }

        fn wait(&mut self, longest: Duration) -> Option<WatchSignal> {
            self.waits += 1;
            assert!(self.waits < 200_000, "it does not stop: {:?}", self.events.last());
            if let Some(signal) = (self.step)(self.waits, &self.directory, &mut self.now) {
                return Some(signal);
            }
            // Rounded up to whole seconds, which are the unit of the wall clock.
            let seconds = longest.as_secs() + u64::from(longest.subsec_nanos() > 0);
            self.now.monotonic += Duration::from_secs(seconds);
            self.now.wall = self.now.wall.plus_seconds(i64::try_from(seconds).unwrap());
            None
        }

        fn random(&mut self) -> u16 {
            u16::MAX / 2
        }

        fn reload(&mut self, notes: &mut Notes) -> Result<Vec<RenewalJob>, Vec<ReloadError>> {
            jobs(&self.directory, self.now.wall, notes)
        }

        fn event(&mut self, event: &RenewEvent) {
            self.events.push(event.clone());
        }

        fn notes(&mut self, _: Notes) {}

        fn notify(&mut self, state: &str) {
            self.states.push(state.to_owned());
        }
    }

    fn jobs(
        directory: &Path,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Vec<RenewalJob>, Vec<ReloadError>> {
        use crate::util::diagnostic::Diagnostic as _;
        let loaded = load::load_file(&directory.join("r.yaml"), &LoadOptions::default(), now, notes);
        let output = TokenFile { path: directory.join("token"), mode: None };
        let job = |loaded: crate::osdf::LoadedResource| RenewalJob {
            resource: loaded.resource,
            directory: loaded.directory,
            output: output.clone(),
        };
        let error = |error: &load::LoadError| ReloadError { kind: error.kind(), message: error.to_string() };
        loaded
            .map(|loaded| loaded.into_iter().map(job).collect())
            .map_err(|errors| errors.iter().map(error).collect())
    }

    /// Watches the example resource, which is renewed after 19 hours, and returns the events, each
    /// with its hour, and the states for systemd.
    fn watch(
        step: impl FnMut(usize, &Path, &mut Instants) -> Option<WatchSignal>,
    ) -> (Vec<(i64, RenewEvent)>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let start = Timestamp(1_800_000_000);
        fs::write(directory.path().join("r.yaml"), RESOURCE).unwrap();
        let jobs = jobs(directory.path(), start, &mut Notes::new()).unwrap();
        let now = Instants { wall: start, monotonic: Duration::ZERO };
        let path = directory.path().to_owned();
        let mut host = Host { directory: path, now, waits: 0, step, events: Vec::new(), states: Vec::new() };
        let environment = Environment::default();
        let context = SigningContext::new(&environment, directory.path());
        let mut watch = Watch::new(OsdfRenewer(context), [directory.path().join("r.yaml")].iter());
        watch.run(jobs, Notes::new(), &mut host).unwrap();
        let hour = |event: &RenewEvent| {
            (0..200).rfind(|hour| start.plus_seconds(hour * 3600).rfc3339() <= event.time).unwrap()
        };
        (host.events.iter().map(|event| (hour(event), event.clone())).collect(), host.states)
    }

    fn names(events: &[(i64, RenewEvent)]) -> Vec<(i64, &'static str)> {
        events.iter().map(|(hour, event)| (*hour, event.event)).collect()
    }

    /// Stops after so many hours.
    fn stop_after(hours: u64, now: &Instants) -> Option<WatchSignal> {
        (now.monotonic >= Duration::from_secs(hours * 3600)).then_some(WatchSignal::Stop)
    }

    #[test]
    fn watch_renews_at_the_renewal_time_of_each_token() {
        let (events, states) = watch(|_, _, now| stop_after(40, now));
        let expected = [(0, "started"), (0, "renewed"), (19, "renewed"), (38, "renewed"), (40, "stopped")];
        assert_eq!(names(&events), expected);
        assert_eq!(events[2].1.reason, Some("expires-soon"));
        assert_eq!(states[0], "READY=1");
        assert_eq!(states.last().unwrap(), "STOPPING=1");
    }

    #[test]
    fn watch_retries_a_failure_later_each_time_and_recovers_after_a_change() {
        let (events, _) = watch(|wait, directory, now| {
            match wait {
                // The example's key no longer fits its public half.
                5 => {
                    let broken = RESOURCE.replace("MHcCAQEEIIphQal", "MHcCAQEEIIphQam");
                    fs::write(directory.join("r.yaml"), broken).unwrap();
                }
                60 => fs::write(directory.join("r.yaml"), format!("{RESOURCE}\n")).unwrap(),
                _ => {}
            }
            stop_after(1, now)
        });
        let failures: Vec<&RenewEvent> =
            events.iter().map(|(_, event)| event).filter(|event| event.event == "failed").collect();
        assert!((3..10).contains(&failures.len()), "{}", failures.len());
        assert!(failures.iter().all(|event| event.expires_at.is_some() && event.next_attempt_at.is_some()));
        let last: Vec<_> = events.iter().rev().take(3).rev().map(|(_, event)| event.event).collect();
        assert_eq!(last, ["reloaded", "fresh", "stopped"]);
    }

    #[test]
    fn watch_invalid_resource_keeps_the_jobs_and_is_read_again() {
        let (events, _) = watch(|wait, directory, now| {
            match wait {
                5 => fs::write(directory.join("r.yaml"), "kind: JWT\n").unwrap(),
                30 => fs::write(directory.join("r.yaml"), RESOURCE).unwrap(),
                _ => {}
            }
            stop_after(20, now)
        });
        assert!(
            events.iter().any(|(_, event)| event.event == "failed" && event.name.is_none()),
            "{events:?}"
        );
        let last: Vec<_> = events.iter().rev().take(4).rev().map(|(_, event)| event.event).collect();
        assert_eq!(last, ["reloaded", "fresh", "renewed", "stopped"]);
    }

    #[test]
    fn watch_signal_renews_a_fresh_token() {
        let (events, _) = watch(|wait, _, now| match wait {
            5 => Some(WatchSignal::Renew),
            _ => stop_after(1, now),
        });
        let expected = [(0, "started"), (0, "renewed"), (0, "reloaded"), (0, "renewed"), (1, "stopped")];
        assert_eq!(names(&events), expected);
        assert_eq!(events[3].1.reason, Some("forced"));
    }

    #[test]
    fn watch_token_deleted_by_another_program_is_written_again() {
        let (events, _) = watch(|wait, directory, now| {
            if wait == 5 {
                fs::remove_file(directory.join("token")).unwrap();
            }
            stop_after(1, now)
        });
        assert_eq!(events[2].1.reason, Some("missing"), "{events:?}");
    }

    #[test]
    fn watch_clock_set_forward_renews_at_once() {
        let (events, _) = watch(|wait, _, now| {
            if wait == 5 {
                now.wall = now.wall.plus_seconds(30 * 3600);
            }
            stop_after(1, now)
        });
        assert_eq!(names(&events)[..3], [(0, "started"), (0, "renewed"), (30, "renewed")]);
    }
}
