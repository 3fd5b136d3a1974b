//! Why an action on accounts is rejected.

use super::server_limit::ServerLimit;
use crate::clustercockpit::ServerError;
use crate::history::{HistoryError, RunId};
use crate::user::{AccountError, AuthSource, PasswordError};
use crate::user_db::{UserDbError, UserReferences};
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::Diagnostic;
use crate::util::file::{FileError, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// Why an action is rejected; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A field of the user is invalid.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The password is invalid.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The user has another auth source than a local one, or than the requested one.
    #[error("the user {} has the auth source {}{}", quote(.username), .auth_source, only(.requested))]
    OtherSource {
        /// The user.
        username: String,
        /// The auth source of the user.
        auth_source: AuthSource,
        /// The requested auth source, if any.
        requested: Option<AuthSource>,
    },
    /// Only a local user has a password in the user table.
    #[error("the user {} has the auth source {}: only local users have a password in the user table", quote(.username), .auth_source)]
    NotLocal {
        /// The user.
        username: String,
        /// The auth source of the user.
        auth_source: AuthSource,
    },
    /// A manager cannot lose the role while projects are left.
    #[error("cannot remove the role manager from {}: projects are left: {}", quote(.username), quote(&.projects.join(",")))]
    ProjectsLeft {
        /// The manager.
        username: String,
        /// The projects.
        projects: Vec<String>,
    },
    /// Only a manager has projects.
    #[error("the user {} is not a manager: only managers have projects", quote(.0))]
    NotManager(String),
    /// The username belongs to the auth source.
    #[error("cannot rename the user {}: the username comes from the auth source {}", quote(.username), .auth_source)]
    NameOfSource {
        /// The user.
        username: String,
        /// The auth source of the user.
        auth_source: AuthSource,
    },
    /// Jobs or private tags of the server refer to the username.
    #[error("cannot rename the user {}: {}", quote(.username), referring(*.references))]
    HasReferences {
        /// The user.
        username: String,
        /// The number of jobs and tags.
        references: UserReferences,
    },
    /// The roles and the password of a disabled user do not change.
    #[error("the user {} is disabled", quote(.0))]
    Disabled(String),
    /// The file of disabled users cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The run is not in the journal; `None` if the journal has no runs.
    #[error("{}", unknown_run(.0.as_ref()))]
    UnknownRun(Option<RunId>),
    /// The IDs of several runs begin with the text; one of them.
    #[error("ambiguous run: several IDs begin with this text{}", .0.as_ref().map_or_else(String::new, |run| format!(", such as {run}")))]
    AmbiguousRun(Option<RunId>),
    /// Another run changed users between the start of an undo of the last run and its transaction.
    #[error("the run {} changed users in the meantime and is the last one now: nothing was undone", .0)]
    NotLast(RunId),
    /// The LDAP search returned no entry.
    #[error("the LDAP search returned no users")]
    LdapNoUsers,
    /// No entry of the LDAP search has a username that a user can have.
    #[error(
"the LDAP search returned {}, none with a usable username in {}",
 counted(*.entries, "entry"), quote(.attribute))]
    LdapNoUsernames {
        /// The number of entries.
        entries: u64,
        /// The attribute with the usernames, as configured.
        attribute: String,
    },
    /// The user table.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// A request to a running server failed, and nothing was changed before.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A request to a running server failed, after others or with an unknown result.
    #[error("{source}{}", parts(.done, .left, *.is_unknown))]
    Incomplete {
        /// What the server did before.
        done: Vec<String>,
        /// What was not requested after the failure.
        left: Vec<String>,
        /// Whether it is unknown if the server did what failed.
        is_unknown: bool,
        /// The failure.
        source: Box<ServerError>,
    },
    /// No request of a running server does this.
    #[error("a running server has no request to {0}")]
    NotAtServer(ServerLimit),
    /// A token is not enough for the requests that add and delete users.
    #[error("a running server adds and deletes users only in a web session: a token is not enough")]
    TokenCannotAdd,
    /// An error at a running server.
    #[error("{error}")]
    AtServer {
        /// The error.
        error: Box<AccountsError>,
        /// The options that select the server, with a blank before each.
        options: String,
    },
}

fn unknown_run(run: Option<&RunId>) -> String {
    run.map_or_else(
        || "the journal has no runs".to_owned(),
        |run| format!("the run {} is not in the journal", quote(run.as_str())),
    )
}

impl From<HistoryError> for AccountsError {
    fn from(error: HistoryError) -> Self {
        Self::UserDb(error.into())
    }
}

impl From<ServerLimit> for AccountsError {
    fn from(limit: ServerLimit) -> Self {
        Self::NotAtServer(limit)
    }
}

impl AccountsError {
    /// The error of a request after these others.
    pub(super) fn incomplete(
        done: Vec<String>,
        left: Vec<String>,
        is_unknown: bool,
        source: ServerError,
    ) -> Self {
        if done.is_empty() && left.is_empty() && !is_unknown {
            return Self::Server(source);
        }
        Self::Incomplete { done, left, is_unknown, source: Box::new(source) }
    }
}

fn parts(done: &[String], left: &[String], is_unknown: bool) -> String {
    let mut text = String::new();
    if is_unknown {
        text.push_str("; it is unknown whether the server did this");
    }
    for (label, actions) in [("done before", done), ("not done", left)] {
        if !actions.is_empty() {
            text.push_str(&format!("; {label}: {}", actions.join(", ")));
        }
    }
    text
}

impl Diagnostic for AccountsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Account(error) => error.kind(),
            Self::Password(error) => error.kind(),
            Self::OtherSource { .. } | Self::NotLocal { .. } | Self::NameOfSource { .. } => {
                Kind::UserOfOtherSource
            }
            Self::HasReferences { .. } => Kind::UserHasJobs,
            Self::ProjectsLeft { .. } => Kind::ManagerHasProjects,
            Self::NotManager(_) => Kind::ProjectNeedsManager,
            Self::Disabled(_) => Kind::UserDisabled,
            Self::File(error) => error.kind(),
            Self::UnknownRun(_) => Kind::RunNotFound,
            Self::AmbiguousRun(_) => Kind::RunAmbiguous,
            Self::NotLast(_) => Kind::RunNotLast,
            Self::LdapNoUsers => Kind::SyncNoUsers,
            Self::LdapNoUsernames { .. } => Kind::SyncNoUsernames,
            Self::UserDb(error) => error.kind(),
            Self::Server(error) => error.kind(),
            Self::Incomplete { source, .. } => source.kind(),
            Self::NotAtServer(_) | Self::TokenCannotAdd => Kind::ServerUnsupported,
            Self::AtServer { error, .. } => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::AtServer { error, options } => error.hint_with(options),
            other => other.hint_with(""),
        }
    }
}

impl AccountsError {
    /// The hint, with options of the command that select the users.
    fn hint_with(&self, options: &str) -> Option<String> {
        match self {
            Self::Account(error) => error.hint(),
            Self::Password(error) => error.hint(),
            Self::OtherSource { username, auth_source, requested: None } => Some(format!(
                "{}; to delete the user nevertheless: cc-user del --source {} {}{options}",
                match auth_source {
                    AuthSource::Ldap =>
                        "the next sync adds the user again if the LDAP directory still has the entry",
                    _ => "the next login adds the user again if sync-user-on-login is set",
                },
                auth_source,
                shell_word(username)
            )),
            // A comma separates projects in arguments.
            Self::ProjectsLeft { username, projects } if projects.iter().any(|name| name.contains(',')) => {
                Some(format!("cc-user set {} --clear-projects{options}", shell_word(username)))
            }
            Self::ProjectsLeft { username, projects } => Some(format!(
                "cc-user project remove {} {}{options}",
                shell_word(username),
                projects.iter().map(|project| shell_word(project)).collect::<Vec<_>>().join(" ")
            )),
            Self::NotManager(username) => {
                Some(format!("cc-user role add {} manager{options}", shell_word(username)))
            }
            Self::OtherSource { .. }
            | Self::NotLocal { .. }
            | Self::NameOfSource { .. }
            | Self::HasReferences { .. }
            | Self::AmbiguousRun(_)
            | Self::NotLast(_) => None,
            Self::UnknownRun(None) => None,
            Self::UnknownRun(Some(_)) => Some("cc-user log".to_owned()),
            Self::Disabled(username) => Some(format!("cc-user enable {}", shell_word(username))),
            Self::File(error) => error.hint(),
            Self::LdapNoUsers => {
                Some("check 'user-base' and 'user-filter', and what 'search-dn' may read".to_owned())
            }
            Self::LdapNoUsernames { .. } => {
                Some("check 'uid-attr' in auth.ldap, and what 'search-dn' may read".to_owned())
            }
            Self::UserDb(error) => error.hint(),
            Self::Server(error) => error.hint(),
            Self::Incomplete { source, .. } => source.hint(),
            Self::NotAtServer(limit) => Some(limit.hint().to_owned()),
            Self::TokenCannotAdd => Some("log in as an administrator with --admin NAME".to_owned()),
            Self::AtServer { error, options } => error.hint_with(options),
        }
    }
}

fn only(source: &Option<AuthSource>) -> String {
    source.map(|source| format!(", not {source}")).unwrap_or_default()
}

/// Which rows of the server contain a username.
fn referring(references: UserReferences) -> String {
    let UserReferences { jobs, tags } = references;
    let shown: Vec<String> = [(jobs, "job"), (tags, "private tag")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect();
    let verb = one_or(jobs + tags, "belongs", "belong");
    format!("{} in the database {verb} to this username", shown.join(" and "))
}

/// All reasons why an action is rejected, at least one.
#[derive(Debug)]
pub struct AccountsErrors(pub Vec<AccountsError>);

impl AccountsErrors {
    /// Adds the options that select the users to the commands in hints.
    pub(super) fn with_options(self, options: &str) -> Self {
        if options.is_empty() {
            return self;
        }
        let at_server =
            |error| AccountsError::AtServer { error: Box::new(error), options: options.to_owned() };
        Self(self.0.into_iter().map(at_server).collect())
    }
}

impl<E: Into<AccountsError>> From<E> for AccountsErrors {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
    }
}

/// The error of an unknown username. The part after a second colon is left out: it is a password if
/// the argument has the form `NAME:ROLES:PASSWORD`.
#[must_use]
pub fn unknown_user(username: &str, similar: Option<String>) -> UserDbError {
    let name = username.match_indices(':').nth(1).map_or(username, |(second, _)| &username[..second]);
    UserDbError::UnknownUser { name: name.to_owned(), similar }
}
