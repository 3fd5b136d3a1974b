//! Renewal of the server's tokens in the files of the programs that use them, its consumers.
//!
//! [`Target`] (a file and a member) -> current token -> due? -> new token for the user -> the file with
//! the new value and no other change -> the command that makes the program read it.
//!
//! This module does not print, does not read a clock, and starts no process by itself.

mod edit;
mod target;
mod value;

pub use edit::EditProblem;
pub use target::{Target, TargetMember, TargetSyntaxError};
