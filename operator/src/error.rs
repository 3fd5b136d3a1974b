//! The errors of a reconciliation.

use crate::log;
use crate::problem::{Problem, Reason};

/// Why a reconciliation ended early.
#[derive(Debug)]
pub enum ReconcileError {
    /// An object changed since it was read.
    Conflict,
    /// The resource or its namespace is being deleted.
    Gone,
    /// The API server did not answer, or failed.
    Api(kube::Error),
}

impl std::fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict => f.write_str("an object changed since it was read"),
            Self::Gone => f.write_str("the resource is being deleted"),
            Self::Api(error) => f.write_str(&log::api_error(error)),
        }
    }
}

impl std::error::Error for ReconcileError {}

/// Why a step of a reconciliation failed.
pub enum Failure {
    /// A problem of this resource, which its status reports.
    Problem(Problem),
    /// An error that passes: the reconciliation is repeated.
    Error(ReconcileError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Failure {
    /// What an answer of the API server means: a problem of this resource, or an error that passes.
    pub fn of(error: kube::Error, attempt: &str) -> Self {
        let kube::Error::Api(answer) = &error else { return Self::Error(ReconcileError::Api(error)) };
        match answer.code {
            403 if answer.message.contains("because it is being terminated") => {
                Self::Error(ReconcileError::Gone)
            }
            403 => Self::Problem(Problem::new(
                Reason::Forbidden,
                format!("cannot {attempt}: {}: add the rule to the operator's Role", answer.message),
            )),
            409 => Self::Error(ReconcileError::Conflict),
            422 | 400 | 413 => {
                Self::Problem(Problem::new(Reason::ApiError, format!("cannot {attempt}: {}", answer.message)))
            }
            _ => Self::Error(ReconcileError::Api(error)),
        }
    }
}
