//! The groups of the LDAP directory with their members.
//!
//! The groups that the rules name are looked up one by one or found by one search of all groups below the
//! search bases; the latter also follows groups that are members of groups. A member is stored as the
//! number of the user in the [`UserIndex`], so that a membership takes 4 bytes.

use std::collections::{HashMap, HashSet};

use super::entry::Entry;
use super::error::LdapError;
use super::group_search::{GroupSearch, Membership, Nesting};
use super::snapshot::utf8_text;
use super::user_index::{MEMBERSHIP_LIMIT, UserIndex};
use crate::util::count::counted;
use crate::util::dn::DistinguishedName;

/// The number of a group in Active Directory. It is computed, so a server returns it only if it is named.
pub(super) const PRIMARY_GROUP_TOKEN: &str = "primaryGroupToken";

/// Maximum number of groups.
const GROUP_LIMIT: usize = 500_000;

/// A group.
#[derive(Debug, Default)]
pub struct LdapGroup {
    /// The DN in the spelling of the LDAP directory.
    pub dn: String,
    /// The names.
    pub names: Vec<String>,
    /// The direct members, as numbers of the user index.
    pub members: Vec<u32>,
    /// The groups that are direct members.
    pub subgroups: Vec<u32>,
    /// The number of values of the member attribute, those without a user included.
    pub values: u64,
    /// Whether the schema requires a member, but the answer does not have one.
    pub(super) is_unreadable: bool,
    /// `primaryGroupToken`.
    pub(super) token: Option<u32>,
}

/// The groups that the rules select, and the groups below them.
#[derive(Debug, Default)]
pub struct GroupDirectory {
    pub(super) groups: Vec<LdapGroup>,
    pub(super) by_dn: HashMap<u64, u32>,
    /// The groups of each rule, in the order of the rules.
    pub(super) selected: Vec<Vec<u32>>,
    /// Members that are neither a user nor a group, until all groups are known.
    pub(super) pending: Vec<(u32, u64)>,
    /// The groups of which the answer has only the first range of members: the position of the next.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) memberships: usize,
    pub(super) unknown_members: u64,
    /// The groups that are missing, ambiguous or unreadable.
    pub(super) errors: Vec<LdapError>,
}

/// Which memberships are needed.
#[derive(Debug, Clone, Copy)]
pub enum GroupScope<'scope> {
    /// Those of all users of the index.
    All,
    /// Those of one user.
    User {
        /// The DN of the entry.
        dn: &'scope str,
        /// The username.
        username: &'scope str,
    },
}

impl GroupDirectory {
    /// Returns all groups that were read.
    #[must_use]
    pub fn groups(&self) -> &[LdapGroup] {
        &self.groups
    }

    /// Returns the groups that a rule selects, by the position of the rule.
    #[must_use]
    pub fn selected(&self, rule: usize) -> &[u32] {
        self.selected.get(rule).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the number of members that are neither a user of the search nor a group that was read.
    #[must_use]
    pub const fn unknown_members(&self) -> u64 {
        self.unknown_members
    }

    /// Returns the groups below a group up to a depth, each with the group through which it is
    /// reached first; the group itself comes first. A loop ends at the first group that occurs again.
    #[must_use]
    pub fn below(&self, group: u32, nesting: Nesting) -> Vec<(u32, Option<usize>)> {
        let mut found = vec![(group, None)];
        let Nesting::Depth(depth) = nesting else { return found };
        let mut seen = HashSet::from([group]);
        let mut from = 0;
        for _ in 0..depth {
            let to = found.len();
            for index in from..to {
                let Some((parent, _)) = found.get(index).copied() else { continue };
                let subgroups = self.groups.get(parent as usize).map(|group| group.subgroups.as_slice());
                for subgroup in subgroups.unwrap_or_default() {
                    if seen.insert(*subgroup) {
                        found.push((*subgroup, Some(index)));
                    }
                }
            }
            from = to;
        }
        found
    }

    /// Returns the groups that are missing, ambiguous or unreadable.
    #[must_use]
    pub fn into_errors(self) -> Vec<LdapError> {
        self.errors
    }

    /// Returns an error for each group that counts, must have a member and does not have one.
    pub(super) fn unreadable(&self, search: &GroupSearch) -> Vec<LdapError> {
        let mut numbers: Vec<u32> = Vec::new();
        for group in self.selected.iter().flatten() {
            numbers.extend(self.below(*group, search.nesting).into_iter().map(|(number, _)| number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let groups = numbers.into_iter().filter_map(|number| self.groups.get(number as usize));
        let error = |group: &LdapGroup| LdapError::GroupUnreadable {
            group: group.dn.clone(),
            attribute: search.membership.attribute().to_owned(),
        };
        groups.filter(|group| group.is_unreadable).map(error).collect()
    }
}

impl GroupDirectory {
    /// Adds the entry of a group and returns its number.
    pub(super) fn add(
        &mut self,
        entry: &Entry<'_>,
        search: &GroupSearch,
        users: &UserIndex,
        requires_members: bool,
        rule: Option<usize>,
    ) -> Result<u32, LdapError> {
        let dn = DistinguishedName::parse(&entry.dn)
            .map_err(|_| LdapError::Malformed("the DN of a group does not conform to RFC 4514"))?;
        let hash = users.hash(&dn);
        let number = match self.by_dn.get(&hash) {
            // Another search has found the group.
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
                if self.groups.len() >= GROUP_LIMIT {
                    return Err(LdapError::TooLarge("more than 500,000 groups"));
                }
                self.by_dn.insert(hash, number);
                self.groups.push(LdapGroup {
                    dn: entry.dn.clone().into_owned(),
                    names: entry
                        .values(&search.name_attribute)
                        .filter_map(utf8_text)
                        .map(str::to_owned)
                        .collect(),
                    token: entry.text(PRIMARY_GROUP_TOKEN).and_then(|text| text.parse().ok()),
                    ..LdapGroup::default()
                });
                self.add_values(number, entry, search, users, requires_members)?;
                number
            }
        };
        if let Some(selected) = rule.and_then(|rule| self.selected.get_mut(rule))
            && !selected.contains(&number)
        {
            selected.push(number);
        }
        Ok(number)
    }

    fn add_values(
        &mut self,
        number: u32,
        entry: &Entry<'_>,
        search: &GroupSearch,
        users: &UserIndex,
        requires_members: bool,
    ) -> Result<(), LdapError> {
        let attribute = search.membership.attribute();
        if search.nesting == Nesting::InChain {
            return Ok(());
        }
        if let Membership::MemberOf(_) = search.membership {
            for value in entry.values(attribute) {
                let dn = utf8_text(value).and_then(|text| DistinguishedName::parse(text).ok());
                self.pending.extend(dn.map(|dn| (number, users.hash(&dn))));
            }
            return Ok(());
        }
        self.add_members(number, entry.values(attribute), search, users)?;
        let truncated = |why: String| LdapError::GroupTruncated { group: entry.dn.clone().into_owned(), why };
        let range =
            entry.range(attribute).map_err(|option| truncated(format!("the response has {option}")))?;
        if let Some(range) = range {
            let length = range.values.count();
            self.add_members(number, range.values, search, users)?;
            match range.last {
                None if range.first == 0 => {}
                Some(last) if range.first == 0 && length as u64 == u64::from(last) + 1 => {
                    self.ranges.push((number, last + 1));
                }
                _ => return Err(truncated(format!("the first range has {}", counted(length, "member")))),
            }
        }
        let is_class = |class: &str| {
            entry.values("objectClass").any(|value| value.eq_ignore_ascii_case(class.as_bytes()))
        };
        if let Some(group) = self.groups.get_mut(number as usize) {
            group.is_unreadable = requires_members
                && group.values == 0
                && (is_class("groupOfNames") || is_class("groupOfUniqueNames"));
        }
        Ok(())
    }

    pub(super) fn add_members<'value>(
        &mut self,
        group: u32,
        values: impl Iterator<Item = &'value [u8]>,
        search: &GroupSearch,
        users: &UserIndex,
    ) -> Result<(), LdapError> {
        for value in values {
            let text = utf8_text(value);
            if let Membership::MemberName(_) = search.membership {
                let user = text.and_then(|name| users.by_name(name));
                self.add_member(group, user)?;
                continue;
            }
            let dn = text.and_then(|text| DistinguishedName::parse_name_and_optional_uid(text).ok());
            match dn.map(|dn| users.hash(&dn)) {
                Some(hash) => match users.by_dn(hash) {
                    Some(user) => self.add_member(group, Some(user))?,
                    None => {
                        self.pending.push((group, hash));
                        self.count(group)?;
                    }
                },
                None => self.add_member(group, None)?,
            }
        }
        Ok(())
    }

    pub(super) fn add_member(&mut self, group: u32, user: Option<u32>) -> Result<(), LdapError> {
        match (user, self.groups.get_mut(group as usize)) {
            (Some(user), Some(group)) => group.members.push(user),
            _ => self.unknown_members += 1,
        }
        self.count(group)
    }

    /// Adds a member that another attribute than that of the group names.
    pub(super) fn push_member(&mut self, group: usize, user: u32) {
        if let Some(group) = self.groups.get_mut(group) {
            group.members.push(user);
            group.values += 1;
            self.memberships += 1;
        }
    }

    fn count(&mut self, group: u32) -> Result<(), LdapError> {
        if let Some(group) = self.groups.get_mut(group as usize) {
            group.values += 1;
        }
        self.memberships += 1;
        if self.memberships > MEMBERSHIP_LIMIT {
            return Err(LdapError::TooLarge("more than 8,000,000 group memberships and attribute values"));
        }
        Ok(())
    }
}
