//! The connection to the provider of a login, from its tokens to a session.

use std::time::Duration;

use super::error::OidcError;
use super::id_token::{self, IdTokenPolicy, TokenBinding};
use super::provider_config::ProviderConfig;
use super::request::AuthorizationParams;
use super::user_row;
use crate::config::Settings;
use crate::history::Author;
use crate::http::{Client, HttpError, Proxy};
use crate::login::error::LoginError;
use crate::login::session::{RefreshGrant, Session};
use crate::login::session_key::SessionKey;
use crate::login::session_token::SessionToken;
use crate::login::start::{LoginGrant, start};
use crate::oidc::discovery::Discovery;
use crate::oidc::jwks_cache::{self, Cache};
use crate::oidc::oauth::{Provider, TokenResponse};
use crate::user_db::{OpenMode, UserDb};
use crate::util::environment::Environment;
use crate::util::note::Notes;
use crate::util::time::Clock;
use crate::util::xdg;

/// A provider with its discovery document and the rules for its responses.
#[derive(Debug)]
pub(in crate::login) struct ProviderConnection<'run> {
    /// The endpoints.
    pub(in crate::login) provider: Provider<'run>,
    /// The configuration of the login.
    pub(in crate::login) config: &'run ProviderConfig,
    /// The cache of the provider's keys.
    pub(in crate::login) cache: &'run Cache,
    /// The settings.
    pub(in crate::login) settings: &'run Settings,
    /// The clock.
    pub(in crate::login) clock: Clock,
    /// Returns the author of changes of the user table.
    pub(in crate::login) author: fn() -> Author,
    /// The user who must log in; `None` accepts any user.
    pub(in crate::login) expected_username: Option<&'run str>,
    /// The name and origin of the session.
    pub(in crate::login) key: &'run SessionKey,
}

/// Creates the HTTP client for a provider.
pub(in crate::login) fn http_client(
    config: &ProviderConfig,
    connect_timeout: Option<Duration>,
    environment: &Environment,
) -> Result<Client, HttpError> {
    let mut options = config.http.clone();
    options.proxy = Proxy::from_environment(environment);
    if let Some(timeout) = connect_timeout {
        options.connect_timeout = timeout;
    }
    Client::new(options)
}

/// Returns the cache of discovery documents and keys, in the cache directory if there is one.
pub(in crate::login) fn key_cache(environment: &Environment) -> Cache {
    Cache { directory: xdg::cache_directory(environment).map(|cache| cache.join("keys")), offline: false }
}

/// Fetches the discovery document of the provider, or reads it from the cache.
pub(in crate::login) fn discover(
    client: &Client,
    cache: &Cache,
    config: &ProviderConfig,
    clock: Clock,
    notes: &mut Notes,
) -> Result<Discovery, OidcError> {
    jwks_cache::discover(client, cache, &config.issuer, false, clock.now(), notes).map_err(|error| {
        let setting = format!("{}.provider", config.key);
        OidcError::Unavailable { setting, error: Box::new(error) }
    })
}

/// Opens the user table: for writing if the login may change it, otherwise for reading if it exists
/// or is configured.
pub(in crate::login) fn open_user_db(
    config: &ProviderConfig,
    settings: &Settings,
    author: fn() -> Author,
) -> Result<Option<UserDb>, LoginError> {
    let path = settings.database()?;
    if config.adds_users || config.updates_users {
        return Ok(Some(UserDb::open(path, OpenMode::Write(&author()))?));
    }
    let is_expected = !settings.db.is_default() || path.exists();
    Ok(if is_expected { Some(UserDb::open(path, OpenMode::Read)?) } else { None })
}

impl ProviderConnection<'_> {
    /// Returns the parameters of the login, without scopes that the provider does not support.
    pub(in crate::login) fn params(&self) -> AuthorizationParams {
        let scopes = self.provider.discovery.list("scopes_supported");
        self.config.params_for(scopes.as_deref())
    }

    /// Verifies tokens and creates a session without storing it.
    pub(in crate::login) fn session_of(
        &self,
        tokens: TokenResponse,
        binding: TokenBinding<'_>,
        notes: &mut Notes,
    ) -> Result<Session, LoginError> {
        let config = self.config;
        let policy = IdTokenPolicy {
            role: config.role.as_ref().map(|(config, role)| (config, role)),
            algorithms: &config.algorithms,
            max_age: config.params.max_age,
            cache: self.cache,
            clock: self.clock,
        };
        let refresh_seconds = tokens.refresh_seconds;
        let access_token = tokens
            .access_token
            .clone()
            .map(|token| SessionToken::access(token, tokens.expires_in, self.clock.now()));
        let subject = id_token::identify(&self.provider, tokens, binding, &policy, notes)?;
        // Check before the first write: a login of another user must not change the user table or
        // the session.
        let found = subject.identity.username.as_str();
        if let Some(expected) = self.expected_username.filter(|expected| *expected != found) {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            return Err(OidcError::OtherUser { found, expected }.into());
        }
        let mut user_db = open_user_db(config, self.settings, self.author)?;
        let identity = user_row::update_user_db(&subject, config, user_db.as_mut(), notes)?;
        let row = match &user_db {
            Some(user_db) => user_db.find(&identity.user.username)?,
            None => None,
        };
        let max_seconds = subject.login.as_ref().and_then(|login| login.session_seconds);
        let sync_setting = Some(format!("{}.sync-user-on-login", config.key));
        let login = LoginGrant { identity, max_seconds, sync_setting };
        let mut session = start(self.key.clone(), login, row, self.settings, self.clock.now(), notes)?;
        session.refresh = subject.refresh_token.map(|token| RefreshGrant {
            provider: config.entry.clone(),
            issuer: Some(config.issuer.clone()),
            role: config.role.as_ref().map(|(_, role)| role.name.clone()),
            subject: subject.subject,
            token,
            expires_at: refresh_seconds.map(|seconds| session.issued_at.plus_seconds(seconds)),
        });
        session.id_token = subject.id_token;
        session.ca_file.clone_from(&config.ca_file);
        session.access_token = access_token;
        Ok(session)
    }
}
