//! Patterns of bound claims, in which `*` is the only wildcard.

/// Returns whether the pattern matches the whole text. `*` matches any number of characters, including
/// none and `/`; every other character is literal. The pieces between the stars do not overlap: `ab*ba`
/// does not match `aba`.
///
/// The time is linear in the length of the text for each `*`; there is no backtracking.
///
/// ```
/// use cc_auth::policy::glob::matches;
/// assert!(matches("grp/*/app", "grp/a/b/app"));
/// assert!(!matches("ab*ba", "aba"));
/// assert!(!matches("ap?", "app"));
/// assert!(matches("", "") && !matches("", "x"));
/// ```
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else { return false };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::matches;

    /// A slow reference implementation with backtracking.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| reference(rest, &text[skip..])),
            Some((letter, rest)) => text.first() == Some(letter) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn glob_matches_like_the_reference_implementation(pattern in "[ab*?]{0,8}", text in "[ab?]{0,8}") {
            let letters = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), reference(&letters(&pattern), &letters(&text)));
        }
    }

    #[test]
    fn consecutive_stars_match_like_one() {
        assert!(matches("**", "") && matches("a**b", "ab") && matches("***", "x/y"));
    }
}
