//! The steps of a login from the request to the stored session.

use std::path::PathBuf;

use super::attempt_limit::Attempts;
use super::chain::{Credentials, login};
use super::ci_identity::{CiAccess, CiIdentity};
use super::context::LoginContext;
use super::error::LoginError;
use super::identity::Method;
use super::login_role::RoleLogin;
use super::network::NetworkOptions;
use super::oidc::connection::key_cache;
use super::oidc::flow::OidcRequest;
use super::outcome::LoginOutcome;
use super::remote::RemoteRequest;
use super::selection::SessionPlace;
use super::session::Session;
use super::session_store::SessionTarget;
use super::start::{LoginGrant, start};
use super::stronghold::StrongholdRequest;
use super::ui::{LoginEnvironment, LoginUi, PasswordPrompt};
use super::{oidc, remote, stronghold};
use crate::config::Settings;
use crate::ldap::LdapOptions;
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::xdg;

/// The request of a login.
#[derive(Debug, Clone)]
pub enum LoginRequest {
    /// A login with username and password.
    Password(PasswordRequest),
    /// A login with a token.
    Token(TokenRequest),
    /// A login through an OpenID provider.
    Oidc(OidcRequest),
    /// A login at a running server.
    Remote(RemoteRequest),
    /// A login at a Stronghold, OpenBao or Vault server.
    Stronghold(Box<StrongholdRequest>),
}

/// A login with username and password, by LDAP or the local password.
#[derive(Debug, Clone)]
pub struct PasswordRequest {
    /// The username.
    pub username: String,
    /// The only method to use; `None` tries all methods in the server's order.
    pub method: Option<Method>,
    /// How to connect to the LDAP server.
    pub ldap: LdapOptions,
    /// The command for which the username may be a typing error. Such a name is rejected unless the
    /// user table contains it, so a typing error does not cause a password prompt.
    pub similar_command: Option<&'static str>,
}

/// A login with a token.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// The user that the token must be for; `None` accepts any user.
    pub username: Option<String>,
    /// The identity of a job that is the token; `None` reads a token of the user.
    pub identity: Option<CiIdentity>,
    /// The login role of type jwt; `None` applies the rules of the server's own login with a token.
    pub role: Option<String>,
    /// A file with the bearer token for the URLs of the role's keys.
    pub bearer_token: Option<PathBuf>,
    /// The connections for the identity and for the keys of the role.
    pub network: NetworkOptions,
}

/// Logs in and stores the session under the requested name or, without a name, as the session of
/// the server or directory of the login. It replaces a session there. A session in memory is only returned.
///
/// # Errors
/// [`LoginError`], and errors of the user interface.
pub fn log_in<U: LoginUi>(
    request: &LoginRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<LoginOutcome, U::Error> {
    let session = match request {
        LoginRequest::Password(request) => log_in_by_password(request, place, environment, ui),
        LoginRequest::Token(request) => log_in_by_token(request, place, environment, ui),
        LoginRequest::Oidc(request) => oidc::flow::log_in(request, place, environment, ui),
        LoginRequest::Remote(request) => remote::log_in(request, place, environment, ui),
        LoginRequest::Stronghold(request) => return stronghold::log_in(request, place, environment, ui),
    };
    Ok(LoginOutcome::Session(Box::new(session?)))
}

fn log_in_by_password<U: LoginUi>(
    request: &PasswordRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let settings = ui.settings()?;
    // Report errors that the password cannot change before the prompt.
    let mut user_db = open_user_db(&settings, environment)?;
    let username = request.username.as_str();
    if let Some(command) = request.similar_command
        && user_db.record(username).map_err(LoginError::from)?.is_none()
    {
        return Err(LoginError::MistypedCommand { name: username.to_owned(), command }.into());
    }
    let directory = xdg::state_directory(environment.variables).ok_or(LoginError::NoDirectory)?;
    let target = SessionTarget::open(place, None, environment.variables)?;
    let attempts = Attempts::new(&directory);
    let password = ui.password(PasswordPrompt { username, server: None })?;
    let now = environment.clock.now();
    let mut attempt = attempts.begin(username, now)?;
    let credentials = Credentials { name: Some(username.to_owned()), password: Some(password), token: None };
    let context = LoginContext { settings: &settings, ldap_options: &request.ldap, now };
    let mut notes = Notes::new();
    let outcome = login(request.method, &credentials, &context, &mut user_db, Some(&mut attempt), &mut notes);
    ui.notes(notes);
    let identity = match outcome {
        Ok(identity) => {
            attempt.succeeded()?;
            identity
        }
        Err(error @ LoginError::Rejected(_)) => {
            attempt.failed();
            return Err(error.into());
        }
        Err(error) => {
            attempt.cancel()?;
            return Err(error.into());
        }
    };
    let login = LoginGrant { identity, max_seconds: None, sync_setting: None };
    save_session(login, &settings, &user_db, &target, environment, ui)
}

fn log_in_by_token<U: LoginUi>(
    request: &TokenRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let settings = ui.settings()?;
    let target = SessionTarget::open(place, None, environment.variables)?;
    let http = request.network.http_options(environment.variables).map_err(LoginError::from)?;
    let token = match &request.identity {
        Some(identity) => {
            let access = CiAccess {
                variables: environment.variables,
                http: http.clone(),
                monotonic: environment.monotonic,
            };
            let mut notes = Notes::new();
            let token = identity.fetch(&access, &mut notes);
            ui.notes(notes);
            token.map_err(LoginError::from)?
        }
        None => ui.token()?,
    };
    let mut user_db = open_user_db(&settings, environment)?;
    let mut notes = Notes::new();
    let outcome = match &request.role {
        Some(role) => RoleLogin {
            role,
            settings: &settings,
            http,
            bearer_token: request.bearer_token.clone(),
            cache: key_cache(environment.variables),
            clock: environment.clock,
        }
        .log_in(&token, &user_db, &mut notes),
        None => log_in_by_server_rules(token, &settings, &mut user_db, environment, &mut notes),
    };
    ui.notes(notes);
    let login = outcome?;
    if let Some(expected) = request.username.as_ref().filter(|name| **name != login.identity.user.username) {
        let (found, expected) = (login.identity.user.username, expected.clone());
        return Err(LoginError::OtherSubject { found, expected }.into());
    }
    save_session(login, &settings, &user_db, &target, environment, ui)
}

/// Logs in by the rules of the server's own login with a token.
fn log_in_by_server_rules(
    token: SecretText,
    settings: &Settings,
    user_db: &mut UserDb,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<LoginGrant, LoginError> {
    let credentials = Credentials { token: Some(token), ..Credentials::default() };
    let ldap_options = LdapOptions::default();
    let context = LoginContext { settings, ldap_options: &ldap_options, now: environment.clock.now() };
    let identity = login(Some(Method::Token), &credentials, &context, user_db, None, notes)?;
    let sync_setting = Some("auth.jwts.sync-user-on-login".to_owned());
    Ok(LoginGrant { identity, max_seconds: None, sync_setting })
}

fn open_user_db(settings: &Settings, environment: &LoginEnvironment<'_>) -> Result<UserDb, LoginError> {
    Ok(UserDb::open(settings.database()?, OpenMode::Write(&(environment.author)()))?)
}

fn save_session<U: LoginUi>(
    login: LoginGrant,
    settings: &Settings,
    user_db: &UserDb,
    target: &SessionTarget,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Session, U::Error> {
    let row = user_db.find(&login.identity.user.username).map_err(LoginError::from)?;
    let mut notes = Notes::new();
    let now = environment.clock.now();
    let session = start(target.key().clone(), login, row, settings, now, &mut notes)
        .and_then(|session| target.save(&session, environment, &mut notes).map(|()| session));
    ui.notes(notes);
    Ok(session?)
}
