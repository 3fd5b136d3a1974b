//! Renewal of tokens in files: is a token due, sign it, replace the file, report an event.

pub mod backoff;
pub mod due;
pub mod job;
pub mod output;
pub mod sd_notify;

pub use due::{Due, Found, Reason, Times, decide};
pub use job::{Act, Event, Happened, Job, KeepError, Kept, keep_all};
pub use output::{Output, OutputError};
