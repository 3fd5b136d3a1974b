//! `cc-user init`.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::DatabaseOptions;
use crate::accounts::{self, InitRequest, LdapLayout};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::util::diagnostic::ExitStatus;
use crate::util::time::Clock;

/// Create the missing files of a server: keys, configuration, database
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Add LDAP settings with roles and projects from groups for this layout of an LDAP directory
    #[arg(long, value_name = "LAYOUT")]
    ldap: Option<LdapLayout>,
}

impl ValueEnum for LdapLayout {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

pub(super) fn run(
    init: &Init,
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
        ldap: init.ldap,
        environment: console.environment(),
        now: Clock::System.now(),
    })?;
    console.notes(report.notes.clone());
    if console.is_json() {
        console.json(&report)?;
    } else if let Some(section) = &report.ldap {
        console.line(&format!("\"ldap\": {section:#}"))?;
    }
    Ok(ExitStatus::Success)
}
