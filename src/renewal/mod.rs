//! Token resources, their signing and re-signing.
//!
//! resource -> checked -> key -> due? -> token -> file that is replaced whole -> event.

mod advice;
pub mod due;
pub mod keep;
pub mod output;
pub mod pause;
pub mod place;
pub mod publication;
pub mod resource;
pub mod signing;
pub mod systemd;
mod tree;

pub use due::{Due, Found, Reason, Times, decide};
pub use keep::{Act, Event, Happened, Job, KeepError, Kept, keep_all};
pub use output::{Output, OutputError};
pub use place::{FieldPath, Origin, Problem, ResourceFault};
pub use resource::{Change, KeySource, Resource};
pub use signing::{Signed, SigningError, Surroundings};
