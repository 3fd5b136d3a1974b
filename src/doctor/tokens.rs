//! Tokens and keys in the configuration and in files of other programs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::finding::{Area, Findings};
use super::{DoctorClocks, DoctorRequest, EXPIRY_WARNING};
use crate::config::{Settings, Variable};
use crate::key::verifying::server_base64;
use crate::scan::{Occurrence, OccurrenceKind, ScanRequest, scan};
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::json;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote_path};

/// The maximum size in bytes of a file that is searched.
const FILE_LIMIT: u64 = 64 << 20;

/// The time limit of the search.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The problems of tokens that fail a check. The others are warnings.
const FAILURES: [&str; 3] = ["expired", "key-compromised", "member-misplaced"];

/// Searches the configuration and the given files for tokens and keys, and checks each of them. Returns the
/// files that contain secrets.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: Option<&Settings>,
    clocks: DoctorClocks<'_>,
    findings: &mut Findings,
) -> Vec<PathBuf> {
    if let Some(path) = &request.metric_store {
        metric_store(path, settings, findings);
    }
    let Some(settings) = settings else { return Vec::new() };
    let mut paths: Vec<PathBuf> = request.paths.clone();
    // A missing file is reported already.
    paths.extend(request.metric_store.clone().filter(|path| path.exists()));
    paths.extend(settings.config_file.clone());
    if paths.is_empty() {
        return Vec::new();
    }
    let scan_request = ScanRequest {
        paths,
        keys: Vec::new(),
        depends_on: None,
        expiring: Some(EXPIRY_WARNING),
        max_age: None,
        follows_links: false,
        max_bytes: FILE_LIMIT,
        threads: 1,
        now: clocks.now(),
    };
    let begin = clocks.monotonic.now();
    let is_over = || clocks.monotonic.now().duration_since(begin) >= TIMEOUT;
    let mut notes = Notes::new();
    let report = match scan(&scan_request, settings, &mut io::empty(), &is_over, &mut notes) {
        Ok(report) => report,
        Err(error) => {
            findings.of(Area::Tokens, "the files").error(&error);
            return Vec::new();
        }
    };
    for warning in report.warnings {
        findings.of(Area::Tokens, "the files").warn(warning.check, warning.message, warning.hint);
    }
    let mut with_secrets: Vec<PathBuf> = report
        .occurrences
        .iter()
        .filter(|found| found.kind != OccurrenceKind::PublicKey && found.archive_member.is_none())
        .map(|found| PathBuf::from(&found.file))
        .filter(|path| path.exists())
        .collect();
    with_secrets.dedup();
    report.occurrences.iter().for_each(|found| add_occurrence(found, findings));
    with_secrets
}

/// Adds the problems of a token or key.
fn add_occurrence(found: &Occurrence, findings: &mut Findings) {
    let mut of_item = findings.of(Area::Tokens, escape(&found.place()));
    let subject = found.subject.as_deref().map_or_else(String::new, |name| format!(" of {}", escape(name)));
    let name = format!("{}{subject}", found.kind.name());
    // The access to the file is a check of the file.
    let mut problems = found.problems.iter().filter(|problem| problem.check != "file-mode").peekable();
    if problems.peek().is_none() {
        let days = found.days_left.map_or_else(String::new, |days| format!(", {days} days left"));
        return of_item.pass("token", format!("{name}: no problem{days}"));
    }
    for problem in problems {
        let message = format!("{name}: {}", problem.message);
        if FAILURES.contains(&problem.check) {
            of_item.fail(problem.check, message, problem.hint.clone());
        } else {
            of_item.warn(problem.check, message, problem.hint.clone());
        }
    }
}

/// The parts of a configuration of cc-metric-store.
#[derive(Deserialize)]
struct MetricStoreConfig {
    main: Option<MetricStoreMain>,
    #[serde(rename = "jwt-public-key")]
    root_key: Option<String>,
}

#[derive(Deserialize)]
struct MetricStoreMain {
    #[serde(rename = "jwt-public-key")]
    key: Option<String>,
}

/// Checks that cc-metric-store verifies tokens with the public key of this server.
fn metric_store(path: &Path, settings: Option<&Settings>, findings: &mut Findings) {
    let mut of_file = findings.of(Area::Tokens, quote_path(path));
    let bytes = match file::read(path, SETTINGS_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => return of_file.error(&error),
    };
    let config: MetricStoreConfig = match json::typed(&bytes) {
        Ok(config) => config,
        Err(error) => {
            return of_file.fail(
                "metric-store-config",
                format!("the configuration of cc-metric-store is not valid: {error}"),
                None,
            );
        }
    };
    // A program that has a section 'main' ignores the member at the root.
    let key = match config.main {
        Some(main) => main.key,
        None => config.root_key,
    };
    let own = settings.and_then(|settings| settings.secret(Variable::JwtPublicKey));
    let own_text = own.map(|secret| secret.text.expose());
    let set = |text: &str| format!("set jwt-public-key in the section main to {text}");
    let remedy = own_text.filter(|text| server_base64(text).is_ok()).map(set);
    match key.filter(|key| !key.is_empty()) {
        None => of_file.fail(
            "metric-store-open",
            "jwt-public-key is not set: cc-metric-store verifies no tokens and accepts every request",
            remedy,
        ),
        Some(key) => match (server_base64(&key), own_text.map(server_base64)) {
            (Err(error), _) => of_file.fail("metric-store-key", format!("jwt-public-key: {error}"), remedy),
            (Ok(key), Some(Ok(own))) if key != own => of_file.fail(
                "metric-store-key",
                "jwt-public-key is not the public key of this server, whose tokens are rejected",
                remedy,
            ),
            (Ok(_), Some(Ok(_))) => {
                of_file.pass("metric-store-key", "cc-metric-store accepts the tokens of this server");
            }
            (Ok(_), _) => {
                of_file.skip("metric-store-key", "the public key of this server is not known");
            }
        },
    }
}
