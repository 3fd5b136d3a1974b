//! The session of a new login.

use super::error::LoginError;
use super::identity::Identity;
use super::session::Session;
use super::session_error::add_command;
use super::session_key::SessionKey;
use crate::config::{Settings, Variable};
use crate::history::DisabledUsers;
use crate::policy::Endpoint;
use crate::policy::remedy::{Remedy, describe_endpoints};
use crate::token;
use crate::user::{Role, User};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The result of a login method.
#[derive(Debug)]
pub(super) struct LoginGrant {
    /// The user.
    pub(super) identity: Identity,
    /// The maximum lifetime of the session in seconds, if the login role limits it.
    pub(super) max_seconds: Option<i64>,
    /// The setting with which such a login adds an unknown user, if there is one.
    pub(super) sync_setting: Option<String>,
}

/// Creates a session with the configured lifetime, or with that of the login if it is less. `row` is the row of the
/// user table after the login.
///
/// # Errors
/// [`LoginError::Config`] for an invalid private key, and the errors of [`Session::start`].
pub(super) fn start(
    key: SessionKey,
    login: LoginGrant,
    row: Option<User>,
    settings: &Settings,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Session, LoginError> {
    let LoginGrant { identity, max_seconds, sync_setting } = login;
    let signing_key = match (&row, settings.secret(Variable::JwtPrivateKey)) {
        (None, _) => {
            let name = &identity.user.username;
            let add = add_command(&identity.user);
            notes.warn_with(
                "user-not-in-table",
                format!("{} is not in the user table: the session has no token", quote(name)),
                sync_setting.map_or_else(
                    || format!("{add}; then log in again"),
                    |setting| format!("set {setting} to true, or: {add}; then log in again"),
                ),
            );
            None
        }
        (Some(_), Some(_)) => Some(settings.signing_key(notes)?),
        (Some(_), None) => {
            notes.warn_with(
                "private-key-not-set",
                "JWT_PRIVATE_KEY is not set: the session has no token",
                "create a key pair with gen-keypair --write",
            );
            None
        }
    };
    if let Some(row) = &row {
        compare_roles(&identity.user, row, notes);
        let database = settings.database().ok();
        let restored =
            database.and_then(|path| DisabledUsers::restored_roles(path, &row.username, &row.roles));
        warn_about_roles(row, restored.as_deref(), notes);
    }
    let max = max_seconds.map(GoDuration::from_seconds);
    let lifetime = match (settings.session_max_age.value, max) {
        (Some(lifetime), Some(max)) => Some(lifetime.min(max)),
        (lifetime, max) => lifetime.or(max),
    };
    Session::start(key, identity, row, lifetime, signing_key.as_ref(), now)
}

/// Notes that the login has other roles than the user table, whose roles are used for the token.
fn compare_roles(login: &User, row: &User, notes: &mut Notes) {
    let list = |roles: &[String]| {
        if roles.is_empty() { "no role".to_owned() } else { escape(&roles.join(", ")) }
    };
    let is_same = |role: &String| login.roles.contains(role);
    if login.roles.len() != row.roles.len() || !row.roles.iter().all(is_same) {
        notes.note(format!(
            "the session's token has the roles of {} in the user table ({}), not those of the login ({})",
            quote(&row.username),
            list(&row.roles),
            list(&login.roles)
        ));
    }
}

/// Warns about roles for which a session at the server has no effect.
fn warn_about_roles(user: &User, restored_roles: Option<&[String]>, notes: &mut Notes) {
    if let Some(restored) = restored_roles {
        notes.warn_with(
            "user-disabled",
            format!(
                "{} is disabled: a session at the server has no effect (401 on every page)",
                quote(&user.username)
            ),
            Remedy::of_disabled(Endpoint::JwtLogin, restored).command(&user.username),
        );
        return;
    }
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

/// Notes that no API endpoint accepts the token. Only for a token that is requested, because most
/// users do not need one.
pub(super) fn note_missing_api_role(token: &SecretText, notes: &mut Notes) {
    let inspection = token::inspect(token.expose());
    let Some((_, claims)) = inspection.unproven() else { return };
    let roles = claims.roles();
    if !roles.contains(&Role::Api.name()) {
        notes.note(format!(
            "{} does not have the role 'api': this token is {}",
            quote(claims.subject().unwrap_or_default()),
            describe_endpoints(&roles)
        ));
    }
}

/// Notes that the new session is of another user than the stored one, which it replaces, and warns if the
/// provider has renamed the user.
pub(super) fn note_changed_user(before: &Session, after: &Session, notes: &mut Notes) {
    let (old, new) = (&before.user.username, &after.user.username);
    if old == new {
        return;
    }
    let key = |session: &Session| {
        session.refresh.as_ref().map(|refresh| (refresh.provider.clone(), refresh.subject.clone()))
    };
    if key(before).is_some() && key(before) == key(after) {
        notes.warn(
            "user-renamed",
            format!(
                "the provider renamed {} to {}, which is another user for the server: the row, the jobs and the roles \
                 of {} remain",
                quote(old),
                quote(new),
                quote(old)
            ),
        );
    } else {
        let token =
            if before.refresh.is_some() { ", whose refresh token remains valid at the provider" } else { "" };
        notes.note(format!("this login replaces the session of {}{token}", quote(old)));
    }
}

/// Notes until when the provider can renew a session that lasts longer.
pub(super) fn note_end_of_refresh(session: &Session, notes: &mut Notes) {
    let Some(until) = session.refresh.as_ref().and_then(|refresh| refresh.expires_at) else { return };
    if session.expires_at.is_none_or(|expires_at| until < expires_at) {
        notes.note(format!(
            "the session can be renewed until {}; for more, request a longer refresh token with --scope offline_access",
            until.human(session.issued_at)
        ));
    }
}
