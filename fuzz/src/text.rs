//! Small languages: durations, patterns, pointers, scopes, and the way to a terminal.

use cc_auth::policy::glob::matches;
use cc_auth::policy::login_role::seconds;
use cc_auth::policy::pointer::{follows_lenient_index, has_lenient_index, look_up};
use cc_auth::policy::scope::{AccessRequest, ScopePath, Scopes};
use cc_auth::token::TokenPart;
use cc_auth::token::json::object;
use cc_auth::util::duration::GoDuration;
use cc_auth::util::quote::{escape, escape_lines, is_hidden, quote as quoted};
use cc_auth::util::time::{Timestamp, parse as parse_time};
use serde_json::Value;

use super::{clean, clean_fault, clean_some, parts};

/// Durations and times: what is printed reads back as the same.
pub fn duration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<GoDuration>() {
        Ok(duration) => {
            assert_eq!(duration.to_string().parse(), Ok(duration));
            assert_eq!(duration.seconds(), duration.nanoseconds() / 1_000_000_000);
            assert!(duration.to_std().as_nanos() <= i64::MAX as u128);
        }
        Err(error) => clean(&error.to_string()),
    }
    if let Some(seconds) = seconds::from_text(text) {
        assert!(GoDuration::from_seconds(seconds).seconds() == seconds, "no Go duration: {seconds}");
    }
    for now in [0, 1_700_000_000, i64::MAX, i64::MIN] {
        match parse_time(text, Timestamp(now)) {
            Ok(instant) => {
                clean(&instant.rfc3339());
                assert_eq!(parse_time(&instant.rfc3339(), Timestamp(0)).is_ok(), instant.0 >= 0);
                clean(&instant.human(Timestamp(now)));
            }
            Err(error) => clean(&error.to_string()),
        }
    }
}

/// A pattern and a text: the answer is that of the rule itself, square by square.
pub fn glob(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, text) = text.split_once('\0').unwrap_or((text, "aab"));
    if pattern.len() * text.len() > 1 << 22 {
        return;
    }
    let letters: Vec<char> = text.chars().collect();
    // reached[i]: the pattern so far can have eaten the first i letters.
    let mut reached = vec![false; letters.len() + 1];
    reached[0] = true;
    for sign in pattern.chars() {
        let mut next = vec![false; reached.len()];
        for at in 0..reached.len() {
            if sign == '*' {
                next[at] = reached[at] || at > 0 && next[at - 1];
            } else if at > 0 {
                next[at] = reached[at - 1] && letters[at - 1] == sign;
            }
        }
        reached = next;
    }
    assert_eq!(matches(pattern, text), reached[letters.len()], "{pattern:?} on {text:?}");
}

/// Claims and a name: a pointer leads where RFC 6901 says.
pub fn pointer(data: &[u8]) {
    let [claims, name] = parts(data);
    let (Ok(claims), Ok(name)) = (object(claims, TokenPart::Claims), std::str::from_utf8(name)) else {
        return;
    };
    let found = look_up(&claims, name);
    assert!(found.is_none_or(|value| !value.is_null()));
    let value = Value::Object(claims.clone());
    let expected = if name.starts_with('/') { value.pointer(name) } else { value.get(name) };
    assert_eq!(found, expected.filter(|value| !value.is_null()), "{name:?}");
    if follows_lenient_index(&claims, name) {
        assert!(found.is_none(), "an odd index leads somewhere");
    }
    let _ = has_lenient_index(name);
}

/// A scope and a request.
pub fn scope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (scope, request) = text.split_once('\0').unwrap_or((text, "storage.read:/a"));
    let scopes = Scopes::parse(scope);
    assert_eq!(scopes.describe().len(), scopes.parts().len());
    scopes.describe().iter().for_each(|words| clean(words));
    for fault in scopes.errors() {
        clean(&fault.to_string());
        clean_some(fault.hint().as_deref());
    }
    match request.parse::<AccessRequest>() {
        Ok(request) => {
            // Without one part nothing more is permitted.
            if !scopes.permits(&request).is_permitted() {
                for part in scopes.parts() {
                    assert!(!Scopes::parse(&part.text).permits(&request).is_permitted());
                }
            }
        }
        Err(error) => clean_fault(&error),
    }
    if let Ok(path) = ScopePath::parse(scope) {
        assert!(path.covers(&path), "{scope:?} does not cover itself");
        let root = ScopePath::parse("/").expect("the root");
        assert!(root.covers(&path) && (path.is_root() || !path.covers(&root)));
    }
}

/// The way to a terminal: nothing hidden gets through, and nothing is lost or forged on it.
pub fn quote(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (short, whole, lines) = (quoted(&text), escape(&text), escape_lines(&text));
    clean(&short);
    clean(&whole);
    assert!(!lines.chars().any(|c| is_hidden(c) && !matches!(c, '\n' | '\t')), "{lines:?}");
    // What a terminal shows may be copied into a message again.
    clean(&quoted(&short));
    assert_eq!(unescape(&whole), text);
    assert!(short.starts_with('\'') && short.ends_with('\'') && short.chars().count() <= 200 * 10 + 3);
    // The quotes are the first and the last sign that is none of the text's.
    let inside = &short[1..short.len() - 1];
    let mut signs = inside.chars();
    while let Some(sign) = signs.next() {
        assert_ne!(sign, '\'', "the text closes the quote: {short}");
        if sign == '\\' {
            assert!(signs.next().is_some(), "the closing quote is escaped: {short}");
        }
    }
}

/// What was escaped, read back.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let letter = rest.chars().next().expect("something after a backslash");
        rest = &rest[letter.len_utf8()..];
        out.push(match letter {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (digits, after) =
                    rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).expect("a number");
                rest = after;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).expect("a character")
            }
            other => other,
        });
    }
    out + rest
}
