//! The result of a login.

use super::error::LoginError;
use super::session::Session;
use super::stronghold::error::StrongholdLoginError;
use crate::stronghold::WrappedToken;

/// The result of a login.
#[derive(Debug)]
pub enum LoginOutcome {
    /// The session, which is stored or in memory.
    Session(Box<Session>),
    /// A server delivers the token in a wrap, and no session is stored.
    Wrapped(WrappedToken),
}

impl LoginOutcome {
    /// Returns the session.
    ///
    /// # Errors
    /// [`StrongholdLoginError::Wrapped`] for a token in a wrap.
    pub fn session(self) -> Result<Session, LoginError> {
        match self {
            Self::Session(session) => Ok(*session),
            Self::Wrapped(_) => Err(StrongholdLoginError::Wrapped.into()),
        }
    }
}
