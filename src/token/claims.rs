//! The claims of a token, accessed by name and type.

use std::fmt;

use serde_json::{Map, Value};

use crate::util::json::kind;
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// The claims of a token, in their original order.
///
/// Claims are untrusted unless they belong to a [`super::Verified`], whose issuer is trusted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Creates an empty set of claims.
    #[must_use]
    pub fn new() -> Self {
        Self(Map::new())
    }

    /// Returns the value of a claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets a claim; the position of an existing claim does not change.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Returns the value of a claim if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Returns `sub` if it is a string.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Returns `iss` if it is a string.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Returns `aud`: a string or an array (RFC 7519 4.1.3). Array elements that are not strings are
    /// skipped.
    #[must_use]
    pub fn audiences(&self) -> Vec<&str> {
        match self.get("aud") {
            Some(Value::String(one)) => vec![one],
            _ => self.texts("aud"),
        }
    }

    /// Returns the strings of an array claim, as the server reads `roles` and `projects`. Elements of
    /// other types are skipped; a missing claim or another type yields no strings.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the strings in `roles`, including duplicates.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        self.texts("roles")
    }

    /// Parses a time claim such as `exp`; returns `Ok(None)` if it is missing.
    ///
    /// # Errors
    /// [`TimeClaimError`] if the value is not a time; `null` is not a time.
    pub fn time(&self, name: &'static str) -> Result<Option<NumericDate>, TimeClaimError> {
        self.get(name).map(|value| NumericDate::read(name, value)).transpose()
    }

    /// Returns the claims as a JSON object, in order.
    #[must_use]
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

/// A time in a claim (RFC 7519 2): seconds since 1970, possibly with a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumericDate {
    seconds: i64,
    fraction: f64,
}

/// Why a claim is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeClaimError {
    /// Not a number.
    #[error("'{name}' is {found}: expected a number of seconds since 1970")]
    Type {
        /// The claim.
        name: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// A number of seconds outside the supported range.
    #[error("'{name}' is {}, beyond any date", quote(.value))]
    Range {
        /// The claim.
        name: &'static str,
        /// The number.
        value: String,
    },
}

/// The last second that is accepted as a time.
///
/// Go's clock counts from the year 1. Later times overflow in the server, which then treats them as the
/// distant past.
const LAST_SECOND: i64 = i64::MAX - 62_135_596_800;

impl NumericDate {
    /// Creates a time from whole seconds.
    #[must_use]
    pub const fn new(instant: Timestamp) -> Self {
        Self { seconds: instant.0, fraction: 0.0 }
    }

    /// Parses the value of a claim.
    ///
    /// # Errors
    /// [`TimeClaimError`] if the value is not a number or is outside 64 bits.
    pub fn read(name: &'static str, value: &Value) -> Result<Self, TimeClaimError> {
        let Value::Number(number) = value else {
            return Err(TimeClaimError::Type { name, found: kind(value) });
        };
        let out_of_range = || TimeClaimError::Range { name, value: number.to_string() };
        if let Some(seconds) = number.as_i64() {
            return if seconds <= LAST_SECOND {
                Ok(Self { seconds, fraction: 0.0 })
            } else {
                Err(out_of_range())
            };
        }
        let float = number.as_f64().filter(|float| float.is_finite()).ok_or_else(out_of_range)?;
        let whole = float.floor();
        #[expect(clippy::cast_precision_loss, reason = "a limit of this size need not be exact")]
        let in_range = whole >= i64::MIN as f64 && whole <= LAST_SECOND as f64;
        if !in_range {
            return Err(out_of_range());
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the limits checked above")]
        let seconds = whole as i64;
        Ok(Self { seconds, fraction: float - whole })
    }

    /// Returns the time in whole seconds, rounded down.
    #[must_use]
    pub const fn instant(self) -> Timestamp {
        Timestamp(self.seconds)
    }

    /// Returns whether the value is exactly 0, which the server treats as a missing claim.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.seconds == 0 && self.fraction == 0.0
    }
}

impl fmt::Display for NumericDate {
    /// Formats the time as RFC 3339 without the fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.instant().rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        let Value::Object(members) = value else { panic!("no object") };
        members.into()
    }

    #[test]
    fn times_are_read_with_fractions_and_far_ones_are_refused() {
        let read = |value: Value| NumericDate::read("exp", &value).map(|date| date.instant().0);
        assert_eq!(read(json!(5)), Ok(5));
        assert_eq!(read(json!(5.9)), Ok(5));
        assert_eq!(read(json!(-0.5)), Ok(-1));
        assert_eq!(read(json!(1e10)), Ok(10_000_000_000));
        assert_eq!(read(json!(i64::MIN)), Ok(i64::MIN));
        for far in [json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(-1e300)] {
            assert!(matches!(read(far.clone()), Err(TimeClaimError::Range { .. })), "{far}");
        }
        for (wrong, found) in [(json!("5"), "a string"), (json!(null), "null"), (json!([5]), "an array")] {
            assert_eq!(read(wrong), Err(TimeClaimError::Type { name: "exp", found }));
        }
    }

    #[test]
    fn only_an_exact_zero_is_zero() {
        let zero = |value: Value| NumericDate::read("exp", &value).unwrap().is_zero();
        assert!(zero(json!(0)) && zero(json!(0.0)) && zero(json!(-0.0)));
        assert!(!zero(json!(0.5)) && !zero(json!(1e-300)) && !zero(json!(1)));
    }

    #[test]
    fn lists_give_their_texts_and_nothing_else() {
        let claims = claims(json!({"roles": ["api", 1, null, "api"], "projects": "p", "aud": "x", "sub": 5}));
        assert_eq!(claims.roles(), ["api", "api"]);
        assert!(claims.texts("projects").is_empty());
        assert_eq!(claims.audiences(), ["x"]);
        assert_eq!(claims.subject(), None);
    }
}
