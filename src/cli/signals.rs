//! The signals of a command with `--watch`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::console::Console;
use crate::util::watch_events::{WatchEvent, WatchEvents};

/// The longest time until a signal is noticed between two runs.
const STEP: Duration = Duration::from_millis(200);

/// SIGTERM and SIGINT stop the watch after the current run, SIGHUP starts a run. A second SIGTERM or
/// SIGINT ends the process at once.
pub(super) struct Signals {
    started: Instant,
    stop: Arc<AtomicBool>,
    run_now: Arc<AtomicBool>,
}

impl Signals {
    /// Registers the handlers, with a warning if that fails.
    pub(super) fn register(console: &mut Console) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let run_now = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // The order matters: the second signal finds the flag set by the first.
            let registered = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
            if registered.is_err() {
                console.warn("signals", "cannot handle signals: SIGTERM ends the program at once");
            }
        }
        if signal_hook::flag::register(SIGHUP, Arc::clone(&run_now)).is_err() {
            console.warn("signals", "cannot handle signals: SIGHUP ends the process");
        }
        Self { started: Instant::now(), stop, run_now }
    }
}

impl WatchEvents for Signals {
    fn time(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&mut self, limit: Duration) -> WatchEvent {
        let end = self.started.elapsed().saturating_add(limit);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return WatchEvent::Stop;
            }
            if self.run_now.swap(false, Ordering::Relaxed) {
                return WatchEvent::RunNow;
            }
            let left = end.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return WatchEvent::Timeout;
            }
            std::thread::sleep(STEP.min(left));
        }
    }
}
