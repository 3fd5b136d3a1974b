//! Escaping of usernames in filters (RFC 4515) and distinguished names (RFC 4514).

use std::fmt::Write as _;

/// Escapes a value for a filter (RFC 4515 3), such as the `…` of `(uid=…)`.
///
/// In addition to the characters that RFC 4515 section 3 requires (`*`, `(`, `)`, `\`, NUL),
/// leading and trailing blanks and control characters are escaped, so that the server compares them
/// unchanged.
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

/// Escapes a value for a distinguished name (RFC 4514 2.4), such as the `…` of `uid=…,ou=people`.
///
/// Escapes `"`, `+`, `,`, `;`, `<`, `>`, `\` and NUL, leading and trailing blanks, and a leading
/// `#`, as RFC 4514 section 2.4 requires; also `=` and control characters, which is always
/// permitted.
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

/// Returns the bind name: the template with each `{username}` replaced by the escaped username. The
/// result is not expanded again, so the username may itself be `{username}`.
#[must_use]
pub fn bind_name(template: &str, username: &str) -> String {
    template.replace("{username}", &dn_value(username))
}

/// Returns the filter for one user: the configured filter combined with the username.
#[must_use]
pub fn user_filter(filter: &str, uid_attribute: &str, username: &str) -> String {
    format!("(&{filter}({uid_attribute}={}))", filter_value(username))
}

/// Returns the filter of entries with this value of an attribute.
#[must_use]
pub fn equality(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", filter_value(value))
}

/// Returns the filter of entries that reach a DN through any number of entries: the matching rule
/// `LDAP_MATCHING_RULE_IN_CHAIN` of Active Directory.
#[must_use]
pub fn in_chain(attribute: &str, dn: &str) -> String {
    equality(&format!("{attribute}:1.2.840.113556.1.4.1941:"), dn)
}

fn push_hex(out: &mut String, character: char) {
    // Escaped characters are ASCII and therefore one byte each. Writing to a String cannot fail.
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

    /// Decodes `\XX` as a server does.
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
