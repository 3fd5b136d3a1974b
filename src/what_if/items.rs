//! The tokens and keys that differ between two scans of the same walk.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::report::{ItemPlace, KeyChange, Rejection, TokenChange, TokenChangeKind, TokenState};
use crate::config::Settings;
use crate::scan::{Occurrence, OccurrenceKind, ScanReport};
use crate::util::note::Warning;

/// An item in both states; one of them is missing where a state does not have it.
type Pair = (Option<Occurrence>, Option<Occurrence>);

/// Returns the tokens and keys that differ. The same difference in several places is one entry.
pub(super) fn changes(
    present: Vec<Occurrence>,
    planned: Vec<Occurrence>,
) -> (Vec<TokenChange>, Vec<KeyChange>) {
    let (mut tokens, mut keys) = (Groups::default(), Groups::default());
    for (before, after) in pairs(present, planned) {
        let Some(one) = before.as_ref().or(after.as_ref()) else { continue };
        let (kind, fingerprint, place) = (one.kind, one.fingerprint.clone(), ItemPlace::of(one));
        let (new_problems, removed_problems) = problems(before.as_ref(), after.as_ref());
        let checks: Vec<&str> = new_problems.iter().map(|problem| problem.check).collect();
        let group = (
            kind,
            fingerprint.clone(),
            before.is_some(),
            after.is_some(),
            (checks, removed_problems.clone()),
        );
        if kind.is_token() {
            let change = || token(before.as_ref(), after.as_ref(), new_problems, removed_problems);
            tokens.add(group, place, change, |token| &mut token.places);
        } else {
            let name = |one: &Option<Occurrence>| one.as_ref()?.signed_by.clone();
            let (present, planned) = (name(&before), name(&after));
            let is_same = present == planned && new_problems.is_empty() && removed_problems.is_empty();
            let change = || {
                let places = Vec::new();
                (!is_same || before.is_some() != after.is_some()).then_some(KeyChange {
                    kind,
                    fingerprint,
                    present,
                    planned,
                    new_problems,
                    removed_problems,
                    places,
                })
            };
            keys.add(group, place, change, |key| &mut key.places);
        }
    }
    (tokens.list, keys.list)
}

/// The entries so far, and where each group is; a group without a difference has no entry.
struct Groups<K, T> {
    list: Vec<T>,
    entries: HashMap<K, Option<usize>>,
}

impl<K, T> Default for Groups<K, T> {
    fn default() -> Self {
        Self { list: Vec::new(), entries: HashMap::new() }
    }
}

impl<K: Eq + Hash, T> Groups<K, T> {
    fn add(
        &mut self,
        group: K,
        place: ItemPlace,
        change: impl FnOnce() -> Option<T>,
        places: impl Fn(&mut T) -> &mut Vec<ItemPlace>,
    ) {
        let list = &mut self.list;
        let entry = *self.entries.entry(group).or_insert_with(|| {
            list.push(change()?);
            Some(list.len() - 1)
        });
        if let Some(entry) = entry.and_then(|index| list.get_mut(index)) {
            places(entry).push(place);
        }
    }
}

/// Joins the occurrences of two scans by their index. Both are sorted by it.
fn pairs(present: Vec<Occurrence>, planned: Vec<Occurrence>) -> impl Iterator<Item = Pair> {
    let (mut present, mut planned) = (present.into_iter().peekable(), planned.into_iter().peekable());
    std::iter::from_fn(move || {
        let next = present.peek().into_iter().chain(planned.peek()).map(|one| one.index).min()?;
        let is_next = |one: &Occurrence| one.index == next;
        Some((present.next_if(is_next), planned.next_if(is_next)))
    })
}

/// Returns the problems of the planned state only, and the names of those of the present state only.
fn problems(before: Option<&Occurrence>, after: Option<&Occurrence>) -> (Vec<Warning>, Vec<&'static str>) {
    let list = |one: Option<&Occurrence>| one.map_or_else(Vec::new, |one| one.problems.clone());
    let (before, after) = (list(before), list(after));
    let has = |list: &[Warning], check: &str| list.iter().any(|problem| problem.check == check);
    let removed = before.iter().map(|problem| problem.check).filter(|check| !has(&after, check)).collect();
    let new = after.iter().filter(|problem| !has(&before, problem.check)).cloned().collect();
    (new, removed)
}

fn token(
    before: Option<&Occurrence>,
    after: Option<&Occurrence>,
    new_problems: Vec<Warning>,
    removed_problems: Vec<&'static str>,
) -> Option<TokenChange> {
    let one = before.or(after)?;
    let (present, planned) = (before.map(state), after.map(state));
    let endpoints = |state: &Option<TokenState>| {
        state.as_ref().and_then(|state| state.accepted_by.clone()).unwrap_or_default()
    };
    let (accepted, planned_accepted) = (endpoints(&present), endpoints(&planned));
    let without = |list: &[&'static str], other: &[&'static str]| {
        list.iter().copied().filter(|endpoint| !other.contains(endpoint)).collect::<Vec<_>>()
    };
    let lost = without(&accepted, &planned_accepted);
    let gained = without(&planned_accepted, &accepted);
    let valid = |state: &Option<TokenState>| state.as_ref().is_some_and(|state| state.valid);
    let signer = |state: &Option<TokenState>| state.as_ref().and_then(|state| state.signed_by.clone());
    let change = match (valid(&present), valid(&planned)) {
        (true, false) => TokenChangeKind::NoLongerValid,
        (false, true) => TokenChangeKind::NewlyValid,
        _ if !lost.is_empty() || !gained.is_empty() => TokenChangeKind::Endpoints,
        _ if signer(&present) != signer(&planned)
            || before.is_some() != after.is_some()
            || !new_problems.is_empty()
            || !removed_problems.is_empty() =>
        {
            TokenChangeKind::Other
        }
        _ => return None,
    };
    Some(TokenChange {
        change,
        kind: one.kind,
        fingerprint: one.fingerprint.clone(),
        subject: one.subject.clone(),
        rejections: rejections(after, &lost),
        present,
        planned,
        lost_endpoints: lost,
        gained_endpoints: gained,
        new_problems,
        removed_problems,
        places: Vec::new(),
    })
}

fn state(occurrence: &Occurrence) -> TokenState {
    let reasons = occurrence.verdicts.as_ref().and_then(|verdicts| verdicts.explanation.as_ref());
    let failure = reasons.and_then(|reasons| reasons.failure.as_ref());
    TokenState {
        valid: reasons.is_some() && failure.is_none(),
        reason: failure.map(|failure| failure.reason.clone()),
        signed_by: occurrence.signed_by.clone(),
        accepted_by: occurrence.accepted_by.clone(),
    }
}

/// Returns why these endpoints reject the token, each reason once.
fn rejections(after: Option<&Occurrence>, lost: &[&'static str]) -> Vec<Rejection> {
    let mut list: Vec<Rejection> = Vec::new();
    let Some(reasons) = after.and_then(|after| after.verdicts.as_ref()?.explanation.as_ref()) else {
        return list;
    };
    for (endpoint, finding) in &reasons.rejected {
        if !lost.contains(&endpoint.name()) {
            continue;
        }
        let same = |one: &&mut Rejection| one.check == finding.check && one.message == finding.reason;
        match list.iter_mut().find(same) {
            Some(rejection) => rejection.endpoints.push(endpoint.name()),
            None => list.push(Rejection {
                endpoints: vec![endpoint.name()],
                check: finding.check,
                message: finding.reason.clone(),
            }),
        }
    }
    list
}

/// Returns the server's tokens that live longer than a new `auth.jwts.max-age`, which sets the expiry of new
/// tokens only.
pub(super) fn over_max_age(scan: &ScanReport, present: &Settings, planned: &Settings) -> Option<Vec<String>> {
    let (before, after) = (present.jwts.max_age.value, planned.jwts.max_age.value);
    if before == after {
        return None;
    }
    let Some(after) = after else { return Some(Vec::new()) };
    let mut seen = HashSet::new();
    let is_over = |one: &&Occurrence| {
        one.kind == OccurrenceKind::Token
            && one.signed_by.as_deref() == Some("own")
            && (one.never_expires || one.lifetime.is_some_and(|lifetime| lifetime > after))
    };
    let prints = scan.occurrences.iter().filter(is_over).map(|one| one.fingerprint.clone());
    Some(prints.filter(|print| seen.insert(print.clone())).collect())
}
