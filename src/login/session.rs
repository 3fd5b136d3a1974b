//! The session of a login: user, method, expiry, and a token for the server.
//!
//! [`super::session_file`] stores it.

use std::path::PathBuf;

use super::error::LoginError;
use super::identity::{Identity, Method};
use super::session_error::login_command;
use super::session_key::SessionKey;
use super::session_token::{SessionToken, token_for};
use crate::key::SigningKey;
use crate::user::User;
use crate::util::duration::GoDuration;
use crate::util::file::shell_word;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The data for renewing a session at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshGrant {
    /// The name of the provider entry in the settings.
    pub provider: String,
    /// The issuer, which the entry must still name; `None` if it is not known.
    pub issuer: Option<String>,
    /// The login role, if one was used.
    pub role: Option<String>,
    /// The subject at the provider (`sub`); the new tokens must have the same.
    pub subject: String,
    /// The refresh token.
    pub token: SecretText,
    /// The expiry time of the refresh token, if the provider sent it.
    pub expires_at: Option<Timestamp>,
}

/// The data of a session at a Stronghold, OpenBao or Vault server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrongholdGrant {
    /// The namespace; `None` is the root namespace.
    pub namespace: Option<String>,
    /// The mount of the login; `None` if another program logged in.
    pub mount: Option<String>,
    /// The role of the login, if one was named.
    pub role: Option<String>,
    /// Whether the login was with a JWT.
    pub by_jwt: bool,
    /// The policies of the token.
    pub policies: Vec<String>,
    /// Whether the token can be renewed until it expires.
    pub renewable: bool,
    /// The lifetime that the server granted last, in seconds; `None` never expires.
    pub lifetime: Option<u64>,
}

/// The stored result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The name and origin.
    pub key: SessionKey,
    /// The user.
    pub user: User,
    /// The method of the login.
    pub method: Method,
    /// The time of the login.
    pub issued_at: Timestamp,
    /// The expiry time; `None` never expires.
    pub expires_at: Option<Timestamp>,
    /// The token for the server; `None` without a private key.
    pub token: Option<SecretText>,
    /// The refresh token; `None` if the session cannot be renewed.
    pub refresh: Option<RefreshGrant>,
    /// The time at which the provider rejected the refresh token, which is no longer stored.
    pub refresh_rejected_at: Option<Timestamp>,
    /// The ID token, which a provider expects at a logout.
    pub id_token: Option<SecretText>,
    /// The CA file of the login's command line, absolute, for later connections to the provider.
    pub ca_file: Option<PathBuf>,
    /// The access token of the provider.
    pub access_token: Option<SessionToken>,
    /// The data of a session at Stronghold; `None` for other sessions.
    pub stronghold: Option<StrongholdGrant>,
}

impl Session {
    /// Creates a session with this lifetime. `row` is the row of the user table after the login;
    /// the token has its roles, like a token from the server's own token page. Without a row or a
    /// signing key, the session has no token.
    ///
    /// # Errors
    /// [`LoginError::SessionLength`] for a lifetime of less than a second, [`LoginError::Issue`].
    pub fn start(
        key: SessionKey,
        identity: Identity,
        row: Option<User>,
        lifetime: Option<GoDuration>,
        signing_key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<Self, LoginError> {
        let Identity { user, method } = identity;
        if let Some(lifetime) = lifetime.filter(|lifetime| lifetime.seconds() < 1) {
            return Err(LoginError::SessionLength(lifetime));
        }
        let expires_at = lifetime.map(|lifetime| now.plus(lifetime));
        let token = match (&row, signing_key) {
            (Some(row), Some(signing_key)) => Some(token_for(row, expires_at, signing_key, now)?),
            _ => None,
        };
        let user = row.unwrap_or(user);
        Ok(Self {
            key,
            user,
            method,
            issued_at: now,
            expires_at,
            token,
            refresh: None,
            refresh_rejected_at: None,
            id_token: None,
            ca_file: None,
            access_token: None,
            stronghold: None,
        })
    }

    /// Whether a renewal is possible at this time. The token of Stronghold cannot be renewed when it is
    /// expired.
    #[must_use]
    pub fn can_be_renewed(&self, now: Timestamp) -> bool {
        let is_renewable = |grant: &StrongholdGrant| grant.renewable && !self.is_expired(now);
        self.refresh.is_some() || self.stronghold.as_ref().is_some_and(is_renewable)
    }

    /// Returns the command that logs the user in again with the same method, server and session name.
    #[must_use]
    pub fn login_command(&self) -> String {
        let Some(grant) = &self.stronghold else {
            return login_command(self.method, &self.user.username, &self.key);
        };
        let StrongholdGrant { namespace, mount, role, by_jwt, .. } = grant;
        let mut command = login_command(Method::Stronghold, &self.user.username, &self.key);
        for (option, value) in [("namespace", namespace), ("path", mount), ("role", role)] {
            if let Some(value) = value {
                command.push_str(&format!(" --{option} {}", shell_word(value)));
            }
        }
        if *by_jwt {
            command.push_str(" --token-file FILE");
        }
        command
    }

    /// Whether the session is expired; it is from the second of its expiry time.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| now >= expires_at)
    }
}

/// A user and a session for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::user::AuthSource;

    pub(in crate::login) fn identity() -> Identity {
        let user = User {
            username: "fritz".to_owned(),
            name: Some("Fritz F".to_owned()),
            roles: vec!["user".to_owned(), "api".to_owned()],
            projects: Vec::new(),
            email: None,
            source: AuthSource::Local,
        };
        Identity { user, method: Method::Local }
    }

    pub(in crate::login) fn start(
        row: Option<User>,
        length: Option<GoDuration>,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<Session, LoginError> {
        Session::start(SessionKey::default(), identity(), row, length, key, now)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{identity, start};
    use super::*;
    use crate::key::{Algorithm, PrivateKey};

    #[test]
    fn session_token_has_the_roles_of_the_user_table_or_is_missing() {
        let key = SigningKey::private(PrivateKey::generate(Algorithm::EdDsa).unwrap()).unwrap();
        let row = User { roles: vec!["support".to_owned()], ..identity().user };
        let session = start(Some(row.clone()), None, Some(&key), Timestamp(1)).unwrap();
        let token = session.token.unwrap();
        let seen = crate::token::inspect(token.expose());
        assert_eq!(seen.unproven().unwrap().1.roles(), ["support"]);
        assert_eq!(session.user, row);
        let unknown = start(None, None, Some(&key), Timestamp(1)).unwrap();
        assert_eq!((unknown.token, unknown.user), (None, identity().user));
    }

    #[test]
    fn session_with_a_lifetime_below_one_second_is_rejected() {
        for length in [GoDuration::from_seconds(-1), GoDuration::from_nanoseconds(1)] {
            let error = start(None, Some(length), None, Timestamp(0));
            assert!(matches!(error, Err(LoginError::SessionLength(_))));
        }
        let endless = start(None, None, None, Timestamp(0)).unwrap();
        assert!(!endless.is_expired(Timestamp(i64::MAX)));
        assert!(endless.token.is_none());
    }
}
