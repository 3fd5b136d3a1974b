//! The source of the users: the database of a server, or a running server. The actions on
//! accounts are the same for both.

use super::error::{AccountsErrors, unknown_user};
use super::report::UserReport;
use super::server_users::{ServerUsers, stored_after};
use super::sessions::SessionPolicy;
use crate::history::{DisabledUsers, UserRights};
use crate::user::{PasswordHash, User};
use crate::user_db::{Transaction, UserDb, UserRecord};
use crate::util::secret::SecretText;

/// The source of the users.
#[derive(Debug)]
pub enum UserStore {
    /// In the database of a server.
    Database {
        /// The database.
        db: Box<UserDb>,
        /// The settings for web sessions and tokens.
        sessions: SessionPolicy,
    },
    /// Behind the requests of a running server.
    Server(Box<ServerUsers>),
}

impl UserStore {
    /// The options that select these users, with a blank before each, for the commands in hints.
    #[must_use]
    pub fn options(&self) -> String {
        match self {
            Self::Database { .. } => String::new(),
            Self::Server(server) => server.options().to_owned(),
        }
    }

    /// Whether the users are behind the requests of a running server.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    pub(super) fn sessions(&self) -> SessionPolicy {
        match self {
            Self::Database { sessions, .. } => sessions.clone(),
            Self::Server(server) => server.sessions().clone(),
        }
    }

    /// Returns the record of a user.
    ///
    /// # Errors
    /// The errors of the database or server.
    pub fn record(&mut self, username: &str) -> Result<Option<UserRecord>, AccountsErrors> {
        Ok(match self {
            Self::Database { db, .. } => db.record(username)?,
            Self::Server(server) => server.record(username)?,
        })
    }

    /// Returns a username that differs from this one only in case or blanks.
    ///
    /// # Errors
    /// The errors of the database or server.
    pub fn similar_username(&mut self, username: &str) -> Result<Option<String>, AccountsErrors> {
        Ok(match self {
            Self::Database { db, .. } => db.similar_username(username)?,
            Self::Server(server) => server.similar_usernames(&[username])?.into_iter().next().flatten(),
        })
    }

    /// Adds a user, and returns the user as stored.
    pub(super) fn add(&mut self, user: User, password: Option<&SecretText>) -> Result<User, AccountsErrors> {
        match self {
            Self::Database { db, .. } => {
                let hash = password.map(PasswordHash::new).transpose()?;
                let mut transaction = db.transaction()?;
                transaction.add(&user, hash.as_ref())?;
                transaction.commit()?;
                Ok(user)
            }
            Self::Server(server) => server.add(&user, password),
        }
    }

    /// Begins a change: a transaction of the database, or the list of all users of a server.
    pub(super) fn begin(&mut self) -> Result<UserTable<'_>, AccountsErrors> {
        Ok(match self {
            Self::Database { db, .. } => UserTable::Database { transaction: db.transaction()? },
            Self::Server(server) => UserTable::Server(server),
        })
    }
}

/// The users during a change.
#[derive(Debug)]
pub(super) enum UserTable<'s> {
    Database { transaction: Transaction<'s> },
    Server(&'s mut ServerUsers),
}

impl UserTable<'_> {
    pub(super) fn record(&mut self, username: &str) -> Result<Option<UserRecord>, AccountsErrors> {
        Ok(match self {
            Self::Database { transaction } => transaction.record(username)?,
            Self::Server(server) => server.record(username)?,
        })
    }

    /// The record of a user, or the error with a similar username.
    pub(super) fn existing(&mut self, username: &str) -> Result<UserRecord, AccountsErrors> {
        if let Some(record) = self.record(username)? {
            return Ok(record);
        }
        let similar = self.similar_usernames(&[username])?.into_iter().next().flatten();
        Err(unknown_user(username, similar).into())
    }

    pub(super) fn similar_usernames(
        &mut self,
        usernames: &[&str],
    ) -> Result<Vec<Option<String>>, AccountsErrors> {
        Ok(match self {
            Self::Database { transaction } => transaction.similar_usernames(usernames)?,
            Self::Server(server) => server.similar_usernames(usernames)?,
        })
    }

    pub(super) fn has_other_admin(&mut self, usernames: &[&str]) -> Result<bool, AccountsErrors> {
        Ok(match self {
            Self::Database { transaction } => transaction.has_other_admin(usernames)?,
            Self::Server(server) => server.has_other_admin(usernames)?,
        })
    }

    /// The users that 'cc-user disable' disabled. A server does not report them.
    pub(super) fn disabled_users(&self) -> Result<DisabledUsers, AccountsErrors> {
        match self {
            Self::Database { transaction } => Ok(transaction.disabled_users()?),
            Self::Server(_) => Ok(DisabledUsers::default()),
        }
    }

    /// What synchronizations gave to a user, by source. A server does not report it.
    pub(super) fn given(&self, username: &str) -> Result<UserRights, AccountsErrors> {
        match self {
            Self::Database { transaction } => Ok(transaction.given()?.user(username).unwrap_or_default()),
            Self::Server(_) => Ok(UserRights::default()),
        }
    }

    pub(super) fn report(&self, record: &UserRecord, disabled: &DisabledUsers) -> UserReport {
        match self {
            Self::Database { .. } => UserReport::new(record, disabled),
            Self::Server(_) => UserReport::at_server(&record.user),
        }
    }

    /// The user as it is stored after a change.
    pub(super) fn stored_after(&self, before: &UserRecord, after: UserRecord) -> UserRecord {
        match self {
            Self::Database { .. } => after,
            Self::Server(_) => stored_after(before, &after),
        }
    }
}
