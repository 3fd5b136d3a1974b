//! `cc-login --method remote`: a token from a running server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::report;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::clustercockpit::client;
use crate::http::{Client, HttpOptions, HttpTrust, Proxy, parse_url};
use crate::login::oidc::provider_config::read_ca_file;
use crate::login::{Method, Session, paths, session};
use crate::token::{Claims, inspect};
use crate::user::{AuthSource, User};
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::kind::Kind;
use crate::util::quote::quote;
use crate::util::secret::SecretText;
use crate::util::time::{Clock, Timestamp};

/// The options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "A running server (--method remote)")]
pub(super) struct RemoteLoginOptions {
    /// The server's address, as in a browser; server=URL
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,

    /// Have the token made for NAME instead; wants the role admin; for=NAME
    #[arg(long = "for", value_name = "NAME")]
    pub(super) for_name: Option<String>,
}

/// The keys that are about a server.
pub(super) const KEYS: [&str; 2] = ["server", "for"];

/// What the server gave is not what was asked for.
#[derive(Debug, thiserror::Error)]
enum RemoteFault {
    #[error("what the server gave is no token that can be used: {0}")]
    NoToken(String),
    #[error("the server gave a token for {}, wanted {}", quote(.found), quote(.wanted))]
    OtherSubject { found: String, wanted: String },
    #[error("the server issued a token that is expired {}: the session is not stored", if *.at_birth { "at birth" } else { "already" })]
    Expired { at_birth: bool },
}

impl Diagnostic for RemoteFault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken(_) => Kind::ServerTokenMalformed,
            Self::OtherSubject { .. } => Kind::ServerTokenOtherSubject,
            Self::Expired { .. } => Kind::ServerTokenExpired,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Expired { at_birth: true } => Some(
                "remove auth.jwts.max-age from the server's config.json, or set a positive duration such as \"24h\""
                    .to_owned(),
            ),
            Self::Expired { at_birth: false } => {
                Some("compare this computer's clock with the server's".to_owned())
            }
            _ => None,
        }
    }
}

impl RemoteLoginOptions {
    /// The first of the options that was given, for the message that it has no place here.
    pub(super) const fn given(&self) -> Option<&'static str> {
        match (&self.server, &self.for_name) {
            (Some(_), _) => Some("--server"),
            (None, Some(_)) => Some("--for"),
            (None, None) => None,
        }
    }

    /// Options and keys together.
    ///
    /// # Errors
    /// Wrong usage: two different values for one thing.
    pub(super) fn with_keys(&self, keys: &[(String, String)]) -> Result<Self, UsageError> {
        let value = |option: &str, name: &str, given: &Option<String>| {
            let mut found = given.clone();
            for (_, value) in keys.iter().filter(|(key, _)| key == name) {
                if found.as_ref().is_some_and(|other| other != value) {
                    return Err(UsageError::new(format!("two different values are given for {option}")));
                }
                found = Some(value.clone());
            }
            Ok(found)
        };
        Ok(Self {
            server: value("--server", "server", &self.server)?,
            for_name: value("--for", "for", &self.for_name)?,
        })
    }
}

/// Who logs in and how the server is talked to.
pub(super) struct RemoteLogin {
    pub(super) name: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
}

pub(super) fn run(
    options: &RemoteLoginOptions,
    visit: &RemoteLogin,
    password: impl FnOnce(&mut Console) -> Result<SecretText, Failure>,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Some(address) = &options.server else {
        return Err(UsageError::new("--method remote wants the server's address")
            .hint("cc-login --method remote --server https://cc.example.org")
            .into());
    };
    let url = parse_url(address)?;
    let mut http =
        HttpOptions { proxy: Proxy::from_environment(console.environment()), ..HttpOptions::default() };
    if let Some(path) = &visit.ca_file {
        http.trust = HttpTrust::SystemPlus(read_ca_file(path)?);
    }
    if let Some(limit) = visit.connect_timeout {
        http.connect_timeout = limit;
    }
    if let Some(limit) = visit.timeout {
        http.timeout = limit;
    }
    let client = Client::new(http)?;
    // Before the password is asked for: it will not be sent there.
    client.check(&url)?;
    let path = paths::session_file(console.environment())?;
    let password = password(console)?;
    let server = client::log_in(&client, &url, &visit.name, &password)?;
    let wanted = options.for_name.as_deref().unwrap_or(&visit.name);
    let token = server.token(wanted)?;
    let now = Clock::System.now();
    let session = session_of(token, wanted, now)?;
    session::SessionLock::acquire(&path)?.save(&session)?;
    report::logged_in(&session, now, console)?;
    Ok(ExitStatus::Success)
}

/// The session of a token as the server gave it over a connection that was checked; its signature
/// is for the server to verify, whose key need not be here.
fn session_of(token: SecretText, wanted: &str, now: Timestamp) -> Result<Session, RemoteFault> {
    let seen = inspect(token.expose());
    let Some((_, claims)) = seen.unproven() else {
        let why = seen.refusal.map_or_else(|| "its form is wrong".to_owned(), |refusal| refusal.to_string());
        return Err(RemoteFault::NoToken(why));
    };
    let user = user_of(claims);
    if user.username != wanted {
        return Err(RemoteFault::OtherSubject { found: user.username, wanted: wanted.to_owned() });
    }
    let time = |name| claims.time(name).map_err(|error| RemoteFault::NoToken(error.to_string()));
    let until = time("exp")?;
    if let Some(until) = until.map(|date| date.instant()).filter(|until| now >= *until) {
        // With max-age "0" the server issues tokens whose exp is their iat.
        let at_birth = time("iat")?.is_some_and(|issued| until <= issued.instant());
        return Err(RemoteFault::Expired { at_birth });
    }
    Ok(Session {
        user,
        method: Method::Remote,
        issued_at: now,
        expires_at: until.map(|date| date.instant()),
        token: Some(token),
        refresh: None,
        id_token: None,
    })
}

fn user_of(claims: &Claims) -> User {
    let texts = |name: &str| claims.texts(name).into_iter().map(str::to_owned).collect();
    User {
        username: claims.subject().unwrap_or_default().to_owned(),
        name: None,
        roles: texts("roles"),
        projects: texts("projects"),
        email: None,
        // Where the server has the record from, it does not say; no source has this number.
        source: AuthSource::Unknown(-1),
    }
}
