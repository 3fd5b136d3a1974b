//! The ground floor: what every room stands on and what knows nothing of any of them.
//!
//! Secrets that wipe themselves, instants and Go durations, quoting of untrusted text,
//! reading with a limit and writing whole or not at all, faults with their exit status,
//! notes to people. Nothing here prints, asks or looks at the environment.

pub mod certificate;
pub mod duration;
pub mod environment;
pub mod fault;
pub mod file;
pub mod json_text;
pub mod kind;
pub mod near;
pub mod note;
pub mod printable;
pub mod quote;
pub mod redact;
pub mod secret;
pub mod shell;
pub mod status;
pub mod time;
pub mod trust;
pub mod xdg;
