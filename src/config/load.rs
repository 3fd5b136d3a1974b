//! Loading of [`Settings`] from options, environment and files.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::dotenv::{self, Dotenv};
use super::error::{ConfigError, ConfigErrors};
use super::file::{self, FileSettings, never_if_zero};
use super::origin::{Origin, Value};
use super::secrets::{Secrets, warn_if_expanded};
use super::section::Findings;
use super::settings::{DEFAULT_DB, DEFAULT_SESSION, OidcProvider, Settings};
use crate::util::environment::Environment;
use crate::util::file::{FileError, SETTINGS_LIMIT, read, read_default, text};
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::secret::SecretText;

/// The default configuration.
pub const DEFAULT_CONFIG: &str = "./config.json";

/// The default environment file.
pub const DEFAULT_ENV_FILE: &str = "./.env";

/// The sources of settings in order of precedence; the defaults follow.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file from an option; it must exist. Otherwise `./config.json` is read if
    /// it exists.
    pub config: Option<Value<PathBuf>>,
    /// The environment file from an option; it must exist. Otherwise `./.env` is read if it exists.
    pub env_file: Option<Value<PathBuf>>,
    /// The database from an option.
    pub db: Option<Value<PathBuf>>,
    /// The process environment.
    pub environment: Environment,
}

/// Loads the settings. Relative paths, also those in the files, are resolved in the working
/// directory, as by the server. The notes describe where the server behaves differently.
///
/// # Errors
/// [`ConfigErrors`] with all errors of both files.
pub fn load(sources: Sources) -> Result<(Settings, Notes), ConfigErrors> {
    let mut findings = Findings::default();
    let config = open(sources.config, (DEFAULT_CONFIG, "--config"), "configuration", &mut findings, text);
    let env_file = open(
        sources.env_file,
        (DEFAULT_ENV_FILE, "--env-file"),
        "environment file",
        &mut findings,
        |_, bytes| Ok(Zeroizing::new(bytes)),
    );
    let env_file = env_file.map(|(path, bytes)| {
        let content = dotenv::without_mark(&bytes);
        if content.len() < bytes.len() {
            findings.notes.warn_with(
                "env-file-byte-order-mark",
                format!(
                    "{} begins with a byte order mark: the server reads nothing of the file",
                    quote_path(&path)
                ),
                "save the file without a byte order mark",
            );
        }
        let parsed = dotenv::read(content).unwrap_or_else(|errors| {
            findings
                .errors
                .extend(errors.into_iter().map(|error| ConfigError::EnvFile { path: path.clone(), error }));
            Dotenv::default()
        });
        for entry in parsed.entries().iter().filter(|entry| entry.key.is_empty()).take(10) {
            findings.notes.warn(
                "env-file-no-name",
                format!(
                    "{} line {}: no name before the value; the server ignores it",
                    quote_path(&path),
                    entry.line
                ),
            );
        }
        (path, parsed)
    });
    let config_file = config.as_ref().map(|(path, _)| path.clone());
    let mut from_file = config.map_or_else(FileSettings::default, |(path, text)| {
        file::read(&path, &text, sources.db.is_some(), &mut findings)
    });
    let dotenv = env_file.as_ref().map(|(path, dotenv)| (path.as_path(), dotenv));
    let secrets = Secrets::gather(&sources.environment, dotenv, &mut findings.notes, &mut findings.errors);
    for provider in &mut from_file.oidc {
        provider.client_secret = client_secret(provider, &sources.environment, dotenv, &mut findings);
    }
    ConfigErrors::check(findings.errors)?;
    let settings = Settings {
        config_file,
        env_file: env_file.map(|(path, _)| path),
        db: sources.db.or(from_file.db).unwrap_or_else(|| Value::by_default(PathBuf::from(DEFAULT_DB))),
        session_max_age: from_file
            .session_max_age
            .map_or(Value::by_default(Some(DEFAULT_SESSION)), never_if_zero),
        jwts: super::settings::Jwts { max_age: never_if_zero(from_file.jwts.max_age), ..from_file.jwts },
        ldap: from_file.ldap,
        slurm: from_file.slurm,
        oidc: from_file.oidc,
        jwt_config: from_file.jwt_config,
        jwt_roles: from_file.jwt_roles,
        secrets,
        server: from_file.server,
    };
    Ok((settings, findings.notes))
}

/// Reads a file from an option, or the default file if it exists. A default file must belong to the
/// caller or root, because it determines which servers receive passwords and which key signs.
fn open<T>(
    named: Option<Value<PathBuf>>,
    (default, option): (&str, &'static str),
    what: &str,
    findings: &mut Findings,
    convert: impl Fn(&Path, Vec<u8>) -> Result<T, FileError>,
) -> Option<(PathBuf, T)> {
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| Value::by_default(PathBuf::from(default)));
    let content = match is_named {
        true => read(&path.value, SETTINGS_LIMIT),
        false => read_default(&path.value, SETTINGS_LIMIT).map_err(|error| error.with_option(option)),
    };
    match content.and_then(|bytes| convert(&path.value, bytes)) {
        Ok(content) => {
            log::info!("read the {what} {} ({})", quote_path(&path.value), path.origin);
            Some((path.value, content))
        }
        Err(FileError::Missing(_)) if !is_named => {
            log::info!("no {what}: {} does not exist", quote(default));
            None
        }
        Err(error) => {
            findings.errors.push(error.into());
            None
        }
    }
}

/// Returns the secret from the variable of a provider's entry.
fn client_secret(
    provider: &OidcProvider,
    environment: &Environment,
    file: Option<(&Path, &Dotenv)>,
    findings: &mut Findings,
) -> Option<Value<SecretText>> {
    let name = provider.client_secret_variable.as_ref()?.value.as_str();
    if let Some(text) = environment.get(name) {
        let origin = Origin::Environment(name.to_owned());
        return (!text.is_empty()).then(|| Value::new(SecretText::new(text.to_owned()), origin));
    }
    let (path, dotenv) = file?;
    let entry = dotenv.get(name).filter(|entry| entry.is_settable() && !entry.value.is_empty())?;
    let origin = Origin::EnvFile { path: path.to_owned(), line: entry.line };
    warn_if_expanded(name, entry, &origin, &mut findings.notes);
    if !entry.is_text {
        findings.errors.push(ConfigError::NotText { variable: name.to_owned(), origin });
        return None;
    }
    Some(Value::new(entry.value.clone(), origin))
}
