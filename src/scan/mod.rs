//! The scan of files for tokens and keys.
//!
//! [`ScanRequest`] -> files -> documents -> items by their form, each with its member -> verdicts and
//! problems -> [`ScanReport`]. A report never contains a token or a key, only fingerprints.
//!
//! This module does not print and does not read a clock.

mod content;
#[cfg(test)]
mod corpus;
mod document;
mod error;
mod escapes;
mod field;
mod format;
mod inventory;
mod item;
mod json;
mod jwk;
mod known_keys;
pub(crate) mod lines;
mod manifest;
mod metrics;
mod nagios;
pub(crate) mod names;
mod queue;
mod recognize;
mod report;
mod source_file;
mod tar;
#[cfg(test)]
mod testing;
pub(crate) mod token_members;
mod walk;
mod yaml;

use std::io::Read;
use std::path::PathBuf;

pub use error::ScanError;
pub use item::OccurrenceKind;
pub use metrics::write_metrics;
pub use nagios::{NagiosState, nagios_line};
pub use report::{Occurrence, ScanReport};
pub use walk::ScanCounts;

use content::Limits;
use inventory::{Evaluation, key_name};
use known_keys::{KnownKey, KnownKeys};
use walk::{Walk, Walker};

use crate::config::Settings;
use crate::key::VerifyingKey;
use crate::key::compromised::template_key;
use crate::policy::Signer;
use crate::util::count::{counted, one_or};
use crate::util::duration::GoDuration;
use crate::util::note::{Notes, Warning};
use crate::util::time::Timestamp;
use crate::verify::{StoredTokenVerifier, VerifyError, read_known_keys};

/// The name of the sample key of ClusterCockpit's template.
const TEMPLATE_KEY: &str = "sample-key";

/// What is searched, and what counts as a problem.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Files and directories; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Additional known keys: a name and a file.
    pub keys: Vec<(String, PathBuf)>,
    /// Only tokens that the key in this file signed, and its copies.
    pub depends_on: Option<PathBuf>,
    /// The time before the expiry at which a token has a problem.
    pub expiring: Option<GoDuration>,
    /// The age after which a token has a problem.
    pub max_age: Option<GoDuration>,
    /// Whether symbolic links are followed.
    pub follows_links: bool,
    /// The maximum size in bytes of a file.
    pub max_bytes: u64,
    /// The number of threads.
    pub threads: usize,
    /// The time of the checks.
    pub now: Timestamp,
    /// Whether the results have the reasons of rejections, which need memory.
    pub explains: bool,
}

/// Scans files. `is_over` returns whether the time limit is reached.
///
/// # Errors
/// [`ScanError`]; a file in a directory that cannot be read is a warning of the report.
pub fn scan(
    request: &ScanRequest,
    settings: &Settings,
    stdin: &mut dyn Read,
    is_over: &(dyn Fn() -> bool + Sync),
    notes: &mut Notes,
) -> Result<ScanReport, ScanError> {
    let state = State::open(request, settings, request.explains, notes)?;
    let walk = walk(request, &state.known, stdin, is_over)?;
    Ok(state.report(&walk))
}

/// Scans files once for two states of a server: the present one and a planned one. Both requests have the
/// same paths and limits. The reports are those of two scans; the occurrences of an item have the same index.
///
/// # Errors
/// As [`scan`].
pub fn scan_states(
    states: [(&ScanRequest, &Settings); 2],
    stdin: &mut dyn Read,
    is_over: &(dyn Fn() -> bool + Sync),
    notes: &mut Notes,
) -> Result<[ScanReport; 2], ScanError> {
    let [present, planned] = states;
    let states =
        [State::open(present.0, present.1, true, notes)?, State::open(planned.0, planned.1, true, notes)?];
    let known = states[0].known.union(&states[1].known);
    let walk = walk(present.0, &known, stdin, is_over)?;
    Ok(states.map(|state| state.report(&walk)))
}

fn walk(
    request: &ScanRequest,
    known: &KnownKeys,
    stdin: &mut dyn Read,
    is_over: &(dyn Fn() -> bool + Sync),
) -> Result<Walk, ScanError> {
    let limits = Limits { bytes: request.max_bytes, is_over };
    let walker = Walker { known, limits, follows_links: request.follows_links, threads: request.threads };
    walker.walk(&request.paths, stdin)
}

/// What the verdicts of a scan depend on: the keys, the settings and the time.
struct State<'a> {
    request: &'a ScanRequest,
    verifier: StoredTokenVerifier,
    known: KnownKeys,
    /// The names of the keys of `--depends-on`.
    depends_on: Option<Vec<String>>,
}

impl<'a> State<'a> {
    fn open(
        request: &'a ScanRequest,
        settings: &Settings,
        explains: bool,
        notes: &mut Notes,
    ) -> Result<Self, ScanError> {
        let RequestKeys { server, others: mut known } = RequestKeys::read(request, notes)?;
        let verifier = StoredTokenVerifier::open(settings, server, request.now, explains, notes);
        let server_keys = verifier
            .keys()
            .map(|(signer, key)| KnownKey { name: key_name(signer).to_owned(), key: key.clone() });
        known.splice(0..0, server_keys);
        known.extend(template_key().map(|key| KnownKey { name: TEMPLATE_KEY.to_owned(), key }));
        let depends_on = match &request.depends_on {
            Some(path) => Some(dependency_keys(path, request, &mut known, notes)?),
            None => None,
        };
        Ok(Self { request, verifier, known: KnownKeys::new(known), depends_on })
    }

    fn report(&self, walk: &Walk) -> ScanReport {
        let mut occurrences =
            Evaluation::new(self.request, &self.known, &self.verifier).occurrences(&walk.files);
        if let Some(names) = &self.depends_on {
            occurrences
                .retain(|occurrence| occurrence.signed_by.as_ref().is_some_and(|name| names.contains(name)));
        }
        let warnings = warnings(walk);
        ScanReport { complete: warnings.is_empty(), occurrences, files: walk.counts, warnings }
    }
}

/// The keys of a request.
#[derive(Default)]
struct RequestKeys {
    /// The keys that replace a key of the server.
    server: Vec<(Signer, VerifyingKey)>,
    others: Vec<KnownKey>,
}

impl RequestKeys {
    fn read(request: &ScanRequest, notes: &mut Notes) -> Result<Self, VerifyError> {
        let mut keys = Self::default();
        for (name, path) in &request.keys {
            for key in read_known_keys(path, request.now, notes)? {
                match name.as_str() {
                    "own" => keys.server.push((Signer::Own, key)),
                    "cross-login" => keys.server.push((Signer::CrossLogin, key)),
                    _ => keys.others.push(KnownKey { name: name.clone(), key }),
                }
            }
        }
        Ok(keys)
    }
}

/// Returns the names of the keys in a file. A key without a name gets that of the file.
fn dependency_keys(
    path: &std::path::Path,
    request: &ScanRequest,
    known: &mut Vec<KnownKey>,
    notes: &mut Notes,
) -> Result<Vec<String>, VerifyError> {
    let mut names = Vec::new();
    for key in read_known_keys(path, request.now, notes)? {
        let same = known.iter().find(|known| known.is_same_key(&key));
        let name = match same {
            Some(known) => known.name.clone(),
            None => {
                let mut name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                // A name that another key has would report the tokens of that key too.
                if known.iter().any(|known| known.name == name) {
                    name = path.to_string_lossy().into_owned();
                }
                while known.iter().any(|known| known.name == name) {
                    name.push('\'');
                }
                known.push(KnownKey { name: name.clone(), key });
                name
            }
        };
        names.push(name);
    }
    Ok(names)
}

/// What was not searched.
fn warnings(walk: &Walk) -> Vec<Warning> {
    let mut warnings: Vec<Warning> =
        walk.errors.iter().map(|error| Warning::new("file-not-scanned", error.to_string())).collect();
    let more = walk.counts.unreadable.saturating_sub(walk.errors.len() as u64);
    if more > 0 {
        warnings
            .push(Warning::new("file-not-scanned", format!("{} cannot be read", counted(more, "more file"))));
    }
    if walk.counts.too_large > 0 {
        let count = walk.counts.too_large;
        let (files, are) = (counted(count, "file"), one_or(count, "is", "are"));
        let message = format!("{files} {are} larger than --max-size: only the beginning was searched");
        warnings.push(Warning::new("scan-limit", message));
    }
    if walk.counts.unlisted > 0 {
        let count = walk.counts.unlisted;
        let message = format!("tokens and keys beyond 10,000 of a file are not listed: {count}");
        warnings.push(Warning::new("scan-limit", message));
    }
    if walk.is_timed_out {
        warnings.push(Warning::new("scan-limit", "the time limit was reached: not all files were searched"));
    }
    warnings
}
