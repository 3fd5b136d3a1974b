//! The role map: which roles and projects the groups and attributes of a directory give.
//!
//! A [`RoleMap`] is read from the settings ([`RoleMap::from_settings`]). The answer of a directory becomes
//! [`Grants`]: for each user roles and projects, each with the chain of groups that gives it. [`decide`]
//! compares the grants of all sources with the row of a user and with what earlier runs gave, and
//! returns the change of the row. Neither depends on LDAP.

mod decision;
mod grants;
mod map;
mod name_pattern;
mod names;
mod project_template;

pub use decision::{Authority, CurrentRights, RightsChange, RightsDecision, decide, decision};
pub use grants::{Grant, Grants, GrantsBuilder, Reason, ReasonId, Right, UserId};
pub use map::{MapRule, RoleMap, RoleMapError, Selector};
pub use name_pattern::{NamePattern, NamePatternError};
pub use project_template::{ProjectTemplate, ProjectTemplateError};
