//! Completion candidates: usernames, roles, projects, auth sources, endpoints, login methods, profiles
//! and algorithms. Errors produce no candidates and no message.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use crate::config::{self, DEFAULT_CONFIG, DEFAULT_ENV_FILE, Origin, Sources, Value};
use crate::key::Algorithm;
use crate::login::Method;
use crate::login::session_store::SessionStore;
use crate::policy::Endpoint;
use crate::policy::profile::Profile;
use crate::user::{AuthSource, Role};
use crate::user_db::{OpenMode, UserDb, UserRecord};

/// The maximum number of usernames that are offered at once.
const OFFERED: usize = 500;

/// The timeout for another process that writes the database.
const WAIT: Duration = Duration::from_millis(200);

/// The completed command line up to the word that is completed, without quotes. The completion engine
/// does not pass it to completers.
static LINE: OnceLock<Vec<String>> = OnceLock::new();

/// Sets the command line that is completed; a process completes one.
pub(super) fn set_line(words: Vec<String>) {
    // A second line in the same process does not occur.
    let _ = LINE.set(words);
}

/// The commands after which the first username on the line is the user whose entries are completed.
const USER_COMMANDS: [&str; 8] = ["remove", "del", "delete", "rm", "set", "edit", "mod", "modify"];

/// Returns the user on the command line.
fn user_of_line() -> Option<UserRecord> {
    let words = LINE.get()?;
    let command = words.iter().position(|word| USER_COMMANDS.contains(&word.as_str()))?;
    let db = open()?;
    words
        .iter()
        .skip(command + 1)
        .filter(|word| !word.starts_with('-'))
        .find_map(|word| db.record(word).ok().flatten())
}

/// Completes the roles of the user on the line; all roles if there is no such user.
pub(super) fn roles_of_user() -> ArgValueCandidates {
    ArgValueCandidates::new(|| match user_of_line() {
        Some(record) => record.user.roles.into_iter().map(CompletionCandidate::new).collect(),
        None => Role::ALL.into_iter().map(|role| role.name().into()).collect(),
    })
}

/// Completes the projects of the user on the line.
pub(super) fn projects_of_user() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let projects = user_of_line().map(|record| record.user.projects).unwrap_or_default();
        projects.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Completes usernames.
pub(super) fn usernames() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = typed.to_str().and_then(names).unwrap_or_default();
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn names(prefix: &str) -> Option<Vec<String>> {
    open()?.usernames_with_prefix(prefix, OFFERED).ok()
}

fn open() -> Option<UserDb> {
    let path = variable("CC_DB").or_else(configured)?;
    is_file(&path).then_some(())?;
    UserDb::open_with_timeout(&path, OpenMode::Read, WAIT).ok()
}

/// Returns the configured database. Options on the completed line are not evaluated.
fn configured() -> Option<PathBuf> {
    let (config, env_file) = (variable("CC_CONFIG"), variable("CC_ENV_FILE"));
    for (path, default) in [(&config, DEFAULT_CONFIG), (&env_file, DEFAULT_ENV_FILE)] {
        // Reading from a FIFO or a device would block the terminal.
        let path = path.as_deref().unwrap_or(Path::new(default));
        if path.exists() && !is_file(path) {
            return None;
        }
    }
    let named = |path: Option<PathBuf>, name: &str| {
        path.map(|path| Value::new(path, Origin::Environment(name.to_owned())))
    };
    let sources = Sources {
        config: named(config, "CC_CONFIG"),
        env_file: named(env_file, "CC_ENV_FILE"),
        ..Sources::default()
    };
    let (settings, _) = config::load(sources).ok()?;
    settings.database().ok().map(Path::to_owned)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Completes the names of stored sessions.
pub(super) fn session_names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let names = SessionStore::new(&variables.collect()).and_then(|store| store.names());
        names.unwrap_or_default().into_iter().map(|name| name.as_str().into()).collect()
    })
}

/// Completes roles.
pub(super) fn roles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Role::ALL.into_iter().map(|role| role.name().into()).collect())
}

/// Completes auth sources.
pub(super) fn sources() -> ArgValueCandidates {
    ArgValueCandidates::new(|| AuthSource::ALL.into_iter().map(|source| source.name().into()).collect())
}

/// Completes login methods.
pub(super) fn login_methods() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let methods = Method::ALL.into_iter().map(Method::name);
        ["auto"].into_iter().chain(methods).map(CompletionCandidate::new).collect()
    })
}

/// Completes token profiles.
pub(super) fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let profiles = Profile::ALL
            .into_iter()
            .map(|profile| CompletionCandidate::new(profile.name()).help(Some(profile.title().into())));
        profiles.chain(["auto".into()]).collect()
    })
}

/// Completes signature algorithms.
pub(super) fn algorithms() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Algorithm::ALL.into_iter().map(|algorithm| algorithm.name().into()).collect())
}

/// Completes signature algorithms with a public key.
pub(super) fn public_key_algorithms() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let algorithms = Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric());
        algorithms.map(|algorithm| algorithm.name().into()).collect()
    })
}

/// Completes endpoints.
pub(super) fn endpoints() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        Endpoint::ALL
            .into_iter()
            .map(|endpoint| CompletionCandidate::new(endpoint.name()).help(Some(endpoint.title().into())))
            .collect()
    })
}
