//! The answer to "is this token good for that?": a ladder of checks, each of which holds or not,
//! with the reason and what to do.

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It holds.
    Pass,
    /// The check failed.
    Fail,
    /// It holds, but there is something to know.
    Warn,
    /// It was not looked at, since an earlier one failed.
    Skipped,
}

impl CheckState {
    /// Its name in JSON reports.
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

/// One check and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's stable name, such as `signature` or `expiry`.
    pub check: &'static str,
    /// How it came out.
    pub state: CheckState,
    /// Why, in one line, untrusted parts quoted.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why a check holds: a text, or a function that makes it where it is printed.
pub trait Reason {
    /// The text.
    fn word(self) -> String;
}

impl Reason for &str {
    fn word(self) -> String {
        self.to_owned()
    }
}

impl Reason for String {
    fn word(self) -> String {
        self
    }
}

impl<F: FnOnce() -> String> Reason for F {
    fn word(self) -> String {
        self()
    }
}

/// How much a verdict contains. The checks and the answer are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Every check, with its reason: for a report.
    #[default]
    All,
    /// The checks that fail: for many tokens, where texts of passed checks are not printed.
    Failures,
}

/// All checks in order. It must be used: an ignored verdict would accept every token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    detail: Verbosity,
    /// Whether a check was made that holds.
    holds: bool,
    findings: Vec<Finding>,
}

impl Verdict {
    /// No check yet; an empty verdict does not accept.
    pub const fn new() -> Self {
        Self::with_verbosity(Verbosity::All)
    }

    /// The same with this verbosity.
    pub const fn with_verbosity(detail: Verbosity) -> Self {
        Self { detail, holds: false, findings: Vec::new() }
    }

    /// Adds a check that holds.
    pub fn pass(&mut self, check: &'static str, reason: impl Reason) {
        self.holds = true;
        if self.detail == Verbosity::All {
            self.push(check, CheckState::Pass, reason.word(), None);
        }
    }

    /// Adds a check that does not hold.
    pub fn fail(&mut self, check: &'static str, reason: impl Into<String>, hint: Option<String>) {
        self.push(check, CheckState::Fail, reason.into(), hint);
    }

    /// Adds something to know that does not change the answer.
    pub fn warn(&mut self, check: &'static str, reason: impl Reason, hint: Option<String>) {
        self.holds = true;
        if self.detail == Verbosity::All {
            self.push(check, CheckState::Warn, reason.word(), hint);
        }
    }

    /// Adds a check that was not looked at.
    pub fn skip(&mut self, check: &'static str) {
        if self.detail == Verbosity::All {
            self.push(check, CheckState::Skipped, "skipped".to_owned(), None);
        }
    }

    fn push(&mut self, check: &'static str, state: CheckState, reason: String, hint: Option<String>) {
        self.findings.push(Finding { check, state, reason, hint });
    }

    /// The checks in order: all, or those that fail, as the detail has it.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the answer is yes: at least one check was made, and none failed.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.holds && self.first_failure().is_none()
    }

    /// The reason for a no; `None` when the answer is yes.
    #[must_use]
    pub fn into_refusal(self) -> Option<Finding> {
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

    /// The first check that does not hold.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.state == CheckState::Fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_verdict_does_not_accept() {
        for detail in [Verbosity::All, Verbosity::Failures] {
            assert!(!Verdict::with_verbosity(detail).accepts());
            assert_eq!(Verdict::with_verbosity(detail).into_refusal().map(|f| f.check), Some("verdict"));
        }
    }

    #[test]
    fn one_failure_decides() {
        for (detail, reported) in [(Verbosity::All, 3), (Verbosity::Failures, 1)] {
            let mut verdict = Verdict::with_verbosity(detail);
            verdict.pass("signature", "good");
            assert!(verdict.accepts());
            verdict.fail("expiry", "expired", None);
            verdict.skip("roles");
            assert!(!verdict.accepts());
            assert_eq!(verdict.findings().len(), reported);
            assert_eq!(verdict.first_failure().map(|f| f.check), Some("expiry"));
            assert_eq!(verdict.into_refusal().map(|f| f.check), Some("expiry"));
        }
    }

    #[test]
    fn verdict_of_failures_has_no_texts_of_passed_checks() {
        let mut verdict = Verdict::with_verbosity(Verbosity::Failures);
        verdict.pass("signature", || unreachable!());
        verdict.warn("expiry", || unreachable!(), None);
        assert!(verdict.accepts());
    }
}
