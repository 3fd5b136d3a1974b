//! `cc-user sync-ldap`.

mod page;
mod report;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};

pub(super) use self::page::PAGE;
use super::sync_run::{measured, with_settings};
use super::{DatabaseOptions, TOOL};
use crate::cli::author::author;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::ldap::LdapSearchOptions;
use crate::cli::logging::stamp_lines;
use crate::cli::progress::Progress;
use crate::cli::quantity::{duration, positive_duration};
use crate::cli::signals::Signals;
use crate::sync::{
    self, DeletionLimit, SyncCounts, SyncObserver, SyncOptions, SyncReport, SyncRequest, WatchInterval,
};
use crate::util::diagnostic::ExitStatus;
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::time::human_span;

/// Synchronize the users with an LDAP directory
#[derive(Debug, Args)]
pub(super) struct SyncLdap {
    /// Print the changes and do not make them
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Check the LDAP settings, the group-map and Slurm, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "delete_missing", "grace_period", "max_delete", "delete_admins",
          "keep_names",
          "watch", "metrics_file"])]
    check: bool,

    /// Delete LDAP users who are missing from the LDAP directory [default: the setting
    /// sync-del-old-users]
    #[arg(long)]
    delete_missing: bool,

    /// Disable LDAP users who are missing, and delete them after this time; 0 deletes them at once with
    /// --delete-missing [default: the setting sync-grace-period]
    #[arg(long, value_name = "DURATION")]
    grace_period: Option<String>,

    /// Limit of disabled and deleted users and removed roles and projects, above which nothing is
    /// changed: a number, or a percentage of the LDAP users; 100% permits all [default: 10%, at least 5]
    #[arg(long, value_name = "LIMIT")]
    max_delete: Option<DeletionLimit>,

    /// Disable and delete users with the role admin as well, except the last ones
    #[arg(long)]
    delete_admins: bool,

    /// Do not change the full names of existing users
    #[arg(long)]
    keep_names: bool,

    /// Repeat the synchronization after each INTERVAL, or the setting sync-interval; SIGHUP
    /// starts a run at once, SIGTERM ends the command between two runs
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with = "dry_run")]
    watch: Option<String>,

    /// Write metrics to FILE, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dry_run")]
    metrics_file: Option<PathBuf>,

    #[command(flatten)]
    directory: LdapSearchOptions,
}

impl SyncLdap {
    fn options(&self, database: &DatabaseOptions, console: &Console) -> Result<SyncOptions, UsageError> {
        Ok(SyncOptions {
            dry_run: self.dry_run,
            delete_missing: self.delete_missing,
            grace_period: self.grace_period.as_deref().map(not_negative).transpose()?,
            delete_admins: self.delete_admins,
            keep_names: self.keep_names,
            max_delete: self.max_delete,
            watch: match self.watch.as_deref() {
                None => None,
                Some("") => Some(WatchInterval::Setting),
                Some(text) => Some(WatchInterval::Every(positive_duration("--watch", text)?.to_std())),
            },
            ldap: self.directory.options()?,
            lock_timeout: database.timeout()?,
            environment: console.environment().clone(),
        })
    }
}

/// The duration of `--grace-period`.
fn not_negative(text: &str) -> Result<GoDuration, UsageError> {
    let period = duration("--grace-period", text)?;
    if period.nanoseconds() >= 0 {
        return Ok(period);
    }
    let text = quote(text);
    Err(UsageError::new(format!(
        "--grace-period: invalid duration {text}: expected 0 or a positive duration"
    )))
}

pub(super) fn run(
    sync: &SyncLdap,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    if sync.check {
        return check(sync, database, console);
    }
    let started = Instant::now();
    let metrics_file = sync.metrics_file.as_deref();
    let first = match request(sync, database, console) {
        Ok(request) => request,
        Err(failure) => {
            return measured::<SyncCounts>(metrics_file, started, || Err(failure))
                .map(|_| ExitStatus::Success);
        }
    };
    let Some(mut interval) = first.interval else {
        return measured(metrics_file, started, || run_once(&first, started, console))
            .map(|_| ExitStatus::Success);
    };
    let mut signals = Signals::register(console);
    stamp_lines();
    console.note(&format!("syncs every {}", human_span(interval.as_secs())));
    let mut first = Some(first);
    sync::watch(&mut signals, || {
        let started = Instant::now();
        let outcome = measured(metrics_file, started, || {
            // The settings may have changed since the last run, such as a password.
            let request = first.take().map_or_else(|| request(sync, database, console), Ok)?;
            interval = request.interval.unwrap_or(interval);
            run_once(&request, started, console)
        });
        if let Err(failure) = outcome {
            console.report(&failure);
        }
        console.flush()?;
        Ok::<_, Failure>(if console.is_reader_gone() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(interval)
        })
    })?;
    Ok(ExitStatus::Success)
}

/// Checks the settings and prints what the rules select.
fn check(sync: &SyncLdap, database: &DatabaseOptions, console: &mut Console) -> Result<ExitStatus, Failure> {
    let options = sync.options(database, console)?;
    let report = with_settings(database, console, |settings, notes| {
        sync::warn_of_server_sync(settings, notes);
        sync::check(settings, &options.ldap, &options.environment, notes)
    })?;
    report::print_check(&report.map_err(Failure::several)?, console)?;
    Ok(ExitStatus::Success)
}

/// The request of the command line and the settings.
fn request(
    sync: &SyncLdap,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<SyncRequest, Failure> {
    let options = sync.options(database, console)?;
    let request = with_settings(database, console, |settings, notes| {
        SyncRequest::from_settings(settings, &options, author(TOOL.name), notes)
    })?;
    Ok(request?)
}

fn run_once(request: &SyncRequest, started: Instant, console: &mut Console) -> Result<SyncCounts, Failure> {
    sync::run(request, &mut Output { console, started })
}

/// Prints a sync.
struct Output<'console> {
    console: &'console mut Console,
    started: Instant,
}

impl SyncObserver for Output<'_> {
    type Error = Failure;

    fn duration(&self) -> Duration {
        self.started.elapsed()
    }

    fn notes(&mut self, notes: Notes) {
        self.console.notes(notes);
    }

    fn search_progress(&mut self) -> Box<dyn FnMut(u64)> {
        let mut progress = Progress::new("entries of the LDAP directory", self.console);
        Box::new(move |entries| progress.at(entries))
    }

    fn report(&mut self, report: &SyncReport<'_>) -> Result<(), Failure> {
        report::print(report, self.console)
    }
}
