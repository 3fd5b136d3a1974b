//! The token that a command requires: one for the server, or one of the OpenID provider.

use super::session::Session;
use super::session_error::{SessionError, add_command};
use super::session_token::{SessionToken, unverified_expiry};
use crate::util::duration::GoDuration;
use crate::util::time::Timestamp;

/// A kind of token of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// The token for the ClusterCockpit server.
    #[default]
    Server,
    /// The access token of the OpenID provider.
    Access,
    /// The ID token of the OpenID provider.
    Id,
}

impl TokenKind {
    /// What expires, for messages: a token for the server has the lifetime of the session.
    const fn noun(self) -> &'static str {
        match self {
            Self::Server => "session",
            Self::Access => "access token",
            Self::Id => "ID token",
        }
    }
}

impl Session {
    /// Returns the token of a kind, expired or not.
    #[must_use]
    pub fn token_of(&self, kind: TokenKind) -> Option<SessionToken> {
        match kind {
            TokenKind::Server => {
                self.token.clone().map(|token| SessionToken { token, expires_at: self.expires_at })
            }
            TokenKind::Access => self.access_token.clone(),
            TokenKind::Id => self.id_token.clone().map(|token| {
                let expires_at = unverified_expiry(&token);
                SessionToken { token, expires_at }
            }),
        }
    }
}

/// The token that a command requires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenDemand {
    /// Its kind.
    pub kind: TokenKind,
    /// The minimum remaining lifetime. Zero requires a token that is valid now.
    pub min_ttl: GoDuration,
}

impl TokenDemand {
    /// The remaining lifetime at which the token in a watched file is renewed by default.
    pub const MIN_TTL_OF_WATCH: GoDuration = GoDuration::from_seconds(60);
}

/// A [`TokenDemand`] at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedDemand {
    demand: TokenDemand,
    now: Timestamp,
}

impl TimedDemand {
    pub(super) const fn new(demand: TokenDemand, now: Timestamp) -> Self {
        Self { demand, now }
    }

    const fn needed_until(self) -> Timestamp {
        self.now.plus(self.demand.min_ttl)
    }

    /// Whether a renewal is not necessary. A renewal does not add a token for the server to a session
    /// without one, because its user is not in the user table.
    pub(super) fn is_met_by(self, session: &Session) -> bool {
        match self.demand.kind {
            TokenKind::Server => !session.is_expired(self.needed_until()),
            kind => {
                let token = session.token_of(kind);
                !session.is_expired(self.now)
                    && token.is_some_and(|token| !token.is_expired(self.needed_until()))
            }
        }
    }

    /// Returns the token of a session.
    ///
    /// # Errors
    /// [`SessionError::Expired`], [`SessionError::TokenExpired`], [`SessionError::ExpiresSoon`],
    /// [`SessionError::NoToken`], [`SessionError::NoProviderToken`].
    pub(super) fn token_from(self, session: &Session) -> Result<SessionToken, SessionError> {
        let TokenDemand { kind, min_ttl } = self.demand;
        let login = || session.login_command();
        if let Some(expires_at) = session.expires_at.filter(|_| session.is_expired(self.now)) {
            return Err(SessionError::Expired { expired: expires_at.relative_to(self.now), login: login() });
        }
        let expires_at = match kind {
            TokenKind::Server => session.expires_at,
            kind => session.token_of(kind).and_then(|token| token.expires_at),
        };
        let what = kind.noun();
        if let Some(expires_at) = expires_at.filter(|expires_at| self.needed_until() >= *expires_at) {
            let time = expires_at.relative_to(self.now);
            return Err(match self.now >= expires_at {
                true => SessionError::TokenExpired { what, expired: time, login: login() },
                false => SessionError::ExpiresSoon { what, expires: time, min_ttl, login: login() },
            });
        }
        session.token_of(kind).ok_or_else(|| match kind {
            TokenKind::Server => SessionError::NoToken { add: add_command(&session.user) },
            _ => SessionError::NoProviderToken { what },
        })
    }

    /// Describes the state of the token, for a note after a renewal that failed.
    pub(super) fn state(self, session: Option<&Session>) -> String {
        let what = self.demand.kind.noun();
        let is_expired = match session {
            Some(session) if !session.is_expired(self.now) => {
                session.token_of(self.demand.kind).is_none_or(|token| token.is_expired(self.now))
            }
            _ => true,
        };
        format!("the {what} {}", if is_expired { "is expired" } else { "expires soon" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::identity::{Identity, Method};
    use crate::login::session_key::{SessionKey, SessionOrigin};
    use crate::user::{AuthSource, User};
    use crate::util::secret::SecretText;

    fn session(seconds: i64) -> Session {
        let user = User {
            username: "fritz".to_owned(),
            name: None,
            roles: vec!["user".to_owned()],
            projects: Vec::new(),
            email: None,
            source: AuthSource::Local,
        };
        let key = SessionKey { name: None, origin: Some(SessionOrigin::Directory("/d".into())) };
        let lifetime = Some(GoDuration::from_seconds(seconds));
        let identity = Identity { user, method: Method::Oidc };
        let session = Session::start(key, identity, None, lifetime, None, Timestamp(0)).unwrap();
        Session { token: Some(SecretText::new("server".to_owned())), ..session }
    }

    fn with_access(session_seconds: i64, access_seconds: Option<i64>) -> Session {
        let token = SecretText::new("access".to_owned());
        let access_token = Some(SessionToken::access(token, access_seconds, Timestamp(0)));
        Session { access_token, ..session(session_seconds) }
    }

    fn demand(kind: TokenKind, min_ttl: i64, now: i64) -> TimedDemand {
        let min_ttl = GoDuration::from_seconds(min_ttl);
        TimedDemand::new(TokenDemand { kind, min_ttl }, Timestamp(now))
    }

    #[test]
    fn token_for_the_server_has_the_lifetime_of_the_session() {
        let session = session(100);
        let at = |min_ttl, now| demand(TokenKind::Server, min_ttl, now);
        assert!(at(0, 99).is_met_by(&session) && at(50, 49).is_met_by(&session));
        assert!(!at(0, 100).is_met_by(&session) && !at(50, 50).is_met_by(&session));
        assert_eq!(at(0, 99).token_from(&session).unwrap().expires_at, Some(Timestamp(100)));
        assert!(matches!(at(0, 100).token_from(&session), Err(SessionError::Expired { .. })));
        assert!(matches!(at(50, 50).token_from(&session), Err(SessionError::ExpiresSoon { .. })));
    }

    #[test]
    fn session_without_a_token_for_the_server_is_not_renewed_for_it() {
        let session = Session { token: None, ..session(100) };
        assert!(demand(TokenKind::Server, 0, 0).is_met_by(&session));
        let token = demand(TokenKind::Server, 0, 0).token_from(&session);
        assert!(matches!(token, Err(SessionError::NoToken { .. })));
    }

    #[test]
    fn access_token_expires_before_the_session() {
        let session = with_access(100, Some(10));
        let at = |min_ttl, now| demand(TokenKind::Access, min_ttl, now);
        assert!(at(0, 9).is_met_by(&session) && !at(0, 10).is_met_by(&session));
        assert!(!at(5, 5).is_met_by(&session));
        assert_eq!(at(0, 9).token_from(&session).unwrap().token.expose(), "access");
        assert!(matches!(at(0, 10).token_from(&session), Err(SessionError::TokenExpired { .. })));
        assert!(matches!(at(5, 5).token_from(&session), Err(SessionError::ExpiresSoon { .. })));
        assert!(matches!(at(0, 100).token_from(&session), Err(SessionError::Expired { .. })));
        // The token for the server is still valid.
        assert!(demand(TokenKind::Server, 0, 10).is_met_by(&session));
        // An expired session has no valid token, also if the provider issued it for longer.
        assert!(!at(0, 100).is_met_by(&with_access(100, Some(1000))));
    }

    #[test]
    fn access_token_without_expires_in_expires_by_its_claim_or_never() {
        let claims = data_encoding::BASE64URL_NOPAD.encode(b"{\"exp\":50}");
        let header = data_encoding::BASE64URL_NOPAD.encode(b"{\"alg\":\"EdDSA\"}");
        let jwt = SecretText::new(format!("{header}.{claims}.AAAA"));
        assert_eq!(SessionToken::access(jwt, None, Timestamp(0)).expires_at, Some(Timestamp(50)));
        let session = with_access(100, None);
        assert!(demand(TokenKind::Access, 10, 80).is_met_by(&session));
    }

    #[test]
    fn session_without_a_token_of_the_provider_is_renewed_for_it() {
        let session = session(100);
        for kind in [TokenKind::Access, TokenKind::Id] {
            assert!(!demand(kind, 0, 0).is_met_by(&session));
            let token = demand(kind, 0, 0).token_from(&session);
            assert!(matches!(token, Err(SessionError::NoProviderToken { .. })));
        }
    }
}
