//! Durations, times, numbers and URLs in options: one parser each for all programs. Durations and times are
//! described in "TIMES AND DURATIONS" of cc-auth(7).

use std::ops::RangeInclusive;

use url::Url;

use super::failure::UsageError;
use crate::http::{display_url, parse_url};
use crate::util::duration::{DurationSyntax, GoDuration};
use crate::util::file::shell_word;
use crate::util::quote::quote;
use crate::util::time::{self, Timestamp};

/// Parses the duration of an option, which may be negative.
///
/// # Errors
/// [`UsageError`] for an invalid duration.
pub(super) fn duration(option: &str, text: &str) -> Result<GoDuration, UsageError> {
    GoDuration::parse(text, DurationSyntax::Option)
        .map_err(|error| UsageError::new(format!("{option}: {error}")))
}

/// Parses the duration of an option, which is greater than zero.
///
/// # Errors
/// [`UsageError`] for an invalid duration.
pub(super) fn positive_duration(option: &str, text: &str) -> Result<GoDuration, UsageError> {
    let duration = duration(option, text)?;
    if duration.is_positive() {
        return Ok(duration);
    }
    Err(UsageError::new(format!("{option}: invalid duration {}: expected a positive duration", quote(text))))
}

/// Parses the time of an option.
///
/// # Errors
/// [`UsageError`] for an invalid time.
pub(super) fn time(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, UsageError> {
    time::parse(text, now).map_err(|error| UsageError::new(format!("{option}: {error}")))
}

/// Returns a parser for a whole number in this range, without a sign, as the `value_parser` of an option.
pub(super) fn whole_number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            match (range.start(), *range.end()) {
                (0, u64::MAX) => "expected a whole number".to_owned(),
                (least, most) => format!("expected a whole number from {least} to {most}"),
            }
        })
    }
}

/// Parses the URL of an option.
///
/// # Errors
/// [`UsageError`] for an invalid URL.
pub(super) fn url(option: &str, text: &str) -> Result<Url, UsageError> {
    parse_url(text).map_err(|error| UsageError::new(format!("{option}: {error}")))
}

/// Parses the URL of a server or issuer in an option: without a query and a fragment, which no request would have.
///
/// # Errors
/// [`UsageError`] for an invalid URL.
pub(super) fn base_url(option: &str, text: &str) -> Result<Url, UsageError> {
    let url = url(option, text)?;
    let part = match (url.query(), url.fragment()) {
        (Some(_), _) => "query",
        (None, Some(_)) => "fragment",
        (None, None) => return Ok(url),
    };
    let shown = display_url(&url);
    let error =
        UsageError::new(format!("{option}: invalid URL {}: expected a URL without a {part}", quote(&shown)));
    Err(error.hint(format!("{option} {}", shell_word(&shown))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_number_has_digits_only_and_a_range() {
        let any = whole_number::<u64>(0..=u64::MAX);
        assert_eq!((any("0"), any("18446744073709551615")), (Ok(0), Ok(u64::MAX)));
        for text in ["", "x", "-1", "+1", "1.5", "1 ", "1_000", "18446744073709551616"] {
            assert_eq!(any(text), Err("expected a whole number".to_owned()), "{text}");
        }
        let some = whole_number::<u16>(1..=512);
        assert_eq!((some("1"), some("512")), (Ok(1), Ok(512)));
        for text in ["0", "513", "70000"] {
            assert_eq!(some(text), Err("expected a whole number from 1 to 512".to_owned()), "{text}");
        }
    }

    #[test]
    fn base_url_does_not_lose_a_part() {
        assert!(base_url("--server", "https://cc.example/base").is_ok());
        for text in ["https://cc.example?a=b", "https://cc.example/#c", "cc.example", "ftp://cc.example"] {
            let error = base_url("--server", text).unwrap_err().to_string();
            assert!(error.starts_with("--server: invalid URL"), "{error}");
        }
    }
}
