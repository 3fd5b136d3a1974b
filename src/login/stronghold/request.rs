//! What a login at Stronghold requests.

use std::time::Duration;

use crate::login::ci_identity::CiIdentity;
use crate::login::oidc::redirect::{Ports, RedirectParts};
use crate::login::oidc::request::BrowserChoice;
use crate::login::session_key::SessionRequest;
use crate::stronghold::{ConnectionOptions, MountPath};
use crate::util::duration::GoDuration;

/// The source of the JWT of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtSource {
    /// A file or standard input, which the user interface reads.
    Input,
    /// Another session: its ID token, otherwise its token.
    Session(SessionRequest),
    /// The identity of a CI job.
    Identity(CiIdentity),
}

/// How a user logs in.
#[derive(Debug, Clone)]
pub enum StrongholdFlow {
    /// With a JWT.
    Jwt(JwtSource),
    /// Through the provider of the mount.
    Provider(ProviderLoginOptions),
}

/// A login at a Stronghold, OpenBao or Vault server.
#[derive(Debug, Clone)]
pub struct StrongholdRequest {
    /// The user who must log in; `None` accepts any user.
    pub username: Option<String>,
    /// What the command line sets of the connection.
    pub connection: ConnectionOptions,
    /// The mount; `None` selects `jwt` or `oidc`.
    pub mount: Option<MountPath>,
    /// The role; `None` selects the default role of the mount.
    pub role: Option<String>,
    /// How the user logs in.
    pub flow: StrongholdFlow,
    /// The lifetime of a wrapping token; with it, the token is not stored but delivered in a wrap.
    pub wrap_ttl: Option<GoDuration>,
}

/// What the command line sets for a login through the provider.
#[derive(Debug, Clone)]
pub struct ProviderLoginOptions {
    /// Whether the user pastes the URL of the last page.
    pub manual: bool,
    /// Whether options request a browser that reaches this program, also without a display.
    pub browser_required: bool,
    /// The address on which the program waits for the browser.
    pub listen_address: String,
    /// The ports to try; `None` is the usual one, or any free port if it is in use.
    pub ports: Option<Ports>,
    /// The parts of the redirect URI.
    pub redirect: RedirectParts,
    /// The browser to open.
    pub browser: BrowserChoice,
    /// The time limit of the login.
    pub time_limit: Option<Duration>,
}
