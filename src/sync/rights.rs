//! Roles and projects in a plan: the decision for each user, and the changes.

use std::rc::Rc;

use serde::Serialize;

use super::ldap_rights::GroupSummary;
use crate::history::GivenState;
use crate::policy::role_map::{
    Authority, CurrentRights, Grants, Reason, Right, RightsChange, RightsDecision, decide, decision,
};
use crate::user::{GivenRights, RightsSource, Role};
use crate::user_db::UserSummary;

/// What the sources of roles and projects answered in this run.
#[derive(Debug, Default)]
pub struct Rights {
    /// The answer of each source; a source that is missing changes nothing.
    pub grants: Vec<Grants>,
    /// Which roles and projects the map decides alone.
    pub authority: Authority,
    /// What the search for groups found.
    pub groups: GroupSummary,
}

/// A user whose roles, projects or records change. The change itself is computed when it is needed: all
/// changes of a first run would be larger than the answer of the LDAP server.
#[derive(Debug)]
pub(super) struct ChangedUser {
    /// The index in the snapshot.
    pub(super) index: u32,
    /// The roles in the table; `None` for a new user.
    current: Option<Box<(Vec<String>, Vec<String>)>>,
}

impl ChangedUser {
    /// Whether the user is not in the table yet.
    pub(super) const fn is_new(&self) -> bool {
        self.current.is_none()
    }
}

/// The numbers of the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RightsCounts {
    /// The users whose roles or projects change, new ones included.
    pub users: u64,
    /// The roles that are added.
    pub roles_added: u64,
    /// The roles that are removed.
    pub roles_removed: u64,
    /// The projects that are added.
    pub projects_added: u64,
    /// The projects that are removed.
    pub projects_removed: u64,
}

impl RightsCounts {
    /// The removed roles and projects, which the limit counts.
    #[must_use]
    pub const fn removals(&self) -> u64 {
        self.roles_removed + self.projects_removed
    }

    fn add(&mut self, decision: &RightsDecision<'_>) {
        let [roles_added, projects_added] = decision.added().map(|count| count as u64);
        let [roles_removed, projects_removed] = decision.removed().map(|count| count as u64);
        self.users += u64::from(decision.changes_row());
        self.roles_added += roles_added;
        self.roles_removed += roles_removed;
        self.projects_added += projects_added;
        self.projects_removed += projects_removed;
    }
}

/// The decisions about all users of a plan.
#[derive(Debug)]
pub(super) struct PlannedRights<'run> {
    rights: &'run Rights,
    given: Rc<GivenState>,
    pub(super) changed: Vec<ChangedUser>,
    pub(super) counts: RightsCounts,
    protects_admins: bool,
    /// The users with the role admin, and how many of them lose it.
    admins: u64,
    lost_admins: u64,
    gained_admins: u64,
    /// The usernames for warnings.
    pub(super) managers_not_removed: Vec<String>,
    pub(super) admins_not_removed: Vec<String>,
    pub(super) without_manager: u64,
    /// The roles and projects set by hand that an authoritative map would remove: users, and their number.
    pub(super) by_hand: Vec<(String, GivenRights)>,
}

impl<'run> PlannedRights<'run> {
    pub(super) fn new(rights: &'run Rights, given: impl Into<Rc<GivenState>>) -> Self {
        Self {
            rights,
            given: given.into(),
            changed: Vec::new(),
            counts: RightsCounts::default(),
            protects_admins: false,
            admins: 0,
            lost_admins: 0,
            gained_admins: 0,
            managers_not_removed: Vec::new(),
            admins_not_removed: Vec::new(),
            without_manager: 0,
            by_hand: Vec::new(),
        }
    }

    /// Counts an administrator of the table who is not deleted.
    pub(super) const fn count_admin(&mut self) {
        self.admins += 1;
    }

    /// Decides about a user of the table; returns whether anything changes. A user whose lists cannot be
    /// read is not changed.
    pub(super) fn add_known(&mut self, user: &UserSummary<'_>, index: u32) -> bool {
        user.roles.entries().is_some_and(|roles| self.add_with_roles(user, roles, index))
    }

    /// Decides about a user who is in the LDAP directory again, and has these roles again.
    pub(super) fn add_returned(&mut self, user: &UserSummary<'_>, roles: &[String], index: u32) -> bool {
        self.add_with_roles(user, roles.to_vec(), index)
    }

    fn add_with_roles(&mut self, user: &UserSummary<'_>, roles: Vec<String>, index: u32) -> bool {
        let Some(projects) = user.projects.entries() else { return false };
        let is_changed = self.count(user.username, &roles, &projects);
        if is_changed {
            self.changed.push(ChangedUser { index, current: Some(Box::new((roles, projects))) });
        }
        is_changed
    }

    /// Decides about a new user.
    pub(super) fn add_new(&mut self, username: &str, index: u32) {
        if self.count(username, &new_roles(), &[]) {
            self.changed.push(ChangedUser { index, current: None });
        }
    }

    /// Decides about a user and counts the change; returns whether there is one.
    fn count(&mut self, username: &str, roles: &[String], projects: &[String]) -> bool {
        let grants: Vec<&Grants> = self.rights.grants.iter().collect();
        let given = given_of(&self.given, username);
        let current = CurrentRights { roles, projects };
        let decision = decision(username, current, &grants, &self.rights.authority, &given);
        self.counts.add(&decision);
        self.lost_admins += u64::from(decision.removes(Role::Admin));
        self.gained_admins += u64::from(decision.adds(Role::Admin));
        self.without_manager += u64::from(decision.lacks_manager());
        if decision.keeps_manager_for_projects() {
            self.managers_not_removed.push(username.to_owned());
        }
        let by_hand = decision.set_by_hand();
        if !by_hand.is_empty() {
            self.by_hand.push((username.to_owned(), by_hand));
        }
        decision.is_change()
    }

    fn change(&self, username: &str, roles: &[String], projects: &[String]) -> RightsChange {
        let grants: Vec<&Grants> = self.rights.grants.iter().collect();
        let given = given_of(&self.given, username);
        let current = CurrentRights { roles, projects };
        if self.protects_admins {
            return decide(username, current, &grants, &self.rights.authority.protecting_admins(), &given);
        }
        decide(username, current, &grants, &self.rights.authority, &given)
    }

    /// Computes the change of a user again.
    pub(super) fn change_of(&self, user: &ChangedUser, username: &str) -> RightsChange {
        match &user.current {
            Some(current) => self.change(username, &current.0, &current.1),
            None => self.change(username, &new_roles(), &[]),
        }
    }

    /// Completes the decisions: if no administrator would remain, no user loses the role admin.
    /// `username` returns the username at an index of the snapshot.
    pub(super) fn finish<'name>(&mut self, username: impl Fn(u32) -> &'name str) {
        self.changed.sort_unstable_by_key(|user| user.index);
        let remaining = (self.admins + self.gained_admins).saturating_sub(self.lost_admins);
        if remaining == 0 && self.lost_admins > 0 {
            self.protects_admins = true;
            for user in std::mem::take(&mut self.changed) {
                let name = username(user.index);
                let change = self.change_of(&user, name);
                if change.keeps_admin {
                    self.admins_not_removed.push(name.to_owned());
                    self.counts.roles_removed = self.counts.roles_removed.saturating_sub(1);
                    self.counts.users = self.counts.users.saturating_sub(u64::from(!change.changes_row()));
                }
                if change.changes_row() || !change.given.is_empty() {
                    self.changed.push(user);
                }
            }
        }
        self.managers_not_removed.sort_unstable();
        self.by_hand.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    }

    pub(super) const fn summary(&self) -> &GroupSummary {
        &self.rights.groups
    }

    /// The reasons of a role or project.
    pub(super) fn reasons(&self, username: &str, name: &str, is_role: bool) -> Vec<Reason> {
        reasons(&self.rights.grants, username, name, is_role)
    }
}

/// Returns the roles of a new user.
fn new_roles() -> [String; 1] {
    [Role::User.name().to_owned()]
}

/// Returns what each source gave to a user.
pub(super) fn given_of(given: &GivenState, username: &str) -> Vec<(RightsSource, GivenRights)> {
    given.user(username).unwrap_or_default().into_iter().collect()
}

/// Returns why the sources give a role or a project to a user.
pub(super) fn reasons(grants: &[Grants], username: &str, name: &str, is_role: bool) -> Vec<Reason> {
    let is_it = |right: Right<'_>| match right {
        Right::Role(role) => is_role && role.name() == name,
        Right::Project(project) => !is_role && project == name,
    };
    let of_user = grants.iter().flat_map(|grants| grants.of(username));
    of_user.filter(|grant| is_it(grant.right)).map(|grant| grant.reason.clone()).collect()
}

/// A role or project with the chains of groups that give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GivenBy {
    /// The name.
    pub name: String,
    /// Why; empty for one that is removed.
    pub reasons: Vec<Reason>,
}
