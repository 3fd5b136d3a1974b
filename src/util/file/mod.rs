//! Reading, writing and locking of files.
//!
//! Reads have a size limit, writes are atomic, and a symbolic link that another account can change
//! is not followed ([`Location`]). A write goes to a new file in the same directory, which is
//! synced and then renamed: a reader sees the old or the new content, never a part. Owner and mode
//! are set on the open file. No other module writes files.

mod append;
mod error;
mod location;
mod lock;
mod mode;
mod read;
mod replace;
mod stream;
mod sweep;
mod trust;
mod write;

pub use append::{AppendFile, beside, open_beside, tail};
pub use error::{FileError, reason};
pub use location::{Location, create_directory_all};
pub use lock::{open_lock, try_for_seconds};
pub use mode::{ModeChange, restrict_mode};
pub use read::{
    canonical, check_default_database, list, read, read_beside, read_default, read_named, read_named_text,
    read_output, read_own, read_text, text,
};
pub use replace::ReplaceableFile;
pub use sweep::{TEMPORARY, sweep};
pub use trust::{FileContents, UntrustedReason, warn_if_exposed};
pub use write::{
    Existing, TemporaryFile, WriteOptions, check_free, create_own_directory, create_private_directory,
    remove, warn_if_not_owner, write, write_in_parts,
};

pub use super::shell::word as shell_word;

/// The maximum size of a configuration, key or environment file, in bytes.
pub const SETTINGS_LIMIT: u64 = 4 << 20;

/// The maximum size of the file of disabled users, in bytes.
pub const DISABLED_USERS_LIMIT: u64 = 64 << 20;

/// The mode of a file that contains a secret.
pub const PRIVATE_MODE: u32 = 0o600;

/// The mode of a file that all accounts may read.
pub const PUBLIC_MODE: u32 = 0o644;

/// The mode of a directory for published files.
pub const PUBLIC_DIRECTORY_MODE: u32 = 0o755;
