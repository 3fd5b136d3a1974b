//! The token of a session at Stronghold: the session of a new token, renewal and revocation.

use std::path::PathBuf;

use crate::login::error::LoginError;
use crate::login::identity::Method;
use crate::login::session::{Session, StrongholdGrant};
use crate::login::session_error::SessionError;
use crate::login::session_key::{SessionKey, SessionOrigin};
use crate::login::ui::LoginEnvironment;
use crate::stronghold::{IssuedToken, ServerSettings, StrongholdClient, StrongholdError};
use crate::user::{AuthSource, User};
use crate::util::count::{counted, one_or};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// A token is renewed when less than this part of its lifetime remains.
const RENEWAL_PART: u64 = 3;

/// Returns the origin of the sessions of a server: its URL, and the namespace.
#[must_use]
pub fn settings_origin(settings: &ServerSettings) -> SessionOrigin {
    let ServerSettings { url, namespace, .. } = settings;
    SessionOrigin::namespace(&url.value, namespace.as_ref().map(|namespace| &namespace.value))
}

/// Creates the session of a token that the server issued. The server is asked for the name of the user,
/// unless each request uses up the token.
pub(super) fn session_of(
    client: &StrongholdClient,
    issued: IssuedToken,
    grant: StrongholdGrant,
    key: SessionKey,
    now: Timestamp,
    notes: &mut Notes,
) -> Session {
    let IssuedToken { token, policies, lifetime, uses, renewable, .. } = issued;
    let mut display_name = None;
    match uses {
        Some(1) => notes.warn(
            "token-uses-limited",
            "the token permits one request: the session ends after it".to_owned(),
        ),
        Some(uses) => notes.warn(
            "token-uses-limited",
            format!(
                "the token permits {}: the session ends after {}",
                counted(uses, "request"),
                one_or(uses, "it", "them")
            ),
        ),
        None => match client.look_up(&token) {
            Ok(status) => display_name = Some(status.display_name).filter(|name| !name.is_empty()),
            // A token without the policy 'default' may not read its own properties.
            Err(error) => log::info!("the name of the user is not known: {error}"),
        },
    }
    let mount = grant.mount.as_deref().unwrap_or_default();
    let username = match &display_name {
        Some(name) => name_of(name, grant.namespace.as_deref(), mount),
        None => grant.role.as_deref().unwrap_or(mount),
    };
    Session {
        key,
        user: User {
            username: if username.is_empty() { "token".to_owned() } else { username.to_owned() },
            name: None,
            roles: Vec::new(),
            projects: Vec::new(),
            email: None,
            // The token does not contain an auth source of the user table; no source has this number.
            source: AuthSource::Unknown(-1),
        },
        method: Method::Stronghold,
        issued_at: now,
        expires_at: lifetime.map(|seconds| expiry(now, seconds)),
        token: Some(token),
        refresh: None,
        refresh_rejected_at: None,
        id_token: None,
        ca_file: client.settings().ca.as_ref().map(|ca| absolute(&ca.value)),
        access_token: None,
        stronghold: Some(StrongholdGrant { policies, renewable, lifetime, ..grant }),
    }
}

/// Returns the name of the alias: the display name begins with the name of the mount, in a namespace with the path
/// of the mount from the root namespace on.
fn name_of<'a>(display_name: &'a str, namespace: Option<&str>, mount: &str) -> &'a str {
    let after = |path: &str| display_name.strip_prefix(&path.replace('/', "-"))?.strip_prefix('-');
    let in_namespace = namespace.and_then(|namespace| after(&format!("{namespace}/auth/{mount}")));
    let name = in_namespace.or_else(|| after(mount)).filter(|name| !name.is_empty());
    name.unwrap_or(display_name)
}

/// The session is used from other directories.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn expiry(now: Timestamp, seconds: u64) -> Timestamp {
    now.plus(GoDuration::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 4_000_000_000)))
}

/// Whether the token should be renewed at this time, although it is still valid: less than a third of its
/// lifetime remains.
pub(in crate::login) fn is_renewal_due(session: &Session, now: Timestamp) -> bool {
    session.can_be_renewed(now) && renewal_due_at(session).is_some_and(|due| now >= due)
}

/// Returns the time from which the token should be renewed; `None` if it never expires.
pub(super) fn renewal_due_at(session: &Session) -> Option<Timestamp> {
    let lifetime = session.stronghold.as_ref()?.lifetime?;
    let margin = i64::try_from(lifetime / RENEWAL_PART).unwrap_or_default();
    Some(session.expires_at?.plus_seconds(-margin))
}

/// Renews the token of a session at the server and returns the session with the new expiry time.
pub(in crate::login) fn renew(
    session: &Session,
    grant: &StrongholdGrant,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<Session, LoginError> {
    let now = environment.clock.now();
    let login = || session.login_command();
    if let Some(expires_at) = session.expires_at.filter(|_| session.is_expired(now)) {
        return Err(SessionError::Expired { expired: expires_at.relative_to(now), login: login() }.into());
    }
    let token = match &session.token {
        Some(token) if grant.renewable => token,
        _ => return Err(SessionError::NotRenewable { login: login() }.into()),
    };
    let (lifetime, renewable) = client_of(session, grant, environment)?.renew(token)?;
    let expires_at = lifetime.map(|seconds| expiry(now, seconds));
    if lifetime.is_some() && lifetime < grant.lifetime {
        notes.note("the server shortens the lifetime of the token: its maximum lifetime is reached soon");
    }
    let grant = StrongholdGrant { lifetime: lifetime.or(grant.lifetime), renewable, ..grant.clone() };
    Ok(Session { expires_at, stronghold: Some(grant), ..session.clone() })
}

/// The outcome of a revocation.
#[derive(Debug)]
pub(super) enum Revocation {
    /// The token is no longer valid: it is revoked now, or it has expired.
    Done,
    /// The server no longer accepted the token.
    AlreadyInvalid,
    /// The server rejects the revocation: a batch token is not stored there, and the policies of a token may not
    /// permit it.
    Rejected(StrongholdError),
}

/// Revokes the token of a session that has ended. A token that the server no longer accepts is not
/// an error.
pub(in crate::login) fn revoke(
    session: &Session,
    grant: &StrongholdGrant,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<(), LoginError> {
    match revocation(session, grant, environment)? {
        Revocation::Done => {}
        Revocation::AlreadyInvalid => {
            notes.note(
                "the server no longer accepts the token: it was revoked before, or is not valid from this \
                 address",
            );
        }
        Revocation::Rejected(error) => {
            notes.warn("token-not-revoked", format!("the token remains valid until it expires: {error}"));
        }
    }
    Ok(())
}

/// Revokes the token of a session that a login has replaced, because no command uses it after that. A failure is
/// only a warning: the new session is stored. The token of another program is not revoked, and a token that
/// another program stores replaces one without revoking it: it may be a child of the replaced token.
pub(in crate::login) fn revoke_replaced(
    before: &Session,
    after: &Session,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) {
    let is_of_other_program =
        |session: &Session| session.stronghold.as_ref().is_some_and(|grant| grant.mount.is_none());
    let Some(grant) = &before.stronghold else { return };
    if is_of_other_program(before) || is_of_other_program(after) || before.token == after.token {
        return;
    }
    let reason = match revocation(before, grant, environment) {
        Ok(Revocation::Done | Revocation::AlreadyInvalid) => return,
        Ok(Revocation::Rejected(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let text = format!("the token of the replaced session remains valid until it expires: {reason}");
    notes.warn("token-not-revoked", text);
}

/// Revokes the token of a session.
pub(super) fn revocation(
    session: &Session,
    grant: &StrongholdGrant,
    environment: &LoginEnvironment<'_>,
) -> Result<Revocation, LoginError> {
    let Some(token) = session.token.as_ref().filter(|_| !session.is_expired(environment.clock.now())) else {
        return Ok(Revocation::Done);
    };
    match client_of(session, grant, environment)?.revoke(token) {
        Ok(()) => Ok(Revocation::Done),
        Err(StrongholdError::Denied { .. }) => Ok(Revocation::AlreadyInvalid),
        Err(error @ (StrongholdError::Rejected { .. } | StrongholdError::DeniedByPolicy { .. })) => {
            Ok(Revocation::Rejected(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the client of the server of a session. The variables of the environment have no influence.
fn client_of(
    session: &Session,
    grant: &StrongholdGrant,
    environment: &LoginEnvironment<'_>,
) -> Result<StrongholdClient, LoginError> {
    let Some(SessionOrigin::Server(url) | SessionOrigin::Namespace(url, _)) = &session.key.origin else {
        return Err(StrongholdError::NoServer.into());
    };
    let settings = ServerSettings::of_session(url, grant.namespace.as_deref(), session.ca_file.as_deref())?;
    Ok(StrongholdClient::new(settings, environment.variables)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_the_user_is_without_the_mount() {
        for (display_name, namespace, mount, name) in [
            ("jwt-alice", None, "jwt", "alice"),
            ("team-jwt-alice", None, "team/jwt", "alice"),
            ("jwt-a-b", None, "jwt", "a-b"),
            ("other-alice", None, "jwt", "other-alice"),
            ("jwt-", None, "jwt", "jwt-"),
            ("token", None, "", "token"),
            ("team-auth-jwt-alice", Some("team"), "jwt", "alice"),
            ("team-sub-auth-a-b-alice", Some("team/sub"), "a/b", "alice"),
            ("jwt-alice", Some("team"), "jwt", "alice"),
            ("team-auth-jwt-alice", Some("other"), "jwt", "team-auth-jwt-alice"),
        ] {
            assert_eq!(name_of(display_name, namespace, mount), name, "{display_name}");
        }
    }
}
