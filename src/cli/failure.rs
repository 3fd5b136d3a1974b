//! How a fault ends a program: one line, a hint, an exit status; or one JSON object.

use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::kind::Kind;

/// Any capability's fault on its way out, or a verdict that was already reported.
#[derive(Debug)]
pub struct Failure(Vec<Box<dyn Diagnostic>>);

impl Failure {
    /// Several faults of one input, reported together; the first one's status ends the program.
    #[must_use]
    pub fn several<F: Diagnostic>(faults: impl IntoIterator<Item = F>) -> Self {
        Self(faults.into_iter().map(|fault| Box::new(fault) as Box<dyn Diagnostic>).collect())
    }

    /// The faults in order.
    pub(crate) fn faults(&self) -> &[Box<dyn Diagnostic>] {
        &self.0
    }

    /// The status the program ends with.
    pub fn status(&self) -> ExitStatus {
        self.0.first().map_or(ExitStatus::Io, |fault| fault.status())
    }
}

impl<F: Diagnostic> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self(vec![Box::new(fault)])
    }
}

/// Arguments that clap takes one by one but that make no sense together or in this place.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    /// Wrong usage, in one line.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same with the next thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Diagnostic for UsageError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
