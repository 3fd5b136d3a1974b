//! The login methods that work for a user with the present settings, without a login.

use serde::Serialize;

use super::identity::Method;
use super::oidc::provider_config::{self, ProviderParameters};
use crate::accounts::{DisabledUsers, UserReport};
use crate::config::{ServerKeys, Settings};
use crate::ldap::config::bind_template;
use crate::ldap::{LdapConfig, LdapError, LdapOptions, LdapServer};
use crate::policy::Endpoint;
use crate::policy::remedy::accepting_endpoints;
use crate::user::password::HashError;
use crate::user::{AuthSource, PasswordHash, User};
use crate::user_db::UserRecord;
use crate::util::note::Notes;

/// A user of the user table, with the endpoints and the logins that the user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserDetails {
    /// The row of the user table.
    #[serde(flatten)]
    pub user: UserReport,
    /// The roles before 'cc-user disable', or null if the user is not disabled or a running server does not report it.
    pub disabled_roles: Option<Vec<String>>,
    /// The endpoints that accept a token with these roles: api, user-api, metric-store-api, query.
    pub endpoints: Vec<&'static str>,
    /// The login methods with the present settings: local, ldap, token, oidc.
    pub login_methods: Vec<LoginMethodReport>,
}

/// Whether a login method works for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoginMethodReport {
    /// The method: local, ldap, token or oidc.
    pub method: &'static str,
    /// Whether the login works, or null if the settings cannot be read or a running server does not report it.
    pub works: Option<bool>,
    /// Why it does not work, or the limitation of a login that works, or null.
    pub reason: Option<String>,
}

impl UserDetails {
    /// The details of a record. `hash` is the content of the password column. Without settings, only
    /// the login with the local password is known.
    #[must_use]
    pub fn new(
        record: &UserRecord,
        hash: Option<&PasswordHash>,
        disabled: &DisabledUsers,
        settings: Option<&Settings>,
    ) -> Self {
        let user = &record.user;
        let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
        let login_methods = [Method::Local, Method::Ldap, Method::Token, Method::Oidc].map(|method| {
            let state = match (method, settings) {
                // The server treats the user as unknown.
                _ if !record.invalid_columns.is_empty() => Fails("the row is invalid".to_owned()),
                (Method::Local, _) => local(user, hash),
                (_, None) => MethodState::Unknown,
                (Method::Ldap, Some(settings)) => ldap(user, settings),
                (Method::Token, Some(settings)) => token(&roles, settings),
                (_, Some(settings)) => oidc(user, settings),
            };
            LoginMethodReport::new(method, state)
        });
        Self {
            user: UserReport::new(record, disabled),
            disabled_roles: disabled.entry_of(record).map(|entry| entry.roles.clone()),
            endpoints: accepting_endpoints(&roles).into_iter().map(Endpoint::name).collect(),
            login_methods: login_methods.into(),
        }
    }
}

impl UserDetails {
    /// The details of a user that a running server reports, without its settings and passwords.
    #[must_use]
    pub fn at_server(user: &User) -> Self {
        let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
        let login_methods = [Method::Local, Method::Ldap, Method::Token, Method::Oidc].map(|method| {
            let is_of_source = match method {
                Method::Local => user.source == AuthSource::Local,
                Method::Ldap => user.source == AuthSource::Ldap,
                _ => true,
            };
            if !is_of_source {
                return LoginMethodReport::new(method, other_source(user));
            }
            let reason = Some("a running server does not report it".to_owned());
            LoginMethodReport { method: method.name(), works: None, reason }
        });
        Self {
            user: UserReport::at_server(user),
            disabled_roles: None,
            endpoints: accepting_endpoints(&roles).into_iter().map(Endpoint::name).collect(),
            login_methods: login_methods.into(),
        }
    }
}

/// Whether a login method works.
enum MethodState {
    Works,
    /// The login works with this limitation.
    Limited(String),
    /// The login does not work, for this reason.
    Fails(String),
    /// The settings cannot be read.
    Unknown,
}

use MethodState::{Fails, Limited, Works};

impl LoginMethodReport {
    fn new(method: Method, state: MethodState) -> Self {
        let (works, reason) = match state {
            Works => (Some(true), None),
            Limited(limitation) => (Some(true), Some(limitation)),
            Fails(reason) => (Some(false), Some(reason)),
            MethodState::Unknown => (None, Some("the settings cannot be read".to_owned())),
        };
        Self { method: method.name(), works, reason }
    }
}

/// Why users of another auth source do not log in with a method.
fn other_source(user: &User) -> MethodState {
    Fails(format!("the auth source is {}", user.source))
}

/// A login that works; without a role it has no effect.
fn with_rights_of(user: &User) -> MethodState {
    if user.roles.is_empty() {
        Limited("without rights: the user does not have a role".to_owned())
    } else {
        Works
    }
}

fn local(user: &User, hash: Option<&PasswordHash>) -> MethodState {
    if user.source != AuthSource::Local {
        return other_source(user);
    }
    let Some(hash) = hash else { return Fails("no password is set".to_owned()) };
    match hash.check() {
        Ok(()) => with_rights_of(user),
        Err(HashError::Malformed) if hash.is_locked() => Fails("the password is locked".to_owned()),
        Err(error) => Fails(error.to_string()),
    }
}

fn ldap(user: &User, settings: &Settings) -> MethodState {
    if user.source != AuthSource::Ldap {
        return other_source(user);
    }
    if settings.ldap.is_none() {
        return Fails("auth.ldap is not set".to_owned());
    }
    match ldap_bind(settings) {
        Ok(BindName::Template) => with_rights_of(user),
        Ok(BindName::Entry) => Limited("at the server only with the setting user-bind".to_owned()),
        Err(error) => Fails(error.to_string()),
    }
}

/// The source of the name with which a user binds.
enum BindName {
    /// The setting `user-bind`.
    Template,
    /// The entry that a search finds.
    Entry,
}

/// Checks the settings of a login by LDAP.
fn ldap_bind(settings: &Settings) -> Result<BindName, LdapError> {
    let options = LdapOptions::default();
    if bind_template(settings)?.is_some() {
        LdapServer::from_settings(settings, &options)?;
        return Ok(BindName::Template);
    }
    LdapConfig::from_settings(settings, &options, &mut Notes::new())?;
    Ok(BindName::Entry)
}

/// A token of the user at `/jwt-login`, or in the cookie of the server.
fn token(roles: &[&str], settings: &Settings) -> MethodState {
    let jwt_login = settings.jwt_login_lacks(ServerKeys::Configured);
    let cookie = settings.cookie_login_lacks(ServerKeys::Configured);
    if let (Some(first), Some(second)) = (jwt_login.first(), cookie.first()) {
        return Fails(format!("/jwt-login: {first}; cookie: {second}"));
    }
    // Otherwise the roles in the token count.
    if settings.jwts.validate_user.value && !Endpoint::JwtLogin.accepts_roles(roles) {
        return Fails("the user does not have a role that the server knows".to_owned());
    }
    match (jwt_login.is_empty(), cookie.is_empty()) {
        (true, false) => Limited("at /jwt-login".to_owned()),
        (false, true) => Limited("with the login cookie".to_owned()),
        _ => Works,
    }
}

/// A provider of the settings; it must return the username.
fn oidc(user: &User, settings: &Settings) -> MethodState {
    let mut errors = Vec::new();
    for provider in &settings.oidc {
        let parameters =
            ProviderParameters { entry: Some(provider.name.clone()), ..ProviderParameters::default() };
        match provider_config::resolve(settings, &parameters, &mut Notes::new()) {
            Ok(config) if user.source != AuthSource::Oidc && config.updates_users => {
                return Limited(
                    "if the provider returns this username; the server changes the user".to_owned(),
                );
            }
            Ok(_) => return Limited("if the provider returns this username".to_owned()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    Fails(errors.into_iter().next().unwrap_or_else(|| "auth.oidc is not set".to_owned()))
}
