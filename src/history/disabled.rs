//! The roles of disabled users.
//!
//! A disabled user is in this file and does not have a role in the user table. An entry of a user who
//! has roles again, such as after an import, has no meaning and is replaced by the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::util::time::Timestamp;

/// The suffix of the file after the name of the database.
pub(super) const SUFFIX: &str = ".history.disabled.json";

/// A disabled user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DisabledEntry {
    /// The roles before the user was disabled.
    pub roles: Vec<String>,
    /// When a sync found that the user is missing in the LDAP directory, in seconds since 1970; not set for a
    /// user who was disabled by 'cc-user disable'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<i64>,
}

/// How long a user who is missing in the LDAP directory stays disabled before a sync deletes the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracePeriod {
    seconds: i64,
}

impl GracePeriod {
    /// A period of whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds }
    }

    /// The end of the period for a user who is missing since a time.
    #[must_use]
    pub const fn end(self, missing_since: Timestamp) -> Timestamp {
        missing_since.plus_seconds(self.seconds)
    }
}

/// The disabled users of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisabledUsers {
    users: BTreeMap<String, DisabledEntry>,
    /// The period of the settings, for reports.
    #[serde(skip)]
    grace_period: Option<GracePeriod>,
}

impl DisabledUsers {
    /// The entry of a username. It is that of a disabled user if the user table has no roles of the user.
    #[must_use]
    pub fn entry(&self, username: &str) -> Option<&DisabledEntry> {
        self.users.get(username)
    }

    /// The same users with the period of the settings.
    #[must_use]
    pub fn with_grace_period(self, grace_period: Option<GracePeriod>) -> Self {
        Self { grace_period, ..self }
    }

    /// When a sync deletes the user of an entry; `None` if no sync does, or the period is not known.
    #[must_use]
    pub fn delete_at(&self, entry: &DisabledEntry) -> Option<Timestamp> {
        Some(self.grace_period?.end(Timestamp(entry.missing_since?)))
    }

    /// Whether a sync disabled a user.
    #[must_use]
    pub fn has_missing(&self) -> bool {
        self.users.values().any(|entry| entry.missing_since.is_some())
    }

    /// Whether no user is disabled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Replaces or removes the entry of a user; whether this is a change.
    pub fn set(&mut self, username: &str, entry: Option<DisabledEntry>) -> bool {
        match entry {
            Some(entry) if self.users.get(username) == Some(&entry) => false,
            Some(entry) => {
                self.users.insert(username.to_owned(), entry);
                true
            }
            None => self.users.remove(username).is_some(),
        }
    }
}
