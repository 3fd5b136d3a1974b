//! Loading of the settings of a command; prints warnings and, with `-v`, the origin of each value.

use std::path::PathBuf;

use super::console::Console;
use super::failure::Failure;
use super::options::SettingsOptions;
use crate::config::{self, Origin, ServerKeys, Settings, Sources, Value};

/// Loads the settings from options and environment and prints their warnings. With `-v`, also
/// prints the origin of every value and how a server treats the files.
///
/// # Errors
/// All errors of the files: status 78, or 66 for a missing file of an option.
pub fn load(options: &SettingsOptions, console: &mut Console) -> Result<Settings, Failure> {
    let sources = sources(options, console);
    let (settings, notes) = config::load(sources).map_err(Failure::several)?;
    console.notes(notes);
    log_origins(&settings);
    Ok(settings)
}

/// With `-v`, prints the origin of every value and how a server treats the files.
pub(super) fn log_origins(settings: &Settings) {
    if log::log_enabled!(log::Level::Info) {
        for line in settings.origins() {
            log::info!("{line}");
        }
        for finding in settings.server_findings(ServerKeys::Configured) {
            log::info!("{}", finding.reason);
        }
    }
}

/// Loads the settings without printing warnings, for notes that accompany a result.
pub fn load_quietly(options: &SettingsOptions, console: &Console) -> Option<Settings> {
    config::load(sources(options, console)).ok().map(|(settings, _)| settings)
}

/// Returns the sources of the settings.
pub(super) fn sources(options: &SettingsOptions, console: &Console) -> Sources {
    let named = |path: &Option<PathBuf>, flag: &'static str, variable: &str| {
        let path = path.clone()?;
        // The parser uses the variable if the option is missing. The values show which one was
        // used.
        let from_variable = console.environment().get(variable).is_some_and(|text| path.as_os_str() == text);
        let origin =
            if from_variable { Origin::Environment(variable.to_owned()) } else { Origin::Flag(flag) };
        Some(Value::new(path, origin))
    };
    Sources {
        config: named(&options.config, "--config", "CC_CONFIG"),
        env_file: named(&options.env_file, "--env-file", "CC_ENV_FILE"),
        db: named(&options.db, "--db", "CC_DB"),
        environment: console.environment().clone(),
    }
}
