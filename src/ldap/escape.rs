//! Names on their way into a filter (RFC 4515) or a distinguished name (RFC 4514).

use std::fmt::Write as _;

/// A value escaped for a filter (RFC 4515 3), such as the `…` of `(uid=…)`.
///
/// Beyond what RFC 4515 section 3 demands (`*`, `(`, `)`, `\`, NUL), leading and trailing blanks
/// and controls are escaped, so that the server compares them as they are.
///
/// ```
/// use cc_auth::ldap::escape::filter_value;
/// assert_eq!(filter_value(")(uid=*"), r"\29\28uid=\2a");
/// ```
#[must_use]
pub fn filter_value(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 8);
    for (at, character) in value.char_indices() {
        let blank_at_end = character == ' ' && (at == 0 || at == last);
        if blank_at_end || matches!(character, '*' | '(' | ')' | '\\' | '\0'..='\x1f' | '\x7f') {
            push_hex(&mut out, character);
        } else {
            out.push(character);
        }
    }
    out
}

/// A value escaped for a distinguished name (RFC 4514 2.4), such as the `…` of `uid=…,ou=people`.
///
/// RFC 4514 section 2.4: `"`, `+`, `,`, `;`, `<`, `>`, `\` and NUL everywhere, a blank at either
/// end, a `#` at the beginning; `=` and controls as well, which is always allowed.
///
/// ```
/// use cc_auth::ldap::escape::dn_value;
/// assert_eq!(dn_value("a,ou=x"), r"a\2cou\3dx");
/// assert_eq!(dn_value("#x "), r"\23x\20");
/// ```
#[must_use]
pub fn dn_value(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 8);
    for (at, character) in value.char_indices() {
        let at_end = (character == ' ' && (at == 0 || at == last)) || (character == '#' && at == 0);
        let special =
            matches!(character, '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' | '\0'..='\x1f' | '\x7f');
        if at_end || special {
            push_hex(&mut out, character);
        } else {
            out.push(character);
        }
    }
    out
}

/// The name of a bind: every `{username}` of the template replaced by the escaped
/// name, once (a name that is itself `{username}` is not replaced again).
#[must_use]
pub fn bind_name(template: &str, username: &str) -> String {
    template.replace("{username}", &dn_value(username))
}

/// The filter that finds one user: the configured one, in parentheses, and the name.
#[must_use]
pub fn user_filter(filter: &str, uid_attribute: &str, username: &str) -> String {
    format!("(&{filter}({uid_attribute}={}))", filter_value(username))
}

fn push_hex(out: &mut String, character: char) {
    // Only ASCII characters are escaped: one byte each. Writing to a String cannot fail.
    let _ = write!(out, "\\{:02x}", u32::from(character));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_steer_a_filter_or_name_is_escaped() {
        let table = [
            ("*", r"\2a", "*"),
            (")(uid=*", r"\29\28uid=\2a", r")(uid\3d*"),
            ("a,ou=x", "a,ou=x", r"a\2cou\3dx"),
            ("#x", "#x", r"\23x"),
            ("x ", r"x\20", r"x\20"),
            (" ", r"\20", r"\20"),
            ("a\0b", r"a\00b", r"a\00b"),
            (r"a\b", r"a\5cb", r"a\5cb"),
            ("jürgen", "jürgen", "jürgen"),
            ("a b", "a b", "a b"),
            ("", "", ""),
        ];
        for (name, filter, dn) in table {
            assert_eq!(filter_value(name), filter, "{name:?} in a filter");
            assert_eq!(dn_value(name), dn, "{name:?} in a DN");
        }
    }

    #[test]
    fn a_name_that_looks_like_the_placeholder_is_only_a_name() {
        assert_eq!(bind_name("uid={username},ou=p", "{username}"), "uid={username},ou=p");
        assert_eq!(bind_name("{username}@x", "a+b"), r"a\2bb@x");
    }

    /// Undoes `\XX`, as a server does.
    fn unescaped(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'\\' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn the_server_reads_back_the_name_that_was_given(name in any::<String>()) {
            prop_assert_eq!(unescaped(&filter_value(&name)), name.clone());
            prop_assert_eq!(unescaped(&dn_value(&name)), name.clone());
            let filter = user_filter("(objectclass=*)", "uid", &name);
            prop_assert!(ldap3::parse_filter(&filter).is_ok(), "{}", filter);
        }
    }
}
