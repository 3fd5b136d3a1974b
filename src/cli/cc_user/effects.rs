//! What a change in the database does not end: web sessions and tokens that exist already.

use super::error::named;
use crate::cli::console::Console;
use crate::config::Settings;
use crate::util::duration::GoDuration;

/// The longest web session, whatever `session-max-age` says (seen on server 1.5).
const LONGEST_SESSION: GoDuration = GoDuration::from_seconds(30 * 24 * 3600);

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserChange {
    /// Users were deleted.
    Deleted,
    /// A user lost roles.
    Roles,
    /// A user lost projects.
    Projects,
    /// A user has another password, or none.
    Password,
}

/// Warns of the web sessions and tokens of these users that survive the change. Without settings
/// (the database was named, and there is no configuration) the server's defaults are assumed.
pub(super) fn warn(change: UserChange, users: &[&str], settings: Option<&Settings>, console: &mut Console) {
    let whose = match users {
        [] => return,
        [user] => format!("of {}", named(user)),
        _ => format!("of these {} users", users.len()),
    };
    let age = settings.and_then(|settings| settings.session_max_age.value).filter(|age| age.is_positive());
    let longest = age.filter(|age| age.to_std() <= LONGEST_SESSION.to_std()).unwrap_or(LONGEST_SESSION);
    let longest = longest.to_string().replace("h0m0s", "h");
    let (sessions, tokens) = match change {
        UserChange::Deleted | UserChange::Password => ("remain valid", "remain valid until they expire"),
        UserChange::Roles => ("keep the old roles", "keep the old roles"),
        UserChange::Projects => ("keep the old projects", ""),
    };
    console.warn("open-sessions", &format!(
        "open web sessions {whose} {sessions} for up to {longest}; a new SESSION_KEY and a restart of the server end all web sessions"
    ));
    let validates = settings.is_some_and(|settings| settings.jwts.validate_user.value);
    match change {
        UserChange::Projects => {}
        UserChange::Password => console.warn("tokens-remain-valid", &format!("tokens {whose} {tokens}")),
        UserChange::Deleted | UserChange::Roles if validates => {}
        UserChange::Deleted | UserChange::Roles => console.warn("tokens-remain-valid", &format!(
            "tokens {whose} {tokens}, because 'validate-user' is off; 'auth.jwts.validate-user' in the configuration or a new key pair changes that"
        )),
    }
}
