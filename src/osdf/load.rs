//! Token resources of a file or a text, read and checked against their profile.

use std::path::{Path, PathBuf};

use super::location::{ResourceError, SourceName};
use super::resource::{FieldOverride, Resource};
use super::{reader, signing};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, FileError, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// How resources are read.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Fields that are changed before the resource is checked.
    pub overrides: Vec<FieldOverride>,
    /// Whether a warning of the profile is an error.
    pub strict: bool,
}

/// A resource and the directory to which its key file is relative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedResource {
    /// The resource.
    pub resource: Resource,
    /// The directory of the resource's file; the working directory for standard input.
    pub directory: PathBuf,
}

/// Why resources cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// An error of a resource.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

diagnostics! { LoadError:
    Self::File(error) => error.kind(), error.hint();
    Self::Resource(error) => error.kind(), error.hint();
}

/// Reads the resources of a file. `now` is the time at which their tokens are checked.
///
/// # Errors
/// [`LoadError::File`] alone, or all errors of the resources.
pub fn load_file(
    path: &Path,
    options: &LoadOptions,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<LoadedResource>, Vec<LoadError>> {
    let text = file::read_text(path, SETTINGS_LIMIT).map_err(|error| vec![error.into()])?;
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let text = zeroize::Zeroizing::new(text);
    let source = SourceName(path.to_string_lossy().into_owned());
    load(&text, &source, directory, options, now, notes)
}

/// Reads the resources of standard input; otherwise as [`load_file`].
///
/// # Errors
/// All errors of the resources.
pub fn load_stdin(
    text: &str,
    options: &LoadOptions,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<LoadedResource>, Vec<LoadError>> {
    load(text, &SourceName::standard_input(), Path::new("."), options, now, notes)
}

fn load(
    text: &str,
    source: &SourceName,
    directory: &Path,
    options: &LoadOptions,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<LoadedResource>, Vec<LoadError>> {
    let all = |errors: Vec<ResourceError>| errors.into_iter().map(LoadError::from).collect::<Vec<_>>();
    let resources = reader::read(text, source, &options.overrides, notes).map_err(all)?;
    let mut errors = Vec::new();
    for resource in &resources {
        if let Err(warnings) = signing::lint(resource, now, options.strict, notes) {
            errors.extend(all(warnings));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let directory = directory.to_owned();
    Ok(resources
        .into_iter()
        .map(|resource| LoadedResource { resource, directory: directory.clone() })
        .collect())
}
