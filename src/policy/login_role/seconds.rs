//! Parses the durations of login roles.

use crate::util::duration::GoDuration;

/// The maximum of a Go duration in seconds; the reference server rejects more.
const MAX_SECONDS: i64 = i64::MAX / 1_000_000_000;

/// Parses seconds from a string: an integer, a number of days (`1d`), or a Go duration, whose fraction of
/// a second is truncated. The empty string is 0.
///
/// ```
/// use cc_auth::policy::login_role::seconds::from_text;
/// assert_eq!(from_text("300"), Some(300));
/// assert_eq!(from_text("2m30s"), Some(150));
/// assert_eq!(from_text("-1d"), Some(-86_400));
/// assert_eq!(from_text("1500ms"), Some(1));
/// assert_eq!(from_text("1.5"), None);
/// assert_eq!(from_text("1d12h"), None);
/// ```
#[must_use]
pub fn from_text(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return checked(seconds);
    }
    if let Some(days) = text.strip_suffix('d') {
        return days.parse::<i64>().ok()?.checked_mul(86_400).and_then(checked);
    }
    text.parse::<GoDuration>().ok().map(GoDuration::seconds)
}

/// Returns the number if the reference server can represent it.
#[must_use]
pub const fn checked(seconds: i64) -> Option<i64> {
    if seconds.unsigned_abs() <= MAX_SECONDS.unsigned_abs() { Some(seconds) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that OpenBao 2.7.2 accepted and rejected for `clock_skew_leeway`.
    #[test]
    fn seconds_parse_like_the_reference_server() {
        let table = [
            ("1d", Some(86_400)),
            ("1.5d", None),
            (" 5m ", None),
            ("1_000", None),
            ("0x10", None),
            ("1.0", None),
            ("1e3", None),
            ("1.5s", Some(1)),
            ("+5", Some(5)),
            ("+90s", Some(90)),
            ("-0", Some(0)),
            ("-500ms", Some(0)),
            ("-1500ms", Some(-1)),
            ("9223372036", Some(9_223_372_036)),
            ("9223372037", None),
            ("106751d", Some(9_223_286_400)),
            ("106752d", None),
            ("9999999999", None),
            ("d", None),
        ];
        for (text, expected) in table {
            assert_eq!(from_text(text), expected, "{text:?}");
        }
    }
}
