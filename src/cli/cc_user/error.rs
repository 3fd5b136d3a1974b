//! What `cc-user` refuses beyond what the rooms below do.

use crate::user::{AccountError, AuthSource, User};
use crate::user_db::UserDbError;
use crate::util::diagnostic::Diagnostic;
use crate::util::file::shell_word;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// Why the arguments ask for something that is not done. One fault of several that are told
/// together.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserCommandError {
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
    /// A user who came from somewhere else.
    #[error("the user {} is of source {}{}", quote(&.user.username), .user.source, only(.wanted))]
    Source {
        /// The user.
        user: User,
        /// The source asked for, if any.
        wanted: Option<AuthSource>,
    },
    /// A password for somebody whose password the server asks elsewhere.
    #[error("the user {} is of source {}: the server asks only local users for a password of its own", quote(&.0.username), .0.source)]
    NotLocal(User),
    /// Only a manager has projects, so they must go first.
    #[error("the role manager cannot be taken from {} while projects are left: {}", quote(.name), quote(&.projects.join(",")))]
    ProjectsLeft {
        /// The manager.
        name: String,
        /// The projects.
        projects: Vec<String>,
    },
    /// Only a manager has projects.
    #[error("the user {} is no manager, and only a manager has projects", quote(.0))]
    NoManager(String),
    /// A database's answer.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
}

impl Diagnostic for UserCommandError {
    fn kind(&self) -> Kind {
        match self {
            Self::Account(error) => error.kind(),
            Self::Spelling => Kind::Usage,
            Self::SpelledRoles => Kind::RoleUnknown,
            Self::Source { .. } | Self::NotLocal(_) => Kind::UserOfOtherSource,
            Self::ProjectsLeft { .. } => Kind::ManagerHasProjects,
            Self::NoManager(_) => Kind::ProjectNeedsManager,
            Self::UserDb(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Account(error) => error.hint(),
            Self::Spelling => {
                Some("the password is asked for: cc-user add NAME --role ROLE[,ROLE]".to_owned())
            }
            Self::SpelledRoles => Some(
                "the roles are admin, support, manager, user, api, anonymous; \
                 the password is asked for: cc-user add NAME --role ROLE[,ROLE]"
                    .to_owned(),
            ),
            Self::Source { user, wanted: None } => Some(format!(
                "{}; to delete the record all the same: cc-user del --source {} {}",
                match user.source {
                    AuthSource::Ldap => "the next sync brings the user back who is in the directory",
                    _ => "the next login brings the user back where sync-user-on-login is set",
                },
                user.source,
                shell_word(&user.username)
            )),
            Self::ProjectsLeft { name, projects } => Some(format!(
                "cc-user project remove {} {}",
                shell_word(name),
                projects.iter().map(|project| shell_word(project)).collect::<Vec<_>>().join(" ")
            )),
            Self::NoManager(name) => Some(format!("cc-user role add {} manager", shell_word(name))),
            Self::Source { .. } | Self::NotLocal(_) => None,
            Self::UserDb(error) => error.hint(),
        }
    }
}

/// That another source was asked for.
fn only(wanted: &Option<AuthSource>) -> String {
    wanted.map(|source| format!(", not {}", source.name())).unwrap_or_default()
}

/// A name as it was typed where a user's name is wanted, without what may be a password: who
/// uses the server's spelling `NAME:ROLES:PASSWORD` in the wrong place must not see it shown.
pub(super) fn without_password(name: &str) -> &str {
    name.match_indices(':').nth(1).map_or(name, |(second, _)| &name[..second])
}

/// That a name is not there, with the nearest one that is.
pub(super) fn no_user(name: &str, similar: Option<String>) -> UserDbError {
    UserDbError::UnknownUser { name: without_password(name).to_owned(), similar }
}

/// How a user is named in a hint that can be pasted.
pub(super) fn word(name: &str) -> String {
    shell_word(name)
}

/// How a user is named in a message.
pub(super) fn named(name: &str) -> String {
    quote(name)
}
