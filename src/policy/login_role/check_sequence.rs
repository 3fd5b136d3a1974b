//! Records checks in a fixed order until the first failure; the checks after it are skipped.

use crate::policy::verdict::{Verbosity, Verdict};

/// The result of a check that passed.
pub(super) struct Pass<T> {
    /// The value for later checks.
    pub(super) value: T,
    /// The reason why the check passed.
    pub(super) reason: String,
    /// Whether the check passed with a warning.
    pub(super) warning: bool,
    /// How to avoid the warning.
    pub(super) hint: Option<String>,
}

impl<T> Pass<T> {
    pub(super) fn new(value: T, reason: impl Into<String>) -> Self {
        Self { value, reason: reason.into(), warning: false, hint: None }
    }

    /// Creates the result of a check that passed with a warning.
    pub(super) fn warning(value: T, reason: impl Into<String>) -> Self {
        Self { value, reason: reason.into(), warning: true, hint: None }
    }
}

/// The reason why a check failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(super) type CheckResult<T> = Result<Pass<T>, Failure>;

/// The verdict so far, and the names of the remaining checks.
pub(super) struct CheckSequence {
    verdict: Verdict,
    checks: &'static [&'static str],
}

impl CheckSequence {
    pub(super) const fn new(checks: &'static [&'static str], verbosity: Verbosity) -> Self {
        Self { verdict: Verdict::with_verbosity(verbosity), checks }
    }

    /// Records the result of the next check and returns its value; `None` if it failed.
    pub(super) fn record<T>(&mut self, outcome: CheckResult<T>) -> Option<T> {
        let (check, rest) = self.checks.split_first()?;
        self.checks = rest;
        match outcome {
            Ok(Pass { value, reason, warning, hint }) => {
                if warning {
                    self.verdict.warn(check, reason, hint);
                } else {
                    self.verdict.pass(check, reason);
                }
                Some(value)
            }
            Err(Failure { reason, hint }) => {
                self.verdict.fail(check, reason, hint);
                None
            }
        }
    }

    /// Returns the verdict. If checks remain without an earlier failure, the next one fails, so that an
    /// incomplete sequence never accepts.
    pub(super) fn finish(mut self) -> Verdict {
        if self.verdict.first_failure().is_none()
            && let Some((check, rest)) = self.checks.split_first()
        {
            self.verdict.fail(check, "was not made", None);
            self.checks = rest;
        }
        for check in self.checks {
            self.verdict.skip(check);
        }
        self.verdict
    }
}
