//! Timestamps in whole seconds and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use super::duration::GoDuration;
use super::quote::quote;

/// An instant in seconds since 1970-01-01T00:00:00Z, as in a token's `exp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Adds a duration, rounded to whole seconds toward zero and saturating at the limits.
    #[must_use]
    pub const fn plus(self, duration: GoDuration) -> Self {
        Self(self.0.saturating_add(duration.seconds()))
    }

    /// Adds whole seconds, saturating at the limits.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this instant.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Formats as RFC 3339 in UTC, as in JSON reports: `2026-11-21T18:00:00Z`. Times outside the
    /// range of RFC 3339 are formatted as a number of seconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_second(self.0) {
            Ok(instant) if (0..=253_402_300_799).contains(&self.0) => instant.to_string(),
            _ => self.0.to_string(),
        }
    }

    /// Formats for text reports: local time and the distance from `now`, such as `2026-11-21
    /// 19:00:00 +01:00 (in 3 days)`.
    #[must_use]
    pub fn human(self, now: Self) -> String {
        let far = self.relative_to(now);
        match jiff::Timestamp::from_second(self.0) {
            Ok(instant) => {
                let local = instant.to_zoned(jiff::tz::TimeZone::system());
                format!("{} ({far})", local.strftime("%Y-%m-%d %H:%M:%S %:z"))
            }
            Err(_) => format!("{} seconds since 1970 ({far})", self.0),
        }
    }

    /// Formats the distance from `now`: `in 3 days`, `2 hours ago`, `now`.
    #[must_use]
    pub fn relative_to(self, now: Self) -> String {
        let seconds = self.since(now);
        let span = human_span(seconds.unsigned_abs());
        match seconds {
            0 => "now".to_owned(),
            1.. => format!("in {span}"),
            _ => format!("{span} ago"),
        }
    }
}

/// Formats seconds in the largest unit that is precise enough: `90 seconds`, `3 days`.
#[must_use]
pub fn human_span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(365 * 86_400, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, name) =
        UNITS.into_iter().find(|(size, _)| seconds >= 2 * size || seconds == *size).unwrap_or((1, "second"));
    let count = seconds / size;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// The source of the current time. Every verdict uses it, so a check can be repeated with `--at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The system clock.
    #[default]
    System,
    /// A fixed time.
    Fixed(Timestamp),
}

impl Clock {
    /// The current time; a system clock before 1970 counts as 1970.
    #[must_use]
    pub fn now(self) -> Timestamp {
        match self {
            Self::Fixed(instant) => instant,
            Self::System => {
                let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
                Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
        }
    }
}

/// An error of parsing a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid time {}: expected RFC 3339 (2026-11-21T18:00:00Z), seconds since 1970, now, or an offset such as +1h or -1h",
    quote(.0)
)]
pub struct TimeError(pub String);

/// Parses a time: RFC 3339, seconds since 1970, `now`, or a signed Go duration relative to `now`.
///
/// # Errors
/// [`TimeError`] if the text has another form.
///
/// ```
/// use cc_auth::util::time::{Timestamp, parse};
/// let now = Timestamp(1_000);
/// assert_eq!(parse("+1h", now), Ok(Timestamp(4_600)));
/// assert_eq!(parse("1970-01-01T01:00:00+01:00", now), Ok(Timestamp(0)));
/// assert!(parse("tomorrow", now).is_err());
/// ```
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    let invalid = || TimeError(text.to_owned());
    if text == "now" {
        return Ok(now);
    }
    if text.starts_with(['+', '-']) {
        return text.parse().map(|shift| now.plus(shift)).map_err(|_| invalid());
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map(Timestamp).map_err(|_| invalid());
    }
    text.parse::<jiff::Timestamp>().map(|instant| Timestamp(instant.as_second())).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn human_span_uses_the_largest_precise_unit() {
        let table = [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (3_600, "1 hour"),
            (86_400, "1 day"),
            (200_000, "2 days"),
            (31_536_000, "1 year"),
        ];
        for (seconds, expected) in table {
            assert_eq!(human_span(seconds), expected);
        }
    }

    #[test]
    fn timestamp_out_of_calendar_range_is_printed_as_seconds() {
        let far = Timestamp(i64::MAX);
        assert_eq!(far.rfc3339(), i64::MAX.to_string());
        assert!(far.human(Timestamp(0)).contains("seconds since 1970"));
    }

    #[test]
    fn clock_fixed_does_not_advance() {
        assert_eq!(Clock::Fixed(Timestamp(5)).now(), Timestamp(5));
        assert!(Clock::System.now() > Timestamp(1_700_000_000));
    }
}
