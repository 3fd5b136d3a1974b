//! JSON objects as a token may have them: every member once, no deeper than needed.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::MAX_DEPTH;
use super::error::{TokenError, TokenPart};

/// Reads a JSON object, refusing members that stand twice at any depth.
///
/// # Errors
/// [`TokenError`] naming the part: not UTF-8, not JSON, no object, a member twice, too deep.
pub fn object(bytes: &[u8], part: TokenPart) -> Result<Map<String, Value>, TokenError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TokenError::NotUtf8(part))?;
    let refusal = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Reading { part, depth: 0, refusal: &refusal, doubles: None };
    let read = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => Err(TokenError::NotObject { part, found: kind(&other) }),
        Err(error) => Err(refusal.into_inner().unwrap_or_else(|| {
            // Looked for only when the text is no JSON anyway.
            match without_lone_surrogates(text).map(|text| object(text.as_bytes(), part)) {
                Some(Ok(_)) => TokenError::Surrogate(part),
                _ => TokenError::Json { part, problem: problem(&error) },
            }
        })),
    }
}

/// The text with each escape of a lone surrogate replaced by that of U+FFFD, as Go's reader does;
/// none where there is no such escape.
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

/// A duplicate member.
#[derive(Debug, Clone, PartialEq)]
pub struct DuplicateMember {
    /// Its name.
    pub name: String,
    /// The earlier value; the later one stays in the object.
    pub earlier: Value,
}

/// Reads any JSON text for showing it: of members that stand twice the last counts, and the
/// earlier ones are given beside.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn any(text: &str) -> Result<(Value, Vec<DuplicateMember>), String> {
    let (refusal, doubles) = (RefCell::new(None), RefCell::new(Vec::new()));
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Reading { part: TokenPart::Claims, depth: 0, refusal: &refusal, doubles: Some(&doubles) };
    match seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok((value, doubles.into_inner())),
        Err(_) if refusal.borrow().is_some() => Err(format!("nested deeper than {MAX_DEPTH} levels")),
        Err(error) => Err(problem(&error)),
    }
}

/// What a JSON value is, in words: `a number`, `null`.
#[must_use]
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The error of the JSON reader, without the line number: a token's parts have one line.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => text.split(" at line ").next().unwrap_or_default(),
    };
    format!("{what} at character {}", error.column())
}

/// Reads any value, keeping an eye on members and depth; the reason for a refusal is left in
/// `refusal`, since an error of serde has only a text.
#[derive(Clone, Copy)]
struct Reading<'a> {
    part: TokenPart,
    depth: usize,
    refusal: &'a RefCell<Option<TokenError>>,
    /// Where to put members that stand twice; without it they are refused.
    doubles: Option<&'a RefCell<Vec<DuplicateMember>>>,
}

impl Reading<'_> {
    fn refuse<E: serde::de::Error>(self, why: TokenError) -> E {
        *self.refusal.borrow_mut() = Some(why);
        E::custom("refused")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(TokenError::TooDeep(self.part)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if self.doubles.is_none() && map.contains_key(&name) {
                return Err(self.refuse(TokenError::Duplicate { part: self.part, name }));
            }
            let value = members.next_value_seed(inner)?;
            match (self.doubles, map.get_mut(&name)) {
                (Some(doubles), Some(known)) => {
                    let earlier = std::mem::replace(known, value);
                    doubles.borrow_mut().push(DuplicateMember { name, earlier });
                }
                _ => {
                    map.insert(name, value);
                }
            }
        }
        Ok(Value::Object(map))
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
    fn what_is_no_object_is_named() {
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
    fn what_is_no_json_is_reported_where() {
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
