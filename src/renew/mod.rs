//! Renewal of tokens in files: is a token due, sign it, replace the file, report an event.

pub mod backoff;
pub mod due;
pub mod host;
pub mod job;
pub mod output;
pub mod schedule;
pub mod sd_notify;
pub mod watch;

pub use due::{Due, RenewReason, TokenInFile, TokenTimes, check};
pub use job::{
    CommandResult, OsdfRenewer, RenewAction, RenewError, RenewEvent, RenewMode, Renewal, RenewalJob,
    RenewalSubject, Renewer, run_all,
};
pub use output::{OutputError, TokenFile};
