//! The plan of a synchronization with Slurm: a pure value, computed from the answer and the user table.

use std::collections::BTreeSet;

use super::super::error::{PlanRejection, SyncError};
use super::super::limit::DeletionLimit;
use super::super::plan::ChangedRights;
use super::super::rights::{PlannedRights, Rights, RightsCounts};
use super::super::rights_report::RightsPlan;
use crate::history::{DisabledUsers, GivenState};
use crate::policy::role_map::{Authority, Reason};
use crate::slurm::{Accounting, SlurmGrants, SlurmSource};
use crate::user::{AuthSource, RightsSource, Username};
use crate::user_db::UserSummary;

/// What the output of sacctmgr gives to the users of the table, and the users that are not in the table.
#[derive(Debug)]
pub struct SlurmAnswerForTable {
    rights: Rights,
    /// The usernames of the table and those that are added, sorted.
    usernames: Vec<String>,
    added: Vec<String>,
    absent: Vec<String>,
    invalid_usernames: Vec<String>,
    invalid_projects: Vec<String>,
    users: u64,
    /// The users of the table with an account.
    found: u64,
    /// Whether no account is a project by the settings, and not by a fault of the answer.
    excludes_all: bool,
}

impl SlurmAnswerForTable {
    /// Compares the answer with the usernames of the table. `adds_users`: the others are added.
    ///
    /// # Errors
    /// [`SyncError::Slurm`] if a cluster is not in the answer.
    pub fn new(
        source: &SlurmSource,
        accounting: &Accounting,
        table: Vec<String>,
        adds_users: bool,
    ) -> Result<Self, SyncError> {
        let users = source.rules().users(accounting)?.len();
        let absent = source.rules().absent_users(accounting, table.iter().map(String::as_str))?;
        let found = users.saturating_sub(absent.len());
        let (mut added, mut invalid_usernames) = (Vec::new(), Vec::new());
        if adds_users {
            for name in &absent {
                let is_valid = name.parse::<Username>().is_ok();
                if is_valid { &mut added } else { &mut invalid_usernames }.push((*name).to_owned());
            }
        }
        let absent = absent.into_iter().map(str::to_owned).collect();
        let mut usernames = table;
        usernames.extend(added.iter().cloned());
        usernames.sort_unstable();
        let SlurmGrants { grants, invalid_projects, unknown_users: _ } =
            source.grants(accounting, usernames.iter().map(String::as_str))?;
        // No map of Slurm removes what was set by hand.
        let rights = Rights { grants: vec![grants], authority: Authority::default(), ..Rights::default() };
        Ok(Self {
            rights,
            usernames,
            added,
            absent,
            invalid_usernames,
            invalid_projects,
            users: users as u64,
            found: found as u64,
            excludes_all: source.rules().excludes_all(accounting)?,
        })
    }

    fn index(&self, username: &str) -> Option<u32> {
        let found = self.usernames.binary_search_by(|name| name.as_str().cmp(username)).ok()?;
        u32::try_from(found).ok()
    }

    fn username(&self, index: u32) -> &str {
        self.usernames.get(index as usize).map_or("", String::as_str)
    }
}

/// Computes a plan. It receives each user of the table once, in any order.
#[derive(Debug)]
pub struct SlurmPlanner<'answer> {
    answer: &'answer SlurmAnswerForTable,
    disabled: DisabledUsers,
    limit: DeletionLimit,
    rights: PlannedRights<'answer>,
    given_before: BTreeSet<String>,
    unchanged: u64,
    skipped_disabled: Vec<String>,
}

impl<'answer> SlurmPlanner<'answer> {
    /// A planner without any user of the table yet.
    #[must_use]
    pub fn new(
        answer: &'answer SlurmAnswerForTable,
        limit: DeletionLimit,
        disabled: DisabledUsers,
        given: GivenState,
    ) -> Self {
        let has_record = |username: &&str| given.get(username, RightsSource::Slurm).is_some();
        let given_before = given.users().filter(has_record).map(str::to_owned).collect();
        Self {
            answer,
            disabled,
            limit,
            rights: PlannedRights::new(&answer.rights, given),
            given_before,
            unchanged: 0,
            skipped_disabled: Vec::new(),
        }
    }

    /// Adds a user of the table. A disabled user is not changed, nor is one with an auth source that the
    /// server does not know.
    pub fn add_user(&mut self, user: UserSummary<'_>) {
        if user.is_admin && user.roles.entries().is_some() {
            self.rights.count_admin();
        }
        let is_known = !matches!(user.source, AuthSource::Unknown(_));
        let is_disabled = user.is_without_roles && self.disabled.entry(user.username).is_some();
        let has_rights =
            self.answer.rights.grants.iter().any(|grants| grants.of(user.username).next().is_some());
        if is_disabled && has_rights {
            self.skipped_disabled.push(user.username.to_owned());
        }
        let index = self.answer.index(user.username).filter(|_| is_known && !is_disabled);
        if !index.is_some_and(|index| self.rights.add_known(&user, index)) {
            self.unchanged += 1;
        }
    }

    /// Returns the plan after the last user of the table.
    #[must_use]
    pub fn finish(self) -> SlurmPlan<'answer> {
        let Self { answer, disabled: _, limit, mut rights, given_before, unchanged, mut skipped_disabled } =
            self;
        for username in &answer.added {
            if let Some(index) = answer.index(username) {
                rights.add_new(username, index);
            }
        }
        rights.finish(|index| answer.username(index));
        skipped_disabled.sort_unstable();
        let known = given_before.len() as u64;
        SlurmPlan { answer, limit, rights, known, unchanged, skipped_disabled }
    }
}

/// The changes of a synchronization with Slurm. All lists are in the order of the usernames' bytes.
#[derive(Debug)]
pub struct SlurmPlan<'answer> {
    answer: &'answer SlurmAnswerForTable,
    limit: DeletionLimit,
    rights: PlannedRights<'answer>,
    /// The number of users with roles or projects from earlier runs.
    known: u64,
    unchanged: u64,
    skipped_disabled: Vec<String>,
}

impl SlurmPlan<'_> {
    /// The usernames to add.
    #[must_use]
    pub fn additions(&self) -> &[String] {
        &self.answer.added
    }

    /// The users of Slurm who are not in the table, added or not.
    #[must_use]
    pub fn absent_users(&self) -> &[String] {
        &self.answer.absent
    }

    /// The users of Slurm who cannot be added.
    #[must_use]
    pub fn invalid_usernames(&self) -> &[String] {
        &self.answer.invalid_usernames
    }

    /// The accounts whose names no project can have.
    #[must_use]
    pub fn invalid_projects(&self) -> &[String] {
        &self.answer.invalid_projects
    }

    /// The disabled users with roles or projects in the answer.
    #[must_use]
    pub fn disabled_users(&self) -> &[String] {
        &self.skipped_disabled
    }

    /// The number of users of Slurm with a project.
    #[must_use]
    pub const fn users(&self) -> u64 {
        self.answer.users
    }

    /// The number of users of the table that are not changed.
    #[must_use]
    pub const fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// The numbers of changed roles and projects.
    #[must_use]
    pub const fn rights_counts(&self) -> RightsCounts {
        self.rights.counts
    }

    /// The managers who keep the role for projects set by hand.
    #[must_use]
    pub fn managers_not_removed(&self) -> &[String] {
        &self.rights.managers_not_removed
    }

    /// The last administrators, who keep the role.
    #[must_use]
    pub fn admins_not_removed(&self) -> &[String] {
        &self.rights.admins_not_removed
    }

    /// The number of users who get a project by Slurm, but are not managers.
    #[must_use]
    pub const fn without_manager(&self) -> u64 {
        self.rights.without_manager
    }

    /// Whether the plan changes nothing, not even a record of what Slurm gave.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answer.added.is_empty() && self.rights.changed.is_empty()
    }

    /// The users whose roles, projects or records change. Each change is computed when it is read.
    pub fn rights(&self) -> impl Iterator<Item = ChangedRights<'_>> {
        self.rights.changed.iter().map(|user| {
            let username = self.answer.username(user.index);
            let change = self.rights.change_of(user, username);
            ChangedRights { username, new: user.is_new().then_some(None), change }
        })
    }

    /// The safety limit that rejects the plan, if there is one: an answer without any user of the table, unless the
    /// settings exclude all accounts, or more removed roles and projects than the limit allows.
    #[must_use]
    pub fn rejection(&self) -> Option<PlanRejection> {
        let removals = self.rights_counts().removals();
        if removals > 0 && self.answer.found == 0 && !self.answer.excludes_all {
            return Some(PlanRejection::NoSlurmUsers { users: self.answer.users, removals });
        }
        let allowed = self.limit.allowed(self.known);
        (removals > allowed).then_some(PlanRejection::TooManySlurmRemovals {
            removals,
            allowed,
            known: self.known,
        })
    }

    /// Checks the safety limits before the plan is executed.
    ///
    /// # Errors
    /// As [`SlurmPlan::rejection`].
    pub fn check(&self) -> Result<(), PlanRejection> {
        self.rejection().map_or(Ok(()), Err)
    }
}

impl RightsPlan for SlurmPlan<'_> {
    fn changed_users(&self) -> Box<dyn Iterator<Item = ChangedRights<'_>> + '_> {
        Box::new(self.rights())
    }

    fn reasons(&self, username: &str, name: &str, is_role: bool) -> Vec<Reason> {
        self.rights.reasons(username, name, is_role)
    }
}
