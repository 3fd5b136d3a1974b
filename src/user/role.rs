//! The server's roles.

use std::fmt;
use std::str::FromStr;

use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::suggest::nearest;

/// A role, from most to least powerful; `anonymous` is outside this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// May do everything.
    Admin,
    /// Sees all jobs.
    Support,
    /// Sees the jobs of his or her projects.
    Manager,
    /// Sees his or her own jobs.
    User,
    /// May use the REST interface.
    Api,
    /// Not logged in.
    Anonymous,
}

impl Role {
    /// All roles, most powerful first.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Support, Self::Manager, Self::User, Self::Api, Self::Anonymous];

    /// Its name, as typed, stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Support => "support",
            Self::Manager => "manager",
            Self::User => "user",
            Self::Api => "api",
            Self::Anonymous => "anonymous",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role the server does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {}", PrintableText::name(.0))]
pub struct RoleError(pub String);

impl RoleError {
    /// The known role with the nearest name, if one is near enough.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        nearest(&self.0, Role::ALL.map(Role::name))
    }
}

impl Diagnostic for RoleError {
    fn kind(&self) -> Kind {
        Kind::RoleUnknown
    }

    fn hint(&self) -> Option<String> {
        let list = Role::ALL.map(Role::name).join(", ");
        Some(match self.nearest() {
            Some(near) => format!("did you mean '{near}'? the roles are {list}"),
            None => format!("the roles are {list}"),
        })
    }
}

impl FromStr for Role {
    type Err = RoleError;

    /// Parses the name of a role. Upper case is rejected, as by the server.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| RoleError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
    }

    #[test]
    fn case_counts_and_the_hint_names_the_nearest() {
        let refused = "Admin".parse::<Role>();
        assert_eq!(refused, Err(RoleError("Admin".to_owned())));
        let hint = RoleError("suport".to_owned()).hint().unwrap_or_default();
        assert!(hint.contains("did you mean 'support'"), "{hint}");
    }
}
