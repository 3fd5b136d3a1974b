//! `cc-jwt verify`.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::inspect::probable_mistakes;
use super::report::{self, LineReport, LoginRoleReport, RoleLineReport, VerifyReport};
use super::stream::check_stream;
use super::verify_options::Verify;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::SettingsOptions;
use crate::cli::settings;
use crate::config::Settings;
use crate::policy::login_role::server_only;
use crate::policy::{Finding, Verbosity};
use crate::token;
use crate::util::diagnostic::ExitStatus;
use crate::util::json_text::serialize_json;
use crate::util::note::{Notes, Warning};
use crate::util::quote::{escape, escape_json, quote};
use crate::util::time::Clock;
use crate::verify::{
    GivenKeys, Line, LoginRoleRequest, LoginRoleSource, LoginRoleVerifier, RoleDocument, StreamVerifier,
    TokenResult, VerifyError, VerifyRequest, verify_token,
};

/// Arguments to a request, one call, one report.
pub(super) fn run(
    verify: &Verify,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let settings = settings::load(options, console)?;
    if verify.checks_login_role() {
        return run_login_role(verify, &settings, console);
    }
    let request = request(verify, console)?;
    if verify.many.stream {
        verify.many.reject_argument(&verify.token)?;
        let verifier =
            with_notes(console, |notes| StreamVerifier::open(&request, &settings, Clock::System, notes))?;
        let format = if console.is_json() { LineFormat::Json } else { LineFormat::Text };
        return check_stream(&verify.many, verify.token.file(), console, || {
            let check = verifier.worker()?;
            Ok(move |line: Line<'_>, out: &mut Vec<u8>| write_line(format, line, "form", &check, out))
        });
    }
    let text = verify.token.read_one(console)?;
    let outcome =
        with_notes(console, |notes| verify_token(&request, &settings, &text, Clock::System, notes))?;
    let warnings = outcome
        .token
        .as_ref()
        .map_or_else(|_| Vec::new(), |token| probable_mistakes(token.verified.claims()));
    if console.is_json() {
        console.json(&VerifyReport::new(&outcome, &warnings))?;
    } else {
        report::show(&outcome, &warnings, console)?;
    }
    Ok(if outcome.is_valid() { ExitStatus::Success } else { ExitStatus::Negative })
}

/// Prints the notes of a function, also when it fails.
fn with_notes<T>(
    console: &mut Console,
    run: impl FnOnce(&mut Notes) -> Result<T, VerifyError>,
) -> Result<T, Failure> {
    let mut notes = Notes::new();
    let result = run(&mut notes);
    console.notes(notes);
    Ok(result?)
}

fn run_login_role(
    verify: &Verify,
    settings: &Settings,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let request = login_role_request(verify, console)?;
    let now = Clock::System.now();
    let verifier = with_notes(console, |notes| LoginRoleVerifier::open(&request, settings, now, notes))?;
    if verify.many.stream {
        verify.many.reject_argument(&verify.token)?;
        let format = if console.is_json() { LineFormat::RoleJson } else { LineFormat::Text };
        let check = |token: &str| verifier.verify_in_stream(token, Clock::System);
        return check_stream(&verify.many, verify.token.file(), console, || {
            Ok(|line: Line<'_>, out: &mut Vec<u8>| write_line(format, line, "token", check, out))
        });
    }
    let text = verify.token.read_one(console)?;
    let now = Clock::System.now();
    let result = with_notes(console, |notes| verifier.verify(text.expose(), Verbosity::All, now, notes))?;
    let mut warnings = Vec::new();
    if let Ok(token) = &result.token {
        warnings = probable_mistakes(token.claims());
        if verifier.role().verbose_logging {
            let message = "verbose_oidc_logging is on: with -v the claims of the token are printed";
            warnings.push(Warning::new("verbose-logging", message));
            let claims = Value::Object(token.claims().as_object().clone());
            log::info!("received claims: {}", escape(&claims.to_string()));
        }
    }
    let unknown = server_only(verifier.role());
    if console.is_json() {
        console.json(&LoginRoleReport::new(verifier.role(), &result, &unknown, &warnings))?;
    } else {
        report::show_login_role(verifier.role(), &result, &unknown, &warnings, verify.explain, console)?;
    }
    Ok(match &result.token {
        Err(error) if error.is_malformed() => ExitStatus::Data,
        _ if result.verdict.accepts() => ExitStatus::Success,
        _ => ExitStatus::Negative,
    })
}

/// The request that the arguments make.
fn request(verify: &Verify, console: &Console) -> Result<VerifyRequest, Failure> {
    if verify.audience.as_deref() == Some("") || verify.issuer.as_deref() == Some("") {
        return Err(UsageError::new("--issuer and --audience cannot be empty").into());
    }
    let client_address = match &verify.from {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
            UsageError::new(format!("--from: invalid address {}: expected an IP address", quote(text)))
        })?),
    };
    Ok(VerifyRequest {
        endpoints: verify.endpoint.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        required_roles: verify.require_role.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        issuer: verify.issuer.clone(),
        audience: verify.audience.clone(),
        client_address,
        clock: verify.at.clock()?,
        scope: verify.osdf.requirement()?,
        reads_user_table: !verify.no_db,
        keys: given_keys(verify, console)?,
    })
}

fn login_role_request(verify: &Verify, console: &Console) -> Result<LoginRoleRequest, Failure> {
    let role = match verify.login_role.as_deref() {
        None => LoginRoleSource::Default,
        Some("") => {
            return Err(UsageError::new("--login-role: the name is empty")
                .hint("the default role: --default-login-role")
                .into());
        }
        Some("-") => LoginRoleSource::Document(super::role::document("-".as_ref())?),
        Some(text) => LoginRoleSource::NameOrFile(text.to_owned()),
    };
    let config: Option<RoleDocument> =
        verify.role_config.as_deref().map(super::role::document).transpose()?;
    Ok(LoginRoleRequest { role, config, keys: given_keys(verify, console)?, clock: verify.at.clock()? })
}

fn given_keys(verify: &Verify, console: &Console) -> Result<GivenKeys, Failure> {
    let hmac_secret: Option<PathBuf> = verify.hmac_secret_file.clone();
    verify.remote.given_keys("--jwks", verify.key.clone(), hmac_secret, console)
}

/// The form of the results of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineFormat {
    Text,
    Json,
    RoleJson,
}

/// Verifies the token of a line and writes the result. Returns whether it passes; `form` is the check
/// that fails where the line is not a token.
fn write_line(
    format: LineFormat,
    line: Line<'_>,
    form: &str,
    check: impl Fn(&str) -> TokenResult,
    out: &mut Vec<u8>,
) -> bool {
    let result = match line.text.map(token::text::one) {
        Ok(Ok(found)) => Ok(check(found.token.as_ref())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(reason) => Err(reason.to_owned()),
    };
    let (subject, failure) = match &result {
        Err(reason) => (None, Some((form, reason.as_str()))),
        Ok(TokenResult { subject, failure }) => {
            let failure = failure.as_ref().map(|Finding { check, reason, .. }| (*check, reason.as_str()));
            (subject.as_deref(), failure)
        }
    };
    let (passes, line) = (failure.is_none(), line.number);
    let (check, reason) = failure.unzip();
    // Writing to a Vec cannot fail.
    let _ = match format {
        LineFormat::Json => json_line(&LineReport { line, valid: passes, subject, check, reason }, out),
        LineFormat::RoleJson => {
            let username = subject;
            json_line(&RoleLineReport { line, accepted: passes, username, check, reason }, out)
        }
        LineFormat::Text => match failure {
            None => out.write_all(b"ok\n"),
            Some((check, reason)) => writeln!(out, "{check}: {reason}"),
        },
    };
    passes
}

fn json_line(report: &impl Serialize, out: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(out, "{}", escape_json(&serialize_json(report)))
}
