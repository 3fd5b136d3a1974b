//! `cc-jwt renew`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::resources::{ResourceOptions, parse_mode, published_keys, warn_of_mode};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::AtOption;

use crate::osdf::{LoadedResource, reader};
use crate::renew::output::{raise_file_limit, sweep};
use crate::renew::{RenewAction, RenewEvent, RenewMode, Renewal, RenewalJob, TokenFile, run_all};
use crate::token::bearer_discovery;
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::time::{Clock, Timestamp};

/// Renew the tokens of resources in files
///
/// Signs the token of each resource and writes it to its file if it is due: if its remaining lifetime
/// is at most spec.resignBefore, if the file does not contain a valid token, or if the resource or its
/// key changed. The token in the file decides, not its modification time.
#[derive(Debug, Args)]
pub(super) struct Renew {
    /// The resources, YAML or JSON; - is standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::FilePath)]
    pub(super) spec: Vec<PathBuf>,

    /// Renew the token in FILE
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath,
          required_unless_present_any = ["out_dir", "discoverable"], conflicts_with_all = ["out_dir", "discoverable"])]
    output: Option<PathBuf>,

    /// Renew the token of each resource in DIR/NAME; NAME is its metadata.name
    #[arg(long, value_name = "DIR", conflicts_with = "discoverable", value_hint = ValueHint::DirPath)]
    out_dir: Option<PathBuf>,

    /// Renew the token in the file that clients search: BEARER_TOKEN_FILE, or bt_uID in XDG_RUNTIME_DIR or /tmp
    #[arg(long)]
    discoverable: bool,

    /// Mode of the files, in octal [default: 0600, and the group of the file that is
    /// replaced keeps its access]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u32>,

    /// Run until a signal and renew each token in time; print one line of JSON for each event
    #[arg(short, long, conflicts_with_all = ["check", "at"])]
    pub(super) watch: bool,

    /// Check whether a token is due: exit status 0 if no token is due, 1 if one is
    #[arg(long, conflicts_with = "force")]
    check: bool,

    /// Sign every token, even if it is not due
    #[arg(long)]
    force: bool,

    /// Sign no token with a key that is not in the key set (JWKS) of the issuer
    #[arg(long, value_name = "FILE|URL", conflicts_with = "check", value_hint = ValueHint::FilePath)]
    pub(super) published: Option<String>,

    #[command(flatten)]
    pub(super) resources: ResourceOptions,

    #[command(flatten)]
    at: AtOption,
}

pub(super) fn run(arguments: &Renew, console: &mut Console) -> Result<ExitStatus, Failure> {
    arguments.check()?;
    let now = arguments.at.clock()?.now();
    let loaded = arguments.resources.load_all(&arguments.spec, now, console);
    if loaded.is_err() && !arguments.check && arguments.out_dir.is_none() {
        let output = arguments.output_of("", console);
        note_old_token(&quote_path(&output.path), &output, console);
    }
    let loaded = loaded?;
    warn_of_mode(arguments.mode, console);
    let jobs = arguments.jobs(loaded, console)?;
    let environment = console.environment().clone();
    let published = published_keys(arguments.published.as_deref(), console)?;
    let around = arguments.resources.around(&environment, Path::new("."), published.as_ref());
    let act = match (arguments.check, arguments.force) {
        (true, _) => RenewMode::CheckOnly,
        (_, true) => RenewMode::Force,
        _ => RenewMode::IfDue,
    };
    raise_file_limit(jobs.len());
    let mut status = ExitStatus::Success;
    let mut failed = |failure: Failure, console: &mut Console| {
        if status == ExitStatus::Success || status == ExitStatus::Negative {
            status = failure.status();
        }
        console.report(&failure);
    };
    let mut locks = Vec::new();
    let mut locked = Vec::new();
    for job in &jobs {
        if act != RenewMode::CheckOnly {
            match job.output.lock() {
                Ok(lock) => locks.push(lock),
                Err(error) => {
                    failed(error.into(), console);
                    continue;
                }
            }
        }
        locked.push((job, act));
    }
    if act != RenewMode::CheckOnly {
        let outputs: Vec<&TokenFile> = locked.iter().map(|(job, _)| &job.output).collect();
        sweep(&outputs, Clock::System.now());
    }
    let mut notes = Notes::new();
    let kept = run_all(&locked, &around, now, &mut notes);
    console.notes(notes);
    let mut due = false;
    for ((job, _), kept) in locked.iter().zip(kept) {
        match kept {
            Ok(kept) => {
                due |= matches!(kept.action, RenewAction::Due(_));
                show(job, &kept, now, console)?;
            }
            Err(error) => {
                if act != RenewMode::CheckOnly {
                    note_old_token(&quote(&job.resource.name), &job.output, console);
                }
                failed(error.into(), console);
            }
        }
    }
    drop(locks);
    if status == ExitStatus::Success && due {
        return Ok(ExitStatus::Negative);
    }
    Ok(status)
}

/// Warns that the old token remains, with its expiry time.
fn note_old_token(name: &str, output: &TokenFile, console: &mut Console) {
    let Some(ends) = output.unverified_expiry() else { return };
    let now = Clock::System.now();
    console.warn(
        "token-in-file",
        &if ends <= now {
            format!("{name}: the old token is still there and has ended {}", ends.relative_to(now))
        } else {
            format!("{name}: the old token remains and expires {}", ends.human(now))
        },
    );
}

fn show(job: &RenewalJob, kept: &Renewal, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    if matches!(kept.action, RenewAction::Renewed(_)) {
        warn_if_not_owner([job.output.path.as_path()], console);
    }
    if console.is_json() {
        return Ok(console.json(&RenewEvent::of(job, kept, now))?);
    }
    let name = quote(&job.resource.name);
    let ends = kept.expires_at.map_or_else(String::new, |ends| format!("; it expires {}", ends.human(now)));
    let line = match &kept.action {
        RenewAction::Fresh => {
            let renewed =
                kept.renew_at.map_or_else(String::new, |at| format!(", renewed {}", at.relative_to(now)));
            format!("{name} is fresh{ends}{renewed}")
        }
        RenewAction::Due(reason) => format!("{name} is due: {reason}"),
        RenewAction::Renewed(reason) => format!("{name} was signed: {reason}{ends}"),
    };
    let is_negative = matches!(kept.action, RenewAction::Due(_));
    if is_negative {
        console.line(&line)?
    } else {
        console.report_line(&line)?
    }
    Ok(())
}

impl Renew {
    /// Checks that the parser cannot make.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.spec.iter().filter(|path| *path == Path::new("-")).count() > 1 {
            return Err(UsageError::new("standard input can be read once only"));
        }
        Ok(())
    }

    /// The jobs of resources: each with its file.
    pub(super) fn jobs(
        &self,
        loaded: Vec<LoadedResource>,
        console: &mut Console,
    ) -> Result<Vec<RenewalJob>, Failure> {
        let resources: Vec<_> = loaded.iter().map(|loaded| loaded.resource.clone()).collect();
        if let Some(directory) = &self.out_dir {
            let faults = reader::duplicate_names(&resources);
            if !faults.is_empty() {
                return Err(Failure::several(faults));
            }
            if !self.check {
                crate::util::file::create_private_directory(directory)?;
            }
        } else if loaded.len() > 1 {
            let what = if self.discoverable { "--discoverable is" } else { "--output is" };
            return Err(UsageError::new(format!("{what} for one resource, found {}", loaded.len()))
                .hint("give --out-dir DIR: each token is then DIR/NAME")
                .into());
        }
        Ok(loaded
            .into_iter()
            .map(|LoadedResource { resource, directory }| {
                let output = self.output_of(&resource.name, console);
                RenewalJob { resource, directory, output }
            })
            .collect())
    }

    fn output_of(&self, name: &str, console: &mut Console) -> TokenFile {
        let mode = self.mode;
        let plain = |path: PathBuf| TokenFile { path, mode };
        match (&self.output, &self.out_dir) {
            (Some(path), _) => plain(path.clone()),
            (None, Some(directory)) => plain(directory.join(name)),
            (None, None) => {
                if console.environment().non_empty("BEARER_TOKEN").is_some() {
                    console.warn(
                        "bearer-token-variable",
                        "BEARER_TOKEN is set: programs in this session use that token, not the file",
                    );
                }
                let user = rustix::process::geteuid().as_raw();
                let place = bearer_discovery::place_to_write(console.environment(), user);
                let runtime = format!("/run/user/{user}");
                if matches!(place, bearer_discovery::BearerSource::Tmp(_)) && Path::new(&runtime).is_dir() {
                    console.warn(
                        "bearer-discovery-directory",
                        &format!(
                            "programs of a login session look for the token in {runtime}, not in /tmp: set \
                         XDG_RUNTIME_DIR={runtime}"
                        ),
                    );
                }
                plain(place.path().map(Path::to_owned).unwrap_or_default())
            }
        }
    }
}
