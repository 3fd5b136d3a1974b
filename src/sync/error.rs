//! Errors of a sync.

use crate::config::ConfigError;
use crate::history::HistoryError;
use crate::ldap::LdapError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::diagnostics;
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
    /// The LDAP search failed, or its answer is incomplete.
    #[error(transparent)]
    Ldap(#[from] LdapError),
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
    Self::InvalidInterval(_) => Kind::Usage, "set the interval with --watch=1h";
    Self::Ldap(error) => error.kind(), error.hint();
    Self::History(error) => error.kind(), error.hint();
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Rejected(error) => error.kind(), error.hint();
}

/// Why a plan must not be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanRejection {
    /// More users would be deleted than the deletion limit allows.
    #[error(
        "{deletions} of {known} LDAP users are no longer in the LDAP directory, and the deletion limit is \
         {allowed}: nothing was changed"
    )]
    TooMany {
        /// The number of users to delete.
        deletions: u64,
        /// The deletion limit, in users.
        allowed: u64,
        /// The number of LDAP users in the table.
        known: u64,
    },
    /// The search returned no entry.
    #[error("{}", no_entry(*.deletions))]
    Empty {
        /// The number of users to delete.
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

fn no_entry(deletions: u64) -> String {
    match deletions {
        0 => "the LDAP search returned no users: nothing was changed".to_owned(),
        _ => format!(
            "the LDAP search returned no users; refusing to delete {deletions} LDAP users: nothing was changed"
        ),
    }
}

fn no_username(entries: u64, without: u64, attribute: &str) -> String {
    let attribute = quote(attribute);
    if without == entries {
        format!(
            "the LDAP search returned {entries} entries, none with the attribute {attribute}: nothing was changed"
        )
    } else {
        format!(
            "the LDAP search returned {entries} entries, none with a usable username in {attribute} (missing in \
             {without}): nothing was changed"
        )
    }
}

diagnostics! { PlanRejection:
    Self::TooMany { deletions, .. } => Kind::SyncTooManyDeletions, format!(
        "print the users with 'cc-user sync-ldap --dry-run'; if they left, allow it once with --max-delete {deletions}"
    );
    Self::Empty { .. } => Kind::SyncNoUsers,
        "check 'user-base' and 'user-filter', and what the search-dn may see";
    Self::NoUsername { .. } => Kind::SyncNoUsernames,
        "check 'uid-attr' in auth.ldap, and what the search-dn may see";
}
