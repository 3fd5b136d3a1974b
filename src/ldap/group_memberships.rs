//! The memberships of groups that the entry of a group does not have alone: those of groups in groups, of the attribute
//! `memberOf`, of Active Directory's rule for chains, and of its primary groups.

use std::collections::{BTreeMap, HashMap};

use ldap3::Scope;

use super::entry::Entry;
use super::error::LdapError;
use super::escape::in_chain;
use super::filter::Filter;
use super::group_reader::GroupReader;
use super::group_search::{Membership, Nesting};
use super::search::EntrySearch;
use crate::util::dn::DistinguishedName;

impl GroupReader<'_> {
    /// Assigns memberships that need all groups.
    pub(super) fn resolve(&mut self) -> Result<(), LdapError> {
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
                    if let Some(number) = directory.by_dn.get(group).copied() {
                        directory.push_member(number as usize, *user);
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
            if let Some(number) = by_token.get(token) {
                self.directory.push_member(*number, *user);
            }
        }
    }

    /// Adds the users of each primary group to the selected groups above it, which the rule of Active Directory does
    /// not do: it follows `member`, where a primary group does not have its users.
    fn add_primary_groups_in_chain(&mut self, selected: &[u32]) -> Result<(), LdapError> {
        let mut users_by_token: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (user, token) in self.users.primary_groups() {
            users_by_token.entry(*token).or_default().push(*user);
        }
        for below in 0..self.directory.groups.len() {
            let Some(group) = self.directory.groups.get(below) else { continue };
            let Some(users_of_group) = group.token.and_then(|token| users_by_token.get(&token)) else {
                continue;
            };
            let filter = format!("(&{}{})", self.search.filter.as_str(), in_chain("member", &group.dn));
            let mut above = vec![below];
            for (base, scope) in self.places_of_groups(selected) {
                self.read_numbers(&base, scope, &filter, &mut above)?;
            }
            above.retain(|number| u32::try_from(*number).is_ok_and(|number| selected.contains(&number)));
            above.sort_unstable();
            above.dedup();
            for (number, user) in
                above.iter().flat_map(|number| users_of_group.iter().map(move |user| (number, user)))
            {
                self.directory.push_member(*number, *user);
            }
        }
        Ok(())
    }

    /// The search bases, and the selected groups outside them.
    fn places_of_groups(&self, selected: &[u32]) -> Vec<(String, Scope)> {
        let parsed = |text: &str| DistinguishedName::parse(text).ok();
        let bases: Vec<DistinguishedName> =
            self.search.bases.iter().filter_map(|base| parsed(base)).collect();
        let is_outside =
            |dn: &&String| parsed(dn).is_some_and(|dn| !bases.iter().any(|base| dn.is_within(base)));
        let groups = selected.iter().filter_map(|number| self.directory.groups.get(*number as usize));
        let outside = groups.map(|group| &group.dn).filter(is_outside);
        let bases = self.search.bases.iter().map(|base| (base.clone(), Scope::Subtree));
        bases.chain(outside.map(|dn| (dn.clone(), Scope::Base))).collect()
    }

    /// Adds the groups that a search finds, of those that are known.
    fn read_numbers(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        found: &mut Vec<usize>,
    ) -> Result<(), LdapError> {
        let request = EntrySearch {
            base,
            scope,
            filter,
            attributes: &[self.search.name_attribute.as_str()],
            page_size: if scope == Scope::Base { 0 } else { self.ldap.search.page_size },
            ignore_references: self.ldap.search.ignore_references,
        };
        let Self { connection, users, directory, .. } = self;
        let mut visit = |entry: Entry<'_>| {
            let dn = DistinguishedName::parse(&entry.dn).ok();
            let number = dn.and_then(|dn| directory.by_dn.get(&users.hash(&dn)));
            found.extend(number.map(|number| *number as usize));
            Ok(())
        };
        connection.read_entries(&request, &mut visit, &mut |_| {}).map(|_| ())
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
        for number in selected.iter().copied() {
            let dn =
                self.directory.groups.get(number as usize).map(|group| group.dn.clone()).unwrap_or_default();
            let filter = format!("(&{}{})", users_filter.as_str(), in_chain(attribute, &dn));
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
                let mut visit = |entry: Entry<'_>| {
                    let dn = DistinguishedName::parse(&entry.dn).ok();
                    let user = dn.and_then(|dn| users.by_dn(users.hash(&dn)));
                    directory.add_member(number, user)
                };
                connection.read_entries(&request, &mut visit, &mut |_| {})?;
            }
        }
        self.add_primary_groups_in_chain(&selected)
    }
}
