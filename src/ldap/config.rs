//! LDAP configuration from the settings and the command line.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::{BindCredentials, CONNECT_TIMEOUT, RESPONSE_TIMEOUT};
use super::error::LdapError;
use super::filter::Filter;
use super::search::{PAGE_SIZE, UserSearch};
use super::server::{LdapServer, LdapTrust};
use super::url::LdapUrl;
use crate::config::{Ldap, Settings, Value, Variable};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// LDAP options of the command line, which supplement the settings.
#[derive(Debug, Clone)]
pub struct LdapOptions {
    /// Use StartTLS, even if the settings do not.
    pub starttls: bool,
    /// The file of trusted certificates; overrides the one in the settings.
    pub ca_file: Option<PathBuf>,
    /// Timeout for a connection.
    pub connect_timeout: Duration,
    /// Timeout for each read from the server.
    pub response_timeout: Duration,
    /// Entries per page; 0 disables paged results.
    pub page_size: u32,
    /// Whether references to other LDAP servers are ignored instead of reported as an error.
    pub ignore_references: bool,
}

impl Default for LdapOptions {
    fn default() -> Self {
        Self {
            starttls: false,
            ca_file: None,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            page_size: PAGE_SIZE,
            ignore_references: false,
        }
    }
}

/// The LDAP servers, the credentials and the user search.
#[derive(Debug, Clone)]
pub struct LdapConfig {
    /// The servers.
    pub server: LdapServer,
    /// The credentials of the search.
    pub credentials: BindCredentials,
    /// The search for users.
    pub search: UserSearch,
}

impl LdapConfig {
    /// Reads the connection and the user search from the settings.
    ///
    /// # Errors
    /// [`LdapError`]: a setting is missing or invalid, `LDAP_ADMIN_PASSWORD` is not set although
    /// there is a `search-dn`, or the certificate file cannot be used.
    pub fn from_settings(
        settings: &Settings,
        options: &LdapOptions,
        notes: &mut Notes,
    ) -> Result<Self, LdapError> {
        let server = LdapServer::from_settings(settings, options)?;
        let ldap = section(settings)?;
        let credentials = search_credentials(settings, notes)?;
        let mut bases = vec![text(settings, |ldap| &ldap.user_base, "user-base")?];
        if let Some(further) = &ldap.further_user_bases {
            bases.extend(
                further
                    .value
                    .iter()
                    .map(|base| base.trim())
                    .filter(|base| !base.is_empty())
                    .map(str::to_owned),
            );
        }
        let filter = text(settings, |ldap| &ldap.user_filter, "user-filter")?;
        if let Some(difference) = Filter::parse(&filter)?.difference() {
            notes.warn(
                "ldap-filter-differs",
                format!(
                    "user-filter {} is accepted here, but the ClusterCockpit server rejects it: {difference}",
                    quote(&filter)
                ),
            );
        }
        let search = UserSearch {
            bases,
            filter,
            uid_attribute: ldap.uid_attr.value.clone(),
            name_attribute: ldap.username_attr.value.clone(),
            page_size: options.page_size,
            ignore_references: options.ignore_references || ldap.ignore_references.value,
        };
        Ok(Self { server, credentials, search })
    }
}

impl LdapServer {
    /// Reads the LDAP servers and the trusted certificates from the settings.
    ///
    /// # Errors
    /// As [`LdapConfig::from_settings`].
    pub fn from_settings(settings: &Settings, options: &LdapOptions) -> Result<Self, LdapError> {
        let ldap = section(settings)?;
        let urls = ldap.url.as_ref().ok_or_else(|| missing(settings, "url"))?;
        let trust = match options.ca_file.as_ref().or(ldap.ca_file.as_ref().map(|file| &file.value)) {
            Some(path) => LdapTrust::from_file(path)?,
            None => LdapTrust::System,
        };
        Ok(Self {
            urls: LdapUrl::parse_list(&urls.value.join(" "))?,
            starttls: options.starttls || ldap.starttls.value,
            trust,
            connect_timeout: options.connect_timeout,
            response_timeout: options.response_timeout,
        })
    }
}

/// Returns the bind name template of a login, which contains `{username}`. Returns `None` if it is
/// not set: a login then searches the entry of the user and binds as that entry.
///
/// # Errors
/// [`LdapError::InvalidBindTemplate`] if the template does not contain `{username}`: every login
/// would bind as the same user.
pub fn bind_template(settings: &Settings) -> Result<Option<String>, LdapError> {
    match text(settings, |ldap| &ldap.user_bind, "user-bind") {
        Ok(template) if template.contains("{username}") => Ok(Some(template)),
        Ok(template) => Err(LdapError::InvalidBindTemplate(template)),
        Err(_) => Ok(None),
    }
}

fn search_credentials(settings: &Settings, notes: &mut Notes) -> Result<BindCredentials, LdapError> {
    if section(settings)?.sasl_external.value {
        return Ok(BindCredentials::External);
    }
    match text(settings, |ldap| &ldap.search_dn, "search-dn") {
        Ok(name) => {
            let password = settings.secrets.require(Variable::LdapAdminPassword)?;
            BindCredentials::simple(name, password.text.clone())
        }
        Err(_) => {
            notes.warn("ldap-anonymous-search",
                "search-dn is not set: the LDAP search is anonymous here, and fails at the ClusterCockpit server",
            );
            Ok(BindCredentials::Anonymous)
        }
    }
}

fn section(settings: &Settings) -> Result<&Ldap, LdapError> {
    settings.ldap.as_ref().ok_or_else(|| missing(settings, "url"))
}

fn text(
    settings: &Settings,
    pick: fn(&Ldap) -> &Option<Value<String>>,
    key: &str,
) -> Result<String, LdapError> {
    let text = pick(section(settings)?).as_ref().map(|value| value.value.trim());
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| missing(settings, key))
}

fn missing(settings: &Settings, key: &str) -> LdapError {
    settings.missing(&format!("auth.ldap.{key}")).into()
}
