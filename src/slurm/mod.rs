//! Users, accounts and coordinators of Slurm accounting, as `sacctmgr` prints them.
//!
//! [`Sacctmgr::read()`] runs the two commands of [`COMMANDS`]; their output can also come from a file.
//! [`SlurmAnswer::parse()`] reads it, and [`Accounting::new()`] accepts it only if it is complete: an
//! account without privileges gets a part of the rows and a success from Slurm.

pub mod accounting;
pub mod answer;
pub mod commands;
pub mod error;
pub mod sacctmgr;
pub mod source;

pub use accounting::{AccountTree, Accounting};
pub use answer::{AdminLevel, Association, SlurmAnswer, SlurmUser};
pub use commands::COMMANDS;
pub use error::SlurmError;
pub use sacctmgr::{OUTPUT_LIMIT, Sacctmgr};
pub use source::{SAVED_LIMIT, SavedOutput, SlurmGrants, SlurmOptions, SlurmRules, SlurmSource};
