//! The session that a login begins.

use std::path::PathBuf;

use crate::base::duration::GoDuration;
use crate::base::note::Notes;
use crate::base::quote::quote;
use crate::base::time::Clock;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::{Settings, Variable};
use crate::login::{Identity, Session, place};
use crate::user::Role;

/// Begins a session, of the settings' length or of `most` seconds if that is less, and tells
/// where it is to be kept.
pub(super) fn start(
    identity: Identity,
    most: Option<i64>,
    settings: &Settings,
    console: &mut Console,
) -> Result<(Session, PathBuf), Failure> {
    let mut notes = Notes::new();
    let key = match settings.secret(Variable::JwtPrivateKey) {
        Some(_) => Some(settings.signing_key(&mut notes)?),
        None => {
            notes.warn_with(
                "JWT_PRIVATE_KEY is not set: the session has no token",
                "make keys with gen-keypair --write",
            );
            None
        }
    };
    tell_of_roles(&identity, &mut notes);
    console.notes(notes);
    let most = most.map(GoDuration::from_seconds);
    let length = match (settings.session_max_age.value, most) {
        (Some(length), Some(most)) => Some(length.min(most)),
        (length, most) => length.or(most),
    };
    let session = Session::begin(identity, length, key.as_ref(), Clock::System.now())?;
    Ok((session, place::session_file(console.environment())?))
}

/// What the server will make of the roles.
fn tell_of_roles(identity: &Identity, notes: &mut Notes) {
    let user = &identity.user;
    let name = crate::base::file::shell_word(&user.username);
    if !user.roles.iter().any(|role| role.parse::<Role>().is_ok()) {
        notes.warn_with(
            format!("{} has no role the server knows: its sessions are dead", quote(&user.username)),
            format!("cc-user role add {name} user"),
        );
    } else if !user.has(Role::Api) {
        notes.warn_with(
            format!(
                "{} does not have the role api: the server's REST interface takes no token of such a user",
                quote(&user.username)
            ),
            format!("cc-user role add {name} api"),
        );
    }
}
