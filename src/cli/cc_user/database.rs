//! The database that the options select.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DatabaseOptions, TOOL};
use crate::accounts::SessionPolicy;
use crate::accounts::init::DEFAULT_DATABASE;
use crate::cli::author::author;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::SettingsOptions;
use crate::cli::{quantity, settings};
use crate::config::Settings;
use crate::user_db::{OpenMode, UserDb};
use crate::util::file::{FileError, check_default_database};
use crate::util::note::Notes;
use crate::util::quote::quote;

impl DatabaseOptions {
    /// The path of the database. The configuration is not read if an option or variable names it:
    /// users can be managed even if the configuration is invalid.
    pub(super) fn path(&self, console: &mut Console) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.settings.db {
            log::info!("database: {} (from --db or CC_DB)", path.display());
            return Ok(path.clone());
        }
        Ok(settings::load(&self.settings, console)?.database()?.to_owned())
    }

    /// The path of the database if the environment file may be missing.
    pub(super) fn configured_path(&self, env_file: &Path, console: &mut Console) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.settings.db {
            return Ok(path.clone());
        }
        let there = SettingsOptions {
            env_file: self.settings.env_file.clone().filter(|_| env_file.exists()),
            ..self.settings.clone()
        };
        Ok(settings::load(&there, console)?.database()?.to_owned())
    }

    /// The path of the database without a configuration.
    pub(super) fn own_path(&self) -> Result<PathBuf, FileError> {
        if let Some(path) = &self.settings.db {
            return Ok(path.clone());
        }
        let path = PathBuf::from(DEFAULT_DATABASE);
        check_default_database(&path).map_err(|error| error.with_option("--db"))?;
        Ok(path)
    }

    /// The timeout for the lock of another process that is writing.
    pub(super) fn timeout(&self) -> Result<Duration, UsageError> {
        let duration = quantity::duration("--wait", &self.wait)?;
        u64::try_from(duration.nanoseconds()).map(Duration::from_nanos).map_err(|_| {
            UsageError::new(format!("--wait: invalid duration {}: expected zero or more", quote(&self.wait)))
        })
    }

    /// Opens the database for reading.
    pub(super) fn open(&self, console: &mut Console) -> Result<UserDb, Failure> {
        let timeout = self.timeout()?;
        let path = self.path(console)?;
        Ok(UserDb::open_with_timeout(&path, OpenMode::Read, timeout)?)
    }

    /// Opens the database for a change.
    pub(super) fn open_for_change(&self, console: &mut Console) -> Result<UserDb, Failure> {
        let timeout = self.timeout()?;
        let path = self.path(console)?;
        let store = UserDb::open_with_timeout(&path, OpenMode::Write(&author(TOOL.name)), timeout)?;
        warn_of_migration(&store, console);
        Ok(store)
    }

    /// Opens the database for reading, with the settings; without settings if the database is named
    /// and they cannot be used.
    pub(super) fn open_with_settings(
        &self,
        console: &mut Console,
    ) -> Result<(UserDb, Option<Settings>), Failure> {
        let timeout = self.timeout()?;
        let (path, settings) = self.path_and_settings(console)?;
        Ok((UserDb::open_with_timeout(&path, OpenMode::Read, timeout)?, settings))
    }

    fn path_and_settings(&self, console: &mut Console) -> Result<(PathBuf, Option<Settings>), Failure> {
        match &self.settings.db {
            // An error in the configuration does not matter here: the database is named.
            Some(path) => Ok((path.clone(), settings::load_quietly(&self.settings, console))),
            None => {
                let settings = settings::load(&self.settings, console)?;
                Ok((settings.database()?.to_owned(), Some(settings)))
            }
        }
    }

    /// Opens the database for a change that does not end the web sessions and tokens of the user, with
    /// the server's policy for them; the defaults if the configuration cannot be used.
    pub(super) fn open_with_sessions(
        &self,
        console: &mut Console,
    ) -> Result<(UserDb, SessionPolicy), Failure> {
        let timeout = self.timeout()?;
        let (path, settings) = self.path_and_settings(console)?;
        let store = UserDb::open_with_timeout(&path, OpenMode::Write(&author(TOOL.name)), timeout)?;
        warn_of_migration(&store, console);
        Ok((store, SessionPolicy::from_settings(settings.as_ref())))
    }
}

/// Warns of a database with which a server may not start.
fn warn_of_migration(db: &UserDb, console: &mut Console) {
    let mut notes = Notes::new();
    db.warn_of_migration(&mut notes);
    db.warn_of_replacement(&mut notes);
    console.notes(notes);
}
