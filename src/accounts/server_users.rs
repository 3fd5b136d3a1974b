//! The users of a running server: one list of all users, and changes by one request each.
//!
//! A change of several roles and projects is not one transaction: if a request fails, the error names what the server
//! did before, and what is left.

use std::collections::HashMap;

use super::error::{AccountsError, AccountsErrors};
use super::sessions::SessionPolicy;
use crate::clustercockpit::{NewUser, ServerError, UserApi, UserOperation};
use crate::user::name::SimilarNames;
use crate::user::{Role, User, password};
use crate::user_db::{SortKey, UserRecord, sort_users};
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The users of a running server.
#[derive(Debug)]
pub struct ServerUsers {
    api: UserApi,
    options: String,
    sessions: SessionPolicy,
    users: Option<UserList>,
}

/// The list of all users at one time.
#[derive(Debug)]
struct UserList {
    users: Vec<User>,
    positions: HashMap<String, usize>,
}

impl ServerUsers {
    /// The users behind these requests. `options` are the options that select the server, with a blank before each,
    /// for the commands in hints.
    #[must_use]
    pub fn new(api: UserApi, options: String) -> Self {
        Self { api, options, sessions: SessionPolicy::of_unknown_settings(), users: None }
    }

    /// The options that select the server.
    #[must_use]
    pub fn options(&self) -> &str {
        &self.options
    }

    pub(super) const fn sessions(&self) -> &SessionPolicy {
        &self.sessions
    }

    fn list(&mut self) -> Result<&UserList, ServerError> {
        let list = match self.users.take() {
            Some(list) => list,
            None => UserList::request(&self.api)?,
        };
        Ok(self.users.insert(list))
    }

    /// Requests the records of all users, in this order.
    pub(super) fn records(&mut self, order: &[SortKey]) -> Result<Vec<UserRecord>, ServerError> {
        let mut users = self.api.list()?;
        sort_users(&mut users, order);
        Ok(users.into_iter().map(record_of).collect())
    }

    pub(super) fn record(&mut self, username: &str) -> Result<Option<UserRecord>, ServerError> {
        Ok(self.list()?.find(username).cloned().map(record_of))
    }

    pub(super) fn similar_usernames(
        &mut self,
        usernames: &[&str],
    ) -> Result<Vec<Option<String>>, ServerError> {
        let mut similar = SimilarNames::new(usernames);
        self.list()?.users.iter().for_each(|user| similar.compare(&user.username));
        Ok(similar.into_found())
    }

    pub(super) fn has_other_admin(&mut self, usernames: &[&str]) -> Result<bool, ServerError> {
        let is_other = |user: &User| !usernames.contains(&user.username.as_str());
        Ok(self.list()?.users.iter().any(|user| user.has_role(Role::Admin) && is_other(user)))
    }

    /// Changes roles and projects.
    pub(super) fn change(&self, before: &User, after: &User) -> Result<(), AccountsError> {
        self.run_operations(&after.username, &operations(before, after), &[])
    }

    fn run_operations(
        &self,
        username: &str,
        operations: &[UserOperation],
        before: &[String],
    ) -> Result<(), AccountsError> {
        for (position, operation) in operations.iter().enumerate() {
            let Err(source) = self.api.change(username, operation) else { continue };
            let is_done = self
                .outcome(&source, |users| users.find(username).is_some_and(|user| operation.is_done(user)));
            if is_done == Some(true) {
                continue;
            }
            let (done, left) = operations.split_at(position);
            let texts =
                |operations: &[UserOperation]| operations.iter().map(UserOperation::to_string).collect();
            let done: Vec<String> = texts(done);
            return Err(AccountsError::incomplete(
                before.iter().cloned().chain(done).collect(),
                texts(left.get(1..).unwrap_or_default()),
                is_done.is_none(),
                source,
            ));
        }
        Ok(())
    }

    /// Whether the server did what a request asked for, although the request failed; `None` if that is not known.
    /// Another program may have done the same, and an answer can be lost.
    fn outcome(&self, error: &ServerError, is_done: impl FnOnce(&UserList) -> bool) -> Option<bool> {
        let may_be_done = match error {
            ServerError::ChangeRejected { .. } => false,
            ServerError::RequestFailed { .. } => true,
            ServerError::Http(error) if error.is_temporary() => true,
            _ => return Some(false),
        };
        match UserList::request(&self.api) {
            Ok(list) => Some(is_done(&list)),
            Err(_) if may_be_done => None,
            Err(_) => Some(false),
        }
    }

    /// Adds a user: one request with a role and a project, and one more for each other role and project. Returns the
    /// user with the roles in the server's order.
    pub(super) fn add(&self, user: &User, password: Option<&SecretText>) -> Result<User, AccountsErrors> {
        let UserApi::Session(session) = &self.api else {
            return Err(AccountsError::TokenCannotAdd.into());
        };
        if let Some(password) = password {
            password::check(password).map_err(AccountsError::from)?;
        }
        // The server requires a project for a manager, and a password for each other role than api.
        let first = match password {
            None => Role::Api.name(),
            Some(_) if user.has_role(Role::Manager) => Role::Manager.name(),
            Some(_) => user.roles.first().map_or("", String::as_str),
        };
        let project = user.projects.first().filter(|_| first == Role::Manager.name());
        let mut stored = User {
            roles: vec![first.to_owned()],
            projects: project.cloned().into_iter().collect(),
            ..user.clone()
        };
        let new = NewUser {
            username: &user.username,
            password,
            role: first,
            project: project.map(String::as_str),
            name: user.name.as_deref(),
            email: user.email.as_deref(),
        };
        let operations = operations(&stored, user);
        let texts = operations.iter().map(UserOperation::to_string).collect();
        session.add_user(&new).map_err(|source| {
            let is_done = self.outcome(&source, |users| users.find(&user.username).is_some());
            // The user was not there before; whether this request added it is not known.
            AccountsError::incomplete(Vec::new(), texts, is_done != Some(false), source)
        })?;
        self.run_operations(
            &user.username,
            &operations,
            &[format!("add the user {}", quote(&user.username))],
        )?;
        operations.iter().for_each(|operation| operation.apply(&mut stored));
        Ok(stored)
    }

    /// Deletes users by one request each.
    pub(super) fn delete(&self, users: &[User]) -> Result<(), AccountsError> {
        let UserApi::Session(session) = &self.api else {
            return Err(AccountsError::TokenCannotAdd);
        };
        for (position, user) in users.iter().enumerate() {
            let Err(source) = session.delete_user(&user.username) else { continue };
            let is_done = self.outcome(&source, |list| list.find(&user.username).is_none());
            if is_done == Some(true) {
                continue;
            }
            let (done, left) = users.split_at(position);
            let texts = |users: &[User]| {
                users.iter().map(|user| format!("delete the user {}", quote(&user.username))).collect()
            };
            return Err(AccountsError::incomplete(
                texts(done),
                texts(left.get(1..).unwrap_or_default()),
                is_done.is_none(),
                source,
            ));
        }
        Ok(())
    }
}

impl UserList {
    fn request(api: &UserApi) -> Result<Self, ServerError> {
        let mut users = api.list()?;
        users.sort_by(|a, b| a.username.cmp(&b.username));
        let positions =
            users.iter().enumerate().map(|(position, user)| (user.username.clone(), position)).collect();
        Ok(Self { users, positions })
    }

    fn find(&self, username: &str) -> Option<&User> {
        self.users.get(*self.positions.get(username)?)
    }
}

/// The record of a listed user. The server lists only rows that it can read.
const fn record_of(user: User) -> UserRecord {
    UserRecord { user, has_password: false, invalid_columns: Vec::new() }
}

/// The requests that change the roles and projects, in an order that the server accepts: only a manager gets projects,
/// and only a manager without projects loses the role.
fn operations(before: &User, after: &User) -> Vec<UserOperation> {
    let missing = |from: &[String], list: &[String]| {
        let list: std::collections::HashSet<&String> = list.iter().collect();
        from.iter().filter(|entry| !list.contains(entry)).cloned().collect::<Vec<String>>()
    };
    let mut operations = Vec::new();
    operations.extend(missing(&after.roles, &before.roles).into_iter().map(UserOperation::AddRole));
    operations.extend(missing(&after.projects, &before.projects).into_iter().map(UserOperation::AddProject));
    operations
        .extend(missing(&before.projects, &after.projects).into_iter().map(UserOperation::RemoveProject));
    operations.extend(missing(&before.roles, &after.roles).into_iter().map(UserOperation::RemoveRole));
    operations
}

/// The user after the requests that change `before` to `after`: the entries in the order in which the server stores
/// them.
pub(super) fn stored_after(before: &UserRecord, after: &UserRecord) -> UserRecord {
    let mut stored = before.clone();
    operations(&before.user, &after.user).iter().for_each(|operation| operation.apply(&mut stored.user));
    stored
}
