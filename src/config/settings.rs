//! The settings as types.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::error::ConfigError;
use super::origin::{Origin, Value};
use super::secrets::{Secret, Secrets};
use super::server::ServerConfig;
use super::variable::Variable;
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, check_default_database};

/// The default database.
pub const DEFAULT_DB: &str = "./var/job.db";

/// The default lifetime of a session: a week.
pub const DEFAULT_SESSION: GoDuration = GoDuration::from_seconds(168 * 3600);

/// All settings the toolkit uses, each with its origin.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration that was read.
    pub config_file: Option<PathBuf>,
    /// The environment file that was read.
    pub env_file: Option<PathBuf>,
    /// The SQLite database; a relative path is taken from the working directory, as the server does.
    pub db: Value<PathBuf>,
    /// The length of a session; `None` is one that never ends. It may be negative.
    pub session_max_age: Value<Option<GoDuration>>,
    /// Tokens.
    pub jwts: Jwts,
    /// The directory, if one is configured.
    pub ldap: Option<Ldap>,
    /// The OpenID providers: the server's own entry under the name `oidc`, then the others.
    pub oidc: Vec<OidcProvider>,
    /// Key sources of login roles (`auth.jwt-config`), as they stand.
    pub jwt_config: Option<Value<Map<String, Json>>>,
    /// Login roles by name (`auth.jwt-roles`), as they stand.
    pub jwt_roles: Option<Value<Map<String, Json>>>,
    /// Keys and passwords.
    pub secrets: Secrets,
    /// What else the server reads in the same files.
    pub server: ServerConfig,
}

/// `auth.jwts`.
#[derive(Debug, Clone)]
pub struct Jwts {
    /// The life of a new token; `None` is one that never expires. It may be negative or shorter
    /// than a second: such a token has expired at birth.
    pub max_age: Value<Option<GoDuration>>,
    /// The cookie that carries a token to the login.
    pub cookie_name: Option<Value<String>>,
    /// Whether the user must be in the database, whose roles then count.
    pub validate_user: Value<bool>,
    /// The external issuer whose tokens are verified with the cross-login key.
    pub trusted_issuer: Option<Value<String>>,
    /// Whether an unknown user is added when logging in.
    pub sync_user_on_login: Value<bool>,
    /// Whether a known user is brought up to date when logging in.
    pub update_user_on_login: Value<bool>,
}

impl Default for Jwts {
    fn default() -> Self {
        Self {
            max_age: Value::by_default(None),
            cookie_name: None,
            validate_user: Value::by_default(false),
            trusted_issuer: None,
            sync_user_on_login: Value::by_default(false),
            update_user_on_login: Value::by_default(false),
        }
    }
}

/// `auth.ldap`.
#[derive(Debug, Clone)]
pub struct Ldap {
    /// The servers, to be tried in order.
    pub url: Option<Value<Vec<String>>>,
    /// Where the users are searched.
    pub user_base: Option<Value<String>>,
    /// The bind DN of the search; without it the search is anonymous.
    pub search_dn: Option<Value<String>>,
    /// The name to bind as at login, with `{username}` in it.
    pub user_bind: Option<Value<String>>,
    /// Which entries are users.
    pub user_filter: Option<Value<String>>,
    /// The attribute with the full name, `gecos` by default.
    pub username_attr: Value<String>,
    /// The attribute with the username, `uid` by default.
    pub uid_attr: Value<String>,
    /// How often the server synchronises.
    pub sync_interval: Option<Value<GoDuration>>,
    /// Whether users the directory no longer has are deleted.
    pub sync_del_old_users: Value<bool>,
    /// Whether an unknown user is added when logging in.
    pub sync_user_on_login: Value<bool>,
    /// Whether a known user is brought up to date when logging in.
    pub update_user_on_login: Value<bool>,
    /// Whether `ldap://` is secured by StartTLS. Not a setting of the server.
    pub starttls: Value<bool>,
    /// Certificates to trust beside or instead of the system's. Not a setting of the server.
    pub ca_file: Option<Value<PathBuf>>,
    /// Search bases beside `user_base`. Not a setting of the server.
    pub further_user_bases: Option<Value<Vec<String>>>,
    /// Whether references to other servers are ignored. Not a setting of the server.
    pub ignore_references: Value<bool>,
    /// Whether the search binds by SASL EXTERNAL on a local socket. Not a setting of the server.
    pub sasl_external: Value<bool>,
}

/// An OpenID provider: `auth.oidc`, or an entry of `auth.oidc.providers`, which the server does
/// not know.
#[derive(Debug, Clone)]
pub struct OidcProvider {
    /// Its name: `oidc` for the server's own entry.
    pub name: String,
    /// The key of its section, such as `auth.oidc.providers.site`.
    pub key: String,
    /// The address of the issuer.
    pub provider: Option<Value<String>>,
    /// The client's name where it is not that of `OID_CLIENT_ID`.
    pub client_id: Option<Value<String>>,
    /// The variable that holds the client's secret where it is not `OID_CLIENT_SECRET`.
    pub client_secret_variable: Option<Value<String>>,
    /// What that variable holds.
    pub client_secret: Option<Value<crate::util::secret::SecretText>>,
    /// How the client secret is sent: `client_secret_basic` or `client_secret_post`; as the
    /// provider accepts it where nothing is set.
    pub token_endpoint_auth_method: Option<Value<String>>,
    /// Scopes to ask for beside `openid`.
    pub scopes: Option<Value<Vec<String>>>,
    /// Further parameters of the authorization request.
    pub parameters: Option<Value<Map<String, Json>>>,
    /// Certificates to trust beside or instead of the system's.
    pub ca_file: Option<Value<PathBuf>>,
    /// The login role where none is named.
    pub default_role: Option<Value<String>>,
    /// How old a login at the provider may be.
    pub max_age: Option<Value<GoDuration>>,
    /// Whether an unknown user is added when logging in.
    pub sync_user_on_login: Value<bool>,
    /// Whether a known user is brought up to date when logging in.
    pub update_user_on_login: Value<bool>,
}

impl Settings {
    /// The database to open. One that nothing names must be the caller's or root's.
    ///
    /// # Errors
    /// [`FileError::Untrusted`].
    pub fn database(&self) -> Result<&Path, FileError> {
        if self.db.is_default() {
            check_default_database(&self.db.value).map_err(|error| error.with_option("--db"))?;
        }
        Ok(&self.db.value)
    }

    /// The content of a variable, if it is set to something.
    #[must_use]
    pub fn secret(&self, variable: Variable) -> Option<&Secret> {
        self.secrets.get(variable)
    }

    /// The error for a key without which something cannot be done.
    #[must_use]
    pub fn missing(&self, key: &str) -> ConfigError {
        ConfigError::MissingKey { path: self.config_file.clone(), key: key.to_owned() }
    }

    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&OidcProvider> {
        self.oidc.iter().find(|provider| provider.name == name)
    }

    /// Every setting with its value and origin, a line each; of a secret only that it is set.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut log = |name: &str, value: &str, origin: &Origin| {
            lines.push(format!("{name} = {value} (from {origin})"));
        };
        let shown = |text: &str| crate::util::quote::quote(text);
        let life =
            |age: Option<GoDuration>| age.map_or_else(|| "never ends".to_owned(), |age| age.to_string());
        log("database", &shown(&self.db.value.to_string_lossy()), &self.db.origin);
        log("session-max-age", &life(self.session_max_age.value), &self.session_max_age.origin);
        let jwts = &self.jwts;
        log("jwts.max-age", &life(jwts.max_age.value), &jwts.max_age.origin);
        for (name, text) in [("cookie-name", &jwts.cookie_name), ("trusted-issuer", &jwts.trusted_issuer)] {
            if let Some(text) = text {
                log(&format!("jwts.{name}"), &shown(&text.value), &text.origin);
            }
        }
        let switches =
            |section: &str, switches: &[(&str, &Value<bool>)], log: &mut dyn FnMut(&str, &str, &Origin)| {
                for (name, switch) in switches {
                    if !switch.is_default() {
                        log(&format!("{section}.{name}"), &switch.value.to_string(), &switch.origin);
                    }
                }
            };
        switches(
            "jwts",
            &[
                ("validate-user", &jwts.validate_user),
                ("sync-user-on-login", &jwts.sync_user_on_login),
                ("update-user-on-login", &jwts.update_user_on_login),
            ],
            &mut log,
        );
        if let Some(ldap) = &self.ldap {
            if let Some(url) = &ldap.url {
                log("ldap.url", &shown(&url.value.join(" ")), &url.origin);
            }
            for (name, text) in [
                ("user-base", &ldap.user_base),
                ("search-dn", &ldap.search_dn),
                ("user-bind", &ldap.user_bind),
                ("user-filter", &ldap.user_filter),
            ] {
                if let Some(text) = text {
                    log(&format!("ldap.{name}"), &shown(&text.value), &text.origin);
                }
            }
            log("ldap.username-attr", &shown(&ldap.username_attr.value), &ldap.username_attr.origin);
            log("ldap.uid-attr", &shown(&ldap.uid_attr.value), &ldap.uid_attr.origin);
            if let Some(interval) = &ldap.sync_interval {
                log("ldap.sync-interval", &interval.value.to_string(), &interval.origin);
            }
            if let Some(bases) = &ldap.further_user_bases {
                log("ldap.further-user-bases", &shown(&bases.value.join("; ")), &bases.origin);
            }
            if let Some(file) = &ldap.ca_file {
                log("ldap.ca-file", &shown(&file.value.to_string_lossy()), &file.origin);
            }
            switches(
                "ldap",
                &[
                    ("sync-del-old-users", &ldap.sync_del_old_users),
                    ("sync-user-on-login", &ldap.sync_user_on_login),
                    ("update-user-on-login", &ldap.update_user_on_login),
                    ("starttls", &ldap.starttls),
                    ("ignore-references", &ldap.ignore_references),
                    ("sasl-external", &ldap.sasl_external),
                ],
                &mut log,
            );
        }
        for provider in &self.oidc {
            if let Some(address) = &provider.provider {
                log(
                    &format!("oidc provider {}", shown(&provider.name)),
                    &shown(&address.value),
                    &address.origin,
                );
            }
        }
        for (name, raw) in [("jwt-config", &self.jwt_config), ("jwt-roles", &self.jwt_roles)] {
            if let Some(raw) = raw {
                log(name, &format!("{} entries", raw.value.len()), &raw.origin);
            }
        }
        for secret in self.secrets.iter() {
            log(secret.variable.name(), "set", &secret.origin);
        }
        lines
    }
}
