//! JSON pointers (RFC 6901) to claims in login roles.

use serde_json::{Map, Value};

/// Returns the claim with this name. A name that starts with `/` is a JSON pointer, any other the name of
/// a top-level member. A `null` counts as missing.
///
/// An array index has no sign and no leading zeros (RFC 6901 4); an unknown escape such as `~2` is
/// literal.
#[must_use]
pub fn look_up<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = if let Some(path) = name.strip_prefix('/') {
        let mut tokens = path.split('/').map(unescape);
        let top = claims.get(&tokens.next()?)?;
        tokens.try_fold(top, |value, token| match value {
            Value::Object(members) => members.get(&token),
            Value::Array(elements) => elements.get(index(&token)?),
            _ => None,
        })?
    } else {
        claims.get(name)?
    };
    (!found.is_null()).then_some(found)
}

/// Replaces `~1` with `/`, then `~0` with `~`, so that `~01` becomes `~1` (RFC 6901 4).
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    if plain { token.parse().ok() } else { None }
}

/// Returns whether the pointer reaches an array with an index that only the reference server accepts:
/// `01`, `+1`, `0x1`, or an empty one, which the reference server reads as 0.
#[must_use]
pub fn follows_lenient_index(claims: &Map<String, Value>, name: &str) -> bool {
    let Some(path) = name.strip_prefix('/') else { return false };
    let mut tokens = path.split('/').map(unescape);
    let Some(mut value) = tokens.next().and_then(|token| claims.get(&token)) else { return false };
    for token in tokens {
        let next = match value {
            Value::Object(members) => members.get(&token),
            Value::Array(elements) => match index(&token) {
                Some(at) => elements.get(at),
                None => return token.is_empty() || is_lenient_index(&token),
            },
            _ => None,
        };
        let Some(next) = next else { return false };
        value = next;
    }
    false
}

/// Returns whether the pointer has a segment that the reference server reads as a number and RFC 6901
/// does not: `01`, `+1`, `0x1`.
#[must_use]
pub fn has_lenient_index(name: &str) -> bool {
    name.starts_with('/') && name.split('/').skip(1).any(is_lenient_index)
}

fn is_lenient_index(token: &str) -> bool {
    let (sign, digits) = match token.as_bytes().first() {
        Some(b'+') => (true, &token[1..]),
        // The reference server finds no element for a negative index either, except for -0.
        Some(b'-') => (true, token.strip_prefix("-0").map_or("", |_| &token[1..])),
        _ => (false, token),
    };
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (sign || digits.starts_with('0') || digits.contains('_'))
        && digits.bytes().all(|b| b.is_ascii_hexdigit() || b"xXoO_".contains(&b))
        && index(token).is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(name: &str) -> Option<Value> {
        let claims = json!({
            "a": {"b": ["x", {"c": 1}], "": "empty", "~": "tilde", "/": "slash", "~1": "both", "~2": "odd"},
            "/a": "literal", "": "root", "nothing": null,
        });
        look_up(claims.as_object().unwrap(), name).cloned()
    }

    #[test]
    fn pointer_finds_members_and_elements() {
        assert_eq!(at("/a/b/0"), Some(json!("x")));
        assert_eq!(at("/a/b/1/c"), Some(json!(1)));
        assert_eq!(at("/a/"), Some(json!("empty")));
        assert_eq!(at("/"), Some(json!("root")));
    }

    #[test]
    fn pointer_unescapes_in_the_order_of_rfc_6901() {
        assert_eq!(at("/a/~0"), Some(json!("tilde")));
        assert_eq!(at("/a/~1"), Some(json!("slash")));
        assert_eq!(at("/a/~01"), Some(json!("both")));
        assert_eq!(at("/a/~2"), Some(json!("odd")));
    }

    #[test]
    fn pointer_index_with_sign_or_leading_zero_finds_nothing() {
        for name in [
            "/a/b/00",
            "/a/b/+0",
            "/a/b/-0",
            "/a/b/",
            "/a/b/0x0",
            "/a/b/2",
            "/a/b/-",
            "/a/b/99999999999999999999",
        ] {
            assert_eq!(at(name), None, "{name}");
        }
        assert!(!has_lenient_index("/a/-1") && !has_lenient_index("/a/-") && has_lenient_index("/a/-0"));
        assert!(has_lenient_index("/a/01") && has_lenient_index("/a/+1") && has_lenient_index("/a/0x1"));
        assert!(!has_lenient_index("/a/0") && !has_lenient_index("/a/10/b") && !has_lenient_index("01"));
    }

    #[test]
    fn pointer_without_slash_is_a_member_name() {
        assert_eq!(at("a/b"), None);
        assert_eq!(at("nothing"), None);
        assert_eq!(at("/nothing/x"), None);
    }
}
