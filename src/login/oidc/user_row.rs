//! The row of an OpenID user in the user table.

use super::id_token::IdTokenSubject;
use super::provider_config::ProviderConfig;
use crate::login::identity::{Identity, Method};
use crate::login::row::{self, RowChange, RowPermissions};
use crate::user::{AuthSource, Role, User};
use crate::user_db::{UserDb, UserDbError};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Adds an unknown user with sync-user-on-login, and updates a known user of source oidc with
/// update-user-on-login, except for the role api, which a provider can never assign. A user of another
/// source is never changed. Without a user table, or without the rights of an ID token, nothing is written.
///
/// # Errors
/// [`UserDbError`].
pub fn update_user_db(
    subject: &IdTokenSubject,
    config: &ProviderConfig,
    store: Option<&mut UserDb>,
    notes: &mut Notes,
) -> Result<Identity, UserDbError> {
    let identity = &subject.identity;
    let Some(rights) = &identity.rights else {
        let row = match &store {
            Some(store) => store.find(identity.username.as_str())?,
            None => None,
        };
        let user = row.unwrap_or_else(|| User {
            username: identity.username.as_str().to_owned(),
            name: identity.name.clone(),
            roles: Vec::new(),
            projects: Vec::new(),
            email: None,
            source: AuthSource::Oidc,
        });
        return Ok(Identity { user, method: Method::Oidc });
    };
    let user = User {
        username: identity.username.as_str().to_owned(),
        name: identity.name.clone(),
        roles: rights.roles.iter().map(|role| role.name().to_owned()).collect(),
        projects: rights.projects.clone(),
        email: None,
        source: AuthSource::Oidc,
    };
    let done = |user: User| Identity { user, method: Method::Oidc };
    let Some(store) = store else { return Ok(done(user)) };
    let permitted = RowPermissions {
        may_add: config.adds_users,
        may_update: config.updates_users,
        preserved_roles: &[Role::Api],
    };
    let name = quote(&user.username);
    Ok(done(match row::apply(store, &user, permitted)? {
        RowChange::Unknown => user,
        RowChange::Added => {
            notes.note(format!("added {name} with the data of the provider"));
            user
        }
        RowChange::Updated { row, is_changed, is_enabled } => {
            if is_enabled {
                row::warn_of_enabled(&row.username, "provider", notes);
            }
            if is_changed {
                notes.note(format!("updated {name} with the data of the provider"));
            }
            *row
        }
        RowChange::Known(row) => {
            if row.source != user.source {
                notes.note(format!(
                    "{name} is not a user of source oidc and was not changed{}",
                    if config.updates_users { "; the server would overwrite name and roles" } else { "" }
                ));
            }
            User { source: row.source, email: row.email, ..user }
        }
    }))
}
