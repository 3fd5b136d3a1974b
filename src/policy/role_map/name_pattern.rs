//! Patterns of group names and attribute values, with one capture.

use crate::util::quote::quote;

/// A pattern that matches a whole name without regard to case. `(.*)` captures a part of the name, `*`
/// matches any text, and every other character is literal.
///
/// ```
/// use cc_auth::policy::role_map::NamePattern;
/// let pattern: NamePattern = "proj-(.*)".parse().unwrap();
/// assert_eq!(pattern.captured("Proj-Astro"), Some("Astro"));
/// assert_eq!(pattern.captured("staff"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    /// The literal parts around the wildcards, in lower case: one more than there are wildcards.
    literals: Vec<Vec<char>>,
    /// The index of the wildcard that captures.
    capture: Option<usize>,
}

/// A text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid pattern {}: {why}", quote(.pattern))]
pub struct NamePatternError {
    pattern: String,
    why: &'static str,
}

const CAPTURE: &str = "(.*)";

impl std::fmt::Display for NamePattern {
    /// Writes the pattern as configured.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| NamePatternError { pattern: text.to_owned(), why };
        if text.is_empty() {
            return Err(invalid("expected a name, such as proj-(.*)"));
        }
        let mut pattern = Self { text: text.to_owned(), literals: vec![Vec::new()], capture: None };
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let is_capture = rest.starts_with(CAPTURE);
            match character {
                _ if is_capture && pattern.capture.is_some() => {
                    return Err(invalid("expected (.*) at most once"));
                }
                _ if is_capture => {
                    pattern.capture = Some(pattern.literals.len() - 1);
                    pattern.literals.push(Vec::new());
                }
                '*' => pattern.literals.push(Vec::new()),
                '(' | ')' => return Err(invalid("expected parentheses only in (.*)")),
                '.' if rest.starts_with(".*") => {
                    return Err(invalid("expected * for any text, or (.*) for the captured text"));
                }
                '^' | '$' | '\\' | '[' | ']' | '|' => {
                    return Err(invalid(
                        "expected literal characters, * and (.*): it is not a regular expression",
                    ));
                }
                literal => {
                    if let Some(last) = pattern.literals.last_mut() {
                        last.push(folded(literal));
                    }
                }
            }
            let length = if is_capture { CAPTURE.len() } else { character.len_utf8() };
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(pattern)
    }
}

/// Returns the character in lower case, as one character, so that positions do not change.
fn folded(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

impl NamePattern {
    /// Returns whether the pattern captures a part of the name.
    #[must_use]
    pub const fn has_capture(&self) -> bool {
        self.capture.is_some()
    }

    /// Returns the captured part of a name in its own spelling; the whole name if the pattern does not
    /// capture. Returns `None` if the name does not match. A wildcard matches as little as possible.
    ///
    /// The time is linear in the length of the name for each wildcard.
    #[must_use]
    pub fn captured<'name>(&self, name: &'name str) -> Option<&'name str> {
        let characters: Vec<(usize, char)> =
            name.char_indices().map(|(at, character)| (at, folded(character))).collect();
        let is_at = |literal: &[char], at: usize| {
            characters
                .get(at..at + literal.len())
                .is_some_and(|part| part.iter().map(|(_, character)| character).eq(literal))
        };
        let offset = |at: usize| characters.get(at).map_or(name.len(), |(offset, _)| *offset);
        let (first, others) = self.literals.split_first()?;
        if !is_at(first, 0) {
            return None;
        }
        let mut at = first.len();
        let mut captured = None;
        for (wildcard, literal) in others.iter().enumerate() {
            let is_last = wildcard + 1 == others.len();
            let end = characters.len().checked_sub(literal.len()).filter(|end| *end >= at)?;
            let found = if is_last {
                is_at(literal, end).then_some(end)
            } else {
                (at..=end).find(|start| is_at(literal, *start))
            }?;
            if self.capture == Some(wildcard) {
                captured = name.get(offset(at)..offset(found));
            }
            at = found + literal.len();
        }
        if at != characters.len() {
            return None;
        }
        Some(captured.unwrap_or(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured<'name>(pattern: &str, name: &'name str) -> Option<&'name str> {
        pattern.parse::<NamePattern>().unwrap().captured(name)
    }

    #[test]
    fn pattern_captures_the_spelling_of_the_directory() {
        for (pattern, name, expected) in [
            ("proj-(.*)", "proj-astro", Some("astro")),
            ("proj-(.*)", "PROJ-Astro", Some("Astro")),
            ("Größe-(.*)-x", "GRÖßE-Ü-X", Some("Ü")),
            ("(.*)", "anything", Some("anything")),
            ("proj-(.*)", "proj-", Some("")),
            ("*-(.*)-pi", "hpc-astro-pi", Some("astro")),
            ("(.*)-*", "a-b-c", Some("a")),
            ("professor", "Professor", Some("Professor")),
            ("prof*", "Professor", Some("Professor")),
            ("a.b", "A.B", Some("A.B")),
            ("a.b", "axb", None),
            ("proj-(.*)", "xproj-astro", None),
            ("professor", "professors", None),
            ("ab*ba", "aba", None),
            ("(.*)-x", "a-y", None),
        ] {
            assert_eq!(captured(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn pattern_that_looks_like_a_regular_expression_is_rejected() {
        for text in ["", "^a", "a$", "[ab]", "a|b", r"a\.b", "proj-.*", "(a)", "(.*)(.*)", "(.+)", "a)"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text}");
        }
        let error = "proj-.*".parse::<NamePattern>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid pattern 'proj-.*': expected * for any text, or (.*) for the captured text"
        );
    }
}
