//! `cc-jwt role`, and where a login role and its configuration are read from.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;
use serde_json::{Map, Value};

use super::source::from_stdin;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::policy::login_role::{
    LoginRole, LoginRoleError, LoginRoleSet, RoleConfig, config_warnings, role_warnings,
};
use crate::token::json;
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::note::Warning;
use crate::util::quote::{quote, quote_path};

/// Work with login roles of Stronghold, Vault and OpenBao
#[derive(Debug, Args)]
pub(super) struct RoleCommand {
    #[command(subcommand)]
    verb: RoleVerb,
}

#[derive(Debug, Subcommand)]
enum RoleVerb {
    Check(Check),
}

/// Check a login role, and the configuration that login roles share
///
/// An error makes the role useless, or is a setting that the server ignores without a message,
/// such as a misspelled field. A warning is a setting that is allowed and probably a mistake.
/// The exit status is 0 without errors, and 78 with errors.
#[derive(Debug, Args)]
struct Check {
    /// A role in JSON, as 'vault read -format=json' prints it too, or a config.json with
    /// auth.jwt-roles and auth.jwt-config; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "role_config")]
    file: Option<PathBuf>,

    /// Check FILE as the configuration that login roles share (keys, issuer, algorithms)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    role_config: Option<PathBuf>,
}

pub(super) fn run(command: &RoleCommand, console: &mut Console) -> Result<ExitStatus, Failure> {
    let RoleVerb::Check(check) = &command.verb;
    let mut findings = Findings::default();
    if let Some(path) = &check.role_config {
        findings.config(&name_of(path), &Value::Object(read_object(path)?));
    }
    if let Some(path) = &check.file {
        findings.file(&name_of(path), read_object(path)?);
    }
    report(&findings, console)
}

/// What was found in the files of `cc-jwt role check`.
#[derive(Default)]
struct Findings {
    roles: Vec<String>,
    errors: Vec<LoginRoleError>,
    warnings: Vec<Warning>,
}

impl Findings {
    /// Checks a role, or the roles and the configuration of a `config.json`.
    fn file(&mut self, name: &str, content: Map<String, Value>) {
        let Some(auth) = content.get("auth").and_then(Value::as_object) else {
            match LoginRole::read(name, &Value::Object(content)) {
                Ok(role) => self.role(&role, ""),
                Err(errors) => self.errors.extend(errors),
            }
            return;
        };
        if let Some(config) = auth.get("jwt-config") {
            self.config("auth.jwt-config", config);
        }
        match auth.get("jwt-roles") {
            Some(roles) => self.roles("auth.jwt-roles", roles),
            None => self.errors.push(LoginRoleError::Missing {
                path: "auth.jwt-roles".to_owned(),
                wanted: "expected an object with the login roles by name",
            }),
        }
    }

    fn config(&mut self, path: &str, value: &Value) {
        match RoleConfig::read(path, value) {
            Ok(config) => self.warnings.extend(config_warnings(&config)),
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn roles(&mut self, path: &str, value: &Value) {
        match LoginRoleSet::read(path, value) {
            Ok(roles) => roles.iter().for_each(|role| self.role(role, &format!("{}: ", quote(&role.name)))),
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn role(&mut self, role: &LoginRole, prefix: &str) {
        self.roles.push(role.name.clone());
        for mut warning in role_warnings(role) {
            warning.message.insert_str(0, prefix);
            self.warnings.push(warning);
        }
    }
}

/// The report of `cc-jwt role check`.
#[derive(Serialize)]
struct RoleCheckReport<'a> {
    /// Whether there is no error.
    valid: bool,
    /// The names of the roles without errors.
    roles: &'a [String],
    errors: Vec<RoleFileError>,
    warnings: &'a [Warning],
}

/// An error of a role file.
#[derive(Serialize)]
struct RoleFileError {
    kind: &'static str,
    message: String,
}

fn report(findings: &Findings, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Findings { roles, errors, warnings } = findings;
    let status = if errors.is_empty() { ExitStatus::Success } else { ExitStatus::Config };
    if console.is_json() {
        let errors: Vec<RoleFileError> = errors
            .iter()
            .map(|error| RoleFileError { kind: error.kind().name(), message: error.to_string() })
            .collect();
        console.json(&RoleCheckReport { valid: errors.is_empty(), roles, errors, warnings })?;
        return Ok(status);
    }
    for error in errors {
        let label = console.paint("1;31", "error");
        console.line(&format!("{label}    {error}"))?;
    }
    for warning in warnings {
        let label = console.paint("33", "warning");
        console.report_line(&format!("{label}  {}", warning.message))?;
        if let Some(hint) = &warning.hint {
            console.report_line(&format!("         hint: {hint}"))?;
        }
    }
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    if !errors.is_empty() {
        let answer = console.paint("1;31", &format!("invalid: {}", count(errors.len(), "error")));
        console.line(&answer)?;
        return Ok(status);
    }
    let what = match roles.as_slice() {
        [] => "valid configuration".to_owned(),
        [only] => format!("valid role {}", quote(only)),
        several => format!("{} valid roles", several.len()),
    };
    let answer = if warnings.is_empty() {
        console.paint("1;32", &what)
    } else {
        console.paint("33", &format!("{what}, {}", count(warnings.len(), "warning")))
    };
    console.report_line(&answer)?;
    Ok(status)
}

/// A file that is no JSON object.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginRoleFileError {
    #[error("{}: {problem}", quote_path(.path))]
    Json { path: PathBuf, problem: String },
    #[error("{} has the member {} twice", quote_path(.path), quote(.name))]
    Duplicate { path: PathBuf, name: String },
    #[error("unknown login role {}: the settings have no auth.jwt-roles, and there is no such file", quote(.name))]
    NoRoles { name: String },
    #[error("no keys for login roles: the settings have no auth.jwt-config")]
    NoKeys,
}

impl Diagnostic for LoginRoleFileError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json { .. } => Kind::LoginRoleNotJson,
            Self::Duplicate { .. } => Kind::LoginRoleDuplicateMember,
            Self::NoRoles { .. } => Kind::LoginRoleMissing,
            Self::NoKeys => Kind::LoginRoleConfigMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoRoles { .. } => Some("name a file: --login-role ./ROLE.json".to_owned()),
            Self::NoKeys => Some(
                "give the keys: --key FILE, --jwks FILE|URL, --discovery URL or --role-config FILE"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// A JSON object, every member once; that of an answer of Vault without what is around it.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let (text, path) = if path.as_os_str() == "-" {
        (from_stdin()?, Path::new("standard input"))
    } else {
        (file::read_text(path, SETTINGS_LIMIT)?, path)
    };
    let (value, doubles) = json::any(text.trim_start_matches('\u{feff}'))
        .map_err(|problem| LoginRoleFileError::Json { path: path.to_owned(), problem })?;
    if let Some(double) = doubles.into_iter().next() {
        return Err(LoginRoleFileError::Duplicate { path: path.to_owned(), name: double.name }.into());
    }
    match value {
        Value::Object(members) => Ok(unwrapped(members)),
        other => {
            let problem = format!("found {}, wanted an object", json::kind(&other));
            Err(LoginRoleFileError::Json { path: path.to_owned(), problem }.into())
        }
    }
}

/// The `data` of an answer of Vault's API (`request_id`, `lease_id` and others beside it), or the
/// members themselves: neither a role nor a configuration has a member of that name.
fn unwrapped(mut members: Map<String, Value>) -> Map<String, Value> {
    match members.remove("data") {
        Some(Value::Object(data)) => data,
        Some(other) => {
            members.insert("data".to_owned(), other);
            members
        }
        None => members,
    }
}

/// The name of a role in a file: that of the file without its ending.
fn name_of(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "role".to_owned();
    }
    path.file_stem().map_or_else(|| "role".to_owned(), |stem| stem.to_string_lossy().to_lowercase())
}

/// The role that `--login-role` selects: a file where one of that name is there or the text looks like a
/// path, else the role of that name in the settings; the default one where it is empty.
pub(super) fn find_role(
    asked: &str,
    default: Option<&str>,
    settings: &Settings,
) -> Result<LoginRole, Failure> {
    let path = Path::new(asked);
    let looks_like_path =
        asked == "-" || asked.contains('/') || path.extension().is_some_and(|ending| ending == "json");
    if looks_like_path || (path.is_file() && settings.jwt_roles.is_none()) {
        let content = Value::Object(read_object(path)?);
        return LoginRole::read(&name_of(path), &content).map_err(Failure::several);
    }
    let Some(section) = &settings.jwt_roles else {
        return Err(LoginRoleFileError::NoRoles { name: asked.to_owned() }.into());
    };
    let roles = LoginRoleSet::read("auth.jwt-roles", &Value::Object(section.value.clone()))
        .map_err(Failure::several)?;
    let name = if asked.is_empty() { default.ok_or(LoginRoleError::NoRole)? } else { asked };
    Ok(roles.find(name)?.clone())
}

/// The configuration that roles share, with another source of keys where one is given.
pub(super) fn find_config(
    file: Option<&Path>,
    settings: &Settings,
    keys: Option<(&'static str, Value)>,
) -> Result<RoleConfig, Failure> {
    let (path, mut content) = match (file, &settings.jwt_config) {
        (Some(file), _) => (name_of(file), read_object(file)?),
        (None, Some(section)) => ("auth.jwt-config".to_owned(), section.value.clone()),
        (None, None) if keys.is_some() => ("the command line".to_owned(), Map::new()),
        (None, None) => return Err(LoginRoleFileError::NoKeys.into()),
    };
    if let Some((source, value)) = keys {
        for other in [
            "jwt_validation_pubkeys",
            "jwks_url",
            "jwks_ca_pem",
            "jwks_pairs",
            "oidc_discovery_url",
            "oidc_discovery_ca_pem",
        ] {
            content.remove(other);
        }
        content.insert(source.to_owned(), value);
    }
    RoleConfig::read(&path, &Value::Object(content)).map_err(Failure::several)
}
