//! The change of one user: what the sources give, compared with the row and with earlier runs.

use std::collections::BTreeSet;

use super::grants::{Grants, Right};
use super::map::RoleMap;
use super::project_template::ProjectTemplate;
use crate::user::{GivenRights, RightsSource, Role};

/// The roles and projects of a row.
#[derive(Debug, Clone, Copy)]
pub struct CurrentRights<'row> {
    /// The names of the roles.
    pub roles: &'row [String],
    /// The projects.
    pub projects: &'row [String],
}

/// Which roles and projects a map decides alone: it removes them also where they were set by hand.
#[derive(Debug, Clone, Default)]
pub struct Authority {
    roles: Vec<Role>,
    projects: Vec<ProjectTemplate>,
    is_active: bool,
    protects_admins: bool,
}

impl Authority {
    /// The roles and projects that a map names. They are removed only with `authoritative`; without it
    /// they are only counted.
    #[must_use]
    pub fn of(map: &RoleMap) -> Self {
        let rules = || map.rules.iter();
        Self {
            roles: rules().flat_map(|rule| rule.roles.iter().copied()).chain(map.default_role).collect(),
            projects: rules().flat_map(|rule| rule.projects.iter().cloned()).collect(),
            is_active: map.is_authoritative,
            protects_admins: false,
        }
    }

    /// The same authority, but no user loses the role admin.
    #[must_use]
    pub fn protecting_admins(&self) -> Self {
        Self { protects_admins: true, ..self.clone() }
    }

    fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name() == name)
    }

    fn has_project(&self, project: &str) -> bool {
        self.projects.iter().any(|template| template.may_give(project))
    }
}

/// The roles and projects of a user after the decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RightsChange {
    /// The roles after the change: the old ones in their order, then the new ones.
    pub roles: Vec<String>,
    /// The projects after the change.
    pub projects: Vec<String>,
    /// The new roles.
    pub added_roles: Vec<String>,
    /// The roles that are removed.
    pub removed_roles: Vec<String>,
    /// The new projects.
    pub added_projects: Vec<String>,
    /// The projects that are removed.
    pub removed_projects: Vec<String>,
    /// The projects that a source gives, but the user does not get without the role manager.
    pub projects_without_manager: Vec<String>,
    /// Whether the role manager, which no source gives now, remains for projects set by hand.
    pub keeps_manager_for_projects: bool,
    /// Whether the role admin, which no source gives now, remains because the user is a last administrator.
    pub keeps_admin: bool,
    /// The roles and projects set by hand that an authoritative map would remove.
    pub set_by_hand: GivenRights,
    /// What each source has given after the change, where it differs from before.
    pub given: Vec<(RightsSource, GivenRights)>,
}

impl RightsChange {
    /// Returns whether the row changes.
    #[must_use]
    pub fn changes_row(&self) -> bool {
        !(self.added_roles.is_empty()
            && self.removed_roles.is_empty()
            && self.added_projects.is_empty()
            && self.removed_projects.is_empty())
    }

    /// Returns the number of roles and projects that are removed.
    #[must_use]
    pub const fn removals(&self) -> usize {
        self.removed_roles.len() + self.removed_projects.len()
    }
}

/// A role or a project by its name.
type Names<'a> = BTreeSet<&'a str>;

/// What one source gives, and gave before.
struct SourceState<'a> {
    source: RightsSource,
    /// `None` if this run did not ask the source: what it gave before remains.
    is_asked: bool,
    roles: Names<'a>,
    projects: Names<'a>,
    before: &'a GivenRights,
}

/// Decides about the roles and projects of one user.
///
/// `given` returns what a source gave in earlier runs. The rules:
///
/// - A role or project that a source gives and the user does not have is added, and recorded as given.
/// - One that the user already has without a record was set by hand and stays so.
/// - One with a record that no source gives now is removed. A source without [`Grants`] was not
///   asked and still gives what it gave before.
/// - An authoritative map removes what it names and no source gives.
/// - Only a manager has projects. A manager who loses the role keeps it while projects set by hand
///   remain; an authoritative map removes both.
#[must_use]
pub fn decide(
    username: &str,
    current: CurrentRights<'_>,
    grants: &[&Grants],
    authority: &Authority,
    given: &[(RightsSource, GivenRights)],
) -> RightsChange {
    let nothing = GivenRights::default();
    let states: Vec<SourceState<'_>> = RightsSource::ALL
        .into_iter()
        .map(|source| {
            let before =
                given.iter().find(|(known, _)| *known == source).map_or(&nothing, |(_, given)| given);
            SourceState::new(source, username, grants, before)
        })
        .collect();
    let manager = Role::Manager.name();

    let roles = Side::decide(
        current.roles,
        states.iter().map(|state| (&state.roles, state.before.roles.as_slice())),
        |role| authority.has_role(role),
    );
    let projects = Side::decide(
        current.projects,
        states.iter().map(|state| (&state.projects, state.before.projects.as_slice())),
        |project| authority.has_project(project),
    );
    let mut removed_roles = roles.removed(authority.is_active);
    let mut removed_projects = projects.removed(authority.is_active);
    let mut added_projects = projects.added;
    let mut projects_without_manager = Names::new();
    let mut keeps_manager_for_projects = false;

    let keeps_admin = authority.protects_admins && removed_roles.remove(Role::Admin.name());
    let has_manager = current.roles.iter().any(|role| role == manager);
    let loses_manager = removed_roles.contains(manager);
    if loses_manager && !authority.is_active {
        // What no source gave was set by hand.
        if current.projects.iter().any(|project| !projects.ours.contains(project.as_str())) {
            removed_roles.remove(manager);
            keeps_manager_for_projects = true;
            projects_without_manager = std::mem::take(&mut added_projects);
            for project in current.projects.iter().map(String::as_str) {
                if projects.ours.contains(project) {
                    removed_projects.insert(project);
                    projects_without_manager.extend(projects.granted.get(project));
                }
            }
        }
    }
    let is_manager_after = roles.added.contains(manager) || (has_manager && !removed_roles.contains(manager));
    if !is_manager_after {
        projects_without_manager = std::mem::take(&mut added_projects);
        if has_manager {
            // The projects that a source still gives go with the role.
            projects_without_manager.extend(
                current
                    .projects
                    .iter()
                    .map(String::as_str)
                    .filter(|project| projects.granted.contains(project)),
            );
            removed_projects = current.projects.iter().map(String::as_str).collect();
        }
    }

    let texts = |names: &Names<'_>| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let after = |current: &[String], removed: &Names<'_>, added: &Names<'_>| -> Vec<String> {
        let mut after: Vec<String> =
            current.iter().filter(|name| !removed.contains(name.as_str())).cloned().collect();
        after.extend(added.iter().map(|name| (*name).to_owned()));
        after
    };
    let roles_after = after(current.roles, &removed_roles, &roles.added);
    let projects_after = after(current.projects, &removed_projects, &added_projects);
    let kept: Vec<&str> = [(keeps_manager_for_projects, manager), (keeps_admin, Role::Admin.name())]
        .into_iter()
        .filter_map(|(is_kept, role)| is_kept.then_some(role))
        .collect();
    let given = states
        .iter()
        .filter_map(|state| state.recorded(&roles.ours, &roles_after, &projects.ours, &projects_after, &kept))
        .collect();
    RightsChange {
        added_roles: in_order_of_power(&roles.added),
        removed_roles: in_order_of_power(&removed_roles),
        added_projects: texts(&added_projects),
        removed_projects: texts(&removed_projects),
        projects_without_manager: texts(&projects_without_manager),
        keeps_manager_for_projects,
        keeps_admin,
        set_by_hand: GivenRights {
            roles: in_order_of_power(&roles.by_hand),
            projects: texts(&projects.by_hand),
        },
        roles: roles_after,
        projects: projects_after,
        given,
    }
}

/// The names of roles, most powerful first.
fn in_order_of_power(names: &Names<'_>) -> Vec<String> {
    let rank = |name: &str| Role::ALL.iter().position(|role| role.name() == name).unwrap_or(Role::ALL.len());
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort_by_key(|name| rank(name));
    names
}

impl<'a> SourceState<'a> {
    fn new(source: RightsSource, username: &str, grants: &[&'a Grants], before: &'a GivenRights) -> Self {
        let answer = grants.iter().find(|grants| grants.source() == source);
        let mut state =
            Self { source, is_asked: answer.is_some(), roles: Names::new(), projects: Names::new(), before };
        match answer {
            Some(answer) => {
                for grant in answer.of(username) {
                    match grant.right {
                        Right::Role(role) => state.roles.insert(role.name()),
                        Right::Project(project) => state.projects.insert(project),
                    };
                }
            }
            None => {
                state.roles.extend(before.roles.iter().map(String::as_str));
                state.projects.extend(before.projects.iter().map(String::as_str));
            }
        }
        state
    }

    /// Returns the new record of this source if it differs from the old one: what it gives and the user
    /// has, unless it was set by hand.
    fn recorded(
        &self,
        our_roles: &Names<'_>,
        roles: &[String],
        our_projects: &Names<'_>,
        projects: &[String],
        kept: &[&str],
    ) -> Option<(RightsSource, GivenRights)> {
        if !self.is_asked {
            return None;
        }
        let recorded = |granted: &Names<'_>, ours: &Names<'_>, after: &[String]| -> Vec<String> {
            let is_there = |name: &&&str| ours.contains(**name) && after.iter().any(|there| there == **name);
            granted.iter().filter(is_there).map(|name| (*name).to_owned()).collect()
        };
        let mut now = GivenRights {
            roles: recorded(&self.roles, our_roles, roles),
            projects: recorded(&self.projects, our_projects, projects),
        };
        // A role that was only protected goes as soon as that is possible.
        let given_before = |role: &&&str| self.before.roles.iter().any(|before| before == **role);
        now.roles.extend(kept.iter().filter(given_before).map(|role| (*role).to_owned()));
        now.roles.sort_unstable();
        let mut before = self.before.clone();
        before.roles.sort_unstable();
        before.projects.sort_unstable();
        (now != before).then_some((self.source, now))
    }
}

/// The decision about roles alone, or about projects alone.
struct Side<'a> {
    /// What a source gives.
    granted: Names<'a>,
    /// What is given or was given by a source, and not set by hand.
    ours: Names<'a>,
    added: Names<'a>,
    /// Given earlier; no source gives it now.
    withdrawn: Names<'a>,
    /// Set by hand, named by the map, and no source gives it.
    by_hand: Names<'a>,
}

impl<'a> Side<'a> {
    fn decide(
        current: &'a [String],
        sources: impl Iterator<Item = (&'a Names<'a>, &'a [String])>,
        is_named: impl Fn(&str) -> bool,
    ) -> Self {
        let mut granted = Names::new();
        let mut given = Names::new();
        for (now, before) in sources {
            granted.extend(now.iter().copied());
            given.extend(before.iter().map(String::as_str));
        }
        let has: Names<'a> = current.iter().map(String::as_str).collect();
        let added: Names<'a> = granted.difference(&has).copied().collect();
        let (mut withdrawn, mut by_hand) = (Names::new(), Names::new());
        for name in has.difference(&granted).copied() {
            if given.contains(name) {
                withdrawn.insert(name);
            } else if is_named(name) {
                by_hand.insert(name);
            }
        }
        let ours = added.union(&given).copied().collect();
        Self { granted, ours, added, withdrawn, by_hand }
    }

    /// What is removed.
    fn removed(&self, is_authoritative: bool) -> Names<'a> {
        let mut removed = self.withdrawn.clone();
        if is_authoritative {
            removed.extend(&self.by_hand);
        }
        removed
    }
}

#[cfg(test)]
mod tests;
