//! What a program reads instead of a member: a variable that overrides the file, or another member.

use std::path::Path;

use super::edit::FoundValue;
use super::target::TargetMember;
use crate::config::{Settings, dotenv};
use crate::scan::names::overriding_variables;
use crate::util::environment::Environment;
use crate::util::file::{SETTINGS_LIMIT, read};
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};

/// Warns if the program does not read the token in this member.
pub(super) fn warn(
    path: &Path,
    member: &TargetMember,
    found: &FoundValue,
    settings: &Settings,
    environment: &Environment,
    notes: &mut Notes,
) {
    let member = member.to_string();
    if !member.starts_with('/') {
        return;
    }
    let place = quote(&format!("{}#{member}", path.to_string_lossy()));
    let variables = overriding_variables(found.path(), || found.sibling("scope"));
    if !variables.is_empty() {
        let beside = path.with_file_name(".env");
        let files = [Some(beside.as_path()), settings.env_file.as_deref()];
        for file in files.into_iter().flatten() {
            let Some(entries) = read(file, SETTINGS_LIMIT).ok().and_then(|bytes| dotenv::read(&bytes).ok())
            else {
                continue;
            };
            let is_set =
                |name: &&String| entries.get(name).is_some_and(|entry| !entry.value.expose().is_empty());
            if let Some(name) = variables.iter().find(is_set) {
                notes.warn(
                    "variable-overrides",
                    format!("{place}: the variable {name} in {} overrides this token", quote_path(file)),
                );
                return;
            }
        }
        if let Some(name) = variables.iter().find(|name| environment.non_empty(name).is_some()) {
            notes.warn(
                "variable-overrides",
                format!("{place}: the variable {name} in the environment overrides this token"),
            );
        }
    }
    let Some(name) = found.path().last() else { return };
    for ending in ["_file", "_env", "-file"] {
        let other = format!("{name}{ending}");
        if found.sibling(&other).is_some_and(|value| !value.is_empty()) {
            notes.warn(
                "member-overrides",
                format!("{place}: the program may read the token that {} names instead", quote(&other)),
            );
        }
    }
}
