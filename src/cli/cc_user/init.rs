//! `cc-user init`.

use clap::Args;

use super::DatabaseOptions;
use crate::accounts::{self, InitRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;
use crate::util::time::Clock;

/// Create the missing files of a server: keys, configuration, database
#[derive(Debug, Args)]
pub(super) struct Init {}

pub(super) fn run(
    _: &Init,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let settings = &database.settings;
    let env_file = settings.env_file.clone().unwrap_or_else(|| "./.env".into());
    let config = settings.config.clone().unwrap_or_else(|| "./config.json".into());
    let path =
        if config.exists() { database.configured_path(&env_file, console)? } else { database.own_path()? };
    let report = accounts::init(&InitRequest {
        env_file,
        config,
        database: path,
        timeout: database.timeout()?,
        environment: console.environment(),
        now: Clock::System.now(),
    })?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    }
    Ok(ExitStatus::Success)
}
