//! What the settings and a person's wishes make of a login through a provider: who is asked, as
//! which client, for what, and by which rules the answer is judged.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::id_token::ALGORITHMS;
use super::request::AuthorizationParams;
use crate::util::diagnostic::Diagnostic;
use crate::util::file::{self, FileError, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::suggest::nearest;

use crate::config::{ConfigError, OidcProvider, Settings, Variable};
use crate::http::{HttpError, HttpOptions, HttpTrust, parse_url};
use crate::key::Algorithm;
use crate::oidc::oauth::{ClientAuth, Registration};
use crate::policy::login_role::{
    LoginRole, LoginRoleError, LoginRoleSet, RoleConfig, RoleKeySource, RoleKeyUrl, RoleType,
};

/// The name of the server's own provider entry.
pub const DEFAULT_ENTRY: &str = "oidc";

/// What the server asks for beside `openid`.
const DEFAULT_SCOPES: [&str; 2] = ["profile", "roles"];

/// What a person wants of the login.
#[derive(Debug, Clone, Default)]
pub struct ProviderParameters {
    /// Which provider entry; [`DEFAULT_ENTRY`] where there is none.
    pub entry: Option<String>,
    /// Which login role; the default one where there is none.
    pub role: Option<String>,
    /// Who is expected to log in.
    pub login_hint: Option<String>,
    /// Further scopes.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// CA certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// A login through a provider, ready to begin.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The name of the provider entry.
    pub entry: String,
    /// The provider's address.
    pub issuer: String,
    /// How this client is known to the provider.
    pub registration: Registration,
    /// How the provider is talked to; proxies are not in the settings.
    pub http: HttpOptions,
    /// What is asked for.
    pub params: AuthorizationParams,
    /// How many of the scopes are only asked for where the provider knows them.
    pub optional_scopes: Vec<String>,
    /// The login role, if one is used.
    pub role: Option<(RoleConfig, LoginRole)>,
    /// The algorithms an ID token may have.
    pub algorithms: Vec<Algorithm>,
    /// Whether an unknown user is added.
    pub adds_users: bool,
    /// Whether a known user is brought up to date.
    pub updates_users: bool,
}

/// What is wrong with the settings of a login through a provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// A key is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such provider entry.
    #[error("there is no OpenID provider {} in the configuration{}", PrintableText::name(.name), known_entries(.known))]
    NoEntry {
        /// The name asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The provider's address is none.
    #[error("{}: {error}", escape(.key))]
    ProviderUrl {
        /// The key.
        key: String,
        /// What is wrong.
        error: HttpError,
    },
    /// The CA file.
    #[error(transparent)]
    CaFile(#[from] FileError),
    /// The login role.
    #[error("{}", first(.0))]
    Role(Vec<LoginRoleError>),
    /// The login role is for tokens.
    #[error("the login role {} is of type 'jwt', wanted 'oidc'", quote(.0))]
    RoleType(String),
    /// An unknown way to send the client secret.
    #[error(
        "invalid {}.token-endpoint-auth-method {}: expected client_secret_basic or client_secret_post",
        escape(.key), quote(.found)
    )]
    ClientAuth {
        /// The entry's key.
        key: String,
        /// What was found.
        found: String,
    },
    /// A parameter that is no text.
    #[error("{}.parameters: {} is no text", escape(.key), quote(.name))]
    Parameter {
        /// The entry's key.
        key: String,
        /// The parameter.
        name: String,
    },
}

fn known_entries(known: &[String]) -> String {
    let shown: Vec<String> = known.iter().map(|name| quote(name)).collect();
    if shown.is_empty() { String::new() } else { format!(": there is {}", shown.join(", ")) }
}

fn first(faults: &[LoginRoleError]) -> String {
    let more = faults.len().saturating_sub(1);
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    if more == 0 { first } else { format!("{first} (and {more} more)") }
}

impl Diagnostic for ProviderConfigError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(error) => error.kind(),
            Self::NoEntry { .. } => Kind::ProviderUnknown,
            Self::ProviderUrl { error, .. } => error.kind(),
            Self::CaFile(error) => error.kind(),
            Self::Role(faults) => faults.first().map_or(Kind::LoginRoleMalformed, LoginRoleError::kind),
            Self::RoleType(_) => Kind::LoginRoleOtherType,
            Self::ClientAuth { .. } => Kind::ConfigValue,
            Self::Parameter { .. } => Kind::ConfigType,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::NoEntry { name, known } => match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => Some(format!("did you mean --path {}?", file::shell_word(near))),
                None => Some("add it under auth.oidc.providers, with 'provider' and 'client-id'".to_owned()),
            },
            Self::ProviderUrl { error, .. } => error.hint(),
            Self::CaFile(error) => error.hint(),
            Self::Role(faults) => faults.first().and_then(LoginRoleError::hint),
            Self::RoleType(_) => {
                Some("a login by a token of that role is cc-login --method token".to_owned())
            }
            Self::ClientAuth { .. } | Self::Parameter { .. } => None,
        }
    }
}

/// Puts settings and wishes together.
///
/// # Errors
/// [`ProviderConfigError`].
pub fn resolve(
    settings: &Settings,
    wishes: &ProviderParameters,
) -> Result<ProviderConfig, ProviderConfigError> {
    let entry = find(settings, wishes.entry.as_deref())?;
    let issuer = match &entry.provider {
        Some(address) if !address.value.is_empty() => address.value.clone(),
        _ => return Err(settings.missing(&format!("{}.provider", entry.key)).into()),
    };
    parse_url(&issuer).map_err(|error| ProviderConfigError::ProviderUrl {
        key: format!("{}.provider", entry.key),
        error,
    })?;
    let registration = registration(settings, entry)?;
    let role = role(settings, entry, wishes.role.as_deref(), &issuer)?;
    let trust = match wishes.ca_file.as_deref().or(entry.ca_file.as_ref().map(|file| file.value.as_path())) {
        Some(path) => HttpTrust::SystemPlus(read_ca_file(path)?),
        None => HttpTrust::System,
    };
    let (ask, optional_scopes) = authorization_params(entry, role.as_ref().map(|(_, role)| role), wishes)?;
    let algorithms =
        role.as_ref().map_or_else(|| ALGORITHMS.to_vec(), |(config, _)| config.algorithms.clone());
    Ok(ProviderConfig {
        entry: entry.name.clone(),
        issuer,
        registration,
        http: HttpOptions { trust, ..HttpOptions::default() },
        params: ask,
        optional_scopes,
        role,
        algorithms,
        adds_users: entry.sync_user_on_login.value,
        updates_users: entry.update_user_on_login.value,
    })
}

/// The CA certificates of a PEM file.
///
/// # Errors
/// [`FileError`].
pub fn read_ca_file(path: &Path) -> Result<Vec<u8>, FileError> {
    file::read(path, SETTINGS_LIMIT)
}

fn find<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a OidcProvider, ProviderConfigError> {
    let wanted = name.unwrap_or(DEFAULT_ENTRY);
    match (settings.provider(wanted), name) {
        (Some(entry), _) => Ok(entry),
        (None, None) if settings.oidc.is_empty() => Err(settings.missing("auth.oidc.provider").into()),
        (None, _) => Err(ProviderConfigError::NoEntry {
            name: wanted.to_owned(),
            known: settings.oidc.iter().map(|entry| entry.name.clone()).collect(),
        }),
    }
}

/// A client with a name of its own never uses the secret of another one.
fn registration(settings: &Settings, entry: &OidcProvider) -> Result<Registration, ProviderConfigError> {
    let own = entry.client_id.as_ref().map(|id| id.value.clone()).filter(|id| !id.is_empty());
    let named = entry.client_secret.as_ref().map(|secret| secret.value.clone());
    let common = |variable| settings.secret(variable).map(|secret| secret.text.clone());
    let is_own = own.is_some() || entry.client_secret_variable.is_some();
    let client_secret = named.or_else(|| if is_own { None } else { common(Variable::OidClientSecret) });
    let client_id = match own {
        Some(id) => id,
        None => settings.secrets.require(Variable::OidClientId)?.text.expose().to_owned(),
    };
    Ok(Registration {
        client_id,
        client_secret: client_secret.filter(|secret: &SecretText| !secret.is_empty()),
        client_auth: client_auth(entry)?,
    })
}

/// How the secret is sent, where the settings say so.
fn client_auth(entry: &OidcProvider) -> Result<Option<ClientAuth>, ProviderConfigError> {
    let Some(method) = entry.token_endpoint_auth_method.as_ref().map(|method| &method.value) else {
        return Ok(None);
    };
    ClientAuth::named(method)
        .map(Some)
        .ok_or_else(|| ProviderConfigError::ClientAuth { key: entry.key.clone(), found: method.clone() })
}

fn role(
    settings: &Settings,
    entry: &OidcProvider,
    wanted: Option<&str>,
    issuer: &str,
) -> Result<Option<(RoleConfig, LoginRole)>, ProviderConfigError> {
    let config = match &settings.jwt_config {
        Some(section) => {
            let section = Json::Object(section.value.clone());
            Some(RoleConfig::read("auth.jwt-config", &section).map_err(ProviderConfigError::Role)?)
        }
        None => None,
    };
    let of_entry = entry.default_role.as_ref().map(|role| role.value.as_str());
    let of_config = config.as_ref().and_then(|config| config.default_role.as_deref());
    let Some(name) = wanted.or(of_entry).or(of_config) else { return Ok(None) };
    let section = settings.jwt_roles.as_ref().map(|section| section.value.clone()).unwrap_or_default();
    let roles =
        LoginRoleSet::read("auth.jwt-roles", &Json::Object(section)).map_err(ProviderConfigError::Role)?;
    let role = roles.find(name).map_err(|fault| ProviderConfigError::Role(vec![fault]))?;
    if role.role_type != RoleType::Oidc {
        // The default of all logins may well be one for tokens.
        return if wanted.or(of_entry).is_none() {
            Ok(None)
        } else {
            Err(ProviderConfigError::RoleType(role.name.clone()))
        };
    }
    // The provider is that of the entry, whatever the tokens' keys come from; the entry's issuer
    // was compared before.
    let own = RoleConfig {
        keys: RoleKeySource::Discovery(RoleKeyUrl { url: issuer.to_owned(), ca_pem: None }),
        bound_issuer: Some(issuer.to_owned()),
        algorithms: config.map_or_else(|| ALGORITHMS.to_vec(), |config| config.algorithms),
        default_role: None,
        client_id: None,
        client_secret: None,
    };
    Ok(Some((own, role.clone())))
}

fn authorization_params(
    entry: &OidcProvider,
    role: Option<&LoginRole>,
    wishes: &ProviderParameters,
) -> Result<(AuthorizationParams, Vec<String>), ProviderConfigError> {
    let mut scopes = vec!["openid".to_owned()];
    let mut optional = Vec::new();
    match &entry.scopes {
        Some(own) => scopes.extend(own.value.iter().cloned()),
        None => optional.extend(DEFAULT_SCOPES.map(str::to_owned)),
    }
    scopes.extend(optional.iter().cloned());
    scopes.extend(role.into_iter().flat_map(|role| role.oidc_scopes.iter().cloned()));
    scopes.extend(wishes.scopes.iter().cloned());
    let named: Vec<&String> =
        role.into_iter().flat_map(|role| &role.oidc_scopes).chain(&wishes.scopes).collect();
    optional.retain(|scope| !named.contains(&scope));
    let mut seen = Vec::new();
    scopes.retain(|scope| {
        let is_new = !scope.is_empty() && !seen.contains(scope);
        seen.push(scope.clone());
        is_new
    });
    let mut extra = Vec::new();
    for (name, value) in entry.parameters.iter().flat_map(|parameters| &parameters.value) {
        let value = match value {
            Json::String(text) => text.clone(),
            Json::Number(_) | Json::Bool(_) => value.to_string(),
            _ => return Err(ProviderConfigError::Parameter { key: entry.key.clone(), name: name.clone() }),
        };
        extra.push((name.clone(), value));
    }
    extra.extend(wishes.parameters.iter().cloned());
    let max_age = role
        .and_then(|role| role.max_age)
        .or(entry.max_age.as_ref().map(|age| age.value.seconds()))
        .filter(|seconds| *seconds > 0);
    Ok((AuthorizationParams { scopes, login_hint: wishes.login_hint.clone(), max_age, extra }, optional))
}

impl ProviderConfig {
    /// What is asked of a provider that publishes these scopes: those the server always asks for
    /// only where the provider knows them, those somebody named in any case.
    #[must_use]
    pub fn params_for(&self, supported: Option<&[String]>) -> AuthorizationParams {
        let mut ask = self.params.clone();
        if let Some(supported) = supported {
            ask.scopes.retain(|scope| !self.optional_scopes.contains(scope) || supported.contains(scope));
        }
        ask
    }
}
