//! The token of a session in memory, for one command: renewed while the command runs, and revoked after it.

use std::time::Duration;

use super::token::{self, Revocation};
use crate::login::error::LoginError;
use crate::login::session::Session;
use crate::login::ui::LoginEnvironment;
use crate::util::note::Notes;

/// The time until a renewal that failed is repeated, and the shortest time between two renewals.
const RETRY: Duration = Duration::from_secs(5);

/// The token of a session at Stronghold that is not stored.
#[derive(Debug)]
pub struct CommandToken<'run> {
    session: Session,
    environment: &'run LoginEnvironment<'run>,
    /// Whether the next renewal can change the expiry time.
    is_renewed: bool,
    has_warned: bool,
}

impl<'run> CommandToken<'run> {
    /// Creates the token of a session; `None` for a session of another method, whose token no server revokes.
    #[must_use]
    pub fn new(session: &Session, environment: &'run LoginEnvironment<'run>) -> Option<Self> {
        session.stronghold.as_ref()?;
        Some(Self { session: session.clone(), environment, is_renewed: true, has_warned: false })
    }

    /// Returns the time until the next renewal; `None` if the token is not renewed any more.
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
        match token::renew(&self.session, grant, self.environment, &mut Notes::new()) {
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
                    let text =
                        format!("the token is not renewed: {error}; it expires {}", until(&self.session));
                    notes.warn("token-not-renewed", text);
                }
            }
        }
    }

    /// Revokes the token. A failure is a warning.
    pub fn revoke(self, notes: &mut Notes) {
        let Some(grant) = &self.session.stronghold else { return };
        let reason = match token::revocation(&self.session, grant, self.environment) {
            Ok(Revocation::Done | Revocation::AlreadyInvalid) => return,
            Ok(Revocation::Rejected(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        notes.warn("token-not-revoked", format!("the token remains valid until it expires: {reason}"));
    }
}
