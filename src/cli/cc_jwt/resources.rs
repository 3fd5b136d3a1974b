//! Token resources as arguments: which files, what is changed in them, where their keys are.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::remote::RemoteKeyOptions;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::stdin;
use crate::osdf::{FieldOverride, LoadOptions, LoadedResource, OverrideError, SigningContext, load};
use crate::util::environment::Environment;
use crate::util::file::SETTINGS_LIMIT;
use crate::util::note::Notes;
use crate::util::time::{Clock, Timestamp};
use crate::verify::PublishedKeys;

/// How a resource is read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resources")]
pub(super) struct ResourceOptions {
    /// Change a field before reading, such as spec.data.sub=jane
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,

    /// Make every warning about a resource an error
    #[arg(long)]
    pub(super) strict: bool,

    /// Directory with mounted Secrets and ConfigMaps: the key is DIR/NAME/KEY
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) secrets_dir: Option<PathBuf>,
}

impl ResourceOptions {
    fn overrides(&self) -> Result<Vec<FieldOverride>, UsageError> {
        self.set
            .iter()
            .map(|text| {
                FieldOverride::parse(text).map_err(|error| {
                    let shown = crate::util::quote::quote(text.split('=').next().unwrap_or_default());
                    let usage = UsageError::new(format!("--set {shown}: {error}"));
                    match error {
                        OverrideError::Form => usage.hint("such as --set spec.data.sub=jane"),
                        OverrideError::DuplicateMember(_) => usage,
                    }
                })
            })
            .collect()
    }

    /// Reads the resources of a file, or of standard input for `-`.
    pub(super) fn load(
        &self,
        path: &Path,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Vec<LoadedResource>, Failure> {
        let options = LoadOptions { overrides: self.overrides()?, strict: self.strict };
        if path == Path::new("-") {
            let text = zeroize::Zeroizing::new(stdin::read_text(SETTINGS_LIMIT)?);
            return load::load_stdin(&text, &options, now, notes).map_err(Failure::several);
        }
        load::load_file(path, &options, now, notes).map_err(Failure::several)
    }

    /// The same for several files, as one failure.
    pub(super) fn load_all(
        &self,
        paths: &[PathBuf],
        now: Timestamp,
        console: &mut Console,
    ) -> Result<Vec<LoadedResource>, Failure> {
        let mut notes = Notes::new();
        let mut loaded = Vec::new();
        let mut failures = Vec::new();
        for path in paths {
            match self.load(path, now, &mut notes) {
                Ok(resources) => loaded.extend(resources),
                Err(failure) => failures.push(failure),
            }
        }
        console.notes(notes);
        // All but the last are reported here, so that one run reports the errors of all files.
        let last = failures.pop();
        for failure in &failures {
            console.report(failure);
        }
        match last {
            Some(failure) => Err(failure),
            None => Ok(loaded),
        }
    }

    /// The places where keys are searched.
    pub(super) fn around<'a>(
        &'a self,
        environment: &'a Environment,
        directory: &'a Path,
        published: Option<&'a PublishedKeys>,
    ) -> SigningContext<'a> {
        SigningContext { environment, secrets_dir: self.secrets_dir.as_deref(), directory, published }
    }
}

/// The key set in a file or at a URL that the issuer publishes, to compare signing keys with it.
pub(super) fn published_keys(
    source: Option<&str>,
    console: &Console,
) -> Result<Option<PublishedKeys>, Failure> {
    let Some(source) = source else { return Ok(None) };
    let given = RemoteKeyOptions::of_key_set(source).given_keys("--published", Vec::new(), None, console)?;
    Ok(Some(PublishedKeys::new(given, Clock::System)))
}

/// Warns of a mode with a permission for others than the owner: the client of XRootD ignores such a file.
pub(super) fn warn_of_mode(mode: Option<u32>, console: &mut Console) {
    let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) else { return };
    console.warn(
        "token-file-mode",
        &format!(
            "--mode {mode:04o} gives access to others than the owner: xrdcp and xrdfs ignore such a token file and \
             print only 'Auth failed'"
        ),
    );
}

/// A file's mode in octal: `0600`, `640`.
///
/// # Errors
/// A usage error if the mode is invalid, or permits others to write.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode & !0o777 == 0 && mode & 0o400 != 0 && mode & 0o022 == 0 => Ok(mode),
        Ok(mode) if mode & 0o022 != 0 => Err("others could write the token".to_owned()),
        _ => Err("expected an octal mode with read permission, such as 0600 or 0640".to_owned()),
    }
}
