//! JSON objects in tokens: no duplicate members, at most [`MAX_DEPTH`] levels.

use serde_json::{Map, Value};

use super::MAX_DEPTH;
use super::error::{TokenError, TokenPart};
use crate::util::json::{self, DuplicateMember, JsonError, JsonErrorKind, kind};

/// Parses a JSON object; a duplicate member at any depth is an error.
///
/// # Errors
/// [`TokenError`] with the part: not UTF-8, not JSON, not an object, a duplicate member, or too deep.
pub fn object(bytes: &[u8], part: TokenPart) -> Result<Map<String, Value>, TokenError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TokenError::NotUtf8(part))?;
    match json::unique(text, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => Err(TokenError::NotObject { part, found: kind(&other) }),
        Err(JsonError { problem: JsonErrorKind::DuplicateMember(name), .. }) => {
            Err(TokenError::Duplicate { part, name })
        }
        Err(JsonError { problem: JsonErrorKind::TooDeep, .. }) => Err(TokenError::TooDeep(part)),
        // The search for surrogates runs only if the text is not JSON.
        Err(error) => Err(match without_lone_surrogates(text).map(|text| object(text.as_bytes(), part)) {
            Some(Ok(_)) => TokenError::Surrogate(part),
            _ => TokenError::Json { part, problem: problem(&error) },
        }),
    }
}

/// Replaces each escaped lone surrogate with U+FFFD, as Go's parser does. Returns `None` if there is
/// none.
#[must_use]
pub fn without_lone_surrogates(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied, mut replaced) = (0, 0, false);
    while let Some(place) = text.get(at..).and_then(|rest| rest.find('\\')).map(|place| at + place) {
        at = match (unit(place), unit(place + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => place + 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(text.get(copied..place).unwrap_or_default());
                out.push_str("\\ufffd");
                copied = place + 6;
                replaced = true;
                copied
            }
            _ => place + 2,
        };
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    replaced.then_some(out)
}

/// Parses any JSON text for display. The last of duplicate members wins; the earlier ones are returned
/// separately.
///
/// # Errors
/// The message of the JSON parser.
pub fn any(text: &str) -> Result<(Value, Vec<DuplicateMember>), String> {
    json::last_wins(text, MAX_DEPTH).map_err(|error| problem(&error))
}

/// Returns the message without the line number, since a token's part has one line.
fn problem(error: &JsonError) -> String {
    match &error.problem {
        JsonErrorKind::TooDeep => format!("nested deeper than {MAX_DEPTH} levels"),
        JsonErrorKind::EarlyEnd(_) => format!("it ends too early at character {}", error.column),
        other => format!("{other} at character {}", error.column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Map<String, Value>, TokenError> {
        object(text.as_bytes(), TokenPart::Claims)
    }

    #[test]
    fn an_object_keeps_the_order_of_its_members() {
        let object = read(r#" {"z":1,"a":[true,null,1.5,"x"],"m":{"n":-1}} "#).unwrap();
        assert_eq!(
            serde_json::to_string(&object).unwrap(),
            r#"{"z":1,"a":[true,null,1.5,"x"],"m":{"n":-1}}"#
        );
    }

    #[test]
    fn a_member_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for (text, twice) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":1}"#, "a"),
            (r#"{"x":{"b":1,"c":2,"b":3}}"#, "b"),
            (r#"{"x":[[{"":1,"":1}]]}"#, ""),
        ] {
            let name = twice.to_owned();
            assert_eq!(read(text), Err(TokenError::Duplicate { part: TokenPart::Claims, name }), "{text}");
        }
        assert!(read(r#"{"a":{"a":1},"A":2,"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_is_limited() {
        let nest = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nest(MAX_DEPTH - 1)).is_ok());
        assert_eq!(read(&nest(MAX_DEPTH)), Err(TokenError::TooDeep(TokenPart::Claims)));
        assert_eq!(read(&nest(20_000)), Err(TokenError::TooDeep(TokenPart::Claims)));
    }

    #[test]
    fn json_other_than_an_object_is_rejected_by_type() {
        for (text, found) in [
            ("null", "null"),
            ("[]", "an array"),
            ("5", "a number"),
            (r#""x""#, "a string"),
            ("true", "a boolean"),
        ] {
            assert_eq!(read(text), Err(TokenError::NotObject { part: TokenPart::Claims, found }), "{text}");
        }
    }

    #[test]
    fn lone_surrogate_is_distinguished_from_other_errors() {
        for text in
            [r#"{"a":"\ud800"}"#, r#"{"a":"x\udc00y"}"#, r#"{"\ud83d\ud83d":1}"#, r#"{"a":"\ud83dx\ude00"}"#]
        {
            assert_eq!(read(text), Err(TokenError::Surrogate(TokenPart::Claims)), "{text}");
        }
        assert!(read(r#"{"a":"\ud83d\ude00"}"#).is_ok());
        assert!(matches!(read(r#"{"a":"\ud800",}"#), Err(TokenError::Json { .. })));
        assert!(matches!(read(r#"{"a":"\\ud800",}"#), Err(TokenError::Json { .. })));
    }

    #[test]
    fn json_syntax_error_has_its_position() {
        for text in
            ["", "{", "{a:1}", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":01}", "{\"a\":1e400}", "\u{feff}{}"]
        {
            assert!(matches!(read(text), Err(TokenError::Json { .. })), "{text}");
        }
        let error = read("{\"a\":1,}").unwrap_err();
        assert_eq!(error.to_string(), "the token's payload is not JSON: trailing comma at character 8");
        assert_eq!(
            object(b"{\"a\":\"\xff\"}", TokenPart::Header),
            Err(TokenError::NotUtf8(TokenPart::Header))
        );
    }
}
