//! Verification with a login role of Stronghold, Vault or OpenBao.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use serde_json::{Map, Value, json};

use super::error::VerifyError;
use super::key_ring::{GivenKeys, KeyRing, warn_of_weak};
use super::login_role_keys::LoginRoleKeys;
use super::refetch::verify_with_refetch;
use crate::config::Settings;
use crate::policy::login_role::{
    ANY_ISSUER, Flow, Login, LoginRole, LoginRoleError, LoginRoleSet, RoleConfig, ServerOnly,
    config_warnings, evaluate, role_warnings, server_only,
};
use crate::policy::{Verbosity, Verdict};
use crate::token::json as token_json;
use crate::token::{TokenError, Verified};
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::json::kind;
use crate::util::note::{Notes, Warning};
use crate::util::quote::{quote, quote_path};
use crate::util::time::{Clock, Timestamp};

/// A request of `cc-jwt verify` with a login role.
#[derive(Debug, Clone)]
pub struct LoginRoleRequest {
    /// The login role.
    pub role: LoginRoleSource,
    /// The configuration shared by login roles; replaces `auth.jwt-config`.
    pub config: Option<RoleDocument>,
    /// Keys that replace those of the configuration.
    pub keys: GivenKeys,
    /// The clock for the checks.
    pub clock: Clock,
}

/// The source of a login role.
#[derive(Debug, Clone)]
pub enum LoginRoleSource {
    /// The `default_role` of the configuration.
    Default,
    /// A role in `auth.jwt-roles`, or a file: a name that looks like a path or, if no roles are
    /// configured, the name of an existing file.
    NameOrFile(String),
    /// A role in `auth.jwt-roles`.
    Configured(String),
    /// A document.
    Document(RoleDocument),
}

/// A role or a configuration in JSON.
#[derive(Debug, Clone)]
pub enum RoleDocument {
    /// In a file.
    File(PathBuf),
    /// The content of standard input.
    StandardInput(String),
}

impl RoleDocument {
    /// Returns the name of the role in this document: the file name without its extension, in lower
    /// case.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::StandardInput(_) => "role".to_owned(),
            Self::File(path) => path
                .file_stem()
                .map_or_else(|| "role".to_owned(), |stem| stem.to_string_lossy().to_lowercase()),
        }
    }

    /// Parses the JSON object. For a response of Vault's API, returns its `data`.
    ///
    /// # Errors
    /// [`VerifyError::File`], [`VerifyError::NotJson`], [`VerifyError::DuplicateMember`].
    pub fn read(&self) -> Result<Map<String, Value>, VerifyError> {
        match self {
            Self::File(path) => read_object(&file::read_text(path, SETTINGS_LIMIT)?, path),
            Self::StandardInput(text) => read_object(text, Path::new("standard input")),
        }
    }
}

fn read_object(text: &str, path: &Path) -> Result<Map<String, Value>, VerifyError> {
    let file = || quote_path(path);
    let (value, duplicates) = token_json::any(text.trim_start_matches('\u{feff}'))
        .map_err(|problem| VerifyError::NotJson { file: file(), problem })?;
    if let Some(duplicate) = duplicates.into_iter().next() {
        return Err(VerifyError::DuplicateMember { file: file(), name: duplicate.name });
    }
    match value {
        Value::Object(members) => Ok(without_envelope(members)),
        other => {
            let problem = format!("expected an object, found {}", kind(&other));
            Err(VerifyError::NotJson { file: file(), problem })
        }
    }
}

/// Returns the `data` of a response of Vault's API (with `request_id`, `lease_id` and others), or the
/// members unchanged. Neither a role nor a configuration has a member with these names.
fn without_envelope(mut members: Map<String, Value>) -> Map<String, Value> {
    match members.remove("data") {
        Some(Value::Object(data)) => data,
        Some(other) => {
            members.insert("data".to_owned(), other);
            members
        }
        None => members,
    }
}

/// A login role with its configuration and keys. Threads may share it.
#[derive(Debug)]
pub struct LoginRoleVerifier {
    config: RoleConfig,
    role: LoginRole,
    keys: RwLock<LoginRoleKeys>,
    clock: Clock,
}

/// The result of checking a token with a login role.
#[derive(Debug)]
pub struct LoginRoleResult {
    /// The verified token, or the reason why it cannot be verified.
    pub token: Result<Verified, TokenError>,
    /// The checks with their results.
    pub verdict: Verdict,
    /// The login, if the role accepts the token.
    pub login: Option<Login>,
}

impl LoginRoleVerifier {
    /// Reads the role and its configuration, and reads or fetches the keys. `now` is the time of the
    /// system's clock.
    ///
    /// # Errors
    /// [`VerifyError`]; the notes explain it.
    pub fn open(
        request: &LoginRoleRequest,
        settings: &Settings,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        let given = &request.keys;
        let config = find_config(request.config.as_ref(), settings, given)?;
        let role = find_role(&request.role, config.default_role.as_deref(), settings)?;
        // The verdict reports a configuration that accepts every issuer.
        for warning in config_warnings(&config).into_iter().filter(|warning| warning.check != ANY_ISSUER) {
            notes.add_warning(warning);
        }
        let at = request.clock.now();
        let keys = if given.is_empty() {
            let bearer = given.bearer(notes)?;
            let keys = LoginRoleKeys::open(&config, &given.access, bearer.as_ref(), at, now, notes)?;
            warn_of_weak(keys.keys(), notes);
            keys
        } else {
            let (fixed, remotes) = KeyRing::open_given(given, at, now, notes)?;
            LoginRoleKeys::given(config.keys.clone(), fixed, remotes)
        };
        Ok(Self { config, role, keys: RwLock::new(keys), clock: request.clock })
    }

    /// Returns the login role.
    #[must_use]
    pub const fn role(&self) -> &LoginRole {
        &self.role
    }

    /// Verifies a token and evaluates the role. `now` is the time of the system's clock.
    ///
    /// # Errors
    /// [`VerifyError::Remote`] if no key verifies the token and the keys cannot be fetched again.
    pub fn verify(
        &self,
        token: &str,
        verbosity: Verbosity,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<LoginRoleResult, VerifyError> {
        let token = verify_with_refetch(&self.keys, token, now, notes).require_keys()?;
        Ok(self.evaluate(token, verbosity))
    }

    /// Verifies a token of a stream. If keys cannot be fetched again, the current keys decide.
    pub(super) fn verify_line(&self, token: &str, now: Timestamp) -> LoginRoleResult {
        let attempt = verify_with_refetch(&self.keys, token, now, &mut Notes::new());
        self.evaluate(attempt.outcome, Verbosity::Failures)
    }

    fn evaluate(&self, token: Result<Verified, TokenError>, verbosity: Verbosity) -> LoginRoleResult {
        let (verdict, login) =
            evaluate(&self.config, &self.role, token.as_ref(), Flow::Token, self.clock.now(), verbosity);
        LoginRoleResult { token, verdict, login }
    }
}

/// Finds a login role.
fn find_role(
    source: &LoginRoleSource,
    default: Option<&str>,
    settings: &Settings,
) -> Result<LoginRole, VerifyError> {
    let name = match source {
        LoginRoleSource::Document(document) => return read_role(document),
        LoginRoleSource::NameOrFile(text) => {
            let path = Path::new(text);
            let looks_like_path =
                text.contains('/') || path.extension().is_some_and(|extension| extension == "json");
            if looks_like_path || (path.is_file() && settings.jwt_roles.is_none()) {
                return read_role(&RoleDocument::File(path.to_owned()));
            }
            Some(text.as_str())
        }
        LoginRoleSource::Configured(name) => Some(name.as_str()),
        LoginRoleSource::Default => default,
    };
    let Some(section) = &settings.jwt_roles else {
        return Err(VerifyError::UnknownRole { name: name.unwrap_or_default().to_owned() });
    };
    let roles = LoginRoleSet::read("auth.jwt-roles", &Value::Object(section.value.clone()))?;
    let name = name.ok_or_else(|| vec![LoginRoleError::NoRole])?;
    Ok(roles.find(name).map_err(|error| vec![error])?.clone())
}

fn read_role(document: &RoleDocument) -> Result<LoginRole, VerifyError> {
    Ok(LoginRole::read(&document.name(), &Value::Object(document.read()?))?)
}

/// Finds the configuration shared by login roles; given keys replace its keys.
fn find_config(
    document: Option<&RoleDocument>,
    settings: &Settings,
    keys: &GivenKeys,
) -> Result<RoleConfig, VerifyError> {
    let (path, mut content) = match (document, &settings.jwt_config) {
        (Some(document), _) => (document.name(), document.read()?),
        (None, Some(section)) => ("auth.jwt-config".to_owned(), section.value.clone()),
        (None, None) if !keys.is_empty() => ("the command line".to_owned(), Map::new()),
        (None, None) => return Err(VerifyError::NoRoleKeys),
    };
    if !keys.is_empty() {
        for member in [
            "jwt_validation_pubkeys",
            "jwks_url",
            "jwks_ca_pem",
            "jwks_pairs",
            "oidc_discovery_url",
            "oidc_discovery_ca_pem",
        ] {
            content.remove(member);
        }
        // Only the presence of the member matters: it decides which rules apply to `kid`.
        const GIVEN: &str = "given on the command line";
        if keys.sets.is_empty() {
            content.insert("jwt_validation_pubkeys".to_owned(), json!([GIVEN]));
        } else {
            content.insert("jwks_url".to_owned(), json!(GIVEN));
        }
    }
    Ok(RoleConfig::read(&path, &Value::Object(content))?)
}

/// The errors and warnings of login roles and their configuration.
#[derive(Debug, Default)]
pub struct RoleFindings {
    /// The names of the valid roles.
    pub roles: Vec<String>,
    /// The errors that make a role or the configuration invalid.
    pub errors: Vec<LoginRoleError>,
    /// The warnings about settings that are valid but probably a mistake.
    pub warnings: Vec<Warning>,
    /// The settings whose effect only the server knows, with the names of their roles.
    pub unknown: Vec<(String, ServerOnly)>,
}

impl RoleFindings {
    /// Checks a role, or the roles and the configuration in a server's `config.json`.
    ///
    /// # Errors
    /// Same as [`RoleDocument::read`].
    pub fn check_roles(&mut self, document: &RoleDocument) -> Result<(), VerifyError> {
        let content = document.read()?;
        let Some(auth) = content.get("auth").and_then(Value::as_object) else {
            match LoginRole::read(&document.name(), &Value::Object(content)) {
                Ok(role) => self.add_role(&role, ""),
                Err(errors) => self.errors.extend(errors),
            }
            return Ok(());
        };
        if let Some(config) = auth.get("jwt-config") {
            self.add_config("auth.jwt-config", config);
        }
        match auth.get("jwt-roles").map(|roles| LoginRoleSet::read("auth.jwt-roles", roles)) {
            Some(Ok(roles)) => {
                roles.iter().for_each(|role| self.add_role(role, &format!("{}: ", quote(&role.name))));
            }
            Some(Err(errors)) => self.errors.extend(errors),
            None => self.errors.push(LoginRoleError::Missing {
                path: "auth.jwt-roles".to_owned(),
                expected: "an object with the login roles by name",
            }),
        }
        Ok(())
    }

    /// Checks the configuration shared by login roles.
    ///
    /// # Errors
    /// Same as [`RoleDocument::read`].
    pub fn check_config(&mut self, document: &RoleDocument) -> Result<(), VerifyError> {
        self.add_config(&document.name(), &Value::Object(document.read()?));
        Ok(())
    }

    fn add_config(&mut self, path: &str, value: &Value) {
        match RoleConfig::read(path, value) {
            Ok(config) => self.warnings.extend(config_warnings(&config)),
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn add_role(&mut self, role: &LoginRole, prefix: &str) {
        self.roles.push(role.name.clone());
        self.unknown.extend(server_only(role).into_iter().map(|unknown| (role.name.clone(), unknown)));
        for mut warning in role_warnings(role) {
            warning.message.insert_str(0, prefix);
            self.warnings.push(warning);
        }
    }
}
