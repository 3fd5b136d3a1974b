//! The process that renews tokens until a signal: signals, clocks, standard output and systemd.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::renew::schedule::Instants;
use crate::renew::sd_notify::Notifier;
use crate::renew::watch::{ReloadError, Watch, WatchHost, WatchSignal};
use crate::renew::{RenewEvent, Renewer};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{FileError, reason};
use crate::util::note::Notes;
use crate::util::time::Clock;

/// Reads the files with the jobs again.
type Reload<'a, J> = dyn FnMut(&mut Notes, &mut Console) -> Result<Vec<J>, Failure> + 'a;

struct Process<'a, J> {
    reload: &'a mut Reload<'a, J>,
    console: &'a mut Console,
    signals: Receiver<i32>,
    notifier: Notifier,
    start: Instant,
    random: u16,
}

/// Renews tokens until a signal.
pub(super) fn run_watch<'a, R: Renewer>(
    mut watch: Watch<R>,
    jobs: Vec<R::Job>,
    notes: Notes,
    reload: &'a mut Reload<'a, R::Job>,
    console: &'a mut Console,
) -> Result<ExitStatus, Failure> {
    let signals = listen()?;
    let notifier = Notifier::from_environment(console.environment());
    let start = Instant::now();
    watch.run(jobs, notes, &mut Process { reload, console, signals, notifier, start, random: 0 })?;
    Ok(ExitStatus::Success)
}

/// The signals, in the order in which they arrive.
fn listen() -> Result<Receiver<i32>, Failure> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])
        .map_err(|error| UsageError::new(format!("cannot handle signals: {}", reason(&error))))?;
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

impl<J> WatchHost for Process<'_, J> {
    type Job = J;

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

    fn reload(&mut self, notes: &mut Notes) -> Result<Vec<J>, Vec<ReloadError>> {
        (self.reload)(notes, self.console).map_err(|failure| {
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
