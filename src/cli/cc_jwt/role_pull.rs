//! `cc-jwt role pull`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::quantity::positive_duration;
use crate::cli::style;
use crate::login::LoginError;
use crate::login::session_error::SessionError;
use crate::login::session_key::SessionOrigin;
use crate::login::stored::server_token;
use crate::login::stronghold::settings_origin;
use crate::stronghold::{
    ConnectionOptions, FoundToken, MountPath, ServerSettings, SettingSource, StrongholdClient,
    token_of_environment,
};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, FileContents};
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::shell;
use crate::util::time::Clock;
use crate::verify::{FileChange, PulledFile, RolePullRequest, is_role_file_name, pull_roles};

/// The maximum size of a token file.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// Read the login roles of a Stronghold, Vault or OpenBao server into files
///
/// Writes DIR/roles/ROLE.json for --login-role, DIR/role-config.json for --role-config, and DIR/auth.json,
/// which has both, for --config. Files that differ are replaced. The exit status is 1 if --check finds a
/// difference.
#[derive(Debug, Args)]
pub(super) struct Pull {
    /// Roles to read [default: all roles of the mount]
    #[arg(value_name = "ROLE")]
    role: Vec<String>,

    /// URL of the server [default: $STRONGHOLD_ADDR, $BAO_ADDR or $VAULT_ADDR]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    server: Option<String>,

    /// Namespace of the server [default: $STRONGHOLD_NAMESPACE, $BAO_NAMESPACE or $VAULT_NAMESPACE]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// Trust only the CA certificates in FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Timeout for a connection
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    connect_timeout: String,

    /// Timeout of each request
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: String,

    /// Read the token from FILE [default: $STRONGHOLD_TOKEN, $BAO_TOKEN or $VAULT_TOKEN, ~/.vault-token or the
    /// session of this server]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,

    /// Path of the mount
    #[arg(long, value_name = "MOUNT", default_value = "jwt")]
    path: String,

    /// Directory of the files
    #[arg(short = 'd', long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "login-roles")]
    directory: PathBuf,

    /// Compare the files with the server, and write nothing
    #[arg(long)]
    check: bool,

    /// Delete the files of roles that the server does not have
    #[arg(long, conflicts_with = "check")]
    prune: bool,
}

/// The report of `cc-jwt role pull`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RolePullReport<'a> {
    /// The URL of the server
    server: &'a str,
    /// The path of the mount
    path: &'a str,
    /// Whether the files match the server; after a pull, only a role that the server does not have is a difference
    current: bool,
    /// The files
    files: &'a [PulledFile],
}

pub(super) fn run(pull: &Pull, console: &mut Console) -> Result<ExitStatus, Failure> {
    let mount: MountPath = pull.path.parse().map_err(|error| UsageError::new(format!("--path: {error}")))?;
    let environment = console.environment().clone();
    let options = ConnectionOptions {
        server: pull.server.clone(),
        namespace: pull.namespace.clone(),
        ca_file: pull.ca_file.clone(),
        connect_timeout: Some(positive_duration("--connect-timeout", &pull.connect_timeout)?.to_std()),
        timeout: Some(positive_duration("--timeout", &pull.timeout)?.to_std()),
    };
    if let Some(role) = pull.role.iter().find(|role| !is_role_file_name(role)) {
        let error = format!(
            "invalid role name {}: expected letters, digits, '.', '_' and '-', with a letter, digit or '_' at the \
             beginning",
            quote(role)
        );
        return Err(UsageError::new(error).into());
    }
    let settings = ServerSettings::resolve(&options, &environment)?;
    let client = StrongholdClient::new(settings, &environment)?;
    let token = token(pull, &client, console)?;
    let request = RolePullRequest {
        mount,
        roles: pull.role.clone(),
        directory: pull.directory.clone(),
        is_check: pull.check,
        prunes: pull.prune,
    };
    let mut notes = Notes::new();
    let result = pull_roles(&client, &token, &request, &mut notes);
    console.notes(notes);
    let files = result?;
    let is_current = |file: &PulledFile| match file.change {
        FileChange::Unchanged | FileChange::Deleted => true,
        FileChange::New | FileChange::Changed => !pull.check,
        FileChange::Gone => false,
    };
    let current = files.iter().all(is_current);
    if console.is_json() {
        let server = client.display_url();
        let path = request.mount.as_str();
        console.json(&RolePullReport { server: &server, path, current, files: &files })?;
    } else {
        show(&files, console)?;
    }
    Ok(if pull.check && !current { ExitStatus::Negative } else { ExitStatus::Success })
}

/// The token: a file, the environment, or the session of the server.
fn token(pull: &Pull, client: &StrongholdClient, console: &mut Console) -> Result<SecretText, Failure> {
    let mut notes = Notes::new();
    if let Some(path) = &pull.token_file {
        let text = zeroize::Zeroizing::new(file::read_named_text(
            path,
            TOKEN_LIMIT,
            FileContents::Secret,
            &mut notes,
        )?);
        console.notes(notes);
        let token = SecretText::new(text.trim().to_owned());
        return Ok(FoundToken::new(token, SettingSource::File(path.clone()))?.token);
    }
    let environment = console.environment().clone();
    if let Some(found) = token_of_environment(&environment)? {
        return Ok(found.token);
    }
    let origin = settings_origin(client.settings());
    let token = server_token(&origin, Clock::System.now(), &environment, &mut notes);
    console.notes(notes);
    Ok(token.map_err(|error| match (error, &origin) {
        // The session of a server belongs to ClusterCockpit by default.
        (LoginError::Session(SessionError::Missing { session, .. }), SessionOrigin::Server(_)) => {
            let login = format!("cc-login --method stronghold --server {}", shell::word(&origin.text()));
            SessionError::Missing { session, login }.into()
        }
        (other, _) => other,
    })?)
}

fn show(files: &[PulledFile], console: &mut Console) -> Result<(), Failure> {
    for PulledFile { file, change, fields, .. } in files {
        let color = match change {
            FileChange::Unchanged => style::SKIPPED,
            FileChange::New | FileChange::Changed => style::ACCEPTED,
            FileChange::Gone | FileChange::Deleted => style::WARNING,
        };
        let state = console.paint(color, &format!("{:<9}", change.name()));
        let fields: Vec<_> = fields.iter().map(|field| escape(field)).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
        let file = file.to_string_lossy();
        console.report_line(&format!("{state}  {}{fields}", escape(&file)))?;
    }
    Ok(())
}
