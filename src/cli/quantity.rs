//! Durations and times in options: one parser each for all programs, described in "TIMES AND
//! DURATIONS" of cc-auth(7).

use super::failure::UsageError;
use crate::util::duration::{DurationSyntax, GoDuration};
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
