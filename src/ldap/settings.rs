//! From the settings to a directory that can be asked.

use std::path::PathBuf;
use std::time::Duration;

use super::access::LdapServer;
use super::address::Address;
use super::connection::{ANSWER_PATIENCE, BindCredentials, CONNECT_PATIENCE};
use super::fault::LdapError;
use super::filter::Filter;
use super::read::{PAGE_SIZE, UserSearch};
use super::trust::LdapTrust;
use crate::config::{Ldap, Settings, Value, Variable};
use crate::util::note::Notes;
use crate::util::quote::quote;

/// What the command line says beside the settings.
#[derive(Debug, Clone)]
pub struct LdapOptions {
    /// StartTLS, whatever the settings say.
    pub starttls: bool,
    /// The authorities to trust instead of those of the settings.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for each piece of an answer.
    pub response_timeout: Duration,
    /// Entries a page; 0 for no pages.
    pub page_size: u32,
    /// Whether references to other directories are passed over.
    pub ignore_references: bool,
}

impl Default for LdapOptions {
    fn default() -> Self {
        Self {
            starttls: false,
            ca_file: None,
            connect_timeout: CONNECT_PATIENCE,
            response_timeout: ANSWER_PATIENCE,
            page_size: PAGE_SIZE,
            ignore_references: false,
        }
    }
}

/// The directory of the settings.
#[derive(Debug, Clone)]
pub struct LdapConfig {
    /// How it is reached.
    pub access: LdapServer,
    /// Who searches it.
    pub searcher: BindCredentials,
    /// Where the people are.
    pub search: UserSearch,
}

/// Takes from the settings what is needed to search the directory.
///
/// # Errors
/// [`LdapError`]: a setting is missing or wrong, `LDAP_ADMIN_PASSWORD` is not set though
/// there is a `search-dn`, or the certificate file cannot be used.
pub fn configured(
    settings: &Settings,
    wishes: &LdapOptions,
    notes: &mut Notes,
) -> Result<LdapConfig, LdapError> {
    let access = access(settings, wishes)?;
    let ldap = section(settings)?;
    let searcher = searcher(settings, notes)?;
    let mut bases = vec![text(settings, |ldap| &ldap.user_base, "user-base")?];
    if let Some(further) = &ldap.further_user_bases {
        bases.extend(
            further.value.iter().map(|base| base.trim()).filter(|base| !base.is_empty()).map(str::to_owned),
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
        page_size: wishes.page_size,
        ignore_references: wishes.ignore_references || ldap.ignore_references.value,
    };
    Ok(LdapConfig { access, searcher, search })
}

/// How the directory of the settings is reached.
///
/// # Errors
/// As [`configured`].
pub fn access(settings: &Settings, wishes: &LdapOptions) -> Result<LdapServer, LdapError> {
    let ldap = section(settings)?;
    let urls = ldap.url.as_ref().ok_or_else(|| missing(settings, "url"))?;
    let trust = match wishes.ca_file.as_ref().or(ldap.ca_file.as_ref().map(|file| &file.value)) {
        Some(path) => LdapTrust::from_file(path)?,
        None => LdapTrust::System,
    };
    Ok(LdapServer {
        addresses: Address::list(&urls.value.join(" "))?,
        starttls: wishes.starttls || ldap.starttls.value,
        trust,
        connect_timeout: wishes.connect_timeout,
        response_timeout: wishes.response_timeout,
    })
}

/// The name to bind as at login, with `{username}` in it; none when it is not set: then the login
/// binds as the entry that a search finds.
///
/// # Errors
/// [`LdapError::BindTemplate`] when it has no place for the name: every login would bind as
/// the same user.
pub fn bind_template(settings: &Settings) -> Result<Option<String>, LdapError> {
    match text(settings, |ldap| &ldap.user_bind, "user-bind") {
        Ok(template) if template.contains("{username}") => Ok(Some(template)),
        Ok(template) => Err(LdapError::BindTemplate(template)),
        Err(_) => Ok(None),
    }
}

fn searcher(settings: &Settings, notes: &mut Notes) -> Result<BindCredentials, LdapError> {
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
