//! What `cc-user` refuses beyond what the rooms below do.

use crate::base::fault::{Fault, Status};
use crate::base::file::shell_word;
use crate::base::quote::quote;
use crate::store::StoreError;
use crate::user::AccountError;

/// Why the arguments ask for something that is not done. One fault of several that are told
/// together.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The user as asked for.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The server's spelling without its two colons. What was given is not shown: one part of it
    /// is a password.
    #[error(
        "the argument is not of the form NAME:ROLE[,ROLE]:PASSWORD (it is not shown, since it may hold a password)"
    )]
    Spelling,
    /// The roles in the server's spelling. They are not shown: the password may stand there.
    #[error(
        "the roles in NAME:ROLE[,ROLE]:PASSWORD are not all known (they are not shown, since the password may stand there)"
    )]
    SpelledRoles,
    /// A database's answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for Refusal {
    fn status(&self) -> Status {
        match self {
            Self::Account(error) => error.status(),
            Self::Spelling | Self::SpelledRoles => Status::Usage,
            Self::Store(error) => error.status(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Account(error) => error.kind(),
            Self::Spelling => "usage",
            Self::SpelledRoles => "role-unknown",
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Account(error) => error.hint(),
            Self::Spelling => Some("cc-user add NAME --role ROLE[,ROLE] asks for the password".to_owned()),
            Self::SpelledRoles => Some(
                "the roles are admin, support, manager, user, api, anonymous; \
                 cc-user add NAME --role ROLE[,ROLE] asks for the password"
                    .to_owned(),
            ),
            Self::Store(error) => error.hint(),
        }
    }
}

/// A name as it was typed where a user's name is wanted, without what may be a password: who
/// uses the server's spelling `NAME:ROLES:PASSWORD` in the wrong place must not see it shown.
pub(super) fn without_password(name: &str) -> &str {
    name.match_indices(':').nth(1).map_or(name, |(second, _)| &name[..second])
}

/// That a name is not there, with the nearest one that is.
pub(super) fn no_user(name: &str, similar: Option<String>) -> StoreError {
    StoreError::NoUser { name: without_password(name).to_owned(), similar }
}

/// How a user is named in a hint that can be pasted.
pub(super) fn word(name: &str) -> String {
    shell_word(name)
}

/// How a user is named in a message.
pub(super) fn named(name: &str) -> String {
    quote(name)
}
