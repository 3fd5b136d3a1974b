//! `cc-jwt inspect`.

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::source::TokenOptions;
use super::stream::{self, Line, StreamOptions};
use super::{osdf, report};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::AtOption;
use crate::policy::server_access::{self, ServerRules};
use crate::policy::{Endpoint, Verdict};
use crate::token::inspect::{DecodedPart, TokenForm};
use crate::token::{self, Claims, Inspection, NumericDate, TokenError};
use crate::user::Role;
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::json_text::{compact, indented};
use crate::util::note::Warning;
use crate::util::quote::{escape, escape_json, escape_lines, quote};
use crate::util::time::Timestamp;

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
        inspect.many.refuse_argument(&inspect.token)?;
        return many(inspect, now, console);
    }
    let text = inspect.token.read(console)?;
    let looked: Vec<Looked> = token::text::all(&text)?
        .iter()
        .map(|found| Looked { name: found.name, inspection: token::inspect(&found.token) })
        .collect();
    if let Some(error) = looked.iter().find_map(Looked::nothing) {
        return Err(error.clone().into());
    }
    if console.is_json() {
        let report = match looked.as_slice() {
            [only] if only.name.is_none() => only.written(&only.json(now)),
            several => {
                let all: Vec<String> =
                    several.iter().map(|looked| looked.written(&looked.json(now))).collect();
                format!("{{\"tokens\":[{}]}}", all.join(","))
            }
        };
        console.json_text(&report)?;
    } else {
        for (place, looked) in looked.iter().enumerate() {
            if place > 0 {
                console.line("")?;
            }
            looked.show(now, console)?;
        }
    }
    Ok(ExitStatus::Success)
}

/// A JSON line for each line of a stream; one that is no token is told so.
fn many(inspect: &Inspect, now: Timestamp, console: &mut Console) -> Result<ExitStatus, Failure> {
    stream::run(&inspect.many, inspect.token.file(), console, || {
        Ok(move |line: Line<'_>, out: &mut Vec<u8>| {
            let looked = line.text.map_err(str::to_owned).and_then(|text| {
                let found = token::text::one(text).map_err(|error| error.to_string())?;
                let looked = Looked { name: found.name, inspection: token::inspect(&found.token) };
                match looked.nothing() {
                    Some(error) => Err(error.to_string()),
                    None => Ok(looked),
                }
            });
            let mut object = match &looked {
                Ok(looked) => looked.json(now),
                Err(problem) => json!({ "error": problem }),
            };
            if let Some(members) = object.as_object_mut() {
                members.shift_insert(0, "line".to_owned(), Value::from(line.number));
            }
            let text = match &looked {
                Ok(looked) => looked.written(&object),
                Err(_) => object.to_string(),
            };
            // Writing to a Vec cannot fail.
            let _ = writeln!(out, "{}", escape_json(&text));
            looked.is_ok()
        })
    })
}

/// What stands in a report in the places of header and claims until they are written.
const HEADER_PLACE: &str = "\u{1}header";
const CLAIMS_PLACE: &str = "\u{1}claims";

/// A token and where it was found.
struct Looked {
    name: Option<&'static str>,
    inspection: Inspection,
}

impl Looked {
    /// Why this is no token in which anything could be seen.
    fn nothing(&self) -> Option<&TokenError> {
        let seen = matches!(self.inspection.header, DecodedPart::Json(_))
            || matches!(self.inspection.claims, DecodedPart::Json(_));
        self.inspection.refusal.as_ref().filter(|_| !seen)
    }

    /// The claims as far as they are an object, whether a strict reader takes them or not.
    fn claims(&self) -> Option<Claims> {
        self.inspection.claims.json().and_then(Value::as_object).map(|members| Claims::from(members.clone()))
    }

    /// What there is to say of a token of the Open Science Data Federation.
    fn osdf(&self) -> Option<osdf::ScopeSummary> {
        let header = self.inspection.header.json().and_then(Value::as_object)?;
        osdf::look(header, self.claims()?.as_object())
    }

    /// What each endpoint would say if the signature held.
    fn forecasts(&self, now: Timestamp) -> Vec<(Endpoint, Verdict)> {
        let issuer = self.claims().and_then(|claims| claims.issuer().map(str::to_owned));
        // Which issuer is trusted is a setting: here whichever the token names.
        let rules = ServerRules { trusted_issuer: issuer, ..ServerRules::default() };
        Endpoint::ALL
            .into_iter()
            .map(|endpoint| (endpoint, server_access::forecast(endpoint, &self.inspection, &rules, now)))
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
        {
            let text = format!("no endpoint of the server accepts the algorithm {}", quote(alg));
            warnings.push(Warning::new("algorithm-rejected", text));
        }
        warnings
    }

    fn json(&self, now: Timestamp) -> Value {
        let seen = |seen: &DecodedPart| match seen {
            DecodedPart::Json(value) => value.clone(),
            DecodedPart::Text(text) | DecodedPart::Raw(text) => Value::String(text.clone()),
            DecodedPart::Bytes(_) | DecodedPart::Missing => Value::Null,
        };
        let claims = self.claims();
        let time = |name| claims.as_ref().and_then(|claims| report::time(claims, name));
        let endpoints: Vec<Value> = self
            .forecasts(now)
            .into_iter()
            .map(|(endpoint, verdict)| {
                json!({
                    "endpoint": endpoint.name(),
                    "accepted": verdict.accepts(),
                    "reason": verdict.first_failure().map(|finding| finding.reason.as_str()),
                })
            })
            .collect();
        let [header, claims_seen] = [&self.inspection.header, &self.inspection.claims];
        let [written_header, written_claims] = &self.inspection.written;
        let placed = |written: &Option<String>, place: &str, value| match written {
            Some(_) => Value::from(place),
            None => value,
        };
        json!({
            "source": self.name,
            "form": self.inspection.form.name(),
            "header": placed(written_header, HEADER_PLACE, seen(header)),
            "claims": placed(written_claims, CLAIMS_PLACE, seen(claims_seen)),
            "signature": {"checked": false, "bytes": self.inspection.signature_bytes},
            "times": {
                "issued_at": time("iat"), "not_before": time("nbf"), "expires_at": time("exp"),
                "authenticated_at": time("auth_time"),
            },
            "profile": self.osdf().and_then(|said| said.profile).map(crate::policy::profile::Profile::name),
            "scopes": self.osdf().map(|said| said.scopes),
            "warnings": self.warnings(now),
            "endpoints": endpoints,
        })
    }

    /// The report with header and claims as they are written: a number in a [`Value`] loses digits.
    fn written(&self, report: &Value) -> String {
        let template = report.to_string();
        let mut rest = template.as_str();
        let mut text = String::with_capacity(template.len());
        // In the order of the report, so that nothing in the header is taken for a place.
        for (place, written) in [HEADER_PLACE, CLAIMS_PLACE].into_iter().zip(&self.inspection.written) {
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
            let title = console.paint("1;4", name);
            console.line(&title)?;
        }
        let [written_header, written_claims] = &self.inspection.written;
        part("header", &self.inspection.header, written_header.as_deref(), console)?;
        part("claims", &self.inspection.claims, written_claims.as_deref(), console)?;
        let said = match self.inspection.signature_bytes {
            Some(0) | None => "signature  none".to_owned(),
            Some(bytes) => format!("signature  {bytes} bytes, not checked"),
        };
        console.line(&said)?;
        if let Some(claims) = self.claims() {
            let times: Vec<(&str, NumericDate)> =
                [("issued", "iat"), ("not before", "nbf"), ("expires", "exp"), ("logged in", "auth_time")]
                    .into_iter()
                    .filter_map(|(label, name)| Some((label, claims.time(name).ok()??)))
                    .filter(|(_, date)| !date.is_zero())
                    .collect();
            for (label, date) in times {
                console.line(&format!("{label:<10} {}", report::date_for_people(date, now)))?;
            }
        }
        if let Some(said) = self.osdf() {
            if let Some(profile) = said.profile {
                console.line(&format!("{:<10} {}", "profile", profile.title()))?;
            }
            for words in &said.scopes {
                console.line(&format!("{:<10} {words}", "scope"))?;
            }
        }
        let warnings = self.warnings(now);
        if !warnings.is_empty() {
            let title = console.paint("1;33", "warnings");
            console.line(&title)?;
            for warning in warnings {
                console.line(&format!("  {}", warning.message))?;
            }
        }
        let title = console.paint("1", "if the signature is valid");
        console.line(&title)?;
        for (endpoint, verdict) in self.forecasts(now) {
            let answer = match verdict.first_failure() {
                None => console.paint("32", "accepts"),
                Some(_) => console.paint("31", "rejects"),
            };
            let why =
                verdict.first_failure().map(|finding| format!(": {}", finding.reason)).unwrap_or_default();
            console.line(&format!("  {:<17}{answer}{why}", endpoint.name()))?;
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
    let title = console.paint("1", label);
    let text = match seen {
        DecodedPart::Missing => "  none".to_owned(),
        DecodedPart::Json(value) => {
            // A value always serializes.
            let pretty = match written {
                Some(text) => indented(text),
                None => serde_json::to_string_pretty(value).unwrap_or_default(),
            };
            escape_lines(&pretty)
                .replace("\\\\", "\\")
                .lines()
                .map(|line| format!("  {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        }
        DecodedPart::Text(text) => format!("  {}", escape(text)),
        DecodedPart::Bytes(count) => format!("  {count} bytes that are no text"),
        DecodedPart::Raw(text) => format!("  {}", quote(text)),
    };
    console.line(&title)?;
    console.line(&text)?;
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
            let text = format!("'{name}' has commas: scopes are separated by blanks (RFC 8693 4.2)");
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
