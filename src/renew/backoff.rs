//! Exponential backoff with jitter.

use std::time::Duration;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_secs(2);
/// The maximum delay.
const MAX: Duration = Duration::from_secs(300);

/// Returns the delay before the next attempt after this number of consecutive failures (at least
/// one).
#[must_use]
pub fn delay(failures: u32, random: u16) -> Duration {
    between(FIRST, MAX, failures, random)
}

/// Returns a delay that starts at `first`, doubles with each failure up to `longest`, and varies by
/// up to 20 % depending on `random`, so that many resources are not retried at the same instant.
#[must_use]
pub fn between(first: Duration, longest: Duration, failures: u32, random: u16) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    // 0.8 to 1.2 in steps of 1/163837.5.
    doubled.mul_f64(0.8 + 0.4 * f64::from(random) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut last = Duration::ZERO;
        for failures in 1..=8 {
            let pause = delay(failures, u16::MAX / 2);
            assert!(pause > last, "{failures}");
            last = pause;
        }
        for failures in [9, 100, u32::MAX] {
            assert!(delay(failures, u16::MAX) <= MAX.mul_f64(1.21));
        }
        assert!(delay(1, 0) >= FIRST.mul_f64(0.79) && delay(1, 0) < delay(1, u16::MAX));
    }
}
