//! The answer to "is this token good for that?": a ladder of checks, each of which holds or not,
//! with the reason and what to do.

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Holds,
    /// It does not hold: the answer is no.
    Fails,
    /// It holds, but there is something to know.
    Warns,
    /// It was not looked at, since an earlier one failed.
    NotReached,
}

impl State {
    /// Its name in JSON reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Warns => "warns",
            Self::NotReached => "not-reached",
        }
    }
}

/// One check and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's stable name, such as `signature` or `expiry`.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// Why, in one line, untrusted parts quoted.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// All checks in order. It must be looked at: a verdict that nobody reads admits everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    findings: Vec<Finding>,
}

impl Verdict {
    /// No check yet; an empty verdict does not admit.
    pub const fn new() -> Self {
        Self { findings: Vec::new() }
    }

    /// Adds a check that holds.
    pub fn holds(&mut self, check: &'static str, reason: impl Into<String>) {
        self.push(check, State::Holds, reason.into(), None);
    }

    /// Adds a check that does not hold.
    pub fn fails(&mut self, check: &'static str, reason: impl Into<String>, hint: Option<String>) {
        self.push(check, State::Fails, reason.into(), hint);
    }

    /// Adds something to know that does not change the answer.
    pub fn warns(&mut self, check: &'static str, reason: impl Into<String>, hint: Option<String>) {
        self.push(check, State::Warns, reason.into(), hint);
    }

    /// Adds a check that was not looked at.
    pub fn not_reached(&mut self, check: &'static str) {
        self.push(check, State::NotReached, "not reached".to_owned(), None);
    }

    fn push(&mut self, check: &'static str, state: State, reason: String, hint: Option<String>) {
        self.findings.push(Finding { check, state, reason, hint });
    }

    /// The checks in order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the answer is yes: at least one check was made, and none failed.
    #[must_use]
    pub fn admits(&self) -> bool {
        let looked_at = self.findings.iter().any(|f| matches!(f.state, State::Holds | State::Warns));
        looked_at && self.first_failure().is_none()
    }

    /// The first check that does not hold.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.state == State::Fails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_verdict_does_not_admit() {
        assert!(!Verdict::new().admits());
    }

    #[test]
    fn one_failure_decides() {
        let mut verdict = Verdict::new();
        verdict.holds("signature", "good");
        assert!(verdict.admits());
        verdict.fails("expiry", "expired", None);
        verdict.not_reached("roles");
        assert!(!verdict.admits());
        assert_eq!(verdict.first_failure().map(|f| f.check), Some("expiry"));
    }
}
