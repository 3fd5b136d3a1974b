//! The errors of a login role and its configuration.

use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// An error of a login role or its configuration. `path` is the field, such as `demo.bound_claims.team`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginRoleError {
    /// A value of another JSON type.
    #[error("{path}: expected {expected}, found {found}")]
    Type {
        /// The field.
        path: String,
        /// The value, in words.
        found: String,
        /// The expected type.
        expected: &'static str,
    },
    /// An unknown field; the reference server silently drops it.
    #[error("{path}: unknown field{}", nearest.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default())]
    UnknownField {
        /// The field.
        path: String,
        /// The known field with the nearest name.
        nearest: Option<&'static str>,
    },
    /// A required field is missing or empty.
    #[error("{path}: missing: expected {expected}")]
    Missing {
        /// The field.
        path: String,
        /// The expected value.
        expected: &'static str,
    },
    /// A value outside those expected.
    #[error("{path}: expected {expected}, found {found}")]
    Value {
        /// The field.
        path: String,
        /// The value, quoted.
        found: String,
        /// The expected values.
        expected: String,
    },
    /// Fields that contradict each other.
    #[error("{path}: {reason}")]
    Conflict {
        /// The field.
        path: String,
        /// The contradiction.
        reason: String,
    },
    /// No role of this name.
    #[error("auth.jwt-roles does not have the role {}", quote(.name))]
    UnknownRole {
        /// The requested name.
        name: String,
        /// The nearest existing name.
        nearest: Option<String>,
    },
    /// The login does not name a role, and there is no default role.
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
