//! The searches for the groups of a map.

use std::collections::HashSet;

use ldap3::Scope;

use super::config::LdapConfig;
use super::connection::Connection;
use super::entry::Entry;
use super::error::LdapError;
use super::escape::equality;
use super::filter::Filter;
use super::group_search::{GroupMap, GroupSearch, Membership, Nesting};
use super::groups::{GroupDirectory, GroupScope, LdapGroup, PRIMARY_GROUP_TOKEN};
use super::search::EntrySearch;
use super::user_index::UserIndex;
use crate::policy::role_map::{MapRule, Selector};
use crate::util::count::counted;
use crate::util::dn::DistinguishedName;

/// The filter of an entry that is read by its DN.
const ANY: &str = "(objectClass=*)";

/// Maximum number of searches for the ranges of one group: 75,000,000 members in ranges of 1,500.
const RANGE_LIMIT: u32 = 50_000;

impl Connection {
    /// Reads the groups of a map with their members.
    ///
    /// # Errors
    /// [`LdapError`], also for an incomplete response and for a group that is missing, truncated or
    /// unreadable.
    pub fn read_groups(
        &mut self,
        ldap: &LdapConfig,
        map: &GroupMap,
        users: &UserIndex,
        scope: GroupScope<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<GroupDirectory, LdapError> {
        let mut directory = self.find_groups(ldap, map, users, scope, progress)?;
        if directory.errors.is_empty() { Ok(directory) } else { Err(directory.errors.remove(0)) }
    }

    /// Reads the groups as [`Connection::read_groups`], but every group that is missing, ambiguous or
    /// unreadable is one of [`GroupDirectory::into_errors`].
    ///
    /// # Errors
    /// [`LdapError`] if the LDAP server fails or its answer is incomplete.
    pub fn find_groups(
        &mut self,
        ldap: &LdapConfig,
        map: &GroupMap,
        users: &UserIndex,
        scope: GroupScope<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<GroupDirectory, LdapError> {
        let mut reader = GroupReader {
            connection: self,
            ldap,
            search: &map.search,
            users,
            directory: GroupDirectory::default(),
            requires_members: false,
            scope,
        };
        reader.directory.selected = vec![Vec::new(); map.rules.rules.len()];
        if !map.rules.needs_groups() {
            return Ok(reader.directory);
        }
        reader.requires_members = reader.requires_members()?;
        reader.select(&map.rules.rules, progress)?;
        reader.read_ranges()?;
        reader.resolve()?;
        let mut directory = reader.directory;
        if directory.errors.is_empty() {
            directory.errors.extend(directory.unreadable(&map.search));
        }
        log::info!(
            "the LDAP server returned {} with {}",
            counted(directory.groups.len(), "group"),
            counted(directory.memberships, "membership")
        );
        Ok(directory)
    }
}

/// The state of the search for groups.
pub(super) struct GroupReader<'run> {
    pub(super) connection: &'run mut Connection,
    pub(super) ldap: &'run LdapConfig,
    pub(super) search: &'run GroupSearch,
    pub(super) users: &'run UserIndex,
    pub(super) directory: GroupDirectory,
    /// Whether the LDAP server enforces that `groupOfNames` and `groupOfUniqueNames` have a member.
    requires_members: bool,
    scope: GroupScope<'run>,
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
        let mut visit = |entry: Entry<'_>| {
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
        let has_nesting = matches!(self.search.nesting, Nesting::Depth(1..));
        // A primary group may be below a mapped group.
        let has_chains = self.search.nesting == Nesting::InChain && self.search.primary_groups;
        let filter = self.search.filter.as_str();
        let of_user = self.filter_of_user();
        if has_nesting || has_chains || (has_pattern && of_user.is_none()) {
            self.read_below_bases(filter, None, progress)?;
        } else {
            let name = &self.search.name_attribute;
            let names: String = rules
                .iter()
                .filter_map(|rule| match &rule.selector {
                    Selector::Name(cn) => Some(equality(name, cn)),
                    _ => None,
                })
                .collect();
            if !names.is_empty() {
                self.read_below_bases(&format!("(&{filter}(|{names}))"), None, progress)?;
            }
            if let Some(of_user) = of_user.filter(|_| has_pattern) {
                self.read_below_bases(&format!("(&{filter}{of_user})"), None, progress)?;
            }
        }
        for (index, rule) in rules.iter().enumerate() {
            match &rule.selector {
                Selector::Dn { text, dn } => {
                    let selected = self.select_dn(index, rule, text, dn);
                    self.collect(selected)?;
                }
                Selector::Name(name) => {
                    let selected = self.select_name(index, rule, name);
                    self.collect(selected)?;
                }
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

    /// The filter of the groups of one user, where the LDAP server can find them without nested groups.
    fn filter_of_user(&self) -> Option<String> {
        let GroupScope::User { dn, username } = self.scope else { return None };
        let attribute = self.search.membership.attribute();
        match (&self.search.membership, self.search.nesting, self.search.primary_groups) {
            (Membership::MemberDn(_), Nesting::Depth(0), false) => Some(equality(attribute, dn)),
            (Membership::MemberName(_), Nesting::Depth(0), false) => Some(equality(attribute, username)),
            _ => None,
        }
    }

    /// Adds the error of one rule to the errors.
    fn collect(&mut self, selected: Result<(), LdapError>) -> Result<(), LdapError> {
        match selected {
            Err(error @ (LdapError::GroupMissing { .. } | LdapError::GroupAmbiguous { .. })) => {
                self.directory.errors.push(error);
                Ok(())
            }
            other => other,
        }
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
            let read =
                self.read(base, Scope::Subtree, filter, rule, &mut |entries| progress(before + entries));
            read.map_err(|error| match error {
                LdapError::SearchBase(base) => LdapError::GroupBase(base),
                other => other,
            })?;
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
        let mut seen = HashSet::new();
        let mut visit = |entry: Entry<'_>| {
            let number = directory.add(&entry, search, users, *requires_members, rule)?;
            // A duplicate entry means that the answer was tampered with or is corrupt.
            if seen.insert(number) { Ok(()) } else { Err(LdapError::Malformed("duplicate entry")) }
        };
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
                let mut visit = |entry: Entry<'_>| {
                    let range = entry
                        .range(attribute)
                        .map_err(|option| truncated(format!("the response has {option}")))?;
                    let range = range.ok_or_else(|| truncated(format!("no response for {name}")))?;
                    if range.first != next {
                        return Err(truncated(format!(
                            "expected the range from {next}, found {}",
                            range.first
                        )));
                    }
                    let length = range.values.count();
                    directory.add_members(group, range.values, search, users)?;
                    end = Some(match range.last {
                        None => None,
                        Some(last) if last >= next && length as u64 == u64::from(last - next) + 1 => {
                            Some(last + 1)
                        }
                        Some(_) => {
                            return Err(truncated(format!(
                                "the range from {next} has {}",
                                counted(length, "member")
                            )));
                        }
                    });
                    Ok(())
                };
                match connection.read_entries(&request, &mut visit, &mut |_| {}) {
                    Ok(_) => {}
                    Err(LdapError::SearchBase(_)) => {
                        return Err(truncated("the group no longer exists".to_owned()));
                    }
                    Err(error) => return Err(error),
                }
                match end {
                    None => return Err(truncated(format!("no response for {name}"))),
                    Some(None) => break,
                    Some(Some(following)) => next = following,
                }
            }
        }
        Ok(())
    }
}
