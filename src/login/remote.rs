//! Login at a running server, whose token becomes the session.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::error::{LoginError, RemoteTokenError};
use super::identity::Method;
use super::network::{CA_FILE_OPTION, trust_of};
use super::selection::SessionPlace;
use super::session::Session;
use super::session_key::{SessionKey, SessionOrigin};
use super::session_store::SessionTarget;
use super::ui::{LoginEnvironment, LoginUi, PasswordPrompt};
use crate::clustercockpit;
use crate::http::{Client, HttpOptions, Proxy};
use crate::token::{Claims, inspect};
use crate::user::{AuthSource, User};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The request of a login at a running server.
#[derive(Debug, Clone)]
pub struct RemoteRequest {
    /// The username.
    pub username: String,
    /// The URL of the server.
    pub server: Url,
    /// The URL as typed, for the prompt.
    pub server_text: String,
    /// The user of the token, if it differs from the username; requires the role admin.
    pub subject: Option<String>,
    /// CA certificates to trust in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// Timeout for the connection.
    pub connect_timeout: Duration,
    /// The timeout of each request; `None` selects the default of the HTTP client.
    pub timeout: Option<Duration>,
}

/// Logs in at the server and stores the session.
pub(super) fn log_in<U: LoginUi>(
    request: &RemoteRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let client = client_of(request, environment)?;
    // Check before the prompt whether the password may be sent to this URL.
    client.check(&request.server).map_err(LoginError::from)?;
    let origin = SessionOrigin::server(&request.server);
    let target = SessionTarget::open(place, Some(&origin), environment.variables)?;
    let username = request.username.as_str();
    let password = ui.password(PasswordPrompt { username, server: Some(&request.server_text) })?;
    let server =
        clustercockpit::log_in(&client, &request.server, username, &password).map_err(LoginError::from)?;
    let subject = request.subject.as_deref().unwrap_or(username);
    let token = server.token(subject).map_err(LoginError::from)?;
    let session = session_of(target.key().clone(), token, subject, environment.clock.now())
        .map_err(LoginError::from)?;
    let mut notes = Notes::new();
    let saved = target.save(&session, environment, &mut notes);
    ui.notes(notes);
    saved?;
    Ok(session)
}

fn client_of(request: &RemoteRequest, environment: &LoginEnvironment<'_>) -> Result<Client, LoginError> {
    let defaults = HttpOptions::default();
    Ok(Client::new(HttpOptions {
        proxy: Proxy::from_environment(environment.variables),
        trust: trust_of(request.ca_file.as_deref().map(|path| (CA_FILE_OPTION, path)))?,
        connect_timeout: request.connect_timeout,
        timeout: request.timeout.unwrap_or(defaults.timeout),
        ..defaults
    })?)
}

/// Creates the session of a token that was received from the server over a verified connection. The
/// signature is not verified, because the key of the server may not be available here.
fn session_of(
    key: SessionKey,
    token: SecretText,
    expected: &str,
    now: Timestamp,
) -> Result<Session, RemoteTokenError> {
    let inspection = inspect(token.expose());
    let Some((_, claims)) = inspection.unproven() else {
        let why =
            inspection.refusal.map_or_else(|| "malformed token".to_owned(), |refusal| refusal.to_string());
        return Err(RemoteTokenError::Malformed(why));
    };
    let user = user_of(claims);
    if user.username != expected {
        return Err(RemoteTokenError::OtherSubject { found: user.username, expected: expected.to_owned() });
    }
    let time = |name| claims.time(name).map_err(|error| RemoteTokenError::Malformed(error.to_string()));
    let expires_at = time("exp")?.map(|date| date.instant());
    if expires_at.is_some_and(|expires_at| now >= expires_at) {
        // With max-age "0", the server issues tokens whose `exp` equals `iat`.
        let issued_at = time("iat")?.map(|date| date.instant());
        let has_zero_lifetime = issued_at.is_some_and(|issued_at| expires_at <= Some(issued_at));
        return Err(RemoteTokenError::Expired { has_zero_lifetime });
    }
    Ok(Session {
        key,
        refresh_rejected_at: None,
        ca_file: None,
        user,
        method: Method::Remote,
        issued_at: now,
        expires_at,
        token: Some(token),
        refresh: None,
        id_token: None,
        access_token: None,
        stronghold: None,
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
        // The token does not contain the auth source; no source has this number.
        source: AuthSource::Unknown(-1),
    }
}
