//! Whom tokens are issued for: one user, those in a list, or all. Many are looked up twice, first to
//! see that nobody is missing and then one by one as their tokens are signed, so that neither they
//! nor their tokens are held: memory does not grow with their number.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::user::{Role, Username};
use crate::user_db::{OpenMode, UserDb, UserDbError, UserFilter};
use crate::util::diagnostic::Diagnostic;
use crate::util::file;
use crate::util::kind::Kind;
use crate::util::quote::{quote, quote_path};

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecipientError {
    /// A name that is in the list but not in the table, and the line it stands in.
    #[error("line {line}: there is no user {}", quote(.name))]
    NoUser { line: usize, name: String },
    /// A broken line of the list of names.
    #[error("line {line}: {fault}")]
    BadName { line: usize, fault: crate::user::UsernameError },
    /// The table cannot be read, or a user in it.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
    /// Nobody to issue a token for.
    #[error("no user to issue a token for")]
    NoRecipients,
    /// Standard input fails.
    #[error("standard input cannot be read: {0}")]
    Unreadable(String),
    /// A part of the list would be left out.
    #[error("the list on standard input is longer than {LIST_LIMIT} bytes: no token was issued")]
    TooLong,
    /// The list is not text.
    #[error("the list on standard input is not UTF-8")]
    NotText,
}

impl Diagnostic for RecipientError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoUser { .. } => Kind::UserNotFound,
            Self::BadName { .. } => Kind::RecipientMalformed,
            Self::UserDb(error) => error.kind(),
            Self::NoRecipients => Kind::RecipientsEmpty,
            Self::Unreadable(_) => Kind::InputUnreadable,
            Self::TooLong => Kind::FileTooLarge,
            Self::NotText => Kind::FileNotText,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UserDb(error) => error.hint(),
            _ => None,
        }
    }
}

/// The user a token is for, and the roles it gets.
#[derive(Debug, Clone)]
pub(super) struct Recipient {
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// Who is asked for.
pub(super) enum RecipientSelector {
    /// The user of this name.
    One(String),
    /// Those named in a file; `-` is standard input.
    Listed(PathBuf),
    /// All, or all with this role.
    All(Option<Role>),
}

enum Found {
    One(String),
    /// The list itself: standard input cannot be read twice.
    Listed(String),
    All(Option<Role>),
}

/// Those asked for, ready to be looked up.
pub(super) struct Recipients {
    found: Found,
    /// The roles for everybody; the table's otherwise.
    roles: Option<Vec<String>>,
    store: Option<UserDb>,
}

/// What a look at everybody says.
#[derive(Debug, Default)]
pub(super) struct RecipientSummary {
    pub(super) count: usize,
    /// The first ones, as many as are told of one by one.
    pub(super) first: Vec<Recipient>,
    /// How many lack something, and the first of them.
    pub(super) lacking: usize,
    pub(super) first_lacking: Option<String>,
}

/// Up to so many tokens are remarked on one by one.
pub(super) const TOLD_ONE_BY_ONE: usize = 5;

impl Recipients {
    /// Opens the list and, where it is asked, the table.
    pub(super) fn open(
        who: RecipientSelector,
        roles: Option<Vec<String>>,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let found = match who {
            RecipientSelector::One(name) => Found::One(name),
            RecipientSelector::Listed(path) => Found::Listed(read_list(&path)?),
            RecipientSelector::All(role) => Found::All(role),
        };
        let store = if roles.is_some() && !matches!(found, Found::All(_)) {
            None
        } else {
            let path = settings.database()?;
            log::info!("users are looked up in {}", quote_path(path));
            Some(UserDb::open(path, OpenMode::Read)?)
        };
        Ok(Self { found, roles, store })
    }

    /// Looks at everybody: all faults together, or how many there are and how many `lacks` holds for.
    pub(super) fn look(&self, lacks: impl Fn(&Recipient) -> bool) -> Result<RecipientSummary, Failure> {
        let mut census = RecipientSummary::default();
        let mut faults = Vec::new();
        self.visit(|found| {
            match found {
                Err(fault) => faults.push(fault),
                Ok(person) => {
                    census.count += 1;
                    if lacks(&person) {
                        census.lacking += 1;
                        census.first_lacking.get_or_insert_with(|| person.name.clone());
                    }
                    if census.first.len() < TOLD_ONE_BY_ONE {
                        census.first.push(person);
                    }
                }
            }
            Ok(())
        })?;
        match (census.count, faults.is_empty()) {
            (_, false) => Err(Failure::several(faults)),
            (0, true) => Err(RecipientError::NoRecipients.into()),
            _ => Ok(census),
        }
    }

    /// Calls `visit` with everybody in order. A few are those of the first look; of many, one who
    /// has gone since then ends it.
    pub(super) fn each(
        &self,
        census: &RecipientSummary,
        mut visit: impl FnMut(Recipient) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if census.first.len() == census.count {
            return census.first.iter().cloned().try_for_each(visit);
        }
        self.visit(|found| visit(found?))
    }

    fn visit(
        &self,
        mut visit: impl FnMut(Result<Recipient, RecipientError>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match (&self.found, &self.store) {
            (Found::One(name), _) => visit(self.one(name)),
            (Found::Listed(text), _) => {
                for (at, name) in text.lines().map(str::trim).enumerate() {
                    if !name.is_empty() && !name.starts_with('#') {
                        visit(self.listed(at + 1, name))?;
                    }
                }
                Ok(())
            }
            (Found::All(role), Some(store)) => {
                let walked = store.for_each(&UserFilter::default(), |record| {
                    let found = match record.into_valid_user() {
                        Ok(user) if role.is_some_and(|role| !user.has_role(role)) => return Ok(()),
                        Ok(user) => Ok(Recipient {
                            name: user.username,
                            roles: self.roles.clone().unwrap_or(user.roles),
                        }),
                        Err(error) => Err(error.into()),
                    };
                    visit(found).map_err(Stop::Visitor)
                });
                walked.map_err(|stop| match stop {
                    Stop::UserDb(error) => error.into(),
                    Stop::Visitor(failure) => failure,
                })
            }
            (Found::All(_), None) => Err(RecipientError::NoRecipients.into()),
        }
    }

    fn one(&self, name: &str) -> Result<Recipient, RecipientError> {
        if let Some(roles) = &self.roles {
            return Ok(Recipient { name: name.to_owned(), roles: roles.clone() });
        }
        match self.find(name)? {
            Some(person) => Ok(person),
            None => {
                let similar =
                    self.store.as_ref().map(|store| store.similar_username(name)).transpose()?.flatten();
                Err(UserDbError::UnknownUser { name: name.to_owned(), similar }.into())
            }
        }
    }

    fn listed(&self, line: usize, name: &str) -> Result<Recipient, RecipientError> {
        let name: Username = name.parse().map_err(|fault| RecipientError::BadName { line, fault })?;
        let name = name.into_string();
        match &self.roles {
            Some(roles) => Ok(Recipient { name, roles: roles.clone() }),
            None => self.find(&name)?.ok_or(RecipientError::NoUser { line, name }),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Recipient>, UserDbError> {
        let user = self.store.as_ref().map(|store| store.find(name)).transpose()?.flatten();
        Ok(user.map(|user| Recipient { name: user.username, roles: user.roles }))
    }
}

/// What ends a walk through the table.
enum Stop {
    UserDb(UserDbError),
    Visitor(Failure),
}

impl From<UserDbError> for Stop {
    fn from(error: UserDbError) -> Self {
        Self::UserDb(error)
    }
}

/// The longest list of names, in bytes: a million names.
const LIST_LIMIT: u64 = 64 << 20;

/// Reads a list of names, one a line; empty lines and comments (`#`) are skipped later.
fn read_list(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return Ok(file::read_text(path, LIST_LIMIT)?);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(LIST_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| RecipientError::Unreadable(file::reason(&error)))?;
    if bytes.len() as u64 > LIST_LIMIT {
        return Err(RecipientError::TooLong.into());
    }
    String::from_utf8(bytes).map_err(|_| RecipientError::NotText.into())
}
