//! Patterns of bound claims: only `*` counts.

/// Whether the whole text matches the pattern. `*` stands for any run of characters, an empty
/// one and one with `/` in it as well; every other character is literal. The pieces
/// between the stars do not overlap: `ab*ba` does not match `aba`.
///
/// Takes time linear in the text for each star: it never goes back over more than one.
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

    /// The rule itself, slow: the pattern eats the text letter by letter.
    fn rule(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| rule(rest, &text[skip..])),
            Some((letter, rest)) => text.first() == Some(letter) && rule(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_the_rule_says(pattern in "[ab*?]{0,8}", text in "[ab?]{0,8}") {
            let letters = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), rule(&letters(&pattern), &letters(&text)));
        }
    }

    #[test]
    fn stars_in_a_row_are_one_star() {
        assert!(matches("**", "") && matches("a**b", "ab") && matches("***", "x/y"));
    }
}
