//! A small set of names.

/// Names in byte order without duplicates. A user has a few roles and projects: a sorted list needs one
/// allocation, and two lists are compared in one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    pub(super) fn of(names: &'a [String]) -> Self {
        names.iter().map(String::as_str).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }

    /// Removes a name; returns whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let place = self.0.binary_search(&name);
        place.map(|place| self.0.remove(place)).is_ok()
    }

    /// The names that are in this set and not in the other.
    pub(super) fn difference(&self, other: &Self) -> Self {
        self.select(other, false)
    }

    /// The names that are in both sets.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.select(other, true)
    }

    /// The names that are in one of the sets.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut all = Vec::with_capacity(self.len() + other.len());
        let mut others = other.iter().peekable();
        for name in self.iter() {
            while let Some(other) = others.next_if(|other| *other < name) {
                all.push(other);
            }
            others.next_if_eq(&name);
            all.push(name);
        }
        all.extend(others);
        Self(all)
    }

    pub(super) fn to_texts(&self) -> Vec<String> {
        self.iter().map(str::to_owned).collect()
    }

    fn select(&self, other: &Self, is_in_other: bool) -> Self {
        let mut others = other.0.iter().peekable();
        let is_selected = |name: &&'a str| {
            while others.next_if(|other| *other < name).is_some() {}
            others.peek().is_some_and(|other| *other == name) == is_in_other
        };
        let mut selected = Vec::with_capacity(self.len());
        selected.extend(self.iter().filter(is_selected));
        Self(selected)
    }
}

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let iter = names.into_iter();
        let mut names = Vec::with_capacity(iter.size_hint().1.unwrap_or_default());
        names.extend(iter);
        if !names.is_sorted() {
            names.sort_unstable();
        }
        names.dedup();
        Self(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_combined_as_sets(
            one in proptest::collection::vec("[a-d]{0,2}", 0..8),
            other in proptest::collection::vec("[a-d]{0,2}", 0..8),
        ) {
            let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
            let texts = |names: &Names<'_>| names.to_texts();
            let sorted = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>();
            let (left, right) = (Names::of(&one), Names::of(&other));
            prop_assert_eq!(texts(&left), sorted(set(&one)));
            prop_assert_eq!(texts(&left.difference(&right)), sorted(&set(&one) - &set(&other)));
            prop_assert_eq!(texts(&left.intersection(&right)), sorted(&set(&one) & &set(&other)));
            prop_assert_eq!(texts(&left.union(&right)), sorted(&set(&one) | &set(&other)));
            for name in &one {
                let mut rest = left.clone();
                prop_assert_eq!(rest.remove(name), left.contains(name));
                prop_assert!(!rest.contains(name) && left.contains(name));
            }
        }
    }
}
