//! Suggestions for unknown names.

/// Returns the entry of `known` that is most similar to `name`: equal except for case and `-`/`_`,
/// or with an edit distance of at most a third of its length.
///
/// ```
/// use cc_auth::util::suggest::nearest;
/// assert_eq!(nearest("suport", ["user", "support"]), Some("support"));
/// assert_eq!(nearest("validate_user", ["validate-user"]), Some("validate-user"));
/// assert_eq!(nearest("wizard", ["user", "support"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let typed = plain(name);
    if typed.len() > 256 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
