//! `cc-jwt renew --watch`: the process around [`Watch`]: signals, clocks, standard output and systemd.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::renew::Renew;
use super::resources::published_keys;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::renew::schedule::Instants;
use crate::renew::sd_notify::Notifier;
use crate::renew::watch::{ReloadError, Watch, WatchHost, WatchSignal};
use crate::renew::{RenewEvent, RenewalJob};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{FileError, reason};
use crate::util::note::Notes;
use crate::util::time::Clock;

struct Process<'a> {
    arguments: &'a Renew,
    console: &'a mut Console,
    signals: Receiver<i32>,
    notifier: Notifier,
    start: Instant,
    random: u16,
}

pub(super) fn run(arguments: &Renew, console: &mut Console) -> Result<ExitStatus, Failure> {
    arguments.check()?;
    let signals = listen()?;
    let environment = console.environment().clone();
    let published = published_keys(arguments.published.as_deref(), console)?;
    let context = arguments.resources.around(&environment, Path::new("."), published.as_ref());
    let resource_files = arguments.spec.iter().filter(|path| *path != Path::new("-"));
    let mut watch = Watch::new(context, resource_files);
    let mut notes = Notes::new();
    // An error at the start ends the command; later the old tokens remain.
    let jobs = match jobs(arguments, true, &mut notes, console) {
        Ok(jobs) => jobs,
        Err(failure) => {
            console.notes(notes);
            return Err(failure);
        }
    };
    let notifier = Notifier::from_environment(&environment);
    let start = Instant::now();
    watch.run(jobs, notes, &mut Process { arguments, console, signals, notifier, start, random: 0 })?;
    Ok(ExitStatus::Success)
}

/// The jobs of the resources, with or without those of standard input, which can be read once only.
fn jobs(
    arguments: &Renew,
    with_stdin: bool,
    notes: &mut Notes,
    console: &mut Console,
) -> Result<Vec<RenewalJob>, Failure> {
    let mut loaded = Vec::new();
    for path in arguments.spec.iter().filter(|path| with_stdin || *path != Path::new("-")) {
        loaded.extend(arguments.resources.load(path, Clock::System.now(), notes)?);
    }
    arguments.jobs(loaded, console)
}

/// The signals, in the order in which they arrive.
fn listen() -> Result<Receiver<i32>, Failure> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])
        .map_err(|error| UsageError::new(format!("cannot listen to signals: {}", reason(&error))))?;
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

impl WatchHost for Process<'_> {
    fn instants(&self) -> Instants {
        Instants { wall: Clock::System.now(), monotonic: self.start.elapsed() }
    }

    fn wait(&mut self, longest: Duration) -> Option<WatchSignal> {
        match self.signals.recv_timeout(longest) {
            Ok(SIGHUP) => Some(WatchSignal::Renew),
            Ok(_) => Some(WatchSignal::Stop),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn random(&mut self) -> u16 {
        let mut bytes = [0_u8; 2];
        if getrandom::fill(&mut bytes).is_ok() {
            self.random = u16::from_ne_bytes(bytes);
        } else {
            self.random = self.random.wrapping_add(24_593);
        }
        self.random
    }

    fn reload(&mut self, notes: &mut Notes) -> Result<Vec<RenewalJob>, Vec<ReloadError>> {
        jobs(self.arguments, false, notes, self.console).map_err(|failure| {
            let errors = failure.errors().iter();
            errors.map(|error| ReloadError { kind: error.kind(), message: error.to_string() }).collect()
        })
    }

    /// That an event cannot be printed, because the disk of the log is full, must not end the renewal.
    fn event(&mut self, event: &RenewEvent) {
        if let Err(error) = self.console.json(event).and_then(|()| self.console.flush()) {
            log::info!("cannot print an event: {error}");
        }
    }

    fn notes(&mut self, notes: Notes) {
        self.console.notes(notes);
    }

    fn notify(&mut self, state: &str) {
        self.notifier.notify(state);
    }
}
