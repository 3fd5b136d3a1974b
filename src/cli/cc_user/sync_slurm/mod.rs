//! `cc-user sync-slurm`.

mod page;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};

pub(super) use self::page::PAGE;
use super::rights::print_slurm;
use super::sync_run::{measured, with_settings};
use super::{DatabaseOptions, TOOL, complete};
use crate::cli::author::author;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::quantity::positive_duration;
use crate::cli::stdin;
use crate::slurm::{SAVED_LIMIT, SavedOutput, SlurmOptions};
use crate::sync::DeletionLimit;
use crate::sync::slurm::{self, SlurmSyncObserver, SlurmSyncOptions, SlurmSyncReport, SlurmSyncRequest};
use crate::user::AuthSource;
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;

/// Synchronize managers and projects with Slurm accounting
#[derive(Debug, Args)]
pub(super) struct SyncSlurm {
    /// Print the changes and do not make them
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Check the settings and the output of sacctmgr, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "max_delete", "add_users", "metrics_file"])]
    check: bool,

    /// Limit of removed roles and projects, above which nothing is changed: a number, or a percentage of the
    /// users with roles or projects from Slurm; 100% permits all [default: 10%, at least 5]
    #[arg(long, value_name = "LIMIT")]
    max_delete: Option<DeletionLimit>,

    /// Add users of Slurm who are not in the user table, with this auth source: local, ldap, token or oidc
    #[arg(long, value_name = "SOURCE", add = complete::sources())]
    add_users: Option<String>,

    /// Read the saved output of sacctmgr from FILE; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["sacctmgr", "timeout"])]
    from: Option<PathBuf>,

    /// Run PROGRAM instead of sacctmgr
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::ExecutablePath)]
    sacctmgr: Option<PathBuf>,

    /// Timeout for each of the two commands of sacctmgr [default: 2m]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// Only the accounts of this cluster; may be repeated [default: all]
    #[arg(long = "cluster", value_name = "NAME")]
    clusters: Vec<String>,

    /// Write metrics to FILE, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "dry_run")]
    metrics_file: Option<PathBuf>,
}

impl SyncSlurm {
    /// The options for the output of sacctmgr; reads standard input with `--from -`.
    fn slurm(&self) -> Result<SlurmOptions, Failure> {
        let saved = match self.from.as_deref() {
            None => None,
            Some(path) if path == Path::new("-") => {
                Some(SavedOutput::Bytes(std::mem::take(&mut *stdin::read(SAVED_LIMIT)?)))
            }
            Some(path) => Some(SavedOutput::File(path.to_owned())),
        };
        let timeout = self.timeout.as_deref().map(|text| positive_duration("--timeout", text)).transpose()?;
        Ok(SlurmOptions {
            saved,
            sacctmgr: self.sacctmgr.clone(),
            timeout: timeout.map(|timeout| timeout.to_std()),
            clusters: self.clusters.clone(),
        })
    }
}

pub(super) fn run(
    sync: &SyncSlurm,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    if sync.check {
        return check(sync, database, console);
    }
    let started = Instant::now();
    measured(sync.metrics_file.as_deref(), started, || {
        let request = request(sync, database, console)?;
        slurm::run(&request, &mut Output { console, started })
    })?;
    Ok(ExitStatus::Success)
}

/// Checks the settings and prints what the output has.
fn check(sync: &SyncSlurm, database: &DatabaseOptions, console: &mut Console) -> Result<ExitStatus, Failure> {
    let options = sync.slurm()?;
    let environment = console.environment().clone();
    let report = with_settings(database, console, |settings, notes| {
        slurm::check(settings, &options, &environment, notes)
    })?;
    let report = report.map_err(Failure::several)?;
    if console.is_json() {
        console.json(&report)?;
    } else if !console.is_quiet() {
        print_slurm(&report, console)?;
    }
    Ok(ExitStatus::Success)
}

/// The request of the command line and the settings.
fn request(
    sync: &SyncSlurm,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<SlurmSyncRequest, Failure> {
    let add_users = sync.add_users.as_deref().map(str::parse::<AuthSource>).transpose();
    let options = SlurmSyncOptions {
        dry_run: sync.dry_run,
        max_delete: sync.max_delete,
        add_users: add_users.map_err(|error| UsageError::new(format!("--add-users: {error}")))?,
        slurm: sync.slurm()?,
        environment: console.environment().clone(),
        lock_timeout: database.timeout()?,
    };
    let request = with_settings(database, console, |settings, notes| {
        SlurmSyncRequest::from_settings(settings, &options, author(TOOL.name), notes)
    })?;
    request.map_err(Failure::several)
}

/// Prints a synchronization.
struct Output<'console> {
    console: &'console mut Console,
    started: Instant,
}

impl SlurmSyncObserver for Output<'_> {
    type Error = Failure;

    fn duration(&self) -> Duration {
        self.started.elapsed()
    }

    fn notes(&mut self, notes: Notes) {
        self.console.notes(notes);
    }

    fn report(&mut self, report: &SlurmSyncReport<'_>) -> Result<(), Failure> {
        report::print(report, self.console)
    }
}
