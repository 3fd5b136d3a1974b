//! Errors of a login at Stronghold that the server does not report itself.

use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// An error of a login at Stronghold.
#[derive(Debug, thiserror::Error)]
pub enum StrongholdLoginError {
    /// The server rejects a login through the provider, and the reason is only in its log.
    #[error("the server at {} rejects the login at the mount {} and states no reason: {cause}", quote(.url), quote(.mount))]
    NoAuthUrl {
        /// The URL of the server.
        url: String,
        /// The mount.
        mount: String,
        /// The reason, or the possible ones.
        cause: String,
        /// The next step for the user, if it is known.
        hint: Option<String>,
    },
    /// The URL of the provider has no state, so the answer cannot be recognized.
    #[error("the server at {} sent a URL of the provider without 'state'", quote(.0))]
    NoState(String),
    /// A second factor has no method.
    #[error("the login requires the second factor {}, which has no method", quote(.0))]
    NoMfaMethod(String),
    /// The server requires a second factor again.
    #[error("the server requires another second factor after the first one")]
    RepeatedMfa,
    /// The token file of a session has no token that can be used as a JWT.
    #[error("the session {} has no token", quote(.0))]
    NoJwt(String),
    /// A command needs the token, and the server sent a wrap.
    #[error("the server sent a wrapping token: expected the token")]
    Wrapped,
    /// A wrap was requested, and the server sent the token. It is revoked.
    #[error("the server at {} sent the token itself: expected a wrapping token", quote(.0))]
    NotWrapped(String),
    /// A token cannot be stored by the token helper, because the server is not known.
    #[error("the session of the token cannot be stored: no server is set")]
    HelperWithoutServer,
}

diagnostics! { StrongholdLoginError:
    Self::NoAuthUrl { hint, .. } => Kind::StrongholdRejected, hint.clone();
    Self::NoState(_) => Kind::StrongholdUnexpectedResponse;
    Self::NoMfaMethod(_) => Kind::StrongholdMfa;
    Self::RepeatedMfa => Kind::StrongholdMfa;
    Self::Wrapped => Kind::StrongholdUnexpectedResponse;
    Self::NotWrapped(_) => Kind::StrongholdUnexpectedResponse;
    Self::NoJwt(_) => Kind::SessionWithoutToken;
    Self::HelperWithoutServer => Kind::StrongholdUrlMissing,
        "set the variable STRONGHOLD_ADDR, BAO_ADDR or VAULT_ADDR";
}
