//! The roles and projects that a sync gave to users: a later sync removes only these.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The suffix of the file after the name of the database.
pub(super) const SUFFIX: &str = ".history.given.json";

/// A source of roles and projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RightsSource {
    /// The groups of the LDAP directory.
    Ldap,
    /// The accounting of Slurm.
    Slurm,
}

impl RightsSource {
    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ldap => "ldap",
            Self::Slurm => "slurm",
        }
    }
}

impl fmt::Display for RightsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The roles and projects that a source gave to a user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GivenRights {
    /// The roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The projects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
}

impl GivenRights {
    /// Whether there are neither roles nor projects.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.projects.is_empty()
    }
}

/// The roles and projects of a user by source.
pub type UserRights = BTreeMap<RightsSource, GivenRights>;

/// The roles and projects of all users.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenState {
    users: BTreeMap<String, UserRights>,
}

impl GivenState {
    /// What a source gave to a user.
    #[must_use]
    pub fn get(&self, username: &str, source: RightsSource) -> Option<&GivenRights> {
        self.users.get(username)?.get(&source)
    }

    /// What all sources gave to a user.
    #[must_use]
    pub fn user(&self, username: &str) -> Option<&UserRights> {
        self.users.get(username)
    }

    /// The usernames, sorted.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// Whether no user was given anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Replaces what all sources gave to a user; sources without roles and projects are left out.
    pub fn set_user(&mut self, username: &str, mut rights: UserRights) {
        rights.retain(|_, rights| !rights.is_empty());
        if rights.is_empty() {
            self.users.remove(username);
        } else {
            self.users.insert(username.to_owned(), rights);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_state_without_roles_and_projects_has_no_entry() {
        let mut state = GivenState::default();
        let rights = GivenRights { roles: vec!["manager".to_owned()], projects: vec!["p1".to_owned()] };
        state.set_user(
            "anna",
            UserRights::from([
                (RightsSource::Ldap, rights.clone()),
                (RightsSource::Slurm, GivenRights::default()),
            ]),
        );
        assert_eq!(state.get("anna", RightsSource::Ldap), Some(&rights));
        assert_eq!(state.get("anna", RightsSource::Slurm), None);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(text, r#"{"users":{"anna":{"ldap":{"roles":["manager"],"projects":["p1"]}}}}"#);
        assert_eq!(serde_json::from_str::<GivenState>(&text).unwrap(), state);
        state.set_user("anna", UserRights::new());
        assert!(state.is_empty());
    }
}
