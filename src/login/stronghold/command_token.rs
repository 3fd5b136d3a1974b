//! The token of a session for one command: renewed while the command runs. The token of a session in memory is
//! revoked after it.

use std::time::Duration;

use super::token::{self, Revocation};
use crate::login::error::LoginError;
use crate::login::session::{Session, StrongholdGrant};
use crate::login::session_error::SessionError;
use crate::login::session_file::{ReplaceOutcome, SessionLock, lock_refresh};
use crate::login::session_store::{self, SessionStore};
use crate::login::ui::LoginEnvironment;
use crate::util::note::Notes;

/// The time until a renewal that failed is repeated, and the shortest time between two renewals.
const RETRY: Duration = Duration::from_secs(5);

/// Where the session of a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In this process only.
    Memory,
    /// In a session file, which other processes read and replace.
    Stored,
}

/// The token of a session at Stronghold, which a command uses.
#[derive(Debug)]
pub struct CommandToken<'run> {
    session: Session,
    place: Place,
    environment: &'run LoginEnvironment<'run>,
    /// Whether the next renewal can change the expiry time.
    is_renewed: bool,
    has_warned: bool,
}

impl<'run> CommandToken<'run> {
    /// Creates the token of a session that is not stored; `None` for a session of another method, whose token
    /// no server revokes.
    #[must_use]
    pub fn in_memory(session: &Session, environment: &'run LoginEnvironment<'run>) -> Option<Self> {
        Self::new(session, Place::Memory, environment)
    }

    /// Creates the token of a stored session; `None` if a renewal replaces the token or is not possible.
    #[must_use]
    pub fn stored(session: &Session, environment: &'run LoginEnvironment<'run>) -> Option<Self> {
        let token = Self::new(session, Place::Stored, environment)?;
        token.next_renewal().is_some().then_some(token)
    }

    fn new(session: &Session, place: Place, environment: &'run LoginEnvironment<'run>) -> Option<Self> {
        session.stronghold.as_ref()?;
        Some(Self { session: session.clone(), place, environment, is_renewed: true, has_warned: false })
    }

    /// Returns the time until the next renewal; `None` if the token is no longer renewed.
    #[must_use]
    pub fn next_renewal(&self) -> Option<Duration> {
        let now = self.environment.clock.now();
        if !self.is_renewed || !self.session.can_be_renewed(now) {
            return None;
        }
        let due = token::renewal_due_at(&self.session)?;
        let pause = Duration::from_secs(u64::try_from(due.0 - now.0).unwrap_or_default());
        Some(if self.has_warned { pause.max(RETRY) } else { pause.max(Duration::from_secs(1)) })
    }

    /// Renews the token. It does not change. A failure is a warning, and the renewal is repeated until the
    /// token expires.
    pub fn renew(&mut self, notes: &mut Notes) {
        let Some(grant) = &self.session.stronghold else { return };
        let now = self.environment.clock.now();
        let until = |session: &Session| {
            session.expires_at.map_or_else(String::new, |expires_at| expires_at.relative_to(now))
        };
        let renewed = match self.place {
            Place::Memory => token::renew(&self.session, grant, self.environment, &mut Notes::new()),
            Place::Stored => self.renew_stored(grant),
        };
        match renewed {
            Ok(session) => {
                // The maximum lifetime is reached: further renewals have no effect.
                self.is_renewed = session.expires_at > self.session.expires_at;
                self.session = session;
                self.has_warned = false;
                if !self.is_renewed {
                    let text =
                        format!("the token has its maximum lifetime: it expires {}", until(&self.session));
                    notes.warn("token-not-renewed", text);
                }
            }
            Err(error) => {
                self.is_renewed = matches!(&error, LoginError::Stronghold(error) if error.is_temporary());
                if !std::mem::replace(&mut self.has_warned, true) || !self.is_renewed {
                    let text = match error {
                        // The logout or login has revoked the token.
                        LoginError::Session(SessionError::Ended) => {
                            "a logout ended the session: the token of the command is no longer valid".to_owned()
                        }
                        LoginError::Session(SessionError::Replaced) => {
                            "another login replaced the session: the token of the command is no longer renewed"
                                .to_owned()
                        }
                        error => format!("the token is not renewed: {error}; it expires {}", until(&self.session)),
                    };
                    notes.warn("token-not-renewed", text);
                }
            }
        }
    }

    /// Renews the token and stores its expiry time, unless another process has renewed it meanwhile.
    fn renew_stored(&self, grant: &StrongholdGrant) -> Result<Session, LoginError> {
        let id = self.session.key.id();
        let path = SessionStore::new(self.environment.variables)?.path(&id);
        let _turn = lock_refresh(&path)?;
        let stored = SessionLock::acquire(&path)
            .and_then(|_lock| session_store::load(&id, &path, &mut Notes::new()))?;
        let before = match stored {
            Some(stored) if stored.token == self.session.token => stored,
            Some(_) => return Err(SessionError::Replaced.into()),
            None => return Err(SessionError::Ended.into()),
        };
        if before.expires_at > self.session.expires_at {
            return Ok(before);
        }
        let after = token::renew(&before, grant, self.environment, &mut Notes::new())?;
        match SessionLock::acquire(&path)?.replace(&before, &after)? {
            ReplaceOutcome::Saved => Ok(after),
            ReplaceOutcome::Changed(Some(_)) => Err(SessionError::Replaced.into()),
            ReplaceOutcome::Changed(None) => Err(SessionError::Ended.into()),
        }
    }

    /// Ends the use of the token: that of a session in memory is revoked. A failure is a warning.
    pub fn end(self, notes: &mut Notes) {
        if self.place == Place::Stored {
            return;
        }
        let Some(grant) = &self.session.stronghold else { return };
        let reason = match token::revocation(&self.session, grant, self.environment) {
            Ok(Revocation::Done | Revocation::AlreadyInvalid) => return,
            Ok(Revocation::Rejected(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        notes.warn("token-not-revoked", format!("the token remains valid until it expires: {reason}"));
    }
}
