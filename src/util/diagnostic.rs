//! What every error of the toolkit can tell besides its message: the exit status, a stable
//! kind for programs, and the next thing to do for people.

use std::error::Error;

use super::kind::Kind;
pub use super::status::ExitStatus;

/// An error a person can act on. Each capability has one enum of its own that implements this;
/// its `Display` is one line, lower case, without a final stop, naming what it is about.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// The kind of the error, with its stable name and its exit status.
    fn kind(&self) -> Kind;

    /// The exit status of a program that ends with this error; it follows from the kind.
    fn status(&self) -> ExitStatus {
        self.kind().status()
    }

    /// The next thing to do, at best a command that can be pasted.
    fn hint(&self) -> Option<String> {
        None
    }
}
