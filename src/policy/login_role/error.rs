//! What can be wrong with a role or its configuration.

use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// One fault of a role or configuration; `path` says where, such as `demo.bound_claims.team`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginRoleError {
    /// No object where one is expected.
    #[error("{path}: expected {expected}, found {found}")]
    Type {
        /// Where.
        path: String,
        /// What stands there.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// An unknown field; the reference server silently drops it.
    #[error("{path}: unknown field{}", nearest.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default())]
    UnknownField {
        /// Where.
        path: String,
        /// What it was probably meant to be.
        nearest: Option<&'static str>,
    },
    /// A field that must be there is not, or is empty.
    #[error("{path}: missing: expected {expected}")]
    Missing {
        /// Where.
        path: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A value that is not among those expected.
    #[error("{path}: expected {expected}, found {found}")]
    Value {
        /// Where.
        path: String,
        /// What stands there, quoted.
        found: String,
        /// What is expected.
        expected: String,
    },
    /// Fields that contradict each other.
    #[error("{path}: {reason}")]
    Conflict {
        /// Where.
        path: String,
        /// In what way.
        reason: String,
    },
    /// No role of this name.
    #[error("there is no role {}", quote(.name))]
    UnknownRole {
        /// The name asked for.
        name: String,
        /// A name that is near.
        nearest: Option<String>,
    },
    /// No role named, and none is the default.
    #[error("no role named, and the configuration has no default_role")]
    NoRole,
}

diagnostics! { LoginRoleError:
    Self::Type { .. } => Kind::LoginRoleType;
    Self::UnknownField { .. } => Kind::LoginRoleUnknownField;
    Self::Missing { .. } => Kind::LoginRoleMissingField;
    Self::Value { .. } => Kind::LoginRoleValue;
    Self::Conflict { .. } => Kind::LoginRoleConflict;
    Self::UnknownRole { nearest: Some(near), .. } => Kind::LoginRoleUnknown,
        format!("did you mean {}?", quote(near));
    Self::UnknownRole { .. } => Kind::LoginRoleUnknown;
    Self::NoRole => Kind::LoginRoleMissing, "name one with --login-role";
}
