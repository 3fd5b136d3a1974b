//! The database as the options name it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::DatabaseOptions;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::SettingsOptions;
use crate::cli::settings;
use crate::config::Settings;
use crate::user_db::{Migration, OpenMode, UserDb};
use crate::util::duration::GoDuration;
use crate::util::file::{FileError, check_default_database};
use crate::util::quote::quote;

/// Where the server's database is, unless told otherwise.
pub(super) const DEFAULT: &str = "./var/job.db";

impl DatabaseOptions {
    /// The database's path. Where an option or variable names it, the configuration is not asked:
    /// what is wrong there must not keep anybody from the users.
    pub(super) fn path(&self, console: &mut Console) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.settings.db {
            log::info!("database: {} (from --db or CC_DB)", path.display());
            return Ok(path.clone());
        }
        Ok(settings::load(&self.settings, console)?.database()?.to_owned())
    }

    /// The database's path where the environment file may still have to be made.
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

    /// The database's path without asking the configuration, which is not there yet.
    pub(super) fn own_path(&self) -> Result<PathBuf, FileError> {
        if let Some(path) = &self.settings.db {
            return Ok(path.clone());
        }
        let path = PathBuf::from(DEFAULT);
        check_default_database(&path).map_err(|error| error.with_option("--db"))?;
        Ok(path)
    }

    /// How long to wait for another process that is writing.
    pub(super) fn wait(&self) -> Result<Duration, UsageError> {
        let duration: GoDuration =
            self.wait.parse().map_err(|error| UsageError::new(format!("--wait: {error}")))?;
        u64::try_from(duration.nanoseconds())
            .map(Duration::from_nanos)
            .map_err(|_| UsageError::new(format!("--wait: {} is less than nothing", quote(&self.wait))))
    }

    /// Opens the database.
    pub(super) fn open(&self, access: OpenMode, console: &mut Console) -> Result<UserDb, Failure> {
        let wait = self.wait()?;
        let path = self.path(console)?;
        let store = UserDb::open_with_timeout(&path, access, wait)?;
        if access == OpenMode::Write {
            warn_of_migration(&store, console);
        }
        Ok(store)
    }

    /// Opens the database for a change that may leave sessions and tokens of the user valid. The
    /// settings say which; there are none where the configuration cannot be used.
    pub(super) fn open_with_settings(
        &self,
        console: &mut Console,
    ) -> Result<(UserDb, Option<Settings>), Failure> {
        let wait = self.wait()?;
        let (path, settings) = match &self.settings.db {
            // The configuration decides nothing here, so that a fault in it is none.
            Some(path) => (path.clone(), settings::load_quietly(&self.settings, console)),
            None => {
                let settings = settings::load(&self.settings, console)?;
                (settings.db.value.clone(), Some(settings))
            }
        };
        let store = UserDb::open_with_timeout(&path, OpenMode::Write, wait)?;
        warn_of_migration(&store, console);
        Ok((store, settings))
    }
}

/// The newest schema version that is known here: that of server 1.5.4.
const NEWEST_VERSION: i64 = 11;

/// Warns of a database that no server may start with.
pub(super) fn warn_of_migration(store: &UserDb, console: &mut Console) {
    let Some(Migration { version, dirty }) = store.migration() else { return };
    if dirty {
        console.warn("database-migration-failed", &format!(
            "a migration of the database to schema version {version} failed half-way, and the server does not start with it; restore a backup, or see 'cc-backend -migrate-db' and '-force-db'"
        ));
    } else if version > NEWEST_VERSION {
        console.warn("database-schema-newer", &format!(
            "the database has schema version {version}, which is newer than {NEWEST_VERSION}, the newest known here: the server may read the users otherwise"
        ));
    }
}
