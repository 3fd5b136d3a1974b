//! The freshness lifetime of an HTTP response in a private cache (RFC 9111).
//!
//! `s-maxage`, `proxy-revalidate` and `private` apply to shared caches only (5.2.2) and are ignored.
//! `must-revalidate` forbids the reuse of a stale response, which happens only with the option
//! `--offline`.

use crate::util::time::Timestamp;

/// The lifetime of a response that does not specify one, in seconds (4.2.2).
const HEURISTIC: i64 = 300;

/// The maximum lifetime in seconds: one day.
pub(crate) const LONGEST: i64 = 86_400;

/// The headers that determine the lifetime, with each value in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) cache_control: Vec<&'a str>,
    pub(crate) pragma: Vec<&'a str>,
    pub(crate) expires: Vec<&'a str>,
    pub(crate) date: Option<&'a str>,
    pub(crate) age: Option<&'a str>,
    pub(crate) vary: Vec<&'a str>,
}

/// Returns the number of seconds for which a response received at `now` is fresh: at most [`LONGEST`],
/// 0 if each use requires revalidation, `None` if it must not be stored (5.2.2.5).
pub(crate) fn lifetime(headers: &Headers<'_>, now: Timestamp) -> Option<i64> {
    let directives: Vec<(String, Option<String>)> =
        headers.cache_control.iter().flat_map(|value| directives(value)).collect();
    let has = |name: &str| directives.iter().any(|(found, _)| found == name);
    if has("no-store") {
        return None;
    }
    // `no-cache` with field names covers only these fields, but a cache may ignore the names (5.2.2.4).
    let is_old_no_cache = directives.is_empty()
        && headers.pragma.iter().flat_map(|value| value.split(',')).any(|word| is_word(word, "no-cache"));
    let varies = headers.vary.iter().flat_map(|value| value.split(',')).any(|word| word.trim() == "*");
    if has("no-cache") || is_old_no_cache || varies {
        return Some(0);
    }
    let date = headers.date.and_then(http_date);
    let lifetime = if has("max-age") {
        // The shortest of several values applies; an invalid value counts as 0 (4.2.1).
        directives
            .iter()
            .filter(|(name, _)| name == "max-age")
            .map(|(_, value)| value.as_deref().and_then(delta_seconds).unwrap_or(0))
            .min()
            .unwrap_or(0)
    } else if headers.expires.is_empty() {
        HEURISTIC
    } else {
        let from = date.unwrap_or(now);
        headers
            .expires
            .iter()
            .map(|value| http_date(value).map_or(0, |expires| expires.since(from)))
            .min()
            .unwrap_or(0)
    };
    // The age comes from caches on the path, or from the date of the response (4.2.3).
    let reported = headers.age.and_then(|age| delta_seconds(age.trim())).unwrap_or(0);
    let apparent = date.map_or(0, |date| now.since(date)).max(0);
    Some(lifetime.saturating_sub(reported.max(apparent)).clamp(0, LONGEST))
}

fn is_word(found: &str, expected: &str) -> bool {
    found.trim().eq_ignore_ascii_case(expected)
}

/// Parses a whole number of seconds; values that are too large saturate (1.2.2).
fn delta_seconds(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().unwrap_or(i64::MAX))
}

/// Parses the directives of a `Cache-Control` value: names in lower case, quoted arguments without
/// their quotes. A comma inside quotes is not a separator.
fn directives(value: &str) -> Vec<(String, Option<String>)> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in value.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => {
                escaped = true;
                continue;
            }
            '"' => {
                quoted = !quoted;
                continue;
            }
            ',' if !quoted => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
        .iter()
        .map(|piece| match piece.split_once('=') {
            Some((name, argument)) => (name.trim().to_ascii_lowercase(), Some(argument.trim().to_owned())),
            None => (piece.trim().to_ascii_lowercase(), None),
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

/// Parses an HTTP date in one of its three forms (RFC 9110 5.6.7).
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let second = |civil: jiff::civil::DateTime| {
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| Timestamp(zoned.timestamp().as_second()))
    };
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())
        .and_then(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26T12:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_694_400);
    const DATE: &str = "Thu, 26 Nov 2026 12:00:00 GMT";

    fn control(value: &str) -> Option<i64> {
        lifetime(&Headers { cache_control: vec![value], ..Headers::default() }, NOW)
    }

    #[test]
    fn cache_control_is_read_by_rfc_9111() {
        let table = [
            ("max-age=100", Some(100)),
            ("public, Max-Age=\"100\"", Some(100)),
            ("private, max-age=100", Some(100)),
            ("public", Some(300)),
            ("must-revalidate, max-age=7", Some(7)),
            ("s-maxage=9, max-age=7", Some(7)),
            ("s-maxage=9", Some(300)),
            ("proxy-revalidate", Some(300)),
            ("max-age=0", Some(0)),
            ("max-age=99999999", Some(86_400)),
            ("max-age=99999999999999999999999", Some(86_400)),
            ("max-age=nonsense", Some(0)),
            ("max-age", Some(0)),
            ("max-age=", Some(0)),
            ("max-age=-5", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=600, max-age=60", Some(60)),
            ("no-cache, max-age=600", Some(0)),
            ("max-age=600, no-cache", Some(0)),
            ("NO-CACHE,max-age=600", Some(0)),
            ("no-cache=\"set-cookie\", max-age=600", Some(0)),
            ("no-store", None),
            ("max-age=600, no-store", None),
            ("no-store, no-cache, max-age=600", None),
            ("No-Store", None),
            // Quoted text is part of an argument.
            ("ext=\"no-store, max-age=1\", max-age=600", Some(600)),
            ("ext=\"a\\\"no-cache, b\", max-age=600", Some(600)),
            ("", Some(300)),
            (", ,", Some(300)),
        ];
        for (value, expected) in table {
            assert_eq!(control(value), expected, "{value:?}");
        }
        let two = Headers { cache_control: vec!["max-age=600", "no-cache"], ..Headers::default() };
        assert_eq!(lifetime(&two, NOW), Some(0));
    }

    #[test]
    fn expires_date_age_pragma_and_vary_change_the_lifetime() {
        let age = |age, control| {
            lifetime(&Headers { age: Some(age), cache_control: vec![control], ..Headers::default() }, NOW)
        };
        assert_eq!(age("40", "max-age=100"), Some(60));
        assert_eq!(age("400", "max-age=100"), Some(0));
        assert_eq!(age("nonsense", "max-age=100"), Some(100));
        // A response that is older than its `Age` header.
        let dated = |date, control| {
            lifetime(&Headers { date: Some(date), cache_control: vec![control], ..Headers::default() }, NOW)
        };
        assert_eq!(dated("Thu, 26 Nov 2026 11:59:30 GMT", "max-age=100"), Some(70));
        assert_eq!(dated("Thu, 26 Nov 2026 13:00:00 GMT", "max-age=100"), Some(100));
        let expires = |value: &'static str, date| {
            lifetime(&Headers { expires: vec![value], date, ..Headers::default() }, NOW)
        };
        assert_eq!(expires("Thu, 26 Nov 2026 12:10:00 GMT", Some(DATE)), Some(600));
        assert_eq!(expires("Thursday, 26-Nov-26 12:10:00 GMT", Some(DATE)), Some(600));
        assert_eq!(expires("Thu Nov 26 12:10:00 2026", Some(DATE)), Some(600));
        assert_eq!(expires("Thu, 26 Nov 2026 12:10:00 GMT", None), Some(600));
        assert_eq!(expires("Thu, 26 Nov 2026 11:00:00 GMT", Some(DATE)), Some(0));
        for invalid in ["0", "-1", "soon"] {
            assert_eq!(expires(invalid, Some(DATE)), Some(0), "{invalid}");
        }
        let both = Headers {
            expires: vec!["Thu, 26 Nov 2026 12:10:00 GMT"],
            cache_control: vec!["max-age=5"],
            ..Headers::default()
        };
        assert_eq!(lifetime(&both, NOW), Some(5), "max-age comes before Expires");
        assert_eq!(lifetime(&Headers { pragma: vec!["no-cache"], ..Headers::default() }, NOW), Some(0));
        let overridden =
            Headers { pragma: vec!["no-cache"], cache_control: vec!["max-age=5"], ..Headers::default() };
        assert_eq!(lifetime(&overridden, NOW), Some(5));
        let varying =
            Headers { vary: vec!["accept, *"], cache_control: vec!["max-age=5"], ..Headers::default() };
        assert_eq!(lifetime(&varying, NOW), Some(0));
    }
}
