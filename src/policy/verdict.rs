//! The result of checking a token: a list of checks, each with its state, reason and hint.

/// The state of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// The check passed.
    Pass,
    /// The check failed.
    Fail,
    /// The check passed with a warning.
    Warn,
    /// The check was skipped because an earlier one failed.
    Skipped,
}

impl CheckState {
    /// Returns the name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skipped => "skipped",
        }
    }
}

/// One check with its state and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's stable name, such as `signature` or `expiry`.
    pub check: &'static str,
    /// The state of the check.
    pub state: CheckState,
    /// The reason, in one line, with untrusted parts quoted.
    pub reason: String,
    /// How to make the check pass.
    pub hint: Option<String>,
}

/// The reason why a check passed: a string, or a function that is called only if the reason is stored.
pub trait Reason {
    /// Converts the reason to a string.
    fn into_text(self) -> String;
}

impl Reason for &str {
    fn into_text(self) -> String {
        self.to_owned()
    }
}

impl Reason for String {
    fn into_text(self) -> String {
        self
    }
}

impl<F: FnOnce() -> String> Reason for F {
    fn into_text(self) -> String {
        self()
    }
}

/// The findings that a verdict stores. Whether the verdict accepts does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Every check, for a report.
    #[default]
    All,
    /// Only failed checks: for many tokens, where the reasons of passed checks are not printed.
    Failures,
}

/// The checks of one token, in order. An ignored verdict would accept every token, so it must be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    verbosity: Verbosity,
    /// Whether at least one check passed.
    has_passed: bool,
    findings: Vec<Finding>,
}

impl Verdict {
    /// Creates a verdict without checks, which does not accept.
    pub const fn new() -> Self {
        Self::with_verbosity(Verbosity::All)
    }

    /// Creates a verdict without checks that stores the findings of this verbosity.
    pub const fn with_verbosity(verbosity: Verbosity) -> Self {
        Self { verbosity, has_passed: false, findings: Vec::new() }
    }

    /// Adds a check that passed.
    pub fn pass(&mut self, check: &'static str, reason: impl Reason) {
        self.has_passed = true;
        if self.verbosity == Verbosity::All {
            self.push(check, CheckState::Pass, reason.into_text(), None);
        }
    }

    /// Adds a check that failed.
    pub fn fail(&mut self, check: &'static str, reason: impl Into<String>, hint: Option<String>) {
        self.push(check, CheckState::Fail, reason.into(), hint);
    }

    /// Adds a check that passed with a warning.
    pub fn warn(&mut self, check: &'static str, reason: impl Reason, hint: Option<String>) {
        self.has_passed = true;
        if self.verbosity == Verbosity::All {
            self.push(check, CheckState::Warn, reason.into_text(), hint);
        }
    }

    /// Adds a check that was skipped.
    pub fn skip(&mut self, check: &'static str) {
        if self.verbosity == Verbosity::All {
            self.push(check, CheckState::Skipped, "skipped".to_owned(), None);
        }
    }

    fn push(&mut self, check: &'static str, state: CheckState, reason: String, hint: Option<String>) {
        self.findings.push(Finding { check, state, reason, hint });
    }

    /// Returns the stored findings in order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether at least one check passed and none failed.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.has_passed && self.first_failure().is_none()
    }

    /// Returns the first failure; `None` if the verdict accepts.
    #[must_use]
    pub fn into_failure(self) -> Option<Finding> {
        if self.accepts() {
            return None;
        }
        let failure = self.findings.into_iter().find(|finding| finding.state == CheckState::Fail);
        Some(failure.unwrap_or_else(|| Finding {
            check: "verdict",
            state: CheckState::Fail,
            reason: "nothing was checked".to_owned(),
            hint: None,
        }))
    }

    /// Returns the first check that failed.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.state == CheckState::Fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_without_checks_does_not_accept() {
        for verbosity in [Verbosity::All, Verbosity::Failures] {
            assert!(!Verdict::with_verbosity(verbosity).accepts());
            assert_eq!(Verdict::with_verbosity(verbosity).into_failure().map(|f| f.check), Some("verdict"));
        }
    }

    #[test]
    fn verdict_with_one_failure_does_not_accept() {
        for (verbosity, reported) in [(Verbosity::All, 3), (Verbosity::Failures, 1)] {
            let mut verdict = Verdict::with_verbosity(verbosity);
            verdict.pass("signature", "good");
            assert!(verdict.accepts());
            verdict.fail("expiry", "expired", None);
            verdict.skip("roles");
            assert!(!verdict.accepts());
            assert_eq!(verdict.findings().len(), reported);
            assert_eq!(verdict.first_failure().map(|f| f.check), Some("expiry"));
            assert_eq!(verdict.into_failure().map(|f| f.check), Some("expiry"));
        }
    }

    #[test]
    fn verdict_of_failures_does_not_format_passed_checks() {
        let mut verdict = Verdict::with_verbosity(Verbosity::Failures);
        verdict.pass("signature", || unreachable!());
        verdict.warn("expiry", || unreachable!(), None);
        assert!(verdict.accepts());
    }
}
