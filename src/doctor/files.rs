//! Access to the files that contain secrets.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::DoctorRequest;
use super::finding::{Area, Findings};
use crate::config::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Settings, Sources};
use crate::util::account::account_name;
use crate::util::file::{self, ModeChange, UntrustedReason};
use crate::util::quote::{quote, quote_path};
use crate::util::shell::word as shell_word;

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

/// The accounts that may own a file and its directory.
struct TrustedAccounts {
    /// The owner and the group of the database: those of the server.
    server: Option<(u32, u32)>,
    caller: u32,
    database: Option<PathBuf>,
}

impl TrustedAccounts {
    fn new(database: Option<&Path>) -> Self {
        let metadata = database.and_then(|path| std::fs::metadata(path).ok());
        Self {
            server: metadata.map(|found| (found.uid(), found.gid())),
            caller: rustix::process::geteuid().as_raw(),
            database: database.map(Path::to_owned),
        }
    }

    fn is_group_of_server(&self, group: u32) -> bool {
        self.server.is_some_and(|(_, own)| own == group)
    }

    fn contains(&self, user: u32) -> bool {
        user == 0 || user == self.caller || self.server.is_some_and(|(own, _)| own == user)
    }

    fn is_database(&self, path: &Path) -> bool {
        self.database.as_deref() == Some(path)
    }
}

/// Checks who has access to the environment file, the configuration, the files with tokens and the database.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: Option<&Settings>,
    with_tokens: &[PathBuf],
    findings: &mut Findings,
) {
    let database = settings.map(|settings| settings.db.value.as_path()).filter(|path| path.exists());
    let accounts = TrustedAccounts::new(database);
    let env_file = settings.and_then(|settings| settings.env_file.as_deref());
    let mut secrets: Vec<&Path> =
        env_file.into_iter().chain(with_tokens.iter().map(PathBuf::as_path)).collect();
    secrets.dedup();
    for path in &secrets {
        let is_group_of_server =
            std::fs::metadata(path).is_ok_and(|found| accounts.is_group_of_server(found.gid()));
        let permitted = if is_group_of_server { GROUP_READABLE } else { PRIVATE };
        // root is the administrator of the other programs, which have accounts of their own.
        let is_of_program = Some(*path) != env_file && accounts.caller == 0;
        examine_file(request, path, permitted, is_of_program, &accounts, findings);
    }
    if let Some(path) = settings.and_then(|settings| settings.config_file.as_deref())
        && !secrets.contains(&path)
    {
        examine_file(request, path, SHARED, false, &accounts, findings);
    }
    if let Some(path) = database {
        examine_file(request, path, GROUP_READABLE, false, &accounts, findings);
    }
}

/// Checks the owner of a file, its directory and its mode.
fn examine_file(
    request: &DoctorRequest,
    path: &Path,
    permitted: u32,
    is_of_program: bool,
    accounts: &TrustedAccounts,
    findings: &mut Findings,
) {
    if request.fixes_modes {
        restrict(path, permitted, findings);
    }
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if !metadata.is_file() {
        return;
    }
    let (shown, word) = (quote_path(path), shell_word(&path.to_string_lossy()).to_string());
    let mut of_file = findings.of(Area::Files, shown.clone());
    let mut is_private = true;
    if !is_of_program && !accounts.contains(metadata.uid()) {
        is_private = false;
        let remedy = match &accounts.database {
            Some(database) => {
                format!("chown --reference={} {word}", shell_word(&database.to_string_lossy()))
            }
            None => format!("chown root {word}"),
        };
        let message = format!(
            "{shown} belongs to another account (user ID {}), which can read and change it",
            metadata.uid()
        );
        of_file.fail("file-owner", message, Some(remedy));
    } else if let Some((why, remedy)) = directory_problem(path, &metadata, accounts) {
        is_private = false;
        of_file.fail(
            "file-replaceable",
            format!("{shown} can be exchanged by another account: {why}"),
            Some(remedy),
        );
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o777 & !permitted == 0 {
        if is_private {
            of_file.pass("file-mode", access_of(&metadata, permitted));
        }
        return;
    }
    let (message, change) = if permitted == SHARED {
        (format!("{shown}: other accounts may write to it (mode {mode:04o})"), "go-w")
    } else {
        (format!("{shown} contains secrets and others may access it (mode {mode:04o})"), "600")
    };
    of_file.fail("file-mode", message, Some(format!("chmod {change} {word}")));
}

/// Describes who has access to a file.
fn access_of(metadata: &Metadata, permitted: u32) -> String {
    let mode = metadata.mode() & 0o7777;
    let is_own = metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw();
    let owner = match account_name(metadata.uid()).filter(|_| !is_own) {
        _ if is_own => "the owner".to_owned(),
        Some(name) => format!("the owner, {},", quote(&name)),
        None => format!("the owner, user ID {},", metadata.uid()),
    };
    if permitted == SHARED {
        format!("only {owner} may write to it (mode {mode:04o})")
    } else if mode & 0o070 == 0 {
        format!("only {owner} has access (mode {mode:04o})")
    } else {
        format!("only {owner} and the group of the database have access (mode {mode:04o})")
    }
}

/// Returns why another account can replace a file, and the remedy. SQLite creates files beside the database, so
/// the group of the server may write to this directory.
fn directory_problem(
    path: &Path,
    file: &Metadata,
    accounts: &TrustedAccounts,
) -> Option<(UntrustedReason, String)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::metadata(parent).ok()?;
    let word = shell_word(&parent.to_string_lossy()).to_string();
    let (owner, mode) = (directory.uid(), directory.mode());
    if !accounts.contains(owner) && owner != file.uid() {
        let remedy = format!("chown --reference={} {word}", shell_word(&path.to_string_lossy()));
        return Some((UntrustedReason::DirectoryOwner(owner), remedy));
    }
    let is_for_server = accounts.is_database(path) && accounts.is_group_of_server(directory.gid());
    let others = if is_for_server { 0o002 } else { 0o022 };
    let change = if is_for_server { "o-w" } else { "go-w" };
    (mode & others != 0 && mode & 0o1000 == 0)
        .then(|| (UntrustedReason::DirectoryWritable(mode), format!("chmod {change} {word}")))
}
