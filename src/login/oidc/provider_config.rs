//! The configuration of an OpenID login, from settings and parameters: provider, client, scopes, and the
//! rules for the ID token.

use std::path::PathBuf;

use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::id_token::ALGORITHMS;
use super::request::AuthorizationParams;
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, FileContents, FileError, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote, quote_path};
use crate::util::secret::SecretText;
use crate::util::suggest::nearest;

use crate::config::{ConfigError, OidcProvider, Settings, Variable};
use crate::http::{HttpError, HttpOptions, parse_url};
use crate::key::parse::read_signing;
use crate::key::{Algorithm, KeyError, KeyFileError, KeyStrength};
use crate::login::network::{CA_FILE_OPTION, CaFileError, trust_of};
use crate::oidc::discovery;
use crate::oidc::oauth::{ClientAuth, ClientCredentials, ClientSettings, Registration};
use crate::policy::login_role::{
    LoginRole, LoginRoleError, LoginRoleSet, RoleConfig, RoleKeySource, RoleKeyUrl, RoleType,
};

/// The name of the provider entry that the server itself uses.
pub const DEFAULT_ENTRY: &str = "oidc";

/// The scopes that the server requests in addition to `openid`.
const DEFAULT_SCOPES: [&str; 2] = ["profile", "roles"];

/// The parameters of an OpenID login.
#[derive(Debug, Clone, Default)]
pub struct ProviderParameters {
    /// The provider entry; `None` means [`DEFAULT_ENTRY`].
    pub entry: Option<String>,
    /// The login role; `None` means the default role.
    pub role: Option<String>,
    /// The username for the login page of the provider.
    pub login_hint: Option<String>,
    /// Additional scopes.
    pub scopes: Vec<String>,
    /// Additional parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// CA certificates to trust in addition to those of the system, instead of those of the entry.
    pub ca_file: Option<PathBuf>,
}

/// The configuration of an OpenID login.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The name of the provider entry.
    pub entry: String,
    /// The key of the provider entry in the configuration, such as `auth.oidc`.
    pub key: String,
    /// The issuer URL of the provider.
    pub issuer: String,
    /// The registration of the client.
    pub registration: Registration,
    /// The options of the HTTP client, without the proxy.
    pub http: HttpOptions,
    /// The CA file of the parameters.
    pub ca_file: Option<PathBuf>,
    /// The parameters of the authorization request.
    pub params: AuthorizationParams,
    /// The scopes that are requested only if the provider supports them.
    pub optional_scopes: Vec<String>,
    /// The login role, if one is used.
    pub role: Option<(RoleConfig, LoginRole)>,
    /// The accepted signature algorithms of ID tokens.
    pub algorithms: Vec<Algorithm>,
    /// Whether an unknown user is added.
    pub adds_users: bool,
    /// Whether a known user is updated.
    pub updates_users: bool,
}

/// An error in the configuration of an OpenID login.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// A setting is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The provider entry does not exist.
    #[error("no OpenID provider {} in the configuration{}", PrintableText::name(.name), known_entries(.known))]
    NoEntry {
        /// The name.
        name: String,
        /// The names of the configured entries.
        known: Vec<String>,
    },
    /// The URL of the provider is invalid.
    #[error("{}: {error}", escape(.key))]
    ProviderUrl {
        /// The key of the setting.
        key: String,
        /// The error.
        error: HttpError,
    },
    /// The CA certificates.
    #[error(transparent)]
    Ca(#[from] CaFileError),
    /// The file with the key of the client cannot be read.
    #[error("{}.client-key-file: {error}", escape(.key))]
    ClientKeyFile {
        /// The key of the entry.
        key: String,
        /// The reason.
        error: FileError,
    },
    /// The key of the client cannot be used.
    #[error("{}.client-key-file: {error}", escape(.key))]
    ClientKey {
        /// The key of the entry.
        key: String,
        /// The reason.
        error: KeyFileError,
    },
    /// A login role, or the configuration of all.
    #[error("{}", first(.0))]
    Role(Vec<LoginRoleError>),
    /// The login role does not exist.
    #[error("{}: {error}", escape(.setting))]
    UnknownRole {
        /// The setting with the name.
        setting: String,
        /// The error.
        error: Box<LoginRoleError>,
    },
    /// The login role is of type `jwt`.
    #[error("the login role {} is of type 'jwt', expected 'oidc'", quote(.0))]
    RoleType(String),
    /// An unknown method of sending the client secret.
    #[error(
        "invalid {}.token-endpoint-auth-method {}: expected client_secret_basic, client_secret_post or private_key_jwt",
        escape(.key), quote(.found)
    )]
    ClientAuth {
        /// The key of the entry.
        key: String,
        /// The method.
        found: String,
    },
    /// A method of sending the client secret beside a key of the client.
    #[error(
        "{0}.token-endpoint-auth-method {found} does not use {0}.client-key-file: expected private_key_jwt, or no key file",
        escape(.key), found = quote(.found)
    )]
    ClientAuthWithKey {
        /// The key of the entry.
        key: String,
        /// The method.
        found: String,
    },
    /// A parameter of another type than string, number or boolean.
    #[error("{}.parameters: {} is not a string", escape(.key), quote(.name))]
    Parameter {
        /// The key of the entry.
        key: String,
        /// The parameter.
        name: String,
    },
}

fn known_entries(known: &[String]) -> String {
    let shown: Vec<String> = known.iter().map(|name| quote(name)).collect();
    if shown.is_empty() { String::new() } else { format!(": expected {}", shown.join(", ")) }
}

fn first(faults: &[LoginRoleError]) -> String {
    let more = faults.len().saturating_sub(1);
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    if more == 0 { first } else { format!("{first} (and {more} more)") }
}

diagnostics! { ProviderConfigError:
    Self::Config(error) => error.kind(), error.hint();
    Self::NoEntry { name, known } => Kind::ProviderUnknown,
        match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => Some(format!("did you mean --path {}?", file::shell_word(near))),
                None => Some("add it under auth.oidc.providers, with 'provider' and 'client-id'".to_owned()),
            };
    Self::ProviderUrl { error, .. } => error.kind(), error.hint();
    Self::Ca(error) => error.kind(), error.hint();
    Self::ClientKeyFile { error, .. } => error.kind(), error.hint();
    Self::ClientKey { error, .. } => error.kind(), error.hint();
    Self::Role(faults) => faults.first().map_or(Kind::LoginRoleMalformed, LoginRoleError::kind),
        faults.first().and_then(LoginRoleError::hint);
    Self::RoleType(role) => Kind::LoginRoleOtherType, format!(
                "use a role of type oidc; this role is for tokens, which 'cc-jwt verify --login-role {}' checks",
                file::shell_word(role)
            );
    Self::UnknownRole { error, .. } => error.kind(), error.hint();
    Self::ClientAuth { .. } => Kind::ConfigValue;
    Self::ClientAuthWithKey { .. } => Kind::ConfigValue;
    Self::Parameter { .. } => Kind::ConfigType;
}

/// Resolves settings and parameters into the configuration of a login.
///
/// # Errors
/// [`ProviderConfigError`].
pub fn resolve(
    settings: &Settings,
    parameters: &ProviderParameters,
    notes: &mut Notes,
) -> Result<ProviderConfig, ProviderConfigError> {
    let entry = find(settings, parameters.entry.as_deref())?;
    let issuer = match &entry.provider {
        Some(address) if !address.value.is_empty() => issuer(&entry.key, &address.value, notes),
        _ => return Err(settings.missing(&format!("{}.provider", entry.key)).into()),
    };
    parse_url(&issuer).map_err(|error| ProviderConfigError::ProviderUrl {
        key: format!("{}.provider", entry.key),
        error,
    })?;
    let registration = registration(settings, entry, notes)?;
    let role = role(settings, entry, parameters.role.as_deref(), &issuer)?;
    let own_setting = format!("{}.ca-file", entry.key);
    let of_entry = entry.ca_file.as_ref().map(|file| (own_setting.as_str(), file.value.as_path()));
    let trust = trust_of(parameters.ca_file.as_deref().map(|path| (CA_FILE_OPTION, path)).or(of_entry))?;
    let (ask, optional_scopes) =
        authorization_params(entry, role.as_ref().map(|(_, role)| role), parameters)?;
    let algorithms =
        role.as_ref().map_or_else(|| ALGORITHMS.to_vec(), |(config, _)| config.algorithms.clone());
    Ok(ProviderConfig {
        entry: entry.name.clone(),
        key: entry.key.clone(),
        issuer,
        registration,
        http: HttpOptions { trust, ..HttpOptions::default() },
        ca_file: parameters.ca_file.clone(),
        params: ask,
        optional_scopes,
        role,
        algorithms,
        adds_users: entry.sync_user_on_login.value,
        updates_users: entry.update_user_on_login.value,
    })
}

/// Returns the issuer. Warns if the setting is the URL of the discovery document, which the server rejects.
fn issuer(key: &str, url: &str, notes: &mut Notes) -> String {
    let issuer = discovery::issuer_of(url);
    if issuer != url {
        notes.warn_with(
            "issuer-document-url",
            format!("{key}.provider is the URL of the discovery document: the server expects the issuer"),
            format!("set {key}.provider to {}", quote(issuer)),
        );
    }
    issuer.to_owned()
}

fn find<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a OidcProvider, ProviderConfigError> {
    let entry_name = name.unwrap_or(DEFAULT_ENTRY);
    match (settings.provider(entry_name), name) {
        (Some(entry), _) => Ok(entry),
        (None, None) if settings.oidc.is_empty() => Err(settings.missing("auth.oidc.provider").into()),
        (None, _) => Err(ProviderConfigError::NoEntry {
            name: entry_name.to_owned(),
            known: settings.oidc.iter().map(|entry| entry.name.clone()).collect(),
        }),
    }
}

/// Returns the registration of the client. An entry with its own client ID never uses the common
/// secret.
fn registration(
    settings: &Settings,
    entry: &OidcProvider,
    notes: &mut Notes,
) -> Result<Registration, ProviderConfigError> {
    let own = entry.client_id.as_ref().map(|id| id.value.clone()).filter(|id| !id.is_empty());
    let named = entry.client_secret.as_ref().map(|secret| secret.value.clone());
    let common = |variable| settings.secret(variable).map(|secret| secret.text.clone());
    let is_own = own.is_some() || entry.client_secret_variable.is_some();
    let client_secret = named.or_else(|| if is_own { None } else { common(Variable::OidClientSecret) });
    let secret = client_secret.filter(|secret: &SecretText| !secret.is_empty());
    let names = ClientSettings {
        client_id: if own.is_some() {
            format!("{}.client-id", entry.key)
        } else {
            Variable::OidClientId.name().to_owned()
        },
        client_secret: match &entry.client_secret_variable {
            Some(variable) => variable.value.clone(),
            None if is_own => format!("{}.client-secret-variable", entry.key),
            None => Variable::OidClientSecret.name().to_owned(),
        },
        client_key: format!("{}.client-key-file", entry.key),
    };
    let client_id = match own {
        Some(id) => id,
        None => settings.secrets.require(Variable::OidClientId)?.text.expose().to_owned(),
    };
    Ok(Registration { client_id, credentials: credentials(settings, entry, secret, notes)?, names })
}

/// Returns the credentials of the client: the key of the entry, or the secret.
fn credentials(
    settings: &Settings,
    entry: &OidcProvider,
    secret: Option<SecretText>,
    notes: &mut Notes,
) -> Result<ClientCredentials, ProviderConfigError> {
    let invalid =
        |found: &str| ProviderConfigError::ClientAuth { key: entry.key.clone(), found: found.to_owned() };
    let method = match entry.token_endpoint_auth_method.as_ref().map(|method| method.value.as_str()) {
        Some(name) => Some(ClientAuth::named(name).ok_or_else(|| invalid(name))?),
        None => None,
    };
    match (&entry.client_key_file, method) {
        (Some(path), None | Some(ClientAuth::PrivateKeyJwt)) => {
            let key_of_entry = || entry.key.clone();
            let bytes = file::read_named(&path.value, SETTINGS_LIMIT, FileContents::Secret, notes)
                .map_err(|error| ProviderConfigError::ClientKeyFile { key: key_of_entry(), error })?;
            let bytes = Zeroizing::new(bytes);
            let key = read_signing(&bytes, KeyStrength::Enforce, notes).and_then(|key| {
                if key.private_key().is_some() {
                    Ok(key)
                } else {
                    Err(KeyError::WrongType { found: "an HMAC secret".into(), expected: "a private key" })
                }
            });
            let key = key.map_err(|error| ProviderConfigError::ClientKey {
                key: key_of_entry(),
                error: error.at(quote_path(&path.value)),
            })?;
            Ok(ClientCredentials::PrivateKey(Box::new(key)))
        }
        (None, Some(ClientAuth::PrivateKeyJwt)) => {
            Err(settings.missing(&format!("{}.client-key-file", entry.key)).into())
        }
        (Some(_), Some(other)) => Err(ProviderConfigError::ClientAuthWithKey {
            key: entry.key.clone(),
            found: other.name().to_owned(),
        }),
        (None, method) => Ok(match secret {
            Some(secret) => ClientCredentials::Secret { secret, method },
            None => ClientCredentials::Public,
        }),
    }
}

fn role(
    settings: &Settings,
    entry: &OidcProvider,
    requested: Option<&str>,
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
    let Some(name) = requested.or(of_entry).or(of_config) else { return Ok(None) };
    let section = settings.jwt_roles.as_ref().map(|section| section.value.clone()).unwrap_or_default();
    let roles =
        LoginRoleSet::read("auth.jwt-roles", &Json::Object(section)).map_err(ProviderConfigError::Role)?;
    let role = roles.find(name).map_err(|error| ProviderConfigError::UnknownRole {
        setting: match (requested, of_entry) {
            (Some(_), _) => "--role".to_owned(),
            (None, Some(_)) => format!("{}.default-role", entry.key),
            (None, None) => "auth.jwt-config.default_role".to_owned(),
        },
        error: Box::new(error),
    })?;
    if role.role_type != RoleType::Oidc {
        // The default role of the configuration may be a role for tokens.
        return if requested.or(of_entry).is_none() {
            Ok(None)
        } else {
            Err(ProviderConfigError::RoleType(role.name.clone()))
        };
    }
    // The keys are those of the entry's provider, regardless of the section.
    let own = RoleConfig {
        keys: RoleKeySource::Discovery(RoleKeyUrl { url: issuer.to_owned(), ca_pem: None }),
        bound_issuer: Some(issuer.to_owned()),
        algorithms: config.map_or_else(|| ALGORITHMS.to_vec(), |config| config.algorithms),
        default_role: None,
        path: format!("{}.provider", entry.key),
        client_id: None,
        client_secret: None,
    };
    Ok(Some((own, role.clone())))
}

fn authorization_params(
    entry: &OidcProvider,
    role: Option<&LoginRole>,
    parameters: &ProviderParameters,
) -> Result<(AuthorizationParams, Vec<String>), ProviderConfigError> {
    let mut scopes = vec!["openid".to_owned()];
    let mut optional = Vec::new();
    match &entry.scopes {
        Some(own) => scopes.extend(own.value.iter().cloned()),
        None => optional.extend(DEFAULT_SCOPES.map(str::to_owned)),
    }
    scopes.extend(optional.iter().cloned());
    scopes.extend(role.into_iter().flat_map(|role| role.oidc_scopes.iter().cloned()));
    scopes.extend(parameters.scopes.iter().cloned());
    let named: Vec<&String> =
        role.into_iter().flat_map(|role| &role.oidc_scopes).chain(&parameters.scopes).collect();
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
    extra.extend(parameters.parameters.iter().cloned());
    let max_age = role
        .and_then(|role| role.max_age)
        .or(entry.max_age.as_ref().map(|age| age.value.seconds()))
        .filter(|seconds| *seconds > 0);
    Ok((AuthorizationParams { scopes, login_hint: parameters.login_hint.clone(), max_age, extra }, optional))
}

impl ProviderConfig {
    /// Returns the parameters for a provider that supports these scopes. Unsupported optional
    /// scopes are omitted.
    #[must_use]
    pub fn params_for(&self, supported: Option<&[String]>) -> AuthorizationParams {
        let mut ask = self.params.clone();
        if let Some(supported) = supported {
            ask.scopes.retain(|scope| !self.optional_scopes.contains(scope) || supported.contains(scope));
        }
        ask
    }
}
