//! The plan of a sync: a pure value, computed from the LDAP snapshot and the user table.
//!
//! Usernames are compared as the server compares them: byte by byte, case and blanks included.
//! Usernames that differ only in these are different users for the server, with a warning
//! ([`Plan::similar_usernames`]).

use crate::ldap::LdapSnapshot;
use crate::ldap::snapshot::SkippedEntry;
use crate::user::AuthSource;

use super::error::PlanRejection;
use super::ldap_rights::GroupSummary;
use super::missing::UserInGrace;
use super::rights::{ChangedUser, PlannedRights, RightsCounts};
use super::rules::{MissingUsers, SyncRules};
use crate::policy::role_map::{Reason, RightsChange};
use crate::user::GivenRights;
use crate::util::time::Timestamp;

/// A full name that differs from that in the LDAP directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rename {
    /// The index in the snapshot.
    pub index: u32,
    /// The full name in the table.
    pub before: Option<String>,
}

/// A missing user who is disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisabledUser {
    /// The username.
    pub username: String,
    /// The roles, which the entry of the user stores.
    pub roles: Vec<String>,
}

/// A user that a sync disabled, and who is in the LDAP directory again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnedUser {
    /// The index in the snapshot.
    pub index: u32,
    /// The roles before the user was disabled.
    pub roles: Vec<String>,
}

/// A user of another auth source with the username of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The username.
    pub username: String,
    /// The auth source in the user table.
    pub source: AuthSource,
}

/// The changes of a sync, and the users and entries that it does not change. All lists are in the
/// order of the usernames' bytes.
#[derive(Debug)]
pub struct Plan<'snapshot> {
    pub(super) snapshot: &'snapshot LdapSnapshot,
    pub(super) rules: SyncRules,
    /// Indices in the snapshot.
    pub(super) add: Vec<u32>,
    pub(super) rename: Vec<Rename>,
    pub(super) disable: Vec<DisabledUser>,
    pub(super) in_grace: Vec<UserInGrace>,
    pub(super) returned: Vec<ReturnedUser>,
    pub(super) delete: Vec<String>,
    pub(super) protected_admins: Vec<String>,
    pub(super) protected_disabled: Vec<String>,
    pub(super) missing: u64,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) similar_usernames: Vec<[String; 2]>,
    pub(super) known: u64,
    pub(super) unchanged: u64,
    /// Roles and projects; `None` without a map.
    pub(super) rights: Option<PlannedRights<'snapshot>>,
}

/// A user whose roles or projects change.
#[derive(Debug)]
pub struct ChangedRights<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The full name of a new user; `None` for a user of the table.
    pub new: Option<Option<&'plan str>>,
    /// The change.
    pub change: RightsChange,
}

impl<'snapshot> Plan<'snapshot> {
    /// The users to add: username and full name.
    pub fn additions(&self) -> impl ExactSizeIterator<Item = (&'snapshot str, Option<&'snapshot str>)> {
        self.add.iter().map(|index| self.user(*index))
    }

    /// The users whose full name changes: username, old name, new name.
    pub fn renames(
        &self,
    ) -> impl ExactSizeIterator<Item = (&'snapshot str, Option<&str>, Option<&'snapshot str>)> {
        self.rename.iter().map(|rename| {
            let (username, name) = self.user(rename.index);
            (username, rename.before.as_deref(), name)
        })
    }

    /// The missing users to disable: username and roles.
    pub fn disabled(&self) -> impl ExactSizeIterator<Item = (&str, &[String])> {
        self.disable.iter().map(|user| (user.username.as_str(), user.roles.as_slice()))
    }

    /// The users to disable as of the time of the sync.
    pub fn newly_in_grace(&self) -> impl Iterator<Item = UserInGrace> {
        let since = match self.rules.missing {
            MissingUsers::Disable { now, .. } => now,
            MissingUsers::Keep | MissingUsers::Delete => Timestamp(0),
        };
        self.disable.iter().map(move |user| UserInGrace {
            username: user.username.clone(),
            missing_since: since,
            delete_at: self.rules.delete_at(since),
        })
    }

    /// The missing users that an earlier sync disabled, and who are not deleted yet.
    #[must_use]
    pub fn in_grace(&self) -> &[UserInGrace] {
        &self.in_grace
    }

    /// The users that an earlier sync disabled, and who are in the LDAP directory again: username and the roles
    /// before.
    pub fn returned(&self) -> impl ExactSizeIterator<Item = (&'snapshot str, &[String])> {
        self.returned.iter().map(|user| (self.user(user.index).0, user.roles.as_slice()))
    }

    /// The usernames to delete.
    #[must_use]
    pub fn deletions(&self) -> &[String] {
        &self.delete
    }

    /// The usernames of administrators who would be deleted with [`SyncRules::delete_admins`], and with it
    /// those of the last administrators, so that a wrong search cannot lock all administrators out. The rule is that of this program; the server's own sync deletes administrators as well. A
    /// user whose roles cannot be read counts as an administrator.
    #[must_use]
    pub fn protected_admins(&self) -> &[String] {
        &self.protected_admins
    }

    /// The usernames of disabled users who are missing from the LDAP directory. A sync never deletes
    /// them: an entry that appears again would be added as a user who is not disabled.
    #[must_use]
    pub fn protected_disabled(&self) -> &[String] {
        &self.protected_disabled
    }

    /// The number of LDAP users who are missing from the LDAP directory, deleted or not.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// The users of other auth sources with the username of an entry. They are not changed: the server
    /// asks the LDAP server only about users with the auth source ldap.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Pairs of usernames that differ only in case or blanks, of which at least one is added; at most
    /// 100. An LDAP server treats them as one username, since the attribute `uid` is matched by
    /// caseIgnoreMatch (RFC 4519 2.39, RFC 4518 2.6.1). The server compares bytes: for it they are two
    /// users.
    #[must_use]
    pub fn similar_usernames(&self) -> &[[String; 2]] {
        &self.similar_usernames
    }

    /// The first 1000 skipped entries.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedEntry] {
        self.snapshot.skipped()
    }

    /// The number of skipped entries.
    #[must_use]
    pub const fn skipped_count(&self) -> u64 {
        self.snapshot.skipped_count()
    }

    /// The number of entries that the search returned, skipped ones included.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.snapshot.entries()
    }

    /// The number of LDAP users in the table.
    #[must_use]
    pub const fn known(&self) -> u64 {
        self.known
    }

    /// The number of LDAP users in the table that are not changed.
    #[must_use]
    pub const fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// Whether the plan changes nothing, not even a record of what a source gave.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty()
            && self.rename.is_empty()
            && self.delete.is_empty()
            && self.disable.is_empty()
            && self.returned.is_empty()
            && self.rights.as_ref().is_none_or(|rights| rights.changed.is_empty())
    }

    /// The users whose roles, projects or records change. Each change is computed when it is read.
    pub fn rights(&self) -> impl Iterator<Item = ChangedRights<'_>> {
        self.changed_rights(|_| true)
    }

    /// The users of the table among [`Plan::rights`].
    pub fn rights_of_known(&self) -> impl Iterator<Item = ChangedRights<'_>> {
        self.changed_rights(|user| !user.is_new())
    }

    /// The new users among [`Plan::rights`].
    pub fn rights_of_new(&self) -> impl Iterator<Item = ChangedRights<'_>> {
        self.changed_rights(ChangedUser::is_new)
    }

    fn changed_rights(
        &self,
        is_included: fn(&ChangedUser) -> bool,
    ) -> impl Iterator<Item = ChangedRights<'_>> {
        self.rights.iter().flat_map(move |rights| {
            rights.changed.iter().filter(move |user| is_included(user)).map(|user| {
                let (username, name) = self.user(user.index);
                let change = rights.change_of(user, username);
                ChangedRights { username, new: user.is_new().then_some(name), change }
            })
        })
    }

    /// Why a role or a project of a user is given.
    #[must_use]
    pub fn reasons(&self, username: &str, name: &str, is_role: bool) -> Vec<Reason> {
        self.rights.as_ref().map(|rights| rights.reasons(username, name, is_role)).unwrap_or_default()
    }

    /// What the search for groups found; `None` without a map.
    #[must_use]
    pub fn groups(&self) -> Option<&GroupSummary> {
        self.rights.as_ref().map(PlannedRights::summary)
    }

    /// The managers who keep the role for projects set by hand.
    #[must_use]
    pub fn managers_not_removed(&self) -> &[String] {
        self.rights.as_ref().map(|rights| rights.managers_not_removed.as_slice()).unwrap_or_default()
    }

    /// The last administrators, who keep the role.
    #[must_use]
    pub fn admins_not_removed(&self) -> &[String] {
        self.rights.as_ref().map(|rights| rights.admins_not_removed.as_slice()).unwrap_or_default()
    }

    /// The number of users who get a project by the map, but are not managers.
    #[must_use]
    pub fn without_manager(&self) -> u64 {
        self.rights.as_ref().map_or(0, |rights| rights.without_manager)
    }

    /// The roles and projects set by hand that an authoritative map would remove.
    #[must_use]
    pub fn set_by_hand(&self) -> &[(String, GivenRights)] {
        self.rights.as_ref().map(|rights| rights.by_hand.as_slice()).unwrap_or_default()
    }

    /// The numbers of changed roles and projects.
    #[must_use]
    pub fn rights_counts(&self) -> RightsCounts {
        self.rights.as_ref().map(|rights| rights.counts).unwrap_or_default()
    }

    /// The safety limit that rejects the plan, if there is one: a search without a usable entry, groups
    /// without any member, or more deletions and removed roles and projects than
    /// [`SyncRules::max_delete`] allows.
    #[must_use]
    pub fn rejection(&self) -> Option<PlanRejection> {
        // A wrong filter must be found when it disables users, not when the grace period ends.
        let deletions = (self.delete.len() + self.disable.len()) as u64;
        // A search without a usable entry means a wrong setting or a missing right. It is rejected
        // whatever the limit is, and also if there is nothing to delete.
        if !self.snapshot.has_users() {
            return Some(match self.snapshot.entries() {
                0 => PlanRejection::Empty { deletions },
                entries => PlanRejection::NoUsername {
                    entries,
                    without: self.snapshot.without_name(),
                    attribute: self.snapshot.uid_attribute().to_owned(),
                },
            });
        }
        let allowed = self.rules.max_delete.allowed(self.known);
        let removals = self.rights_counts().removals();
        if removals > 0 && self.groups().is_some_and(|groups| groups.groups == 0 && groups.are_expected) {
            return Some(PlanRejection::NoGroups { removals });
        }
        let absent = self.rights.as_ref().and_then(|rights| rights.summary().absent_attribute.as_ref());
        if let Some(attribute) = absent.filter(|_| removals > 0) {
            return Some(PlanRejection::NoMembers { attribute: attribute.clone(), removals });
        }
        if removals > 0 && deletions + removals > allowed {
            let known = self.known;
            return Some(PlanRejection::TooManyRemovals { removals, deletions, allowed, known });
        }
        (deletions > allowed).then_some(PlanRejection::TooMany { deletions, allowed, known: self.known })
    }

    /// Checks the safety limits before the plan is executed.
    ///
    /// # Errors
    /// As [`Plan::rejection`].
    pub fn check(&self) -> Result<(), PlanRejection> {
        self.rejection().map_or(Ok(()), Err)
    }

    /// Attributes that the LDAP server returned under another spelling: as configured, as returned.
    #[must_use]
    pub fn attribute_spellings(&self) -> &[(String, String)] {
        self.snapshot.spellings()
    }

    /// The username and full name at an index of the snapshot.
    fn user(&self, index: u32) -> (&'snapshot str, Option<&'snapshot str>) {
        self.snapshot.get(index as usize).map_or(("", None), |user| (user.username, user.name))
    }
}
