//! The report of a sync.

use std::time::Duration;

use serde::Serialize;

use crate::ldap::snapshot::SkippedEntry;
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::quote::quote;

use super::error::PlanRejection;
use super::ldap_rights::GroupSummary;
use super::missing::UserInGrace;
use super::plan::Plan;
use super::rights_report::{self, LISTED_NAMES, RightsByHand, RightsList, listed};
use super::rules::{MissingUsers, SyncRules};

/// The numbers of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SyncCounts {
    /// The entries that the LDAP search returned, skipped ones included.
    pub entries: u64,
    /// The users added.
    pub added: u64,
    /// The users whose full name changed.
    pub renamed: u64,
    /// The users disabled, because they are missing from the LDAP directory.
    pub disabled: u64,
    /// The users enabled, because they are in the LDAP directory again.
    pub returned: u64,
    /// The users that an earlier synchronization disabled, and who are not deleted yet.
    pub in_grace: u64,
    /// The users deleted.
    pub deleted: u64,
    /// The LDAP users that were not changed.
    pub unchanged: u64,
    /// The LDAP users who are missing from the LDAP directory, deleted or not.
    pub missing: u64,
    /// The users of another auth source with the username of an entry.
    pub conflicts: u64,
    /// The entries that were skipped.
    pub skipped: u64,
    /// The LDAP groups that were read; 0 without a group-map.
    pub groups: u64,
    /// The users whose roles or projects changed, new users included.
    pub rights_changed: u64,
    /// The roles that groups and attributes gave.
    pub roles_added: u64,
    /// The roles that were removed.
    pub roles_removed: u64,
    /// The projects that groups and attributes gave.
    pub projects_added: u64,
    /// The projects that were removed.
    pub projects_removed: u64,
}

impl SyncCounts {
    /// The numbers of a plan.
    #[must_use]
    pub fn of(plan: &Plan<'_>) -> Self {
        let rights = plan.rights_counts();
        Self {
            groups: plan.groups().map_or(0, |groups| groups.groups),
            rights_changed: rights.users,
            roles_added: rights.roles_added,
            roles_removed: rights.roles_removed,
            projects_added: rights.projects_added,
            projects_removed: rights.projects_removed,
            entries: plan.entries(),
            added: plan.additions().len() as u64,
            renamed: plan.renames().len() as u64,
            disabled: plan.disabled().len() as u64,
            returned: plan.returned().len() as u64,
            in_grace: plan.in_grace().len() as u64,
            deleted: plan.deletions().len() as u64,
            unchanged: plan.unchanged(),
            missing: plan.missing(),
            conflicts: plan.conflicts().len() as u64,
            skipped: plan.skipped_count(),
        }
    }
}

/// The changes that a sync made, or that it would make in a dry run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SyncReport<'plan> {
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The numbers.
    pub counts: SyncCounts,
    /// The users added, in the order of their usernames.
    pub added: Vec<AddedUser<'plan>>,
    /// The users whose full name changed, in the order of their usernames.
    pub renamed: Vec<RenamedUser<'plan>>,
    /// The users disabled, because they are missing from the LDAP directory.
    pub disabled: Vec<UserInGrace>,
    /// The users enabled, because they are in the LDAP directory again.
    pub returned: Vec<EnabledUser<'plan>>,
    /// The users that an earlier synchronization disabled, and who are not deleted yet.
    pub in_grace: &'plan [UserInGrace],
    /// The usernames of deleted users.
    pub deleted: &'plan [String],
    /// The usernames of administrators who are missing from the LDAP directory and were not deleted,
    /// because `--delete-admins` was not given or no other administrator would remain.
    pub protected_admins: &'plan [String],
    /// The usernames of disabled users who are missing from the LDAP directory and were not deleted.
    pub protected_disabled: &'plan [String],
    /// The users who were not changed, because they have another auth source than ldap.
    pub conflicts: Vec<ConflictingUser<'plan>>,
    /// The users whose roles or projects changed, in the order of their usernames.
    pub rights: RightsList<'plan>,
    /// In a dry run, the roles and projects set by hand that an authoritative group-map would remove.
    pub set_by_hand: Vec<RightsByHand<'plan>>,
    /// The usernames of managers who no longer get the role by a group; they keep it for projects
    /// set by hand.
    pub managers_not_removed: &'plan [String],
    /// The usernames of the last administrators, who no longer get the role by a group and keep it.
    pub admins_not_removed: &'plan [String],
    /// The skipped entries; at most 1000.
    pub skipped: &'plan [SkippedEntry],
    /// Pairs of usernames that differ only in case or blanks, of which at least one is added; at
    /// most 100.
    pub similar_usernames: &'plan [[String; 2]],
    /// In a dry run, the reason why a sync would change nothing; otherwise null.
    pub error: Option<RejectionReport>,
    /// The duration in seconds; null in a dry run.
    pub seconds: Option<f64>,
    /// Attributes as configured and as the LDAP server returned them; a warning each.
    #[serde(skip)]
    attribute_spellings: &'plan [(String, String)],
    /// What the search for groups found; warnings.
    #[serde(skip)]
    groups: Option<&'plan GroupSummary>,
    /// The users who get projects by the map, but are not managers.
    #[serde(skip)]
    without_manager: u64,
    /// The rules of the run.
    #[serde(skip)]
    rules: SyncRules,
}

/// A user who was added.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddedUser<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The full name, or null.
    pub name: Option<&'plan str>,
}

/// A user whose full name changed.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RenamedUser<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The old full name, or null.
    pub before: Option<&'plan str>,
    /// The new full name.
    pub after: Option<&'plan str>,
}

/// A user who was disabled and is in the LDAP directory again.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnabledUser<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The roles before the user was disabled. Those that groups no longer give are removed.
    pub roles: &'plan [String],
}

/// A user of another auth source with the username of an entry.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConflictingUser<'plan> {
    /// The username.
    pub username: &'plan str,
    /// The auth source in the user table: local, token, oidc or unknown.
    pub source: &'static str,
}

/// Why a plan was rejected; the numbers depend on the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectionReport {
    /// The kind of the error: sync-too-many-deletions, sync-too-many-removals, ldap-group-missing,
    /// ldap-group-unreadable, sync-no-users or sync-no-usernames.
    pub kind: &'static str,
    /// The roles and projects to remove (sync-too-many-removals, ldap-group-missing,
    /// ldap-group-unreadable).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removals: Option<u64>,
    /// The users to disable or to delete (sync-too-many-deletions, sync-too-many-removals, sync-no-users).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletions: Option<u64>,
    /// The deletion limit (sync-too-many-deletions, sync-too-many-removals).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<u64>,
    /// The LDAP users in the user table (sync-too-many-deletions, sync-too-many-removals).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<u64>,
    /// The entries that the search returned (sync-no-usernames).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// The entries without a username (sync-no-usernames).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<u64>,
    /// The setting uid-attr (sync-no-usernames), or the attribute that no entry has
    /// (ldap-group-unreadable).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

impl From<PlanRejection> for RejectionReport {
    fn from(rejection: PlanRejection) -> Self {
        let base = Self { kind: rejection.kind().name(), ..Self::default() };
        match rejection {
            PlanRejection::TooMany { deletions, allowed, known } => {
                Self { deletions: Some(deletions), allowed: Some(allowed), known: Some(known), ..base }
            }
            PlanRejection::TooManyRemovals { removals, deletions, allowed, known } => Self {
                removals: Some(removals),
                deletions: Some(deletions),
                allowed: Some(allowed),
                known: Some(known),
                ..base
            },
            PlanRejection::NoMembers { attribute, removals } => {
                Self { removals: Some(removals), attribute: Some(attribute), ..base }
            }
            PlanRejection::TooManySlurmRemovals { removals, allowed, known } => {
                Self { removals: Some(removals), allowed: Some(allowed), known: Some(known), ..base }
            }
            PlanRejection::NoSlurmUsers { users, removals } => {
                Self { removals: Some(removals), entries: Some(users), ..base }
            }
            PlanRejection::NoGroups { removals } => Self { removals: Some(removals), ..base },
            PlanRejection::Empty { deletions } => Self { deletions: Some(deletions), ..base },
            PlanRejection::NoUsername { entries, without, attribute } => {
                Self { entries: Some(entries), without: Some(without), attribute: Some(attribute), ..base }
            }
        }
    }
}

impl<'plan> SyncReport<'plan> {
    /// The report of a dry run.
    #[must_use]
    pub fn planned(plan: &'plan Plan<'plan>) -> Self {
        Self::new(plan, None)
    }

    /// The report of an executed plan.
    #[must_use]
    pub fn executed(plan: &'plan Plan<'plan>, duration: Duration) -> Self {
        Self::new(plan, Some(duration))
    }

    fn new(plan: &'plan Plan<'plan>, duration: Option<Duration>) -> Self {
        Self {
            dry_run: duration.is_none(),
            counts: SyncCounts::of(plan),
            added: plan.additions().map(|(username, name)| AddedUser { username, name }).collect(),
            renamed: plan
                .renames()
                .map(|(username, before, after)| RenamedUser { username, before, after })
                .collect(),
            disabled: plan.newly_in_grace().collect(),
            returned: plan.returned().map(|(username, roles)| EnabledUser { username, roles }).collect(),
            in_grace: plan.in_grace(),
            deleted: plan.deletions(),
            protected_admins: plan.protected_admins(),
            protected_disabled: plan.protected_disabled(),
            conflicts: plan
                .conflicts()
                .iter()
                .map(|conflict| ConflictingUser {
                    username: &conflict.username,
                    source: conflict.source.name(),
                })
                .collect(),
            rights: RightsList::new(plan),
            set_by_hand: if duration.is_none() { rights_report::by_hand(plan) } else { Vec::new() },
            managers_not_removed: plan.managers_not_removed(),
            admins_not_removed: plan.admins_not_removed(),
            groups: plan.groups(),
            without_manager: plan.without_manager(),
            rules: plan.rules,
            skipped: plan.skipped(),
            similar_usernames: plan.similar_usernames(),
            error: plan.rejection().map(RejectionReport::from),
            seconds: duration.map(|duration| duration.as_secs_f64()),
            attribute_spellings: plan.attribute_spellings(),
        }
    }

    /// Notes and warnings beside the report. A dry run lists each user and each skipped entry, so that
    /// its notes do not repeat them.
    #[must_use]
    pub fn notes(&self) -> Notes {
        let mut notes = Notes::new();
        for (configured, returned) in self.attribute_spellings {
            notes.warn(
                "ldap-attribute-name",
                format!(
                    "the LDAP server returns the attribute {} as {}: accepted here, but the ClusterCockpit \
                     server does not find it",
                    quote(configured),
                    quote(returned)
                ),
            );
        }
        if let Some(groups) = self.groups {
            rights_report::add_group_notes(groups, &mut notes);
        }
        rights_report::add_notes(
            "'group-map'",
            self.managers_not_removed,
            self.admins_not_removed,
            self.without_manager,
            &mut notes,
        );
        if !self.dry_run {
            self.note_unchanged(&mut notes);
        }
        for [one, other] in self.similar_usernames.iter().take(LISTED_NAMES) {
            notes.warn(
                "similar-usernames",
                format!(
                    "{} and {} differ only in case or blanks: two users here, but one username for the LDAP server",
                    quote(one),
                    quote(other)
                ),
            );
        }
        notes
    }

    /// Notes of users and entries for which nothing was done.
    fn note_unchanged(&self, notes: &mut Notes) {
        if !self.conflicts.is_empty() {
            let names = self.conflicts.iter().map(|conflict| conflict.username);
            notes.note(format!(
                "not changed, because they are not LDAP users: {}",
                listed(names, self.counts.conflicts)
            ));
        }
        let admins = self.protected_admins.len() as u64;
        if admins > 0 {
            let names = self.protected_admins.iter().map(String::as_str);
            let verb =
                if matches!(self.rules.missing, MissingUsers::Disable { .. }) { "disable" } else { "delete" };
            let reason = if self.rules.delete_admins {
                "no other administrator would remain".to_owned()
            } else {
                format!("--delete-admins {verb}s them")
            };
            notes.warn(
                "admins-not-deleted",
                format!(
                    "administrators who are not in the LDAP directory are not {verb}d ({reason}): {}",
                    listed(names, admins)
                ),
            );
        }
        let disabled = self.protected_disabled.len() as u64;
        if disabled > 0 {
            let names = self.protected_disabled.iter().map(String::as_str);
            notes.note(format!(
                "disabled users who are not in the LDAP directory are not deleted (cc-user-del(1) deletes them): {}",
                listed(names, disabled)
            ));
        }
        if self.counts.skipped > 0 {
            let names = self.skipped.iter().map(|skipped| skipped.entry.as_str());
            notes.warn(
                "ldap-entries-skipped",
                format!(
                    "entries skipped (--dry-run prints the reasons): {}",
                    listed(names, self.counts.skipped)
                ),
            );
        }
        let in_grace = self.in_grace.len() as u64;
        if in_grace > 0 {
            let names = self.in_grace.iter().map(|user| user.username.as_str());
            notes.note(format!(
                "disabled, because they are not in the LDAP directory (cc-user-list(1) with --disabled prints the times): {}",
                listed(names, in_grace)
            ));
        }
        let reported = self.counts.deleted + self.counts.disabled + in_grace + admins + disabled;
        let not_deleted = self.counts.missing.saturating_sub(reported);
        if not_deleted > 0 {
            notes.note(format!(
                "{} {} not in the LDAP directory, but not deleted (--delete-missing deletes such users)",
                counted(not_deleted, "user"),
                one_or(not_deleted, "is", "are")
            ));
        }
    }
}
