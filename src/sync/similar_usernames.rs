//! Usernames that an LDAP server treats as equal and the server does not.

use std::hash::{BuildHasher as _, RandomState};

use crate::ldap::LdapSnapshot;
use crate::user::normalized;

/// The maximum number of pairs that are reported.
const MAX_PAIRS: usize = 100;

/// Finds pairs of usernames that differ only in case or blanks, of which at least one is added.
///
/// `added` are indices of the snapshot, and `other_usernames` the usernames of the table that are not in
/// the snapshot; both are sorted. Of two such usernames at least one differs from its normalized form,
/// and most LDAP directories have few of those: only these are hashed.
pub(super) fn similar_usernames(
    snapshot: &LdapSnapshot,
    added: &[u32],
    other_usernames: &[String],
) -> Vec<[String; 2]> {
    if added.is_empty() {
        return Vec::new();
    }
    let hasher = RandomState::new();
    // Usernames with the hash of their normalized form; equal forms are neighbors after sorting.
    let mut candidates: Vec<(u64, &str)> = Vec::new();
    let usernames =
        snapshot.users().map(|user| user.username).chain(other_usernames.iter().map(String::as_str));
    for username in usernames.filter(|username| may_differ_from_normalized(username)) {
        let normal = normalized(username);
        let hash = hasher.hash_one(&normal);
        candidates.push((hash, username));
        if let Some(user) = snapshot.find(&normal, 0).and_then(|index| snapshot.get(index)) {
            candidates.push((hash, user.username));
        }
        if let Ok(index) = other_usernames.binary_search(&normal) {
            candidates.extend(other_usernames.get(index).map(|username| (hash, username.as_str())));
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    let is_added = |username: &str| {
        let index = snapshot.find(username, 0).and_then(|index| u32::try_from(index).ok());
        index.is_some_and(|index| added.binary_search(&index).is_ok())
    };
    let pairs = candidates.windows(2).filter_map(|pair| match pair {
        [(a_hash, a), (b_hash, b)] if a_hash == b_hash && normalized(a) == normalized(b) => Some([*a, *b]),
        _ => None,
    });
    pairs
        .filter(|pair| pair.iter().any(|username| is_added(username)))
        .take(MAX_PAIRS)
        .map(|pair| pair.map(str::to_owned))
        .collect()
}

/// Whether a username may differ from its normalized form.
fn may_differ_from_normalized(username: &str) -> bool {
    username.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_whitespace() || !byte.is_ascii())
}
