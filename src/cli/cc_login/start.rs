//! The session that a login begins.

use std::path::PathBuf;

use crate::base::duration::GoDuration;
use crate::base::file::shell_word;
use crate::base::note::{Level, Note, Notes};
use crate::base::quote::{escape, quote};
use crate::base::time::Clock;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::{Settings, Variable};
use crate::login::{Identity, Session, place};
use crate::user::{Role, User};

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
                format!("{} is not in the user table: the session has no token", quote(name)),
                format!("set sync-user-on-login in config.json, or: cc-user add {}", shell_word(name)),
            );
            None
        }
        (Some(_), Some(_)) => Some(settings.signing_key(&mut notes)?),
        (Some(_), None) => {
            notes.warn_with(
                "JWT_PRIVATE_KEY is not set: the session has no token",
                "make keys with gen-keypair --write",
            );
            None
        }
    };
    if let Some(row) = &row {
        compare_roles(&identity.user, row, &mut notes);
        note_roles(row, &mut notes);
    }
    console.notes(notes);
    let most = most.map(GoDuration::from_seconds);
    let length = match (settings.session_max_age.value, most) {
        (Some(length), Some(most)) => Some(length.min(most)),
        (length, most) => length.or(most),
    };
    let session = Session::begin(identity, row, length, key.as_ref(), Clock::System.now())?;
    Ok((session, place::session_file(console.environment())?))
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

/// What the server does with a user of these roles.
fn note_roles(user: &User, notes: &mut Notes) {
    let name = shell_word(&user.username);
    let quoted = quote(&user.username);
    if user.roles.is_empty() {
        notes.warn_with(
            format!("{quoted} has no role: the server's sessions and tokens of this user have no effect"),
            format!("cc-user role add {name} user"),
        );
    } else if !user.roles.iter().any(|role| role.parse::<Role>().is_ok()) {
        notes.warn_with(
            format!(
                "{quoted} has no role that the server knows: sessions and tokens of this user have no rights"
            ),
            format!("cc-user role add {name} user"),
        );
    } else if !user.has(Role::Api) {
        notes.add(Note {
            level: Level::Note,
            text: format!(
                "{quoted} does not have the role 'api': only GraphQL and the web pages accept the session's token"
            ),
            hint: Some(format!("cc-user role add {name} api")),
        });
    }
}
