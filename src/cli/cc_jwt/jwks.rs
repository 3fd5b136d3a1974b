//! `cc-jwt jwks`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde::Serialize;

use super::resources::ResourceOptions;
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::settings;
use crate::key::{Algorithm, Jwk, KeyStrength, read_public, read_signing};
use crate::osdf::LoadedResource;
use crate::osdf::jwks_document::{
    DISCOVERY_FILE, DiscoveryDocument, JwksDocumentError, KEY_SET_FILE, PublishedKey, discovery, dropped,
    key_set,
};
use crate::osdf::signing::find_key;
use crate::policy::issuer_slash_warning;
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, FileContents, FileError, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::json_text::indented;
use crate::util::note::Notes;
use crate::util::quote::{escape_json, quote, quote_path};
use crate::util::time::Timestamp;

/// Write the key set and the discovery document of an issuer
///
/// The keys have the order of the arguments; the first one signs. For a rotation, name the new key and
/// the old one, and omit the old one when its last token has expired. Only public keys are written,
/// also if a file contains a private key.
#[derive(Debug, Args)]
pub(super) struct Jwks {
    /// A key: PEM or JWK, private or public, a key set, or a directory of *.pem files; KID= names it
    #[arg(value_name = "[KID=]FILE", value_hint = ValueHint::FilePath)]
    keys: Vec<String>,

    /// Use the key and the key ID of the resources in FILE; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    spec: Vec<PathBuf>,

    /// Use the server's key, JWT_PUBLIC_KEY
    #[arg(long)]
    server: bool,

    /// The issuer's https URL [default: that of the resource]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// Algorithm of keys whose form does not name one [default for RSA: RS256]
    #[arg(long, value_name = "ALGORITHM", add = super::complete::public_key_algorithms())]
    algorithm: Option<String>,

    /// Write jwks.json and .well-known/openid-configuration below DIR, ready to be uploaded
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out_dir: Option<PathBuf>,

    /// Document to print
    #[arg(long, value_name = "WHICH", default_value = "jwks", conflicts_with = "out_dir")]
    document: Document,

    /// Write even if a key that is published now is missing in the new set
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    resources: ResourceOptions,

    #[command(flatten)]
    at: AtOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Document {
    /// The key set
    Jwks,
    /// The discovery document
    Discovery,
}

/// The report: a key set (RFC 7517).
///
/// The key set is printed as text, so that unknown members of its keys stay as they are.
#[cfg(test)]
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct JwksReport {
    /// The public keys as JWKs, in the order given; the first one signs.
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The report: the files that were written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct JwksFilesReport<'a> {
    /// The files: the key set and the discovery document.
    files: [&'a Path; 2],
}

pub(super) fn run(
    arguments: &Jwks,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let now = arguments.at.clock()?.now();
    let algorithm = arguments
        .algorithm
        .as_deref()
        .map(|name| name.parse::<Algorithm>())
        .transpose()
        .map_err(|error| UsageError::new(format!("--algorithm: {error}")))?;
    let mut notes = Notes::new();
    let mut keys = Vec::new();
    for text in &arguments.keys {
        keys.extend(from_file(text, algorithm, &mut notes)?);
    }
    let mut issuer = arguments.issuer.clone();
    let mut life = None;
    let mut is_issuer_checked = false;
    let environment = console.environment().clone();
    for LoadedResource { resource, directory } in
        arguments.resources.load_all(&arguments.spec, now, console)?
    {
        let around = arguments.resources.around(&environment, &directory, None);
        let key = find_key(&resource, &around, &mut notes)?.verifying_key();
        let place = quote(&resource.name);
        keys.push(PublishedKey::new(
            &key,
            Some(&resource.kid),
            Some(resource.algorithm),
            &place,
            &mut notes,
        )?);
        life = life.max(Some(resource.lifetime));
        is_issuer_checked |= arguments.issuer.as_ref() == Some(&resource.issuer);
        match &issuer {
            None => issuer = Some(resource.issuer.clone()),
            Some(known) if *known != resource.issuer && arguments.issuer.is_none() => {
                return Err(UsageError::new(format!(
                    "the resources have different issuers, {} and {}",
                    quote(known),
                    quote(&resource.issuer)
                ))
                .hint("make a key set for each")
                .into());
            }
            Some(_) => {}
        }
    }
    if arguments.server {
        let key = settings::load(options, console)?.verifying_key(&mut notes)?;
        keys.push(PublishedKey::new(&key, None, algorithm, "JWT_PUBLIC_KEY", &mut notes)?);
    }
    // The check of a resource prints the same warning for its issuer.
    let issuer_option = arguments.issuer.as_deref().filter(|_| !is_issuer_checked);
    if let Some((reason, hint)) = issuer_option.and_then(issuer_slash_warning) {
        notes.warn_with("issuer-trailing-slash", reason, hint);
    }
    let set = key_set(&keys, &mut notes)?;
    let expected = arguments.out_dir.is_some() || arguments.document == Document::Discovery;
    let document = match issuer {
        Some(issuer) => Some(discovery(&issuer)?),
        None if expected => {
            return Err(UsageError::new("no issuer: the discovery document names it")
                .hint("give --issuer https://ISSUER, or --spec FILE")
                .into());
        }
        None => None,
    };
    note_rotation(&keys, life, now, &mut notes);
    console.notes(notes);
    match (&arguments.out_dir, document) {
        (Some(directory), Some(document)) => arguments.write(directory, &set, &document, &keys, console)?,
        (None, Some(document)) if arguments.document == Document::Discovery => console.json(&document)?,
        _ => console.json_text(&set)?,
    }
    Ok(ExitStatus::Success)
}

/// The keys of an argument `FILE` or `KID=FILE`.
fn from_file(
    text: &str,
    algorithm: Option<Algorithm>,
    notes: &mut Notes,
) -> Result<Vec<PublishedKey>, Failure> {
    let (kid, path) = match text.split_once('=') {
        Some((kid, path)) if !Path::new(text).exists() && !kid.is_empty() => (Some(kid), Path::new(path)),
        _ => (None, Path::new(text)),
    };
    if path.is_dir() {
        return from_directory(path, kid, algorithm, notes);
    }
    let place = quote_path(path);
    let bytes = zeroize::Zeroizing::new(file::read_named(path, SETTINGS_LIMIT, FileContents::Public, notes)?);
    let fault = |error: crate::key::KeyError| error.at(place.clone());
    let content =
        zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned());
    let is_json = content.trim_start().starts_with('{');
    let jwk = if is_json { Some(Jwk::parse(content.trim_start()).map_err(fault)?) } else { None };
    if jwk.as_ref().is_some_and(Jwk::is_set) {
        let mut keys = PublishedKey::all_of(&content, algorithm, &place, notes)?;
        match (kid, keys.as_mut_slice()) {
            (None, _) => {}
            (Some(kid), [only]) => only.kid = Some(kid.to_owned()),
            (Some(_), keys) => {
                let count = keys.len();
                return Err(UsageError::new(format!("{place} has {count} keys, a key ID is for one")).into());
            }
        }
        return Ok(keys);
    }
    let is_private = content.contains("PRIVATE KEY-----") || jwk.as_ref().is_some_and(Jwk::is_secret);
    let key = if is_private {
        read_signing(&bytes, KeyStrength::Enforce, notes).map_err(fault)?.verifying_key()
    } else {
        read_public(&bytes, KeyStrength::Enforce, notes).map_err(fault)?.key
    };
    Ok(vec![PublishedKey::new(&key, kid, algorithm, &place, notes)?])
}

/// The keys of a directory, as Pelican has them: each file whose name ends in `.pem`, in the order of their
/// names; the first one signs.
fn from_directory(
    directory: &Path,
    kid: Option<&str>,
    algorithm: Option<Algorithm>,
    notes: &mut Notes,
) -> Result<Vec<PublishedKey>, Failure> {
    let place = quote_path(directory);
    if kid.is_some() {
        return Err(UsageError::new(format!("{place} is a directory, a key ID is for one key")).into());
    }
    let mut keys = Vec::new();
    for path in file::list(directory, "pem")? {
        keys.extend(from_file(&path.to_string_lossy(), algorithm, notes)?);
    }
    if keys.is_empty() {
        return Err(UsageError::new(format!("{place} does not have a file whose name ends in .pem")).into());
    }
    Ok(keys)
}

/// What to do when, for several keys.
fn note_rotation(keys: &[PublishedKey], life: Option<i64>, now: Timestamp, notes: &mut Notes) {
    let [first, old @ ..] = keys else { return };
    if old.is_empty() {
        return;
    }
    let names: Vec<String> = old.iter().map(PublishedKey::name).collect();
    let when = life.map_or_else(
        || "when the last token signed with it has ended".to_owned(),
        |life| {
            format!(
                "{} after it last signed: on {} if that was now",
                counted(life, "second"),
                now.plus_seconds(life).rfc3339()
            )
        },
    );
    notes.note(format!(
        "rotation: publish this set, sign with {} a day later, when validators have read it; leave out {} {when}",
        first.name(),
        names.join(", "),
    ));
}

impl Jwks {
    /// The document that is printed.
    pub(super) const fn document_name(&self) -> &'static str {
        match self.document {
            Document::Jwks => "jwks",
            Document::Discovery => "discovery",
        }
    }

    fn write(
        &self,
        directory: &Path,
        set: &str,
        document: &DiscoveryDocument,
        keys: &[PublishedKey],
        console: &mut Console,
    ) -> Result<(), Failure> {
        let path = directory.join(KEY_SET_FILE);
        match file::read_output(&path, SETTINGS_LIMIT) {
            Ok(old) if !self.force => {
                let dropped = dropped(&old, keys)
                    .map_err(|error| JwksDocumentError::NotKeySet { path: path.clone(), error })?;
                if !dropped.is_empty() {
                    return Err(Failure::several(dropped.into_iter().map(JwksDocumentError::Dropped)));
                }
            }
            Ok(_) | Err(FileError::Missing(_)) => {}
            Err(other) => return Err(other.into()),
        }
        let well_known = directory.join(DISCOVERY_FILE);
        let parent = well_known.parent().unwrap_or(directory);
        // For a web server of another account, whatever the mask of this process.
        file::create_directory_all(parent, file::PUBLIC_DIRECTORY_MODE)?;
        // The set first: a discovery document that leads nowhere is worse than none.
        let document = serde_json::json!(document).to_string();
        for (path, content) in [(&path, set), (&well_known, &document)] {
            let mut text = escape_json(&indented(content)).into_owned();
            text.push('\n');
            file::write(path, text.as_bytes(), PUBLIC_MODE, Existing::Replace)?;
            if console.is_json() {
                continue;
            }
            console.report_line(&path.to_string_lossy())?;
        }
        warn_if_not_owner([path.as_path(), &well_known], console);
        if console.is_json() {
            console.json(&JwksFilesReport { files: [&path, &well_known] })?;
        }
        Ok(())
    }
}
