//! What a synchronization with Slurm is to do, from the options of the command line and the settings.

use std::path::PathBuf;
use std::time::Duration;

use super::super::error::SyncError;
use super::super::limit::DeletionLimit;
use super::super::request::warn_of_logins;
use crate::config::Settings;
use crate::history::Author;
use crate::slurm::{SlurmOptions, SlurmSource};
use crate::user::AuthSource;
use crate::util::environment::Environment;
use crate::util::note::Notes;

/// The options of a synchronization with Slurm; the settings add the rest.
#[derive(Debug, Clone)]
pub struct SlurmSyncOptions {
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// The limit of removed roles and projects; [`DeletionLimit::Default`] if not set.
    pub max_delete: Option<DeletionLimit>,
    /// The auth source of users who are added; without it no user is added.
    pub add_users: Option<AuthSource>,
    /// Where the answer comes from.
    pub slurm: SlurmOptions,
    /// The variables of the process, of which sacctmgr gets those that it needs.
    pub environment: Environment,
    /// Timeout for the lock of another process that writes to the database.
    pub lock_timeout: Duration,
}

/// A synchronization with Slurm with everything that it needs.
#[derive(Debug, Clone)]
pub struct SlurmSyncRequest {
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// The limit of removed roles and projects, as a part of the users with rights from Slurm.
    pub max_delete: DeletionLimit,
    /// The auth source of users who are added; without it no user is added.
    pub add_users: Option<AuthSource>,
    /// Slurm accounting.
    pub slurm: SlurmSource,
    /// The author of the changes.
    pub author: Author,
    /// The path of the database.
    pub database: PathBuf,
    /// Timeout for the lock of another process that writes to the database.
    pub lock_timeout: Duration,
}

impl SlurmSyncRequest {
    /// Completes the options with the settings. The notes are complete after an error as well.
    ///
    /// # Errors
    /// [`SyncError::Slurm`] for each error of the section for Slurm, and [`SyncError::File`] if another
    /// account can change the default database.
    pub fn from_settings(
        settings: &Settings,
        options: &SlurmSyncOptions,
        author: Author,
        notes: &mut Notes,
    ) -> Result<Self, Vec<SyncError>> {
        let slurm = SlurmSource::from_settings(settings, &options.slurm, &options.environment)
            .map_err(|faults| faults.into_iter().map(SyncError::Slurm).collect::<Vec<_>>())?;
        warn_of_logins(settings, "Slurm accounting", notes);
        Ok(Self {
            dry_run: options.dry_run,
            max_delete: options.max_delete.unwrap_or_default(),
            add_users: options.add_users,
            slurm,
            author,
            database: settings.database().map_err(|error| vec![error.into()])?.to_owned(),
            lock_timeout: options.lock_timeout,
        })
    }
}
