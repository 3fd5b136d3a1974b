//! The change of one user: what the sources give, compared with the row and with earlier runs.

use super::grants::{Grants, Right};
use super::map::RoleMap;
use super::names::Names;
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

/// The decision about one user with borrowed names. A synchronization counts the changes of all users
/// before it makes one, so that the names of most decisions are not copied.
#[derive(Debug)]
pub struct RightsDecision<'a> {
    current: CurrentRights<'a>,
    added_roles: Names<'a>,
    removed_roles: Names<'a>,
    added_projects: Names<'a>,
    removed_projects: Names<'a>,
    projects_without_manager: Names<'a>,
    keeps_manager_for_projects: bool,
    keeps_admin: bool,
    roles_by_hand: Names<'a>,
    projects_by_hand: Names<'a>,
    /// The roles and projects of each source whose record changes.
    given: Vec<(RightsSource, Names<'a>, Names<'a>)>,
}

impl RightsDecision<'_> {
    /// Returns whether the row changes.
    #[must_use]
    pub const fn changes_row(&self) -> bool {
        !(self.added_roles.is_empty()
            && self.removed_roles.is_empty()
            && self.added_projects.is_empty()
            && self.removed_projects.is_empty())
    }

    /// Returns whether the row or the record of a source changes.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        self.changes_row() || !self.given.is_empty()
    }

    /// Returns the numbers of roles and of projects that are added.
    #[must_use]
    pub const fn added(&self) -> [usize; 2] {
        [self.added_roles.len(), self.added_projects.len()]
    }

    /// Returns the numbers of roles and of projects that are removed.
    #[must_use]
    pub const fn removed(&self) -> [usize; 2] {
        [self.removed_roles.len(), self.removed_projects.len()]
    }

    /// Returns whether a role is added.
    #[must_use]
    pub fn adds(&self, role: Role) -> bool {
        self.added_roles.contains(role.name())
    }

    /// Returns whether a role is removed.
    #[must_use]
    pub fn removes(&self, role: Role) -> bool {
        self.removed_roles.contains(role.name())
    }

    /// Returns whether a source gives a project that the user does not get without the role manager.
    #[must_use]
    pub const fn lacks_manager(&self) -> bool {
        !self.projects_without_manager.is_empty()
    }

    /// Returns whether the role manager remains for projects set by hand.
    #[must_use]
    pub const fn keeps_manager_for_projects(&self) -> bool {
        self.keeps_manager_for_projects
    }

    /// Returns the roles and projects set by hand that an authoritative map would remove.
    #[must_use]
    pub fn set_by_hand(&self) -> GivenRights {
        GivenRights {
            roles: in_order_of_power(&self.roles_by_hand),
            projects: self.projects_by_hand.to_texts(),
        }
    }

    /// Returns the change with names of its own.
    #[must_use]
    pub fn to_change(&self) -> RightsChange {
        let given = |(source, roles, projects): &(RightsSource, Names<'_>, Names<'_>)| {
            (*source, GivenRights { roles: roles.to_texts(), projects: projects.to_texts() })
        };
        RightsChange {
            roles: after(self.current.roles, &self.removed_roles, &self.added_roles),
            projects: after(self.current.projects, &self.removed_projects, &self.added_projects),
            added_roles: in_order_of_power(&self.added_roles),
            removed_roles: in_order_of_power(&self.removed_roles),
            added_projects: self.added_projects.to_texts(),
            removed_projects: self.removed_projects.to_texts(),
            projects_without_manager: self.projects_without_manager.to_texts(),
            keeps_manager_for_projects: self.keeps_manager_for_projects,
            keeps_admin: self.keeps_admin,
            set_by_hand: self.set_by_hand(),
            given: self.given.iter().map(given).collect(),
        }
    }
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

/// What one source gives, and gave before.
struct SourceState<'a> {
    source: RightsSource,
    /// `None` if this run did not ask the source: what it gave before remains.
    is_asked: bool,
    roles: Names<'a>,
    projects: Names<'a>,
    before: &'a GivenRights,
}

/// Decides about the roles and projects of one user as [`decision`], and returns the change.
#[must_use]
pub fn decide(
    username: &str,
    current: CurrentRights<'_>,
    grants: &[&Grants],
    authority: &Authority,
    given: &[(RightsSource, GivenRights)],
) -> RightsChange {
    decision(username, current, grants, authority, given).to_change()
}

/// A source that gave nothing before.
const NOTHING: &GivenRights = &GivenRights { roles: Vec::new(), projects: Vec::new() };

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
pub fn decision<'a>(
    username: &str,
    current: CurrentRights<'a>,
    grants: &[&'a Grants],
    authority: &Authority,
    given: &'a [(RightsSource, GivenRights)],
) -> RightsDecision<'a> {
    let states: Vec<SourceState<'a>> = RightsSource::ALL
        .into_iter()
        .map(|source| {
            let before = given.iter().find(|(known, _)| *known == source).map_or(NOTHING, |(_, given)| given);
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
    let mut added_projects = projects.added.clone();
    let mut projects_without_manager = Names::default();
    let mut keeps_manager_for_projects = false;

    let keeps_admin = authority.protects_admins && removed_roles.remove(Role::Admin.name());
    let has_manager = roles.has.contains(manager);
    let loses_manager = removed_roles.contains(manager);
    if loses_manager && !authority.is_active {
        // What no source gave was set by hand.
        if !projects.has.difference(&projects.ours).is_empty() {
            removed_roles.remove(manager);
            keeps_manager_for_projects = true;
            let given = projects.has.intersection(&projects.ours);
            removed_projects = removed_projects.union(&given);
            projects_without_manager =
                std::mem::take(&mut added_projects).union(&given.intersection(&projects.granted));
        }
    }
    let is_manager_after = roles.added.contains(manager) || (has_manager && !removed_roles.contains(manager));
    if !is_manager_after {
        projects_without_manager = std::mem::take(&mut added_projects);
        if has_manager {
            // The projects that a source still gives go with the role.
            projects_without_manager =
                projects_without_manager.union(&projects.has.intersection(&projects.granted));
            removed_projects = projects.has.clone();
        }
    }

    let our_roles = roles.ours_after(&removed_roles, &roles.added);
    let our_projects = projects.ours_after(&removed_projects, &added_projects);
    let kept: Vec<&str> = [(keeps_manager_for_projects, manager), (keeps_admin, Role::Admin.name())]
        .into_iter()
        .filter_map(|(is_kept, role)| is_kept.then_some(role))
        .collect();
    let given = states.iter().filter_map(|state| state.recorded(&our_roles, &our_projects, &kept)).collect();
    RightsDecision {
        current,
        added_roles: roles.added,
        removed_roles,
        added_projects,
        removed_projects,
        projects_without_manager,
        keeps_manager_for_projects,
        keeps_admin,
        roles_by_hand: roles.by_hand,
        projects_by_hand: projects.by_hand,
        given,
    }
}

/// The names of roles, most powerful first.
fn in_order_of_power(names: &Names<'_>) -> Vec<String> {
    let rank = |name: &str| Role::ALL.iter().position(|role| role.name() == name).unwrap_or(Role::ALL.len());
    let mut names = names.to_texts();
    names.sort_by_key(|name| rank(name));
    names
}

/// A list after a change: the old names in their order, then the new ones.
fn after(current: &[String], removed: &Names<'_>, added: &Names<'_>) -> Vec<String> {
    let mut after: Vec<String> =
        current.iter().filter(|name| !removed.contains(name.as_str())).cloned().collect();
    after.extend(added.iter().map(str::to_owned));
    after
}

impl<'a> SourceState<'a> {
    fn new(source: RightsSource, username: &str, grants: &[&'a Grants], before: &'a GivenRights) -> Self {
        match grants.iter().find(|grants| grants.source() == source) {
            Some(answer) => {
                let of_user = answer.of(username).map(|grant| grant.right);
                let role = |right| match right {
                    Right::Role(role) => Some(role.name()),
                    Right::Project(_) => None,
                };
                let project = |right| match right {
                    Right::Role(_) => None,
                    Right::Project(project) => Some(project),
                };
                let roles = of_user.clone().filter_map(role).collect();
                let projects = of_user.filter_map(project).collect();
                Self { source, is_asked: true, roles, projects, before }
            }
            None => {
                let (roles, projects) = (Names::of(&before.roles), Names::of(&before.projects));
                Self { source, is_asked: false, roles, projects, before }
            }
        }
    }

    /// Returns the new record of this source if it differs from the old one: what it gives and the user
    /// has, unless it was set by hand.
    fn recorded(
        &self,
        our_roles: &Names<'a>,
        our_projects: &Names<'a>,
        kept: &[&'a str],
    ) -> Option<(RightsSource, Names<'a>, Names<'a>)> {
        if !self.is_asked {
            return None;
        }
        let (roles_before, projects_before) =
            (Names::of(&self.before.roles), Names::of(&self.before.projects));
        // A role that was only protected goes as soon as that is possible.
        let kept: Names<'a> = kept.iter().copied().filter(|role| roles_before.contains(role)).collect();
        let roles = self.roles.intersection(our_roles).union(&kept);
        let projects = self.projects.intersection(our_projects);
        let is_changed = roles != roles_before || projects != projects_before;
        is_changed.then_some((self.source, roles, projects))
    }
}

/// The decision about roles alone, or about projects alone.
struct Side<'a> {
    /// What the user has.
    has: Names<'a>,
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
    fn decide<'state>(
        current: &'a [String],
        sources: impl Iterator<Item = (&'state Names<'a>, &'a [String])>,
        is_named: impl Fn(&str) -> bool,
    ) -> Self
    where
        'a: 'state,
    {
        let (mut granted, mut given) = (Names::default(), Names::default());
        for (now, before) in sources {
            granted = now.union(&granted);
            given = Names::of(before).union(&given);
        }
        let has = Names::of(current);
        let added = granted.difference(&has);
        let not_granted = has.difference(&granted);
        let withdrawn = not_granted.intersection(&given);
        let by_hand = not_granted.difference(&given).iter().filter(|name| is_named(name)).collect();
        let ours = added.union(&given);
        Self { has, granted, ours, added, withdrawn, by_hand }
    }

    /// What the user has after the change and a source gives or gave.
    fn ours_after(&self, removed: &Names<'a>, added: &Names<'a>) -> Names<'a> {
        self.has.difference(removed).union(added).intersection(&self.ours)
    }

    /// What is removed.
    fn removed(&self, is_authoritative: bool) -> Names<'a> {
        if is_authoritative { self.withdrawn.union(&self.by_hand) } else { self.withdrawn.clone() }
    }
}

#[cfg(test)]
mod tests;
