//! Repeated synchronization, as `cc-user sync-ldap --watch` does it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::util::watch_events::{WatchEvent, WatchEvents};

/// Runs a sync now, and then every `interval`, measured from start to start: a run that takes longer
/// than the interval is followed by the next one at once.
///
/// `run` returns the interval to the next run, which the settings may have changed, or a break. It
/// reports a failed run itself, and returns an error only if the watch must end. There is no backoff:
/// a failed run is repeated after the usual interval. A signal never interrupts a run.
///
/// # Errors
/// The errors of `run`.
pub fn watch<E>(
    events: &mut impl WatchEvents,
    mut run: impl FnMut() -> Result<ControlFlow<(), Duration>, E>,
) -> Result<(), E> {
    loop {
        let started = events.time();
        let ControlFlow::Continue(interval) = run()? else { return Ok(()) };
        let left = started.saturating_add(interval).saturating_sub(events.time());
        if events.wait(left) == WatchEvent::Stop {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that moves only in a wait and in a run.
    struct Script<'clock> {
        clock: &'clock Cell<Duration>,
        events: Vec<WatchEvent>,
        waits: Vec<u64>,
    }

    impl WatchEvents for Script<'_> {
        fn time(&self) -> Duration {
            self.clock.get()
        }

        fn wait(&mut self, limit: Duration) -> WatchEvent {
            self.waits.push(limit.as_secs());
            let event = self.events.remove(0);
            if event == WatchEvent::Timeout {
                self.clock.set(self.clock.get() + limit);
            }
            event
        }
    }

    #[test]
    fn watch_waits_for_the_rest_of_the_interval_and_stops_between_runs() {
        let clock = Cell::new(Duration::from_secs(1000));
        let mut script = Script {
            clock: &clock,
            events: vec![WatchEvent::Timeout, WatchEvent::RunNow, WatchEvent::Timeout, WatchEvent::Stop],
            waits: Vec::new(),
        };
        // The run takes 10, 20, 30, 40 seconds; the third one finds a shorter interval in the settings.
        let mut runs = 0;
        let ended = watch(&mut script, || {
            runs += 1;
            clock.set(clock.get() + Duration::from_secs(10 * runs));
            Ok::<_, ()>(ControlFlow::Continue(Duration::from_secs(if runs < 3 { 60 } else { 25 })))
        });
        assert_eq!(ended, Ok(()));
        assert_eq!(script.waits, [50, 40, 0, 0]);
    }

    #[test]
    fn watch_ends_with_a_break_or_an_error_of_a_run() {
        let clock = Cell::new(Duration::ZERO);
        let mut script = Script { clock: &clock, events: Vec::new(), waits: Vec::new() };
        assert_eq!(watch(&mut script, || Ok::<_, ()>(ControlFlow::Break(()))), Ok(()));
        assert_eq!(watch(&mut script, || Err(7)), Err(7));
        assert!(script.waits.is_empty());
    }
}
