//! Utilities that all other modules use.
//!
//! Error kinds and exit statuses, file access, escaping of untrusted text, times and Go durations,
//! secrets that are wiped on drop. These modules do not print, prompt or read the process
//! environment.

pub mod account;
pub mod certificate;
pub mod check;
pub mod count;
pub mod diagnostic;
pub mod dn;
pub mod duration;
pub mod environment;
pub mod file;
pub mod json;
pub mod json_text;
pub mod kind;
pub mod metrics;
pub mod monotonic;
pub mod note;
pub mod printable;
pub mod quote;
pub mod redact;
pub mod secret;
pub mod shell;
pub mod status;
pub mod suggest;
pub mod time;
pub mod trust;
pub mod watch_events;
pub mod xdg;
