//! Completion of roles, endpoints and user names; any trouble means no candidates.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use crate::config::DEFAULT_DB;
use crate::policy::Endpoint;
use crate::store::{Access, Store};
use crate::user::Role;

/// How many names are offered at once.
const OFFERED: usize = 500;

/// Completes the names of users.
pub(super) fn usernames() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        typed.to_str().map(names).unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
    })
}

fn names(prefix: &str) -> Vec<String> {
    let path = std::env::var_os("CC_DB").map_or_else(|| DEFAULT_DB.into(), PathBuf::from);
    // Nobody waits for a completion.
    Store::open_waiting(&path, Access::Read, Duration::from_millis(200))
        .and_then(|store| store.beginning(prefix, OFFERED))
        .unwrap_or_default()
        .into_iter()
        .filter(|name| !name.chars().any(crate::base::quote::is_hidden))
        .collect()
}

/// Completes roles.
pub(super) fn roles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Role::ALL.into_iter().map(|role| role.name().into()).collect())
}

/// Completes endpoints.
pub(super) fn endpoints() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        Endpoint::ALL
            .into_iter()
            .map(|endpoint| CompletionCandidate::new(endpoint.name()).help(Some(endpoint.place().into())))
            .collect()
    })
}
