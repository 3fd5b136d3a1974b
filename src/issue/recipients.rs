//! The recipients of tokens: one user, the users of a list, or all users.
//!
//! Many users are looked up twice, once to find unknown names and once while signing, so that memory
//! use is constant.

use super::error::IssueError;
use crate::config::Settings;
use crate::user::{Role, Username};
use crate::user_db::{OpenMode, UserDb, UserDbError, UserFilter};
use crate::util::quote::quote_path;

/// Selects the users.
#[derive(Debug, Clone)]
pub enum RecipientSelector {
    /// The user with this name.
    One(String),
    /// The users of a list with one name per line. Empty lines and lines that begin with `#` are
    /// skipped.
    Listed(String),
    /// All users in the user table, optionally only those with this role.
    All(Option<Role>),
}

/// A user, with the roles in the token.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// `sub`.
    pub name: String,
    /// `roles`.
    pub roles: Vec<String>,
}

/// The maximum number of recipients that are stored in memory and get individual warnings.
pub(super) const FEW: usize = 5;

/// A summary of the recipients of a request, computed before the first token is signed.
#[derive(Debug, Default)]
pub(super) struct RecipientSummary {
    pub(super) count: usize,
    /// The first recipients, at most [`FEW`].
    pub(super) first: Vec<Recipient>,
    /// The number of recipients that match the condition, and the first of them.
    pub(super) matching: usize,
    pub(super) first_matching: Option<String>,
}

/// A selector, with the user table if it needs one.
#[derive(Debug)]
pub(super) struct Recipients {
    selector: RecipientSelector,
    /// The roles of every token; `None` for those in the user table.
    roles: Option<Vec<String>>,
    database: Option<UserDb>,
}

impl Recipients {
    /// Opens the user table if it is needed for all users or for roles.
    pub(super) fn open(
        selector: &RecipientSelector,
        roles: Option<Vec<String>>,
        settings: &Settings,
    ) -> Result<Self, IssueError> {
        let database = if roles.is_some() && !matches!(selector, RecipientSelector::All(_)) {
            None
        } else {
            let path = settings.database()?;
            log::info!("users are looked up in {}", quote_path(path));
            Some(UserDb::open(path, OpenMode::Read)?)
        };
        Ok(Self { selector: selector.clone(), roles, database })
    }

    /// Counts the recipients and those that match `condition`.
    ///
    /// # Errors
    /// Returns the errors of all recipients together, and [`IssueError::NoRecipients`].
    pub(super) fn summarize(
        &self,
        condition: impl Fn(&Recipient) -> bool,
    ) -> Result<RecipientSummary, Vec<IssueError>> {
        let mut summary = RecipientSummary::default();
        let mut errors = Vec::new();
        let visited = self.visit(|result| {
            match result {
                Err(error) => errors.push(error),
                Ok(recipient) => {
                    summary.count += 1;
                    if condition(&recipient) {
                        summary.matching += 1;
                        summary.first_matching.get_or_insert_with(|| recipient.name.clone());
                    }
                    if summary.first.len() < FEW {
                        summary.first.push(recipient);
                    }
                }
            }
            Ok(())
        });
        errors.extend(visited.err());
        if errors.is_empty() && summary.count == 0 {
            errors.push(IssueError::NoRecipients);
        }
        if errors.is_empty() { Ok(summary) } else { Err(errors) }
    }

    /// Calls `visit` with every recipient in order. A few recipients come from the summary; otherwise,
    /// a user who no longer exists is an error.
    pub(super) fn each<E: From<IssueError>>(
        &self,
        summary: &RecipientSummary,
        mut visit: impl FnMut(Recipient) -> Result<(), E>,
    ) -> Result<(), E> {
        if summary.first.len() == summary.count {
            return summary.first.iter().cloned().try_for_each(visit);
        }
        self.visit(|result| visit(result?))
    }

    fn visit<E: From<IssueError>>(
        &self,
        mut visit: impl FnMut(Result<Recipient, IssueError>) -> Result<(), E>,
    ) -> Result<(), E> {
        match (&self.selector, &self.database) {
            (RecipientSelector::One(name), _) => visit(self.one(name)),
            (RecipientSelector::Listed(text), _) => {
                for (index, name) in text.lines().map(str::trim).enumerate() {
                    if !name.is_empty() && !name.starts_with('#') {
                        visit(self.listed(index + 1, name))?;
                    }
                }
                Ok(())
            }
            (RecipientSelector::All(role), Some(database)) => {
                let visited = database.for_each(&UserFilter::default(), |record| {
                    let result = match record.into_valid_user() {
                        Ok(user) if role.is_some_and(|role| !user.has_role(role)) => return Ok(()),
                        Ok(user) => Ok(Recipient {
                            name: user.username,
                            roles: self.roles.clone().unwrap_or(user.roles),
                        }),
                        Err(error) => Err(error.into()),
                    };
                    visit(result).map_err(VisitError::Visitor)
                });
                visited.map_err(|error| match error {
                    VisitError::UserDb(error) => IssueError::from(error).into(),
                    VisitError::Visitor(error) => error,
                })
            }
            (RecipientSelector::All(_), None) => Err(IssueError::NoRecipients.into()),
        }
    }

    fn one(&self, name: &str) -> Result<Recipient, IssueError> {
        if let Some(roles) = &self.roles {
            // Without the user table, only the syntax of the name is checked.
            let name = name.parse::<Username>()?.into_string();
            return Ok(Recipient { name, roles: roles.clone() });
        }
        match self.find(name)? {
            Some(recipient) => Ok(recipient),
            None => {
                let similar = self
                    .database
                    .as_ref()
                    .map(|database| database.similar_username(name))
                    .transpose()?
                    .flatten();
                Err(UserDbError::UnknownUser { name: name.to_owned(), similar }.into())
            }
        }
    }

    fn listed(&self, line: usize, name: &str) -> Result<Recipient, IssueError> {
        let name: Username = name.parse().map_err(|error| IssueError::InvalidLine { line, error })?;
        let name = name.into_string();
        match &self.roles {
            Some(roles) => Ok(Recipient { name, roles: roles.clone() }),
            None => self.find(&name)?.ok_or(IssueError::UnknownUser { line, name }),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Recipient>, UserDbError> {
        let user = self.database.as_ref().map(|database| database.find(name)).transpose()?.flatten();
        Ok(user.map(|user| Recipient { name: user.username, roles: user.roles }))
    }
}

/// Why an iteration over the user table stopped early.
enum VisitError<E> {
    UserDb(UserDbError),
    Visitor(E),
}

impl<E> From<UserDbError> for VisitError<E> {
    fn from(error: UserDbError) -> Self {
        Self::UserDb(error)
    }
}
