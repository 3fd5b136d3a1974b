//! The roles and projects that a sync gave to users: a later sync removes only these.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::user::{GivenRights, RightsSource};

/// The suffix of the file after the name of the database.
pub(super) const SUFFIX: &str = ".history.given.json";

/// The roles and projects of a user by source.
pub type UserRights = BTreeMap<RightsSource, GivenRights>;

/// The roles and projects of all users. A user's are in memory as JSON text, since a million projects of a
/// hundred thousand users must fit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GivenState {
    users: BTreeMap<Box<str>, Box<RawValue>>,
}

impl PartialEq for GivenState {
    fn eq(&self, other: &Self) -> bool {
        self.users.len() == other.users.len() && self.texts().eq(other.texts())
    }
}

impl Eq for GivenState {}

impl GivenState {
    /// What a source gave to a user.
    #[must_use]
    pub fn get(&self, username: &str, source: RightsSource) -> Option<GivenRights> {
        self.user(username)?.remove(&source)
    }

    /// What all sources gave to a user.
    #[must_use]
    pub fn user(&self, username: &str) -> Option<UserRights> {
        serde_json::from_str(self.users.get(username)?.get()).ok()
    }

    /// The usernames, sorted.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }

    /// The usernames with the JSON text of each.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.users.iter().map(|(username, rights)| (username.as_ref(), rights.get()))
    }

    /// Whether no user was given anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Replaces what all sources gave to a user; sources without roles and projects are left out.
    pub fn set_user(&mut self, username: &str, mut rights: UserRights) {
        rights.retain(|_, rights| !rights.is_empty());
        match to_raw_value(&rights) {
            Ok(text) if !rights.is_empty() => self.users.insert(username.into(), text),
            _ => self.users.remove(username),
        };
    }
}

impl<'de> Deserialize<'de> for GivenState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ContentIn {
            users: GivenUsers,
        }
        Ok(Self { users: ContentIn::deserialize(deserializer)?.users.0 })
    }
}

/// The users of the file; each user's rights become text before the next user is read.
struct GivenUsers(BTreeMap<Box<str>, Box<RawValue>>);

impl<'de> Deserialize<'de> for GivenUsers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UsersVisitor;
        impl<'de> Visitor<'de> for UsersVisitor {
            type Value = GivenState;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the users with their roles and projects")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GivenState, A::Error> {
                let mut state = GivenState::default();
                while let Some((username, rights)) = map.next_entry::<String, UserRights>()? {
                    state.set_user(&username, rights);
                }
                Ok(state)
            }
        }
        deserializer.deserialize_map(UsersVisitor).map(|state| Self(state.users))
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
        assert_eq!(state.get("anna", RightsSource::Ldap), Some(rights));
        assert_eq!(state.get("anna", RightsSource::Slurm), None);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(text, r#"{"users":{"anna":{"ldap":{"roles":["manager"],"projects":["p1"]}}}}"#);
        assert_eq!(serde_json::from_str::<GivenState>(&text).unwrap(), state);
        state.set_user("anna", UserRights::new());
        assert!(state.is_empty());
    }
}
