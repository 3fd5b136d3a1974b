//! The groups of the LDAP directory with their members.
//!
//! The groups that the rules name are looked up one by one or found by one search of all groups below the
//! search bases; the latter also follows groups that are members of groups. A member is stored as the
//! number of the user in the [`UserIndex`], so that a membership takes 4 bytes.

use std::collections::HashMap;

use ldap3::Scope;

use super::config::LdapConfig;
use super::connection::Connection;
use super::entry::Entry;
use super::error::LdapError;
use super::escape::filter_value;
use super::filter::Filter;
use super::group_search::{GroupMap, GroupSearch, Membership, Nesting};
use super::search::EntrySearch;
use super::snapshot::utf8_text;
use super::user_index::{MEMBERSHIP_LIMIT, UserIndex};
use crate::policy::role_map::{MapRule, Selector};
use crate::util::dn::DistinguishedName;

/// The number of a group in Active Directory. It is computed, so a server returns it only if it is named.
const PRIMARY_GROUP_TOKEN: &str = "primaryGroupToken";

/// The filter of an entry that is read by its DN.
const ANY: &str = "(objectClass=*)";

/// Maximum number of groups.
const GROUP_LIMIT: usize = 500_000;

/// Maximum number of searches for the ranges of one group: 75,000,000 members in ranges of 1,500.
const RANGE_LIMIT: u32 = 50_000;

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
    is_unreadable: bool,
    /// `primaryGroupToken`.
    token: Option<u32>,
}

/// The groups that the rules select, and the groups below them.
#[derive(Debug, Default)]
pub struct GroupDirectory {
    groups: Vec<LdapGroup>,
    by_dn: HashMap<u64, u32>,
    /// The groups of each rule, in the order of the rules.
    selected: Vec<Vec<u32>>,
    /// Members that are neither a user nor a group, until all groups are known.
    pending: Vec<(u32, u64)>,
    /// The groups of which the answer has only the first range of members: the position of the next.
    ranges: Vec<(u32, u32)>,
    memberships: usize,
    unknown_members: u64,
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
        let mut seen = std::collections::HashSet::from([group]);
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

    /// Returns an error if a group that counts must have a member and does not have one.
    fn check_readable(&self, search: &GroupSearch) -> Result<(), LdapError> {
        for group in self.selected.iter().flatten() {
            for (group, _) in self.below(*group, search.nesting) {
                let Some(group) = self.groups.get(group as usize).filter(|group| group.is_unreadable) else {
                    continue;
                };
                return Err(LdapError::GroupUnreadable {
                    group: group.dn.clone(),
                    attribute: search.membership.attribute().to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Reads the groups of a map with their members. With `only_present`, groups that do not exist are not
    /// an error.
    ///
    /// # Errors
    /// [`LdapError`], also for an incomplete answer and for a group that is missing, truncated or
    /// unreadable.
    pub fn read_groups(
        &mut self,
        ldap: &LdapConfig,
        map: &GroupMap,
        users: &UserIndex,
        progress: &mut dyn FnMut(u64),
    ) -> Result<GroupDirectory, LdapError> {
        let mut reader = GroupReader {
            connection: self,
            ldap,
            search: &map.search,
            users,
            directory: GroupDirectory::default(),
            requires_members: false,
        };
        reader.directory.selected = vec![Vec::new(); map.rules.rules.len()];
        if !map.rules.needs_groups() {
            return Ok(reader.directory);
        }
        reader.requires_members = reader.requires_members()?;
        reader.select(&map.rules.rules, progress)?;
        reader.read_ranges()?;
        reader.resolve()?;
        let directory = reader.directory;
        directory.check_readable(&map.search)?;
        log::info!(
            "the LDAP server returned {} groups with {} memberships",
            directory.groups.len(),
            directory.memberships
        );
        Ok(directory)
    }
}

/// The state of the search for groups.
struct GroupReader<'run> {
    connection: &'run mut Connection,
    ldap: &'run LdapConfig,
    search: &'run GroupSearch,
    users: &'run UserIndex,
    directory: GroupDirectory,
    /// Whether the LDAP server enforces that `groupOfNames` and `groupOfUniqueNames` have a member.
    requires_members: bool,
}

impl GroupReader<'_> {
    /// Whether the server requires a member of `groupOfNames` (RFC 4519 3.5). OpenLDAP does, so a group
    /// without one cannot be read. 389 Directory Server and others permit an empty group. A server whose
    /// root DSE cannot be read counts as one that requires it.
    fn requires_members(&mut self) -> Result<bool, LdapError> {
        let mut is_other = false;
        let request = EntrySearch {
            base: "",
            scope: Scope::Base,
            filter: ANY,
            attributes: &["objectClass", "structuralObjectClass"],
            page_size: 0,
            ignore_references: true,
        };
        let mut visit = |entry: Entry| {
            let is_openldap = ["objectClass", "structuralObjectClass"].iter().any(|attribute| {
                entry.values(attribute).any(|value| value.eq_ignore_ascii_case(b"OpenLDAProotDSE"))
            });
            is_other = !is_openldap;
            Ok(())
        };
        match self.connection.read_entries(&request, &mut visit, &mut |_| {}) {
            Ok(_) => Ok(!is_other),
            Err(LdapError::NotPermitted(_) | LdapError::SearchBase(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Finds the groups of each rule.
    fn select(&mut self, rules: &[MapRule], progress: &mut dyn FnMut(u64)) -> Result<(), LdapError> {
        let has_pattern = rules.iter().any(|rule| matches!(rule.selector, Selector::Pattern(_)));
        let needs_all = has_pattern || matches!(self.search.nesting, Nesting::Depth(1..));
        let filter = self.search.filter.as_str();
        if needs_all {
            self.read_below_bases(filter, None, progress)?;
        } else {
            let name = &self.search.name_attribute;
            let names: String = rules
                .iter()
                .filter_map(|rule| match &rule.selector {
                    Selector::Name(cn) => Some(format!("({name}={})", filter_value(cn))),
                    _ => None,
                })
                .collect();
            if !names.is_empty() {
                self.read_below_bases(&format!("(&{filter}(|{names}))"), None, progress)?;
            }
        }
        for (index, rule) in rules.iter().enumerate() {
            match &rule.selector {
                Selector::Dn { text, dn } => self.select_dn(index, rule, text, dn)?,
                Selector::Name(name) => self.select_name(index, rule, name)?,
                Selector::Filter(of_rule) => {
                    let of_rule = Filter::parse(of_rule)?;
                    let both = format!("(&{filter}{})", of_rule.as_str());
                    self.read_below_bases(&both, Some(index), progress)?;
                }
                Selector::Pattern(pattern) => {
                    let is_match =
                        |group: &LdapGroup| group.names.iter().any(|name| pattern.captured(name).is_some());
                    let groups = (0..).zip(&self.directory.groups);
                    let found =
                        groups.filter(|(_, group)| is_match(group)).map(|(number, _)| number).collect();
                    self.set_selected(index, found);
                }
                Selector::Attribute { .. } => {}
            }
        }
        Ok(())
    }

    fn set_selected(&mut self, rule: usize, found: Vec<u32>) {
        if let Some(selected) = self.directory.selected.get_mut(rule) {
            *selected = found;
        }
    }

    fn select_dn(
        &mut self,
        index: usize,
        rule: &MapRule,
        text: &str,
        dn: &DistinguishedName,
    ) -> Result<(), LdapError> {
        let hash = self.users.hash(dn);
        if !self.directory.by_dn.contains_key(&hash) {
            let missing = || LdapError::GroupMissing { group: text.to_owned(), rule: rule.key.clone() };
            match self.read(text, Scope::Base, ANY, None, &mut |_| {}) {
                Ok(0) | Err(LdapError::SearchBase(_)) => return Err(missing()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        match self.directory.by_dn.get(&hash) {
            Some(group) => {
                let group = *group;
                self.set_selected(index, vec![group]);
                Ok(())
            }
            None => Err(LdapError::GroupMissing { group: text.to_owned(), rule: rule.key.clone() }),
        }
    }

    fn select_name(&mut self, index: usize, rule: &MapRule, name: &str) -> Result<(), LdapError> {
        let folded = name.to_lowercase();
        let has_name = |group: &&LdapGroup| group.names.iter().any(|name| name.to_lowercase() == folded);
        let bases: Vec<DistinguishedName> =
            self.search.bases.iter().filter_map(|base| DistinguishedName::parse(base).ok()).collect();
        // A group that another rule names by its DN may be elsewhere.
        let is_below = |group: &&LdapGroup| {
            DistinguishedName::parse(&group.dn).is_ok_and(|dn| bases.iter().any(|base| dn.is_within(base)))
        };
        let found: Vec<(u32, &LdapGroup)> = (0..)
            .zip(&self.directory.groups)
            .filter(|(_, group)| has_name(group) && is_below(group))
            .collect();
        match found.as_slice() {
            [] => Err(LdapError::GroupMissing { group: name.to_owned(), rule: rule.key.clone() }),
            [(number, _)] => {
                let number = *number;
                self.set_selected(index, vec![number]);
                Ok(())
            }
            several => Err(LdapError::GroupAmbiguous {
                name: name.to_owned(),
                rule: rule.key.clone(),
                groups: several.iter().map(|(_, group)| group.dn.clone()).collect(),
            }),
        }
    }

    /// Reads the groups below all search bases; those that are found belong to the rule.
    fn read_below_bases(
        &mut self,
        filter: &str,
        rule: Option<usize>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), LdapError> {
        for base in &self.search.bases {
            let before = self.directory.groups.len() as u64;
            self.read(base, Scope::Subtree, filter, rule, &mut |entries| progress(before + entries))?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        rule: Option<usize>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, LdapError> {
        let attribute = self.search.membership.attribute();
        let mut attributes = vec![self.search.name_attribute.as_str(), "objectClass"];
        match (&self.search.membership, self.search.nesting) {
            // Active Directory returns the members of such a group in a search for users.
            (_, Nesting::InChain) | (Membership::MemberOf(_), Nesting::Depth(0)) => {}
            _ => attributes.push(attribute),
        }
        if self.search.primary_groups {
            attributes.push(PRIMARY_GROUP_TOKEN);
        }
        let request = EntrySearch {
            base,
            scope,
            filter,
            attributes: &attributes,
            page_size: if scope == Scope::Base { 0 } else { self.ldap.search.page_size },
            ignore_references: self.ldap.search.ignore_references,
        };
        let Self { connection, search, users, directory, requires_members, .. } = self;
        let mut visit = |entry: Entry| directory.add(&entry, search, users, *requires_members, rule);
        connection.read_entries(&request, &mut visit, progress)
    }

    /// Reads the other ranges of members that Active Directory splits (MS-ADTS 3.1.1.3.1.3.3).
    fn read_ranges(&mut self) -> Result<(), LdapError> {
        for (group, mut next) in std::mem::take(&mut self.directory.ranges) {
            let dn =
                self.directory.groups.get(group as usize).map(|group| group.dn.clone()).unwrap_or_default();
            let truncated = |why: String| LdapError::GroupTruncated { group: dn.clone(), why };
            let attribute = self.search.membership.attribute();
            for count in 0.. {
                if count == RANGE_LIMIT {
                    return Err(LdapError::TooLarge("a group has more than 50,000 ranges of members"));
                }
                let name = format!("{attribute};range={next}-*");
                let request = EntrySearch {
                    base: &dn,
                    scope: Scope::Base,
                    filter: ANY,
                    attributes: &[&name],
                    page_size: 0,
                    ignore_references: true,
                };
                let Self { connection, search, users, directory, .. } = self;
                let mut end = None;
                let mut visit = |entry: Entry| {
                    let range = entry
                        .range(attribute)
                        .map_err(|option| truncated(format!("the answer has {option}")))?;
                    let range = range.ok_or_else(|| truncated(format!("no answer for {name}")))?;
                    if range.first != next {
                        return Err(truncated(format!(
                            "expected the range from {next}, found {}",
                            range.first
                        )));
                    }
                    let length = range.values().len();
                    directory.add_members(group, range.values(), search, users)?;
                    end = Some(match range.last {
                        None => None,
                        Some(last) if last >= next && length as u64 == u64::from(last - next) + 1 => {
                            Some(last + 1)
                        }
                        Some(_) => {
                            return Err(truncated(format!("the range from {next} has {length} members")));
                        }
                    });
                    Ok(())
                };
                match connection.read_entries(&request, &mut visit, &mut |_| {}) {
                    Ok(_) => {}
                    Err(LdapError::SearchBase(_)) => return Err(truncated("the group is gone".to_owned())),
                    Err(error) => return Err(error),
                }
                match end {
                    None => return Err(truncated(format!("no answer for {name}"))),
                    Some(None) => break,
                    Some(Some(following)) => next = following,
                }
            }
        }
        Ok(())
    }

    /// Assigns memberships that need all groups.
    fn resolve(&mut self) -> Result<(), LdapError> {
        let directory = &mut self.directory;
        match (&self.search.membership, self.search.nesting) {
            (_, Nesting::InChain) => return self.read_members_in_chain(),
            (Membership::MemberOf(_), Nesting::Depth(_)) => {
                // A group's own memberOf has the groups above it.
                for (below, above) in std::mem::take(&mut directory.pending) {
                    if let Some(above) = directory.by_dn.get(&above)
                        && let Some(group) = directory.groups.get_mut(*above as usize)
                    {
                        group.subgroups.push(below);
                    }
                }
                for (user, group) in self.users.member_of() {
                    if let Some(number) = directory.by_dn.get(group)
                        && let Some(group) = directory.groups.get_mut(*number as usize)
                    {
                        group.members.push(*user);
                        group.values += 1;
                        directory.memberships += 1;
                    }
                }
            }
            (Membership::MemberDn(_) | Membership::MemberName(_), Nesting::Depth(_)) => {
                for (group, member) in std::mem::take(&mut directory.pending) {
                    match directory.by_dn.get(&member) {
                        Some(subgroup) => {
                            let subgroup = *subgroup;
                            if let Some(group) = directory.groups.get_mut(group as usize) {
                                group.subgroups.push(subgroup);
                            }
                        }
                        None => directory.unknown_members += 1,
                    }
                }
            }
        }
        self.add_primary_groups();
        Ok(())
    }

    /// The primary group of a user has the user neither in `member` nor in `memberOf`.
    fn add_primary_groups(&mut self) {
        if !self.search.primary_groups {
            return;
        }
        let by_token: HashMap<u32, usize> = self
            .directory
            .groups
            .iter()
            .enumerate()
            .filter_map(|(number, group)| Some((group.token?, number)))
            .collect();
        for (user, token) in self.users.primary_groups() {
            if let Some(group) = by_token.get(token).and_then(|number| self.directory.groups.get_mut(*number))
            {
                group.members.push(*user);
                group.values += 1;
                self.directory.memberships += 1;
            }
        }
    }

    /// Asks the LDAP server for the users below each selected group, through any number of groups. The rule
    /// answers success without entries for a group that does not exist; the group itself was found before.
    fn read_members_in_chain(&mut self) -> Result<(), LdapError> {
        let mut selected: Vec<u32> = self.directory.selected.iter().flatten().copied().collect();
        selected.sort_unstable();
        selected.dedup();
        let attribute = match &self.search.membership {
            Membership::MemberOf(attribute) => attribute.as_str(),
            Membership::MemberDn(_) | Membership::MemberName(_) => "memberOf",
        };
        let users_filter = Filter::parse(&self.ldap.search.filter)?;
        for number in selected {
            let dn =
                self.directory.groups.get(number as usize).map(|group| group.dn.clone()).unwrap_or_default();
            let filter = format!(
                "(&{}({attribute}:1.2.840.113556.1.4.1941:={}))",
                users_filter.as_str(),
                filter_value(&dn)
            );
            let Self { connection, ldap, users, directory, .. } = self;
            for base in &ldap.search.bases {
                let request = EntrySearch {
                    base,
                    scope: Scope::Subtree,
                    filter: &filter,
                    attributes: &[ldap.search.uid_attribute.as_str()],
                    page_size: ldap.search.page_size,
                    ignore_references: ldap.search.ignore_references,
                };
                let mut visit = |entry: Entry| {
                    let dn = DistinguishedName::parse(&entry.dn).ok();
                    let user = dn.and_then(|dn| users.by_dn(users.hash(&dn)));
                    directory.add_member(number, user)
                };
                connection.read_entries(&request, &mut visit, &mut |_| {})?;
            }
        }
        self.add_primary_groups();
        Ok(())
    }
}

impl GroupDirectory {
    /// Adds the entry of a group.
    fn add(
        &mut self,
        entry: &Entry,
        search: &GroupSearch,
        users: &UserIndex,
        requires_members: bool,
        rule: Option<usize>,
    ) -> Result<(), LdapError> {
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
                    dn: entry.dn.clone(),
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
        Ok(())
    }

    fn add_values(
        &mut self,
        number: u32,
        entry: &Entry,
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
        let truncated = |why: String| LdapError::GroupTruncated { group: entry.dn.clone(), why };
        let range = entry.range(attribute).map_err(|option| truncated(format!("the answer has {option}")))?;
        if let Some(range) = range {
            let length = range.values().len();
            self.add_members(number, range.values(), search, users)?;
            match range.last {
                None if range.first == 0 => {}
                Some(last) if range.first == 0 && length as u64 == u64::from(last) + 1 => {
                    self.ranges.push((number, last + 1));
                }
                _ => return Err(truncated(format!("the first range has {length} members"))),
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

    fn add_members<'value>(
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

    fn add_member(&mut self, group: u32, user: Option<u32>) -> Result<(), LdapError> {
        match (user, self.groups.get_mut(group as usize)) {
            (Some(user), Some(group)) => group.members.push(user),
            _ => self.unknown_members += 1,
        }
        self.count(group)
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
