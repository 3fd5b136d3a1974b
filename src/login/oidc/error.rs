//! Errors of an OpenID login.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::key::Algorithm;
use crate::oidc::discovery::DiscoveryError;
use crate::oidc::jwks_cache::RemoteJwksError;
use crate::oidc::oauth::{ErrorResponse, OauthError};
use crate::policy::keycloak_settings;
use crate::policy::oidc_identity::OidcIdentityError;
use crate::token::TokenError;
use crate::util::diagnostic::diagnostics;
use crate::util::duration::GoDuration;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};
use crate::util::time::human_span;

/// An error of a login through an OpenID provider.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OidcError {
    /// A part of the redirect URI is invalid.
    #[error("invalid {what} {}: expected {expected}", quote(.found))]
    InvalidCallbackUrl {
        /// The option of the part.
        what: &'static str,
        /// The invalid value.
        found: String,
        /// The valid values.
        expected: &'static str,
    },
    /// A parameter of the authorization request is set by the flow itself.
    #[error("invalid authorization parameter {} in --parameter or 'parameters' of the provider entry: the login sets it", quote(.0))]
    ReservedParameter(String),
    /// The login role does not allow the redirect URI.
    #[error("the login role {} does not allow the redirect URI {}", quote(.role), quote(.uri))]
    RedirectNotAllowed {
        /// The role.
        role: String,
        /// The redirect URI.
        uri: String,
    },
    /// The random generator of the system failed.
    #[error("cannot get random numbers from the system: {}", escape(.0))]
    NoRandom(String),
    /// The listen address is invalid.
    #[error("invalid --listen-address {}: {why}", quote(.address))]
    InvalidListenAddress {
        /// The address.
        address: String,
        /// The reason.
        why: String,
    },
    /// None of the ports is available.
    #[error("cannot listen on {address} port {port}: {why}")]
    CannotListen {
        /// The address.
        address: IpAddr,
        /// The ports that were tried.
        port: String,
        /// The reason for the last port.
        why: String,
    },
    /// The listen address does not belong to this computer.
    #[error("cannot listen on {address}: {why}")]
    ListenAddressUnavailable {
        /// The address.
        address: IpAddr,
        /// The reason.
        why: String,
    },
    /// The listener failed.
    #[error("cannot accept connections of the browser: {0}")]
    ListenFailed(String),
    /// The time limit is reached.
    #[error("no login within the time limit of {}{}", duration(*.limit), rejected_text(*.rejected_requests))]
    TimedOut {
        /// The time limit.
        limit: Duration,
        /// The number of rejected requests that were not part of this login.
        rejected_requests: usize,
        /// The redirect URI, if the flow has one.
        redirect_uri: Option<String>,
        /// The setting with the client ID, if the flow sent it.
        client_id_setting: Option<String>,
    },
    /// The response does not have the state of this login: it belongs to another login, or is forged
    /// (RFC 6749 10.12).
    #[error(
        "the response does not belong to this login: {}{}",
        if *.missing { "it has no 'state'" } else { "its 'state' differs" },
        provider_text(.refusal.as_ref())
    )]
    OtherState {
        /// Whether the state is missing.
        missing: bool,
        /// The error of the response, which may be forged.
        refusal: Option<ErrorResponse>,
    },
    /// The request came from another browser than the one in which the login started.
    #[error(
        "{}",
        if *.is_start { "the start URL was opened in two browsers: one may belong to another user" } else { "the response came from another browser than the one in which the login started" }
    )]
    OtherBrowser {
        /// Whether the request was for the start URL.
        is_start: bool,
    },
    /// The request came from another account of this computer.
    #[error("another account of this computer (user ID {0}) tried to take part in the login")]
    OtherAccount(u32),
    /// The response came from another provider (RFC 9207 2.4).
    #[error("the response is from {}, expected {}", issuer_text(.found.as_deref()), quote(.expected))]
    OtherIssuer {
        /// The issuer of the response, if it has one.
        found: Option<String>,
        /// The issuer of the provider.
        expected: String,
    },
    /// A parameter is duplicate (RFC 6749 3.1).
    #[error("the response has a duplicate parameter {}", quote(.0))]
    DuplicateParameter(String),
    /// The response contains neither code nor error.
    #[error("the response has neither a code nor an error")]
    EmptyResponse,
    /// The pasted text is not the URL of the last page.
    #[error("this is not the URL of the last page, which begins with {}", quote(.0))]
    NotTheRedirectUri(String),
    /// The provider returned an error to the browser.
    #[error("the provider rejected the login: {}", refusal.text())]
    ErrorResponse {
        /// The error.
        refusal: ErrorResponse,
        /// The redirect URI.
        redirect_uri: String,
    },
    /// A request to an endpoint of the provider failed.
    #[error(transparent)]
    Provider(#[from] OauthError),
    /// The keys of the provider are not available.
    #[error(transparent)]
    Keys(#[from] RemoteJwksError),
    /// The discovery document of the configured provider is not available or invalid.
    #[error("{}: {error}", escape(.setting))]
    Unavailable {
        /// The setting with the URL of the provider.
        setting: String,
        /// The reason.
        error: Box<RemoteJwksError>,
    },
    /// An endpoint in the discovery document is missing or invalid.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The user who logged in differs from the expected user.
    #[error("the provider logged in {}, expected {}", quote(.found), quote(.expected))]
    OtherUser {
        /// The user who logged in.
        found: String,
        /// The expected username.
        expected: String,
    },
    /// The user code is expired.
    #[error("the code expired after {}", human_span(*.0))]
    CodeExpired(u64),
    /// The response of the token endpoint does not contain an ID token.
    #[error("the provider sent no ID token")]
    NoIdToken,
    /// A token of the provider is malformed or its signature is invalid.
    #[error("invalid {token} of the provider: {error}")]
    InvalidToken {
        /// The token.
        token: ProviderToken,
        /// The reason.
        error: TokenError,
    },
    /// A token of the provider is signed with the client secret, which a client cannot use as a key safely.
    #[error(
        "invalid {token} of the provider: it is signed with {algorithm}, whose key is a secret: expected an algorithm with \
         a public key, such as RS256"
    )]
    TokenWithSecret {
        /// The token.
        token: ProviderToken,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A check of the ID token, of UserInfo or of the login role failed.
    #[error("login rejected: {check}: {reason}")]
    NotAccepted {
        /// The check.
        check: &'static str,
        /// The reason.
        reason: String,
        /// The next step for the user.
        hint: Option<String>,
    },
    /// The claims do not describe a valid user.
    #[error(transparent)]
    Identity(#[from] OidcIdentityError),
}

/// A token of the provider that is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderToken {
    /// The ID token.
    IdToken,
    /// The UserInfo response.
    Userinfo,
}

impl fmt::Display for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdToken => "ID token",
            Self::Userinfo => "signed UserInfo",
        })
    }
}

impl ProviderToken {
    const fn kind(self) -> Kind {
        match self {
            Self::IdToken => Kind::IdTokenRejected,
            Self::Userinfo => Kind::UserinfoRejected,
        }
    }

    /// Returns the hint for a signature algorithm that is not supported.
    fn signature_hint(self) -> String {
        let setting = match self {
            Self::IdToken => keycloak_settings::ID_TOKEN_SIGNATURE,
            Self::Userinfo => keycloak_settings::USERINFO_SIGNATURE,
        };
        format!(
            "at the provider, set the signature algorithm of this client to RS256 (Keycloak: '{setting}')"
        )
    }

    /// Returns the hint for a token that cannot be verified.
    fn hint(self, error: &TokenError) -> String {
        let encryption = match self {
            Self::IdToken => keycloak_settings::ID_TOKEN_ENCRYPTION,
            Self::Userinfo => keycloak_settings::USERINFO_ENCRYPTION,
        };
        match error {
            TokenError::Encrypted => {
                format!(
                    "at the provider, switch off the encryption for this client (Keycloak: clear '{encryption}')"
                )
            }
            TokenError::Unsigned(_) | TokenError::AlgorithmUnknown(_) => self.signature_hint(),
            error if error.is_malformed() => {
                "ask the administrator of the provider: its response is malformed".to_owned()
            }
            _ => "the provider's signature and its published keys do not match: ask its administrator"
                .to_owned(),
        }
    }
}

fn issuer_text(found: Option<&str>) -> String {
    found.map_or_else(|| "an unknown issuer".to_owned(), |found| format!("the issuer {}", quote(found)))
}

fn provider_text(refusal: Option<&ErrorResponse>) -> String {
    refusal.map(|refusal| format!("; it has the error {}", refusal.text())).unwrap_or_default()
}

fn duration(limit: Duration) -> GoDuration {
    GoDuration::from_nanoseconds(i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX))
}

fn rejected_text(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "; one request was rejected: it was not part of this login".to_owned(),
        _ => format!("; {count} requests were rejected: they were not part of this login"),
    }
}

impl OidcError {
    /// Whether the request is not part of this login; the login then continues to wait.
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

diagnostics! { OidcError:
    Self::InvalidCallbackUrl { .. } => Kind::LoginBadCallback;
    Self::ReservedParameter(_) => Kind::LoginReservedParameter;
    Self::RedirectNotAllowed { uri, .. } => Kind::LoginRedirectNotAllowed,
        format!("add it to the role's allowed_redirect_uris: {}", escape(uri));
    Self::NoRandom(_) => Kind::RandomUnavailable;
    Self::InvalidListenAddress { .. } => Kind::LoginBadListenAddress;
    Self::CannotListen { .. } => Kind::LoginCantListen,
        "use other ports, such as --port 8250-8260, or --port 0 for any free one; the redirect URI must be registered with the provider";
    Self::ListenAddressUnavailable { .. } => Kind::LoginBadListenAddress,
        "set --listen-address to an address of this computer, such as localhost";
    Self::ListenFailed(_) => Kind::LoginListenFailed;
    Self::TimedOut { redirect_uri: Some(uri), client_id_setting, .. } => Kind::LoginTimeout, {
        let client = client_id_setting.as_deref().map(|name| format!("check {}, and ", escape(name)));
        format!(
            "if the provider showed an error page, {}register exactly the redirect URI {}; --timeout sets a longer limit",
            client.unwrap_or_default(),
            escape(uri)
        )
    };
    Self::TimedOut { redirect_uri: None, .. } => Kind::LoginTimeout, "--timeout sets a longer limit";
    Self::OtherState { .. } => Kind::LoginOtherState, "use the URL that was printed last";
    Self::OtherBrowser { is_start: true } => Kind::LoginOtherBrowser,
        "start again; --skip-browser opens no browser";
    Self::OtherBrowser { is_start: false } => Kind::LoginOtherBrowser,
        "use the browser in which the login started, or start again";
    Self::OtherAccount(_) => Kind::LoginOtherBrowser,
        "use a browser of the account that runs cc-login, or --manual";
    Self::OtherIssuer { .. } => Kind::LoginOtherIssuer;
    Self::DuplicateParameter(_) => Kind::LoginDuplicateParameter;
    Self::EmptyResponse => Kind::LoginEmptyResponse;
    Self::NotTheRedirectUri(_) => Kind::LoginNotCallbackUrl,
        "copy the whole URL from the address bar of the browser, even if the page was not loaded";
    Self::ErrorResponse { refusal, redirect_uri } => refusal.kind(), refusal.hint(Some(redirect_uri));
    Self::Provider(error) => error.kind(), error.hint();
    Self::Keys(error) => error.kind(), error.hint();
    Self::Unavailable { error, .. } => error.kind(), error.hint();
    Self::Discovery(error) => error.kind(), error.hint();
    Self::OtherUser { .. } => Kind::LoginOtherUser,
        "log out in the browser at the provider, or log in without a name: cc-login --method oidc";
    Self::CodeExpired(_) => Kind::LoginCodeExpired, "start again";
    Self::NoIdToken => Kind::ProviderNoIdToken,
        "the provider's registration of this client must allow the scope openid";
    Self::InvalidToken { token, error } => token.kind(), token.hint(error);
    Self::TokenWithSecret { token, .. } => token.kind(), token.signature_hint();
    Self::NotAccepted { hint, .. } => Kind::LoginNotAccepted, hint.clone();
    Self::Identity(error) => error.kind(), error.hint();
}
