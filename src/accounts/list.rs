//! Listing users.

use super::error::{AccountsError, AccountsErrors};
use super::store::UserStore;
use crate::history::DisabledUsers;
use crate::ldap::LdapSnapshot;
use crate::user::{AuthSource, Role, UsernamePattern};
use crate::user_db::{SortKey, UserDbError, UserFilter, UserRecord};

/// Users to list: those who meet all of these conditions.
#[derive(Debug, Default)]
pub struct ListRequest {
    /// The roles, the auth source and the project. With `only_disabled` the roles are those before
    /// the user was disabled.
    pub filter: UserFilter,
    /// Only usernames that match one of these patterns; empty for all.
    pub patterns: Vec<UsernamePattern>,
    /// Only users that `disable` disabled.
    pub only_disabled: bool,
    /// Only users of auth source LDAP that are not among these.
    pub not_in_ldap: Option<LdapUsers>,
    /// The order; without keys, that of the usernames.
    pub order: Vec<SortKey>,
    /// The maximum number of users.
    pub limit: Option<u64>,
}

/// How many users a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListCount {
    /// The number of listed users.
    pub listed: u64,
    /// Whether the limit left out further users.
    pub has_more: bool,
}

/// The users of an LDAP directory, at least one. An empty response would mean that every user is
/// missing, and is more likely an error of the settings.
#[derive(Debug)]
pub struct LdapUsers(LdapSnapshot);

impl LdapUsers {
    /// The users of a complete response.
    ///
    /// # Errors
    /// [`AccountsError::LdapNoUsers`], [`AccountsError::LdapNoUsernames`].
    pub fn new(snapshot: LdapSnapshot) -> Result<Self, AccountsError> {
        if snapshot.entries() == 0 {
            return Err(AccountsError::LdapNoUsers);
        }
        if !snapshot.has_users() {
            return Err(AccountsError::LdapNoUsernames {
                entries: snapshot.entries(),
                attribute: snapshot.uid_attribute().to_owned(),
            });
        }
        Ok(Self(snapshot))
    }

    /// Whether an entry has the username, even one that a user cannot have or that several entries
    /// have: a synchronization does not delete such a user either.
    fn contains(&self, username: &str) -> bool {
        self.0.find(username, 0).is_some()
    }
}

impl ListRequest {
    /// Whether the record meets the conditions that the filter of the user table does not have.
    fn matches(&self, record: &UserRecord, disabled: &DisabledUsers) -> bool {
        let user = &record.user;
        (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(&user.username)))
            && self
                .not_in_ldap
                .as_ref()
                .is_none_or(|ldap| user.source == AuthSource::Ldap && !ldap.contains(&user.username))
            && (!self.only_disabled
                || disabled.entry_of(record).is_some_and(|entry| has_any(&entry.roles, &self.filter.roles)))
    }
}

/// Whether a list has one of the roles, or no role is required.
fn has_any(names: &[String], roles: &[Role]) -> bool {
    roles.is_empty() || roles.iter().any(|role| names.iter().any(|name| name == role.name()))
}

/// Why the visit of the records ends early.
enum VisitEnd<E> {
    LimitReached,
    Failed(E),
}

impl<E: From<UserDbError>> From<UserDbError> for VisitEnd<E> {
    fn from(error: UserDbError) -> Self {
        Self::Failed(error.into())
    }
}

/// Calls `visit` with each listed user, while the user table is read. Only the row numbers of a
/// sorted list are in memory; of a running server, all users are.
///
/// # Errors
/// What `visit` returns, and the errors of the user table or the server.
pub fn list<E: From<AccountsErrors> + From<UserDbError>>(
    store: &mut UserStore,
    request: &ListRequest,
    disabled: &DisabledUsers,
    mut visit: impl FnMut(UserRecord) -> Result<(), E>,
) -> Result<ListCount, E> {
    let mut count = ListCount::default();
    // A disabled user does not have a role in the user table.
    let filter = if request.only_disabled {
        UserFilter { roles: Vec::new(), ..request.filter.clone() }
    } else {
        request.filter.clone()
    };
    let mut visit = |record| {
        if !request.matches(&record, disabled) {
            return Ok(());
        }
        if request.limit == Some(count.listed) {
            count.has_more = true;
            return Err(VisitEnd::LimitReached);
        }
        count.listed += 1;
        visit(record).map_err(VisitEnd::Failed)
    };
    let visited = match store {
        UserStore::Database { db, .. } => db.for_each_sorted(&filter, &request.order, visit),
        UserStore::Server(server) => {
            let mut records = server.records(&request.order).map_err(AccountsErrors::from)?;
            records.retain(|record| filter.matches(record));
            records.into_iter().try_for_each(&mut visit)
        }
    };
    match visited {
        Ok(()) | Err(VisitEnd::LimitReached) => Ok(count),
        Err(VisitEnd::Failed(error)) => Err(error),
    }
}
