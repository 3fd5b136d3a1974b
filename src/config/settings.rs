//! The typed settings.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::error::ConfigError;
use super::group_map::GroupMapSettings;
use super::origin::{Origin, Value};
use super::secrets::{Secret, Secrets};
use super::server::ServerConfig;
use super::slurm::SlurmSettings;
use super::variable::Variable;
use crate::util::count::counted;
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, check_default_database};

/// The default database.
pub const DEFAULT_DB: &str = "./var/job.db";

/// The default lifetime of a session: one week.
pub const DEFAULT_SESSION: GoDuration = GoDuration::from_seconds(168 * 3600);

/// All settings of the toolkit, each with its origin.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration file that was read, if any.
    pub config_file: Option<PathBuf>,
    /// The environment file that was read, if any.
    pub env_file: Option<PathBuf>,
    /// The SQLite database; a relative path is resolved in the working directory, as by the server.
    pub db: Value<PathBuf>,
    /// The session lifetime; `None` never expires. May be negative.
    pub session_max_age: Value<Option<GoDuration>>,
    /// The settings for tokens.
    pub jwts: Jwts,
    /// The LDAP directory, if it is configured.
    pub ldap: Option<Ldap>,
    /// The OpenID providers: the server's own entry with the name `oidc`, then the others.
    pub oidc: Vec<OidcProvider>,
    /// Slurm accounting for `cc-user sync-slurm`. Not a setting of the server.
    pub slurm: Option<Box<SlurmSettings>>,
    /// The key sources of login roles (`auth.jwt-config`), unparsed.
    pub jwt_config: Option<Value<Map<String, Json>>>,
    /// The login roles by name (`auth.jwt-roles`), unparsed.
    pub jwt_roles: Option<Value<Map<String, Json>>>,
    /// Keys and passwords.
    pub secrets: Secrets,
    /// Parts of the same files that only the server uses.
    pub server: ServerConfig,
}

/// `auth.jwts`.
#[derive(Debug, Clone)]
pub struct Jwts {
    /// The lifetime of a new token; `None` never expires. A negative lifetime or one shorter than a
    /// second creates a token that is already expired.
    pub max_age: Value<Option<GoDuration>>,
    /// The cookie that contains the token at login.
    pub cookie_name: Option<Value<String>>,
    /// Whether the user must exist in the database, whose roles then apply.
    pub validate_user: Value<bool>,
    /// The external issuer whose tokens are verified with the cross-login key.
    pub trusted_issuer: Option<Value<String>>,
    /// Whether a login adds an unknown user.
    pub sync_user_on_login: Value<bool>,
    /// Whether a login updates a known user.
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
    /// The LDAP servers, tried in order.
    pub url: Option<Value<Vec<String>>>,
    /// The search base of the users.
    pub user_base: Option<Value<String>>,
    /// The bind DN for searches; without it, searches are anonymous.
    pub search_dn: Option<Value<String>>,
    /// The bind DN for logins, which contains `{username}`.
    pub user_bind: Option<Value<String>>,
    /// The search filter for users.
    pub user_filter: Option<Value<String>>,
    /// The attribute of the full name, `gecos` by default.
    pub username_attr: Value<String>,
    /// The attribute of the username, `uid` by default.
    pub uid_attr: Value<String>,
    /// The interval of the server's synchronization.
    pub sync_interval: Option<Value<GoDuration>>,
    /// Whether users that are no longer in the LDAP directory are deleted.
    pub sync_del_old_users: Value<bool>,
    /// How long missing users are disabled before they are deleted. Not a setting of the server.
    pub sync_grace_period: Option<Value<GoDuration>>,
    /// Whether a login adds an unknown user.
    pub sync_user_on_login: Value<bool>,
    /// Whether a login updates a known user.
    pub update_user_on_login: Value<bool>,
    /// Whether `ldap://` is secured by StartTLS. Not a setting of the server.
    pub starttls: Value<bool>,
    /// CA certificates to trust in addition to the system's, or instead of them. Not a setting of
    /// the server.
    pub ca_file: Option<Value<PathBuf>>,
    /// Additional search bases. Not a setting of the server.
    pub further_user_bases: Option<Value<Vec<String>>>,
    /// Whether LDAP referrals are ignored. Not a setting of the server.
    pub ignore_references: Value<bool>,
    /// Whether searches bind with SASL EXTERNAL over a local socket. Not a setting of the server.
    pub sasl_external: Value<bool>,
    /// The roles and projects that groups give. Not a setting of the server.
    pub group_map: Option<Box<GroupMapSettings>>,
    /// The roles and projects that Slurm accounting gives to LDAP users. Not a setting of the server.
    pub slurm: Option<Box<SlurmSettings>>,
}

/// An OpenID provider: `auth.oidc`, or an entry of `auth.oidc.providers`, which the server does not
/// read.
#[derive(Debug, Clone)]
pub struct OidcProvider {
    /// The name of the provider: `oidc` for the server's own entry.
    pub name: String,
    /// The key of its section, such as `auth.oidc.providers.site`.
    pub key: String,
    /// The issuer URL.
    pub provider: Option<Value<String>>,
    /// The client ID, if it is not that of `OID_CLIENT_ID`.
    pub client_id: Option<Value<String>>,
    /// The variable of the client secret, if it is not `OID_CLIENT_SECRET`.
    pub client_secret_variable: Option<Value<String>>,
    /// The value of that variable.
    pub client_secret: Option<Value<crate::util::secret::SecretText>>,
    /// How the client secret is sent: `client_secret_basic` or `client_secret_post`; by default a
    /// method that the provider supports.
    pub token_endpoint_auth_method: Option<Value<String>>,
    /// The file with the private key of the client, for `private_key_jwt`.
    pub client_key_file: Option<Value<PathBuf>>,
    /// Scopes to request in addition to `openid`.
    pub scopes: Option<Value<Vec<String>>>,
    /// Additional parameters of the authorization request.
    pub parameters: Option<Value<Map<String, Json>>>,
    /// CA certificates to trust in addition to the system's, or instead of them.
    pub ca_file: Option<Value<PathBuf>>,
    /// The login role if the request does not contain one.
    pub default_role: Option<Value<String>>,
    /// The maximum age of the login at the provider.
    pub max_age: Option<Value<GoDuration>>,
    /// Whether a login adds an unknown user.
    pub sync_user_on_login: Value<bool>,
    /// Whether a login updates a known user.
    pub update_user_on_login: Value<bool>,
}

/// A setting for a list.
#[derive(Debug, Clone)]
pub(super) struct SettingEntry {
    pub(super) name: String,
    /// The value, quoted if it is text.
    pub(super) value: String,
    pub(super) origin: Origin,
}

impl Settings {
    /// Returns the path of the database. A default database must belong to the caller or root.
    ///
    /// # Errors
    /// [`FileError::Untrusted`].
    pub fn database(&self) -> Result<&Path, FileError> {
        if self.db.is_default() {
            check_default_database(&self.db.value).map_err(|error| error.with_option("--db"))?;
        }
        Ok(&self.db.value)
    }

    /// Returns the value of a variable; an empty variable is `None`.
    #[must_use]
    pub fn secret(&self, variable: Variable) -> Option<&Secret> {
        self.secrets.get(variable)
    }

    /// Returns the error for a required key that is missing.
    #[must_use]
    pub fn missing(&self, key: &str) -> ConfigError {
        ConfigError::MissingKey { path: self.config_file.clone(), key: key.to_owned() }
    }

    /// Returns the provider with this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&OidcProvider> {
        self.oidc.iter().find(|provider| provider.name == name)
    }

    /// Describes every setting with value and origin, one per line; secrets only as set.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let line = |SettingEntry { name, value, origin }| format!("{name} = {value} (from {origin})");
        self.entries().into_iter().map(line).collect()
    }

    /// Returns every setting with its value; secrets only as set.
    pub(super) fn entries(&self) -> Vec<SettingEntry> {
        let mut lines = Vec::new();
        let mut log = |name: &str, value: &str, origin: &Origin| {
            lines.push(SettingEntry {
                name: name.to_owned(),
                value: value.to_owned(),
                origin: origin.clone(),
            });
        };
        let shown = |text: &str| crate::util::quote::quote(text);
        let lifetime =
            |age: Option<GoDuration>| age.map_or_else(|| "never ends".to_owned(), |age| age.to_string());
        log("database", &shown(&self.db.value.to_string_lossy()), &self.db.origin);
        log("session-max-age", &lifetime(self.session_max_age.value), &self.session_max_age.origin);
        let jwts = &self.jwts;
        log("jwts.max-age", &lifetime(jwts.max_age.value), &jwts.max_age.origin);
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
            if let Some(period) = &ldap.sync_grace_period {
                log("ldap.sync-grace-period", &period.value.to_string(), &period.origin);
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
                log(name, &counted(raw.value.len(), "entry"), &raw.origin);
            }
        }
        for secret in self.secrets.iter() {
            log(secret.variable.name(), "set", &secret.origin);
        }
        lines
    }
}
