//! When the token of a job is checked next. Pure: both clocks are arguments.

use std::time::Duration;

use super::backoff;
use super::job::{RenewMode, Renewal};
use crate::util::count::counted;
use crate::util::time::Timestamp;

/// The time that the check of one file may cost: with thousands of files the checks are further apart.
const INTERVAL_PER_FILE: Duration = Duration::from_millis(5);
/// The shortest and the longest time between two checks of all files.
const INTERVAL_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A difference between the two clocks, in seconds, that means that the wall clock was set.
const CLOCK_STEP_SECONDS: i64 = 5;

/// The two clocks at one instant: the wall clock can be set, the monotonic clock cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instants {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock, since any instant before.
    pub monotonic: Duration,
}

impl Instants {
    /// Whether the wall clock was set since an earlier instant.
    #[must_use]
    pub fn clock_was_set_since(self, earlier: Self) -> bool {
        let passed = self.monotonic.saturating_sub(earlier.monotonic).as_secs();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        self.wall.since(earlier.wall).saturating_sub(passed).abs() > CLOCK_STEP_SECONDS
    }
}

/// The next attempt of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextAttempt {
    /// Immediately.
    Now(RenewMode),
    /// At a time of the wall clock.
    At(Timestamp),
    /// After a failure, at a time of the monotonic clock.
    Retry(Duration),
    /// When a file changes: the token has no renewal time.
    OnChange,
}

/// The schedule of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    next: NextAttempt,
    failures: u32,
    expires_at: Option<Timestamp>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { next: NextAttempt::Now(RenewMode::IfDue), failures: 0, expires_at: None }
    }
}

impl Schedule {
    /// The mode of the attempt that is due, if one is.
    #[must_use]
    pub fn due(&self, now: Instants) -> Option<RenewMode> {
        match self.next {
            NextAttempt::Now(mode) => Some(mode),
            NextAttempt::At(at) => (at <= now.wall).then_some(RenewMode::IfDue),
            NextAttempt::Retry(at) => (at <= now.monotonic).then_some(RenewMode::IfDue),
            NextAttempt::OnChange => None,
        }
    }

    /// The time until the next attempt.
    #[must_use]
    pub fn wait(&self, now: Instants) -> Duration {
        match self.next {
            NextAttempt::Now(_) => Duration::ZERO,
            NextAttempt::At(at) => Duration::from_secs(u64::try_from(at.since(now.wall)).unwrap_or(0)),
            NextAttempt::Retry(at) => at.saturating_sub(now.monotonic),
            NextAttempt::OnChange => Duration::MAX,
        }
    }

    /// Records a successful attempt.
    pub fn succeeded(&mut self, renewal: &Renewal) {
        self.failures = 0;
        self.expires_at = renewal.expires_at;
        self.next = renewal.renew_at.map_or(NextAttempt::OnChange, NextAttempt::At);
    }

    /// Records a failed attempt and returns the time until the retry. `expires_at` is the expiry of
    /// the current token.
    pub fn failed(&mut self, expires_at: Option<Timestamp>, now: Instants, random: u16) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.expires_at = expires_at;
        let delay = backoff::delay(self.failures, random);
        self.next = NextAttempt::Retry(now.monotonic + delay);
        delay
    }

    /// The token or the key in its file changed: check it now.
    pub const fn file_changed(&mut self) {
        if !matches!(self.next, NextAttempt::Now(_)) {
            self.next = NextAttempt::Now(RenewMode::IfDue);
        }
    }

    /// The wall clock was set: check now what depends on it.
    pub const fn clock_changed(&mut self) {
        if matches!(self.next, NextAttempt::At(_)) {
            self.next = NextAttempt::Now(RenewMode::IfDue);
        }
    }

    /// The resource was read again: check it now, without the failures of the old resource.
    pub const fn resource_reloaded(&mut self) {
        self.failures = 0;
        self.next = NextAttempt::Now(RenewMode::IfDue);
    }

    /// Renew now, even if the token is not due.
    pub const fn force(&mut self) {
        self.next = NextAttempt::Now(RenewMode::Force);
    }

    const fn renew_at(&self) -> Option<Timestamp> {
        match self.next {
            NextAttempt::At(at) => Some(at),
            _ => None,
        }
    }
}

/// The time between two checks of so many files.
#[must_use]
pub fn check_interval(files: usize) -> Duration {
    let (shortest, longest) = INTERVAL_RANGE;
    INTERVAL_PER_FILE.saturating_mul(u32::try_from(files).unwrap_or(u32::MAX)).clamp(shortest, longest)
}

/// The state of all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether every file has a token that is not expired.
    pub all_valid: bool,
    /// One line for systemd.
    pub text: String,
}

impl Summary {
    /// Summarizes the schedules.
    pub fn of<'a>(schedules: impl Iterator<Item = &'a Schedule> + Clone, now: Timestamp) -> Self {
        let all = schedules.clone().count();
        let valid = schedules.clone().filter(|job| job.expires_at.is_some_and(|at| at > now)).count();
        let failing = schedules.clone().filter(|job| job.failures > 0).count();
        let failing = if failing > 0 { format!(", {failing} failing") } else { String::new() };
        let next = schedules.filter_map(Schedule::renew_at).min();
        let next = next.map_or_else(String::new, |at| format!(", the next is renewed at {}", at.rfc3339()));
        Self {
            all_valid: valid == all,
            text: format!("{valid} of {} valid{failing}{next}", counted(all, "token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::renew::RenewAction;

    const fn at(wall: i64, monotonic: u64) -> Instants {
        Instants { wall: Timestamp(wall), monotonic: Duration::from_secs(monotonic) }
    }

    fn renewed(expires_at: i64, renew_at: Option<i64>) -> Renewal {
        let (expires_at, renew_at) = (Some(Timestamp(expires_at)), renew_at.map(Timestamp));
        Renewal { action: RenewAction::Fresh, expires_at, renew_at, command: None }
    }

    #[test]
    fn schedule_follows_the_wall_clock_until_the_renewal_time() {
        let mut job = Schedule::default();
        assert_eq!((job.due(at(0, 0)), job.wait(at(0, 0))), (Some(RenewMode::IfDue), Duration::ZERO));
        job.succeeded(&renewed(200, Some(100)));
        assert_eq!(job.due(at(99, 500)), None);
        assert_eq!(job.wait(at(90, 0)), Duration::from_secs(10));
        assert_eq!(job.due(at(100, 0)), Some(RenewMode::IfDue));
        job.succeeded(&renewed(200, None));
        assert_eq!((job.due(at(i64::MAX, 0)), job.wait(at(0, 0))), (None, Duration::MAX));
        job.clock_changed();
        assert_eq!(job.due(at(0, 0)), None, "it does not depend on the clock");
        job.file_changed();
        assert_eq!(job.due(at(0, 0)), Some(RenewMode::IfDue));
    }

    #[test]
    fn schedule_retries_later_each_time_by_the_monotonic_clock() {
        let mut job = Schedule::default();
        let first = job.failed(None, at(0, 0), 0);
        assert_eq!(job.due(at(i64::MAX, 0)), None, "setting the clock does not cause a retry");
        assert_eq!(job.due(Instants { wall: Timestamp(0), monotonic: first }), Some(RenewMode::IfDue));
        let second = job.failed(None, at(0, 0), 0);
        assert!(second > first, "{first:?} {second:?}");
        job.succeeded(&renewed(200, Some(100)));
        assert_eq!(job.failed(None, at(0, 0), 0), first, "a success starts from the beginning");
        job.file_changed();
        assert_eq!(job.due(at(0, 0)), Some(RenewMode::IfDue));
    }

    #[test]
    fn schedule_forced_renewal_is_not_weakened_by_a_change() {
        let mut job = Schedule::default();
        job.force();
        job.file_changed();
        job.clock_changed();
        assert_eq!(job.due(at(0, 0)), Some(RenewMode::Force));
    }

    #[test]
    fn clock_set_forward_or_back_is_noticed() {
        assert!(!at(110, 10).clock_was_set_since(at(100, 0)));
        assert!(!at(115, 10).clock_was_set_since(at(100, 0)));
        assert!(at(116, 10).clock_was_set_since(at(100, 0)));
        assert!(at(0, 10).clock_was_set_since(at(100, 0)));
    }

    #[test]
    fn summary_counts_valid_and_failing_jobs() {
        let mut valid = Schedule::default();
        valid.succeeded(&renewed(200, Some(100)));
        let mut failing = Schedule::default();
        let _ = failing.failed(Some(Timestamp(50)), at(60, 0), 0);
        let summary = Summary::of([&valid, &failing].into_iter(), Timestamp(60));
        assert_eq!(
            (summary.all_valid, summary.text.as_str()),
            (false, "1 of 2 tokens valid, 1 failing, the next is renewed at 1970-01-01T00:01:40Z")
        );
        assert!(Summary::of([&valid].into_iter(), Timestamp(60)).all_valid);
    }

    #[test]
    fn check_interval_grows_with_the_number_of_files() {
        assert_eq!(check_interval(1), Duration::from_secs(1));
        assert_eq!(check_interval(1000), Duration::from_secs(5));
        assert_eq!(check_interval(usize::MAX), Duration::from_secs(30));
    }
}
