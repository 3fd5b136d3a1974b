//! Completion of what the database knows; any trouble means no candidates and no message.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use super::database::DEFAULT;
use crate::config::{self, Origin, Sources, Value};
use crate::store::{Access, Store};
use crate::user::{AuthSource, Role};

/// How many names are offered at once.
const OFFERED: usize = 500;

/// Completes the names of users.
pub(super) fn usernames() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        typed.to_str().map(names).unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
    })
}

fn names(prefix: &str) -> Vec<String> {
    let path =
        std::env::var_os("CC_DB").map(PathBuf::from).or_else(configured).unwrap_or_else(|| DEFAULT.into());
    // Nobody waits for a completion.
    Store::open_waiting(&path, Access::Read, Duration::from_millis(200))
        .and_then(|store| store.beginning(prefix, OFFERED))
        .unwrap_or_default()
        .into_iter()
        .filter(|name| !name.chars().any(crate::base::quote::is_hidden))
        .collect()
}

/// The database as configured; the options on the line that is being completed are not known.
fn configured() -> Option<PathBuf> {
    let named = |name: &str| {
        let path = std::env::var_os(name).filter(|path| !path.is_empty())?;
        Some(Value::new(PathBuf::from(path), Origin::Environment(name.to_owned())))
    };
    let sources =
        Sources { config: named("CC_CONFIG"), env_file: named("CC_ENV_FILE"), ..Sources::default() };
    config::load(sources).ok().map(|(settings, _)| settings.db.value)
}

/// Completes roles.
pub(super) fn roles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Role::ALL.into_iter().map(|role| role.name().into()).collect())
}

/// Completes auth sources.
pub(super) fn sources() -> ArgValueCandidates {
    ArgValueCandidates::new(|| AuthSource::ALL.into_iter().map(|source| source.name().into()).collect())
}
