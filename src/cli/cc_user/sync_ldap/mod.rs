//! `cc-user sync-ldap`.

mod metrics;
mod page;
mod report;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};

pub(super) use self::page::PAGE;
use super::DatabaseOptions;
use super::database::warn_of_migration;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::ldap::{LdapConnectionOptions, positive};
use crate::cli::progress::Progress;
use crate::cli::settings;
use crate::config::Settings;
use crate::ldap::{LdapConfig, LdapSnapshot};
use crate::sync::{DeletionLimit, SyncError, SyncRules, execute, preview};
use crate::user_db::{OpenMode, UserDb};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// Bring the user table in line with the LDAP directory
#[derive(Debug, Args)]
pub(super) struct SyncLdap {
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Delete users who came from the directory and are no longer in it [default: as
    /// sync-del-old-users says]
    #[arg(long)]
    delete_missing: bool,

    /// Change nothing if more than LIMIT users would be deleted: a number, or a percentage of
    /// those who came from the directory [default: 10%, at least 5]
    #[arg(long, value_name = "LIMIT")]
    max_delete: Option<DeletionLimit>,

    /// Delete users with the role admin as well
    #[arg(long)]
    delete_admins: bool,

    /// Leave the full names of known users as they are
    #[arg(long)]
    keep_names: bool,

    /// Ask for so many entries at once; 0 asks for all of them without pages
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    page_size: u32,

    /// Take an answer for whole though it refers to other directories for parts of it
    #[arg(long)]
    ignore_references: bool,

    /// Repeat the synchronization after each sync-interval or INTERVAL; SIGHUP starts a run
    /// at once, SIGTERM ends the command between two runs
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with = "dry_run")]
    watch: Option<String>,

    /// Write what came of it to FILE, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dry_run")]
    metrics_file: Option<PathBuf>,

    #[command(flatten)]
    directory: LdapConnectionOptions,
}

/// What a run needs to know.
struct Job {
    dry_run: bool,
    rules: SyncRules,
    configured: LdapConfig,
    database: PathBuf,
    wait: Duration,
    /// How often it is to be run; none is once.
    interval: Option<Duration>,
}

pub(super) fn run(
    sync: &SyncLdap,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let metrics_file = sync.metrics_file.as_deref();
    // An error at the start ends the command.
    let first = match job(sync, database, console) {
        Ok(job) => job,
        Err(failure) => return measured(metrics_file, |_| Err(failure)),
    };
    let Some(interval) = first.interval else {
        return measured(metrics_file, |began| first.run(console, began));
    };
    let mut first = Some(first);
    watch::run(interval, console, |console, interval| {
        measured(metrics_file, |began| {
            // The settings may have changed since the last run, such as a password.
            let job = first.take().map_or_else(|| job(sync, database, console), Ok)?;
            *interval = job.interval.unwrap_or(*interval);
            job.run(console, began)
        })
    })
}

/// Does a run and writes its metrics, also when it panics.
fn measured(
    metrics_file: Option<&Path>,
    run: impl FnOnce(Instant) -> Result<report::Counts, Failure>,
) -> Result<ExitStatus, Failure> {
    let began = Instant::now();
    let Some(path) = metrics_file else { return run(began).map(|_| ExitStatus::Success) };
    let mut metrics = metrics::Guard::new(path, began);
    let outcome = run(began);
    let written = match &outcome {
        Ok(counts) => metrics.write(ExitStatus::Success.code(), Some(counts)),
        Err(failure) => metrics.write(failure.status().code(), None),
    };
    // A failed sync is the worse news of the two.
    outcome?;
    written?;
    Ok(ExitStatus::Success)
}

fn job(sync: &SyncLdap, database: &DatabaseOptions, console: &mut Console) -> Result<Job, Failure> {
    let settings = &settings::load(&database.settings, console)?;
    let interval = match sync.watch.as_deref() {
        None => None,
        Some("") => Some(configured_interval(settings)?),
        Some(text) => Some(positive("--watch", text)?),
    };
    let request = crate::ldap::LdapOptions {
        page_size: sync.page_size,
        ignore_references: sync.ignore_references,
        ..sync.directory.options()?
    };
    let mut notes = Notes::new();
    let configured = LdapConfig::from_settings(settings, &request, &mut notes);
    console.notes(notes);
    let configured = configured?;
    let delete_missing =
        sync.delete_missing || settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_del_old_users.value);
    if !delete_missing && (sync.max_delete.is_some() || sync.delete_admins) {
        console.note("no user is deleted: neither --delete-missing nor sync-del-old-users is set");
    }
    Ok(Job {
        dry_run: sync.dry_run,
        rules: SyncRules {
            delete_missing,
            keep_names: sync.keep_names,
            delete_admins: sync.delete_admins,
            max_delete: sync.max_delete.unwrap_or_default(),
        },
        configured,
        database: settings.database()?.to_owned(),
        wait: database.timeout()?,
        interval,
    })
}

/// How often the settings say.
fn configured_interval(settings: &Settings) -> Result<Duration, Failure> {
    let interval = settings.ldap.as_ref().and_then(|ldap| ldap.sync_interval.as_ref());
    let Some(interval) = interval else {
        return Err(settings.missing("auth.ldap.sync-interval").into());
    };
    if interval.value.is_positive() {
        return Ok(interval.value.to_std());
    }
    Err(UsageError::new(format!(
        "invalid sync-interval {}: expected a duration over 0, such as 24h",
        quote(&interval.value.to_string())
    ))
    .hint("give one with --watch=1h")
    .into())
}

impl Job {
    /// One sync.
    fn run(&self, console: &mut Console, began: Instant) -> Result<report::Counts, Failure> {
        // A database that cannot be opened is an error before the LDAP search.
        let access = if self.dry_run { OpenMode::Read } else { OpenMode::Write };
        let mut store = UserDb::open_with_timeout(&self.database, access, self.wait)?;
        if !self.dry_run {
            warn_of_migration(&store, console);
        }
        let snapshot = self.read(console)?;
        if self.dry_run {
            let plan = preview(&store, &snapshot, self.rules)?;
            report::dry_run(&plan, console)?;
            return match SyncError::of(&plan) {
                Some(error) => Err(error.into()),
                None => Ok(report::Counts::of(&plan)),
            };
        }
        let plan = execute(&mut store, &snapshot, self.rules)?;
        report::done(&plan, began.elapsed(), console)?;
        Ok(report::Counts::of(&plan))
    }

    /// All users of the LDAP directory; the connection is closed before the database is used.
    fn read(&self, console: &mut Console) -> Result<LdapSnapshot, Failure> {
        let LdapConfig { server: access, credentials: searcher, search } = &self.configured;
        let mut notes = Notes::new();
        let connection = access.connect(searcher, &mut notes);
        console.notes(notes);
        let mut progress = Progress::new("entries of the directory", console);
        Ok(connection?.read_all(search, &mut |entries| progress.at(entries))?)
    }
}
