//! Timestamps in whole seconds and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use super::duration::{DurationSyntax, GoDuration};
use super::printable::PrintableText;

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
    "invalid time {}: expected a date or time (2026-11-21, 2026-11-21 18:00, 2026-11-21T18:00:00Z), seconds since \
     1970, now, or an offset such as +1h or -2d",
    PrintableText::value(.0)
)]
pub struct TimeError(pub String);

/// Parses a time of an option: RFC 3339; a date, with or without a time, in the time zone of the
/// system; seconds since 1970; `now`; an offset from `now` such as `+1h`; and every form that
/// [`Timestamp`] prints. A date without a time is its first moment.
///
/// # Errors
/// [`TimeError`] if the text has another form.
///
/// ```
/// use cc_auth::util::time::{Timestamp, parse};
/// let now = Timestamp(1_000);
/// assert_eq!(parse("+1h", now), Ok(Timestamp(4_600)));
/// assert_eq!(parse("2 days ago", now), Ok(Timestamp(1_000 - 172_800)));
/// assert_eq!(parse("1970-01-01T01:00:00+01:00", now), Ok(Timestamp(0)));
/// assert!(parse("tomorrow", now).is_err());
/// ```
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    parse_in(text, now, jiff::tz::TimeZone::system)
}

fn parse_in(
    text: &str,
    now: Timestamp,
    zone: impl FnOnce() -> jiff::tz::TimeZone,
) -> Result<Timestamp, TimeError> {
    relative(text.trim_ascii(), now)
        .or_else(|| absolute(without_distance(text.trim_ascii()), zone))
        .ok_or_else(|| TimeError(text.to_owned()))
}

/// Parses `now`, `+1h`, `in 3 days`, `2 hours ago`.
fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let shift = |text: &str| GoDuration::parse(text, DurationSyntax::Option).ok();
    if text == "now" {
        return Some(now);
    }
    if text.starts_with(['+', '-']) {
        return shift(text).map(|shift| now.plus(shift));
    }
    let unsigned = |text: &str| shift(text).filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
    if let Some(span) = text.strip_prefix("in ") {
        return unsigned(span).map(|span| now.plus(span));
    }
    let span = unsigned(text.strip_suffix(" ago")?)?;
    Some(now.plus_seconds(span.seconds().saturating_neg()))
}

/// Parses RFC 3339, a local date and time, or seconds.
fn absolute(text: &str, zone: impl FnOnce() -> jiff::tz::TimeZone) -> Option<Timestamp> {
    let seconds = text.strip_suffix(" seconds since 1970").unwrap_or(text);
    if !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return seconds.parse().ok().map(Timestamp);
    }
    // The parser accepts a blank before the time, but not before the offset.
    let joined = text.replacen(" +", "+", 1).replacen(" -", "-", 1);
    if let Ok(instant) = joined.parse::<jiff::Timestamp>() {
        return Some(Timestamp(instant.as_second()));
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local.to_zoned(zone()).ok().map(|zoned| Timestamp(zoned.timestamp().as_second()))
}

/// Removes the distance from now, which is printed after a time in parentheses.
fn without_distance(text: &str) -> &str {
    let distance = text.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match distance {
        Some((time, distance))
            if distance.starts_with("in ") || distance == "now" || distance.ends_with(" ago") =>
        {
            time
        }
        _ => text,
    }
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

    fn berlin(text: &str) -> Option<i64> {
        let zone = || jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        parse_in(text, Timestamp(1_000_000), zone).ok().map(|time| time.0)
    }

    #[test]
    fn time_of_a_date_is_local() {
        let table = [
            ("2026-11-26", 1_795_647_600),
            ("2026-11-26 12:00", 1_795_690_800),
            ("2026-11-26T12:00", 1_795_690_800),
            ("2026-11-26 12:00:30", 1_795_690_830),
            ("2026-07-26 12:00", 1_785_060_000),
            ("2026-11-26T12:00:00Z", 1_795_694_400),
            ("2026-11-26 12:00:00Z", 1_795_694_400),
            ("2026-11-26 12:00:00 +01:00", 1_795_690_800),
            ("2026-11-26T12:00:00.9-05:00", 1_795_712_400),
            // Neither of these local times is unique: the first does not exist.
            ("2026-03-29 02:30", 1_774_747_800),
            ("2026-10-25 02:30", 1_792_888_200),
        ];
        for (text, seconds) in table {
            assert_eq!(berlin(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn time_relative_to_now_has_days_and_the_printed_words() {
        let table = [
            ("now", 0),
            ("+1d", 86_400),
            ("-2w", -1_209_600),
            ("+1h30m", 5_400),
            ("in 3 days", 259_200),
            ("2 hours ago", -7_200),
            ("1 second ago", -1),
            ("+0", 0),
        ];
        for (text, shift) in table {
            assert_eq!(berlin(text), Some(1_000_000 + shift), "{text}");
        }
        assert_eq!(berlin("0"), Some(0));
        let invalid = [
            "",
            " ",
            "soon",
            "tomorrow",
            "1h",
            "3 days",
            "in -3 days",
            "in",
            "ago",
            "-1h ago",
            "26.11.2026",
            "2026-13-01",
            "2026-02-30",
            "2026-11-26 25:00",
            "2026-11-26 (x)",
            "11/26/2026",
            "-5",
            "12:00",
            "1e9",
            "99999999999999999999",
        ];
        for text in invalid {
            assert_eq!(berlin(text), None, "{text:?}");
        }
    }

    #[test]
    fn time_as_printed_is_parsed_to_an_equal_one() {
        let now = Timestamp(1_795_694_400);
        let mut seconds = 1_i64;
        let mut times = vec![0, now.0, 253_402_207_200, i64::MAX];
        while seconds < 253_402_200_000 {
            times.extend([seconds, now.0 + seconds, (now.0 - seconds).max(0)]);
            seconds = seconds * 2 + 1;
        }
        for time in times.into_iter().map(Timestamp) {
            for printed in [time.rfc3339(), time.human(now)] {
                assert_eq!(parse(&printed, now), Ok(time), "{printed}");
            }
            let printed = time.relative_to(now);
            let Ok(parsed) = parse(&printed, now) else {
                // The distance is beyond the longest duration.
                assert!(time.since(now) > 9_000_000_000, "{printed}");
                continue;
            };
            assert_eq!(parsed.relative_to(now), printed);
        }
    }
}
