//! Why there is no session, or no token in it.

use crate::base::fault::{Fault, Status};

/// Why there is no token to print.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSession {
    #[error("nobody is logged in")]
    Nobody,
    #[error("the session ended {0}")]
    Over(String),
    #[error("the session has no token: there was no private key when it began")]
    NoToken,
    #[error("the session can't be renewed: the provider gave no refresh token")]
    NoRefresh,
}

impl Fault for NoSession {
    fn status(&self) -> Status {
        Status::No
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Nobody => "no-session",
            Self::Over(_) => "session-over",
            Self::NoToken => "session-without-token",
            Self::NoRefresh => "session-without-refresh",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nobody | Self::Over(_) => "cc-login NAME".to_owned(),
            Self::NoRefresh => {
                "log in with cc-login --method oidc; many providers give one for --scope offline_access"
                    .to_owned()
            }
            Self::NoToken => "make keys with gen-keypair --write, then log in again".to_owned(),
        })
    }
}
