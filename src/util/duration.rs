//! Durations in the syntax of Go's `time.ParseDuration`, which the server's configuration uses.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::printable::PrintableText;

/// A signed duration in whole nanoseconds, up to about 292 years.
///
/// ```
/// use cc_auth::util::duration::GoDuration;
/// let lifetime: GoDuration = "1h30m".parse()?;
/// assert_eq!(lifetime.seconds(), 5400);
/// assert_eq!(lifetime.to_string(), "1h30m0s");
/// assert!("1d".parse::<GoDuration>().is_err());
/// # Ok::<(), cc_auth::util::duration::DurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration {
    nanoseconds: i64,
}

/// An error of parsing a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number is missing.
    #[error("invalid duration {text}: expected a number and a unit, such as {}", .syntax.examples())]
    MissingNumber {
        /// The complete input.
        text: PrintableText,
        /// The accepted syntax.
        syntax: DurationSyntax,
    },
    /// A number without a unit.
    #[error("invalid duration {text}: expected a unit after each number ({})", .syntax.units())]
    MissingUnit {
        /// The complete input.
        text: PrintableText,
        /// The accepted syntax.
        syntax: DurationSyntax,
    },
    /// A unit that the syntax does not have, such as `d` in Go.
    #[error("invalid duration {text}: unknown unit {unit} ({})", .syntax.units())]
    UnknownUnit {
        /// The complete input.
        text: PrintableText,
        /// The unknown unit; in a box, so that results with this error are small.
        unit: Box<PrintableText>,
        /// The accepted syntax.
        syntax: DurationSyntax,
    },
    /// The duration exceeds 64 bits of nanoseconds.
    #[error("invalid duration {0}: the limit is about 292 years")]
    Overflow(PrintableText),
}

/// The units of a duration, and whether blanks may be between numbers and units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationSyntax {
    /// Go's syntax, in configuration files.
    Go,
    /// Go's syntax, days and weeks, and durations as the programs print them (`3 days`), in options.
    Option,
}

impl DurationSyntax {
    const fn units(self) -> &'static str {
        match self {
            Self::Go => "ns us ms s m h",
            Self::Option => "ns us ms s m h d w",
        }
    }

    const fn examples(self) -> &'static str {
        match self {
            Self::Go => "24h or 1h30m",
            Self::Option => "24h, 1h30m or 30d",
        }
    }

    /// Returns the nanoseconds of a unit.
    fn nanoseconds(self, unit: &str) -> Option<u64> {
        match (unit_nanoseconds(unit), self) {
            (Some(go), _) => Some(go),
            (None, Self::Go) => None,
            (None, Self::Option) => seconds_of_word(unit).map(|seconds| seconds * 1_000_000_000),
        }
    }

    const fn trim(self, text: &str) -> &str {
        match self {
            Self::Go => text,
            Self::Option => text.trim_ascii(),
        }
    }
}

/// Returns the seconds of a unit that Go does not have: days, weeks, and the words of
/// [`super::time::human_span`].
fn seconds_of_word(unit: &str) -> Option<u64> {
    Some(match unit {
        "second" | "seconds" => 1,
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        "year" | "years" => 365 * 86_400,
        _ => return None,
    })
}

const NS_PER_SECOND: i64 = 1_000_000_000;

impl GoDuration {
    /// A duration of zero.
    pub const ZERO: Self = Self { nanoseconds: 0 };

    /// Creates a duration from whole nanoseconds.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// Creates a duration from whole seconds, saturating at the limits.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { nanoseconds: seconds.saturating_mul(NS_PER_SECOND) }
    }

    /// The duration in nanoseconds.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    /// The duration in whole seconds, rounded toward zero.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.nanoseconds / NS_PER_SECOND
    }

    /// Whether the duration is greater than zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.nanoseconds > 0
    }

    /// Converts to the standard library's type; negative durations become zero.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanoseconds).unwrap_or(0))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, DurationSyntax::Go)
    }
}

impl GoDuration {
    /// Parses a duration in this syntax.
    ///
    /// # Errors
    /// [`DurationError`].
    ///
    /// ```
    /// use cc_auth::util::duration::{DurationSyntax, GoDuration};
    /// assert_eq!(GoDuration::parse("1d12h", DurationSyntax::Option)?.seconds(), 129_600);
    /// assert_eq!(GoDuration::parse("3 days", DurationSyntax::Option)?.to_string(), "72h0m0s");
    /// assert!(GoDuration::parse("1d", DurationSyntax::Go).is_err());
    /// # Ok::<(), cc_auth::util::duration::DurationError>(())
    /// ```
    pub fn parse(text: &str, syntax: DurationSyntax) -> Result<Self, DurationError> {
        let original = text;
        let text = syntax.trim(text);
        let quantity = || PrintableText::quantity(original);
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if unsigned == "0" {
            return Ok(Self::ZERO);
        }
        if unsigned.is_empty() {
            return Err(DurationError::MissingNumber { text: quantity(), syntax });
        }
        let overflow = || DurationError::Overflow(quantity());
        // Go accumulates in an unsigned 64-bit integer and accepts 1 << 63 for the most negative
        // duration.
        const LIMIT: u64 = 1 << 63;
        let mut total: u64 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (whole, after_whole) = split_digits(rest);
            let (fraction, after_number) = match after_whole.strip_prefix('.') {
                Some(after_point) => split_digits(after_point),
                None => ("", after_whole),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(DurationError::MissingNumber { text: quantity(), syntax });
            }
            let whole = whole_number(whole, LIMIT).ok_or_else(overflow)?;
            let unit_end =
                after_number.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after_number.len());
            let (unit, next) = after_number.split_at(unit_end);
            let unit = syntax.trim(unit);
            if unit.is_empty() {
                return Err(DurationError::MissingUnit { text: quantity(), syntax });
            }
            let scale = syntax.nanoseconds(unit).ok_or_else(|| DurationError::UnknownUnit {
                text: quantity(),
                unit: Box::new(PrintableText::quantity(unit)),
                syntax,
            })?;
            let mut part = whole.checked_mul(scale).filter(|v| *v <= LIMIT).ok_or_else(overflow)?;
            part = part
                .checked_add(fraction_of(fraction, scale))
                .filter(|v| *v <= LIMIT)
                .ok_or_else(overflow)?;
            total = total.checked_add(part).filter(|v| *v <= LIMIT).ok_or_else(overflow)?;
            rest = next;
        }
        if negative {
            return Ok(Self::from_nanoseconds(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self::from_nanoseconds).map_err(|_| overflow())
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn whole_number(digits: &str, limit: u64) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|v| *v <= limit)
    })
}

/// Returns the nanoseconds of the fraction `.digits` of a unit. Go reads digits while they fit in
/// 63 bits and multiplies in floating point; this function does the same, so results are identical.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rounding of Go's float64 arithmetic is what must be matched"
)]
fn fraction_of(digits: &str, scale: u64) -> u64 {
    let mut value: u64 = 0;
    let mut divisor: f64 = 1.0;
    for digit in digits.bytes() {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        match next.filter(|v| *v <= 1 << 63 && value <= ((1 << 63) - 1) / 10) {
            Some(next) => {
                value = next;
                divisor *= 10.0;
            }
            None => break,
        }
    }
    (value as f64 * (scale as f64 / divisor)) as u64
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both U+00B5 (micro sign) and U+03BC (Greek letter mu) are accepted.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

impl fmt::Display for GoDuration {
    /// Formats as Go does: `1h30m0s`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nanoseconds.unsigned_abs();
        if self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        match magnitude {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{magnitude}ns"),
            1_000..1_000_000 => write_decimal(f, magnitude, 1_000, "µs"),
            1_000_000..1_000_000_000 => write_decimal(f, magnitude, 1_000_000, "ms"),
            _ => {
                let seconds = magnitude / 1_000_000_000;
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                if hours > 0 {
                    write!(f, "{hours}h{minutes}m")?;
                } else if minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write_decimal(f, magnitude % 60_000_000_000, 1_000_000_000, "s")
            }
        }
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64, name: &str) -> fmt::Result {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return write!(f, "{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    write!(f, "{whole}.{}{name}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::time::human_span;

    fn option(text: &str) -> Result<GoDuration, DurationError> {
        GoDuration::parse(text, DurationSyntax::Option)
    }

    #[test]
    fn duration_in_options_has_days_weeks_and_words() {
        let table = [
            ("30d", 2_592_000),
            ("2w", 1_209_600),
            ("1w2d3h4m5s", 788_645),
            ("1.5d", 129_600),
            ("-1d", -86_400),
            ("+1d", 86_400),
            ("1 day 2 hours", 93_600),
            (" 90 seconds ", 90),
            ("1 year", 31_536_000),
            ("0", 0),
            ("1h 30m", 5_400),
        ];
        for (text, seconds) in table {
            assert_eq!(option(text).map(GoDuration::seconds), Ok(seconds), "{text:?}");
        }
        for text in ["", " ", "d", "5", "1 2h", "1x", "1D", "1 dayy", "1h,2m", "h1", "1 month", "3000000w"] {
            assert!(option(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn duration_in_go_syntax_has_no_days_words_or_blanks() {
        for text in ["1d", "1w", "1 h", "3 days", "1hour", " 1h", "1h "] {
            assert!(text.parse::<GoDuration>().is_err(), "{text:?}");
        }
        let error = "1d".parse::<GoDuration>().unwrap_err().to_string();
        assert_eq!(error, "invalid duration '1d': unknown unit 'd' (ns us ms s m h)");
        let error = option("1x").unwrap_err().to_string();
        assert_eq!(error, "invalid duration '1x': unknown unit 'x' (ns us ms s m h d w)");
    }

    #[test]
    fn duration_as_printed_is_parsed_to_an_equal_one() {
        let mut seconds = 1_i64;
        while seconds < 9_000_000_000 {
            for value in [seconds - 1, seconds, seconds + 1] {
                let duration = GoDuration::from_seconds(value);
                assert_eq!(option(&duration.to_string()), Ok(duration), "{duration}");
                // Spans are rounded down to whole units, of which there are at least two.
                let printed = human_span(value.unsigned_abs());
                let parsed = option(&printed).unwrap().seconds();
                assert!(parsed <= value && value - parsed <= parsed / 2, "{value}: {printed}");
            }
            seconds = seconds * 3 + 7;
        }
        for nanoseconds in [1, 999, 1_000, 1_500, 123_456_789, 3_600_000_000_001, i64::MIN, i64::MAX] {
            let duration = GoDuration::from_nanoseconds(nanoseconds);
            assert_eq!(option(&duration.to_string()), Ok(duration), "{duration}");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{duration}");
        }
    }
}
