//! Reads the login roles and the configuration of a mount, and writes them to files that
//! `--login-role`, `--role-config` and `--config` read unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::policy::login_role::{LoginRole, RoleConfig, known_config_field, known_role_field};
use crate::stronghold::{MountPath, StrongholdClient, StrongholdError};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, Existing, FileError, PUBLIC_DIRECTORY_MODE, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::json_text::indented;
use crate::util::note::Notes;
use crate::util::quote::{escape_json, quote};
use crate::util::secret::SecretText;

/// The directory of the roles, and the files with the configuration and with both.
const ROLES: &str = "roles";
const CONFIG_FILE: &str = "role-config.json";
const AUTH_FILE: &str = "auth.json";

/// A request of `cc-jwt role pull`.
#[derive(Debug, Clone)]
pub struct RolePullRequest {
    /// The mount.
    pub mount: MountPath,
    /// The roles; empty for all roles of the mount.
    pub roles: Vec<String>,
    /// The directory of the files.
    pub directory: PathBuf,
    /// Whether nothing is written.
    pub is_check: bool,
    /// Whether files of roles that the server does not have are deleted.
    pub prunes: bool,
}

/// How a file compares with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FileChange {
    /// The file does not exist yet.
    New,
    /// The file has other values.
    Changed,
    /// The file has the same values.
    Unchanged,
    /// The server does not have the role; the file remains.
    Gone,
    /// The server does not have the role; the file is deleted.
    Deleted,
}

impl FileChange {
    /// Returns the name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
            Self::Deleted => "deleted",
        }
    }
}

/// A file of the result.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PulledFile {
    /// The file
    pub file: PathBuf,
    /// The role; null for the files of all roles
    pub role: Option<String>,
    /// How the file compares with the server
    pub change: FileChange,
    /// The fields that have another value on the server
    pub fields: Vec<String>,
}

/// An error of `cc-jwt role pull`.
#[derive(Debug, thiserror::Error)]
pub enum RolePullError {
    /// The server does not answer as expected.
    #[error(transparent)]
    Server(#[from] StrongholdError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

diagnostics! { RolePullError:
    Self::Server(error) => error.kind(), error.hint();
    Self::File(error) => error.kind(), error.hint();
}

/// Reads the roles and the configuration, and writes the files that differ. Each file is written atomically,
/// roles first. A configuration that the token cannot read is a warning.
///
/// # Errors
/// [`RolePullError`]; nothing is written before all answers of the server are complete.
pub fn pull_roles(
    client: &StrongholdClient,
    token: &SecretText,
    request: &RolePullRequest,
    notes: &mut Notes,
) -> Result<Vec<PulledFile>, RolePullError> {
    let is_complete = request.roles.is_empty();
    let names = if is_complete { client.list_roles(token, &request.mount)? } else { request.roles.clone() };
    let mut roles = BTreeMap::new();
    for name in names {
        let name = name.to_lowercase();
        if !is_role_file_name(&name) {
            let text = format!("the role {} is skipped: its name cannot be the name of a file", quote(&name));
            notes.warn("role-skipped", text);
            continue;
        }
        let fields = client.read_role(token, &request.mount, &name)?;
        let mut role = without_unknown(&name, fields, known_role_field, notes);
        role.retain(|field, value| !is_default_leeway(field, value));
        if let Err(errors) = LoginRole::read(&name, &Value::Object(role.clone())) {
            notes.warn("role-invalid", format!("{}: 'cc-jwt role check' rejects this role", errors[0]));
        }
        roles.insert(name, role);
    }
    let config = match client.read_config(token, &request.mount) {
        Ok(fields) => Some(config_fields(fields, notes)),
        Err(
            error @ (StrongholdError::Denied { .. }
            | StrongholdError::DeniedByPolicy { .. }
            | StrongholdError::NotFound { .. }),
        ) => {
            notes.warn("role-config-unread", format!("the configuration is not written: {error}"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    write_files(request, is_complete, &roles, config.as_ref(), notes)
}

/// Returns the configuration as `--role-config` reads it. The server never returns the client secret; `null`
/// states that it exists.
fn config_fields(mut fields: Map<String, Value>, notes: &mut Notes) -> Map<String, Value> {
    // The state of the server, not a setting.
    fields.remove("status");
    let mut fields = without_unknown("the configuration", fields, known_config_field, notes);
    if fields.get("oidc_client_id").and_then(Value::as_str).is_some_and(|id| !id.is_empty()) {
        fields.insert("oidc_client_secret".to_owned(), Value::Null);
    }
    if let Err(errors) = RoleConfig::read("role-config", &Value::Object(fields.clone())) {
        notes.warn("role-invalid", format!("{}: 'cc-jwt role check' rejects this configuration", errors[0]));
    }
    fields
}

/// Removes the fields that the strict reader does not know, with a warning: a newer server can have more.
fn without_unknown(
    place: &str,
    fields: Map<String, Value>,
    is_known: fn(&str) -> bool,
    notes: &mut Notes,
) -> Map<String, Value> {
    let (known, unknown): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(name, _)| is_known(name));
    for name in unknown.keys() {
        let text = format!("{place}: the field {} of the server is unknown here and omitted", quote(name));
        notes.warn("role-field-omitted", text);
    }
    known
}

/// Whether a field is a leeway of 0, with which a server writes that the leeway is not set. In a file that
/// an administrator writes, such a leeway is probably a mistake, as it does not mean no leeway.
fn is_default_leeway(field: &str, value: &Value) -> bool {
    matches!(field, "clock_skew_leeway" | "expiration_leeway" | "not_before_leeway")
        && value.as_i64() == Some(0)
}

/// Returns whether the name of a role is safe as the name of a file.
#[must_use]
pub fn is_role_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn write_files(
    request: &RolePullRequest,
    is_complete: bool,
    roles: &BTreeMap<String, Map<String, Value>>,
    config: Option<&Map<String, Value>>,
    notes: &mut Notes,
) -> Result<Vec<PulledFile>, RolePullError> {
    let directory = request.directory.join(ROLES);
    if !request.is_check {
        file::create_directory_all(&directory, PUBLIC_DIRECTORY_MODE)?;
    }
    let mut files = Vec::new();
    for (name, role) in roles {
        let path = directory.join(format!("{name}.json"));
        files.push(write_file(request, path, Some(name), role)?);
    }
    let mut auth = Map::new();
    if let Some(config) = config {
        files.push(write_file(request, request.directory.join(CONFIG_FILE), None, config)?);
        auth.insert("jwt-config".to_owned(), Value::Object(config.clone()));
    }
    auth.insert("jwt-roles".to_owned(), json!(roles));
    let auth = Map::from_iter([("auth".to_owned(), Value::Object(auth))]);
    files.push(write_file(request, request.directory.join(AUTH_FILE), None, &auth)?);
    if is_complete && directory.is_dir() {
        for path in file::list(&directory, "json")? {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if roles.contains_key(&name) {
                continue;
            }
            let deletes = request.prunes && !request.is_check;
            if deletes {
                file::remove(&path)?;
            } else {
                let text = format!("the server does not have the role {}; its file remains", quote(&name));
                notes.warn_with("role-gone", text, "--prune deletes such files");
            }
            let change = if deletes { FileChange::Deleted } else { FileChange::Gone };
            files.push(PulledFile { file: path, role: Some(name), change, fields: Vec::new() });
        }
    }
    Ok(files)
}

/// Compares a file with its new content, and writes it if they differ.
fn write_file(
    request: &RolePullRequest,
    path: PathBuf,
    role: Option<&str>,
    content: &Map<String, Value>,
) -> Result<PulledFile, RolePullError> {
    let old = match file::read_output(&path, SETTINGS_LIMIT) {
        Ok(text) => Some(text),
        Err(FileError::Missing(_)) => None,
        Err(other) => return Err(other.into()),
    };
    let text = format!("{}\n", escape_json(&indented(&Value::Object(content.clone()).to_string())));
    let change = match &old {
        None => FileChange::New,
        Some(old) if *old == text => FileChange::Unchanged,
        Some(_) => FileChange::Changed,
    };
    let fields =
        if change == FileChange::Changed { differences(old.as_deref(), content) } else { Vec::new() };
    if change != FileChange::Unchanged && !request.is_check {
        write_text(&path, &text)?;
    }
    Ok(PulledFile { file: path, role: role.map(str::to_owned), change, fields })
}

fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    file::write(path, text.as_bytes(), PUBLIC_MODE, Existing::Replace)
}

/// Returns the names of the members that differ; of `auth`, those of its sections.
fn differences(old: Option<&str>, new: &Map<String, Value>) -> Vec<String> {
    let old = old.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok()).unwrap_or_default();
    let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| old.get(name) != new.get(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_name_that_leaves_the_directory_is_rejected() {
        for (name, expected) in [
            ("dev", true),
            ("a.b-c_d", true),
            ("..", false),
            ("a/b", false),
            (".x", false),
            ("", false),
            ("-x", false),
        ] {
            assert_eq!(is_role_file_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn unknown_field_of_the_server_is_omitted_with_a_warning() {
        let mut notes = Notes::new();
        let fields = json!({"status": "valid", "oidc_client_id": "cc", "later": 1,
                            "oidc_discovery_url": "https://idp.example"});
        let config = config_fields(fields.as_object().unwrap().clone(), &mut notes);
        assert_eq!(
            Value::Object(config),
            json!({"oidc_client_id": "cc", "oidc_client_secret": null,
            "oidc_discovery_url": "https://idp.example"})
        );
        let texts: Vec<String> = notes.into_iter().map(|note| note.text).collect();
        assert_eq!(texts, ["the configuration: the field 'later' of the server is unknown here and omitted"]);
    }
}
