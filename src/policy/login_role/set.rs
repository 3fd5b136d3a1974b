//! The login roles of a configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::LoginRoleError;
use super::field::{Fields, member_path};
use super::role::LoginRole;
use crate::util::quote::quote;
use crate::util::suggest::nearest;

/// Login roles by name, in lower case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoginRoleSet(BTreeMap<String, LoginRole>);

impl LoginRoleSet {
    /// Reads an object of roles, such as the section `auth.jwt-roles`; `path` is its name in messages.
    ///
    /// # Errors
    /// Every error of every role.
    pub fn read(path: &str, value: &Value) -> Result<Self, Vec<LoginRoleError>> {
        Fields::of(path, value).map_err(|error| vec![error])?;
        let members = value.as_object().into_iter().flatten();
        let mut roles = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, role) in members {
            let place = member_path(path, name);
            match LoginRole::read_at(&place, name, role) {
                Ok(role) if roles.contains_key(&role.name) => {
                    let reason =
                        format!("there is a role {} already: names are lower-cased", quote(&role.name));
                    errors.push(LoginRoleError::Conflict { path: place, reason });
                }
                Ok(role) => {
                    roles.insert(role.name.clone(), role);
                }
                Err(of_role) => errors.extend(of_role),
            }
        }
        if errors.is_empty() { Ok(Self(roles)) } else { Err(errors) }
    }

    /// Returns the role of this name; the case does not matter.
    ///
    /// # Errors
    /// [`LoginRoleError::UnknownRole`] with the nearest name.
    pub fn find(&self, name: &str) -> Result<&LoginRole, LoginRoleError> {
        self.0.get(&name.to_lowercase()).ok_or_else(|| LoginRoleError::UnknownRole {
            name: name.to_owned(),
            nearest: nearest(name, self.names()).map(str::to_owned),
        })
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the roles in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &LoginRole> {
        self.0.values()
    }
}
