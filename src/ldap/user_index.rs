//! The users of a search, found by DN and username, with the attributes that memberships need.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::entry::Entry;
use super::error::LdapError;
use super::snapshot::utf8_text;
use crate::util::dn::DistinguishedName;
use crate::util::quote::quote;

/// The attribute with the number of a user's primary group in Active Directory.
pub(super) const PRIMARY_GROUP_ID: &str = "primaryGroupID";

/// Maximum number of memberships and attribute values of all users and groups.
pub(super) const MEMBERSHIP_LIMIT: usize = 8_000_000;

/// Which attributes of a user the index has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexedAttribute {
    /// The DNs of the user's groups.
    MemberOf(String),
    /// The number of the primary group.
    PrimaryGroup,
    /// Values for a rule.
    Values(String),
}

/// The users of a search in the order of the answer. A DN is stored as a keyed hash of its normal form.
#[derive(Debug, Default)]
pub struct UserIndex {
    indexed: Vec<IndexedAttribute>,
    is_needed: bool,
    usernames: Vec<Box<str>>,
    by_dn: HashMap<u64, u32>,
    by_name: HashMap<u64, u32>,
    member_of: Vec<(u32, u64)>,
    primary_groups: Vec<(u32, u32)>,
    values: Vec<(u32, u32, Box<str>)>,
    hasher: RandomState,
}

impl UserIndex {
    /// An empty index. Without attributes it remains empty.
    #[must_use]
    pub fn new(indexed: &[IndexedAttribute]) -> Self {
        Self { indexed: indexed.to_vec(), ..Self::default() }
    }

    /// Adds users to the index, even without attributes.
    #[must_use]
    pub fn with_users(self) -> Self {
        Self { is_needed: true, ..self }
    }

    pub(super) const fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// The attributes to request. Each is named, since a server returns operational attributes such as
    /// `memberOf` of slapd only then.
    pub(super) fn attributes(&self) -> Vec<String> {
        let name = |attribute: &IndexedAttribute| match attribute {
            IndexedAttribute::MemberOf(name) | IndexedAttribute::Values(name) => name.clone(),
            IndexedAttribute::PrimaryGroup => PRIMARY_GROUP_ID.to_owned(),
        };
        self.indexed.iter().map(name).collect()
    }

    /// Returns the number of users.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.usernames.len()
    }

    /// Returns whether there are no users.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.usernames.is_empty()
    }

    /// Returns the username of a user.
    #[must_use]
    pub fn username(&self, user: u32) -> &str {
        self.usernames.get(user as usize).map_or("", AsRef::as_ref)
    }

    /// Returns the values of an attribute that the index has: user and value.
    pub fn values(&self, attribute: &str) -> impl Iterator<Item = (u32, &str)> {
        let is_it = |indexed: &IndexedAttribute| *indexed == IndexedAttribute::Values(attribute.to_owned());
        let position = self.indexed.iter().position(is_it).and_then(|at| u32::try_from(at).ok());
        let values = self.values.iter().filter(move |(_, index, _)| Some(*index) == position);
        values.map(|(user, _, value)| (*user, value.as_ref()))
    }

    pub(super) fn hash(&self, dn: &DistinguishedName) -> u64 {
        self.hasher.hash_one(dn.as_str())
    }

    pub(super) fn by_dn(&self, hash: u64) -> Option<u32> {
        self.by_dn.get(&hash).copied()
    }

    /// Returns the user with exactly this name: `memberUid` is compared with case.
    pub(super) fn by_name(&self, name: &str) -> Option<u32> {
        let user = *self.by_name.get(&self.hasher.hash_one(name))?;
        (self.username(user) == name).then_some(user)
    }

    pub(super) fn member_of(&self) -> &[(u32, u64)] {
        &self.member_of
    }

    pub(super) fn primary_groups(&self) -> &[(u32, u32)] {
        &self.primary_groups
    }

    /// Adds an entry; one without a username is not a user.
    pub(super) fn add(&mut self, entry: &Entry<'_>, uid_attribute: &str) -> Result<(), LdapError> {
        let Some(username) = entry.text(uid_attribute) else { return Ok(()) };
        let user = u32::try_from(self.usernames.len()).map_err(|_| LdapError::TooLarge("too many users"))?;
        self.usernames.push(username.into());
        self.by_name.insert(self.hasher.hash_one(username), user);
        match DistinguishedName::parse(&entry.dn) {
            Ok(dn) => {
                let hash = self.hash(&dn);
                self.by_dn.insert(hash, user);
            }
            Err(error) => log::info!("the DN {} of an entry is not usable: {error}", entry.dn),
        }
        for (index, attribute) in self.indexed.iter().enumerate() {
            match attribute {
                IndexedAttribute::MemberOf(name) => {
                    if entry.range(name).is_ok_and(|range| range.is_some_and(|range| range.last.is_some())) {
                        let why = format!("the response has only a part of {}", quote(name));
                        return Err(LdapError::GroupTruncated { group: entry.dn.clone().into_owned(), why });
                    }
                    for value in entry.values(name) {
                        let dn = utf8_text(value).and_then(|text| DistinguishedName::parse(text).ok());
                        self.member_of.extend(dn.map(|dn| (user, self.hasher.hash_one(dn.as_str()))));
                    }
                }
                IndexedAttribute::PrimaryGroup => {
                    let number = entry.text(PRIMARY_GROUP_ID).and_then(|text| text.parse().ok());
                    self.primary_groups.extend(number.map(|number| (user, number)));
                }
                IndexedAttribute::Values(name) => {
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    let texts = entry.values(name).filter_map(utf8_text);
                    self.values.extend(texts.map(|text| (user, index, text.into())));
                }
            }
        }
        if self.member_of.len() + self.values.len() > MEMBERSHIP_LIMIT {
            return Err(LdapError::TooLarge("more than 8,000,000 group memberships and attribute values"));
        }
        Ok(())
    }
}
