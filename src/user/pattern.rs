//! Patterns for usernames.

/// A pattern for usernames, as in a shell: `*` matches any number of characters, `?` exactly one.
/// Every other character is literal, and case counts.
///
/// ```
/// use cc_auth::user::UsernamePattern;
/// assert!(UsernamePattern::new("hpc*").matches("hpc042"));
/// assert!(UsernamePattern::new("hpc?").matches("hpc1"));
/// assert!(!UsernamePattern::new("hpc?").matches("hpc"));
/// assert!(!UsernamePattern::new("hpc").matches("hpc042"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernamePattern(String);

impl UsernamePattern {
    /// A pattern. Every text is one.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the pattern matches the whole username.
    ///
    /// Only the last star is tried again, so the time is at most the product of both lengths.
    #[must_use]
    pub fn matches(&self, username: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), username.chars());
        // The pattern after the last star, and the text where it was tried last.
        let mut star = None;
        loop {
            let before = rest.clone();
            match (pattern.next(), rest.next()) {
                (Some('*'), _) => {
                    star = Some((pattern.clone(), before.clone()));
                    rest = before;
                }
                (None, None) => return true,
                (Some('?'), Some(_)) => {}
                (Some(expected), Some(found)) if expected == found => {}
                _ => {
                    let Some((after, start)) = &mut star else { return false };
                    if start.next().is_none() {
                        return false;
                    }
                    pattern = after.clone();
                    rest = start.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UsernamePattern;

    /// A slow reference implementation with backtracking.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| reference(rest, &text[skip..])),
            Some(('?', rest)) => !text.is_empty() && reference(rest, &text[1..]),
            Some((letter, rest)) => text.first() == Some(letter) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn pattern_matches_like_the_reference_implementation(
            pattern in "[abü*?]{0,8}", text in "[abü?*]{0,8}",
        ) {
            let letters = |s: &str| s.chars().collect::<Vec<_>>();
            let expected = reference(&letters(&pattern), &letters(&text));
            prop_assert_eq!(UsernamePattern::new(pattern).matches(&text), expected);
        }
    }

    #[test]
    fn pattern_with_many_stars_ends_soon() {
        let pattern = UsernamePattern::new("a*".repeat(2_000) + "b");
        assert!(!pattern.matches(&"a".repeat(10_000)));
    }
}
