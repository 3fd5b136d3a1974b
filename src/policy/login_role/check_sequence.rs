//! The checks in order: one after the other until the first that fails; the others are shown as
//! not reached.

use crate::policy::verdict::{Verbosity, Verdict};

/// How a check that holds came out.
pub(super) struct Pass<T> {
    /// What it found out.
    pub(super) value: T,
    /// Why it holds.
    pub(super) reason: String,
    /// Whether there is something to know about it.
    pub(super) warning: bool,
    /// What to do about that.
    pub(super) hint: Option<String>,
}

impl<T> Pass<T> {
    pub(super) fn new(value: T, reason: impl Into<String>) -> Self {
        Self { value, reason: reason.into(), warning: false, hint: None }
    }

    /// It holds, but there is something to know.
    pub(super) fn warning(value: T, reason: impl Into<String>) -> Self {
        Self { value, reason: reason.into(), warning: true, hint: None }
    }
}

/// Why a check does not hold.
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

/// The ladder of the checks that are to be made.
pub(super) struct CheckSequence {
    verdict: Verdict,
    checks: &'static [&'static str],
}

impl CheckSequence {
    pub(super) const fn new(checks: &'static [&'static str], detail: Verbosity) -> Self {
        Self { verdict: Verdict::with_verbosity(detail), checks }
    }

    /// Takes the next check; nothing more can be taken after one that failed.
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

    /// The verdict, with what was not reached. A ladder that was left without a failure before
    /// its last check does not accept: what was not looked at does not hold.
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
