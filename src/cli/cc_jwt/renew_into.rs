//! `cc-jwt renew --into` and `--renewal-file`: tokens of users in the files of programs.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::complete;
use super::renew_command::Shell;
use super::renew_once::run_once;
use super::renew_process::run_watch;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::SettingsOptions;
use crate::cli::quantity::positive_duration;
use crate::cli::settings;
use crate::consumer::{
    ChangeCommand, ConsumerFile, ConsumerRenewer, DEFAULT_COMMAND_TIMEOUT, ExpectedAccess, RenewalEntry,
    Target, TokenSpec, files, read_renewal_file,
};
use crate::renew::RenewMode;
use crate::renew::watch::Watch;
use crate::user::Username;
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::time::Timestamp;

/// Which tokens are renewed in which files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens of the server's users")]
pub(super) struct IntoOptions {
    /// Renew a token of this user, with the roles in the user table
    #[arg(long, value_name = "NAME", add = complete::usernames(), conflicts_with = "renewal_file")]
    user: Option<String>,

    /// Renew the token in FILE#/json/pointer (JSON, YAML), FILE#SETTING (environment file and similar), or the
    /// whole FILE; may be repeated
    #[arg(long, value_name = "TARGET", conflicts_with = "renewal_file", value_hint = ValueHint::FilePath)]
    into: Vec<String>,

    /// Lifetime of the token (24h, 30d), instead of the configured one
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,

    /// Renew the token this long before it expires [default: a third of the lifetime]
    #[arg(long, value_name = "DURATION")]
    renew_before: Option<String>,

    /// Run COMMAND with the shell after a change, such as 'systemctl restart cc-metric-collector'
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,

    /// Terminate the command after DURATION [default: 30s]
    #[arg(long, value_name = "DURATION")]
    command_timeout: Option<String>,

    /// Renew the tokens that FILE lists, with their targets and commands
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    renewal_file: Option<PathBuf>,
}

pub(super) fn run(
    arguments: &IntoOptions,
    mode: RenewMode,
    now: Timestamp,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let mut notes = Notes::new();
    let jobs = arguments.jobs(&mut notes);
    console.notes(notes);
    let jobs = jobs?;
    let mut shell = Shell { environment: console.environment().clone() };
    let mut renewer = ConsumerRenewer { sources: settings::sources(options, console), commands: &mut shell };
    run_once(&mut renewer, &jobs, mode, now, console, |_, _| {})
}

/// Renews the tokens until a signal.
pub(super) fn watch(
    arguments: &IntoOptions,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let mut notes = Notes::new();
    let jobs = match arguments.jobs(&mut notes) {
        Ok(jobs) => jobs,
        Err(failure) => {
            console.notes(notes);
            return Err(failure);
        }
    };
    let mut shell = Shell { environment: console.environment().clone() };
    let renewer = ConsumerRenewer { sources: settings::sources(options, console), commands: &mut shell };
    let watch = Watch::new(renewer, arguments.renewal_file.iter());
    let mut reload = |notes: &mut Notes, _: &mut Console| arguments.jobs(notes);
    run_watch(watch, jobs, notes, &mut reload, console)
}

impl IntoOptions {
    /// Whether tokens of users are renewed, and not those of resources.
    pub(super) fn is_given(&self) -> bool {
        self.user.is_some() || self.renewal_file.is_some()
    }

    fn jobs(&self, notes: &mut Notes) -> Result<Vec<ConsumerFile>, Failure> {
        let entries = match &self.renewal_file {
            Some(path) => read_renewal_file(path, notes).map_err(Failure::several)?,
            None => vec![self.entry()?],
        };
        Ok(files(entries)?)
    }

    fn entry(&self) -> Result<RenewalEntry, Failure> {
        let span = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| positive_duration(name, text)).transpose()
        };
        let targets = self.into.iter().map(|text| {
            Target::parse(text).map_err(|error| {
                let shown = PrintableText::value(text);
                UsageError::new(format!("--into: invalid target {shown}: {error}"))
            })
        });
        let timeout = span("--command-timeout", &self.command_timeout)?;
        let user: Username = self.user.clone().unwrap_or_default().parse()?;
        Ok(RenewalEntry {
            targets: targets.collect::<Result<_, _>>()?,
            spec: TokenSpec {
                user: user.into_string(),
                lifetime: span("--ttl", &self.ttl)?,
                renew_before: span("--renew-before", &self.renew_before)?,
            },
            access: ExpectedAccess::default(),
            command: self.command.clone().map(|line| ChangeCommand {
                line,
                timeout: timeout.map_or(DEFAULT_COMMAND_TIMEOUT, |timeout| timeout.to_std()),
            }),
        })
    }
}
