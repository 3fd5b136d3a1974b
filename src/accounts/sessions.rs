//! Web sessions and tokens that remain valid after a change in the user table.

use crate::config::Settings;
use crate::user::{AuthSource, User};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// The longest web session, also if `session-max-age` is longer (seen on server 1.5).
const LONGEST_SESSION: GoDuration = GoDuration::from_seconds(30 * 24 * 3600);

/// The settings of the server that limit web sessions and tokens.
#[derive(Debug, Clone)]
pub struct SessionPolicy {
    longest_session: GoDuration,
    /// `None` if the settings are unknown.
    validates_users: Option<bool>,
    updates_token_users: bool,
    updates_oidc_users: bool,
    /// What adds unknown users to the user table.
    adding_sources: Vec<&'static str>,
}

impl SessionPolicy {
    /// The policy of the settings; without settings, the defaults of the server.
    #[must_use]
    pub fn from_settings(settings: Option<&Settings>) -> Self {
        let age = settings.and_then(|settings| settings.session_max_age.value);
        let age = age.filter(|age| age.is_positive() && age.to_std() <= LONGEST_SESSION.to_std());
        Self {
            longest_session: age.unwrap_or(LONGEST_SESSION),
            validates_users: Some(settings.is_some_and(|settings| settings.jwts.validate_user.value)),
            updates_token_users: settings.is_some_and(|settings| settings.jwts.update_user_on_login.value),
            updates_oidc_users: settings.is_some_and(|settings| {
                settings.oidc.iter().any(|provider| provider.update_user_on_login.value)
            }),
            adding_sources: settings.map(adding_sources).unwrap_or_default(),
        }
    }

    /// The policy of a running server, whose settings are unknown.
    #[must_use]
    pub fn of_unknown_settings() -> Self {
        Self { validates_users: None, ..Self::from_settings(None) }
    }

    /// Warns of the web sessions and tokens of these users that remain valid after the change.
    pub(super) fn warn(&self, change: UserChange, usernames: &[&str], notes: &mut Notes) {
        let users = match usernames {
            [] => return,
            [username] => format!("of {}", quote(username)),
            _ => format!("of these {} users", usernames.len()),
        };
        let longest = self.longest_session.to_string().replace("h0m0s", "h");
        let (sessions, tokens) = match change {
            UserChange::Deleted | UserChange::Password => ("remain valid", "remain valid until they expire"),
            UserChange::Renamed => {
                ("keep the old username", "keep the old username and remain valid until they expire")
            }
            UserChange::Roles | UserChange::Disabled => ("keep the old roles", "keep the old roles"),
            UserChange::Projects => ("keep the old projects", ""),
        };
        notes.warn(
            "open-sessions",
            format!(
                "open web sessions {users} {sessions} for up to {longest}; a new SESSION_KEY and a restart of the \
                 server end all web sessions"
            ),
        );
        match change {
            UserChange::Projects => {}
            UserChange::Password => notes.warn("tokens-remain-valid", format!("tokens {users} {tokens}")),
            UserChange::Disabled if self.validates_users == Some(true) => notes.warn(
                "tokens-remain-valid",
                format!(
                    "tokens {users} no longer have rights, but GraphQL and the web pages accept them until they expire"
                ),
            ),
            UserChange::Renamed if self.validates_users == Some(true) => notes.warn(
                "tokens-invalid",
                format!("the server rejects tokens {users} from now on: issue new tokens for the new username"),
            ),
            UserChange::Deleted | UserChange::Roles if self.validates_users == Some(true) => {}
            UserChange::Deleted | UserChange::Renamed | UserChange::Roles | UserChange::Disabled => {
                let condition = match self.validates_users {
                    Some(_) => "because 'validate-user' is off",
                    None => "unless 'validate-user' is set at the server",
                };
                notes.warn(
                    "tokens-remain-valid",
                    format!(
                        "tokens {users} {tokens}, {condition}; set 'auth.jwts.validate-user' or use a new key pair to \
                         reject them"
                    ),
                );
            }
        }
    }
}

impl SessionPolicy {
    /// Warns of the sync and the logins that can add the old username as a new user.
    pub(super) fn warn_of_old_username(&self, old: &str, notes: &mut Notes) {
        if let Some((last, others)) = self.adding_sources.split_last() {
            let others = others.join(", ");
            let or = if others.is_empty() { "" } else { " or " };
            notes.warn(
                "old-username",
                format!(
                    "{others}{or}{last} can add {} again as a new user: rename the account there too",
                    quote(old)
                ),
            );
        }
    }

    /// Warns of the logins that a disabled user still has.
    pub(super) fn warn_of_logins(&self, user: &User, notes: &mut Notes) {
        let name = quote(&user.username);
        let (method, where_to_lock, updates) = match user.source {
            AuthSource::Local | AuthSource::Unknown(_) => return,
            AuthSource::Ldap => ("LDAP", "in the LDAP directory", false),
            AuthSource::Token => ("a token", "at the issuer of the tokens", self.updates_token_users),
            AuthSource::Oidc => ("OpenID", "at the OpenID provider", self.updates_oidc_users),
        };
        let rights = if updates {
            "and because 'update-user-on-login' is set, the next login enables the user again"
        } else {
            "without rights"
        };
        notes.warn(
            "login-possible",
            format!("{name} can still log in by {method}, {rights}: lock the account {where_to_lock} too"),
        );
    }
}

/// Names the sync and the logins that add unknown users to the user table.
fn adding_sources(settings: &Settings) -> Vec<&'static str> {
    let jwts = &settings.jwts;
    let by_token = jwts.sync_user_on_login.value && !jwts.validate_user.value;
    let by_oidc = settings.oidc.iter().any(|provider| provider.sync_user_on_login.value);
    [
        (settings.ldap.is_some(), "the LDAP sync"),
        (by_token, "a login with a token"),
        (by_oidc, "a login by OpenID"),
    ]
    .into_iter()
    .filter_map(|(adds, source)| adds.then_some(source))
    .collect()
}

/// The change of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserChange {
    /// Users were deleted.
    Deleted,
    /// A user has another username.
    Renamed,
    /// A user was disabled.
    Disabled,
    /// A user lost roles.
    Roles,
    /// A user lost projects.
    Projects,
    /// A user has a new password, or none.
    Password,
}
