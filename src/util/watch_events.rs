//! The clock and the signals of commands that repeat their work (`--watch`).

use std::time::Duration;

/// The end of a wait between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEvent {
    /// The time is over.
    Timeout,
    /// A run is requested now (SIGHUP).
    RunNow,
    /// The watch ends (SIGTERM, SIGINT).
    Stop,
}

/// The clock and the signals of a watch; the command line provides them.
pub trait WatchEvents {
    /// The time since any fixed instant, by a monotonic clock.
    fn time(&self) -> Duration;

    /// Waits at most `limit` and returns why the wait ended. With a limit of zero it returns at once,
    /// and reports a signal that came during the run.
    fn wait(&mut self, limit: Duration) -> WatchEvent;
}
