//! What can go wrong in a login through a provider.

use std::net::SocketAddr;

use crate::oidc::discovery::DiscoveryError;
use crate::oidc::jwks_cache::RemoteJwksError;
use crate::oidc::oauth::{ErrorResponse, OauthError};
use crate::policy::oidc_identity::OidcIdentityError;
use crate::token::TokenError;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};
use crate::util::time::human_span;

/// Why a login through a provider did not work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OidcError {
    /// A part of the redirect URI is none.
    #[error("{} is no {what}: wanted {wanted}", quote(.found))]
    InvalidCallbackUrl {
        /// The part.
        what: &'static str,
        /// What was given.
        found: String,
        /// What fits.
        wanted: &'static str,
    },
    /// A parameter of the authorization request that belongs to the flow.
    #[error("the authorization parameter {} belongs to the login itself and cannot be set", quote(.0))]
    ReservedParameter(String),
    /// The login role does not let the browser come back there.
    #[error("the login role {} does not allow the redirect URI {}", quote(.role), quote(.uri))]
    RedirectNotAllowed {
        /// The role.
        role: String,
        /// The redirect URI.
        uri: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {}", escape(.0))]
    NoRandom(String),
    /// The listening address is none.
    #[error("{} is no address to listen on: {why}", quote(.address))]
    InvalidListenAddress {
        /// What was given.
        address: String,
        /// Why.
        why: String,
    },
    /// No port could be had.
    #[error("no port to listen on for the browser: {address} port {port}: {why}")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// All ports that were tried.
        port: String,
        /// What the system said of the last one.
        why: String,
    },
    /// The listening failed later on.
    #[error("listening for the browser failed: {0}")]
    ListenFailed(String),
    /// Nobody came back in time.
    #[error("nobody logged in within the time limit of {limit}{}", rejected_text(*.rejected_requests))]
    TimedOut {
        /// The limit, as Go writes it.
        limit: String,
        /// How many requests were turned away, because they were not for this login.
        rejected_requests: usize,
        /// The redirect URI, if there was one.
        redirect_uri: Option<String>,
    },
    /// It has not the state of this login: it belongs to another login, or somebody tries
    /// something (RFC 6749 10.12).
    #[error(
        "what came back is not for the login that was begun: {}{}",
        if *.missing { "it has no 'state'" } else { "its 'state' is another" },
        provider_text(.refusal.as_ref())
    )]
    OtherState {
        /// Whether there was no state at all.
        missing: bool,
        /// A refusal that came without the right state; it may be anybody's words.
        refusal: Option<ErrorResponse>,
    },
    /// Another browser than the one in which the login started.
    #[error(
        "{}",
        if *.is_start { "the start URL was opened in a second browser: the first one may be that of another user" } else { "the callback came from another browser than the one in which the login started" }
    )]
    OtherBrowser {
        /// Whether it opened the start URL again.
        is_start: bool,
    },
    /// Another account of this computer.
    #[error("another account of this computer (user ID {0}) tried to take part in the login")]
    OtherAccount(u32),
    /// It is from another provider (RFC 9207 2.4).
    #[error("what came back is from the issuer {}, wanted {}", quote(.found), quote(.wanted))]
    OtherIssuer {
        /// The issuer it names; empty where it names none.
        found: String,
        /// The one that was asked.
        wanted: String,
    },
    /// A parameter stands twice (RFC 6749 3.1).
    #[error("what came back has the parameter {} more than once", quote(.0))]
    DuplicateParameter(String),
    /// Neither code nor error.
    #[error("what came back has neither a code nor an error")]
    EmptyResponse,
    /// What was pasted is not the address of the page the browser ended on.
    #[error("that is not the address the browser ended on, which begins with {}", quote(.0))]
    NotTheRedirectUri(String),
    /// The provider said no in the browser.
    #[error("the provider refused the login: {}", refusal.text())]
    ErrorResponse {
        /// Its words.
        refusal: ErrorResponse,
        /// The redirect URI that was used.
        redirect_uri: String,
    },
    /// An endpoint of the provider failed.
    #[error(transparent)]
    Provider(#[from] OauthError),
    /// The provider's document or its keys are of no use.
    #[error(transparent)]
    Keys(#[from] RemoteJwksError),
    /// The discovery document cannot be used.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The provider logged in another user than the one that was named.
    #[error("the provider logged in {}, expected {}", quote(.found), quote(.expected))]
    OtherUser {
        /// The user who logged in.
        found: String,
        /// The name that was given.
        expected: String,
    },
    /// A device login's code was not entered in time.
    #[error("the code was not entered within the {} the provider gives it", human_span(*.0))]
    CodeExpired(u64),
    /// The provider logged somebody in, but does not say whom.
    #[error("the provider gave no ID token")]
    NoIdToken,
    /// The ID token's form or signature is not good.
    #[error("the provider's ID token is refused: {0}")]
    InvalidIdToken(TokenError),
    /// Userinfo is a signed token, whose form or signature is not good.
    #[error("the provider's signed userinfo is refused: {0}")]
    InvalidUserinfo(TokenError),
    /// A check of the ID token, userinfo or the login role failed.
    #[error("the login is refused: {reason}")]
    NotAccepted {
        /// The check.
        check: &'static str,
        /// Why.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// What the provider says makes no user.
    #[error(transparent)]
    Identity(#[from] OidcIdentityError),
}

fn provider_text(refusal: Option<&ErrorResponse>) -> String {
    refusal.map(|refusal| format!("; it says {}", refusal.text())).unwrap_or_default()
}

fn rejected_text(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "; one request was turned away, since it was not for this login".to_owned(),
        _ => format!("; {count} requests were turned away, since they were not for this login"),
    }
}

impl OidcError {
    /// Whether this is about something that has nothing to do with the login that was begun,
    /// which goes on waiting.
    #[must_use]
    pub const fn is_unrelated(&self) -> bool {
        matches!(
            self,
            Self::OtherState { .. }
                | Self::OtherBrowser { is_start: false }
                | Self::OtherAccount(_)
                | Self::NotTheRedirectUri(_)
        )
    }
}

impl Diagnostic for OidcError {
    fn kind(&self) -> Kind {
        match self {
            Self::InvalidCallbackUrl { .. } => Kind::LoginBadCallback,
            Self::ReservedParameter(_) => Kind::LoginReservedParameter,
            Self::RedirectNotAllowed { .. } => Kind::LoginRedirectNotAllowed,
            Self::NoRandom(_) => Kind::RandomUnavailable,
            Self::InvalidListenAddress { .. } => Kind::LoginBadListenAddress,
            Self::CannotListen { .. } => Kind::LoginCantListen,
            Self::ListenFailed(_) => Kind::LoginListenFailed,
            Self::TimedOut { .. } => Kind::LoginTimeout,
            Self::OtherState { .. } => Kind::LoginOtherState,
            Self::OtherBrowser { .. } | Self::OtherAccount(_) => Kind::LoginOtherBrowser,
            Self::OtherIssuer { .. } => Kind::LoginOtherIssuer,
            Self::DuplicateParameter(_) => Kind::LoginDuplicateParameter,
            Self::EmptyResponse => Kind::LoginEmptyAnswer,
            Self::NotTheRedirectUri(_) => Kind::LoginNotCallbackUrl,
            Self::ErrorResponse { refusal, .. } => refusal.kind(),
            Self::Provider(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Discovery(error) => error.kind(),
            Self::OtherUser { .. } => Kind::LoginOtherUser,
            Self::CodeExpired(_) => Kind::LoginCodeExpired,
            Self::NoIdToken => Kind::ProviderNoIdToken,
            Self::InvalidIdToken(_) => Kind::IdTokenRejected,
            Self::InvalidUserinfo(_) => Kind::UserinfoRejected,
            Self::NotAccepted { .. } => Kind::LoginNotAccepted,
            Self::Identity(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::RedirectNotAllowed { uri, .. } => {
                format!("add it to the role's allowed_redirect_uris: {}", escape(uri))
            }
            Self::CannotListen { .. } => {
                "name other ports, such as --port 8250-8260, or --port 0 for any free one; the provider must know the redirect URI".to_owned()
            }
            Self::TimedOut { redirect_uri: Some(uri), .. } => format!(
                "if the provider complained about the redirect URI, register exactly {}; --timeout gives more time",
                escape(uri)
            ),
            Self::TimedOut { redirect_uri: None, .. } => "--timeout gives more time".to_owned(),
            Self::OtherState { .. } => {
                "log in with the address shown last, not with one of an earlier try".to_owned()
            }
            Self::OtherBrowser { is_start: true } => {
                "start again; with --skip-browser no browser is opened by itself".to_owned()
            }
            Self::OtherBrowser { is_start: false } => {
                "use the browser in which the login started, or start again".to_owned()
            }
            Self::OtherAccount(_) => "use a browser of the account that runs cc-login, or --manual".to_owned(),
            Self::NotTheRedirectUri(_) => {
                "copy the whole address from the browser's address bar, also when the page says that it cannot be reached".to_owned()
            }
            Self::ErrorResponse { refusal, redirect_uri } => return refusal.hint(Some(redirect_uri)),
            Self::Provider(error) => return error.hint(),
            Self::Keys(error) => return error.hint(),
            Self::Discovery(error) => return error.hint(),
            Self::OtherUser { .. } => {
                "log out in the browser at the provider, or log in without a name: cc-login --method oidc".to_owned()
            }
            Self::Identity(error) => return error.hint(),
            Self::NotAccepted { hint, .. } => return hint.clone(),
            Self::CodeExpired(_) => "start again".to_owned(),
            Self::NoIdToken => {
                "the provider's registration of this client must allow the scope openid".to_owned()
            }
            Self::InvalidIdToken(_) | Self::InvalidUserinfo(_) => {
                "what the provider signs and what it publishes differ: ask its administrator".to_owned()
            }
            _ => return None,
        })
    }
}
