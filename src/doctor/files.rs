//! Access to the files that contain secrets.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::DoctorRequest;
use super::finding::{Area, Findings};
use crate::config::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Settings, Sources};
use crate::util::file::{self, ModeChange};
use crate::util::note::Notes;
use crate::util::quote::quote_path;

/// The checks of the access to a file.
pub(super) const CHECKS: [&str; 3] = ["file-mode", "file-owner", "file-replaceable"];

/// The permissions of a file with secrets.
const PRIVATE: u32 = 0o600;

/// The permissions of a file without secrets.
const SHARED: u32 = 0o755;

/// The permissions of a file with secrets, with read access for the group of the server.
const GROUP_READABLE: u32 = 0o640;

/// Removes the write access of other accounts to the files of the settings, which would not be read
/// otherwise.
pub(super) fn fix_settings(request: &DoctorRequest, findings: &mut Findings) {
    let Sources { config, env_file, .. } = &request.sources;
    for (given, default, permitted) in
        [(env_file, DEFAULT_ENV_FILE, GROUP_READABLE), (config, DEFAULT_CONFIG, SHARED)]
    {
        let path = given.as_ref().map_or(Path::new(default), |given| &given.value);
        if path.exists() {
            restrict(path, permitted, findings);
        }
    }
}

fn restrict(path: &Path, permitted: u32, findings: &mut Findings) {
    match file::restrict_mode(path, permitted) {
        Ok(Some(ModeChange { before, after })) => {
            findings.add_fixed(path);
            findings
                .of(Area::Files, quote_path(path))
                .pass("file-mode", format!("the mode was {before:04o} and is now {after:04o}"));
        }
        Ok(None) => {}
        Err(error) => findings.of(Area::Files, quote_path(path)).error(&error),
    }
}

/// Checks who has access to the environment file, the files with tokens and the database.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: Option<&Settings>,
    with_tokens: &[PathBuf],
    findings: &mut Findings,
) {
    let database = settings.map(|settings| settings.db.value.as_path()).filter(|path| path.exists());
    // The group of the database is that of the server, which must read the files.
    let group = database.and_then(|path| Some(std::fs::metadata(path).ok()?.gid()));
    let env_file = settings.and_then(|settings| settings.env_file.as_deref());
    let mut paths: Vec<&Path> =
        env_file.into_iter().chain(with_tokens.iter().map(PathBuf::as_path)).collect();
    paths.dedup();
    for path in paths {
        let is_group_of_server = std::fs::metadata(path).is_ok_and(|metadata| Some(metadata.gid()) == group);
        let permitted = if is_group_of_server { GROUP_READABLE } else { PRIVATE };
        examine_file(request, path, permitted, findings);
    }
    if let Some(path) = database {
        examine_file(request, path, GROUP_READABLE, findings);
    }
}

fn examine_file(request: &DoctorRequest, path: &Path, permitted: u32, findings: &mut Findings) {
    let source = quote_path(path);
    if request.fixes_modes {
        restrict(path, permitted, findings);
    }
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.mode() & 0o7777,
        Err(_) => return,
    };
    let mut notes = Notes::new();
    file::warn_if_exposed(path, &mut notes);
    // The group of the server may have access.
    let is_permitted = mode & 0o777 & !permitted == 0;
    let notes: Notes =
        notes.into_iter().filter(|note| !(is_permitted && note.check == Some("file-mode"))).collect();
    let mut of_file = findings.of(Area::Files, source);
    if notes.is_empty() {
        let who = if mode & 0o070 == 0 {
            "only the owner has access"
        } else {
            "only the owner and the group of the database have access"
        };
        of_file.pass("file-mode", format!("{who} (mode {mode:04o})"));
    } else {
        of_file.notes(notes);
    }
}
