//! Why no token was issued.

use crate::key::KeyError;
use crate::token::SignError;
use crate::user::UsernameError;
use crate::user_db::UserDbError;
use crate::util::diagnostic::diagnostics;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The name is not a username.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// A name in a list does not exist in the user table.
    #[error("line {line}: user {} does not exist", quote(.name))]
    UnknownUser {
        /// The line, counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A line of a list is not a username.
    #[error("line {line}: {error}")]
    InvalidLine {
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        error: UsernameError,
    },
    /// The list is empty, or no user in the user table matches.
    #[error("no users match: no token was issued")]
    NoRecipients,
    /// The database belongs to another account.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user table cannot be read, or a user in it is invalid.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// The key cannot be used, or the system returned no random bytes.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The token cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

diagnostics! { IssueError:
    Self::Username(error) => error.kind(), error.hint();
    Self::UnknownUser { .. } => Kind::UserNotFound;
    Self::InvalidLine { .. } => Kind::RecipientMalformed;
    Self::NoRecipients => Kind::RecipientsEmpty;
    Self::File(error) => error.kind(), error.hint();
    Self::UserDb(error) => error.kind(), error.hint();
    Self::Key(error) => error.kind(), error.hint();
    Self::Sign(error) => error.kind(), error.hint();
}
