//! The clock of timeouts: it continues when the system time is set. The command line passes it to what
//! waits, so a test can replace it.

use std::fmt;
use std::time::{Duration, Instant};

/// A monotonic clock.
pub trait MonotonicClock: fmt::Debug {
    /// The current instant.
    fn now(&self) -> Instant;

    /// Blocks the thread for this duration.
    fn pause(&self, duration: Duration);
}

/// The monotonic clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemMonotonicClock;

impl MonotonicClock for SystemMonotonicClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
