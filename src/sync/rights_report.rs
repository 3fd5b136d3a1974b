//! Changed roles and projects in the report of a sync.

use serde::ser::{Serialize, Serializer};

use super::ldap_rights::GroupSummary;
use super::plan::{ChangedRights, Plan};
use super::rights::GivenBy;
use crate::policy::role_map::Reason;
use crate::util::count::{counted, one_or};
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};

/// The maximum number of usernames that one note lists; the report has all of them.
pub(super) const LISTED_NAMES: usize = 10;

/// A user whose roles or projects changed.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangedUserReport<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The roles that were added, each with the chains of groups that give it.
    pub roles_added: Vec<GivenBy>,
    /// The roles that were removed.
    pub roles_removed: Vec<String>,
    /// The projects that were added, each with the chains of groups that give it.
    pub projects_added: Vec<GivenBy>,
    /// The projects that were removed.
    pub projects_removed: Vec<String>,
}

/// The roles and projects of a user that were set by hand.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RightsByHand<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The roles.
    pub roles: &'plan [String],
    /// The projects.
    pub projects: &'plan [String],
}

/// A plan with changed roles and projects.
pub(super) trait RightsPlan {
    /// The users whose roles, projects or records change.
    fn changed_users(&self) -> Box<dyn Iterator<Item = ChangedRights<'_>> + '_>;

    /// Why a role or a project of a user is given.
    fn reasons(&self, username: &str, name: &str, is_role: bool) -> Vec<Reason>;
}

impl RightsPlan for Plan<'_> {
    fn changed_users(&self) -> Box<dyn Iterator<Item = ChangedRights<'_>> + '_> {
        Box::new(self.rights())
    }

    fn reasons(&self, username: &str, name: &str, is_role: bool) -> Vec<Reason> {
        self.reasons(username, name, is_role)
    }
}

/// The users whose roles or projects changed. They are computed one after the other, since all of a first
/// run would need more memory than the response of the LDAP server.
#[derive(Clone, Copy)]
pub struct RightsList<'plan>(&'plan dyn RightsPlan);

impl std::fmt::Debug for RightsList<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RightsList").finish_non_exhaustive()
    }
}

impl<'plan> RightsList<'plan> {
    pub(super) const fn new(plan: &'plan dyn RightsPlan) -> Self {
        Self(plan)
    }

    /// The users, in the order of their usernames.
    pub fn iter(&self) -> impl Iterator<Item = ChangedUserReport<'plan>> {
        let plan = self.0;
        let changed = |user: &ChangedRights<'_>| user.change.changes_row();
        plan.changed_users().filter(changed).map(|ChangedRights { username, change, .. }| {
            let given_by = |names: Vec<String>, is_role| {
                let with_reasons =
                    |name: String| GivenBy { reasons: plan.reasons(username, &name, is_role), name };
                names.into_iter().map(with_reasons).collect()
            };
            ChangedUserReport {
                username,
                roles_added: given_by(change.added_roles, true),
                roles_removed: change.removed_roles,
                projects_added: given_by(change.added_projects, false),
                projects_removed: change.removed_projects,
            }
        })
    }
}

impl Serialize for RightsList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
impl schemars::JsonSchema for RightsList<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        <Vec<ChangedUserReport<'_>>>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<ChangedUserReport<'_>>>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

pub(super) fn by_hand<'plan>(plan: &'plan Plan<'plan>) -> Vec<RightsByHand<'plan>> {
    let report = |(username, rights): &'plan (String, crate::user::GivenRights)| RightsByHand {
        username,
        roles: &rights.roles,
        projects: &rights.projects,
    };
    plan.set_by_hand().iter().map(report).collect()
}

/// Notes and warnings about roles and projects that do not change.
pub(super) fn add_notes(
    source: &str,
    managers_not_removed: &[String],
    admins_not_removed: &[String],
    without_manager: u64,
    notes: &mut Notes,
) {
    if without_manager > 0 {
        notes.note(format!(
            "{} {} not get projects of {source} without the role manager",
            counted(without_manager, "user"),
            one_or(without_manager, "does", "do")
        ));
    }
    if !managers_not_removed.is_empty() {
        let names = managers_not_removed.iter().map(String::as_str);
        notes.warn(
            "manager-not-removed",
            format!(
                "the role manager is not removed from users with projects set by hand: {}",
                listed(names, managers_not_removed.len() as u64)
            ),
        );
    }
    if !admins_not_removed.is_empty() {
        let names = admins_not_removed.iter().map(String::as_str);
        notes.warn(
            "last-admin-not-removed",
            format!(
                "the role admin is not removed, because no other administrator would remain: {}",
                listed(names, admins_not_removed.len() as u64)
            ),
        );
    }
}

/// Warnings about what the search for groups found.
pub(super) fn add_group_notes(groups: &GroupSummary, notes: &mut Notes) {
    for rule in &groups.rules_without_groups {
        notes.warn("group-rule-empty", format!("no LDAP group matches {} of 'group-map'", escape(rule)));
    }
    if let Some(attribute) = &groups.absent_attribute {
        notes.warn("group-members-absent", format!("no LDAP entry has the attribute {}", quote(attribute)));
    }
    if !groups.invalid_projects.is_empty() {
        let names = groups.invalid_projects.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        notes.warn("project-name-invalid", format!("invalid names of projects, which no user gets: {names}"));
    }
    if groups.unknown_members > 0 {
        notes.note(format!(
            "{} {} neither a user nor a group that the searches found",
            counted(groups.unknown_members, "group member"),
            one_or(groups.unknown_members, "is", "are")
        ));
    }
}

/// The first of `count` names, quoted, and the number of further ones.
pub(super) fn listed<'name>(names: impl Iterator<Item = &'name str>, count: u64) -> String {
    let mut listed: Vec<String> = names.take(LISTED_NAMES).map(quote).collect();
    let more = count.saturating_sub(listed.len() as u64);
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed.join(", ")
}
