//! `cc-jwt inspect`.

use std::io::Write as _;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::source::TokenOptions;
use super::stream::{StreamOptions, check_stream};
use super::{osdf, report};
use crate::cli::console::{Console, DEFAULT_WIDTH};
use crate::cli::failure::Failure;
use crate::cli::options::AtOption;
use crate::cli::style;
use crate::policy::profile::Profile;
use crate::policy::server_access::{self, ServerRules};
use crate::policy::{Endpoint, Verdict};
use crate::token::inspect::{DecodedPart, TokenForm};
use crate::token::{self, Claims, Inspection, NumericDate, TokenError};
use crate::user::Role;
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::json_text::{compact, fitted, serialize_json};
use crate::util::note::Warning;
use crate::util::quote::{escape, escape_json, escape_lines, quote};
use crate::util::time::Timestamp;
use crate::verify::Line;

/// Show the header and claims of a token, without any key
///
/// Malformed tokens are shown as far as possible, with what is wrong. The signature is not checked:
/// the content may be forged. 'cc-jwt verify' checks it.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    token: TokenOptions,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    many: StreamOptions,
}

pub(super) fn run(inspect: &Inspect, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = inspect.at.clock()?.now();
    if inspect.many.stream {
        inspect.many.reject_argument(&inspect.token)?;
        return many(inspect, now, console);
    }
    let text = inspect.token.read(console)?;
    let tokens: Vec<InspectedToken> = token::text::all(&text)
        .map_err(|error| inspect.token.failure(error))?
        .iter()
        .map(|found| InspectedToken { name: found.name, inspection: token::inspect(&found.token) })
        .collect();
    if let Some(error) = tokens.iter().find_map(InspectedToken::error).cloned() {
        return Err(inspect.token.failure(error));
    }
    if console.is_json() {
        let report = match tokens.as_slice() {
            [only] if only.name.is_none() => only.with_parts(&only.report(now)),
            several => {
                let all: Vec<String> =
                    several.iter().map(|token| token.with_parts(&token.report(now))).collect();
                format!("{{\"tokens\":[{}]}}", all.join(","))
            }
        };
        console.json_text(&report)?;
    } else {
        for (index, token) in tokens.iter().enumerate() {
            if index > 0 {
                console.line("")?;
            }
            token.show(now, console)?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Prints a JSON line for each line of a stream.
fn many(inspect: &Inspect, now: Timestamp, console: &mut Console) -> Result<ExitStatus, Failure> {
    check_stream(&inspect.many, inspect.token.file(), console, || {
        Ok(move |line: Line<'_>, out: &mut Vec<u8>| {
            let inspected = line.text.map_err(str::to_owned).and_then(|text| {
                let found = token::text::one(text).map_err(|error| error.to_string())?;
                let token = InspectedToken { name: found.name, inspection: token::inspect(&found.token) };
                match token.error() {
                    Some(error) => Err(error.to_string()),
                    None => Ok(token),
                }
            });
            let line = line.number;
            let text = match &inspected {
                Ok(token) => token.with_parts(&InspectLine { line, token: token.report(now) }),
                Err(error) => serialize_json(&InspectErrorLine { line, error }),
            };
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, "{}", escape_json(&text));
            inspected.is_ok()
        })
    })
}

/// The report of `cc-jwt inspect`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InspectReport {
    /// The member of a token endpoint's response with the token
    source: Option<&'static str>,
    /// signed, unsigned, encrypted or unknown
    form: &'static str,
    /// The header as JSON; a string where it is not JSON, null where it cannot be read
    header: Value,
    /// The claims as JSON; a string where they are not JSON, null where they cannot be read
    claims: Value,
    /// The signature
    signature: SignatureReport,
    /// The times in the claims, RFC 3339
    times: TimesReport,
    /// wlcg, scitokens2 or scitokens1
    profile: Option<&'static str>,
    /// What each part of the scope permits, in words
    scopes: Option<Vec<String>>,
    /// What is unusual or wrong
    warnings: Vec<Warning>,
    /// The endpoints of the server, if the signature is valid
    endpoints: Vec<EndpointForecast>,
}

/// The report of `cc-jwt inspect` for several tokens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(not(test), expect(dead_code, reason = "its text is put together from the reports of the tokens"))]
pub(super) struct InspectTokensReport {
    /// The tokens of a token endpoint's response
    tokens: Vec<InspectReport>,
}

/// The report of `cc-jwt inspect --stream` for a line with a token.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InspectLine {
    /// The number of the line, from 1
    line: u64,
    #[serde(flatten)]
    token: InspectReport,
}

/// The report of `cc-jwt inspect --stream` for a line without a token.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InspectErrorLine<'a> {
    /// The number of the line, from 1
    line: u64,
    /// Why the line is not a token
    error: &'a str,
}

/// The signature of an inspected token.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SignatureReport {
    /// Always false
    checked: bool,
    /// Its length in bytes
    bytes: Option<usize>,
}

/// The times of an inspected token.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TimesReport {
    /// The claim 'iat'
    issued_at: Option<String>,
    /// The claim 'nbf'
    not_before: Option<String>,
    /// The claim 'exp'
    expires_at: Option<String>,
    /// The claim 'auth_time'
    authenticated_at: Option<String>,
}

/// Whether an endpoint accepts the token if its signature is valid.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EndpointForecast {
    /// The endpoint
    endpoint: &'static str,
    /// Whether it accepts the token if the signature is valid
    accepted: bool,
    /// Why it rejects the token
    reason: Option<String>,
}

/// The width of the labels of a text report.
const LABEL: usize = 11;

/// Placeholders for header and claims in a report, until their original text replaces them.
const HEADER_PLACEHOLDER: &str = "\u{1}header";
const CLAIMS_PLACEHOLDER: &str = "\u{1}claims";

/// A token and the member of the response that contained it.
struct InspectedToken {
    name: Option<&'static str>,
    inspection: Inspection,
}

impl InspectedToken {
    /// Why no part of this token can be read.
    fn error(&self) -> Option<&TokenError> {
        let is_readable = matches!(self.inspection.header, DecodedPart::Json(_))
            || matches!(self.inspection.claims, DecodedPart::Json(_));
        self.inspection.refusal.as_ref().filter(|_| !is_readable)
    }

    /// The claims if they are an object, also if a strict reader rejects them.
    fn claims(&self) -> Option<Claims> {
        self.inspection.claims.json().and_then(Value::as_object).map(|members| Claims::from(members.clone()))
    }

    /// The summary of a token of the Open Science Data Federation.
    fn osdf(&self) -> Option<osdf::ScopeSummary> {
        let header = self.inspection.header.json().and_then(Value::as_object)?;
        osdf::look(header, self.claims()?.as_object())
    }

    /// Whether the token has a profile of the federation. Such a token is not for the endpoints of the server.
    fn has_profile(&self) -> bool {
        self.osdf().is_some_and(|summary| summary.profile.is_some())
    }

    /// The verdict of each endpoint if the signature is valid.
    fn forecasts(&self, now: Timestamp) -> Vec<(Endpoint, Verdict)> {
        let issuer = self.claims().and_then(|claims| claims.issuer().map(str::to_owned));
        // The trusted issuer is a setting; here it is the issuer of the token.
        let rules = ServerRules { trusted_issuer: issuer, ..ServerRules::default() };
        Endpoint::ALL
            .into_iter()
            .map(|endpoint| (endpoint, server_access::preview(endpoint, &self.inspection, &rules, now)))
            .collect()
    }

    /// What is unusual or wrong, in form and content.
    fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut warnings = self.inspection.warnings.clone();
        if let Some(error) = self.inspection.refusal.as_ref().filter(|_| warnings.is_empty()) {
            warnings.push(Warning::new(error.kind().name(), error.to_string()));
        }
        if let Some(claims) = self.claims() {
            time_warnings(&claims, now, &mut warnings);
            role_warnings(&claims, &mut warnings);
            warnings.extend(probable_mistakes(&claims));
        }
        if let Some(summary) = self.osdf() {
            warnings.extend(summary.remarks.into_iter().map(|text| Warning::new("profile", text)));
        }
        if let Some(alg) =
            self.inspection.header.json().and_then(|header| header.get("alg")).and_then(Value::as_str)
            && !Endpoint::ALL.iter().any(|endpoint| endpoint.algorithms().contains(&alg))
            && self.inspection.form == TokenForm::Signed
            && !self.has_profile()
        {
            let text = format!("no endpoint of the server accepts the algorithm {}", quote(alg));
            warnings.push(Warning::new("algorithm-rejected", text));
        }
        warnings
    }

    fn report(&self, now: Timestamp) -> InspectReport {
        let [written_header, written_claims] = &self.inspection.written;
        let part = |part: &DecodedPart, written: &Option<String>, placeholder: &str| match (written, part) {
            (Some(_), _) => Value::from(placeholder),
            (None, DecodedPart::Json(value)) => value.clone(),
            (None, DecodedPart::Text(text) | DecodedPart::Raw(text)) => Value::String(text.clone()),
            (None, DecodedPart::Bytes(_) | DecodedPart::Missing) => Value::Null,
        };
        let claims = self.claims();
        let time = |name| claims.as_ref().and_then(|claims| report::time(claims, name));
        let endpoints = self.forecasts(now).into_iter().map(|(endpoint, verdict)| EndpointForecast {
            endpoint: endpoint.name(),
            accepted: verdict.accepts(),
            reason: verdict.first_failure().map(|finding| finding.reason.clone()),
        });
        let summary = self.osdf();
        InspectReport {
            source: self.name,
            form: self.inspection.form.name(),
            header: part(&self.inspection.header, written_header, HEADER_PLACEHOLDER),
            claims: part(&self.inspection.claims, written_claims, CLAIMS_PLACEHOLDER),
            signature: SignatureReport { checked: false, bytes: self.inspection.signature_bytes },
            times: TimesReport {
                issued_at: time("iat"),
                not_before: time("nbf"),
                expires_at: time("exp"),
                authenticated_at: time("auth_time"),
            },
            profile: summary.as_ref().and_then(|summary| summary.profile).map(Profile::name),
            scopes: summary.map(|summary| summary.scopes),
            warnings: self.warnings(now),
            endpoints: endpoints.collect(),
        }
    }

    /// The report as JSON with the original text of header and claims: a number in a [`Value`] loses
    /// digits.
    fn with_parts(&self, report: &impl Serialize) -> String {
        let template = serialize_json(report);
        let mut rest = template.as_str();
        let mut text = String::with_capacity(template.len());
        // In the order of the report, so that text in the header is not mistaken for a placeholder.
        for (place, written) in
            [HEADER_PLACEHOLDER, CLAIMS_PLACEHOLDER].into_iter().zip(&self.inspection.written)
        {
            let place = Value::from(place).to_string();
            if let (Some(written), Some((before, after))) = (written, rest.split_once(&place)) {
                text.push_str(before);
                text.push_str(&compact(written));
                rest = after;
            }
        }
        text.push_str(rest);
        text
    }

    fn show(&self, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
        if let Some(name) = self.name {
            let title = console.paint(style::TITLE, name);
            console.line(&title)?;
        }
        let [written_header, written_claims] = &self.inspection.written;
        part("header", &self.inspection.header, written_header.as_deref(), console)?;
        part("claims", &self.inspection.claims, written_claims.as_deref(), console)?;
        let signature = match self.inspection.signature_bytes {
            Some(0) | None => "signature  none".to_owned(),
            Some(bytes) => format!("signature  {}, not checked", counted(bytes, "byte")),
        };
        console.line(&signature)?;
        if let Some(claims) = self.claims() {
            let times: Vec<(&str, NumericDate)> =
                [("issued", "iat"), ("not before", "nbf"), ("expires", "exp"), ("logged in", "auth_time")]
                    .into_iter()
                    .filter_map(|(label, name)| Some((label, claims.time(name).ok()??)))
                    .filter(|(_, date)| !date.is_zero())
                    .collect();
            for (label, date) in times {
                console.line(&format!("{label:<10} {}", report::human_date(date, now)))?;
            }
        }
        if let Some(summary) = self.osdf() {
            if let Some(profile) = summary.profile {
                console.line(&format!("{:<10} {}", "profile", profile.title()))?;
            }
            for words in &summary.scopes {
                console.wrapped(&format!("{:<10} ", "scope"), 11, words)?;
            }
        }
        let warnings = self.warnings(now);
        if !warnings.is_empty() {
            let title = console.paint(style::WARNINGS, "warnings");
            console.line(&title)?;
            for warning in warnings {
                console.wrapped("  ", 2, &warning.message)?;
            }
        }
        if self.has_profile() && console.verbosity() == 0 {
            return Ok(());
        }
        let title = console.paint(style::HEADING, "if the signature is valid");
        console.line(&title)?;
        let forecasts = self.forecasts(now);
        let accepting = forecasts.iter().filter(|(_, verdict)| verdict.first_failure().is_none());
        let accepting: Vec<&str> = accepting.map(|(endpoint, _)| endpoint.name()).collect();
        if !accepting.is_empty() {
            let label = console.paint(style::PASS, "accepted by");
            console.wrapped(&format!("  {label} "), 14, &accepting.join(", "))?;
        }
        for (endpoint, verdict) in &forecasts {
            let Some(finding) = verdict.first_failure() else { continue };
            let label = console.paint(style::REJECTS, "rejected by");
            console.wrapped(
                &format!("  {label} "),
                14,
                &format!("{}: {}", endpoint.name(), finding.reason),
            )?;
        }
        Ok(())
    }
}

fn part(
    label: &str,
    seen: &DecodedPart,
    written: Option<&str>,
    console: &mut Console,
) -> Result<(), Failure> {
    let title = console.paint(style::HEADING, label);
    let text = match seen {
        DecodedPart::Missing => "none".to_owned(),
        DecodedPart::Json(value) => {
            let text = match written {
                Some(text) => text.to_owned(),
                None => serialize_json(value),
            };
            let width = console.terminal_width().unwrap_or(DEFAULT_WIDTH);
            escape_lines(&fitted(&text, width.saturating_sub(LABEL))).replace("\\\\", "\\")
        }
        DecodedPart::Text(text) => escape(text),
        DecodedPart::Bytes(count) => {
            format!("{} that {} not text", counted(*count, "byte"), one_or(*count, "is", "are"))
        }
        DecodedPart::Raw(text) => quote(text),
    };
    let below = format!("\n{:LABEL$}", "");
    console.line(&format!(
        "{title:<0$}{1}",
        title.len() + LABEL - label.len(),
        text.replace('\n', &below)
    ))?;
    Ok(())
}

fn time_warnings(claims: &Claims, now: Timestamp, warnings: &mut Vec<Warning>) {
    let mut warn = |check, message| warnings.push(Warning::new(check, message));
    match claims.time("exp") {
        Ok(None) => warn("no-expiry", "never expires".to_owned()),
        Ok(Some(date)) if date.is_zero() => {
            warn("no-expiry", "'exp' is 0: never expires, for the server as well".to_owned());
        }
        Ok(Some(date)) if date.instant() <= now => {
            warn("expired", format!("expired {}", date.instant().relative_to(now)));
        }
        Ok(Some(_)) => {}
        Err(error) => warn("time", error.to_string()),
    }
    match claims.time("nbf") {
        Ok(Some(date)) if date.instant() > now => {
            warn("not-yet-valid", format!("not yet valid: valid {}", date.instant().relative_to(now)));
        }
        Ok(_) => {}
        Err(error) => warn("time", error.to_string()),
    }
    match claims.time("iat") {
        Ok(Some(date)) if date.instant() > now => {
            warn("issued-in-future", format!("issued in the future, {}", date.instant().relative_to(now)));
        }
        Ok(_) => {}
        Err(error) => warn("time", error.to_string()),
    }
}

/// Whether a time is one of the years 2001 to 2286 in milliseconds.
fn is_milliseconds(date: NumericDate) -> bool {
    (1_000_000_000_000..10_000_000_000_000).contains(&date.instant().0)
}

/// Values whose form is probably a mistake of the issuer: times in milliseconds, scopes with commas.
pub(super) fn probable_mistakes(claims: &Claims) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (name, effect) in [("exp", "never expires"), ("nbf", "is never valid"), ("iat", "is never valid")] {
        if claims.time(name).is_ok_and(|time| time.is_some_and(is_milliseconds)) {
            let text = format!(
                "'{name}' is probably in milliseconds, expected seconds since 1970: the token {effect}"
            );
            warnings.push(Warning::new("milliseconds", text));
        }
    }
    for name in ["scope", "scp"] {
        if claims.text(name).is_some_and(|scopes| scopes.contains(',')) {
            let text = format!("'{name}' has commas: scopes are separated by spaces (RFC 8693 4.2)");
            warnings.push(Warning::new("scope-commas", text));
        }
    }
    warnings
}

fn role_warnings(claims: &Claims, warnings: &mut Vec<Warning>) {
    let mut warn = |check, message| warnings.push(Warning::new(check, message));
    let roles = claims.roles();
    if claims.get("roles").is_some_and(|value| !value.is_array()) {
        warn("roles", "'roles' is not an array: the server reads no role".to_owned());
    }
    let mut unknown: Vec<&str> = roles.iter().copied().filter(|role| role.parse::<Role>().is_err()).collect();
    unknown.dedup();
    if !unknown.is_empty() {
        let shown: Vec<String> = unknown.into_iter().map(quote).collect();
        warn("role-unknown", format!("unknown role {}", shown.join(", ")));
    }
    let mut sorted = roles;
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        warn("role-duplicate", "duplicate role: the server counts entries, not roles".to_owned());
    }
}
