//! `cc-jwt renew --watch`: stays, and renews whenever it is time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::renew::{Renew, raise_file_limit};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::renew::output::{FileIdentity, OutputLock, TokenFile, identity, sweep};
use crate::renew::sd_notify::Notifier;
use crate::renew::{RenewError, RenewEvent, RenewMode, RenewalJob, backoff, run_all};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{FileError, reason};
use crate::util::note::Notes;
use crate::util::time::{Clock, Timestamp};

/// How long a look at one file may be put off, so that looking at thousands costs nothing.
const LOOK_EACH: Duration = Duration::from_millis(5);
/// The least and the most time between two looks at all files.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A difference between the system's clock and the steady one that means it was set.
const CLOCK_SET: i64 = 5;

/// A job that is watched.
struct Watched {
    job: RenewalJob,
    _lock: OutputLock,
    next: Next,
    failures: u32,
    /// When the token in the output ends.
    ends: Option<Timestamp>,
    output: Option<FileIdentity>,
    key: Option<(PathBuf, Option<FileIdentity>)>,
}

/// When to look at a job again.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// At once, whether it is due or not.
    Now(RenewMode),
    /// When the system's clock says so.
    At(Timestamp),
    /// After a failure: by the monotonic clock.
    Retry(Instant),
}

struct Watcher<'a> {
    arguments: &'a Renew,
    watched: Vec<Watched>,
    specs: BTreeMap<PathBuf, Option<FileIdentity>>,
    spec_retry: Option<(u32, Instant)>,
    notifier: Notifier,
    is_ready: bool,
    status: String,
    reported: HashSet<String>,
    random: u16,
}

pub(super) fn run(arguments: &Renew, console: &mut Console) -> Result<ExitStatus, Failure> {
    arguments.check()?;
    let signals = listen()?;
    let mut watcher = Watcher {
        arguments,
        watched: Vec::new(),
        specs: BTreeMap::new(),
        spec_retry: None,
        notifier: Notifier::from_environment(console.environment()),
        is_ready: false,
        status: String::new(),
        reported: HashSet::new(),
        random: 0,
    };
    watcher.look_at_specs();
    // An error at the start ends the command; later the old tokens remain.
    watcher.load(console)?;
    let outputs: Vec<&TokenFile> = watcher.watched.iter().map(|watched| &watched.job.output).collect();
    sweep(&outputs, Clock::System.now());
    let mut started = RenewEvent::plain("started", Clock::System.now());
    started.resources = Some(watcher.watched.len());
    print_event(&started, console);
    watcher.watch(&signals, console);
    Ok(ExitStatus::Success)
}

/// The signals, each as it comes.
fn listen() -> Result<Receiver<i32>, Failure> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])
        .map_err(|error| UsageError::new(format!("signals cannot be listened to: {}", reason(&error))))?;
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 << 10)
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })
        .map_err(|source| FileError::ReadFailed { path: PathBuf::from("signals"), source })?;
    Ok(receiver)
}

/// Prints an event. That it cannot be written, because the disk of the log is full, must not end
/// the renewal.
fn print_event(event: &RenewEvent, console: &mut Console) {
    if let Err(fault) = console.json(event).and_then(|()| console.flush()) {
        log::info!("cannot print an event: {fault}");
    }
}

impl Watcher<'_> {
    fn watch(&mut self, signals: &Receiver<i32>, console: &mut Console) {
        let mut looked = Instant::now();
        let mut clocks = (Clock::System.now(), Instant::now());
        loop {
            self.renew_due(console);
            self.notify_systemd();
            let pause = self.pause().saturating_sub(looked.elapsed()).min(self.until_next());
            match signals.recv_timeout(pause) {
                Ok(SIGHUP) => {
                    self.reload(console);
                    for watched in &mut self.watched {
                        watched.next = Next::Now(RenewMode::Force);
                    }
                }
                Ok(_) => {
                    self.notifier.notify("STOPPING=1");
                    print_event(&RenewEvent::plain("stopped", Clock::System.now()), console);
                    return;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let now = Clock::System.now();
            let steady = i64::try_from(clocks.1.elapsed().as_secs()).unwrap_or(i64::MAX);
            if (now.since(clocks.0) - steady).abs() > CLOCK_SET {
                self.look_again();
                clocks = (now, Instant::now());
            }
            if looked.elapsed() >= self.pause() {
                looked = Instant::now();
                let spec_due = self.spec_retry.is_some_and(|(_, at)| at <= looked);
                if self.look_at_specs() || spec_due {
                    self.reload(console);
                }
                self.look_at_files();
            }
        }
    }

    /// How long between two looks at all files.
    fn pause(&self) -> Duration {
        let files = self.specs.len() + 2 * self.watched.len();
        LOOK_EACH.saturating_mul(u32::try_from(files).unwrap_or(u32::MAX)).clamp(LOOKS.0, LOOKS.1)
    }

    fn until_next(&self) -> Duration {
        let (now, steady) = (Clock::System.now(), Instant::now());
        let waits = self.watched.iter().map(|watched| match watched.next {
            Next::Now(_) => Duration::ZERO,
            Next::At(at) => Duration::from_secs(u64::try_from(at.since(now)).unwrap_or(0)),
            Next::Retry(at) => at.saturating_duration_since(steady),
        });
        waits.min().unwrap_or(LOOKS.1)
    }

    /// Notices specs that changed; whether there are any.
    fn look_at_specs(&mut self) -> bool {
        let files = self.arguments.spec.iter().filter(|path| *path != Path::new("-"));
        let seen: BTreeMap<_, _> = files.map(|path| (path.clone(), identity(path))).collect();
        let changed = seen != self.specs;
        self.specs = seen;
        changed
    }

    /// Notices outputs and keys that changed behind our back.
    fn look_at_files(&mut self) {
        for watched in &mut self.watched {
            let output = identity(&watched.job.output.path);
            let key = watched.key.as_ref().map(|(path, _)| (path.clone(), identity(path)));
            if output != watched.output || key != watched.key {
                watched.output = output;
                watched.key = key;
                if matches!(watched.next, Next::At(_) | Next::Retry(_)) {
                    watched.next = Next::Now(RenewMode::IfDue);
                }
            }
        }
    }

    fn look_again(&mut self) {
        for watched in &mut self.watched {
            if matches!(watched.next, Next::At(_)) {
                watched.next = Next::Now(RenewMode::IfDue);
            }
        }
    }

    /// Reads the specs and takes over what they say; outputs that stay keep their locks.
    fn load(&mut self, console: &mut Console) -> Result<(), Failure> {
        let mut notes = Notes::new();
        let mut loaded = Vec::new();
        for path in &self.arguments.spec {
            // Standard input was read at the start.
            if path == Path::new("-") && !self.watched.is_empty() {
                continue;
            }
            loaded.extend(self.arguments.resources.load(path, Clock::System.now(), &mut notes)?);
        }
        self.show_new(notes, console);
        let jobs = self.arguments.jobs(loaded, console)?;
        raise_file_limit(jobs.len());
        let from_stdin = |watched: &Watched| watched.job.resource.source.0 == "standard input";
        let mut known: HashMap<PathBuf, Watched> =
            self.watched.drain(..).map(|watched| (watched.job.output.path.clone(), watched)).collect();
        let mut kept = Vec::with_capacity(jobs.len());
        let mut first_fault = None;
        for job in jobs {
            let around = self.arguments.resources.around(console.environment(), Path::new("."));
            let key = job.key_file(&around).map(|path| (path.clone(), identity(&path)));
            match known.remove(&job.output.path) {
                Some(old) => {
                    kept.push(Watched { job, key, next: Next::Now(RenewMode::IfDue), failures: 0, ..old })
                }
                None => match job.output.lock() {
                    Ok(lock) => kept.push(Watched {
                        output: identity(&job.output.path),
                        job,
                        _lock: lock,
                        next: Next::Now(RenewMode::IfDue),
                        failures: 0,
                        ends: None,
                        key,
                    }),
                    Err(error) => first_fault = first_fault.or(Some(error)),
                },
            }
        }
        kept.extend(known.into_values().filter(from_stdin));
        self.watched = kept;
        first_fault.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads the specs anew. When that fails, what was read before is kept.
    fn reload(&mut self, console: &mut Console) {
        let now = Clock::System.now();
        match self.load(console) {
            Ok(()) => {
                self.spec_retry = None;
                let mut event = RenewEvent::plain("reloaded", now);
                event.resources = Some(self.watched.len());
                print_event(&event, console);
            }
            Err(failure) => {
                let failures = self.spec_retry.map_or(1, |(failures, _)| failures.saturating_add(1));
                let pause = backoff::delay(failures, self.next_random());
                self.spec_retry = Some((failures, Instant::now() + pause));
                for fault in failure.errors() {
                    let event = RenewEvent {
                        message: Some(fault.to_string()),
                        kind: Some(fault.kind().name()),
                        next_attempt_at: Some(later(now, pause).rfc3339()),
                        ..RenewEvent::plain("failed", now)
                    };
                    print_event(&event, console);
                }
            }
        }
    }

    /// Renews the tokens that are due and prints the events.
    fn renew_due(&mut self, console: &mut Console) {
        let now = Clock::System.now();
        let steady = Instant::now();
        let due: Vec<(usize, RenewMode)> = self
            .watched
            .iter()
            .enumerate()
            .filter_map(|(index, watched)| match watched.next {
                Next::Now(act) => Some((index, act)),
                Next::At(at) => (at <= now).then_some((index, RenewMode::IfDue)),
                Next::Retry(at) => (at <= steady).then_some((index, RenewMode::IfDue)),
            })
            .collect();
        if due.is_empty() {
            return;
        }
        let jobs: Vec<(&RenewalJob, RenewMode)> = due
            .iter()
            .filter_map(|(index, act)| self.watched.get(*index).map(|watched| (&watched.job, *act)))
            .collect();
        let mut notes = Notes::new();
        let around = self.arguments.resources.around(console.environment(), Path::new("."));
        let kept = run_all(&jobs, &around, now, &mut notes);
        self.show_new(notes, console);
        for ((index, _), kept) in due.into_iter().zip(kept) {
            let random = self.next_random();
            let Some(watched) = self.watched.get_mut(index) else { continue };
            watched.output = identity(&watched.job.output.path);
            let event = match kept {
                Ok(kept) => {
                    watched.failures = 0;
                    watched.ends = kept.expires_at;
                    // A token without an instant to renew is looked at when its file changes.
                    watched.next = kept.renew_at.map_or(Next::At(Timestamp(i64::MAX)), Next::At);
                    RenewEvent::of(&watched.job, &kept, now)
                }
                Err(error) => watched.fail(&error, now, random),
            };
            print_event(&event, console);
        }
    }

    fn notify_systemd(&mut self) {
        let now = Clock::System.now();
        let good = self.watched.iter().filter(|watched| watched.ends.is_some_and(|ends| ends > now)).count();
        let all = self.watched.len();
        if good == all && !self.is_ready {
            self.is_ready = true;
            self.notifier.notify("READY=1");
        }
        let failing = self.watched.iter().filter(|watched| watched.failures > 0).count();
        let next = self.watched.iter().filter_map(|watched| match watched.next {
            Next::At(at) if at.0 < i64::MAX => Some(at),
            _ => None,
        });
        let next =
            next.min().map_or_else(String::new, |at| format!(", the next is renewed at {}", at.rfc3339()));
        let failing = if failing > 0 { format!(", {failing} failing") } else { String::new() };
        let status = format!("{good} of {all} tokens valid{failing}{next}");
        if self.status != status {
            self.notifier.status(&status);
            self.status = status;
        }
    }

    /// Shows notes once each, however often their reason comes up.
    fn show_new(&mut self, notes: Notes, console: &mut Console) {
        let mut new = Notes::new();
        for note in notes {
            if self.reported.insert(note.text.clone()) {
                new.add(note);
            }
        }
        console.notes(new);
    }

    /// Enough to spread retries; nothing secret hangs on it.
    fn next_random(&mut self) -> u16 {
        let mut bytes = [0_u8; 2];
        if getrandom::fill(&mut bytes).is_ok() {
            self.random = u16::from_ne_bytes(bytes);
        } else {
            self.random = self.random.wrapping_add(24_593);
        }
        self.random
    }
}

impl Watched {
    fn fail(&mut self, error: &RenewError, now: Timestamp, random: u16) -> RenewEvent {
        self.failures = self.failures.saturating_add(1);
        let pause = backoff::delay(self.failures, random);
        self.next = Next::Retry(Instant::now() + pause);
        self.ends = self.job.output.unverified_expiry();
        RenewEvent::failed(&self.job, error, now, Some(later(now, pause)))
    }
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.plus_seconds(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
}
