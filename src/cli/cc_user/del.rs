//! `cc-user del`.

use clap::Args;
use serde_json::json;

use super::effects::{self, UserChange};
use super::error::{UserCommandError, named, no_user};
use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::user::AuthSource;
use crate::user::account::distinct;
use crate::util::diagnostic::ExitStatus;

/// Delete users, all of those named or none
#[derive(Debug, Args)]
pub(super) struct Del {
    /// The users' names
    #[arg(value_name = "NAME", required = true, add = complete::usernames())]
    names: Vec<String>,

    /// Delete users of this source, who come back with the next sync or login: ldap, token, oidc
    /// (or local)
    #[arg(long, value_name = "SOURCE", add = complete::sources())]
    source: Option<String>,
}

pub(super) fn run(
    del: &Del,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let source = del
        .source
        .as_deref()
        .map(str::parse::<AuthSource>)
        .transpose()
        .map_err(|error| UsageError::new(format!("--source: {error}")))?;
    let (mut store, settings) = database.open_with_settings(console)?;
    let mut action = store.transaction()?;
    let mut users = Vec::new();
    let mut wrong = Vec::new();
    let mut missing = Vec::new();
    let names = distinct(del.names.clone());
    for name in &names {
        match action.record(name)? {
            None => missing.push(name.as_str()),
            Some(record) if may_go(record.user.source, source) => users.push(record.user),
            Some(record) => wrong.push(UserCommandError::Source { user: record.user, wanted: source }),
        }
    }
    let similar = action.similar_usernames(&missing)?;
    wrong.extend(
        missing.iter().zip(similar).map(|(name, similar)| UserCommandError::UserDb(no_user(name, similar))),
    );
    if !wrong.is_empty() {
        return Err(Failure::several(wrong));
    }
    for user in &users {
        action.delete(&user.username)?;
    }
    action.commit()?;
    for user in &users {
        console.note(&format!("deleted {} (source {})", named(&user.username), user.source));
        match user.source {
            AuthSource::Ldap => console.note("the next sync brings a user back who is in the directory"),
            AuthSource::Token | AuthSource::Oidc => {
                console.note("the next login brings the user back where sync-user-on-login is set");
            }
            AuthSource::Local | AuthSource::Unknown(_) => {}
        }
    }
    let names: Vec<&str> = users.iter().map(|user| user.username.as_str()).collect();
    effects::warn(UserChange::Deleted, &names, settings.as_ref(), console);
    if console.is_json() {
        console.json(&json!({"deleted": names}))?;
    }
    Ok(ExitStatus::Success)
}

/// A local user, unless another source was named; others only by their source. One whose number
/// the server does not know comes from nowhere.
fn may_go(has: AuthSource, named: Option<AuthSource>) -> bool {
    match named {
        Some(named) => has == named,
        None => matches!(has, AuthSource::Local | AuthSource::Unknown(_)),
    }
}
