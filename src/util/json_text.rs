//! JSON text: written, indented or compacted without changes of numbers, and split into the texts of its
//! elements. Input must be valid JSON.

use unicode_width::UnicodeWidthStr as _;

/// Returns a value of this crate as JSON on one line. Secrets in it are not erased.
///
/// # Panics
/// If the type has a map with keys that are not strings, or an implementation of `Serialize` that
/// returns an error. No type of this crate has one.
///
/// ```
/// use cc_auth::util::json_text::serialize_json;
/// assert_eq!(serialize_json(&[("a", 1)]), r#"[["a",1]]"#);
/// ```
#[must_use]
pub fn serialize_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => unreachable!("a report cannot be written as JSON: {error}"),
    }
}

/// Returns the text with each member and entry on a line of its own. Numbers are not changed; escapes in
/// strings become characters.
///
/// ```
/// use cc_auth::util::json_text::indented;
/// assert_eq!(indented(r#"{"n":1.10,"l":[1e29, "\u0041"],"e":{ }}"#),
///     "{\n  \"n\": 1.10,\n  \"l\": [\n    1e29,\n    \"A\"\n  ],\n  \"e\": {}\n}");
/// ```
#[must_use]
pub fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut opened = false;
    for token in tokens(text) {
        let closes = matches!(token, "}" | "]");
        depth = depth.saturating_sub(usize::from(closes));
        if opened != closes && (opened || closes) {
            line(&mut out, depth);
        }
        opened = false;
        match token {
            "{" | "[" => {
                out.push_str(token);
                depth += 1;
                opened = true;
            }
            "," => {
                out.push(',');
                line(&mut out, depth);
            }
            ":" => out.push_str(": "),
            _ => out.push_str(&plain(token)),
        }
    }
    out
}

/// Returns the text with as few lines as fit the width in columns: an object or array that fits is on one
/// line, and the members and entries of the others have a line each. Numbers are not changed; escapes in
/// strings become characters.
///
/// ```
/// use cc_auth::util::json_text::fitted;
/// assert_eq!(fitted(r#"{"sub":"fritz","roles":["user","api"]}"#, 50), r#"{"sub": "fritz", "roles": ["user", "api"]}"#);
/// assert_eq!(fitted(r#"{"sub":"fritz","roles":["user","api"]}"#, 30),
///     "{\n  \"sub\": \"fritz\",\n  \"roles\": [\"user\", \"api\"]\n}");
/// ```
#[must_use]
pub fn fitted(text: &str, width: usize) -> String {
    let pieces: Vec<String> = tokens(text).map(spaced).collect();
    let ends = container_ends(&pieces);
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut column) = (0_usize, 0_usize);
    let mut one_line_until = None;
    for (index, (piece, end)) in pieces.iter().zip(&ends).enumerate() {
        if let Some(last) = one_line_until {
            one_line_until = (index < last).then_some(last);
        } else if let Some((last, length)) = *end {
            if column + length < width {
                one_line_until = (index < last).then_some(last);
            } else {
                depth += 1;
                out.push_str(piece);
                line(&mut out, depth);
                column = depth * 2;
                continue;
            }
        } else if matches!(piece.as_str(), "}" | "]") {
            depth = depth.saturating_sub(1);
            line(&mut out, depth);
            column = depth * 2;
        } else if piece == ", " {
            out.push(',');
            line(&mut out, depth);
            column = depth * 2;
            continue;
        }
        out.push_str(piece);
        column += piece.width();
    }
    out
}

/// Returns a token as it is on a line with others.
fn spaced(token: &str) -> String {
    match token {
        "," | ":" => format!("{token} "),
        token => plain(token),
    }
}

/// Returns, for the beginning of each object and array, the index of its end and its length on one line.
fn container_ends(pieces: &[String]) -> Vec<Option<(usize, usize)>> {
    let mut ends = vec![None; pieces.len()];
    let mut open = Vec::new();
    let mut length = 0;
    for (index, piece) in pieces.iter().enumerate() {
        if matches!(piece.as_str(), "{" | "[") {
            open.push((index, length));
        }
        length += piece.width();
        if matches!(piece.as_str(), "}" | "]")
            && let Some((start, before)) = open.pop()
            && let Some(end) = ends.get_mut(start)
        {
            *end = Some((index, length - before));
        }
    }
    ends
}

/// Returns the text on one line without blanks between its tokens. Numbers are not changed.
#[must_use]
pub fn compact(text: &str) -> String {
    tokens(text).collect()
}

/// Returns the texts of the entries of an array that is a member of the object; none if the member does
/// not exist. Of members with the same name the last counts.
///
/// ```
/// use cc_auth::util::json_text::entries;
/// assert_eq!(entries(r#"{"a":[9],"keys":[ {"n": 1.0}, 2 ]}"#, "keys"), [r#"{"n": 1.0}"#, "2"]);
/// ```
#[must_use]
pub fn entries<'text>(text: &'text str, member: &str) -> Vec<&'text str> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut name = None;
    let mut in_array = false;
    let mut start: Option<usize> = None;
    let mut last = "";
    for (at, token) in positions(text) {
        match token {
            "{" | "[" => {
                if in_array && depth == 2 {
                    start.get_or_insert(at);
                }
                if token == "[" && depth == 1 && name.as_deref() == Some(member) {
                    in_array = true;
                    found.clear();
                }
                depth += 1;
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                if in_array && depth == 1 {
                    in_array = false;
                    found.extend(start.take().and_then(|start| text.get(start..at)).map(str::trim_end));
                }
            }
            "," if depth == 1 => name = None,
            "," if in_array && depth == 2 => {
                found.extend(start.take().and_then(|start| text.get(start..at)).map(str::trim_end));
            }
            ":" if depth == 1 => name = serde_json::from_str::<String>(last).ok(),
            _ if in_array && depth == 2 => {
                start.get_or_insert(at);
            }
            _ => {}
        }
        last = token;
    }
    found
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

/// Returns a string with its escapes replaced by characters where possible, and any other token unchanged.
fn plain(token: &str) -> String {
    if !token.contains('\\') {
        return token.to_owned();
    }
    match serde_json::from_str::<String>(token) {
        Ok(text) => serde_json::Value::from(text).to_string(),
        Err(_) => token.to_owned(),
    }
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    positions(text).map(|(_, token)| token)
}

/// The tokens of a JSON text with their places: strings with their quotes, numbers and words,
/// punctuation.
pub(crate) fn positions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = at;
        match bytes.get(at)? {
            b'"' => {
                at += 1;
                while let Some(byte) = bytes.get(at) {
                    at += if *byte == b'\\' { 2 } else { 1 };
                    if *byte == b'"' {
                        break;
                    }
                }
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => at += 1,
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
                at += bytes.get(at..)?.iter().take_while(|byte| !ends(byte)).count().max(1);
            }
        }
        at = at.min(bytes.len());
        Some((start, text.get(start..at)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        for number in ["1.10", "1e29", "100000000000000000000000000000", "-0", "0.0000001", "1E+2"] {
            let text = format!("{{\"n\": {number} ,\"l\":[{number}]}}");
            assert_eq!(compact(&text), format!("{{\"n\":{number},\"l\":[{number}]}}"));
            assert!(indented(&text).contains(&format!("\"n\": {number},")));
        }
    }

    #[test]
    fn entries_are_those_of_the_member_at_the_top() {
        assert_eq!(entries(r#"{"x":{"keys":[1]},"keys":[]}"#, "keys"), [""; 0]);
        assert_eq!(
            entries(r#"{"keys":[1],"keys":[ "a,]" , [2,{"b":3}] ,null]}"#, "keys"),
            ["\"a,]\"", "[2,{\"b\":3}]", "null"]
        );
        assert_eq!(entries("[1,2]", "keys"), [""; 0]);
        assert_eq!(entries(r#"{"keys":{"keys":[1]}}"#, "keys"), [""; 0]);
    }

    proptest! {
        #[test]
        fn fitted_text_is_the_same_document_and_fits(value in json(), width in 1_usize..60) {
            let text = value.to_string();
            let fitted = fitted(&text, width);
            prop_assert_eq!(compact(&fitted), compact(&indented(&text)));
            // A line that is too long cannot be divided.
            for line in fitted.lines().filter(|line| line.width() > width) {
                let inner = line.trim().trim_end_matches(',');
                prop_assert!(!inner.ends_with([']', '}']) || inner.len() == 1 || inner.ends_with("[]") || inner.ends_with("{}"), "{}", line);
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            ".{0,8}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                proptest::collection::vec((".{0,6}", inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn indented_text_is_as_serde_writes_it(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(indented(&text), serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(compact(&serde_json::to_string_pretty(&value).unwrap()), text.clone());
            if let Some(list) = value.as_object().and_then(|object| object.get("keys")).and_then(|keys| keys.as_array()) {
                prop_assert_eq!(entries(&text, "keys").len(), list.len());
            }
        }

        #[test]
        fn any_text_is_taken_apart_without_a_panic(text in ".{0,60}") {
            let _ = (indented(&text), compact(&text), entries(&text, "keys"));
        }
    }
}
