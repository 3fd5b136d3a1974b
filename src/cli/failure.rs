//! Errors that end a program, and usage errors.

use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::kind::Kind;

/// One or several errors that end a program.
#[derive(Debug)]
pub struct Failure(Vec<Box<dyn Diagnostic>>);

impl Failure {
    /// Creates a failure from several errors of one input; the first one determines the exit
    /// status.
    #[must_use]
    pub fn several<F: Diagnostic>(errors: impl IntoIterator<Item = F>) -> Self {
        Self(errors.into_iter().map(|error| Box::new(error) as Box<dyn Diagnostic>).collect())
    }

    /// Joins the failures of several independent steps; the first one determines the exit status.
    /// Returns `None` without a failure.
    #[must_use]
    pub fn join(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        let errors: Vec<_> = failures.into_iter().flat_map(|failure| failure.0).collect();
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The errors in order.
    pub(crate) fn errors(&self) -> &[Box<dyn Diagnostic>] {
        &self.0
    }

    /// The exit status of the program.
    pub fn status(&self) -> ExitStatus {
        self.0.first().map_or(ExitStatus::Io, |error| error.status())
    }
}

impl<F: Diagnostic> From<F> for Failure {
    fn from(error: F) -> Self {
        Self(vec![Box::new(error)])
    }
}

/// Arguments that clap accepts individually but that are invalid together or in this place.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    /// Creates a usage error with a one-line message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds a hint.
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
