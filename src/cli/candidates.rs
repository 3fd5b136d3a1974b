//! Completion candidates: usernames, roles, auth sources, endpoints. Errors produce no candidates
//! and no message.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use crate::config::{self, DEFAULT_CONFIG, DEFAULT_ENV_FILE, Origin, Sources, Value};
use crate::policy::Endpoint;
use crate::user::{AuthSource, Role};
use crate::user_db::{OpenMode, UserDb};

/// The maximum number of usernames that are offered at once.
const OFFERED: usize = 500;

/// The timeout for another process that writes the database.
const WAIT: Duration = Duration::from_millis(200);

/// Completes usernames.
pub(super) fn usernames() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = typed.to_str().and_then(names).unwrap_or_default();
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn names(prefix: &str) -> Option<Vec<String>> {
    let path = variable("CC_DB").or_else(configured)?;
    is_file(&path).then_some(())?;
    let store = UserDb::open_with_timeout(&path, OpenMode::Read, WAIT).ok()?;
    store.usernames_with_prefix(prefix, OFFERED).ok()
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

/// Completes roles.
pub(super) fn roles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Role::ALL.into_iter().map(|role| role.name().into()).collect())
}

/// Completes auth sources.
pub(super) fn sources() -> ArgValueCandidates {
    ArgValueCandidates::new(|| AuthSource::ALL.into_iter().map(|source| source.name().into()).collect())
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
