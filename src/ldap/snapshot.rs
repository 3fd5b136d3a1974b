//! A compact snapshot of all users of the LDAP directory: one buffer for all strings, and 16 bytes
//! per username.

use serde::Serialize;

use super::error::LdapError;
use crate::user::Username;

/// All users that a search returned, in byte order of the usernames.
///
/// A snapshot is always complete: [`SnapshotBuilder::finish`] is called only after the LDAP server
/// has reported the end of the search.
#[derive(Debug, Default)]
pub struct LdapSnapshot {
    text: String,
    rows: Vec<Row>,
    skipped: Vec<SkippedEntry>,
    skipped_count: u64,
    entries: u64,
    uid_attribute: String,
    without_name: u64,
    spellings: Vec<(String, String)>,
}

/// Maximum total size of all strings in bytes.
const TEXT_LIMIT: usize = 128 << 20;

/// Maximum number of entries, and of usernames. The largest LDAP directories have about 500,000
/// users.
const ENTRY_LIMIT: u64 = 2_000_000;
const NAME_LIMIT: usize = 4_000_000;

/// Maximum number of skipped entries in a report; all of them are counted.
const DESCRIBED: usize = 1000;

/// Maximum length of a full name in characters: the column is a `varchar(255)`.
const NAME_CHARS: usize = 255;

#[derive(Debug, Clone, Copy)]
struct Row {
    start: u32,
    uid_len: u32,
    name_len: u32,
    status: NameStatus,
    has_name: bool,
}

/// The status of a username in the LDAP directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameStatus {
    /// Exactly one entry has the username, and it is valid.
    Usable,
    /// A further username of an entry: the user exists, but is not added under this username.
    Additional,
    /// The username exists, but is invalid for a new user.
    Invalid,
    /// Several entries have the username.
    Duplicate,
}

/// A username of the LDAP directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotUser<'ldap_snapshot> {
    /// The username.
    pub username: &'ldap_snapshot str,
    /// The full name; `None` if the entry does not have the attribute.
    pub name: Option<&'ldap_snapshot str>,
    /// The status of the username.
    pub status: NameStatus,
}

/// An entry that was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedEntry {
    /// The username, or the distinguished name of an entry without one; at most 200 characters.
    pub entry: String,
    /// The reason, in a few words.
    pub reason: String,
}

impl LdapSnapshot {
    /// Returns the number of usernames.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether the snapshot does not have any usernames.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of entries in the answer, including skipped ones.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns whether at least one entry is usable as a user.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.rows.iter().any(|row| row.status == NameStatus::Usable)
    }

    /// Returns the attribute with the usernames.
    #[must_use]
    pub fn uid_attribute(&self) -> &str {
        &self.uid_attribute
    }

    /// Returns the number of entries without a username.
    #[must_use]
    pub const fn without_name(&self) -> u64 {
        self.without_name
    }

    /// Returns the attributes that the server returned in another spelling: the requested and the
    /// returned one.
    #[must_use]
    pub fn spellings(&self) -> &[(String, String)] {
        &self.spellings
    }

    /// Returns the skipped entries, at most 1000.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedEntry] {
        &self.skipped
    }

    /// Returns the number of skipped entries.
    #[must_use]
    pub const fn skipped_count(&self) -> u64 {
        self.skipped_count
    }

    /// Returns the user at this index, in byte order of the usernames.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<SnapshotUser<'_>> {
        self.rows.get(place).map(|row| self.user(row))
    }

    fn user(&self, row: &Row) -> SnapshotUser<'_> {
        let username = self.uid(row);
        let start = row.start as usize + username.len();
        let name = self.text.get(start..start + row.name_len as usize).unwrap_or_default();
        SnapshotUser { username, name: row.has_name.then_some(name), status: row.status }
    }

    fn uid(&self, row: &Row) -> &str {
        let start = row.start as usize;
        self.text.get(start..start + row.uid_len as usize).unwrap_or_default()
    }

    /// Returns the index of exactly this username. `near` is the index at which the search starts.
    #[must_use]
    pub fn find(&self, username: &str, near: usize) -> Option<usize> {
        if self.rows.get(near).is_some_and(|row| self.uid(row) == username) {
            return Some(near);
        }
        self.rows.binary_search_by(|row| self.uid(row).cmp(username)).ok()
    }

    /// Returns all users in byte order of the usernames.
    pub fn users(&self) -> impl Iterator<Item = SnapshotUser<'_>> {
        self.rows.iter().map(|row| self.user(row))
    }

    fn skip(&mut self, what: &str, why: impl Into<String>) {
        self.skipped_count += 1;
        if self.skipped.len() < DESCRIBED {
            let what = what.chars().take(200).collect();
            self.skipped.push(SkippedEntry { entry: what, reason: why.into() });
        }
    }
}

/// Returns a value as a string if it is valid UTF-8 and not empty.
pub(super) fn utf8_text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| !text.is_empty())
}

/// Builds a snapshot from the entries of a search.
#[derive(Debug, Default)]
pub struct SnapshotBuilder {
    snapshot: LdapSnapshot,
    /// Hashes of the distinguished names. A duplicate entry means that the stream was tampered with
    /// or is corrupt.
    entries_seen: Vec<u64>,
    /// The sorted hashes of the entries below earlier search bases, since search bases may overlap.
    earlier: Vec<u64>,
    hasher: std::hash::RandomState,
}

impl SnapshotBuilder {
    /// Creates an empty builder for usernames in this attribute.
    #[must_use]
    pub fn new(uid_attribute: &str) -> Self {
        let mut builder = Self::default();
        uid_attribute.clone_into(&mut builder.snapshot.uid_attribute);
        builder
    }

    /// Starts another search base. Entries that were already added from earlier bases are ignored.
    pub fn start_base(&mut self) {
        self.earlier.append(&mut self.entries_seen);
        self.earlier.sort_unstable();
    }

    /// Records that the server returned an attribute in another spelling.
    pub fn record_spelling(&mut self, asked: &str, returned: &str) {
        let spellings = &mut self.snapshot.spellings;
        if !spellings.iter().any(|(known, _)| known == asked) {
            spellings.push((asked.to_owned(), returned.to_owned()));
        }
    }

    /// Adds an entry with its distinguished name, its usernames and its full names, of which the
    /// first is used. Values that are not UTF-8 or are empty (RFC 4517 permits empty values) are
    /// ignored. Returns false if an earlier search base had the entry.
    ///
    /// # Errors
    /// [`LdapError::TooLarge`] if the snapshot exceeds a limit.
    pub fn add_entry<'value>(
        &mut self,
        dn: &str,
        uids: impl Iterator<Item = &'value [u8]>,
        mut names: impl Iterator<Item = &'value [u8]>,
    ) -> Result<bool, LdapError> {
        use std::hash::BuildHasher as _;
        let hash = self.hasher.hash_one(dn);
        if self.earlier.binary_search(&hash).is_ok() {
            return Ok(false);
        }
        if self.snapshot.entries >= ENTRY_LIMIT {
            return Err(LdapError::TooLarge("more than 2,000,000 entries"));
        }
        self.snapshot.entries += 1;
        self.entries_seen.push(hash);
        let name = names.find_map(utf8_text);
        let mut first = true;
        let mut unreadable = false;
        for bytes in uids {
            match utf8_text(bytes) {
                Some(uid) => {
                    // The server uses the first value as the username. The others are recorded, so
                    // that an existing user with one of them is not reported as missing.
                    let kind = if first { NameStatus::Usable } else { NameStatus::Additional };
                    self.add_name(uid, name.filter(|_| first), kind)?;
                    first = false;
                }
                None => unreadable |= !bytes.is_empty(),
            }
        }
        if first {
            self.snapshot.without_name += 1;
            self.snapshot
                .skip(dn, if unreadable { "its username is not UTF-8 text" } else { "it has no username" });
        }
        Ok(true)
    }

    fn add_name(&mut self, uid: &str, name: Option<&str>, mut kind: NameStatus) -> Result<(), LdapError> {
        let too_large = || LdapError::TooLarge("more than 128 MiB or 4,000,000 names");
        if kind == NameStatus::Usable
            && let Err(error) = uid.parse::<Username>()
        {
            self.snapshot.skip(uid, error.to_string());
            kind = NameStatus::Invalid;
        }
        let text = &mut self.snapshot.text;
        let shown =
            name.map(|name| name.char_indices().nth(NAME_CHARS).map_or(name, |(end, _)| &name[..end]));
        let length = |text: &str| u32::try_from(text.len()).map_err(|_| too_large());
        let row = Row {
            start: length(text)?,
            uid_len: length(uid)?,
            name_len: shown.map_or(Ok(0), length)?,
            status: kind,
            has_name: shown.is_some(),
        };
        let length = text.len() + uid.len() + row.name_len as usize;
        if length > TEXT_LIMIT || self.snapshot.rows.len() >= NAME_LIMIT {
            return Err(too_large());
        }
        text.push_str(uid);
        text.push_str(shown.unwrap_or_default());
        self.snapshot.rows.push(row);
        Ok(())
    }

    /// Returns the number of entries so far.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.snapshot.entries
    }

    /// Returns the snapshot of a complete response: sorted, with duplicate usernames marked.
    ///
    /// # Errors
    /// [`LdapError::Malformed`] if the server returned the same entry twice.
    pub fn finish(self) -> Result<LdapSnapshot, LdapError> {
        let Self { snapshot: mut ldap_snapshot, mut entries_seen, .. } = self;
        entries_seen.sort_unstable();
        if entries_seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(LdapError::Malformed("the server returned an entry twice"));
        }
        drop(entries_seen);
        let mut rows = std::mem::take(&mut ldap_snapshot.rows);
        // The first username of an entry sorts before an equal additional one.
        rows.sort_unstable_by(|a, b| {
            ldap_snapshot
                .uid(a)
                .cmp(ldap_snapshot.uid(b))
                .then(u8::from(a.status != NameStatus::Usable).cmp(&u8::from(b.status != NameStatus::Usable)))
        });
        rows.dedup_by(|next, kept| {
            let same = ldap_snapshot.uid(next) == ldap_snapshot.uid(kept);
            // A username that is only additional in two entries is not a duplicate.
            if same && kept.status == NameStatus::Usable {
                kept.status = NameStatus::Duplicate;
            }
            same
        });
        rows.shrink_to_fit();
        ldap_snapshot.rows = rows;
        let doubles: Vec<String> = ldap_snapshot
            .users()
            .filter(|member| member.status == NameStatus::Duplicate)
            .map(|member| member.username.to_owned())
            .collect();
        for username in doubles {
            ldap_snapshot.skip(&username, "several entries have this name");
        }
        Ok(ldap_snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ldap_snapshot(entries: &[(&str, &[&str], Option<&str>)]) -> Result<LdapSnapshot, LdapError> {
        let mut builder = SnapshotBuilder::default();
        for (dn, uids, name) in entries {
            builder.add_entry(
                dn,
                uids.iter().map(|uid| uid.as_bytes()),
                name.map(str::as_bytes).into_iter(),
            )?;
        }
        builder.finish()
    }

    #[test]
    fn names_come_sorted_with_what_they_are_good_for() {
        let ldap_snapshot = ldap_snapshot(&[
            ("uid=zoe", &["zoe"], Some("Zoe Z")),
            ("uid=ben", &["ben", "benjamin"], None),
            ("uid=twice", &["twice"], Some("One")),
            ("cn=x", &["twice"], Some("Two")),
            ("cn=none", &[], Some("None")),
            ("cn=long", &[&"x".repeat(101)], Some("Long")),
        ])
        .unwrap();
        let seen: Vec<_> =
            ldap_snapshot.users().map(|m| (m.username.len(), m.username, m.name, m.status)).collect();
        assert_eq!(seen[0], (3, "ben", None, NameStatus::Usable));
        assert_eq!(seen[1], (8, "benjamin", None, NameStatus::Additional));
        assert_eq!((seen[2].1, seen[2].3), ("twice", NameStatus::Duplicate));
        assert_eq!((seen[3].0, seen[3].3), (101, NameStatus::Invalid));
        assert_eq!(seen[4], (3, "zoe", Some("Zoe Z"), NameStatus::Usable));
        assert_eq!(ldap_snapshot.skipped_count(), 3);
        assert_eq!(ldap_snapshot.find("zoe", 0), Some(4));
        assert_eq!(ldap_snapshot.find("unknown", 4), None);
    }

    #[test]
    fn an_entry_that_comes_twice_means_a_broken_answer() {
        let twice = ldap_snapshot(&[("uid=a", &["a"], None), ("uid=a", &["a"], None)]);
        assert!(matches!(twice, Err(LdapError::Malformed(_))), "{twice:?}");
    }

    #[test]
    fn invalid_attributes_are_skipped_and_the_rest_is_read() {
        let mut builder = SnapshotBuilder::default();
        builder.add_entry("cn=a", [&b"\xff\xfe"[..]].into_iter(), [].into_iter()).unwrap();
        builder.add_entry("cn=b", [&b"b"[..]].into_iter(), [&b"\xff"[..]].into_iter()).unwrap();
        let ldap_snapshot = builder.finish().unwrap();
        assert_eq!(
            ldap_snapshot.get(0),
            Some(SnapshotUser { username: "b", name: None, status: NameStatus::Usable })
        );
        assert_eq!((ldap_snapshot.len(), ldap_snapshot.skipped_count(), ldap_snapshot.entries()), (1, 1, 2));
    }

    #[test]
    fn the_first_full_name_that_says_something_counts_as_at_login() {
        let mut builder = SnapshotBuilder::default();
        builder.add_entry("cn=a", [&b"a"[..]].into_iter(), [&b""[..]].into_iter()).unwrap();
        builder
            .add_entry("cn=b", [&b""[..], b"b"].into_iter(), [&b""[..], b"\xff", b"B", b"C"].into_iter())
            .unwrap();
        let ldap_snapshot = builder.finish().unwrap();
        assert_eq!(
            ldap_snapshot.get(0),
            Some(SnapshotUser { username: "a", name: None, status: NameStatus::Usable })
        );
        assert_eq!(
            ldap_snapshot.get(1),
            Some(SnapshotUser { username: "b", name: Some("B"), status: NameStatus::Usable })
        );
    }
}
