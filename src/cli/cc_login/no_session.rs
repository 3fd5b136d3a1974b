//! Why there is no session, or no token in it.

use crate::base::fault::Fault;
use crate::base::kind::Kind;

/// Why there is no token to print.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSession {
    #[error("nobody is logged in")]
    Nobody,
    #[error("the session ended {0}")]
    Over(String),
    #[error(
        "the session has no token: at the login the user was not in the user table, or there was no private key"
    )]
    NoToken,
    #[error("the session can't be renewed: the provider gave no refresh token")]
    NoRefresh,
    #[error("a logout ended the session during the refresh: the new session is not stored")]
    Ended,
    #[error("another login replaced the session during the refresh: the refreshed session is not stored")]
    Replaced,
}

impl Fault for NoSession {
    fn kind(&self) -> Kind {
        match self {
            Self::Nobody => Kind::NoSession,
            Self::Over(_) => Kind::SessionExpired,
            Self::NoToken => Kind::SessionWithoutToken,
            Self::NoRefresh => Kind::SessionWithoutRefresh,
            Self::Ended | Self::Replaced => Kind::SessionChanged,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nobody | Self::Over(_) | Self::Ended => "cc-login NAME".to_owned(),
            Self::Replaced => "cc-login status".to_owned(),
            Self::NoRefresh => {
                "log in with cc-login --method oidc; many providers give one for --scope offline_access"
                    .to_owned()
            }
            Self::NoToken => {
                "add the user with 'cc-user add', or make keys with 'gen-keypair --write'; then log in again"
                    .to_owned()
            }
        })
    }
}
