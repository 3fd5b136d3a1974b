//! Changes of the user table by a token or OpenID login.

use crate::history::DisabledUsers;
use crate::user::{Role, User, command_word};
use crate::user_db::{UserDb, UserDbError};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// What a login may change in the user table.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPermissions {
    /// Add an unknown user (`sync-user-on-login`).
    pub(super) may_add: bool,
    /// Update a known user of the same auth source (`update-user-on-login`).
    pub(super) may_update: bool,
    /// Roles that such a login can never assign and therefore never removes.
    pub(super) preserved_roles: &'static [Role],
}

/// What a login changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowChange {
    /// The user was added.
    Added,
    /// The login may update the row.
    Updated {
        /// The row after the login.
        row: Box<User>,
        /// Whether the row was changed.
        is_changed: bool,
        /// Whether the user was disabled and has roles again.
        is_enabled: bool,
    },
    /// The login may not update the row.
    Known(Box<User>),
    /// The user is not in the table.
    Unknown,
}

/// Adds or updates the user of a login. The row is read in the transaction that writes it, so
/// changes by an administrator in the meantime are not lost.
///
/// # Errors
/// [`UserDbError`].
pub(super) fn apply(
    store: &mut UserDb,
    login: &User,
    permissions: RowPermissions,
) -> Result<RowChange, UserDbError> {
    let may_update = |row: &User| permissions.may_update && row.source == login.source;
    match store.find(&login.username)? {
        None if !permissions.may_add => return Ok(RowChange::Unknown),
        Some(row) if !may_update(&row) => return Ok(RowChange::Known(Box::new(row))),
        _ => {}
    }
    let database = store.path().to_owned();
    let mut transaction = store.transaction()?;
    match transaction.record(&login.username)?.map(|record| record.user) {
        None if !permissions.may_add => Ok(RowChange::Unknown),
        None => {
            transaction.add(login, None)?;
            transaction.commit()?;
            Ok(RowChange::Added)
        }
        Some(row) if !may_update(&row) => Ok(RowChange::Known(Box::new(row))),
        Some(row) => {
            let after = updated(&row, login, permissions.preserved_roles);
            let is_changed = after != row;
            let is_enabled = !after.roles.is_empty()
                && DisabledUsers::restored_roles(&database, &row.username, &row.roles).is_some();
            if is_changed {
                transaction.update(&after)?;
                transaction.commit()?;
            }
            Ok(RowChange::Updated { row: Box::new(after), is_changed, is_enabled })
        }
    }
}

/// Warns that a login gave roles to a disabled user, as the same login at the server does. `issuer` is what
/// decides about the account.
pub(super) fn warn_of_enabled(username: &str, issuer: &str, notes: &mut Notes) {
    notes.warn_with(
        "user-disabled",
        format!(
            "{} was disabled and has roles again: this login sets them, as at the server",
            quote(username)
        ),
        format!("lock the account at the {issuer}, then: cc-user disable {}", command_word(username)),
    );
}

/// Returns the row after the login: name and roles of the login, and the projects as on the server.
/// A manager receives those of the login; a manager who becomes an admin keeps the old ones, and
/// with other roles they are removed; those of other users are unchanged.
fn updated(row: &User, login: &User, preserved_roles: &[Role]) -> User {
    let mut roles = login.roles.clone();
    let preserved = preserved_roles.iter().filter(|role| row.has_role(**role) && !login.has_role(**role));
    roles.extend(preserved.map(|role| role.name().to_owned()));
    let projects = if login.has_role(Role::Manager) {
        login.projects.clone()
    } else if row.has_role(Role::Manager) && !login.has_role(Role::Admin) {
        Vec::new()
    } else {
        row.projects.clone()
    };
    User { name: login.name.clone().or_else(|| row.name.clone()), roles, projects, ..row.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::AuthSource;

    fn user(roles: &[&str], projects: &[&str]) -> User {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        User {
            username: "clara".to_owned(),
            name: Some("Clara".to_owned()),
            roles: list(roles),
            projects: list(projects),
            email: None,
            source: AuthSource::Oidc,
        }
    }

    #[test]
    fn updated_row_has_the_projects_of_the_server() {
        let table: [(&[&str], &[&str], &[&str]); 9] = [
            // The roles before and after the login, and the projects after it. The projects before
            // are p and q; the login contains x.
            (&["manager"], &["manager"], &["x"]),
            (&["manager"], &["user"], &[]),
            (&["manager"], &["support"], &[]),
            (&["manager"], &["api"], &[]),
            (&["manager", "api"], &["user", "api"], &[]),
            (&["manager"], &["admin"], &["p", "q"]),
            (&["manager"], &["admin", "user"], &["p", "q"]),
            (&["user"], &["manager"], &["x"]),
            (&["user"], &["user"], &["p", "q"]),
        ];
        for (before, output, expected) in table {
            let after = updated(&user(before, &["p", "q"]), &user(output, &["x"]), &[]);
            assert_eq!(after.projects, expected, "{before:?} -> {output:?}");
            assert_eq!(after.roles, output);
        }
    }

    #[test]
    fn updated_row_preserves_roles_that_the_login_cannot_assign() {
        let roles = |before: &[&str], output: &[&str]| {
            updated(&user(before, &[]), &user(output, &[]), &[Role::Api]).roles
        };
        assert_eq!(roles(&["user", "api"], &["manager"]), ["manager", "api"]);
        assert_eq!(roles(&["user", "support"], &["manager"]), ["manager"]);
        assert_eq!(roles(&["api"], &["api", "user"]), ["api", "user"]);
    }
}
