//! The roles and projects that the LDAP directory gives: rules, groups and users become [`Grants`].

use std::collections::HashMap;

use crate::ldap::{GroupDirectory, GroupMap, LdapError, UserIndex};
use crate::policy::role_map::{Grants, GrantsBuilder, MapRule, ReasonId, Selector, UserId};
use crate::user::{ProjectName, RightsSource, Role};

/// The maximum number of names in one list of a warning.
const LISTED: usize = 10;

/// Maximum number of different chains of groups.
const REASON_LIMIT: usize = 500_000;

/// The rule of the default role.
const DEFAULT_RULE: &str = "default-role";

/// What the search for groups found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSummary {
    /// The number of groups that were read.
    pub groups: u64,
    /// Whether a rule selects groups.
    pub are_expected: bool,
    /// The number of groups that the rules select.
    pub selected: u64,
    /// The members that are neither a user nor a group.
    pub unknown_members: u64,
    /// The rules whose filter or pattern selects no group.
    pub rules_without_groups: Vec<String>,
    /// Names of projects that no project can have; at most 10.
    pub invalid_projects: Vec<String>,
    /// The attribute of the members if none of several selected groups has it, or an attribute of a rule
    /// that no user has: it may be hidden or misspelled.
    pub absent_attribute: Option<String>,
}

/// Returns what the rules give to the users.
///
/// # Errors
/// [`LdapError::TooLarge`].
pub(super) fn grants(
    map: &GroupMap,
    users: &UserIndex,
    directory: &GroupDirectory,
) -> Result<(Grants, GroupSummary), LdapError> {
    let mut granting = Granting {
        map,
        users,
        directory,
        builder: Grants::builder(RightsSource::Ldap),
        ids: vec![None; users.len()],
        reasons: 0,
        summary: GroupSummary {
            groups: directory.groups().len() as u64,
            are_expected: map.rules.needs_groups(),
            unknown_members: directory.unknown_members(),
            ..GroupSummary::default()
        },
    };
    for (index, rule) in map.rules.rules.iter().enumerate() {
        match &rule.selector {
            Selector::Attribute { attribute, .. } => granting.add_attribute(rule, attribute)?,
            _ => granting.add_groups(index, rule)?,
        }
    }
    granting.check_members();
    if let Some(role) = map.rules.default_role {
        granting.add_default(role);
    }
    Ok((granting.builder.finish(), granting.summary))
}

struct Granting<'run> {
    map: &'run GroupMap,
    users: &'run UserIndex,
    directory: &'run GroupDirectory,
    builder: GrantsBuilder,
    /// The users of the builder by their number in the index.
    ids: Vec<Option<UserId>>,
    reasons: usize,
    summary: GroupSummary,
}

impl Granting<'_> {
    fn user(&mut self, number: u32) -> Option<UserId> {
        let id = self.ids.get_mut(number as usize)?;
        if id.is_none() {
            *id = Some(self.builder.user(self.users.username(number)));
        }
        *id
    }

    fn reason(&mut self, rule: &str, chain: &[&str]) -> Result<ReasonId, LdapError> {
        self.reasons += 1;
        if self.reasons > REASON_LIMIT {
            return Err(LdapError::TooLarge("the rules give roles by more than 500,000 chains of groups"));
        }
        Ok(self.builder.reason(rule, chain))
    }

    fn give(&mut self, number: u32, roles: &[Role], projects: &[ProjectName], reason: ReasonId) {
        let Some(user) = self.user(number) else { return };
        for role in roles {
            self.builder.role(user, *role, reason);
        }
        for project in projects {
            self.builder.project(user, project.as_str(), reason);
        }
    }

    /// The projects of a rule for a captured text.
    fn projects(&mut self, rule: &MapRule, captured: &str) -> Vec<ProjectName> {
        let mut projects = Vec::new();
        for template in &rule.projects {
            match template.project(captured) {
                Some(project) => projects.push(project),
                None if self.summary.invalid_projects.len() < LISTED => {
                    self.summary.invalid_projects.push(captured.to_owned());
                }
                None => {}
            }
        }
        projects
    }

    fn add_groups(&mut self, index: usize, rule: &MapRule) -> Result<(), LdapError> {
        let directory = self.directory;
        let selected = directory.selected(index);
        self.summary.selected += selected.len() as u64;
        if selected.is_empty() {
            self.summary.rules_without_groups.push(rule.key.clone());
        }
        for number in selected {
            let Some(group) = directory.groups().get(*number as usize) else { continue };
            let captured = match rule.selector.pattern() {
                Some(pattern) => group.names.iter().find_map(|name| pattern.captured(name)),
                None => group.names.first().map(String::as_str),
            };
            let projects = self.projects(rule, captured.unwrap_or_default());
            let below = directory.below(*number, self.map.search.nesting);
            for (position, (number, _)) in below.iter().enumerate() {
                let Some(group) = directory.groups().get(*number as usize) else { continue };
                if group.members.is_empty() {
                    continue;
                }
                let mut chain = Vec::new();
                let mut at = Some(position);
                while let Some((number, parent)) = at.and_then(|at| below.get(at)) {
                    chain.extend(directory.groups().get(*number as usize).map(|group| group.dn.as_str()));
                    at = *parent;
                }
                let reason = self.reason(&rule.key, &chain)?;
                for member in &group.members {
                    self.give(*member, &rule.roles, &projects, reason);
                }
            }
        }
        Ok(())
    }

    fn add_attribute(&mut self, rule: &MapRule, attribute: &str) -> Result<(), LdapError> {
        let users = self.users;
        let mut reasons: HashMap<&str, (ReasonId, Vec<ProjectName>)> = HashMap::new();
        let mut is_present = false;
        for (user, value) in users.values(attribute) {
            is_present = true;
            let captured = match rule.selector.pattern() {
                Some(pattern) => pattern.captured(value),
                None => Some(value),
            };
            let Some(captured) = captured else { continue };
            if !reasons.contains_key(value) {
                let reason = self.reason(&rule.key, &[&format!("{attribute}={value}")])?;
                let projects = self.projects(rule, captured);
                reasons.insert(value, (reason, projects));
            }
            if let Some((reason, projects)) = reasons.get(value) {
                self.give(user, &rule.roles, projects, *reason);
            }
        }
        if !is_present && !users.is_empty() {
            self.summary.absent_attribute.get_or_insert_with(|| attribute.to_owned());
        }
        Ok(())
    }

    /// An empty group is a valid answer, but several selected groups without any member may mean that the
    /// attribute is hidden or misspelled.
    fn check_members(&mut self) {
        let selected = || (0..self.map.rules.rules.len()).flat_map(|rule| self.directory.selected(rule));
        let group = |number: &u32| self.directory.groups().get(*number as usize);
        let mut groups: Vec<u32> = selected().copied().collect();
        groups.sort_unstable();
        groups.dedup();
        let is_empty =
            groups.iter().filter_map(group).all(|group| group.values == 0 && group.subgroups.is_empty());
        if groups.len() > 1 && is_empty {
            let attribute = self.map.search.membership.attribute();
            self.summary.absent_attribute.get_or_insert_with(|| attribute.to_owned());
        }
    }

    fn add_default(&mut self, role: Role) {
        let reason = self.builder.reason(DEFAULT_RULE, &[]);
        for number in 0..u32::try_from(self.ids.len()).unwrap_or(u32::MAX) {
            let is_matched = self.ids.get(number as usize).is_some_and(Option::is_some);
            if !is_matched && let Some(user) = self.user(number) {
                self.builder.role(user, role, reason);
            }
        }
    }
}
