//! `cc-jwt spec`: look at resources before they are used, write one to start from.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;
use serde_json::Value;

use super::resources::{ResourceOptions, published_keys};
use super::spec_issue::{self, SpecIssue};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::style;
use crate::key::{Algorithm, KeyStrength, SigningKey, read_signing, thumbprint};
use crate::osdf::signing::{find_key, payload};
use crate::osdf::template::ResourceTemplate;
use crate::osdf::{LoadedResource, Resource, ResourceKeySource, SigningContext, SigningError, published};
use crate::policy::profile::{Recognition, recognize};
use crate::policy::scope::Scopes;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, FileContents, FileError, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::note::{Notes, Warning};
use crate::util::quote::{quote, quote_path};
use crate::util::time::{Clock, human_span};

/// Issue and check tokens of resources, or write a resource to start from
#[derive(Debug, Args)]
pub(super) struct SpecArguments {
    #[command(subcommand)]
    verb: SpecVerb,
}

#[derive(Debug, Subcommand)]
enum SpecVerb {
    Check(Check),
    New(New),
    Issue(Box<SpecIssue>),
}

/// Check resources and their keys, and print all errors
#[derive(Debug, Args)]
struct Check {
    /// The resources, YAML or JSON; - is standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Do not read the keys
    #[arg(long)]
    no_key: bool,

    /// Compare key and key ID with the key set (JWKS) that the issuer publishes
    #[arg(long, value_name = "FILE|URL", conflicts_with = "no_key", value_hint = ValueHint::FilePath)]
    published: Option<String>,

    #[command(flatten)]
    resources: ResourceOptions,
}

/// Write a commented resource to start from
#[derive(Debug, Args)]
struct New {
    /// metadata.name: the Secret's name
    #[arg(long, value_name = "NAME", default_value = "my-token")]
    name: String,

    /// spec.issuer: the issuer's https URL
    #[arg(long, value_name = "URL", default_value = "https://issuer.example.org")]
    issuer: String,

    /// spec.keyId: the key ID in the issuer's key set
    ///
    /// Default: the RFC 7638 thumbprint of the key in the file of --key, as 'cc-jwt jwks' publishes it; key-1 if
    /// there is no such file.
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// spec.algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = "ES256", add = super::complete::public_key_algorithms())]
    algorithm: String,

    /// spec.data.sub: the subject of the token
    #[arg(long, value_name = "SUBJECT", default_value = "jane.doe")]
    subject: String,

    /// spec.data.scope: the permitted operations
    #[arg(long, value_name = "SCOPE", default_value = "storage.read:/ storage.create:/jane.doe")]
    scope: String,

    /// spec.key.file: the private key
    #[arg(long, value_name = "FILE", default_value = "key.pem", value_hint = ValueHint::FilePath)]
    key: String,

    /// Write to FILE instead of to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &SpecArguments, console: &mut Console) -> Result<ExitStatus, Failure> {
    match &arguments.verb {
        SpecVerb::Check(check) => check.run(console),
        SpecVerb::New(new) => new.run(console),
        SpecVerb::Issue(issue) => spec_issue::run(issue, console),
    }
}

impl Check {
    fn run(&self, console: &mut Console) -> Result<ExitStatus, Failure> {
        let now = Clock::System.now();
        let environment = console.environment().clone();
        let mut status = ExitStatus::Success;
        let mut found = Vec::new();
        let mut fail = |failure: Failure, console: &mut Console| {
            if status == ExitStatus::Success {
                status = failure.status();
            }
            console.report(&failure);
        };
        let mut notes = Notes::new();
        let published = published_keys(self.published.as_deref(), console)?;
        for path in &self.files {
            let loaded = match self.resources.load(path, now, &mut notes) {
                Ok(loaded) => loaded,
                Err(failure) => {
                    fail(failure, console);
                    continue;
                }
            };
            for LoadedResource { resource, directory } in loaded {
                let unreachable = matches!(resource.key, ResourceKeySource::Mounted { .. })
                    && self.resources.secrets_dir.is_none();
                if self.no_key || unreachable {
                    if !self.no_key {
                        notes.note(format!(
                            "{}: its key is in a Secret or ConfigMap and was not tried: give --secrets-dir DIR",
                            quote(&resource.name)
                        ));
                    }
                } else {
                    let around = self.resources.around(&environment, &directory, published.as_ref());
                    match find_key(&resource, &around, &mut notes) {
                        Ok(key) => match compare_published(&resource, &key, &around, &mut notes) {
                            Ok(()) => {}
                            Err(error) => {
                                console.notes(notes);
                                return Err(error.into());
                            }
                        },
                        Err(error) => {
                            fail(error.into(), console);
                            continue;
                        }
                    }
                }
                found.push(resource);
            }
        }
        if console.is_json() {
            console.json(&SpecCheckReport {
                valid: status == ExitStatus::Success,
                resources: found.iter().map(ResourceReport::of).collect(),
                warnings: warnings(notes),
            })?;
        } else {
            console.notes(notes);
            for resource in &found {
                show(resource, console)?;
            }
        }
        Ok(status)
    }
}

/// Compares the key of a resource with the published keys, with `--published`.
fn compare_published(
    resource: &Resource,
    key: &SigningKey,
    around: &SigningContext<'_>,
    notes: &mut Notes,
) -> Result<(), SigningError> {
    let Some(keys) = around.published else { return Ok(()) };
    if let Some(warning) = published::fault(resource, key, keys, notes)? {
        notes.add_warning(warning);
    }
    Ok(())
}

/// The report of `cc-jwt spec check`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SpecCheckReport<'a> {
    /// Whether there is no error.
    valid: bool,
    /// The valid resources.
    resources: Vec<ResourceReport<'a>>,
    /// The warnings and notes about the resources.
    warnings: Vec<Warning>,
}

/// A valid resource.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ResourceReport<'a> {
    /// The file of the resource, or `standard input`.
    file: &'a str,
    /// `metadata.name`.
    name: &'a str,
    /// `metadata.namespace`.
    namespace: Option<&'a str>,
    /// `spec.issuer`: the issuer of the token (`iss`).
    issuer: &'a str,
    /// `spec.keyId`: the key ID in the header of the token.
    kid: &'a str,
    /// `spec.algorithm`.
    algorithm: &'static str,
    /// The lifetime of the token.
    lifetime_seconds: i64,
    /// The time before the expiry at which the token is renewed; null if it is not renewed.
    resign_before_seconds: Option<i64>,
    /// The profile that the token follows: `wlcg`, `scitokens2` or `scitokens1`; null for no profile or two profiles.
    profile: Option<&'static str>,
    /// The operations that the scope permits, as text.
    scopes: Vec<String>,
}

/// The notes of a check as warnings of its report.
fn warnings(notes: Notes) -> Vec<Warning> {
    notes
        .into_iter()
        .map(|note| Warning { check: note.check.unwrap_or("resource"), message: note.text, hint: note.hint })
        .collect()
}

fn profile_of(resource: &Resource) -> Option<&'static str> {
    match recognize(&payload(resource, crate::util::time::Timestamp(0), "")) {
        Recognition::Profile(profile) => Some(profile.name()),
        Recognition::Both | Recognition::None => None,
    }
}

fn scopes(resource: &Resource) -> Vec<String> {
    let scope = resource.data.get("scope").and_then(Value::as_str).unwrap_or_default();
    Scopes::parse(scope).describe()
}

impl<'a> ResourceReport<'a> {
    fn of(resource: &'a Resource) -> Self {
        Self {
            file: &resource.source.0,
            name: &resource.name,
            namespace: resource.namespace.as_deref(),
            issuer: &resource.issuer,
            kid: &resource.kid,
            algorithm: resource.algorithm.name(),
            lifetime_seconds: resource.lifetime,
            resign_before_seconds: resource.resign_before,
            profile: profile_of(resource),
            scopes: scopes(resource),
        }
    }
}

/// The report of `cc-jwt spec new`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SpecNewReport<'a> {
    /// The file that was written; null without `--output`.
    file: Option<&'a Path>,
    /// `spec.keyId` of the resource.
    kid: &'a str,
    /// The resource as YAML; null with `--output`.
    resource: Option<&'a str>,
}

fn show(resource: &Resource, console: &mut Console) -> Result<(), Failure> {
    let span = |seconds: i64| human_span(seconds.unsigned_abs());
    let valid = console.paint(style::PASS, "valid");
    console.report_line(&format!("{} is {valid}", quote(&resource.name)))?;
    console.report_line(&format!("  issuer    {}", quote(&resource.issuer)))?;
    console.report_line(&format!("  key       {}, {}", quote(&resource.kid), resource.algorithm))?;
    let renewed = resource.resign_before.map_or_else(
        || "not renewed before it expires".to_owned(),
        |before| format!("renewed {} before it expires", span(before)),
    );
    console.report_line(&format!("  lifetime  {}, {renewed}", span(resource.lifetime)))?;
    if let Some(before) = resource.resign_before {
        let least = span(before);
        console.report_line(&format!("  readers   get at least {least}: a longer transfer can fail"))?;
    }
    if let Some(profile) = profile_of(resource) {
        console.report_line(&format!("  profile   {profile}"))?;
    }
    for words in scopes(resource) {
        console.report_line(&format!("  scope     {words}"))?;
    }
    Ok(())
}

impl New {
    fn run(&self, console: &mut Console) -> Result<ExitStatus, Failure> {
        let algorithm: Algorithm =
            self.algorithm.parse().map_err(|error| UsageError::new(format!("--algorithm: {error}")))?;
        if algorithm.is_symmetric() {
            return Err(UsageError::new(format!(
                "--algorithm: {algorithm} is for HMAC secrets: expected one whose verifying key may be public"
            ))
            .into());
        }
        let kid = self.key_id(console)?;
        let text = ResourceTemplate {
            name: &self.name,
            issuer: &self.issuer,
            kid: &kid,
            algorithm,
            subject: &self.subject,
            scope: &self.scope,
            key_file: &self.key,
        }
        .to_yaml();
        match self.output.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let existing = if self.force { Existing::Replace } else { Existing::Reject };
                file::write(path, text.as_bytes(), PUBLIC_MODE, existing)?;
                warn_if_not_owner([path], console);
                if console.is_json() {
                    console.json(&SpecNewReport { file: Some(path), kid: &kid, resource: None })?;
                }
                console.note(&format!(
                    "check it: cc-jwt spec check {}",
                    file::shell_word(&path.to_string_lossy())
                ));
            }
            None if console.is_json() => {
                console.json(&SpecNewReport { file: None, kid: &kid, resource: Some(&text) })?;
            }
            None => console.text(&text)?,
        }
        Ok(ExitStatus::Success)
    }

    /// The key ID: the given one, else the one under which `cc-jwt jwks` publishes the key.
    fn key_id(&self, console: &mut Console) -> Result<String, Failure> {
        const UNKNOWN: &str = "key-1";
        if let Some(kid) = &self.kid {
            return Ok(kid.clone());
        }
        // The key file is beside the resource.
        let directory = self.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let path = directory.join(&self.key);
        let mut notes = Notes::new();
        let bytes = match file::read_named(&path, SETTINGS_LIMIT, FileContents::Secret, &mut notes) {
            Ok(bytes) => zeroize::Zeroizing::new(bytes),
            Err(FileError::Missing(_)) => return Ok(UNKNOWN.to_owned()),
            Err(error) => return Err(error.into()),
        };
        let key = read_signing(&bytes, KeyStrength::Enforce, &mut notes)
            .map_err(|error| error.at(quote_path(&path)))?
            .verifying_key();
        console.notes(notes);
        Ok(key.public_key().map_or_else(|| UNKNOWN.to_owned(), thumbprint))
    }
}
