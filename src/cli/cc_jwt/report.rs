//! The reports of `cc-jwt verify`, as JSON and as lines.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::console::{Console, StdoutError};
use crate::cli::style;
use crate::policy::login_role::{LoginRole, ServerOnly};
use crate::policy::{CheckState, Endpoint, Finding, Verdict};
use crate::token::{Claims, NumericDate};
use crate::util::note::Warning;
use crate::util::quote::{escape, quote};
use crate::util::time::{Timestamp, human_span};
use crate::verify::{EndpointResult, LoginRoleResult, OwnedToken, VerifyOutcome};

/// The report of `cc-jwt verify`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct VerifyReport<'a> {
    /// Whether all checks pass, and every endpoint of `--endpoint` accepts the token; the exit status is
    /// 0 then, else 1
    valid: bool,
    /// The token; null if its signature is not valid
    token: Option<TokenReport<'a>>,
    /// The checks without `--endpoint`
    checks: Vec<CheckReport<'a>>,
    /// The endpoints of `--endpoint`
    endpoints: Vec<EndpointReport<'a>>,
    /// Probable mistakes of the issuer
    warnings: &'a [Warning],
}

/// A token with a valid signature.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TokenReport<'a> {
    /// The claim 'sub'
    subject: Option<&'a str>,
    /// The claim 'iss'
    issuer: Option<&'a str>,
    /// The roles in the token
    roles: Vec<&'a str>,
    /// The algorithm of the signature
    algorithm: &'static str,
    /// The key ID of the key
    kid: Option<&'a str>,
    /// The server's variable with the key; null for a key given as an option
    key_setting: Option<&'static str>,
    /// The issuer whose discovery document has the key
    key_issuer: Option<&'a str>,
    /// When the token was issued, RFC 3339
    issued_at: Option<String>,
    /// When the token expires, RFC 3339; null for never
    expires_at: Option<String>,
}

/// Whether an endpoint accepts the token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EndpointReport<'a> {
    /// The endpoint
    endpoint: &'static str,
    /// Whether the endpoint accepts the token
    accepted: bool,
    /// The checks in order
    checks: Vec<CheckReport<'a>>,
}

/// A check and its result.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CheckReport<'a> {
    /// The name of the check
    check: &'static str,
    /// pass, fail, warn or skipped
    state: &'static str,
    /// Why
    reason: &'a str,
    /// The next thing to do
    hint: Option<&'a str>,
}

impl<'a> CheckReport<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            check: finding.check,
            state: finding.state.name(),
            reason: &finding.reason,
            hint: finding.hint.as_deref(),
        }
    }

    fn all(verdict: &'a Verdict) -> Vec<Self> {
        verdict.findings().iter().map(CheckReport::new).collect()
    }
}

impl<'a> VerifyReport<'a> {
    pub(super) fn new(outcome: &'a VerifyOutcome, warnings: &'a [Warning]) -> Self {
        let token = outcome.token.as_ref().ok().map(|OwnedToken { verified, owner }| {
            let claims = verified.claims();
            TokenReport {
                subject: claims.subject(),
                issuer: claims.issuer(),
                roles: claims.roles(),
                algorithm: verified.algorithm().name(),
                kid: owner.kid.as_deref(),
                key_setting: owner.signer.setting(),
                key_issuer: owner.issuer.as_deref(),
                issued_at: time(claims, "iat"),
                expires_at: time(claims, "exp"),
            }
        });
        let (mut checks, mut endpoints) = (Vec::new(), Vec::new());
        for EndpointResult { endpoint, verdict } in &outcome.results {
            match endpoint {
                None => checks = CheckReport::all(verdict),
                Some(endpoint) => endpoints.push(EndpointReport {
                    endpoint: endpoint.name(),
                    accepted: verdict.accepts(),
                    checks: CheckReport::all(verdict),
                }),
            }
        }
        Self { valid: outcome.is_valid(), token, checks, endpoints, warnings }
    }
}

/// The report of `cc-jwt verify --stream`, one for each line.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct LineReport<'a> {
    /// The number of the line, from 1
    pub(super) line: u64,
    /// Whether all checks pass, and every endpoint of `--endpoint` accepts the token
    pub(super) valid: bool,
    /// The claim 'sub', if the signature is valid
    pub(super) subject: Option<&'a str>,
    /// The check that failed
    pub(super) check: Option<&'a str>,
    /// Why it failed
    pub(super) reason: Option<&'a str>,
}

/// The report of `cc-jwt verify --stream --login-role`, one for each line.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RoleLineReport<'a> {
    /// The number of the line, from 1
    pub(super) line: u64,
    /// Whether the login role accepts the token
    pub(super) accepted: bool,
    /// The username of the login
    pub(super) username: Option<&'a str>,
    /// The check that failed
    pub(super) check: Option<&'a str>,
    /// Why it failed
    pub(super) reason: Option<&'a str>,
}

/// The report of `cc-jwt verify --login-role`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct LoginRoleReport<'a> {
    /// Whether the login role accepts the token; the exit status is 0 then, else 1
    accepted: bool,
    /// The name of the login role
    login_role: &'a str,
    /// The login; null if the role rejects the token
    login: Option<LoginReport<'a>>,
    /// The first check that failed
    failed_check: Option<CheckReport<'a>>,
    /// The checks in order
    checks: Vec<CheckReport<'a>>,
    /// Fields of the role that have no effect here
    unused_fields: &'a Map<String, Value>,
    /// Settings of the role whose effect only the server knows
    unknown: Vec<UnknownSetting<'a>>,
    /// Probable mistakes of the issuer
    warnings: &'a [Warning],
}

/// A setting of a login role whose effect only the server knows.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct UnknownSetting<'a> {
    /// The name of the field
    setting: &'static str,
    /// What only the server knows
    reason: &'a str,
    /// Whether the server can reject a login because of it
    can_reject: bool,
}

impl<'a> UnknownSetting<'a> {
    pub(super) fn new(unknown: &'a ServerOnly) -> Self {
        Self { setting: unknown.setting, reason: &unknown.reason, can_reject: unknown.can_reject }
    }
}

/// The login that a role permits.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LoginReport<'a> {
    /// The username
    username: &'a str,
    /// The groups of the user
    groups: &'a [String],
    /// The claims that `claim_mappings` copies, and the name of the role
    metadata: &'a BTreeMap<String, String>,
    /// The longest session in seconds; null for the server's own limit
    session_seconds: Option<i64>,
}

impl<'a> LoginRoleReport<'a> {
    pub(super) fn new(
        role: &'a LoginRole,
        result: &'a LoginRoleResult,
        unknown: &'a [ServerOnly],
        warnings: &'a [Warning],
    ) -> Self {
        Self {
            accepted: result.login.is_some(),
            login_role: &role.name,
            login: result.login.as_ref().map(|login| LoginReport {
                username: &login.username,
                groups: &login.groups,
                metadata: &login.metadata,
                session_seconds: login.session_seconds,
            }),
            failed_check: result.verdict.first_failure().map(CheckReport::new),
            checks: CheckReport::all(&result.verdict),
            unused_fields: &role.unused_fields,
            unknown: unknown.iter().map(UnknownSetting::new).collect(),
            warnings,
        }
    }
}

/// A time claim for a JSON report: RFC 3339, or null.
pub(super) fn time(claims: &Claims, name: &'static str) -> Option<String> {
    claims.time(name).ok().flatten().filter(|date| !date.is_zero()).map(|date| date.instant().rfc3339())
}

/// A time in a text report.
pub(super) fn human_date(date: NumericDate, now: Timestamp) -> String {
    date.instant().human(now)
}

/// Prints the checks, a line each; skipped checks only if `with_skipped`.
fn show_checks(verdict: &Verdict, with_skipped: bool, console: &mut Console) -> Result<(), StdoutError> {
    let widest = verdict.findings().iter().map(|finding| finding.check.len()).max().unwrap_or(0).max(13);
    let state_width = if with_skipped { "skipped".len() } else { "pass".len() };
    for finding in verdict.findings() {
        let color = match finding.state {
            CheckState::Pass => style::PASS,
            CheckState::Fail => style::ERROR,
            CheckState::Warn => style::WARNING,
            CheckState::Skipped if !with_skipped => continue,
            CheckState::Skipped => style::SKIPPED,
        };
        let state = console.paint(color, &format!("{:<state_width$}", finding.state.name()));
        let width = state_width + 2 + widest + 1;
        console.wrapped(&format!("{state}  {:<widest$} ", finding.check), width, &finding.reason)?;
        if let (Some(hint), CheckState::Fail | CheckState::Warn) = (&finding.hint, finding.state) {
            console.wrapped(&format!("{:width$}", ""), width, &format!("hint: {hint}"))?;
        }
    }
    Ok(())
}

/// Prints the warnings, then the checks and the result for each endpoint.
pub(super) fn show(
    outcome: &VerifyOutcome,
    warnings: &[Warning],
    console: &mut Console,
) -> Result<(), StdoutError> {
    show_warnings(warnings, console);
    for (index, result) in outcome.results.iter().enumerate() {
        if index > 0 && !console.is_quiet() {
            console.line("")?;
        }
        show_result(result, console)?;
    }
    Ok(())
}

fn show_warnings(warnings: &[Warning], console: &mut Console) {
    for warning in warnings {
        console.warn(warning.check, &warning.message);
    }
}

fn show_result(result: &EndpointResult, console: &mut Console) -> Result<(), StdoutError> {
    let EndpointResult { endpoint, verdict } = result;
    if !console.is_quiet() {
        show_checks(verdict, true, console)?;
    }
    let by = endpoint.map_or_else(String::new, |endpoint: Endpoint| format!(" by {}", endpoint.title()));
    let answer = match verdict.first_failure() {
        _ if verdict.accepts() && endpoint.is_none() => console.paint(style::ACCEPTED, "valid"),
        _ if verdict.accepts() => console.paint(style::ACCEPTED, &format!("accepted{by}")),
        Some(finding) => {
            let word = if endpoint.is_some() { "rejected" } else { "invalid" };
            console.paint(style::ERROR, &format!("{word}{by}: {}", finding.check))
        }
        None => console.paint(style::ERROR, "not checked"),
    };
    if verdict.accepts() { console.report_line(&answer) } else { console.line(&answer) }
}

/// Prints the warnings, the checks, and the login that a role permits.
pub(super) fn show_login_role(
    role: &LoginRole,
    result: &LoginRoleResult,
    unknown: &[ServerOnly],
    warnings: &[Warning],
    with_skipped: bool,
    console: &mut Console,
) -> Result<(), StdoutError> {
    show_warnings(warnings, console);
    if !console.is_quiet() {
        show_checks(&result.verdict, with_skipped, console)?;
    }
    let Some(login) = &result.login else {
        let check = result.verdict.first_failure().map_or("not checked", |finding| finding.check);
        let line =
            console.paint(style::ERROR, &format!("rejected by the role {}: {check}", quote(&role.name)));
        return console.line(&line);
    };
    if console.is_quiet() {
        return Ok(());
    }
    let line = format!("accepted by the role {} as {}", quote(&role.name), quote(&login.username));
    let line = console.paint(style::ACCEPTED, &line);
    let deciding: Vec<&str> =
        unknown.iter().filter(|unknown| unknown.can_reject).map(|unknown| unknown.setting).collect();
    if deciding.is_empty() {
        console.line(&line)?;
    } else {
        console.line(&format!("{line}, if the server accepts {}", deciding.join(" and ")))?;
    }
    for ServerOnly { setting, reason, .. } in unknown {
        console.line(&format!("  unknown   {setting}: {reason}"))?;
    }
    if role.groups_claim.is_some() {
        let groups: Vec<String> = login.groups.iter().map(|group| quote(group)).collect();
        let groups = if groups.is_empty() { "none".to_owned() } else { groups.join(" ") };
        console.line(&format!("  groups    {groups}"))?;
    }
    for (key, value) in &login.metadata {
        console.line(&format!("  metadata  {}: {}", escape(key), quote(value)))?;
    }
    if let Some(seconds) = login.session_seconds {
        console.line(&format!("  session   {}", human_span(seconds.unsigned_abs())))?;
    }
    let is_unknown = |name: &str| unknown.iter().any(|unknown| unknown.setting.contains(name));
    for (name, value) in role.unused_fields.iter().filter(|(name, _)| !is_unknown(name)) {
        console.line(&format!("  {}: {} (not used)", escape(name), escape(&value.to_string())))?;
    }
    Ok(())
}
