//! `cc-jwt role`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use super::report::UnknownSetting;
use super::source::from_stdin;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::policy::login_role::ServerOnly;
use crate::util::count::counted;
use crate::util::diagnostic::{Diagnostic as _, ExitStatus};
use crate::util::note::Warning;
use crate::util::quote::quote;
use crate::verify::{RoleDocument, RoleFindings};

/// Work with login roles of Stronghold, Vault and OpenBao
#[derive(Debug, Args)]
pub(super) struct RoleCommand {
    #[command(subcommand)]
    verb: RoleVerb,
}

#[derive(Debug, Subcommand)]
enum RoleVerb {
    Check(Check),
    Pull(Box<super::role_pull::Pull>),
}

/// Check a login role, and the configuration that login roles share
///
/// An error makes the role useless, or is a setting that the server ignores without a message,
/// such as a misspelled field. A warning is a setting that is allowed and probably a mistake.
/// Settings whose effect only the server knows, such as token_bound_cidrs, are listed as unknown.
/// The exit status is 0 without errors, and 78 with errors.
#[derive(Debug, Args)]
struct Check {
    /// A role in JSON, also as 'vault read -format=json' prints it, or a config.json with
    /// auth.jwt-roles and auth.jwt-config; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "role_config")]
    file: Option<PathBuf>,

    /// Check FILE as the configuration that login roles share (keys, issuer, algorithms)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    role_config: Option<PathBuf>,
}

pub(super) fn run(command: &RoleCommand, console: &mut Console) -> Result<ExitStatus, Failure> {
    let check = match &command.verb {
        RoleVerb::Check(check) => check,
        RoleVerb::Pull(pull) => return super::role_pull::run(pull, console),
    };
    let mut findings = RoleFindings::default();
    if let Some(path) = &check.role_config {
        findings.check_config(&document(path)?)?;
    }
    if let Some(path) = &check.file {
        findings.check_roles(&document(path)?)?;
    }
    report(&findings, console)
}

/// A role or a configuration: a file, or standard input for `-`.
pub(super) fn document(path: &Path) -> Result<RoleDocument, Failure> {
    if path.as_os_str() == "-" {
        return Ok(RoleDocument::StandardInput(from_stdin()?));
    }
    Ok(RoleDocument::File(path.to_owned()))
}

/// The report of `cc-jwt role check`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RoleCheckReport<'a> {
    /// Whether there is no error; the exit status is 0 then, else 78
    valid: bool,
    /// The names of the roles without errors
    roles: &'a [String],
    /// The errors of the role or the configuration
    errors: Vec<RoleFileError>,
    /// What is allowed and probably a mistake
    warnings: &'a [Warning],
    /// Settings whose effect only the server knows
    unknown: Vec<RoleUnknown<'a>>,
}

/// A setting of a role whose effect only the server knows.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RoleUnknown<'a> {
    /// The name of the role
    role: &'a str,
    #[serde(flatten)]
    unknown: UnknownSetting<'a>,
}

/// An error of a role file.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RoleFileError {
    /// The kind of the error
    kind: &'static str,
    /// What is wrong; it begins with the field
    message: String,
}

fn report(findings: &RoleFindings, console: &mut Console) -> Result<ExitStatus, Failure> {
    let RoleFindings { roles, errors, warnings, unknown } = findings;
    let status = if errors.is_empty() { ExitStatus::Success } else { ExitStatus::Config };
    if console.is_json() {
        let errors: Vec<RoleFileError> = errors
            .iter()
            .map(|error| RoleFileError { kind: error.kind().name(), message: error.to_string() })
            .collect();
        let unknown = unknown
            .iter()
            .map(|(role, unknown)| RoleUnknown { role, unknown: UnknownSetting::new(unknown) })
            .collect();
        console.json(&RoleCheckReport { valid: errors.is_empty(), roles, errors, warnings, unknown })?;
        return Ok(status);
    }
    for error in errors {
        let label = console.paint(style::ERROR, "error");
        console.line(&format!("{label}    {error}"))?;
    }
    for warning in warnings {
        let label = console.paint(style::WARNING, "warning");
        console.report_line(&format!("{label}  {}", warning.message))?;
        if let Some(hint) = &warning.hint {
            console.report_line(&format!("         hint: {hint}"))?;
        }
    }
    for (role, ServerOnly { setting, reason, .. }) in unknown {
        let label = console.paint(style::SKIPPED, "unknown");
        let role = if roles.len() > 1 { format!("{}: ", quote(role)) } else { String::new() };
        console.report_line(&format!("{label}  {role}{setting}: {reason}"))?;
    }
    if !errors.is_empty() {
        let answer = console.paint(style::ERROR, &format!("invalid: {}", counted(errors.len(), "error")));
        console.line(&answer)?;
        return Ok(status);
    }
    let what = match roles.as_slice() {
        [] => "valid configuration".to_owned(),
        [only] => format!("valid role {}", quote(only)),
        several => format!("{} valid roles", several.len()),
    };
    let answer = if warnings.is_empty() {
        console.paint(style::ACCEPTED, &what)
    } else {
        console.paint(style::WARNING, &format!("{what}, {}", counted(warnings.len(), "warning")))
    };
    console.report_line(&answer)?;
    Ok(status)
}
