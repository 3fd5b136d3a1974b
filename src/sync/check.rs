//! The check of the LDAP settings and of the sections `group-map` and `slurm` against the LDAP server and Slurm.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::error::{GroupMapErrors, SyncError};
use super::ldap_rights;
use super::request::{configured_grace, ldap_and_map};
use super::slurm::{self, SlurmCheckReport};
use crate::config::Settings;
use crate::ldap::{GroupMap, GroupScope, LdapConfig, LdapOptions};
use crate::policy::role_map::{Grants, MapRule, Selector};
use crate::slurm::SlurmOptions;
use crate::util::environment::Environment;
use crate::util::note::Notes;

/// What the LDAP settings find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// The entries of users that the search returns.
    pub users: u64,
    /// The groups that were read.
    pub groups: u64,
    /// The rules of the group-map, in their order.
    pub rules: Vec<RuleReport>,
    /// What the section `slurm` of `auth.ldap` finds; null without it.
    pub slurm: Option<SlurmCheckReport>,
}

/// What a rule selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleReport {
    /// The rule, such as `rules[0]`.
    pub rule: String,
    /// What it selects, as in the settings.
    pub selector: String,
    /// The groups that it selects; null for a rule with an attribute of the user.
    pub groups: Option<u64>,
    /// The users who get roles or projects by the rule.
    pub users: u64,
}

/// Checks the LDAP settings as [`check_ldap`] does, and the section `slurm` of `auth.ldap` as
/// [`slurm::check()`] does. Nothing is changed.
///
/// # Errors
/// Every error that was found.
pub fn check(
    settings: &Settings,
    options: &LdapOptions,
    environment: &Environment,
    notes: &mut Notes,
) -> Result<CheckReport, Vec<SyncError>> {
    let ldap = check_ldap(settings, options, notes);
    if settings.ldap.as_ref().is_none_or(|ldap| ldap.slurm.is_none()) {
        return ldap;
    }
    let slurm = slurm::check(settings, &SlurmOptions::default(), environment, notes);
    match (ldap, slurm) {
        (Ok(report), Ok(slurm)) => Ok(CheckReport { slurm: Some(slurm), ..report }),
        (ldap, slurm) => {
            let mut errors = ldap.err().unwrap_or_default();
            errors.extend(slurm.err().unwrap_or_default());
            Err(errors)
        }
    }
}

/// Checks the LDAP settings: every error of the section `group-map`, then the connection, the search for
/// users, and each group of the rules. Nothing is changed.
///
/// # Errors
/// Every error that was found.
pub fn check_ldap(
    settings: &Settings,
    options: &LdapOptions,
    notes: &mut Notes,
) -> Result<CheckReport, Vec<SyncError>> {
    let period = configured_grace(settings);
    let (ldap, map) = match ldap_and_map(settings, options, notes) {
        Ok(found) => period.map(|_| found).map_err(|error| vec![error])?,
        Err(SyncError::GroupMap(GroupMapErrors(errors))) => {
            let errors = errors.into_iter().map(|error| GroupMapErrors(vec![error]).into());
            return Err(period.err().into_iter().chain(errors).collect());
        }
        Err(error) => return Err(period.err().into_iter().chain([error]).collect()),
    };
    match &map {
        None => {
            if settings.ldap.as_ref().is_none_or(|ldap| ldap.slurm.is_none()) {
                notes.note("there is no section 'group-map': groups do not give roles and projects");
            }
            check_users(&ldap, notes).map_err(|error| vec![error])
        }
        Some(map) => check_groups(&ldap, map, notes),
    }
}

fn check_users(ldap: &LdapConfig, notes: &mut Notes) -> Result<CheckReport, SyncError> {
    let snapshot = ldap.server.connect(&ldap.credentials, notes)?.read_all(&ldap.search, &mut |_| {})?;
    Ok(CheckReport { users: snapshot.entries(), groups: 0, rules: Vec::new(), slurm: None })
}

fn check_groups(ldap: &LdapConfig, map: &GroupMap, notes: &mut Notes) -> Result<CheckReport, Vec<SyncError>> {
    let one = |error| vec![SyncError::Ldap(error)];
    let mut connection = ldap.server.connect(&ldap.credentials, notes).map_err(one)?;
    let mut users = map.user_index();
    let snapshot = connection.read_indexed(&ldap.search, &mut users, &mut |_| {}).map_err(one)?;
    let directory = connection.find_groups(ldap, map, &users, GroupScope::All, &mut |_| {}).map_err(one)?;
    let (grants, summary) = ldap_rights::grants(map, &users, &directory).map_err(one)?;
    let counts = users_by_rule(&grants);
    let rules = map.rules.rules.iter().enumerate().map(|(index, rule)| RuleReport {
        rule: rule.key.clone(),
        selector: selector(rule),
        groups: (!matches!(rule.selector, Selector::Attribute { .. }))
            .then(|| directory.selected(index).len() as u64),
        users: counts.get(rule.key.as_str()).copied().unwrap_or_default(),
    });
    let report = CheckReport {
        users: snapshot.entries(),
        groups: summary.groups,
        rules: rules.collect(),
        slurm: None,
    };
    let errors = directory.into_errors();
    if !errors.is_empty() {
        return Err(errors.into_iter().map(SyncError::Ldap).collect());
    }
    super::rights_report::add_group_notes(&summary, notes);
    Ok(report)
}

/// The number of users for each rule.
fn users_by_rule(grants: &Grants) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for username in grants.usernames() {
        let rules: HashSet<&str> = grants.of(username).map(|grant| grant.reason.rule.as_str()).collect();
        for rule in rules {
            *counts.entry(rule).or_default() += 1;
        }
    }
    counts
}

/// What a rule selects, as in the settings.
fn selector(rule: &MapRule) -> String {
    match &rule.selector {
        Selector::Dn { text, .. } => text.clone(),
        Selector::Name(name) => format!("cn {name}"),
        Selector::Filter(filter) => filter.clone(),
        Selector::Pattern(pattern) => format!("pattern {pattern}"),
        Selector::Attribute { attribute, pattern: None } => attribute.clone(),
        Selector::Attribute { attribute, pattern: Some(pattern) } => format!("{attribute} {pattern}"),
    }
}
