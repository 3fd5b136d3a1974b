//! `cc-jwt verify --role`: whether a login role admits a token, and as whom.

use serde_json::{Value, json};

use super::inspect::warn_of_mistakes;
use super::report;
use super::role_judge::LoginRoleVerifier;
use super::verify_options::Verify;
use super::verify_stream;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::policy::login_role::{Flow, Login, LoginRole, evaluate};
use crate::policy::{Verbosity, Verdict};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
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
    if let Ok(token) = &verified {
        warn_of_mistakes(token, console);
    }
    let (verdict, login) =
        evaluate(&judging.config, &judging.role, verified.as_ref(), Flow::Token, now, Verbosity::All);
    if judging.role.verbose_logging
        && let Ok(verified) = &verified
    {
        console.warn("verbose_oidc_logging is on: with -v the claims of the token are shown");
        let claims = Value::Object(verified.claims().as_object().clone());
        log::info!("received claims: {}", escape(&claims.to_string()));
    }
    report(verify.explain, &judging.role, &verdict, login.as_ref(), console)?;
    Ok(match &verified {
        Err(error) if error.is_malformed() => ExitStatus::Data,
        _ if verdict.accepts() => ExitStatus::Success,
        _ => ExitStatus::Negative,
    })
}

fn report(
    explain: bool,
    role: &LoginRole,
    verdict: &Verdict,
    login: Option<&Login>,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.is_json() {
        let checks: Vec<Value> = verdict.findings().iter().map(report::check).collect();
        let failed = verdict.first_failure().map(report::check);
        console.json(&json!({
            "admitted": login.is_some(),
            "role": role.name,
            "login": login.map(|login| json!({
                "username": login.username,
                "groups": login.groups,
                "metadata": login.metadata,
                "session_seconds": login.session_seconds,
            })),
            "failed": failed,
            "checks": checks,
            "other": role.kept,
        }))?;
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
        console.line(&format!("  {}: {} (kept, not acted on)", escape(name), escape(&value.to_string())))?;
    }
    Ok(())
}
