//! Repeats the synchronization until a signal ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::console::{Console, stamp_lines};
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;
use crate::util::time::human_span;

/// How soon a signal is noticed between two runs.
const STEP: Duration = Duration::from_millis(200);

/// Runs the job now and then every `interval`, which the job may change, or at once on SIGHUP. A
/// failed run is reported, and the next one follows. SIGTERM and SIGINT end it when the
/// run at hand is over; a second one ends it at once, which changes nothing or everything, since a
/// run is one transaction.
pub(super) fn run(
    mut interval: Duration,
    console: &mut Console,
    mut job: impl FnMut(&mut Console, &mut Duration) -> Result<ExitStatus, Failure>,
) -> Result<ExitStatus, Failure> {
    let ended = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // The order matters: the second signal finds the flag set by the first.
        let registered = signal_hook::flag::register_conditional_default(signal, Arc::clone(&ended))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&ended)));
        if registered.is_err() {
            console
                .warn("signals", "cannot handle signals: SIGTERM ends a run at once, which changes nothing");
        }
    }
    if signal_hook::flag::register(SIGHUP, Arc::clone(&asked)).is_err() {
        console.warn("signals", "cannot handle signals: SIGHUP ends the process");
    }
    stamp_lines();
    console.note(&format!("syncs every {}", human_span(interval.as_secs())));
    loop {
        let begun = Instant::now();
        if let Err(failure) = job(console, &mut interval) {
            console.report(&failure);
        }
        console.flush()?;
        let next = begun + interval;
        while Instant::now() < next && !asked.swap(false, Ordering::Relaxed) {
            if ended.load(Ordering::Relaxed) {
                return Ok(ExitStatus::Success);
            }
            std::thread::sleep(STEP.min(next.saturating_duration_since(Instant::now())));
        }
        if ended.load(Ordering::Relaxed) || console.is_reader_gone() {
            return Ok(ExitStatus::Success);
        }
    }
}
