//! The settings of a command: loaded, what is odd about them shown, and with `-v` where each
//! value came from.

use std::path::PathBuf;

use super::console::Console;
use super::failure::Failure;
use super::options::SettingsOptions;
use crate::config::{self, Origin, ServerKeys, Settings, Sources, Value};

/// Loads the settings that the options and the environment lead to. Warnings are shown; with
/// `-v` every value's origin and what a server would make of the files.
///
/// # Errors
/// All that is wrong with the files together: status 78, or 66 for a file that was named and is
/// not there.
pub fn load(options: &SettingsOptions, console: &mut Console) -> Result<Settings, Failure> {
    let sources = sources(options, console);
    let (settings, notes) = config::load(sources).map_err(Failure::several)?;
    console.notes(notes);
    if log::log_enabled!(log::Level::Info) {
        for line in settings.origins() {
            log::info!("{line}");
        }
        for finding in settings.server_findings(ServerKeys::Configured) {
            log::info!("{}", finding.reason);
        }
    }
    Ok(settings)
}

/// The settings if they can be loaded, without warnings: for notes beside the result.
pub fn load_quietly(options: &SettingsOptions, console: &Console) -> Option<Settings> {
    config::load(sources(options, console)).ok().map(|(settings, _)| settings)
}

fn sources(options: &SettingsOptions, console: &Console) -> Sources {
    let named = |path: &Option<PathBuf>, flag: &'static str, variable: &str| {
        let path = path.clone()?;
        // The parser takes the variable where the option is missing; which one it was shows in
        // the content.
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
