//! The user that a provider's person is for the server, in its table where the settings say so.

use super::id_token::IdTokenSubject;
use super::provider_config::ProviderConfig;
use crate::login::identity::{Identity, Method};
use crate::login::row::{self, RowChange, RowPermissions};
use crate::user::{AuthSource, Role, User};
use crate::user_db::{UserDb, UserDbError};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Makes the person a user: an unknown one is added with sync-user-on-login, a known one of
/// source oidc brought up to date with update-user-on-login, which leaves the role api as it is: a
/// provider can never give it. A user of another source is never changed. Without a table nothing
/// is written.
///
/// # Errors
/// [`UserDbError`].
pub fn update_user_db(
    person: &IdTokenSubject,
    plan: &ProviderConfig,
    store: Option<&mut UserDb>,
    notes: &mut Notes,
) -> Result<Identity, UserDbError> {
    let identity = &person.identity;
    let said = User {
        username: identity.username.as_str().to_owned(),
        name: identity.name.clone(),
        roles: identity.roles.iter().map(|role| role.name().to_owned()).collect(),
        projects: identity.projects.clone(),
        email: None,
        source: AuthSource::Oidc,
    };
    let done = |user: User| Identity { user, method: Method::Oidc };
    let Some(store) = store else { return Ok(done(said)) };
    let permitted = RowPermissions {
        may_add: plan.adds_users,
        may_update: plan.updates_users,
        preserved_roles: &[Role::Api],
    };
    let name = quote(&said.username);
    Ok(done(match row::apply(store, &said, permitted)? {
        RowChange::Unknown => said,
        RowChange::Added => {
            notes.note(format!("added {name} as the provider says"));
            said
        }
        RowChange::Updated { row, is_new } => {
            if is_new {
                notes.note(format!("brought {name} up to date as the provider says"));
            }
            *row
        }
        RowChange::Known(row) => {
            if row.source != said.source {
                notes.note(format!(
                    "{name} is no user of source oidc in the user table and was not changed{}",
                    if plan.updates_users { "; the server would overwrite name and roles" } else { "" }
                ));
            }
            User { source: row.source, email: row.email, ..said }
        }
    }))
}
