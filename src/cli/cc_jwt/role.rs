//! `cc-jwt role`, and where a login role and its configuration are read from.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Map, Value, json};

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
use crate::util::note::{Level, Notes};
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

/// Read a login role and report every fault and every surprise
///
/// A fault is what makes the role useless or what the server would drop without a word, such as
/// a field whose name is misspelt. A surprise is what the role does though few would expect it.
/// The exit status is 0 without faults, and 78 with any.
#[derive(Debug, Args)]
struct Check {
    /// A role in JSON, as 'vault read -format=json' prints it too, or a config.json with
    /// auth.jwt-roles and auth.jwt-config; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Read FILE as the configuration that roles share (keys, issuer, algorithms)
    #[arg(long)]
    shared: bool,
}

pub(super) fn run(command: &RoleCommand, console: &mut Console) -> Result<ExitStatus, Failure> {
    let RoleVerb::Check(check) = &command.verb;
    let content = read_object(&check.file)?;
    let mut findings = Findings::default();
    let name = name_of(&check.file);
    match content.get("auth").and_then(Value::as_object) {
        Some(auth) if !check.shared => {
            if let Some(config) = auth.get("jwt-config") {
                findings.config("auth.jwt-config", config);
            }
            match auth.get("jwt-roles") {
                Some(roles) => findings.roles("auth.jwt-roles", roles),
                None => findings.faults.push(LoginRoleError::Missing {
                    path: "auth.jwt-roles".to_owned(),
                    wanted: "the login roles by name are wanted",
                }),
            }
        }
        _ if check.shared => findings.config(&name, &Value::Object(content)),
        _ => match LoginRole::read(&name, &Value::Object(content)) {
            Ok(role) => findings.role(&role, ""),
            Err(faults) => findings.faults = faults,
        },
    }
    findings.report(console)
}

#[derive(Default)]
struct Findings {
    roles: Vec<String>,
    faults: Vec<LoginRoleError>,
    surprises: Notes,
}

impl Findings {
    fn config(&mut self, path: &str, value: &Value) {
        match RoleConfig::read(path, value) {
            Ok(config) => self.surprises.append(config_warnings(&config)),
            Err(faults) => self.faults.extend(faults),
        }
    }

    fn roles(&mut self, path: &str, value: &Value) {
        match LoginRoleSet::read(path, value) {
            Ok(roles) => roles.iter().for_each(|role| self.role(role, &format!("{}: ", quote(&role.name)))),
            Err(faults) => self.faults.extend(faults),
        }
    }

    fn role(&mut self, role: &LoginRole, prefix: &str) {
        self.roles.push(role.name.clone());
        for mut note in role_warnings(role) {
            note.text.insert_str(0, prefix);
            self.surprises.add(note);
        }
    }

    fn report(self, console: &mut Console) -> Result<ExitStatus, Failure> {
        let good = self.faults.is_empty();
        if console.is_json() {
            let faults: Vec<Value> = self
                .faults
                .iter()
                .map(|fault| json!({"kind": fault.kind().name(), "message": fault.to_string()}))
                .collect();
            let surprises: Vec<Value> = self
                .surprises
                .iter()
                .map(|note| {
                    let level = if note.level == Level::Note { "note" } else { "warning" };
                    json!({"level": level, "message": note.text, "hint": note.hint})
                })
                .collect();
            console.json(&json!({
                "good": good, "roles": self.roles, "faults": faults, "surprises": surprises,
            }))?;
            return Ok(if good { ExitStatus::Success } else { ExitStatus::Config });
        }
        for fault in &self.faults {
            let label = console.paint("1;31", "fault");
            console.line(&format!("{label}     {fault}"))?;
        }
        let surprises = self.surprises.iter().filter(|note| note.level != Level::Note).count();
        for note in self.surprises {
            let (label, pad) = match note.level {
                Level::Warning | Level::Danger => (console.paint("33", "surprise"), "  "),
                Level::Note => (console.paint("36", "note"), "      "),
            };
            console.report_line(&format!("{label}{pad}{}", note.text))?;
            if let Some(hint) = note.hint {
                console.report_line(&format!("          hint: {hint}"))?;
            }
        }
        let answer = match (self.faults.len(), self.roles.len()) {
            (0, _) if surprises == 1 => console.paint("33", "no fault, 1 surprise"),
            (0, _) if surprises > 1 => console.paint("33", &format!("no fault, {surprises} surprises")),
            (0, 0) => console.paint("1;32", "good"),
            (0, 1) => console.paint("1;32", &format!("the role {} is good", quote(&self.roles[0]))),
            (0, count) => console.paint("1;32", &format!("{count} roles, all good")),
            (1, _) => console.paint("1;31", "1 fault"),
            (count, _) => console.paint("1;31", &format!("{count} faults")),
        };
        if good {
            console.report_line(&answer)?
        } else {
            console.line(&answer)?
        }
        Ok(if good { ExitStatus::Success } else { ExitStatus::Config })
    }
}

/// A file that is no JSON object.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginRoleFileError {
    #[error("{}: {problem}", quote_path(.path))]
    Json { path: PathBuf, problem: String },
    #[error("{} has the member {} twice", quote_path(.path), quote(.name))]
    Duplicate { path: PathBuf, name: String },
    #[error("no login role {} is known: the settings have no auth.jwt-roles, and this is no file", quote(.name))]
    NoRoles { name: String },
    #[error("no keys to judge by: a role has none of its own, and the settings have no auth.jwt-config")]
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
            Self::NoRoles { .. } => Some("name a file: --role ./ROLE.json".to_owned()),
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

/// The role that `--role` means: a file where one of that name is there or the text looks like a
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
