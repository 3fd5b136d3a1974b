//! Errors of a sync.

use crate::config::ConfigError;
use crate::history::HistoryError;
use crate::ldap::LdapError;
use crate::policy::role_map::RoleMapError;
use crate::slurm::SlurmError;
use crate::user_db::UserDbError;
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::{Diagnostic, diagnostics};
use crate::util::duration::GoDuration;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// Why a sync failed. The user table is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A setting is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The default database cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The setting `sync-interval` is zero or negative.
    #[error("invalid sync-interval {}: expected a duration over 0, such as 24h", quote(&.0.to_string()))]
    InvalidInterval(GoDuration),
    /// The grace period is negative.
    #[error("invalid sync-grace-period {}: expected a duration that is not negative, such as 720h", quote(&.0.to_string()))]
    InvalidGracePeriod(GoDuration),
    /// The section `group-map`.
    #[error(transparent)]
    GroupMap(#[from] GroupMapErrors),
    /// The LDAP search failed, or its answer is incomplete.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// Slurm accounting.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// The state beside the journal.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The database.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// A safety limit rejects the plan.
    #[error(transparent)]
    Rejected(#[from] PlanRejection),
}

diagnostics! { SyncError:
    Self::Config(error) => error.kind(), error.hint();
    Self::File(error) => error.kind(), error.hint();
    Self::InvalidInterval(_) => Kind::ConfigValue, "set the interval with --watch=1h";
    Self::InvalidGracePeriod(_) => Kind::ConfigValue;
    Self::GroupMap(error) => error.kind(), error.hint();
    Self::Ldap(error) => error.kind(), error.hint();
    Self::Slurm(error) => error.kind(), error.hint();
    Self::History(error) => error.kind(), error.hint();
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Rejected(error) => error.kind(), error.hint();
}

/// The errors of the section `group-map`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", first_error(.0))]
pub struct GroupMapErrors(pub Vec<RoleMapError>);

fn first_error(errors: &[RoleMapError]) -> String {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    match errors.len().saturating_sub(1) {
        0 => first,
        more => format!("{first} (and {})", counted(more, "more error")),
    }
}

diagnostics! { GroupMapErrors:
    Self(errors) if errors.len() > 1 => Kind::GroupMapInvalid, "cc-user sync-ldap --check";
    Self(errors) => Kind::GroupMapInvalid, errors.first().and_then(Diagnostic::hint);
}

/// Why a plan must not be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanRejection {
    /// More users would be disabled or deleted than the deletion limit allows.
    #[error(
        "{deletions} of {} {} no longer in the LDAP directory, and the deletion limit is {allowed}: nothing was changed",
        counted(*.known, "LDAP user"),
        one_or(*.deletions, "is", "are")
    )]
    TooMany {
        /// The number of users to disable or to delete.
        deletions: u64,
        /// The deletion limit, in users.
        allowed: u64,
        /// The number of LDAP users in the table.
        known: u64,
    },
    /// More roles and projects would be removed, and users deleted, than the limit allows.
    #[error("{}", too_many_removals(*.removals, *.deletions, *.allowed, *.known))]
    TooManyRemovals {
        /// The number of roles and projects to remove.
        removals: u64,
        /// The number of users to disable or to delete.
        deletions: u64,
        /// The limit.
        allowed: u64,
        /// The number of LDAP users in the table.
        known: u64,
    },
    /// Roles or projects would be removed, but an attribute of the map is absent everywhere.
    #[error(
        "no LDAP entry has the attribute {}; refusing to remove {}: \
         nothing was changed",
        quote(.attribute),
        rights(*.removals)
    )]
    NoMembers {
        /// The attribute.
        attribute: String,
        /// The number of roles and projects to remove.
        removals: u64,
    },
    /// Roles or projects would be removed, but the search found no group at all.
    #[error(
        "the LDAP search returned no groups; refusing to remove {}: nothing was changed",
        rights(*.removals)
    )]
    NoGroups {
        /// The number of roles and projects to remove.
        removals: u64,
    },
    /// Roles or projects would be removed, but no user of Slurm is in the user table.
    #[error(
        "none of the {} of Slurm is in the user table; refusing to remove {}: nothing was changed",
        counted(*.users, "user"),
        rights(*.removals)
    )]
    NoSlurmUsers {
        /// The number of users in the answer.
        users: u64,
        /// The number of roles and projects to remove.
        removals: u64,
    },
    /// More roles and projects that Slurm gave would be removed than the limit allows.
    #[error("{}", too_many_slurm_removals(*.removals, *.allowed, *.known))]
    TooManySlurmRemovals {
        /// The number of roles and projects to remove.
        removals: u64,
        /// The limit.
        allowed: u64,
        /// The number of users with roles or projects from Slurm.
        known: u64,
    },
    /// The search returned no entry.
    #[error("{}", no_entry(*.deletions))]
    Empty {
        /// The number of users to disable or to delete.
        deletions: u64,
    },
    /// No entry of the search has a username that a user can have.
    #[error("{}", no_username(*.entries, *.without, .attribute))]
    NoUsername {
        /// The number of entries.
        entries: u64,
        /// The number of entries without any username.
        without: u64,
        /// The attribute with the usernames, as configured.
        attribute: String,
    },
}

fn rights(removals: u64) -> String {
    format!("{removals} {}", one_or(removals, "role or project", "roles and projects"))
}

fn too_many_removals(removals: u64, deletions: u64, allowed: u64, known: u64) -> String {
    let deleted = match deletions {
        0 => String::new(),
        _ => format!("{} deleted and ", counted(deletions, "user")),
    };
    format!(
        "{deleted}{} of {} would be removed, and the deletion limit is {allowed}: nothing was changed",
        rights(removals),
        counted(known, "LDAP user")
    )
}

fn too_many_slurm_removals(removals: u64, allowed: u64, known: u64) -> String {
    format!(
        "{} of {} with rights from Slurm would be removed, and the limit is {allowed}: nothing was changed",
        rights(removals),
        counted(known, "user")
    )
}

fn no_entry(deletions: u64) -> String {
    match deletions {
        0 => "the LDAP search returned no users: nothing was changed".to_owned(),
        _ => format!(
            "the LDAP search returned no users; refusing to delete {}: nothing was changed",
            counted(deletions, "LDAP user")
        ),
    }
}

fn no_username(entries: u64, without: u64, attribute: &str) -> String {
    let attribute = quote(attribute);
    let returned = counted(entries, "entry");
    if without == entries {
        format!(
            "the LDAP search returned {returned}, none with the attribute {attribute}: nothing was changed"
        )
    } else {
        format!(
            "the LDAP search returned {returned}, none with a usable username in {attribute} (missing in \
             {without}): nothing was changed"
        )
    }
}

diagnostics! { PlanRejection:
    Self::TooMany { deletions, .. } => Kind::SyncTooManyDeletions, format!(
        "print the users with 'cc-user sync-ldap --dry-run'; if they left, allow it once with --max-delete {deletions}"
    );
    Self::TooManyRemovals { removals, deletions, .. } => Kind::SyncTooManyRemovals, format!(
        "print the changes with 'cc-user sync-ldap --dry-run'; if they are correct, allow them once with --max-delete {}",
        removals + deletions
    );
    Self::TooManySlurmRemovals { removals, .. } => Kind::SyncTooManyRemovals, format!(
        "print the changes with 'cc-user sync-slurm --dry-run'; if they are correct, allow them once with --max-delete \
         {removals}"
    );
    Self::NoSlurmUsers { .. } => Kind::SyncNoUsers,
        "check 'clusters' and 'exclude-accounts' in the section 'slurm', and that the output is that of your site";
    Self::NoGroups { .. } => Kind::LdapGroupMissing,
        "check 'group-base' and 'group-filter' in 'group-map', and what 'search-dn' may read";
    Self::NoMembers { .. } => Kind::LdapGroupUnreadable,
        "check 'membership' and 'member-attr' in 'group-map', and what 'search-dn' may read";
    Self::Empty { .. } => Kind::SyncNoUsers,
        "check 'user-base' and 'user-filter', and what 'search-dn' may read";
    Self::NoUsername { .. } => Kind::SyncNoUsernames,
        "check 'uid-attr' in auth.ldap, and what 'search-dn' may read";
}
