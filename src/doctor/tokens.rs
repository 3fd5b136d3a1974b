//! Tokens and keys in the configuration and in files of other programs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::finding::{Area, Findings};
use super::remedy::{StoredToken, TokenRemedies, UserState};
use super::{DoctorClocks, DoctorRequest, EXPIRY_WARNING};
use crate::config::Settings;
use crate::policy::{Endpoint, Finding};
use crate::scan::names::TokenUse;
use crate::scan::{Occurrence, OccurrenceKind, ScanRequest, scan};
use crate::util::count::counted;
use crate::util::note::{Notes, Warning};
use crate::util::quote::escape;
use crate::util::time::{self, Timestamp};

/// The maximum size in bytes of a file that is searched.
const FILE_LIMIT: u64 = 64 << 20;

/// The time limit of the search.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The problems of tokens that fail a check. The others are warnings.
const FAILURES: [&str; 5] =
    ["expired", "key-compromised", "member-misplaced", "token-rejected", "token-malformed"];

/// Searches the configuration and the given files for tokens and keys, and checks each of them. Returns the
/// files that contain secrets.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: &Settings,
    remedies: &TokenRemedies,
    clocks: DoctorClocks<'_>,
    findings: &mut Findings,
) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = request.paths.clone();
    // A missing file is reported already.
    paths.extend(request.metric_store.clone().filter(|path| path.exists()));
    paths.extend(settings.config_file.clone());
    // Its variables override members of the configuration.
    paths.extend(settings.env_file.clone().filter(|_| !paths.is_empty()));
    if paths.is_empty() {
        return Vec::new();
    }
    let now = clocks.now();
    let scan_request = ScanRequest {
        paths,
        keys: Vec::new(),
        depends_on: None,
        expiring: None,
        max_age: None,
        follows_links: false,
        max_bytes: FILE_LIMIT,
        threads: 1,
        now,
        explains: true,
    };
    let begin = clocks.monotonic.now();
    let is_over = || clocks.monotonic.now().duration_since(begin) >= TIMEOUT;
    let mut notes = Notes::new();
    let report = match scan(&scan_request, settings, &mut io::empty(), &is_over, &mut notes) {
        Ok(report) => report,
        Err(error) => {
            findings.of(Area::Tokens, "PATH").error(&error);
            return Vec::new();
        }
    };
    for warning in report.warnings {
        findings.of(Area::Tokens, "PATH").warn(warning.check, warning.message, warning.hint);
    }
    let is_env_file = |found: &Occurrence| {
        settings.env_file.as_ref().is_some_and(|path| *path.to_string_lossy() == *found.file)
    };
    let mut with_secrets: Vec<PathBuf> = report
        .occurrences
        .iter()
        .filter(|found| found.kind != OccurrenceKind::PublicKey && found.archive_member.is_none())
        .filter(|found| !is_env_file(found))
        .map(|found| PathBuf::from(&found.file))
        .filter(|path| path.exists())
        .collect();
    with_secrets.dedup();
    // A malformed key is a finding of the settings.
    let has_own_key = settings.verifying_key(&mut Notes::new()).is_ok();
    let mut seen: Vec<&Occurrence> = Vec::new();
    for found in &report.occurrences {
        // The keys in the environment file are checked as settings.
        if is_env_file(found) && !found.kind.is_token() {
            continue;
        }
        let problems = problems(found, &seen, remedies, has_own_key, now);
        add_occurrence(found, &problems, remedies, findings);
        seen.push(found);
    }
    with_secrets
}

/// The problems of a token or key: those of the scan, and those that its use adds. `seen` are the occurrences
/// before it.
fn problems(
    found: &Occurrence,
    seen: &[&Occurrence],
    remedies: &TokenRemedies,
    has_own_key: bool,
    now: Timestamp,
) -> Vec<Warning> {
    // The access to the file is a check of the file. Entries of one file often repeat a token.
    let is_copy = seen.iter().any(|one| one.fingerprint == found.fingerprint && one.file != found.file);
    let mut problems: Vec<Warning> = found
        .problems
        .iter()
        .filter(|problem| problem.check != "file-mode" && (problem.check != "several-places" || is_copy))
        .cloned()
        .collect();
    if found.kind != OccurrenceKind::Token {
        return problems;
    }
    let mut add = |check, message: &str| problems.push(Warning::new(check, message));
    if let Some(expiry) = found.expiry.filter(|expiry| now < *expiry)
        && is_soon(expiry, found, now)
    {
        add("expires-soon", &format!("it expires {}", expiry.relative_to(now)));
    }
    let Some(token) = StoredToken::of(found) else { return problems };
    let expected: &[Endpoint] = match token.token_use() {
        TokenUse::MetricStore => &[Endpoint::MetricStore],
        // A sink sends to the server or to cc-metric-store.
        TokenUse::Api if token.is_of_sink() => {
            &[Endpoint::Api, Endpoint::MetricStoreApi, Endpoint::MetricStore]
        }
        TokenUse::Api => &[Endpoint::Api],
        TokenUse::Unknown => &[],
    };
    let is_accepted = |accepted: &[&str]| {
        expected.is_empty() || expected.iter().any(|endpoint| accepted.contains(&endpoint.name()))
    };
    // Without the user table, the verdict on the roles is not that of the server.
    let has_users = !remedies.are_users_unreadable();
    if !found.has("expired") && !found.has("token-malformed") {
        match (&found.accepted_by, &found.signed_by) {
            (_, None) if has_own_key && !expected.is_empty() && !token.may_be_of_another_program() => {
                add("token-rejected", "no key of this server verifies it: it was signed with another key");
            }
            (Some(accepted), Some(_))
                if has_users && !is_accepted(accepted) && !found.has("user-not-in-table") =>
            {
                let names: Vec<&str> = expected.iter().map(|endpoint| endpoint.title()).collect();
                let names = names.join(" or ");
                match rejection(found, expected) {
                    Some(finding) if finding.check == "roles" => {
                        add("token-rejected", &format!("its roles are not accepted by {names}"));
                    }
                    // The settings reject every token, which is a finding of its own.
                    Some(finding) if matches!(finding.check, "server" | "address") => {}
                    Some(finding) => {
                        add("token-rejected", &format!("it is not accepted by {names}: {}", finding.reason));
                    }
                    None => add("token-rejected", &format!("it is not accepted by {names}")),
                }
            }
            _ => {}
        }
    }
    if let Some(name) = &found.subject
        && found.signed_by.as_deref() == Some("own")
        && remedies.user(name) == UserState::Disabled
    {
        add("user-disabled", "its user is disabled, and the token is still valid");
    }
    if token.is_in_unit() {
        add("token-in-unit", "it is in a systemd unit: 'systemctl show' prints it to every account");
    }
    problems
}

/// The check that fails at the first of the expected endpoints.
fn rejection<'found>(found: &'found Occurrence, expected: &[Endpoint]) -> Option<&'found Finding> {
    let reasons = found.verdicts.as_ref()?.explanation.as_ref()?;
    let rejected = reasons.rejected.iter().find(|(endpoint, _)| expected.contains(endpoint));
    rejected.map(|(_, finding)| finding)
}

/// Whether a token expires soon: within two weeks, and a short token after three quarters of its lifetime. A
/// renewal is due before.
fn is_soon(expiry: Timestamp, found: &Occurrence, now: Timestamp) -> bool {
    let left = expiry.since(now);
    let issued = found.issued_at.as_deref().and_then(|text| time::parse(text, now).ok());
    let lifetime = issued.map(|issued| expiry.since(issued));
    left <= EXPIRY_WARNING.seconds() && lifetime.is_none_or(|lifetime| left < lifetime / 4)
}

/// Adds the problems of a token or key with their remedies.
fn add_occurrence(
    found: &Occurrence,
    problems: &[Warning],
    remedies: &TokenRemedies,
    findings: &mut Findings,
) {
    let mut of_item = findings.of(Area::Tokens, escape(&found.place()));
    let subject = found.subject.as_deref().map_or_else(String::new, |name| format!(" of {}", escape(name)));
    let name = format!("{}{subject}", found.kind.name());
    if problems.is_empty() {
        let days =
            found.days_left.map_or_else(String::new, |days| format!(", {} left", counted(days, "day")));
        return of_item.pass("token", format!("{name}: no problem{days}"));
    }
    for problem in problems {
        let message = format!("{name}: {}", problem.message);
        let hint = problem.hint.clone().or_else(|| remedy(problem.check, found, remedies));
        if FAILURES.contains(&problem.check) {
            of_item.fail(problem.check, message, hint);
        } else {
            of_item.warn(problem.check, message, hint);
        }
    }
}

/// The remedy of a problem: for most, a new token in the file.
fn remedy(check: &str, found: &Occurrence, remedies: &TokenRemedies) -> Option<String> {
    match check {
        "variable-overrides" => {
            return Some("delete the variable, or remove the token from this member".to_owned());
        }
        "member-misplaced" => return Some("move jwt-public-key into the section main".to_owned()),
        "token-in-unit" => {
            return Some(
                "move the variable to a file of mode 0600, and name it with EnvironmentFile=".to_owned(),
            );
        }
        _ => {}
    }
    match found.kind {
        OccurrenceKind::Token => {
            let token = StoredToken::of(found)?;
            let replaces_user =
                matches!(check, "role-too-wide" | "several-places" | "user-disabled" | "user-not-in-table");
            let is_forced = matches!(check, "bearer-prefix" | "several-places" | "token-rejected");
            Some(remedies.renewal(&token, replaces_user, is_forced))
        }
        OccurrenceKind::NatsToken => Some("write new credentials of the user into the file".to_owned()),
        _ if check == "key-compromised" => Some("replace it with the public key of this server".to_owned()),
        _ if check == "several-places" => Some("keep the key in one file only".to_owned()),
        _ => None,
    }
}
