//! The session that a login begins.

use std::path::PathBuf;

use super::no_session::add_command;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::{Settings, Variable};
use crate::login::{Identity, Session, paths};
use crate::policy::Endpoint;
use crate::policy::remedy::{Remedy, accepted_in_words};
use crate::token;
use crate::user::{Role, User};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// Begins a session, of the settings' length or of `most` seconds if that is less, and returns
/// the path of its file. `row` is the user as the user table has it after the login.
pub(super) fn start(
    identity: Identity,
    row: Option<User>,
    most: Option<i64>,
    settings: &Settings,
    console: &mut Console,
) -> Result<(Session, PathBuf), Failure> {
    let mut notes = Notes::new();
    let key = match (&row, settings.secret(Variable::JwtPrivateKey)) {
        (None, _) => {
            let name = &identity.user.username;
            notes.warn_with(
                "user-not-in-table",
                format!("{} is not in the user table: the session has no token", quote(name)),
                format!("set sync-user-on-login in config.json, or: {}", add_command(&identity.user)),
            );
            None
        }
        (Some(_), Some(_)) => Some(settings.signing_key(&mut notes)?),
        (Some(_), None) => {
            notes.warn_with(
                "private-key-not-set",
                "JWT_PRIVATE_KEY is not set: the session has no token",
                "make keys with gen-keypair --write",
            );
            None
        }
    };
    if let Some(row) = &row {
        compare_roles(&identity.user, row, &mut notes);
        warn_of_roles(row, &mut notes);
    }
    console.notes(notes);
    let most = most.map(GoDuration::from_seconds);
    let length = match (settings.session_max_age.value, most) {
        (Some(length), Some(most)) => Some(length.min(most)),
        (length, most) => length.or(most),
    };
    let session = Session::start(identity, row, length, key.as_ref(), Clock::System.now())?;
    Ok((session, paths::session_file(console.environment())?))
}

/// Warns where the login named other roles than the user table, whose roles count.
fn compare_roles(login: &User, row: &User, notes: &mut Notes) {
    let listed = |roles: &[String]| {
        if roles.is_empty() { "no role".to_owned() } else { escape(&roles.join(", ")) }
    };
    let is_same = |role: &String| login.roles.contains(role);
    if login.roles.len() != row.roles.len() || !row.roles.iter().all(is_same) {
        notes.note(format!(
            "the session's token has the roles of {} in the user table ({}), not those of the login ({})",
            quote(&row.username),
            listed(&row.roles),
            listed(&login.roles)
        ));
    }
}

/// Warns of roles with which a session at the server has no effect.
fn warn_of_roles(user: &User, notes: &mut Notes) {
    let effect = if user.roles.is_empty() {
        "has no roles: a session at the server has no effect (401 on every page)"
    } else if user.roles.iter().all(|role| role.parse::<Role>().is_err()) {
        "has only unknown roles: a session at the server works, without rights"
    } else {
        return;
    };
    let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
    notes.warn_with(
        "no-known-role",
        format!("{} {effect}", quote(&user.username)),
        Remedy::of(Endpoint::JwtLogin, &roles).command(&user.username),
    );
}

/// Warns of a token that no API endpoint accepts: where the token is requested, since most users
/// need none.
pub(super) fn warn_of_token(text: &SecretText, notes: &mut Notes) {
    let inspection = token::inspect(text.expose());
    let Some((_, claims)) = inspection.unproven() else { return };
    let roles = claims.roles();
    if !roles.contains(&Role::Api.name()) {
        notes.note(format!(
            "{} does not have the role 'api': this token is {}",
            quote(claims.subject().unwrap_or_default()),
            accepted_in_words(&roles)
        ));
    }
}
