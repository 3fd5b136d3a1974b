//! Roles and projects that a directory gives to a user.

use serde::{Deserialize, Serialize};

/// A source of roles and projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RightsSource {
    /// Groups and attributes of the LDAP directory.
    Ldap,
    /// The accounting database of Slurm.
    Slurm,
}

impl RightsSource {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Ldap, Self::Slurm];

    /// Returns the name, as used in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ldap => "ldap",
            Self::Slurm => "slurm",
        }
    }
}

/// The roles and projects that a source gave to a user. A role or project that the user already had is
/// not among them: it was set by hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenRights {
    /// The names of the roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
}

impl GivenRights {
    /// Returns whether there are neither roles nor projects.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.projects.is_empty()
    }
}
