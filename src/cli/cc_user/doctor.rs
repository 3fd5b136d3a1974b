//! `cc-user doctor`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::AtOption;
use crate::cli::quantity::positive_duration;
use crate::cli::{prompt, settings, style};
use crate::doctor::{DoctorClocks, DoctorFinding, DoctorReport, DoctorRequest, RunningServer, examine};
use crate::http::{HttpOptions, HttpTrust, Proxy};
use crate::ldap::LdapOptions;
use crate::policy::CheckState;
use crate::token;
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::monotonic::SystemMonotonicClock;
use crate::util::quote::escape;
use crate::util::secret::SecretText;

/// Check an installation: settings, files, database, LDAP directory, OpenID providers, tokens
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Files and directories of other programs, which are searched for tokens and keys
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    /// Check the configuration FILE of cc-metric-store
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    metric_store: Option<PathBuf>,

    /// Explain the LDAP login of NAME, up to the bind with the password
    #[arg(long, value_name = "NAME", conflicts_with = "offline", add = complete::usernames())]
    user: Option<String>,

    /// Send a request with the token in FILE to the running server; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,

    /// Explain the ID token in FILE, issued by an OpenID provider: the claims with roles, and the user; - is
    /// standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    id_token: Option<PathBuf>,

    /// Do not connect to an LDAP server, an OpenID provider or a running server
    #[arg(long)]
    offline: bool,

    /// Remove the access of other accounts to files with secrets; nothing else is changed
    #[arg(long)]
    fix: bool,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    connection: ConnectionOptions,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
struct ConnectionOptions {
    /// Trust only the certificates in FILE for TLS
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Timeout for a connection
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    connect_timeout: String,

    /// Timeout for a request, and for receiving the next data of an LDAP response
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: String,
}

/// Runs the checks and prints the report. The exit status is 1 if a check failed.
pub(super) fn run(
    doctor: &Doctor,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let request = request(doctor, database, console)?;
    let clocks = DoctorClocks { wall: doctor.at.clock()?, monotonic: &SystemMonotonicClock };
    let report = examine(&request, clocks);
    if console.is_json() {
        console.json(&report)?;
    } else {
        print(&report, console)?;
    }
    Ok(if report.healthy { ExitStatus::Success } else { ExitStatus::Negative })
}

fn request(
    doctor: &Doctor,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<DoctorRequest, Failure> {
    let ConnectionOptions { ca_file, connect_timeout, timeout } = &doctor.connection;
    let connect_timeout = positive_duration("--connect-timeout", connect_timeout)?.to_std();
    let timeout = positive_duration("--timeout", timeout)?.to_std();
    let server = match &database.server {
        Some(url) => Some(RunningServer { url: url.clone(), token: token(doctor, console)? }),
        None => None,
    };
    Ok(DoctorRequest {
        sources: settings::sources(&database.settings, console),
        paths: doctor.paths.clone(),
        metric_store: doctor.metric_store.clone(),
        username: doctor.user.clone(),
        id_token: id_token(doctor, console)?,
        server,
        offline: doctor.offline,
        fixes_modes: doctor.fix,
        lock_timeout: database.timeout()?,
        ldap: LdapOptions {
            ca_file: ca_file.clone(),
            connect_timeout,
            response_timeout: timeout,
            ..LdapOptions::default()
        },
        environment: console.environment().clone(),
        http: HttpOptions {
            proxy: Proxy::from_environment(console.environment()),
            trust: match ca_file {
                Some(path) => HttpTrust::Only(file::read(path, SETTINGS_LIMIT)?),
                None => HttpTrust::System,
            },
            connect_timeout,
            timeout,
            ..HttpOptions::default()
        },
        ca_file: ca_file.clone(),
    })
}

fn token(doctor: &Doctor, console: &mut Console) -> Result<Option<SecretText>, Failure> {
    let Some(path) = &doctor.token_file else { return Ok(None) };
    let text = secret(path, doctor, console)?;
    Ok(Some(SecretText::new(token::text::one(text.expose())?.token.into_owned())))
}

/// Reads the ID token; in the response of a provider, it is the member `id_token`.
fn id_token(doctor: &Doctor, console: &mut Console) -> Result<Option<SecretText>, Failure> {
    let Some(path) = &doctor.id_token else { return Ok(None) };
    let text = secret(path, doctor, console)?;
    let mut found = token::text::all(text.expose())?;
    let at = found.iter().position(|one| one.name == Some("id_token")).unwrap_or(0);
    Ok(Some(SecretText::new(found.swap_remove(at).token.into_owned())))
}

/// Reads a file or standard input, which only one of the arguments may name.
fn secret(path: &Path, doctor: &Doctor, console: &mut Console) -> Result<SecretText, Failure> {
    let is_stdin = |path: &Path| path == Path::new("-");
    let files = [&doctor.token_file, &doctor.id_token].into_iter().flatten().chain(&doctor.paths);
    if is_stdin(path) && files.filter(|path| is_stdin(path)).count() > 1 {
        return Err(UsageError::new("standard input can be read once only").into());
    }
    Ok(if is_stdin(path) { prompt::from_stdin("token")? } else { prompt::from_file(path, "token", console)? })
}

/// Prints the findings by area. With `-q` only problems are printed.
fn print(report: &DoctorReport, console: &mut Console) -> Result<(), Failure> {
    let mut last = None;
    for finding in &report.findings {
        let is_problem = matches!(finding.check_state(), CheckState::Fail | CheckState::Warn);
        if console.is_quiet() && !is_problem {
            continue;
        }
        if last.replace(finding.area) != Some(finding.area) {
            let heading = console.paint(style::HEADING, finding.area.name());
            console.line(&heading)?;
        }
        print_finding(finding, console)?;
    }
    console.note(&format!(
        "{}, {}",
        counted(report.failed, "failed check"),
        counted(report.warnings, "warning")
    ));
    Ok(())
}

fn print_finding(finding: &DoctorFinding, console: &mut Console) -> Result<(), Failure> {
    let style = match finding.check_state() {
        CheckState::Pass => style::PASS,
        CheckState::Fail => style::ERROR,
        CheckState::Warn => style::WARNING,
        CheckState::Skipped => style::NOTE,
    };
    let state = console.paint(style, &format!("{:<7}", finding.state));
    let DoctorFinding { source, check, message, hint, .. } = finding;
    console.wrapped(&format!("  {state}  "), 11, &format!("{source}: {check}: {}", escape(message)))?;
    if let Some(hint) = hint {
        console.wrapped("           hint: ", 17, &escape(hint))?;
    }
    Ok(())
}
