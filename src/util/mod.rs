//! The lowest layer, used by all other modules.
//!
//! Error kinds and exit statuses, files (read with a limit, written as a whole), escaping of untrusted
//! text, instants and Go durations, secrets that are wiped. Nothing here prints, prompts or reads the
//! process environment.

pub mod certificate;
pub mod check;
pub mod diagnostic;
pub mod duration;
pub mod environment;
pub mod file;
pub mod json_text;
pub mod kind;
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
pub mod xdg;
