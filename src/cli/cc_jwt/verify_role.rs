//! `cc-jwt verify --login-role`: whether a login role accepts a token, and the username.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::inspect::probable_mistakes;
use super::report::{self, CheckReport};
use super::role_judge::LoginRoleVerifier;
use super::verify_options::Verify;
use super::verify_stream;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::policy::login_role::{Flow, Login, LoginRole, evaluate};
use crate::policy::{Verbosity, Verdict};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::{Notes, Warning};
use crate::util::quote::{escape, quote};
use crate::util::time::{Clock, human_span};

/// Role, keys, token, verdict, report.
pub(super) fn run(
    verify: &Verify,
    settings: &Settings,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let clock = verify.at.clock()?;
    let now = clock.now();
    let mut judging = LoginRoleVerifier::open(verify, settings, now, console)?;
    if verify.many.stream {
        verify.many.refuse_argument(&verify.token)?;
        return verify_stream::run_role(verify, judging, clock, console);
    }
    let text = verify.token.read_one(console)?;
    let mut notes = Notes::new();
    let outcome = judging.keys.verify(text.expose(), Clock::System.now(), &mut notes);
    console.notes(notes);
    let verified = outcome?;
    let warnings = verified.as_ref().map_or_else(|_| Vec::new(), |token| probable_mistakes(token.claims()));
    if !console.is_json() {
        for warning in &warnings {
            console.warn(warning.check, &warning.message);
        }
    }
    let (verdict, login) =
        evaluate(&judging.config, &judging.role, verified.as_ref(), Flow::Token, now, Verbosity::All);
    if judging.role.verbose_logging
        && let Ok(verified) = &verified
    {
        console
            .warn("verbose-logging", "verbose_oidc_logging is on: with -v the claims of the token are shown");
        let claims = Value::Object(verified.claims().as_object().clone());
        log::info!("received claims: {}", escape(&claims.to_string()));
    }
    report(verify.explain, &warnings, &judging.role, &verdict, login.as_ref(), console)?;
    Ok(match &verified {
        Err(error) if error.is_malformed() => ExitStatus::Data,
        _ if verdict.accepts() => ExitStatus::Success,
        _ => ExitStatus::Negative,
    })
}

/// The JSON report of `cc-jwt verify --login-role`.
#[derive(Debug, Serialize)]
struct LoginRoleReport<'a> {
    /// Whether the login role accepts the token.
    accepted: bool,
    /// The name of the role.
    login_role: &'a str,
    login: Option<LoginReport<'a>>,
    /// The first check that failed.
    failed_check: Option<CheckReport<'a>>,
    checks: Vec<CheckReport<'a>>,
    /// Fields of the role that have no effect here.
    unused_fields: &'a Map<String, Value>,
    warnings: &'a [Warning],
}

/// The login that a role grants.
#[derive(Debug, Serialize)]
struct LoginReport<'a> {
    username: &'a str,
    groups: &'a [String],
    metadata: &'a BTreeMap<String, String>,
    session_seconds: Option<i64>,
}

fn report(
    explain: bool,
    warnings: &[Warning],
    role: &LoginRole,
    verdict: &Verdict,
    login: Option<&Login>,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&LoginRoleReport {
            accepted: login.is_some(),
            login_role: &role.name,
            login: login.map(|login| LoginReport {
                username: &login.username,
                groups: &login.groups,
                metadata: &login.metadata,
                session_seconds: login.session_seconds,
            }),
            failed_check: verdict.first_failure().map(CheckReport::new),
            checks: CheckReport::all(verdict),
            unused_fields: &role.kept,
            warnings,
        })?;
        return Ok(());
    }
    if !console.is_quiet() {
        report::findings(verdict, explain, console)?;
    }
    let Some(login) = login else {
        let check = verdict.first_failure().map_or("not checked", |finding| finding.check);
        let line = format!("rejected by the role {}: {check}", quote(&role.name));
        let line = console.paint("1;31", &line);
        console.line(&line)?;
        return Ok(());
    };
    let line = format!("accepted by the role {} as {}", quote(&role.name), quote(&login.username));
    if console.is_quiet() {
        return Ok(());
    }
    let line = console.paint("1;32", &line);
    console.line(&line)?;
    if role.groups_claim.is_some() {
        let groups: Vec<String> = login.groups.iter().map(|group| quote(group)).collect();
        console.line(&format!(
            "  groups    {}",
            if groups.is_empty() { "none".to_owned() } else { groups.join(" ") }
        ))?;
    }
    for (key, value) in &login.metadata {
        console.line(&format!("  metadata  {}: {}", escape(key), quote(value)))?;
    }
    if let Some(seconds) = login.session_seconds {
        console.line(&format!("  session   {}", human_span(seconds.unsigned_abs())))?;
    }
    for (name, value) in &role.kept {
        console.line(&format!("  {}: {} (not used)", escape(name), escape(&value.to_string())))?;
    }
    Ok(())
}
