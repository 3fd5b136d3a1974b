//! Errors in the arguments of `cc-user`.

use crate::accounts::{AccountsErrors, ImportError};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::AccountError;
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;

impl From<AccountsErrors> for Failure {
    fn from(errors: AccountsErrors) -> Self {
        Self::several(errors.0)
    }
}

/// Why the arguments of `cc-user add` are invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddArgumentError {
    /// A field of the user.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The server's form without its two colons. The argument is not shown: a part of it is a
    /// password.
    #[error(
        "invalid argument: expected NAME:ROLE[,ROLE]:PASSWORD (the argument is not shown: it may contain a password)"
    )]
    Form,
    /// The roles in the server's form. They are not shown: they may be the password.
    #[error("unknown role in NAME:ROLE[,ROLE]:PASSWORD (the roles are not shown: they may be the password)")]
    UnknownRole,
}

diagnostics! { AddArgumentError:
    Self::Account(error) => error.kind(), error.hint();
    Self::Form => Kind::Usage, "to type the password at a prompt: cc-user add NAME --role ROLE[,ROLE]";
    Self::UnknownRole => Kind::RoleUnknown, "the roles are admin, support, manager, user, api, anonymous; \
                 to type the password at a prompt: cc-user add NAME --role ROLE[,ROLE]";
}

/// The failure of an import; the number of invalid lines is printed.
pub(super) fn import_failure(error: ImportError, console: &mut Console) -> Failure {
    match error {
        ImportError::UserDb(error) => error.into(),
        ImportError::InvalidLines { lines, errors } => {
            if lines > 0 {
                note_invalid_lines(lines, errors.len(), "nothing was imported", console);
            }
            Failure::several(errors)
        }
    }
}

/// Prints how many lines are invalid, and how many of them are not shown.
pub(super) fn note_invalid_lines(lines: u64, shown: usize, consequence: &str, console: &mut Console) {
    let what = format!("{} {}", counted(lines, "line"), one_or(lines, "is", "are"));
    let rest = lines.saturating_sub(shown as u64);
    let rest = if rest == 0 { String::new() } else { format!(" ({rest} of them are not shown)") };
    console.note(&format!("{what} invalid: {consequence}{rest}"));
}
