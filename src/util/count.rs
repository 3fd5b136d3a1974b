//! Numbers with their nouns in messages: "1 entry", "2 entries".

use std::fmt::Display;

/// Returns a number with its noun, singular or plural. The noun is given in the singular; words before it remain
/// as they are.
///
/// ```
/// use cc_auth::util::count::counted;
/// assert_eq!(counted(1_u64, "LDAP entry"), "1 LDAP entry");
/// assert_eq!(counted(0_u64, "LDAP entry"), "0 LDAP entries");
/// ```
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    if number == N::from(1) {
        return format!("{number} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

/// Returns the word that agrees with a number, such as "is" and "are".
pub fn one_or<'word, N: PartialEq + From<u8>>(number: N, one: &'word str, several: &'word str) -> &'word str {
    if number == N::from(1) { one } else { several }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noun_of_a_number_is_singular_for_one_only() {
        for (noun, several) in [
            ("user", "users"),
            ("older run", "older runs"),
            ("user entry", "user entries"),
            ("key", "keys"),
            ("byte", "bytes"),
            ("address", "addresses"),
            ("match", "matches"),
        ] {
            assert_eq!(counted(1_u32, noun), format!("1 {noun}"));
            for number in [0_u64, 2, 1_000_000] {
                assert_eq!(counted(number, noun), format!("{number} {several}"));
            }
        }
        assert_eq!(
            (one_or(1, "is", "are"), one_or(0, "is", "are"), one_or(21, "is", "are")),
            ("is", "are", "are")
        );
    }
}
