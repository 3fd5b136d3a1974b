//! What a sync is to do, from the options of the command line and the settings.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Settings;
use crate::history::{Author, GracePeriod};
use crate::ldap::{GroupMap, LdapConfig, LdapOptions};
use crate::slurm::{SlurmError, SlurmSource};
use crate::util::duration::GoDuration;
use crate::util::environment::Environment;
use crate::util::note::Notes;
use crate::util::quote::quote;

use super::error::{GroupMapErrors, SyncError};
use super::limit::DeletionLimit;
use super::rules::{MissingUsers, SyncRules};

/// The options of a sync; the settings add the rest.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// Delete users who are missing from the LDAP directory, even if `sync-del-old-users` is not set.
    pub delete_missing: bool,
    /// The grace period; the setting `sync-grace-period` if not set.
    pub grace_period: Option<GoDuration>,
    /// Delete administrators as well.
    pub delete_admins: bool,
    /// Do not change full names.
    pub keep_names: bool,
    /// The deletion limit; [`DeletionLimit::Default`] if not set.
    pub max_delete: Option<DeletionLimit>,
    /// The connection and the search.
    pub ldap: LdapOptions,
    /// The variables of the process, of which sacctmgr gets those that it needs.
    pub environment: Environment,
    /// Timeout for the lock of another process that writes to the database.
    pub lock_timeout: Duration,
    /// The interval of a watch; a single run if not set.
    pub watch: Option<WatchInterval>,
}

/// The interval of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchInterval {
    /// The setting `sync-interval`. The server has the same setting for its own sync.
    Setting,
    /// This interval.
    Every(Duration),
}

/// A sync with everything that it needs.
#[derive(Debug, Clone)]
pub struct SyncRequest {
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// The permitted changes.
    pub rules: SyncRules,
    /// The LDAP directory.
    pub ldap: LdapConfig,
    /// The author of the changes.
    pub author: Author,
    /// The roles and projects that groups give; `None` if no role is changed.
    pub map: Option<GroupMap>,
    /// Slurm accounting, which gives roles and projects as well.
    pub slurm: Option<SlurmSource>,
    /// The path of the database.
    pub database: PathBuf,
    /// Timeout for the lock of another process that writes to the database.
    pub lock_timeout: Duration,
    /// The interval of a watch, over zero; a single run if not set.
    pub interval: Option<Duration>,
}

impl SyncRequest {
    /// Completes the options with the settings. The notes are complete after an error as well.
    ///
    /// # Errors
    /// [`SyncError::Config`] if `sync-interval` is needed and not set, [`SyncError::InvalidInterval`]
    /// if it is not over zero, [`SyncError::Ldap`] if an LDAP setting is missing or invalid,
    /// [`SyncError::GroupMap`] if the section `group-map` is invalid, and
    /// [`SyncError::File`] if another account can change the default database.
    pub fn from_settings(
        settings: &Settings,
        options: &SyncOptions,
        author: Author,
        notes: &mut Notes,
    ) -> Result<Self, SyncError> {
        let interval = match options.watch {
            None => None,
            Some(WatchInterval::Every(interval)) => Some(interval),
            Some(WatchInterval::Setting) => Some(configured_interval(settings)?),
        };
        let (ldap, map) = ldap_and_map(settings, &options.ldap, notes)?;
        let slurm = SlurmSource::of_ldap(settings, &options.environment).map_err(first)?;
        if map.is_some() {
            warn_of_logins(settings, "auth.ldap.group-map", notes);
        } else if slurm.is_some() {
            warn_of_logins(settings, "auth.ldap.slurm", notes);
        }
        let delete_missing = options.delete_missing
            || settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_del_old_users.value);
        let missing = match options.grace_period.map_or_else(|| configured_grace(settings), grace)? {
            Some(period) => MissingUsers::Disable { period, now: author.clock.now() },
            None if delete_missing => MissingUsers::Delete,
            None => MissingUsers::Keep,
        };
        match missing {
            MissingUsers::Disable { .. } => warn_of_deletions(settings, notes),
            // The limit counts removed roles and projects as well.
            MissingUsers::Keep
                if options.delete_admins
                    || options.max_delete.is_some() && map.is_none() && slurm.is_none() =>
            {
                notes.note(
                    "no user is deleted: neither --delete-missing nor --grace-period, sync-del-old-users nor \
                 sync-grace-period is set",
                );
            }
            MissingUsers::Keep | MissingUsers::Delete => {}
        }
        Ok(Self {
            dry_run: options.dry_run,
            rules: SyncRules {
                missing,
                keep_names: options.keep_names,
                delete_admins: options.delete_admins,
                max_delete: options.max_delete.unwrap_or_default(),
            },
            ldap,
            author,
            map,
            slurm,
            database: settings.database()?.to_owned(),
            lock_timeout: options.lock_timeout,
            interval,
        })
    }
}

/// The first error of the section for Slurm.
pub(super) fn first(faults: Vec<SlurmError>) -> SyncError {
    faults.into_iter().next().unwrap_or(SlurmError::Empty).into()
}

/// Reads the LDAP settings and the map.
///
/// # Errors
/// [`SyncError::Ldap`], [`SyncError::GroupMap`].
pub(super) fn ldap_and_map(
    settings: &Settings,
    options: &LdapOptions,
    notes: &mut Notes,
) -> Result<(LdapConfig, Option<GroupMap>), SyncError> {
    let mut ldap = LdapConfig::from_settings(settings, options, notes)?;
    let map = GroupMap::from_settings(settings).map_err(GroupMapErrors)?;
    let Some(map) = map else { return Ok((ldap, None)) };
    map.exclude_locked_accounts(&mut ldap);
    Ok((ldap, Some(map)))
}

/// Warns about logins with `update-user-on-login`: an OpenID login replaces the roles and projects of the user, and so
/// does a login by token unless `auth.jwts.validate-user` is set, with which the user table counts.
pub(super) fn warn_of_logins(settings: &Settings, source: &str, notes: &mut Notes) {
    let providers = settings.oidc.iter().filter(|provider| provider.update_user_on_login.value);
    let mut logins: Vec<_> = providers.map(|provider| (provider.key.as_str(), "an OpenID login")).collect();
    let jwts = &settings.jwts;
    if jwts.update_user_on_login.value && !jwts.validate_user.value {
        logins.push(("auth.jwts", "a login by token"));
    }
    for (section, login) in logins {
        notes.warn(
            "login-changes-roles",
            format!(
                "{} and {source} both set roles and projects: for a user of both, {login} and a \
                 synchronization undo each other's changes",
                quote(&format!("{section}.update-user-on-login"))
            ),
        );
    }
}

/// The grace period in the settings.
///
/// # Errors
/// [`SyncError::InvalidGracePeriod`].
pub fn configured_grace(settings: &Settings) -> Result<Option<GracePeriod>, SyncError> {
    let period = settings.ldap.as_ref().and_then(|ldap| ldap.sync_grace_period.as_ref());
    period.map_or(Ok(None), |period| grace(period.value))
}

/// A grace period; none if it is zero.
fn grace(period: GoDuration) -> Result<Option<GracePeriod>, SyncError> {
    match period.nanoseconds() {
        ..0 => Err(SyncError::InvalidGracePeriod(period)),
        0 => Ok(None),
        1.. => Ok(Some(GracePeriod::from_seconds(period.seconds().max(1)))),
    }
}

/// Warns if the settings have a grace period, and a synchronization of the server deletes missing users at once.
pub fn warn_of_server_sync(settings: &Settings, notes: &mut Notes) {
    if matches!(configured_grace(settings), Ok(Some(_))) {
        warn_of_deletions(settings, notes);
    }
}

fn warn_of_deletions(settings: &Settings, notes: &mut Notes) {
    if settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_del_old_users.value) {
        notes.warn_with(
            "sync-deletes",
            "'auth.ldap.sync-del-old-users' is set: a synchronization of the server deletes missing users at once, \
             before the grace period ends"
                .to_owned(),
            "remove sync-del-old-users from auth.ldap: the grace period does not need it".to_owned(),
        );
    }
}

/// The setting `sync-interval`.
fn configured_interval(settings: &Settings) -> Result<Duration, SyncError> {
    let interval = settings.ldap.as_ref().and_then(|ldap| ldap.sync_interval.as_ref());
    let interval = interval.ok_or_else(|| settings.missing("auth.ldap.sync-interval"))?;
    if interval.value.is_positive() {
        Ok(interval.value.to_std())
    } else {
        Err(SyncError::InvalidInterval(interval.value))
    }
}
