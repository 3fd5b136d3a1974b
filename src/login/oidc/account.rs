//! The user that a provider's person is for the server, in its table where the settings say so.

use super::entry::Plan;
use super::person::Person;
use crate::base::note::Notes;
use crate::base::quote::quote;
use crate::login::identity::{Identity, Method};
use crate::store::{Store, StoreError};
use crate::user::{AuthSource, User};

/// Makes the person a user: an unknown one is added with sync-user-on-login, a known one of
/// source oidc brought up to date with update-user-on-login. A user of another source is never
/// changed. Without a table nothing is written.
///
/// # Errors
/// [`StoreError`].
pub fn settle(
    person: &Person,
    plan: &Plan,
    store: Option<&mut Store>,
    notes: &mut Notes,
) -> Result<Identity, StoreError> {
    let identity = &person.identity;
    let said = User {
        username: identity.username.as_str().to_owned(),
        name: identity.name.clone(),
        roles: identity.roles.iter().map(|role| role.name().to_owned()).collect(),
        projects: identity.projects.clone(),
        email: None,
        source: Ok(AuthSource::Oidc),
    };
    let done = |user: User| Identity { user, method: Method::Oidc };
    let Some(store) = store else { return Ok(done(said)) };
    let Some(before) = store.find(&said.username)? else {
        if plan.adds_users {
            let mut transaction = store.transaction()?;
            transaction.add(&said, None)?;
            transaction.commit()?;
            notes.note(format!("added {} as the provider says", quote(&said.username)));
        }
        return Ok(done(said));
    };
    if before.source != Ok(AuthSource::Oidc) {
        notes.note(format!(
            "{} is no user of source oidc in the user table and was not changed{}",
            quote(&said.username),
            if plan.updates_users { "; the server would overwrite name and roles" } else { "" }
        ));
        return Ok(done(User { source: before.source, email: before.email, ..said }));
    }
    if !plan.updates_users {
        return Ok(done(User { email: before.email, ..said }));
    }
    // Projects belong to a manager; what is there for somebody who is none any more stays.
    let is_manager = identity.roles.contains(&crate::user::Role::Manager);
    let after = User {
        name: said.name.clone().or_else(|| before.name.clone()),
        roles: said.roles.clone(),
        projects: if is_manager { said.projects.clone() } else { before.projects.clone() },
        ..before.clone()
    };
    if after != before {
        let mut transaction = store.transaction()?;
        transaction.update(&after)?;
        transaction.commit()?;
        notes.note(format!("brought {} up to date as the provider says", quote(&said.username)));
    }
    Ok(done(after))
}
