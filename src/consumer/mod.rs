//! Renewal of the server's tokens in the files of the programs that use them, its consumers.
//!
//! [`Target`] (a file and a member) -> current token -> due? -> new token for the user -> the file with
//! the new value and no other change -> the command that makes the program read it.
//!
//! This module does not print, does not read a clock, and starts no process by itself.

mod access;
mod command;
mod edit;
mod error;
mod issuer;
mod job;
mod overrides;
mod renewal_file;
mod target;
mod value;

pub use access::{AccountName, ExpectedAccess};
pub use command::{ChangeCommand, CommandRunner};
pub use edit::EditError;
pub use error::{CommandFailure, ConsumerError};
pub use issuer::TokenSpec;
pub use job::{ConsumerFile, ConsumerRenewer, ConsumerToken, check_target};
pub use renewal_file::{
    DEFAULT_COMMAND_TIMEOUT, EntriesError, RenewalEntry, RenewalFileError, files, read_renewal_file,
};
pub use target::{Target, TargetMember, TargetSyntaxError};
