//! The report of a synchronization with Slurm.

use std::time::Duration;

use serde::Serialize;

use super::super::metrics::RunCounts;
use super::super::report::RejectionReport;
use super::super::rights_report::{RightsList, listed};
use super::plan::SlurmPlan;
use crate::user::AuthSource;
use crate::util::metrics::Metrics;
use crate::util::note::Notes;

/// The numbers of a synchronization with Slurm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlurmSyncCounts {
    /// The users of Slurm with a project, as members or coordinators.
    pub users: u64,
    /// The users added.
    pub added: u64,
    /// The users of the table that were not changed.
    pub unchanged: u64,
    /// The users of Slurm who are not in the table and were not added.
    pub unknown: u64,
    /// The users whose roles or projects changed, new users included.
    pub rights_changed: u64,
    /// The roles that Slurm gave.
    pub roles_added: u64,
    /// The roles that were removed.
    pub roles_removed: u64,
    /// The projects that Slurm gave.
    pub projects_added: u64,
    /// The projects that were removed.
    pub projects_removed: u64,
}

impl SlurmSyncCounts {
    /// The numbers of a plan.
    #[must_use]
    pub fn of(plan: &SlurmPlan<'_>) -> Self {
        let rights = plan.rights_counts();
        let added = plan.additions().len() as u64;
        Self {
            users: plan.users(),
            added,
            unchanged: plan.unchanged(),
            unknown: (plan.absent_users().len() as u64).saturating_sub(added),
            rights_changed: rights.users,
            roles_added: rights.roles_added,
            roles_removed: rights.roles_removed,
            projects_added: rights.projects_added,
            projects_removed: rights.projects_removed,
        }
    }
}

impl RunCounts for SlurmSyncCounts {
    const PREFIX: &'static str = "cc_user_sync_slurm_";

    fn add_samples(&self, metrics: &mut Metrics) {
        metrics.gauge("users", "Users by the result of the last successful synchronization.");
        for (what, count) in [
            ("slurm", self.users),
            ("added", self.added),
            ("unchanged", self.unchanged),
            ("unknown", self.unknown),
        ] {
            metrics.sample(&[("what", what)], count);
        }
        super::super::metrics::add_rights(
            metrics,
            [self.roles_added, self.roles_removed, self.projects_added, self.projects_removed],
        );
    }
}

/// The changes that a synchronization with Slurm made, or that it would make in a dry run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlurmSyncReport<'plan> {
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The numbers.
    pub counts: SlurmSyncCounts,
    /// The usernames that were added.
    pub added: &'plan [String],
    /// The users whose roles or projects changed, in the order of their usernames.
    pub rights: RightsList<'plan>,
    /// The usernames of managers who no longer get the role by a source; they keep it for projects set by
    /// hand.
    pub managers_not_removed: &'plan [String],
    /// The usernames of the last administrators, who no longer get the role by a source and keep it.
    pub admins_not_removed: &'plan [String],
    /// The users of Slurm who are not in the table and were not added.
    pub unknown_users: Vec<&'plan str>,
    /// The disabled users with roles or projects in Slurm; they were not changed.
    pub disabled_users: &'plan [String],
    /// The accounts whose names no project can have.
    pub invalid_projects: &'plan [String],
    /// In a dry run, the reason why a synchronization would change nothing; otherwise null.
    pub error: Option<RejectionReport>,
    /// The duration in seconds; null in a dry run.
    pub seconds: Option<f64>,
    #[serde(skip)]
    invalid_usernames: &'plan [String],
    #[serde(skip)]
    without_manager: u64,
    #[serde(skip)]
    adds_users: bool,
}

impl<'plan> SlurmSyncReport<'plan> {
    /// The report of a dry run.
    #[must_use]
    pub fn planned(plan: &'plan SlurmPlan<'plan>, add_users: Option<AuthSource>) -> Self {
        Self::new(plan, add_users, None)
    }

    /// The report of an executed plan.
    #[must_use]
    pub fn executed(
        plan: &'plan SlurmPlan<'plan>,
        add_users: Option<AuthSource>,
        duration: Duration,
    ) -> Self {
        Self::new(plan, add_users, Some(duration))
    }

    fn new(plan: &'plan SlurmPlan<'plan>, add_users: Option<AuthSource>, duration: Option<Duration>) -> Self {
        let unknown = if add_users.is_some() { plan.invalid_usernames() } else { plan.absent_users() };
        Self {
            dry_run: duration.is_none(),
            counts: SlurmSyncCounts::of(plan),
            added: plan.additions(),
            rights: RightsList::new(plan),
            managers_not_removed: plan.managers_not_removed(),
            admins_not_removed: plan.admins_not_removed(),
            unknown_users: unknown.iter().map(String::as_str).collect(),
            disabled_users: plan.disabled_users(),
            invalid_projects: plan.invalid_projects(),
            error: plan.rejection().map(RejectionReport::from),
            seconds: duration.map(|duration| duration.as_secs_f64()),
            invalid_usernames: plan.invalid_usernames(),
            without_manager: plan.without_manager(),
            adds_users: add_users.is_some(),
        }
    }

    /// Notes and warnings beside the report.
    #[must_use]
    pub fn notes(&self) -> Notes {
        let mut notes = Notes::new();
        super::super::rights_report::add_notes(
            "Slurm",
            self.managers_not_removed,
            self.admins_not_removed,
            self.without_manager,
            &mut notes,
        );
        super::rights::warn_of_projects(self.invalid_projects, &mut notes);
        let list = |names: &[String]| listed(names.iter().map(String::as_str), names.len() as u64);
        if !self.unknown_users.is_empty() && !self.adds_users {
            notes.note(format!(
                "users of Slurm who are not in the user table (--add-users adds them): {}",
                listed(self.unknown_users.iter().copied(), self.unknown_users.len() as u64)
            ));
        }
        if !self.invalid_usernames.is_empty() {
            notes.warn(
                "slurm-username",
                format!(
                    "users of Slurm with names that no user can have are not added: {}",
                    list(self.invalid_usernames)
                ),
            );
        }
        if !self.disabled_users.is_empty() {
            notes.note(format!("disabled users are not changed: {}", list(self.disabled_users)));
        }
        notes
    }
}
